package wasm

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

// cGuest compiles a program of testdata. Where there is no clang the test says
// so: no other test needs one.
func cGuest(tb testing.TB, name string) []byte {
	tb.Helper()
	clang, err := exec.LookPath("clang")
	if err != nil {
		tb.Skip("NO CLANG ON THIS MACHINE: programs in C are not tested")
	}
	out := filepath.Join(tb.TempDir(), name+".wasm")
	command := exec.Command(clang, "--target=wasm32", "-nostdlib", "-O2", "-Wl,--no-entry", "-o", out, filepath.Join("testdata", name+".c"))
	if text, err := command.CombinedOutput(); err != nil {
		tb.Skipf("THIS CLANG MAKES NO WEBASSEMBLY (%v): programs in C are not tested\n%s", err, text)
	}
	return read(tb, out)
}

// The requests that the programs of testdata answer.
const (
	doRead = iota
	doWrite
	doRing    = 5
	doCollect = 6
)

// ask has a program do something and returns words 2 and 3 of the answer.
func ask(tb testing.TB, i *Instance, door capsule.Door, what, offset, value uint64) (uint64, uint64) {
	tb.Helper()
	m := abi.Message{Words: [4]uint64{what, offset, value}}
	if status := i.Serve(door, &m); !status.OK() {
		exit, _ := i.Ended()
		tb.Fatalf("%v: %+v", status, exit)
	}
	return m.Words[2], m.Words[3]
}

// mapping starts a program that maps a region.
func (w *world) mapping(module []byte, region abi.Handle, flags uint64) (*Instance, task) {
	w.tb.Helper()
	t := w.task(plenty)
	w.grant(w.root, region, t, "region")
	i := w.start(module, t, capsule.Spec{Argument: flags})
	space, status := w.machine.NewGuest(i.Guest(w.machine))
	if !status.OK() {
		w.tb.Fatal(status)
	}
	if status := t.AdoptOffered(space); !status.OK() {
		w.tb.Fatal(status)
	}
	if exit := i.Run(); !exit.OK() {
		w.tb.Fatalf("%+v", exit)
	}
	return i, t
}

func (w *world) region() abi.Handle {
	return w.do(w.root, w.root.budget, abi.RegionCreate, &abi.Args{W: [6]uint64{64 << 10}})
}

// TestWindows lets two programs in Go, one of them only reading, and one in C
// share a region, and revokes it.
func TestWindows(t *testing.T) {
	w := newWorld(t)
	region := w.region()
	goModule := goGuest(t, "gowindow")
	first, firstTask := w.mapping(goModule, region, abi.RegionShared)
	reader, readerTask := w.mapping(goModule, region, abi.RegionPrivate)
	inC, cTask := w.mapping(cGuest(t, "window"), region, abi.RegionShared)

	ask(t, first, firstTask, doWrite, 8192, 4711)
	if got, _ := ask(t, reader, readerTask, doRead, 8192, 0); got != 4711 {
		t.Errorf("the reader sees %d", got)
	}
	if got, _ := ask(t, inC, cTask, doRead, 8192, 0); got != 4711 {
		t.Errorf("C sees %d", got)
	}
	ask(t, inC, cTask, doWrite, 0, 815)
	ask(t, first, firstTask, doCollect, 0, 0)
	if got, _ := ask(t, first, firstTask, doRead, 0, 0); got != 815 {
		t.Errorf("after a collection Go sees %d", got)
	}
	ask(t, reader, readerTask, doWrite, 8192, 666)
	if got, _ := ask(t, inC, cTask, doRead, 8192, 0); got != 4711 {
		t.Errorf("a stray store of the reader reached C: %d", got)
	}
	if err := inC.Freeze(discard{}); err == nil {
		t.Error("a program with a window was frozen")
	}

	w.do(w.root, region, abi.CapRevoke, &abi.Args{})
	for _, i := range []struct {
		program *Instance
		task    task
	}{{first, firstTask}, {reader, readerTask}, {inC, cTask}} {
		if got, _ := ask(t, i.program, i.task, doRead, 8192, 0); got != 0 {
			t.Errorf("after revocation %d is seen", got)
		}
		ask(t, i.program, i.task, doWrite, 8192, 1) // and does not fault
	}
	buffer := make([]byte, 8)
	w.do(w.root, region, abi.RegionRead, &abi.Args{W: [6]uint64{8192}, Bytes: buffer})
	if buffer[0] != 4711&0xff {
		t.Errorf("a store after revocation reached the region: %v", buffer)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestRing passes a byte from Go to C through a ring in the window.
func TestRing(t *testing.T) {
	w := newWorld(t)
	region := w.region()
	sender, senderTask := w.mapping(goGuest(t, "gowindow"), region, abi.RegionShared)
	receiver, receiverTask := w.mapping(cGuest(t, "window"), region, abi.RegionShared)
	for n := range uint64(20) {
		if status, _ := ask(t, sender, senderTask, doRing, 0, n); status != 0 {
			t.Fatalf("send: %v", abi.Status(status))
		}
		if got, status := ask(t, receiver, receiverTask, doRing, 0, 1000); status != 0 || got != n {
			t.Fatalf("received %d, %v", got, abi.Status(status))
		}
	}
	begin := time.Now()
	if _, status := ask(t, receiver, receiverTask, doRing, 0, uint64(200*time.Millisecond)); abi.Status(status) != abi.StatusTimeout {
		t.Errorf("an empty ring: %v", abi.Status(status))
	}
	if took := time.Since(begin); took < 150*time.Millisecond || took > 2*time.Second {
		t.Errorf("waited %v", took)
	}
	w.do(w.root, region, abi.CapRevoke, &abi.Args{})
	if _, status := ask(t, receiver, receiverTask, doRing, 0, 1000); abi.Status(status) != abi.StatusRange {
		t.Errorf("a ring whose window is gone: %v", abi.Status(status))
	}
}

// TestHammerRevoke revokes while a program reads and writes its window.
func TestHammerRevoke(t *testing.T) {
	w := newWorld(t)
	module := goGuest(t, "gowindow")
	for range 5 {
		region := w.region()
		i, owner := w.mapping(module, region, abi.RegionShared)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := range uint64(20_000) {
				m := abi.Message{Words: [4]uint64{n % 2, n % 8000 * 8}}
				if status := i.Serve(owner, &m); !status.OK() {
					t.Errorf("%v", status)
					return
				}
			}
		}()
		w.do(w.root, region, abi.CapRevoke, &abi.Args{})
		<-done
	}
}
