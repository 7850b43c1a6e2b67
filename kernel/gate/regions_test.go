package gate_test

import (
	"bytes"
	"testing"

	"phios/abi"
	"phios/platform"
)

const mapper = abi.RightInvoke | abi.RightMap | abi.RightRead

// mapAt maps a window and returns its address.
func (a actor) mapAt(h abi.Handle, offset, bytes, how uint64) uint64 {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{offset, bytes, how}}
	a.do(h, abi.RegionMap, &args, abi.StatusOK)
	return args.W[0]
}

func (w *world) peek(a actor, address uint64, n int) []byte {
	w.t.Helper()
	b := make([]byte, n)
	if status := w.machine.Read(a.port.Memory(), address, b); status != abi.StatusOK {
		w.t.Errorf("read at %#x: %v", address, status)
	}
	return b
}

func (w *world) poke(a actor, address uint64, b string) {
	w.t.Helper()
	if status := w.machine.Write(a.port.Memory(), address, []byte(b)); status != abi.StatusOK {
		w.t.Errorf("write at %#x: %v", address, status)
	}
}

func (a actor) read(h abi.Handle, offset uint64, n int) string {
	a.t.Helper()
	b := make([]byte, n)
	a.do(h, abi.RegionRead, &abi.Args{W: [6]uint64{offset}, Bytes: b}, abi.StatusOK)
	return string(b)
}

func (a actor) write(h abi.Handle, offset uint64, s string) {
	a.t.Helper()
	a.do(h, abi.RegionWrite, &abi.Args{W: [6]uint64{offset}, Bytes: []byte(s)}, abi.StatusOK)
}

// held returns what of a resource a budget's holders hold.
func (a actor) held(budget abi.Handle, r abi.Resource) uint64 {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{1}}
	a.do(budget, abi.BudgetInspect, &args, abi.StatusOK)
	return args.W[r]
}

// TestMapShared lets two tasks share memory at one address.
func TestMapShared(t *testing.T) {
	w := newWorld(t)
	other := w.boot(8)
	r := w.root.region(16384)
	h := w.give(w.root, r, other, abi.Whole(mapper|abi.RightWrite))
	address := w.root.mapAt(r, 0, 16384, abi.RegionShared)
	if there := other.mapAt(h, 4096, 8192, abi.RegionShared); there != address+4096 {
		t.Errorf("mapped at %#x, the region is at %#x", there, address)
	}
	w.poke(w.root, address+5000, "shared")
	if got := w.peek(other, address+5000, 6); string(got) != "shared" {
		t.Errorf("sees %q", got)
	}
	if got := other.read(h, 5000, 6); got != "shared" {
		t.Errorf("reads %q", got)
	}
	if status := w.machine.Read(other.port.Memory(), address, make([]byte, 1)); status == abi.StatusOK {
		t.Error("what was not mapped can be read")
	}
	other.do(h, abi.RegionUnmap, &abi.Args{W: [6]uint64{address + 4096}}, abi.StatusOK)
	if status := w.machine.Read(other.port.Memory(), address+4096, make([]byte, 1)); status == abi.StatusOK {
		t.Error("what was unmapped can be read")
	}
	// Without WRITE, shared is out of reach.
	reader := w.give(w.root, r, other, abi.Whole(mapper))
	w.refused(other, reader, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared}}, abi.StatusRights)
	w.killAll(w.root.port, other.port)
}

