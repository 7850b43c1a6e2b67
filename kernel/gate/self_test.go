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

// TestRevokedSource: a timer and an interrupt signal no more when the
// capability by which they were bound is revoked.
func TestRevokedSource(t *testing.T) {
	w := newWorld(t)
	owner := w.boot(16)
	bell := owner.notification()
	button := w.give(owner, bell, w.root, abi.Whole(user))
	args := abi.Args{W: [6]uint64{uint64(button), 1}}
	w.root.do(w.root.budget, abi.TimerCreate, &args, abi.StatusOK)
	timer := abi.Handle(args.W[0])
	soon := abi.Args{W: [6]uint64{uint64(w.machine.Now() + 1)}}
	w.root.do(timer, abi.TimerArm, &soon, abi.StatusOK)
	interrupt := ownInterrupt(w)
	bind := abi.Args{W: [6]uint64{uint64(button), 2}}
	w.root.do(interrupt, abi.InterruptBind, &bind, abi.StatusOK)

	owner.do(bell, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	w.machine.NewParker().Park(w.machine.Now() + 1000)
	w.kernel.Tick(8)
	if status := w.kernel.Interrupt(3); status != abi.StatusState {
		t.Errorf("the interrupt is bound to nobody, and says %v", status)
	}
	poll := abi.Args{W: [6]uint64{3}}
	owner.do(bell, abi.NotificationPoll, &poll, abi.StatusOK)
	if poll.W[0] != 0 {
		t.Errorf("bits %b were signalled after the revocation", poll.W[0])
	}
	w.root.do(timer, abi.TimerArm, &soon, abi.StatusRevoked)
	w.root.do(timer, abi.TimerCancel, &abi.Args{}, abi.StatusRevoked)
	w.root.do(timer, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.root.do(interrupt, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.tidy()
}

// TestRevokedPayer: what someone else was to pay for cannot be used any more
// when the one who said so may not spend from that budget any more.
func TestRevokedPayer(t *testing.T) {
	w := newWorld(t)
	minter, client := w.boot(16), w.boot(16)
	e := w.root.endpoint(4)
	theirs := w.give(w.root, e, minter, abi.Whole(user|abi.RightGrant|abi.RightDerive))
	purse := w.give(w.root, w.root.budget, minter, abi.Whole(abi.RightInvoke|abi.RightWrite))
	paid := abi.Whole(user | abi.RightGrant)
	paid.Payer = purse
	h := w.give(minter, minter.mint(theirs, paid), client, abi.Whole(user))
	client.do(h, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
	w.root.do(w.root.budget, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	client.do(h, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusRevoked)
}

// TestAnswerTooHigh: a caller that cannot take the label of an answer, because
// it shares a window that the label may not go through, is told so, and what the
// server would have moved stays with the server.
func TestAnswerTooHigh(t *testing.T) {
	w := newWorld(t)
	client := w.boot(16)
	door := w.root.endpoint(4)
	h := w.give(w.root, door, client, abi.Whole(user))
	clean := abi.Whole(abi.RightInvoke | abi.RightMap | abi.RightRead | abi.RightWrite)
	clean.Ceiling = abi.LabelBottom()
	client.mapAt(w.give(w.root, w.root.region(4096), client, clean), 0, 4096, abi.RegionShared)
	gift := w.root.endpoint(1)
	w.run(func() {
		client.do(h, abi.EndpointCall, &abi.Args{Message: &abi.Message{}}, abi.StatusLabel)
	}, func() {
		m := abi.Message{}
		w.root.do(door, abi.EndpointReceive, &abi.Args{Message: &m}, abi.StatusOK)
		w.root.taint()
		answer := abi.Message{HandleCount: 1, Handles: [8]abi.Handle{gift}, Moves: 1}
		w.root.do(m.Reply, abi.EndpointReply, &abi.Args{Message: &answer}, abi.StatusLabel)
		w.root.do(m.Reply, abi.EndpointReply, &abi.Args{Message: &answer}, abi.StatusBadHandle)
	})
	if !w.root.holds(gift) {
		t.Error("the server lost what the caller did not get")
	}
	w.wantLabel(client, abi.LabelBottom())
}
