package worker

import (
	"testing"
	"time"

	"phios/abi"
)

const regionBytes = 4 * 4096

// TestWindows shows one region to a program in this process and to two in
// workers, and takes it back while one of them reads.
func TestWindows(t *testing.T) {
	w := newWorld(t)
	p := w.pool(0)
	owner := w.task()
	region := w.do(owner, owner.budget, abi.RegionCreate, abi.Args{W: [abi.ArgWords]uint64{regionBytes}})
	const rights = abi.RightInvoke | abi.RightMap | abi.RightRead | abi.RightWrite
	here, there, private := w.inline(), w.start(p, ""), w.start(p, "")
	defer there.Close()
	defer private.Close()
	here.must(doMap, uint64(w.give(owner, region, here.task, rights)), regionBytes, abi.RegionShared)
	there.must(doMap, uint64(w.give(owner, region, there.task, rights)), regionBytes, abi.RegionShared)
	lent := w.give(owner, region, private.task, rights&^abi.RightWrite)
	private.must(doMap, uint64(lent), regionBytes, abi.RegionPrivate)

	here.must(doStore, 64, 77)
	for _, r := range []running{here, there, private} {
		if got := r.must(doLoad, 64)[2]; got != 77 {
			t.Errorf("reads %d", got)
		}
	}
	there.must(doStore, 4096, 88)
	private.must(doStore, 8192, 99)
	if a, b := here.must(doLoad, 4096)[2], here.must(doLoad, 8192)[2]; a != 88 || b != 0 {
		t.Errorf("the worker's store reads %d, the private one %d", a, b)
	}
	if n := private.Program.(*program).Guest().Dirtied(0, 1<<20); n == 0 {
		t.Error("no page is a copy")
	}
	if _, status := private.ask(doMap, uint64(lent), regionBytes, abi.RegionShared); status == abi.StatusOK {
		t.Error("mapped to write without the right")
	}

	here.must(doStore, 0, 1)
	done := make(chan uint64, 1)
	go func() { done <- there.must(doWatch, 0)[2] }()
	time.Sleep(20 * time.Millisecond)
	start := time.Now()
	w.do(owner, region, abi.CapRevoke, abi.Args{})
	took := time.Since(start)
	select {
	case reads := <-done:
		t.Logf("revoked three windows in %v, after %d reads", took, reads)
	case <-time.After(3 * time.Second):
		t.Fatal("the worker still reads the region")
	}
	if took > time.Second {
		t.Errorf("revoked in %v", took)
	}
	if _, over := there.Ended(); over {
		t.Error("the worker was killed, though it obeyed")
	}
	for _, r := range []running{here, there, private} {
		if got := r.must(doLoad, 64)[2]; got != 0 {
			t.Errorf("reads %d after the revocation", got)
		}
		r.must(doUnmap)
	}
}
