package gate_test

import (
	"slices"
	"testing"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/hook"
	"phios/kernel/journal"
)

// TestFractal runs one program three levels deep. At each level it is the
// kernel of the level below: it makes the task out of its own budget, hands it
// its own capabilities, made less, and serves its faults.
func TestFractal(t *testing.T) {
	for _, end := range []string{"revoke at the top", "kill the middle"} {
		t.Run(end, func(t *testing.T) { fractal(t, end) })
	}
}

// level is what a level of TestFractal tells the test.
type level struct {
	actor

	service, child, faults abi.Handle
	faulted                []uint64
	status                 abi.Status // of the last use of the service
	world                  *world
}

func fractal(t *testing.T, end string) {
	t.Helper()
	const levels = 3
	stop := false
	var w *world
	var tree []*level
	// The program: its argument is its depth. Its table begins with what its
	// parent gave: a budget, and the service at the top.
	program := func(p *gate.Port, depth uint64) {
		me := &level{actor: actor{t: t, port: p, budget: abi.MakeHandle(tableFirst(depth), 1)}, world: w}
		me.service = abi.MakeHandle(tableFirst(depth)+1, 1)
		tree = append(tree, me)
		me.spawn(w, depth, levels)
		me.call(me.service, abi.Message{}, abi.StatusOK)
		if depth == levels {
			args := abi.Args{W: [6]uint64{abi.FaultProgram, depth}}
			me.do(0, abi.TaskFault, &args, abi.StatusOK) // resumed
			me.do(0, abi.TaskFault, &abi.Args{W: [6]uint64{abi.FaultProgram + 1}}, abi.StatusKilled)
			return
		}
		me.supervise(&stop)
	}
	w = newWorld(t, program)
	tree = nil
	calls := 0
	service := w.root.endpoint(1)
	w.root.serve(service, func(*abi.Message) abi.Status { calls++; return abi.StatusOK })
	top := &level{actor: w.root, service: service}
	w.run(func() {
		top.spawn(w, 0, levels)
		w.until(func() bool { return len(tree) == levels && len(tree[1].faulted) == 2 && !tree[2].port.Alive() })
		want := abi.StatusRevoked
		if end == "kill the middle" {
			w.root.do(top.child, abi.TaskKill, &abi.Args{}, abi.StatusOK)
			want = abi.StatusKilled
		} else {
			w.root.revoke(service)
		}
		w.until(func() bool { return tree[0].status == want && tree[1].status == want })
		if !w.root.holds(service) {
			t.Error("the top has lost its own")
		}
		stop = true
	})
	if len(tree) != levels || calls < levels || !slices.Equal(tree[1].faulted, []uint64{abi.FaultProgram, abi.FaultProgram + 1}) {
		t.Errorf("%d levels, %d calls, the middle was told of %v", len(tree), calls, tree[1].faulted)
	}
	w.killAll(w.root.port)
}

// tableFirst is where a level's first given capability is: behind the one to
// its fault handler.
func tableFirst(uint64) uint32 { return 1 }

// spawn makes the level below.
func (l *level) spawn(w *world, depth, levels uint64) {
	if depth == levels {
		return
	}
	l.faults = l.endpoint(4)
	amounts := abi.Amounts{(8 - depth) << 16, 64 - 16*depth, 1000 - depth}
	purse := l.carve(l.budget, amounts)
	args := abi.Args{W: [6]uint64{8, uint64(l.faults), depth + 1}}
	l.do(purse, abi.TaskCreate, &args, abi.StatusOK)
	l.child = abi.Handle(args.W[0])
	if got := l.grant(l.child, purse, abi.Whole(rightsOfOwner)); got.Index() != tableFirst(depth) {
		l.t.Errorf("the budget is at %d", got.Index())
	}
	l.grant(l.child, l.service, abi.Whole(user|abi.RightGrant))
	l.do(l.child, abi.TaskStart, &abi.Args{W: [6]uint64{0, depth + 1}}, abi.StatusOK)
}