// TestWindowGrant grants a part of a region (G4.4).
func TestWindowGrant(t *testing.T) {
	w := newWorld(t)
	other := w.boot(8)
	r := w.root.region(16384)
	w.root.write(r, 4095, "abc")
	m := abi.Whole(rightsOfOwner)
	m.Base, m.Bytes = 4096, 8192
	h := w.give(w.root, r, other, m)
	if got := other.read(h, 4096, 2); got != "bc" {
		t.Errorf("reads %q", got)
	}
	for _, refused := range []struct {
		call abi.Call
		args abi.Args
	}{
		{abi.RegionRead, abi.Args{W: [6]uint64{4095}, Bytes: make([]byte, 1)}},
		{abi.RegionRead, abi.Args{W: [6]uint64{12287}, Bytes: make([]byte, 2)}},
		{abi.RegionWrite, abi.Args{W: [6]uint64{0}, Bytes: make([]byte, 1)}},
		{abi.RegionMap, abi.Args{W: [6]uint64{0, 4096, abi.RegionPrivate}}},
		{abi.RegionMap, abi.Args{W: [6]uint64{8192, 8192, abi.RegionShared}}},
	} {
		w.refused(other, h, refused.call, &refused.args, abi.StatusRange)
	}
	narrower := abi.Whole(mapper)
	narrower.Base, narrower.Bytes = 8192, 4096
	h = other.mint(h, narrower)
	other.mapAt(h, 8192, 4096, abi.RegionPrivate)
	w.refused(other, h, abi.RegionMap, &abi.Args{W: [6]uint64{4096, 4096, abi.RegionPrivate}}, abi.StatusRange)
}

// TestPrivateWrites checks that a stray write neither reaches the owner nor is
// free.
func TestPrivateWrites(t *testing.T) {
	w := newWorld(t)
	other := w.boot(8)
	r := w.root.region(3 * platform.PageBytes)
	w.root.write(r, 0, "owner")
	h := w.give(w.root, r, other, abi.Whole(mapper))
	address := other.mapAt(h, 0, 3*platform.PageBytes, abi.RegionPrivate)
	before := other.held(other.budget, abi.ResourceMemory)
	w.poke(other, address, "stray")
	w.poke(other, address+2*platform.PageBytes, "stray")
	if got := w.root.read(r, 0, 5); got != "owner" {
		t.Errorf("the owner reads %q", got)
	}
	args := abi.Args{}
	w.root.do(r, abi.RegionSettle, &args, abi.StatusOK)
	if got := other.held(other.budget, abi.ResourceMemory) - before; args.W[0] != 2 || got != 2*platform.PageBytes {
		t.Errorf("settled %d pages, charged %d bytes", args.W[0], got)
	}
	w.root.do(r, abi.RegionSettle, &args, abi.StatusOK)
	if args.W[0] != 0 {
		t.Errorf("settled %d pages twice", args.W[0])
	}
	other.do(h, abi.RegionUnmap, &abi.Args{W: [6]uint64{address}}, abi.StatusOK)
	if got := other.held(other.budget, abi.ResourceMemory); got != before {
		t.Errorf("%d bytes were not given back", got-before)
	}
	w.killAll(w.root.port, other.port)
}

func TestPrivateWriterOverBudget(t *testing.T) {
	w := newWorld(t)
	p, _, status := w.kernel.BootTask(4, abi.Amounts{4096, 4})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	poor := actor{t: t, port: p}
	r := w.root.region(4 * platform.PageBytes)
	h := w.give(w.root, r, poor, abi.Whole(mapper))
	address := poor.mapAt(h, 0, 4*platform.PageBytes, abi.RegionPrivate)
	for i := range uint64(4) {
		w.poke(poor, address+i*platform.PageBytes, "x")
	}
	w.root.do(r, abi.RegionSettle, &abi.Args{}, abi.StatusOK)
	if p.Alive() {
		t.Error("who wrote what nobody pays for lives on")
	}
	w.killAll(w.root.port)
}

