package gate_test

import (
	"testing"

	"phios/abi"
	"phios/platform"
)

// TestAdoptBacking makes a region of what the machine had: all read it, nobody
// writes to it, and it costs no memory.
func TestAdoptBacking(t *testing.T) {
	w := newWorld(t)
	b := w.machine.Import([]byte("weights"))
	before := w.available(w.root)
	h, status := w.root.port.AdoptBacking(w.root.budget, b, platform.PageBytes)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if taken := before[abi.ResourceMemory] - w.available(w.root)[abi.ResourceMemory]; taken >= platform.PageBytes {
		t.Errorf("%d bytes were charged", taken)
	}
	bytes := make([]byte, 7)
	w.root.do(h, abi.RegionRead, &abi.Args{Bytes: bytes}, abi.StatusOK)
	if string(bytes) != "weights" {
		t.Errorf("read %q", bytes)
	}
	w.root.do(h, abi.RegionWrite, &abi.Args{Bytes: bytes}, abi.StatusRights)
	w.root.do(h, abi.RegionMap, &abi.Args{W: [6]uint64{0, platform.PageBytes, abi.RegionShared}}, abi.StatusRights)
	mint := abi.Whole(abi.RightWrite)
	w.root.do(h, abi.CapMint, &abi.Args{Mint: &mint}, abi.StatusRights)
	w.root.do(h, abi.RegionMap, &abi.Args{W: [6]uint64{0, platform.PageBytes, abi.RegionPrivate}}, abi.StatusOK)
	for _, c := range []struct {
		budget abi.Handle
		b      platform.Backing
		bytes  uint64
		want   abi.Status
	}{
		{h, b, platform.PageBytes, abi.StatusRights},
		{w.root.budget, b + 9, platform.PageBytes, abi.StatusBadArgument},
		{w.root.budget, b, 7, abi.StatusBadArgument},
		{w.root.budget, b, 0, abi.StatusBadArgument},
		{0, b, platform.PageBytes, abi.StatusBadHandle},
	} {
		if _, got := w.root.port.AdoptBacking(c.budget, c.b, c.bytes); got != c.want {
			t.Errorf("%+v: %v", c, got.Name())
		}
	}
	w.root.do(h, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	w.root.do(h, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.killAll(w.root.port)
}

// available is what a task's budget has left.
func (w *world) available(a actor) abi.Amounts {
	w.t.Helper()
	var args abi.Args
	a.do(a.budget, abi.BudgetInspect, &args, abi.StatusOK)
	return args.W
}
