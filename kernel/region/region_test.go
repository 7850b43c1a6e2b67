package region

import (
	"math"
	"testing"

	"phios/abi"
	"phios/platform"
	"phios/platform/sim"
)

const (
	page     = platform.PageBytes
	lastPage = math.MaxUint64 &^ (page - 1)
)

// nobody is for mappings whose dirtied pages do not matter.
func nobody(_, _ uint64) {}

func create(tb testing.TB, a *Arena, bytes uint64) *Region {
	tb.Helper()
	r, status := a.Create(bytes)
	if status != abi.StatusOK {
		tb.Fatalf("create %d: %v", bytes, status)
	}
	return r
}

func newSpace(tb testing.TB, m platform.Memory) platform.Space {
	tb.Helper()
	s, status := m.NewSpace()
	if status != abi.StatusOK {
		tb.Fatalf("new space: %v", status)
	}
	return s
}

func place(tb testing.TB, r *Region, m Mapping) uint64 {
	tb.Helper()
	address, status := r.Map(m)
	if status != abi.StatusOK {
		tb.Fatalf("map %+v: %v", m, status)
	}
	return address
}

// want fails the test when a status is not the expected one.
func want(t *testing.T, what string, got, want abi.Status) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// byteAt reads one byte of a space.
func byteAt(t *testing.T, m platform.Memory, s platform.Space, address uint64) byte {
	t.Helper()
	var b [1]byte
	if status := m.Read(s, address, b[:]); status != abi.StatusOK {
		t.Fatalf("read %x: %v", address, status)
	}
	return b[0]
}

// set writes one byte of a space.
func set(t *testing.T, m platform.Memory, s platform.Space, address uint64, b byte) {
	t.Helper()
	if status := m.Write(s, address, []byte{b}); status != abi.StatusOK {
		t.Fatalf("write %x: %v", address, status)
	}
}

// memories returns what tests run on: the naive memory and the simulator's.
func memories() map[string]platform.Memory {
	return map[string]platform.Memory{"fake": newFake(), "sim": sim.New(sim.Config{})}
}

func TestCreate(t *testing.T) {
	f := newFake()
	a := NewArena(f, 7)
	_, status := a.Create(0)
	want(t, "no bytes", status, abi.StatusBadArgument)
	_, status = a.Create(math.MaxUint64)
	want(t, "all bytes", status, abi.StatusNoMemory)
	_, status = a.Create(fakeBytes + 1)
	want(t, "more than the arena", status, abi.StatusNoMemory)
	for _, c := range []struct{ bytes, rounded, align uint64 }{
		{1, page, page},
		{page, page, page},
		{page + 1, 2 * page, page},
		{platform.LargePageBytes - page, platform.LargePageBytes - page, page},
		{platform.LargePageBytes - 1, platform.LargePageBytes, platform.LargePageBytes},
		{platform.LargePageBytes + 1, platform.LargePageBytes + page, platform.LargePageBytes},
		{1 << 30, 1 << 30, platform.LargePageBytes},
	} {
		r := create(t, a, c.bytes)
		if r.Bytes() != c.rounded || r.Address()%c.align != 0 {
			t.Errorf("create %d: %d bytes at %x", c.bytes, r.Bytes(), r.Address())
		}
		if large := c.align > page; f.large[r.Address()] != large {
			t.Errorf("create %d: large pages %v, want %v", c.bytes, !large, large)
		}
		if g := r.Global(); g != (abi.GlobalAddress{Node: 7, Address: r.Address()}) {
			t.Errorf("global address %+v", g)
		}
	}
}

