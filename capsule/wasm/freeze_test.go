package wasm

import (
	"bytes"
	"strings"
	"testing"

	"phios/abi"
	"phios/capsule"
)

// keeper is a program that finds the capability "peer" when the first word of
// a message is 1 and keeps its number in a global, and in word 1 says what
// calling it answers. Word 2 counts the messages.
func keeper() []byte {
	const word = messageAt + abi.MessageAtWords
	return asm{
		imports: []imported{{"phi:cap", "named", "www", "w"}, {"phi:ipc", "call", "dw", "w"}, {"phi:cap", "mint", "dww", "w"}},
		data:    []byte("peer"),
		globals: []int64{0, 0},
		funcs: reactor(join(
			load64(word), i64(1), op(0x51), op(opIf, opVoid), // word 0 is 1
			i32(dataAt), i32(4), i32(64), call_(0), op(opDrop),
			load64(64), setGlobal(0), op(opEnd),
			getGlobal(1), i64(1), op(opAdd64), setGlobal(1),
			store64(word+8, join(getGlobal(0), i32(2048), call_(1), op(0xad))), // extend to 64 bits
			store64(word+16, getGlobal(1)),
			store64(word+24, getGlobal(0)),
			i32(0),
		)),
	}.module()
}

func freeze(tb testing.TB, i *Instance) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := i.Freeze(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// TestFreeze freezes a program with a capability and goes on in another task,
// where the same number is granted anew, and then where it is not.
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	server := w.task(plenty)
	echoing := w.start(echo(), server, capsule.Spec{})
	echoing.Run()
	e := w.serve(server, echoing)

	first := w.task(plenty)
	w.grant(server, e, first, "peer")
	i := w.start(keeper(), first, capsule.Spec{})
	i.Run()
	if got := serveOnce(t, i, first, 0); got[1] != uint64(abi.StatusBadHandle) {
		t.Fatalf("before it knows the handle: %v", got)
	}
	words := serveOnce(t, i, first, 1)
	if words[1] != 0 || words[2] != 2 {
		t.Fatalf("got %v", words)
	}
	state := freeze(t, i)

	for epoch := range uint64(3) {
		next := w.task(plenty)
		// Others take the slots that the number named before.
		for range epoch + 1 {
			w.do(next, next.budget, abi.NotificationCreate, &abi.Args{})
		}
		w.grant(server, e, next, "peer")
		i = w.start(keeper(), next, capsule.Spec{Frozen: bytes.NewReader(state)})
		if exit := i.Run(); !exit.OK() {
			t.Fatalf("%+v", exit)
		}
		got := serveOnce(t, i, next, 0)
		if got[1] != 0 || got[2] != 3+2*epoch || epoch == 0 && got[3] != words[3] {
			t.Errorf("epoch %d: %v", epoch, got)
		}
		// Found again, it has a number of this epoch.
		if got := serveOnce(t, i, next, 1); got[1] != 0 || got[3]>>epochShift != epoch+1 {
			t.Errorf("epoch %d: found again as %#x: %v", epoch, got[3], got)
		}
		state = freeze(t, i)
	}

	poor := w.task(plenty)
	poor.names.Clear()
	i = w.start(keeper(), poor, capsule.Spec{Frozen: bytes.NewReader(state)})
	i.Run()
	if got := serveOnce(t, i, poor, 0); got[1] != uint64(abi.StatusBadHandle) {
		t.Errorf("without the grant: %v", got)
	}
}

func TestFreezeGo(t *testing.T) {
	w := newWorld(t)
	server := w.task(plenty)
	module := goGuest(t, "goreactor")
	i := w.start(module, server, capsule.Spec{})
	i.Run()
	serveOnce(t, i, server, 1)
	state := freeze(t, i)
	again := w.start(module, w.task(plenty), capsule.Spec{Frozen: bytes.NewReader(state)})
	again.Run()
	if got := serveOnce(t, again, server, 9); got != [4]uint64{10, 2, 81} {
		t.Errorf("got %v", got)
	}
	t.Logf("%d KiB of %d", len(state)>>10, i.Usage().MemoryBytes>>10)
}

func TestFreezeRefused(t *testing.T) {
	w := newWorld(t)
	server := w.task(plenty)
	i := w.start(echo(), server, capsule.Spec{})
	if err := i.Freeze(&bytes.Buffer{}); err == nil {
		t.Error("a program that has not begun")
	}
	i.Run()
	state := freeze(t, i)
	if _, err := w.install(keeper()).Start(capsule.Spec{Door: server, Frozen: bytes.NewReader(state)}); err == nil || !strings.Contains(err.Error(), "own image") {
		t.Errorf("another image: %v", err)
	}
	for n := range state {
		spoiled := bytes.Clone(state)
		spoiled[n] ^= 0x40
		if bad, err := w.install(echo()).Start(capsule.Spec{Door: server, Frozen: bytes.NewReader(spoiled)}); err == nil {
			bad.Close()
			t.Fatalf("byte %d of %d is spoiled and nobody sees it", n, len(state))
		}
	}
	if _, err := w.install(echo()).Start(capsule.Spec{Door: server, Frozen: bytes.NewReader(state[:len(state)-1])}); err == nil {
		t.Error("a state that is cut off")
	}
	i.Stop()
	if status := i.Serve(server, &abi.Message{}); status != abi.StatusPeerDead {
		t.Error(status)
	}
	if err := i.Freeze(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "anew") {
		t.Errorf("a program that has ended: %v", err)
	}
}

func FuzzThaw(f *testing.F) {
	image := Hash{1}
	head := frozen{image: image, epoch: 2, globals: []uint64{7}, grants: []grant{{name: "peer", seen: 9}}, bytes: pageBytes}
	f.Add(head.encode())
	f.Add(append(head.encode(), runHead(0, 0)...))
	f.Add(append(append(head.encode(), runHead(1, 1)...), make([]byte, 4096)...))
	f.Fuzz(func(t *testing.T, state []byte) {
		d := newDecoder(bytes.NewReader(state))
		got, err := d.head(image, 1)
		if err != nil {
			return
		}
		if again := got.encode(); !bytes.HasPrefix(state, again) {
			t.Errorf("%x decodes to %+v, which encodes as %x", state, got, again)
		}
		if d.memory(make([]byte, pageBytes)) == nil && len(state) < len(head.encode()) {
			t.Error("a short state passes")
		}
	})
}
