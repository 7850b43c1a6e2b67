package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/hook"
	"phios/kernel/ipc"
	"phios/kernel/task"
)

// tainted is a label that the web could have written.
func tainted() abi.Label { return abi.Label{Sources: 2, Readers: ^uint64(0)} }

// taint writes a tainted byte into a region of the root task, through a task
// that took the label on, so that the root's own label stays low.
func (w *world) taint(region abi.Handle) {
	w.t.Helper()
	writer := w.boot(8)
	h := w.give(w.root, region, writer, abi.Whole(abi.RightInvoke|abi.RightWrite))
	writer.taint()
	writer.do(h, abi.RegionWrite, &abi.Args{Bytes: []byte{1}}, abi.StatusOK)
}

// taint lets the task receive a tainted message from itself.
func (a actor) taint() {
	a.t.Helper()
	e := a.endpoint(1)
	a.do(e, abi.EndpointSend, &abi.Args{Message: &abi.Message{Label: tainted()}}, abi.StatusOK)
	a.do(e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
	a.do(e, abi.CapDelete, &abi.Args{}, abi.StatusOK)
}

func TestUnknownCalls(t *testing.T) {
	w := newWorld(t)
	for _, c := range []abi.Call{abi.CallNone, abi.Call(abi.CallCount), abi.Call(abi.CallCount) + 1, 1 << 15, ^abi.Call(0)} {
		for _, h := range []abi.Handle{0, w.root.budget, ^abi.Handle(0)} {
			w.refused(w.root, h, c, &abi.Args{}, abi.StatusBadCall)
		}
	}
}

// TestBadArguments makes calls whose every handle and right is in order, and
// whose arguments are not.
func TestBadArguments(t *testing.T) {
	w := newWorld(t, idle)
	a := w.root
	region, endpoint, signal := a.region(8192), a.endpoint(2), a.notification()
	child, _ := a.task(a.budget, 4)
	dirty := a.region(8192)
	w.taint(dirty)
	narrow := abi.Whole(rightsOfOwner)
	narrow.Base, narrow.Bytes = 4096, 4096
	window := a.mint(region, narrow)
	timerArgs := abi.Args{W: [6]uint64{uint64(signal), 1}}
	a.do(a.budget, abi.TimerCreate, &timerArgs, abi.StatusOK)
	timer := abi.Handle(timerArgs.W[0])
	a.do(region, abi.RegionMap, &abi.Args{W: [6]uint64{4096, 4096, abi.RegionPrivate}}, abi.StatusOK)
	sealArgs := abi.Args{W: [6]uint64{uint64(a.budget)}}
	a.do(a.budget, abi.CapSeal, &sealArgs, abi.StatusOK)
	sealed := abi.Handle(sealArgs.W[0])
	sealArgs = abi.Args{W: [6]uint64{uint64(a.budget)}}
	a.do(signal, abi.CapSeal, &sealArgs, abi.StatusOK)
	sealedSignal := abi.Handle(sealArgs.W[0])

	mint := func(change func(*abi.Mint)) *abi.Args {
		m := abi.Whole(abi.RightInvoke)
		change(&m)
		return &abi.Args{Mint: &m}
	}
	words := func(w ...uint64) *abi.Args { a := &abi.Args{Label: abi.LabelTop()}; copy(a.W[:], w); return a }
	message := func(m abi.Message) *abi.Args { return &abi.Args{Message: &m} }
	const wrap = ^uint64(0) - 4095
	tests := []struct {
		name string
		h    abi.Handle
		c    abi.Call
		args *abi.Args
		want abi.Status
	}{
		{"no mint", region, abi.CapMint, &abi.Args{}, abi.StatusBadArgument},
		{"window past the end", region, abi.CapMint, mint(func(m *abi.Mint) { m.Base, m.Bytes = 4096, 4097 }), abi.StatusRange},
		{"window that wraps", region, abi.CapMint, mint(func(m *abi.Mint) { m.Base, m.Bytes = ^uint64(0), 2 }), abi.StatusRange},
		{"window outside the window", window, abi.CapMint, mint(func(m *abi.Mint) { m.Base, m.Bytes = 4095, 2 }), abi.StatusRange},
		{"window without bytes", region, abi.CapMint, mint(func(m *abi.Mint) { m.Base = 1 }), abi.StatusBadArgument},
		{"window on an endpoint", endpoint, abi.CapMint, mint(func(m *abi.Mint) { m.Bytes = 1 }), abi.StatusBadArgument},
		{"payer that is no budget", region, abi.CapMint, mint(func(m *abi.Mint) { m.Payer = signal }), abi.StatusType},
		{"payer that is nothing", region, abi.CapMint, mint(func(m *abi.Mint) { m.Payer = 99 }), abi.StatusBadHandle},
		{"payer that is sealed", region, abi.CapMint, mint(func(m *abi.Mint) { m.Payer = sealed }), abi.StatusSealed},
		{"rights that do not exist", region, abi.CapMint, mint(func(m *abi.Mint) { m.Rights = ^abi.Rights(0) }), abi.StatusRights},
		{"sealer that is sealed", region, abi.CapSeal, words(uint64(sealed)), abi.StatusSealed},
		{"sealer that is nothing", region, abi.CapSeal, words(0), abi.StatusBadHandle},
		{"use of the sealed", sealed, abi.BudgetInspect, words(0), abi.StatusSealed},
		{"unseal with another", sealed, abi.CapUnseal, words(uint64(child)), abi.StatusSealed},
		{"unseal of the open", region, abi.CapUnseal, words(uint64(a.budget)), abi.StatusSealed},

		{"no slots", a.budget, abi.TaskCreate, words(0), abi.StatusBadArgument},
		{"too many slots", a.budget, abi.TaskCreate, words(capability.SlotsMax + 1), abi.StatusBadArgument},
		{"slots over the budget", a.budget, abi.TaskCreate, words(capability.SlotsMax), abi.StatusBudget},
		{"faults to a region", a.budget, abi.TaskCreate, words(4, uint64(region)), abi.StatusType},
		{"faults to nothing", a.budget, abi.TaskCreate, words(4, 99), abi.StatusBadHandle},
		{"grant nothing", child, abi.TaskGrant, &abi.Args{Mint: mint(func(*abi.Mint) {}).Mint}, abi.StatusBadHandle},
		{"grant without a mint", child, abi.TaskGrant, words(uint64(region)), abi.StatusBadArgument},
		{"move with a mint", child, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(region), abi.GrantMove}, Mint: &abi.Mint{}}, abi.StatusBadArgument},
		{"unknown flag", child, abi.TaskGrant, words(uint64(region), 2), abi.StatusBadArgument},

		{"carve too much", a.budget, abi.BudgetCarve, words(1 << 60), abi.StatusBudget},
		{"spend too much", a.budget, abi.BudgetSpend, words(uint64(abi.ResourceTokens), 1<<60), abi.StatusBudget},
		{"spend what is held", a.budget, abi.BudgetSpend, words(uint64(abi.ResourceMemory), 1), abi.StatusBadArgument},
		{"spend the unknown", a.budget, abi.BudgetSpend, words(uint64(abi.ResourceCount), 1), abi.StatusBadArgument},
		{"inspect the unknown", a.budget, abi.BudgetInspect, words(3), abi.StatusBadArgument},

		{"no bytes", a.budget, abi.RegionCreate, words(0), abi.StatusBadArgument},
		{"bytes that wrap", a.budget, abi.RegionCreate, words(^uint64(0)), abi.StatusBadArgument},
		{"unknown flag of a region", a.budget, abi.RegionCreate, words(4096, 2), abi.StatusBadArgument},
		{"bytes over the budget", a.budget, abi.RegionCreate, words(1 << 40), abi.StatusBudget},
		{"read past the end", dirty, abi.RegionRead, &abi.Args{W: [6]uint64{8190}, Bytes: make([]byte, 3)}, abi.StatusRange},
		{"read that wraps", dirty, abi.RegionRead, &abi.Args{W: [6]uint64{^uint64(0)}, Bytes: make([]byte, 3)}, abi.StatusRange},
		{"write past the end", region, abi.RegionWrite, &abi.Args{W: [6]uint64{8192}, Bytes: make([]byte, 1)}, abi.StatusRange},
		{"read before the window", window, abi.RegionRead, &abi.Args{W: [6]uint64{4095}, Bytes: make([]byte, 2)}, abi.StatusRange},
		{"map past the end", dirty, abi.RegionMap, words(4096, 8192, abi.RegionPrivate), abi.StatusRange},
		{"map that wraps", dirty, abi.RegionMap, words(4096, wrap, abi.RegionPrivate), abi.StatusRange},
		{"map outside the window", window, abi.RegionMap, words(0, 4096, abi.RegionPrivate), abi.StatusRange},
		{"map half a page", dirty, abi.RegionMap, words(0, 100, abi.RegionPrivate), abi.StatusBadArgument},
		{"map nothing", dirty, abi.RegionMap, words(0, 0, abi.RegionPrivate), abi.StatusBadArgument},
		{"map neither way", dirty, abi.RegionMap, words(0, 4096, 3), abi.StatusBadArgument},
		{"map over a window", region, abi.RegionMap, words(0, 8192, abi.RegionShared), abi.StatusOverlap},
		{"unmap nothing", region, abi.RegionUnmap, words(1), abi.StatusBadArgument},
		{"unpin too often", region, abi.RegionUnpin, words(), abi.StatusState},

		{"no mailbox", a.budget, abi.EndpointCreate, words(0), abi.StatusBadArgument},
		{"mailbox too large", a.budget, abi.EndpointCreate, words(ipc.CapacityMax + 1), abi.StatusBadArgument},
		{"service that is a task", a.budget, abi.EndpointCreate, words(4, uint64(abi.ObjectTask)), abi.StatusBadArgument},
		{"service over the last", a.budget, abi.EndpointCreate, words(4, 1<<32|uint64(abi.ObjectModel)), abi.StatusBadArgument},
		{"no message", endpoint, abi.EndpointSend, &abi.Args{}, abi.StatusBadArgument},
		{"call without a message", endpoint, abi.EndpointCall, &abi.Args{}, abi.StatusBadArgument},
		{"receive without a message", endpoint, abi.EndpointReceive, &abi.Args{}, abi.StatusBadArgument},
		{"reply and receive without a message", endpoint, abi.EndpointReplyReceive, &abi.Args{}, abi.StatusBadArgument},
		{"too long", endpoint, abi.EndpointSend, message(abi.Message{Length: abi.MessageBytesMax + 1}), abi.StatusRange},
		{"too many handles", endpoint, abi.EndpointSend, message(abi.Message{HandleCount: abi.MessageHandleMax + 1}), abi.StatusRange},
		{"moves no handle", endpoint, abi.EndpointSend, message(abi.Message{Moves: 1}), abi.StatusBadArgument},
		{"sends nothing", endpoint, abi.EndpointSend, message(abi.Message{HandleCount: 1}), abi.StatusBadHandle},
		{"sends a good and a bad handle", endpoint, abi.EndpointSend, message(abi.Message{HandleCount: 2, Handles: [8]abi.Handle{region, 99}}), abi.StatusBadHandle},
		{"moves a handle twice", endpoint, abi.EndpointSend, message(abi.Message{HandleCount: 2, Moves: 3, Handles: [8]abi.Handle{region, region}}), abi.StatusBadArgument},
		{"copies what it moves", endpoint, abi.EndpointSend, message(abi.Message{HandleCount: 2, Moves: 2, Handles: [8]abi.Handle{region, region}}), abi.StatusBadArgument},
		{"replies to nothing", endpoint, abi.EndpointReplyReceive, &abi.Args{W: [6]uint64{99}, Message: &abi.Message{}}, abi.StatusBadHandle},
		{"replies to a region", endpoint, abi.EndpointReplyReceive, &abi.Args{W: [6]uint64{uint64(region)}, Message: &abi.Message{}}, abi.StatusType},
		{"deadline past", endpoint, abi.EndpointReceive, message(abi.Message{Deadline: 1}), abi.StatusTimeout},

		{"bits that there are not", signal, abi.NotificationSignal, words(1 << 32), abi.StatusBadArgument},
		{"empty mask", signal, abi.NotificationWait, words(0, 1), abi.StatusBadArgument},
		{"wait past", signal, abi.NotificationWait, words(1, 1), abi.StatusTimeout},
		{"timer of no bits", a.budget, abi.TimerCreate, words(uint64(signal), 0), abi.StatusBadArgument},
		{"timer of a region", a.budget, abi.TimerCreate, words(uint64(region), 1), abi.StatusType},
		{"timer of nothing", a.budget, abi.TimerCreate, words(0, 1), abi.StatusBadHandle},
		{"timer of the sealed", a.budget, abi.TimerCreate, words(uint64(sealedSignal), 1), abi.StatusSealed},
		{"timer at never", timer, abi.TimerArm, words(0), abi.StatusBadArgument},
		{"timer before time", timer, abi.TimerArm, words(1 << 63), abi.StatusBadArgument},
		{"timer with a negative period", timer, abi.TimerArm, words(1, 1<<63), abi.StatusBadArgument},
		{"timer that is not armed", timer, abi.TimerCancel, words(), abi.StatusState},
		{"label of a budget", a.budget, abi.LabelInspect, words(), abi.StatusType},
		{"not of a handler", 0, abi.ReplyCharge, words(uint64(abi.ResourceTokens), 1), abi.StatusBadHandle},
		{"no handler to check", 0, abi.ReplyCheck, words(), abi.StatusBadHandle},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.in(t).refused(a, test.h, test.c, test.args, test.want)
		})
	}
	if a.label() != abi.LabelBottom() {
		t.Errorf("label %v", a.label())
	}
}