// supervise serves the faults of the level below until it is told to stop or
// is killed: the first is resumed, the second kills. While it is quiet it uses
// the service, and remembers how that went.
func (l *level) supervise(stop *bool) {
	for !*stop {
		m := &abi.Message{Deadline: 1}
		switch l.port.Invoke(l.faults, abi.EndpointReceive, &abi.Args{Message: m}) { //nolint:exhaustive // the others need nothing
		case abi.StatusOK:
			if m.Reply == 0 {
				continue // an exit is only told
			}
			l.faulted = append(l.faulted, m.Words[0])
			l.reply(m.Reply, abi.Message{Words: [4]uint64{m.Words[0] - abi.FaultProgram}}, abi.StatusOK)
		case abi.StatusKilled:
			l.status = abi.StatusKilled
			return
		default:
			l.status = l.port.Invoke(l.service, abi.EndpointCall, &abi.Args{Message: &abi.Message{}})
			l.world.machine.Yield()
		}
	}
}

func TestExitIsTold(t *testing.T) {
	w := newWorld(t, func(p *gate.Port, code uint64) {
		_ = p.Invoke(0, abi.TaskExit, &abi.Args{W: [6]uint64{code}})
	})
	faults := w.root.endpoint(4)
	args := abi.Args{W: [6]uint64{4, uint64(faults), 77}}
	w.root.do(w.root.budget, abi.TaskCreate, &args, abi.StatusOK)
	child, id := abi.Handle(args.W[0]), args.W[1]
	w.run(func() { w.root.do(child, abi.TaskStart, &abi.Args{W: [6]uint64{0, 5}}, abi.StatusOK) })
	m := w.root.receive(faults)
	if m.Badge != 77 || m.Words != [4]uint64{abi.FaultExit, 5, id} || m.Reply != 0 {
		t.Errorf("told %+v", m.Words)
	}
	if r := w.last(journal.KindExit); r.Task != id || r.Words[0] != 5 {
		t.Errorf("recorded %+v", r)
	}
	w.refused(w.root, child, abi.TaskStart, &abi.Args{}, abi.StatusPeerDead)
	w.refused(w.root, child, abi.TaskKill, &abi.Args{}, abi.StatusState)
}

func TestFaultWithoutHandler(t *testing.T) {
	w := newWorld(t)
	w.root.do(0, abi.TaskFault, &abi.Args{W: [6]uint64{abi.FaultProgram}}, abi.StatusKilled)
	w.root.do(w.root.budget, abi.BudgetInspect, &abi.Args{}, abi.StatusKilled)
	w.killAll(w.root.port)
}

// TestStartFails starts a program that there is not: the task stays ready.
func TestStartFails(t *testing.T) {
	w := newWorld(t, idle)
	child, _ := w.root.task(w.root.budget, 4)
	w.root.do(child, abi.TaskStart, &abi.Args{W: [6]uint64{9}}, abi.StatusBadArgument)
	args := abi.Args{}
	w.root.do(child, abi.TaskInspect, &args, abi.StatusOK)
	if args.W[1] != 0 || w.last(journal.KindExit).Status != abi.StatusBadArgument {
		t.Errorf("state %d", args.W[1])
	}
	w.run(func() { w.root.do(child, abi.TaskStart, &abi.Args{}, abi.StatusOK) })
	w.killAll(w.root.port)
}

