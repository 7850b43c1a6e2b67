package gate_test

import (
	"testing"

	"phios/abi"
)

// callCase is a call that succeeds when all is as it should be: the handle
// that its owner, the root task, has, and the arguments of the client.
type callCase struct {
	call abi.Call
	// own makes the object in the root task.
	own func(w *world) abi.Handle
	// args makes the arguments for the client.
	args func(w *world, client actor) *abi.Args
}

func noArgs(*world, actor) *abi.Args { return &abi.Args{} }

func ownRegion(w *world) abi.Handle       { return w.root.region(8192) }
func ownEndpoint(w *world) abi.Handle     { return w.root.endpoint(4) }
func ownNotification(w *world) abi.Handle { return w.root.notification() }

func ownBudget(w *world) abi.Handle {
	return w.root.carve(w.root.budget, abi.Amounts{megabyte, 256, 1000, 1000, 1000, 1000})
}

func ownTask(w *world) abi.Handle { h, _ := w.root.task(w.root.budget, 8); return h }

func ownTimer(w *world) abi.Handle {
	args := abi.Args{W: [6]uint64{uint64(w.root.notification()), 1}}
	w.root.do(w.root.budget, abi.TimerCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

func ownInterrupt(w *world) abi.Handle {
	h, status := w.kernel.BootInterrupt(w.root.port, 3)
	if status != abi.StatusOK {
		w.t.Fatal(status)
	}
	return h
}

// callCases has every call that takes a handle but those on replies.
func callCases() []callCase {
	words := func(words ...uint64) func(*world, actor) *abi.Args {
		return func(*world, actor) *abi.Args {
			a := &abi.Args{Label: abi.LabelTop()}
			copy(a.W[:], words)
			return a
		}
	}
	message := func(*world, actor) *abi.Args { return &abi.Args{Message: &abi.Message{Deadline: 1}} }
	ownSealed := func(w *world) abi.Handle {
		args := abi.Args{W: [6]uint64{uint64(w.root.budget)}}
		w.root.do(ownRegion(w), abi.CapSeal, &args, abi.StatusOK)
		return abi.Handle(args.W[0])
	}
	return []callCase{
		{abi.CapMint, ownRegion, func(*world, actor) *abi.Args { m := abi.Whole(0); return &abi.Args{Mint: &m} }},
		{abi.CapDelete, ownRegion, noArgs},
		{abi.CapRevoke, ownRegion, noArgs},
		{abi.CapInspect, ownRegion, noArgs},
		{abi.CapSeal, ownRegion, func(_ *world, c actor) *abi.Args { return &abi.Args{W: [6]uint64{uint64(c.budget)}} }},
		{abi.CapUnseal, ownSealed, func(w *world, c actor) *abi.Args {
			sealer := w.give(w.root, w.root.budget, c, abi.Whole(abi.RightManage))
			return &abi.Args{W: [6]uint64{uint64(sealer)}}
		}},
		{abi.TaskCreate, ownBudget, words(8)},
		{abi.TaskGrant, ownTask, func(_ *world, c actor) *abi.Args {
			m := abi.Whole(abi.RightInvoke)
			return &abi.Args{W: [6]uint64{uint64(c.budget)}, Mint: &m}
		}},
		{abi.TaskStart, ownTask, words(0)},
		{abi.TaskKill, ownTask, noArgs},
		{abi.TaskInspect, ownTask, noArgs},
		{abi.BudgetCarve, ownBudget, words(100)},
		{abi.BudgetSpend, ownBudget, words(uint64(abi.ResourceTokens), 5)},
		{abi.BudgetInspect, ownBudget, words(0)},
		{abi.RegionCreate, ownBudget, words(4096)},
		{abi.RegionMap, ownRegion, words(0, 4096, abi.RegionPrivate)},
		{abi.RegionRead, ownRegion, func(*world, actor) *abi.Args { return &abi.Args{Bytes: make([]byte, 10)} }},
		{abi.RegionWrite, ownRegion, func(*world, actor) *abi.Args { return &abi.Args{Bytes: []byte("written")} }},
		{abi.RegionPin, ownRegion, noArgs},
		{abi.RegionUnpin, ownRegion, func(w *world, _ actor) *abi.Args {
			w.root.do(w.last0, abi.RegionPin, &abi.Args{}, abi.StatusOK)
			return &abi.Args{}
		}},
		{abi.RegionSettle, ownRegion, noArgs},
		{abi.RegionInspect, ownRegion, noArgs},
		{abi.EndpointCreate, ownBudget, words(4)},
		{abi.EndpointCall, func(w *world) abi.Handle {
			e := ownEndpoint(w)
			w.root.serve(e, func(m *abi.Message) abi.Status { m.Words[0] = 1; return abi.StatusOK })
			return e
		}, message},
		{abi.EndpointSend, ownEndpoint, message},
		{abi.EndpointReceive, func(w *world) abi.Handle {
			e := ownEndpoint(w)
			w.root.do(e, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
			return e
		}, message},
		{abi.EndpointReplyReceive, func(w *world) abi.Handle {
			e := ownEndpoint(w)
			w.root.do(e, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
			return e
		}, message},
		{abi.NotificationCreate, ownBudget, noArgs},
		{abi.NotificationSignal, ownNotification, words(5)},
		{abi.NotificationWait, func(w *world) abi.Handle {
			n := ownNotification(w)
			w.root.do(n, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
			return n
		}, words(1, 1)},
		{abi.NotificationPoll, func(w *world) abi.Handle {
			n := ownNotification(w)
			w.root.do(n, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
			return n
		}, words(1)},
		{abi.TimerCreate, ownBudget, func(_ *world, c actor) *abi.Args {
			return &abi.Args{W: [6]uint64{uint64(c.notification()), 1}}
		}},
		{abi.TimerArm, ownTimer, words(1 << 40)},
		{abi.TimerCancel, ownTimer, func(w *world, _ actor) *abi.Args {
			w.root.do(w.last0, abi.TimerArm, &abi.Args{W: [6]uint64{1 << 40}}, abi.StatusOK)
			return &abi.Args{}
		}},
		{abi.InterruptBind, ownInterrupt, func(_ *world, c actor) *abi.Args {
			return &abi.Args{W: [6]uint64{uint64(c.notification()), 1}}
		}},
		{abi.InterruptAck, func(w *world) abi.Handle {
			h := ownInterrupt(w)
			w.root.do(h, abi.InterruptBind, &abi.Args{W: [6]uint64{uint64(w.root.notification()), 1}}, abi.StatusOK)
			_ = w.kernel.Interrupt(3) // the acknowledgement says whether it came
			return h
		}, noArgs},
		{abi.LabelEndorse, ownLowering, words(0)},
		{abi.LabelDeclassify, ownLowering, words(0)},
		{abi.LabelInspect, ownRegion, noArgs},
	}
}

// ownLowering makes a region out of a budget that carries ENDORSE and
// DECLASSIFY.
func ownLowering(w *world) abi.Handle {
	h, status := w.kernel.BootLowering(w.root.port, w.root.budget, abi.RightEndorse|abi.RightDeclassify, abi.Label{Sources: 1})
	if status != abi.StatusOK {
		w.t.Fatal(status)
	}
	args := abi.Args{W: [6]uint64{4096}}
	w.root.do(h, abi.RegionCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// everyRight is what the owner of an object may pass on.
func everyRight(w *world, h abi.Handle) abi.Rights {
	args := abi.Args{}
	w.root.do(h, abi.CapInspect, &args, abi.StatusOK)
	return abi.Rights(args.W[1] >> 32)
}

// TestEveryCall makes each call through every kind of handle that must not
// do, checks the status and that nothing happened, and in the end that it
// works through the right one: else the refusals would prove nothing.
func TestEveryCall(t *testing.T) {
	covered := map[abi.Call]bool{abi.EndpointReply: true, abi.ReplyCharge: true, abi.ReplyCheck: true} // TestEveryReplyCall
	for _, c := range callCases() {
		covered[c.call] = true
		t.Run(c.call.String(), func(t *testing.T) { everyHandle(t, c) })
	}
	for call := abi.CallNone + 1; int(call) < abi.CallCount; call++ {
		if d, _ := abi.Describe(call); !d.Self && !covered[call] {
			t.Errorf("%v has no case", call)
		}
	}
}

func everyHandle(t *testing.T, c callCase) {
	t.Helper()
	w := newWorld(t, idle)
	client := w.boot(32)
	own := c.own(w)
	w.last0 = own
	args := c.args(w, client)
	d, _ := abi.Describe(c.call)
	all := everyRight(w, own)
	full := w.give(w.root, own, client, abi.Whole(all))

	for name, h := range map[string]abi.Handle{
		"zero":             0,
		"past the table":   abi.MakeHandle(32, 1),
		"generation zero":  abi.MakeHandle(full.Index(), 0),
		"generation ahead": abi.MakeHandle(full.Index(), full.Generation()+1),
		"never used":       abi.MakeHandle(31, 1),
		"all ones":         ^abi.Handle(0),
		"foreign":          w.foreign(client),
		"stale":            w.stale(client),
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.refused(client, h, c.call, args, abi.StatusBadHandle)
		})
	}
	if d.Type != abi.ObjectNone {
		for _, other := range []abi.Handle{client.budget, w.give(w.root, w.root.region(4096), client, abi.Whole(rightsOfOwner)), w.wrongEndpoint(client)} {
			if w.typeOf(client, other) == d.Type {
				continue
			}
			w.refused(client, other, c.call, args, abi.StatusType)
		}
	}
	for right := abi.Rights(1); right <= d.Need; right <<= 1 {
		if d.Need.Has(right) {
			h := w.give(w.root, own, client, abi.Whole(all&^right))
			w.refused(client, h, c.call, args, abi.StatusRights)
		}
	}
	// A middle man, so that the revocation leaves the others alone.
	middle := w.boot(4)
	between := w.give(w.root, own, middle, abi.Whole(all))
	gone := w.give(middle, between, client, abi.Whole(all))
	middle.revoke(between)
	w.refused(client, gone, c.call, args, abi.StatusRevoked)

	client.do(full, c.call, args, abi.StatusOK)
}

const rightsOfOwner = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)