func TestSelfGrant(t *testing.T) {
	w := newWorld(t)
	self, status := w.kernel.BootTaskCapability(w.root.port, w.root.port, rightsOfOwner)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	whole := abi.Whole(abi.RightInvoke)
	w.refused(w.root, self, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(w.root.budget)}, Mint: &whole}, abi.StatusSelf)
	w.refused(w.root, self, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(w.root.budget), abi.GrantMove}}, abi.StatusSelf)
	w.refused(w.root, self, abi.TaskStart, &abi.Args{}, abi.StatusState)
}

// TestChains lets every chain that can grow grow to its limit.
func TestChains(t *testing.T) {
	t.Run("derivation", func(t *testing.T) {
		w := newWorld(t)
		h := w.root.region(4096)
		for range capability.DepthMax {
			h = w.root.mint(h, abi.Whole(rightsOfOwner))
		}
		whole := abi.Whole(0)
		w.refused(w.root, h, abi.CapMint, &abi.Args{Mint: &whole}, abi.StatusDepth)
		e := w.root.endpoint(1)
		copied := &abi.Message{HandleCount: 1, Handles: [8]abi.Handle{h}}
		w.refused(w.root, e, abi.EndpointSend, &abi.Args{Message: copied}, abi.StatusDepth)
		copied.Moves = 1
		w.root.do(e, abi.EndpointSend, &abi.Args{Message: copied}, abi.StatusOK)
	})
	t.Run("budgets", func(t *testing.T) {
		w := newWorld(t)
		h := w.root.budget
		for depth := 2; depth < 32; depth++ { // the endowment and the root's are above
			h = w.root.carve(h, abi.Amounts{uint64(40-depth) * 1024})
		}
		w.refused(w.root, h, abi.BudgetCarve, &abi.Args{}, abi.StatusDepth)
	})
	t.Run("tasks", func(t *testing.T) {
		depth := 0
		var deeper func(p *gate.Port, argument uint64)
		var w *world
		deeper = func(p *gate.Port, budget uint64) {
			depth++
			args := abi.Args{W: [6]uint64{4}}
			status := p.Invoke(abi.Handle(budget), abi.TaskCreate, &args)
			if depth == task.DepthMax {
				if status != abi.StatusDepth {
					t.Errorf("at depth %d: %v", depth, status)
				}
				return
			}
			child := abi.Handle(args.W[0])
			whole := abi.Whole(rightsOfOwner)
			given := abi.Args{W: [6]uint64{budget}, Mint: &whole}
			if status := p.Invoke(child, abi.TaskGrant, &given); status != abi.StatusOK {
				t.Errorf("grant at depth %d: %v", depth, status)
			}
			if status := p.Invoke(child, abi.TaskStart, &abi.Args{W: [6]uint64{0, given.W[0]}}); status != abi.StatusOK {
				t.Errorf("start at depth %d: %v", depth, status)
			}
		}
		w = newWorld(t, func(p *gate.Port, argument uint64) { deeper(p, argument); w.forever(p) })
		depth = 1
		w.machine.Go("top", func() { depth--; deeper(w.root.port, uint64(w.root.budget)); w.machine.Yield() })
		w.machine.Run()
		if depth != task.DepthMax {
			t.Errorf("went %d deep", depth)
		}
	})
}