// TestBudgetsConserve makes, spends, nests and kills, and adds everything up
// after each step.
func TestBudgetsConserve(t *testing.T) {
	w := newWorld(t)
	add := func(step string) {
		t.Helper()
		if sum := w.kernel.Amounts(); sum != plenty() {
			t.Fatalf("after %s the budgets add up to %v", step, sum)
		}
	}
	outer := w.root.carve(w.root.budget, abi.Amounts{8 << 20, 100, 1000, 1000, 1000, 1000})
	add("a carving")
	inner := w.root.carve(outer, abi.Amounts{4 << 20, 50, 500, 500, 500, 500})
	add("a nested carving")
	for r := abi.ResourceCPU; int(r) < abi.ResourceCount; r++ {
		w.root.do(inner, abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(r), 500}}, abi.StatusOK)
		w.refused(w.root, inner, abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(r), 1}}, abi.StatusBudget)
		add("spending " + r.String())
	}
	child, _ := w.root.task(inner, 20)
	add("a task")
	region := abi.Args{W: [6]uint64{1 << 20}}
	w.root.do(inner, abi.RegionCreate, &region, abi.StatusOK)
	add("a region")
	w.root.do(outer, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.tidy()
	add("deleting the outer")
	w.refused(w.root, inner, abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(abi.ResourceCPU), 0}}, abi.StatusRevoked)
	w.root.write(abi.Handle(region.W[0]), 0, "still there")
	w.root.do(abi.Handle(region.W[0]), abi.CapDelete, &abi.Args{}, abi.StatusOK)
	add("deleting what it paid for")
	w.root.do(child, abi.TaskKill, &abi.Args{}, abi.StatusOK)
	add("a kill")
	w.root.do(child, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.root.do(inner, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.tidy()
	add("everything")
	args := abi.Args{W: [6]uint64{2}}
	w.root.do(w.root.budget, abi.BudgetInspect, &args, abi.StatusOK)
	if args.W != [6]uint64{0, 0, 500, 500, 500, 500} {
		t.Errorf("spent %v", args.W)
	}
	w.killAll(w.root.port)
}

func TestNotificationsAndTimers(t *testing.T) {
	w := newWorld(t)
	n := w.root.notification()
	other := w.boot(8)
	h := w.give(w.root, n, other, abi.Whole(user|abi.RightGrant))
	w.run(func() {
		args := abi.Args{W: [6]uint64{6}}
		w.root.do(n, abi.NotificationWait, &args, abi.StatusOK)
		if args.W[0] != 2 {
			t.Errorf("woken by %b", args.W[0])
		}
	}, func() {
		other.do(h, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK) // not what it waits for
		w.machine.Yield()
		other.do(h, abi.NotificationSignal, &abi.Args{W: [6]uint64{2}}, abi.StatusOK)
	})
	args := abi.Args{W: [6]uint64{^uint64(0)}}
	w.root.do(n, abi.NotificationPoll, &args, abi.StatusOK)
	if args.W[0] != 1 {
		t.Errorf("left %b", args.W[0])
	}

	args = abi.Args{W: [6]uint64{uint64(h), 8}}
	other.do(other.budget, abi.TimerCreate, &args, abi.StatusOK)
	timer := abi.Handle(args.W[0])
	at := w.machine.Now() + 5000
	other.do(timer, abi.TimerArm, &abi.Args{W: [6]uint64{uint64(at), 1000}}, abi.StatusOK)
	if w.kernel.NextTimer() != at {
		t.Errorf("due at %d, not %d", w.kernel.NextTimer(), at)
	}
	w.root.do(n, abi.NotificationWait, &abi.Args{W: [6]uint64{8, uint64(at + 100)}}, abi.StatusTimeout)
	if next := w.kernel.Tick(4); next <= at {
		t.Errorf("next at %d", next)
	}
	w.root.do(n, abi.NotificationWait, &abi.Args{W: [6]uint64{8, 1}}, abi.StatusOK)
	other.do(timer, abi.TimerCancel, &abi.Args{}, abi.StatusOK)
	if w.kernel.NextTimer() != 0 {
		t.Error("still due")
	}

	line, status := w.kernel.BootInterrupt(w.root.port, 9)
	if status != abi.StatusOK || w.kernel.Interrupt(9) != abi.StatusState {
		t.Fatal("an interrupt that nobody is bound to")
	}
	w.root.do(line, abi.InterruptBind, &abi.Args{W: [6]uint64{uint64(n), 16}}, abi.StatusOK)
	w.refused(w.root, line, abi.InterruptBind, &abi.Args{W: [6]uint64{uint64(n), 16}}, abi.StatusBusy)
	for range 2 { // the second is masked, and kept as one
		if status := w.kernel.Interrupt(9); status != abi.StatusOK {
			t.Error(status)
		}
	}
	for range 2 {
		w.root.do(n, abi.NotificationWait, &abi.Args{W: [6]uint64{16, 1}}, abi.StatusOK)
		w.root.do(line, abi.InterruptAck, &abi.Args{}, abi.StatusOK)
	}
	w.refused(w.root, line, abi.InterruptAck, &abi.Args{}, abi.StatusState)
	// What waits for a notification that dies is told.
	w.killAll(w.root.port, other.port)
}

// TestJournal checks that what must be recorded is, and what cannot be is not
// done, but that authority can always be taken away.
func TestJournal(t *testing.T) {
	w := newWorld(t, idle)
	other := w.boot(8)
	h := w.root.mint(w.root.region(4096), abi.Whole(rightsOfOwner))
	if r := w.last(journal.KindDerive); r.Task != w.root.port.TaskID() || r.Rights != rightsOfOwner || r.Type != abi.ObjectRegion {
		t.Errorf("derive %+v", r)
	}
	child, id := w.root.task(w.root.budget, 8)
	w.root.grant(child, h, abi.Whole(abi.RightRead))
	if r := w.last(journal.KindGrant); r.Peer != id || r.Rights != abi.RightRead {
		t.Errorf("grant %+v", r)
	}
	other.do(h, abi.RegionRead, &abi.Args{}, abi.StatusBadHandle)
	if r := w.last(journal.KindDeny); r.Task != other.port.TaskID() || r.Status != abi.StatusBadHandle || abi.Call(r.Call) != abi.RegionRead {
		t.Errorf("deny %+v", r)
	}
	w.root.revoke(h)
	w.run(func() { w.root.do(child, abi.TaskStart, &abi.Args{}, abi.StatusOK) })
	before := w.count(journal.KindDeny)
	for range 500 {
		other.do(99, abi.CapInspect, &abi.Args{}, abi.StatusBadHandle)
	}
	if n := w.count(journal.KindDeny) - before; n > 64 {
		t.Errorf("%d refusals of one task in the journal", n)
	}
	for _, kind := range []journal.Kind{journal.KindBoot, journal.KindCreate, journal.KindRevoke, journal.KindSpawn, journal.KindExit} {
		if w.count(kind) == 0 {
			t.Errorf("no record of kind %v", kind)
		}
	}

	w.log.refusing = true
	whole := abi.Whole(abi.RightInvoke)
	for _, c := range []struct {
		h    abi.Handle
		call abi.Call
		args abi.Args
	}{
		{h, abi.CapMint, abi.Args{Mint: &whole}},
		{w.root.budget, abi.TaskCreate, abi.Args{W: [6]uint64{4}}},
		{w.root.budget, abi.RegionCreate, abi.Args{W: [6]uint64{4096}}},
		{w.root.budget, abi.BudgetCarve, abi.Args{}},
		{w.root.budget, abi.CapSeal, abi.Args{W: [6]uint64{uint64(w.root.budget)}}},
	} {
		w.refused(w.root, c.h, c.call, &c.args, abi.StatusJournal)
	}
	w.root.revoke(h)
	w.root.do(h, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	w.root.do(child, abi.TaskKill, &abi.Args{}, abi.StatusState)
	w.log.refusing = false
	w.root.mint(w.root.budget, abi.Whole(abi.RightInvoke))
	w.records() // and the chain is whole
}

// TestRecordMode checks that every call is in the journal, and how it ended.
func TestRecordMode(t *testing.T) {
	w := newWorld(t)
	n := w.root.notification()
	before := w.count(journal.KindCall)
	w.kernel.Record(true)
	w.root.do(n, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
	w.root.do(99, abi.NotificationSignal, &abi.Args{W: [6]uint64{2}}, abi.StatusBadHandle)
	w.root.do(0, abi.ReplyCheck, &abi.Args{}, abi.StatusBadHandle)
	w.kernel.Record(false)
	w.root.do(n, abi.NotificationPoll, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
	if calls, ends := w.count(journal.KindCall)-before, w.count(journal.KindReply); calls != 3 || ends != 3 {
		t.Errorf("%d calls, %d ends", calls, ends)
	}
	w.kernel.Record(true)
	w.log.refusing = true
	w.refused(w.root, n, abi.NotificationSignal, &abi.Args{W: [6]uint64{2}}, abi.StatusJournal)
}

// TestSchedulerHook sees who parks and wakes.
func TestSchedulerHook(t *testing.T) {
	w := newWorld(t)
	n := w.root.notification()
	var events []hook.SchedulerEvent
	w.kernel.Hooks().InstallScheduler(func(c hook.Scheduler) abi.Status {
		events = append(events, c.Event)
		return abi.StatusOK
	})
	w.root.do(n, abi.NotificationWait, &abi.Args{W: [6]uint64{1, uint64(w.machine.Now() + 100)}}, abi.StatusTimeout)
	if !slices.Equal(events, []hook.SchedulerEvent{hook.SchedulerPark, hook.SchedulerWake}) {
		t.Errorf("saw %v", events)
	}
}