// TestRevokedMapping checks that a mapping of a revoked capability is zero
// pages, and that of a moved one, and that death takes mappings away.
func TestRevokedMapping(t *testing.T) {
	fill := func(w *world) (abi.Handle, actor) {
		r := w.root.region(8192)
		w.root.write(r, 0, "secret")
		return r, w.boot(8)
	}
	zero := make([]byte, 6)
	t.Run("revoked", func(t *testing.T) {
		w := newWorld(t)
		r, other := fill(w)
		h := w.give(w.root, r, other, abi.Whole(mapper|abi.RightWrite))
		address := other.mapAt(h, 0, 4096, abi.RegionShared)
		own := w.root.mapAt(r, 0, 8192, abi.RegionShared)
		w.root.revoke(r)
		if got := w.peek(other, address, 6); !bytes.Equal(got, zero) {
			t.Errorf("still sees %q", got)
		}
		w.poke(other, address, "late")
		if got := w.peek(w.root, own, 6); string(got) != "secret" {
			t.Errorf("the owner sees %q", got)
		}
		w.killAll(w.root.port, other.port)
	})
	t.Run("deleted", func(t *testing.T) {
		w := newWorld(t)
		r, other := fill(w)
		h := w.give(w.root, r, other, abi.Whole(mapper))
		address := other.mapAt(h, 0, 4096, abi.RegionPrivate)
		other.do(h, abi.CapDelete, &abi.Args{}, abi.StatusOK)
		if got := w.peek(other, address, 6); !bytes.Equal(got, zero) {
			t.Errorf("still sees %q", got)
		}
	})
	for name, move := range map[string]func(w *world, other, third actor, h abi.Handle){
		"moved by a send": func(w *world, other, third actor, h abi.Handle) {
			e := third.endpoint(2)
			m := moving(h)
			other.do(w.give(third, e, other, abi.Whole(user)), abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
			third.receive(e)
		},
		"moved by a call": func(w *world, other, third actor, h abi.Handle) {
			e := third.endpoint(2)
			third.serve(e, func(m *abi.Message) abi.Status { m.HandleCount = 0; return abi.StatusOK })
			other.call(w.give(third, e, other, abi.Whole(user)), moving(h), abi.StatusOK)
		},
		"moved by a grant": func(_ *world, other, _ actor, h abi.Handle) {
			child, _ := other.task(other.budget, 4)
			other.do(child, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(h), abi.GrantMove}}, abi.StatusOK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r, other := fill(w)
			h := w.give(w.root, r, other, abi.Whole(mapper|abi.RightGrant))
			address := other.mapAt(h, 0, 4096, abi.RegionPrivate)
			move(w, other, w.boot(8), h)
			if got := w.peek(other, address, 6); !bytes.Equal(got, zero) {
				t.Errorf("still sees %q", got)
			}
		})
	}
	t.Run("giver died", func(t *testing.T) {
		w := newWorld(t)
		r, middle := fill(w)
		last := w.boot(8)
		h := w.give(w.root, r, middle, abi.Whole(mapper|abi.RightGrant))
		g := w.give(middle, h, last, abi.Whole(mapper))
		address := last.mapAt(g, 0, 4096, abi.RegionPrivate)
		middle.port.Done(0)
		w.tidy()
		if got := w.peek(last, address, 6); !bytes.Equal(got, zero) {
			t.Errorf("still sees %q", got)
		}
		last.do(g, abi.RegionRead, &abi.Args{Bytes: zero}, abi.StatusRevoked)
		args := abi.Args{}
		last.port.Done(0)
		w.tidy()
		w.root.do(r, abi.RegionInspect, &args, abi.StatusOK)
		if args.W[3] != 0 {
			t.Errorf("%d mappings of the dead", args.W[3])
		}
	})
}

func TestPins(t *testing.T) {
	w := newWorld(t)
	r := w.root.region(1 * megabyte)
	w.root.do(r, abi.RegionPin, &abi.Args{}, abi.StatusOK)
	w.root.do(r, abi.RegionPin, &abi.Args{}, abi.StatusOK)
	args := abi.Args{}
	w.root.do(r, abi.RegionInspect, &args, abi.StatusOK)
	if args.W[0] != megabyte || args.W[2] != 7 || args.W[4] != 2 {
		t.Errorf("inspected %v", args.W)
	}
	w.refused(w.root, w.root.region(12*megabyte), abi.RegionPin, &abi.Args{}, abi.StatusPinLimit)
	w.root.do(r, abi.RegionUnpin, &abi.Args{}, abi.StatusOK)
	w.root.do(r, abi.RegionUnpin, &abi.Args{}, abi.StatusOK)
	w.refused(w.root, r, abi.RegionUnpin, &abi.Args{}, abi.StatusState)
	w.killAll(w.root.port)
}