// forever parks the program until the run ends.
func (w *world) forever(*gate.Port) { w.machine.NewParker().Park(0) }

func TestFullTable(t *testing.T) {
	w := newWorld(t)
	a := w.boot(4)
	n := a.notification()
	for range 2 {
		a.mint(a.budget, abi.Whole(abi.RightInvoke))
	}
	whole := abi.Whole(abi.RightInvoke)
	for _, c := range []struct {
		call abi.Call
		args abi.Args
	}{
		{abi.CapMint, abi.Args{Mint: &whole}},
		{abi.CapSeal, abi.Args{W: [6]uint64{uint64(a.budget)}}},
		{abi.TaskCreate, abi.Args{W: [6]uint64{1}}},
		{abi.BudgetCarve, abi.Args{W: [6]uint64{1}}},
		{abi.RegionCreate, abi.Args{W: [6]uint64{1}}},
		{abi.EndpointCreate, abi.Args{W: [6]uint64{1}}},
		{abi.NotificationCreate, abi.Args{}},
		{abi.TimerCreate, abi.Args{W: [6]uint64{uint64(n), 1}}},
	} {
		w.refused(a, a.budget, c.call, &c.args, abi.StatusTableFull)
	}
}

func TestFullTableOfAnother(t *testing.T) {
	w := newWorld(t)
	child, _ := w.root.task(w.root.budget, 1)
	w.root.grant(child, w.root.budget, abi.Whole(abi.RightInvoke))
	w.root.taint()
	whole := abi.Whole(abi.RightInvoke)
	w.refused(w.root, child, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(w.root.budget)}, Mint: &whole}, abi.StatusPeerFull)
	w.refused(w.root, child, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(w.root.region(1)), abi.GrantMove}}, abi.StatusPeerFull)
}