// TestCreateFails checks that no memory and too many regions leave no trace.
func TestCreateFails(t *testing.T) {
	f := newFake()
	a := NewArena(f, 1)
	create(t, a, page)
	before := a.Usage()
	f.fail = abi.StatusNoMemory
	_, status := a.Create(3 * platform.LargePageBytes)
	want(t, "no memory", status, abi.StatusNoMemory)
	if after := a.Usage(); after != before {
		t.Errorf("usage %+v, want %+v", after, before)
	}
	f.fail = abi.StatusOK
	_, status = a.Create(fakeBytes)
	want(t, "no addresses", status, abi.StatusNoMemory)
	a.regions = regionsMax
	_, status = a.Create(page)
	want(t, "too many", status, abi.StatusLimit)
}

// TestFresh checks that nothing of a region leaks to the next at its address.
func TestFresh(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			a := NewArena(m, 1)
			r := create(t, a, page)
			s := newSpace(t, m)
			address := place(t, r, Mapping{Space: s, Bytes: page, Access: platform.AccessPrivate})
			set(t, m, s, address, 1)
			want(t, "write", r.Write(Window{Bytes: page}, 0, []byte{1}), abi.StatusOK)
			r.Destroy(nobody)
			for a.addresses.count > 0 {
				a.addresses.wake()
			}
			next := create(t, a, page)
			if next.Address() != address {
				t.Fatalf("next at %x, want %x", next.Address(), address)
			}
			place(t, next, Mapping{Space: s, Bytes: page, Access: platform.AccessPrivate})
			if byteAt(t, m, platform.SpaceKernel, address) != 0 || byteAt(t, m, s, address) != 0 {
				t.Error("a new region is not zero")
			}
		})
	}
}

func TestMapStatuses(t *testing.T) {
	f := newFake()
	r := create(t, NewArena(f, 1), 8*page)
	s, other := newSpace(t, f), newSpace(t, f)
	shared := platform.AccessShared
	place(t, r, Mapping{Space: s, Offset: 2 * page, Bytes: 2 * page, Access: shared})
	dead := func(key uint64) bool { return key == 9 }
	for _, c := range []struct {
		name string
		m    Mapping
		want abi.Status
	}{
		{"kernel", Mapping{Space: platform.SpaceKernel, Bytes: page, Access: shared}, abi.StatusBadArgument},
		{"no length", Mapping{Space: s, Access: shared}, abi.StatusBadArgument},
		{"offset unaligned", Mapping{Space: s, Offset: 1, Bytes: page, Access: shared}, abi.StatusBadArgument},
		{"length unaligned", Mapping{Space: s, Bytes: page + 1, Access: shared}, abi.StatusBadArgument},
		{"no access", Mapping{Space: s, Bytes: page}, abi.StatusBadArgument},
		{"unknown access", Mapping{Space: s, Bytes: page, Access: 3}, abi.StatusBadArgument},
		{"too long", Mapping{Space: s, Bytes: 9 * page, Access: shared}, abi.StatusRange},
		{"past the end", Mapping{Space: s, Offset: 7 * page, Bytes: 2 * page, Access: shared}, abi.StatusRange},
		{"far past the end", Mapping{Space: s, Offset: 9 * page, Bytes: page, Access: shared}, abi.StatusRange},
		{"overflow", Mapping{Space: s, Offset: 4 * page, Bytes: lastPage, Access: shared}, abi.StatusRange},
		{"offset overflows", Mapping{Space: s, Offset: lastPage, Bytes: 2 * page, Access: shared}, abi.StatusRange},
		{"the same", Mapping{Space: s, Offset: 2 * page, Bytes: 2 * page, Access: shared}, abi.StatusOverlap},
		{"over its head", Mapping{Space: s, Offset: page, Bytes: 2 * page, Access: shared}, abi.StatusOverlap},
		{"over its tail", Mapping{Space: s, Offset: 3 * page, Bytes: page, Access: shared}, abi.StatusOverlap},
		{"over all of it", Mapping{Space: s, Bytes: 8 * page, Access: shared}, abi.StatusOverlap},
		{"dead key", Mapping{Space: s, Bytes: page, Access: shared, Key: 9, Dead: dead}, abi.StatusRevoked},
		{"before it", Mapping{Space: s, Bytes: 2 * page, Access: shared, Dead: dead}, abi.StatusOK},
		{"after it", Mapping{Space: s, Offset: 4 * page, Bytes: 4 * page, Access: shared}, abi.StatusOK},
		{"other space", Mapping{Space: other, Offset: 3 * page, Bytes: 2 * page, Access: shared}, abi.StatusOK},
	} {
		address, status := r.Map(c.m)
		want(t, c.name, status, c.want)
		if status == abi.StatusOK && address != r.Address()+c.m.Offset {
			t.Errorf("%s: at %x", c.name, address)
		}
	}
	if n := r.Mappings(); n != 4 {
		t.Errorf("%d mappings, want 4", n)
	}
	f.fail = abi.StatusNoMemory
	_, status := r.Map(Mapping{Space: other, Bytes: page, Access: shared})
	want(t, "the machine refuses", status, abi.StatusNoMemory)
	if n := r.Mappings(); n != 4 {
		t.Errorf("%d mappings, want 4", n)
	}
}

