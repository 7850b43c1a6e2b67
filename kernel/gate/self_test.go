package gate_test

import (
	"testing"

	"phios/abi"
)

// TestPassOnlyStaysPassOnly: a task that may pass on what it cannot use does
// not come to use it by minting it, nor by sending it round to itself.
func TestPassOnlyStaysPassOnly(t *testing.T) {
	w := newWorld(t)
	coordinator := w.boot(16)
	thing := w.root.endpoint(4)
	only := abi.Whole(user | abi.RightGrant | abi.RightDerive)
	only.Rights = abi.RightGrant | abi.RightDerive
	held := w.give(w.root, thing, coordinator, only)

	usable := abi.Whole(user)
	coordinator.do(held, abi.CapMint, &abi.Args{Mint: &usable}, abi.StatusRights)

	round := coordinator.endpoint(4)
	m := abi.Message{HandleCount: 1, Handles: [8]abi.Handle{held}}
	coordinator.do(round, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	coordinator.do(round, abi.EndpointReceive, &abi.Args{Message: &m}, abi.StatusOK)
	back := m.Handles[0]
	coordinator.do(back, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusRights)

	// To another it still gives what it may pass on.
	worker := w.boot(16)
	given := w.give(coordinator, held, worker, usable)
	worker.do(given, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
}

// TestCallOneself: who is the only one that can receive a call cannot make it.
func TestCallOneself(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(4)
	w.root.do(e, abi.EndpointCall, &abi.Args{Message: &abi.Message{}}, abi.StatusCycle)
	// With a second receiver it is a call like any other: this one times out.
	other := w.boot(16)
	w.give(w.root, e, other, abi.Whole(abi.RightInvoke|abi.RightReceive))
	late := abi.Message{Deadline: w.machine.Now() + 1000}
	w.root.do(e, abi.EndpointCall, &abi.Args{Message: &late}, abi.StatusTimeout)
}

// TestUnmapRevoked: a window whose capability is gone can be given up.
func TestUnmapRevoked(t *testing.T) {
	w := newWorld(t)
	reader := w.boot(16)
	r := w.root.region(8192)
	h := w.give(w.root, r, reader, abi.Whole(abi.RightInvoke|abi.RightMap|abi.RightRead))
	args := abi.Args{W: [6]uint64{0, 8192, abi.RegionPrivate}}
	reader.do(h, abi.RegionMap, &args, abi.StatusOK)
	window := args.W[0]
	w.root.do(r, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.tidy()
	if n := w.kernel.Memory().Regions; n != 1 {
		t.Fatalf("%d regions while a window is open, want 1", n)
	}
	reader.do(0, abi.RegionUnmap, &abi.Args{W: [6]uint64{window + 4096}}, abi.StatusBadArgument)
	reader.do(0, abi.RegionUnmap, &abi.Args{W: [6]uint64{window}}, abi.StatusOK)
	w.tidy()
	if n := w.kernel.Memory().Regions; n != 0 {
		t.Errorf("%d regions when the last window is gone, want none", n)
	}
	reader.do(0, abi.RegionUnmap, &abi.Args{W: [6]uint64{window}}, abi.StatusBadArgument)
}