func TestBudgetOfZero(t *testing.T) {
	w := newWorld(t)
	n := w.root.notification()
	empty := w.root.carve(w.root.budget, abi.Amounts{})
	for _, c := range []struct {
		call abi.Call
		args abi.Args
	}{
		{abi.TaskCreate, abi.Args{W: [6]uint64{1}}},
		{abi.BudgetCarve, abi.Args{}},
		{abi.RegionCreate, abi.Args{W: [6]uint64{1}}},
		{abi.EndpointCreate, abi.Args{W: [6]uint64{1}}},
		{abi.NotificationCreate, abi.Args{}},
		{abi.TimerCreate, abi.Args{W: [6]uint64{uint64(n), 1}}},
		{abi.BudgetSpend, abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}}},
	} {
		w.refused(w.root, empty, c.call, &c.args, abi.StatusBudget)
	}
	w.root.do(empty, abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 0}}, abi.StatusOK)
}

// TestShares checks that what a refused call would have carved out of a
// limited capability is whole again.
func TestShares(t *testing.T) {
	w := newWorld(t)
	few := abi.Whole(rightsOfOwner)
	few.Copies, few.Uses = 3, 3
	h := w.root.mint(w.root.region(4096), few)
	onlyCopies := abi.Whole(rightsOfOwner)
	onlyCopies.Copies = 2
	limited := w.root.mint(w.root.region(4096), onlyCopies)
	e := w.root.endpoint(1)
	child, _ := w.root.task(w.root.budget, 1)
	w.root.do(e, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
	with := func(h ...abi.Handle) *abi.Args {
		m := &abi.Message{HandleCount: uint8(len(h))}
		copy(m.Handles[:], h)
		return &abi.Args{Message: m}
	}
	w.refused(w.root, e, abi.EndpointSend, with(limited), abi.StatusMailboxFull)
	w.refused(w.root, e, abi.EndpointSend, with(limited, limited, limited), abi.StatusCopies)
	w.refused(w.root, e, abi.EndpointSend, with(h), abi.StatusExhausted)
	w.refused(w.root, h, abi.RegionRead, &abi.Args{W: [6]uint64{4096}, Bytes: []byte{1}}, abi.StatusRange)
	w.root.do(h, abi.RegionRead, &abi.Args{Bytes: []byte{1}}, abi.StatusOK)

	share := abi.Whole(abi.RightInvoke)
	share.Uses, share.Copies = 1, 0
	w.log.refusing = true
	w.refused(w.root, h, abi.CapMint, &abi.Args{Mint: &share}, abi.StatusJournal)
	w.refused(w.root, child, abi.TaskGrant, &abi.Args{W: [6]uint64{uint64(h)}, Mint: &share}, abi.StatusJournal)
	w.log.refusing = false
	w.root.do(h, abi.CapMint, &abi.Args{Mint: &share}, abi.StatusOK)
}

// TestHooksRefuse checks that each of the five hooks can refuse, and that a
// refused call leaves no trace, not even on the uses of its capability.
func TestHooksRefuse(t *testing.T) {
	w := newWorld(t, idle)
	a := w.root
	twice := abi.Whole(rightsOfOwner)
	twice.Uses = 2
	region := a.mint(a.region(4096), twice)
	endpoint := a.mint(a.endpoint(2), twice)
	service := func(typ abi.ObjectType) abi.Handle {
		args := abi.Args{W: [6]uint64{2, uint64(typ)}, Label: abi.LabelTop()}
		a.do(a.budget, abi.EndpointCreate, &args, abi.StatusOK)
		return a.mint(abi.Handle(args.W[0]), twice)
	}
	model, socket := service(abi.ObjectModel), service(abi.ObjectSocket)
	child, _ := a.task(a.budget, 4)
	a.taint()
	send := func() *abi.Args {
		return &abi.Args{Message: &abi.Message{Deadline: 1, HandleCount: 1, Moves: 1, Handles: [8]abi.Handle{region}}}
	}
	hooks := w.kernel.Hooks()

	hooks.InstallGate(func(c hook.Gate) abi.Status {
		if c.Task != a.port.TaskID() {
			t.Errorf("the gate's hook sees task %d", c.Task)
		}
		return abi.StatusBusy // a hook can only say no, not why
	})
	w.refused(a, region, abi.RegionWrite, &abi.Args{Bytes: []byte{1}}, abi.StatusDenied)
	w.refused(a, endpoint, abi.EndpointSend, send(), abi.StatusDenied)
	hooks.InstallGate(nil)

	hooks.InstallIPC(func(hook.IPC) abi.Status { return abi.StatusDenied })
	w.refused(a, endpoint, abi.EndpointSend, send(), abi.StatusDenied)
	w.refused(a, endpoint, abi.EndpointCall, send(), abi.StatusDenied)
	hooks.InstallIPC(nil)

	hooks.InstallInference(func(hook.Inference) abi.Status { return abi.StatusDenied })
	w.refused(a, model, abi.EndpointCall, send(), abi.StatusDenied)
	hooks.InstallNetwork(func(hook.Network) abi.Status { return abi.StatusDenied })
	w.refused(a, socket, abi.EndpointSend, send(), abi.StatusDenied)

	hooks.InstallScheduler(func(hook.Scheduler) abi.Status { return abi.StatusDenied })
	w.refused(a, child, abi.TaskStart, &abi.Args{}, abi.StatusDenied)
	hooks.InstallScheduler(nil)

	a.do(socket, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: 1}}, abi.StatusTimeout)
	a.do(endpoint, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
	a.do(endpoint, abi.EndpointReceive, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
	a.do(endpoint, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusExhausted)
}