func TestUnmap(t *testing.T) {
	f := newFake()
	r := create(t, NewArena(f, 1), 4*page)
	s, other := newSpace(t, f), newSpace(t, f)
	at := place(t, r, Mapping{Space: s, Bytes: 2 * page, Access: platform.AccessShared})
	place(t, r, Mapping{Space: s, Offset: 2 * page, Bytes: page, Access: platform.AccessShared})
	place(t, r, Mapping{Space: other, Bytes: page, Access: platform.AccessShared})
	for name, c := range map[string]struct {
		space   platform.Space
		address uint64
	}{"inside": {s, at + page}, "nothing there": {s, at + 3*page}, "other space": {other + 1, at}, "zero": {s, 0}} {
		_, status := r.Unmap(c.space, c.address)
		want(t, name, status, abi.StatusBadArgument)
		_, status = r.Dirtied(c.space, c.address)
		want(t, name, status, abi.StatusBadArgument)
	}
	_, status := r.Unmap(s, at)
	want(t, "unmap", status, abi.StatusOK)
	_, status = r.Unmap(s, at)
	want(t, "unmap again", status, abi.StatusBadArgument)
	place(t, r, Mapping{Space: s, Bytes: page, Access: platform.AccessShared})
	if n := r.UnmapSpace(s, nobody); n != 2 {
		t.Errorf("%d unmapped, want 2", n)
	}
	if n := r.UnmapSpace(s, nobody); n != 0 {
		t.Errorf("%d unmapped, want 0", n)
	}
	if n := r.Mappings(); n != 1 {
		t.Errorf("%d mappings left, want 1", n)
	}
}

// TestAccess shows what shared and private windows see of each other, at one
// address everywhere.
func TestAccess(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			r := create(t, NewArena(m, 1), 2*page)
			writer, reader := newSpace(t, m), newSpace(t, m)
			at := place(t, r, Mapping{Space: writer, Bytes: 2 * page, Access: platform.AccessShared})
			if same := place(t, r, Mapping{Space: reader, Bytes: 2 * page, Access: platform.AccessPrivate}); same != at {
				t.Fatalf("at %x and %x", at, same)
			}
			set(t, m, writer, at, 1)
			if byteAt(t, m, reader, at) != 1 || byteAt(t, m, platform.SpaceKernel, at) != 1 {
				t.Error("a shared write is not seen")
			}
			set(t, m, reader, at, 2)
			if byteAt(t, m, reader, at) != 2 || byteAt(t, m, writer, at) != 1 {
				t.Error("a stray write reached the owner, or was lost")
			}
			set(t, m, writer, at+page, 3)
			if byteAt(t, m, reader, at+page) != 3 {
				t.Error("a page that was not touched does not follow the owner")
			}
		})
	}
}

