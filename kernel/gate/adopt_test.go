package gate_test

import (
	"testing"

	"phios/abi"
	"phios/platform"
)

// TestOfferedPlaces lets a task choose where its windows go: there it sees the
// region, from there a revocation takes it, and two do not fit into one place.
func TestOfferedPlaces(t *testing.T) {
	w := newWorld(t)
	guest := w.boot(8)
	space, status := w.machine.NewSpace()
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if status := guest.port.AdoptOffered(space); status != abi.StatusOK {
		t.Fatal(status)
	}
	if status := guest.port.Adopt(space); status != abi.StatusState {
		t.Errorf("a second address space: %v", status)
	}
	r := w.root.region(16384)
	h := w.give(w.root, r, guest, abi.Whole(mapper|abi.RightWrite))
	w.root.write(r, 4096, "window")
	base, bytes := w.machine.Arena()
	place := base + bytes/2

	guest.do(h, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared}}, abi.StatusBadArgument)
	guest.do(h, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared, place + 1}}, abi.StatusBadArgument)
	args := abi.Args{W: [6]uint64{4096, 8192, abi.RegionShared, place}}
	guest.do(h, abi.RegionMap, &args, abi.StatusOK)
	if args.W[0] != place {
		t.Errorf("offered %#x, mapped at %#x", place, args.W[0])
	}
	if got := w.peek(guest, place, 6); string(got) != "window" {
		t.Errorf("sees %q", got)
	}
	guest.do(h, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared, place + platform.PageBytes}}, abi.StatusOverlap)

	w.root.do(r, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	if got := w.peek(guest, place, 6); string(got) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("sees %q after the revocation", got)
	}
	guest.do(0, abi.RegionUnmap, &abi.Args{W: [6]uint64{place}}, abi.StatusOK)
}

// TestOwnPlaces refuses offers of a task whose windows have the regions'
// addresses.
func TestOwnPlaces(t *testing.T) {
	w := newWorld(t)
	base, bytes := w.machine.Arena()
	r := w.root.region(4096)
	w.root.do(r, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared, base + bytes/2}}, abi.StatusBadArgument)
}

// TestCharge takes from the task's own budget, and nothing when it is not
// covered.
func TestCharge(t *testing.T) {
	w := newWorld(t)
	left := func() uint64 {
		args := abi.Args{}
		w.root.do(w.root.budget, abi.BudgetInspect, &args, abi.StatusOK)
		return args.W[abi.ResourceCPU]
	}
	before := left()
	if status := w.root.port.Charge(abi.ResourceCPU, 100); status != abi.StatusOK || left() != before-100 {
		t.Errorf("%v, and %d of %d are left", status, left(), before)
	}
	if status := w.root.port.Charge(abi.ResourceCPU, before); status != abi.StatusBudget || left() != before-100 {
		t.Errorf("too much: %v, and %d are left", status, left())
	}
	if status := w.root.port.Charge(abi.ResourceMemory, 1); status == abi.StatusOK {
		t.Error("memory is held, not spent")
	}
}