// TestZeroWhere revokes: dead mappings read as zeros at once, and nothing that
// is written through them arrives, while the others go on.
func TestZeroWhere(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			r := create(t, NewArena(m, 1), page)
			s, other := newSpace(t, m), newSpace(t, m)
			at := place(t, r, Mapping{Space: s, Bytes: page, Access: platform.AccessShared, Key: 1})
			place(t, r, Mapping{Space: other, Bytes: page, Access: platform.AccessShared, Key: 2})
			set(t, m, s, at, 5)
			dead := func(key uint64) bool { return key == 1 }
			if n := r.ZeroWhere(dead); n != 1 {
				t.Errorf("%d zeroed, want 1", n)
			}
			if n := r.ZeroWhere(dead); n != 0 {
				t.Errorf("%d zeroed again, want 0", n)
			}
			if byteAt(t, m, s, at) != 0 || byteAt(t, m, other, at) != 5 {
				t.Error("zeroed the wrong mapping, or none")
			}
			set(t, m, s, at, 7)
			if byteAt(t, m, other, at) != 5 || byteAt(t, m, platform.SpaceKernel, at) != 5 {
				t.Error("a write through a dead mapping arrived")
			}
			_, status := r.Map(Mapping{Space: s, Bytes: page, Access: platform.AccessShared, Key: 3})
			want(t, "over a dead mapping", status, abi.StatusOverlap)
			_, status = r.Unmap(s, at)
			want(t, "unmap a dead mapping", status, abi.StatusOK)
			place(t, r, Mapping{Space: s, Bytes: page, Access: platform.AccessShared, Key: 3})
			if byteAt(t, m, s, at) != 5 {
				t.Error("a new grant does not show the region")
			}
		})
	}
}

// TestSettle counts each dirtied page once, and returns it once.
func TestSettle(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			r := create(t, NewArena(m, 1), 4*page)
			s, other := newSpace(t, m), newSpace(t, m)
			at := place(t, r, Mapping{Space: s, Bytes: 4 * page, Access: platform.AccessPrivate, Owner: 1, Key: 1})
			place(t, r, Mapping{Space: other, Bytes: 4 * page, Access: platform.AccessShared, Owner: 2})
			paid := map[uint64]uint64{}
			settle := func() { r.Settle(func(owner, pages uint64) { paid[owner] += pages }) }
			back := func(owner, pages uint64) { paid[owner] -= pages }

			set(t, m, s, at, 1)
			set(t, m, s, at+page, 1)
			set(t, m, other, at+2*page, 1)
			settle()
			settle()
			set(t, m, s, at+1, 1)
			set(t, m, s, at+3*page, 1)
			if pages, status := r.Dirtied(s, at); pages != 3 || status != abi.StatusOK {
				t.Errorf("dirtied %d, %v", pages, status)
			}
			settle()
			if paid[1] != 3 || paid[2] != 0 {
				t.Errorf("paid %v, want 3 by 1 and nothing by 2", paid)
			}
			// The charge outlives a revocation: it stands for the zero pages.
			r.ZeroWhere(func(key uint64) bool { return key == 1 })
			set(t, m, s, at, 1)
			settle()
			if paid[1] != 3 {
				t.Errorf("after the revocation %d, want 3", paid[1])
			}
			pages, status := r.Unmap(s, at)
			want(t, "unmap", status, abi.StatusOK)
			back(1, pages)
			place(t, r, Mapping{Space: s, Bytes: 4 * page, Access: platform.AccessPrivate, Owner: 1})
			set(t, m, s, at, 1)
			settle()
			r.UnmapSpace(s, back)
			place(t, r, Mapping{Space: s, Bytes: 4 * page, Access: platform.AccessPrivate, Owner: 1})
			set(t, m, s, at, 1)
			settle()
			r.Destroy(back)
			if paid[1] != 0 {
				t.Errorf("in the end %d, want 0", paid[1])
			}
		})
	}
}

// TestSettleZeroPages checks that who dirties the zero pages of a revoked
// shared mapping pays for them.
func TestSettleZeroPages(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			r := create(t, NewArena(m, 1), 2*page)
			s := newSpace(t, m)
			at := place(t, r, Mapping{Space: s, Bytes: 2 * page, Access: platform.AccessShared, Owner: 4})
			r.ZeroWhere(func(uint64) bool { return true })
			set(t, m, s, at+page, 1)
			paid := uint64(0)
			r.Settle(func(owner, pages uint64) { paid += owner * pages })
			if paid != 4 {
				t.Errorf("paid %d, want 4", paid)
			}
		})
	}
}

func TestReadWrite(t *testing.T) {
	for name, m := range memories() {
		t.Run(name, func(t *testing.T) {
			r := create(t, NewArena(m, 1), 2*page)
			w := Window{Base: page - 4, Bytes: 8}
			want(t, "write", r.Write(w, 2, []byte("abcdef")), abi.StatusOK)
			got := make([]byte, 8)
			want(t, "read", r.Read(w, 0, got), abi.StatusOK)
			if string(got) != "\x00\x00abcdef" {
				t.Errorf("read %q", got)
			}
			for _, c := range []struct {
				name      string
				w         Window
				offset, n uint64
				want      abi.Status
			}{
				{"nothing at the end", w, 8, 0, abi.StatusOK},
				{"nothing past the end", w, 9, 0, abi.StatusRange},
				{"over the end", w, 4, 5, abi.StatusRange},
				{"offset overflows", w, math.MaxUint64, 2, abi.StatusRange},
				{"window over the end", Window{Base: page, Bytes: page + 1}, 0, 1, abi.StatusRange},
				{"window past the end", Window{Base: 3 * page, Bytes: 0}, 0, 0, abi.StatusRange},
				{"dead window", Window{Bytes: page, Live: func() bool { return false }}, 0, 1, abi.StatusRevoked},
				{"live window", Window{Bytes: page, Live: func() bool { return true }}, 0, 1, abi.StatusOK},
				{"window overflows", Window{Base: page, Bytes: math.MaxUint64}, 0, 1, abi.StatusRange},
				{"base overflows", Window{Base: math.MaxUint64, Bytes: 2}, 0, 1, abi.StatusRange},
				{"empty window", Window{}, 0, 1, abi.StatusRange},
				{"the last byte", Window{Base: 2*page - 1, Bytes: 1}, 0, 1, abi.StatusOK},
			} {
				want(t, "read "+c.name, r.Read(c.w, c.offset, make([]byte, c.n)), c.want)
				want(t, "write "+c.name, r.Write(c.w, c.offset, make([]byte, c.n)), c.want)
			}
		})
	}
}

func TestPin(t *testing.T) {
	f := newFake()
	r := create(t, NewArena(f, 1), page)
	want(t, "unpin unpinned", r.Unpin(1), abi.StatusState)
	want(t, "no pins", r.Pin(0), abi.StatusBadArgument)
	want(t, "no unpins", r.Unpin(0), abi.StatusBadArgument)
	f.fail = abi.StatusPinLimit
	want(t, "the machine refuses", r.Pin(1), abi.StatusPinLimit)
	want(t, "unpin refused", r.Unpin(1), abi.StatusState)
	f.fail = abi.StatusOK
	want(t, "pin", r.Pin(2), abi.StatusOK)
	want(t, "pin again", r.Pin(1), abi.StatusOK)
	want(t, "too many", r.Pin(pinsMax-2), abi.StatusLimit)
	want(t, "far too many", r.Pin(math.MaxUint64), abi.StatusLimit)
	want(t, "unpin more", r.Unpin(4), abi.StatusState)
	if n := r.Pins(); n != 3 {
		t.Errorf("%d pins, want 3", n)
	}
	want(t, "unpin", r.Unpin(2), abi.StatusOK)
	if !f.pinned[r.Address()] {
		t.Error("unpinned too soon")
	}
	want(t, "unpin the last", r.Unpin(1), abi.StatusOK)
	if f.pinned[r.Address()] {
		t.Error("still pinned")
	}
	want(t, "pin once more", r.Pin(1), abi.StatusOK)
	r.Destroy(nobody)
}

// TestPinLimit gets the honest error from a machine.
func TestPinLimit(t *testing.T) {
	m := sim.New(sim.Config{PinBytes: 2 * page})
	r := create(t, NewArena(m, 1), 3*page)
	want(t, "more than allowed", r.Pin(1), abi.StatusPinLimit)
}

func TestDestroyed(t *testing.T) {
	f := newFake()
	a := NewArena(f, 1)
	empty := a.Usage()
	r := create(t, a, page)
	s := newSpace(t, f)
	at := place(t, r, Mapping{Space: s, Bytes: page, Access: platform.AccessPrivate})
	r.Destroy(nobody)
	_, status := r.Map(Mapping{Space: s, Bytes: page, Access: platform.AccessShared})
	want(t, "map", status, abi.StatusState)
	_, status = r.Unmap(s, at)
	want(t, "unmap", status, abi.StatusState)
	_, status = r.Dirtied(s, at)
	want(t, "dirtied", status, abi.StatusState)
	want(t, "pin", r.Pin(1), abi.StatusState)
	want(t, "unpin", r.Unpin(1), abi.StatusState)
	want(t, "read", r.Read(Window{Bytes: page}, 0, nil), abi.StatusState)
	want(t, "write", r.Write(Window{Bytes: page}, 0, nil), abi.StatusState)
	r.Settle(func(uint64, uint64) { t.Error("a destroyed region has dirtied pages") })
	if len(f.views) != 0 || len(f.pages) != 0 {
		t.Errorf("left in the machine: %v, %d pages", f.views, len(f.pages))
	}
	after := a.Usage()
	if after.Regions != 0 || after.Used != 0 || after.Free+after.Resting != empty.Free {
		t.Errorf("left in the arena: %+v", after)
	}
}

// TestReferences counts: the last release says so, once.
func TestReferences(t *testing.T) {
	r := create(t, NewArena(newFake(), 1), page)
	r.Retain()
	r.Retain()
	for _, last := range []bool{false, false, true} {
		if got := r.Release(); got != last {
			t.Errorf("last %v, want %v", got, last)
		}
	}
	r.Destroy(nobody)
}

// TestBroken checks that what only a bug in the kernel can do stops the
// program.
func TestBroken(t *testing.T) {
	for name, breaks := range map[string]func(r *Region){
		"destroy twice":        func(r *Region) { r.Destroy(nobody); r.Destroy(nobody) },
		"destroy while held":   func(r *Region) { r.Retain(); r.Destroy(nobody) },
		"release twice":        func(r *Region) { r.Release(); r.Release() },
		"retain the released":  func(r *Region) { r.Release(); r.Retain() },
		"give addresses twice": func(r *Region) { r.arena.cancel(r.address, page); r.arena.cancel(r.address, page) },
		"no region counted":    func(r *Region) { r.arena.forgetLocked(page); r.arena.forgetLocked(page) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing stopped it", name)
				}
			}()
			breaks(create(t, NewArena(newFake(), 1), page))
		}()
	}
}

func TestMappingsMax(t *testing.T) {
	f := newFake()
	r := create(t, NewArena(f, 1), mappingsMax*page)
	s := newSpace(t, f)
	// Filled from the back, so that each insertion is at the front.
	for i := range uint64(mappingsMax) {
		place(t, r, Mapping{Space: s, Offset: (mappingsMax - 1 - i) * page, Bytes: page, Access: platform.AccessShared})
	}
	_, status := r.Map(Mapping{Space: newSpace(t, f), Bytes: page, Access: platform.AccessShared})
	want(t, "too many", status, abi.StatusLimit)
	if n := r.UnmapSpace(s, nobody); n != mappingsMax {
		t.Errorf("%d unmapped", n)
	}
}
