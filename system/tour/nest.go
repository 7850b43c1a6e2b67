package tour

import (
	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/task"
	"phios/system"
)

// What each level of the nest gets of the one above.
const (
	levels      = 3
	nestSlots   = 16
	nestMemory  = 4 << 20 // of the first level; each one below gets half
	nestBudget  = 512     // slots of the first level; each one below gets half
	lookAgainNS = 1_000_000
	patienceNS  = 5_000_000_000
	settleNS    = 20_000_000
)

// nest is the program that runs at every level, and what its levels report.
type nest struct {
	reached, refused chan abi.Status // from the deepest level: at first, and in the end
	bystander        abi.Handle      // the worker's capability to the notes, of another giver
	first, share     abi.Handle      // the supervisor's capabilities to level 1 and its budget
	before           uint64          // memory of the supervisor before there was a level
}

func newNest() *nest {
	return &nest{reached: make(chan abi.Status, 1), refused: make(chan abi.Status, 1)}
}

// program asks the level above for its means, gives half of them to a level
// below, or is the deepest one and calls the notes until it is refused. It
// knows nothing of how deep it is but what it is told.
func (n *nest) program(t *system.Task) uint64 {
	var m abi.Message
	if t.Port.Invoke(abi.Handle(t.Argument), abi.EndpointCall, &abi.Args{Message: &m}) != abi.StatusOK {
		return 1
	}
	budget, notes, left := m.Handles[0], m.Handles[1], m.Words[0]
	wait := abi.Args{}
	if t.Port.Invoke(budget, abi.NotificationCreate, &wait) != abi.StatusOK {
		return 1
	}
	bell := abi.Handle(wait.W[0])
	if left > 0 {
		means := level{of: t, budget: budget, notes: notes, left: left - 1}
		if program, ok := t.Program("nest"); !ok || means.spawn(program) != abi.StatusOK {
			n.reached <- abi.StatusState
			return 1
		}
		_ = t.Port.Invoke(bell, abi.NotificationWait, &abi.Args{W: [abi.ArgWords]uint64{1}}) // until it is killed
		return 0
	}
	call := func() abi.Status {
		return t.Port.Invoke(notes, abi.EndpointCall, &abi.Args{Message: text("from the deepest level")})
	}
	status := call()
	n.reached <- status
	for status == abi.StatusOK {
		soon := uint64(t.Machine().Now() + lookAgainNS)
		_ = t.Port.Invoke(bell, abi.NotificationWait, &abi.Args{W: [abi.ArgWords]uint64{1, soon}}) // a pause
		status = call()
	}
	n.refused <- status
	_ = t.Port.Invoke(bell, abi.NotificationWait, &abi.Args{W: [abi.ArgWords]uint64{1}}) // until it is killed
	return 0
}

// level is what a task needs to be the kernel of one below it.
type level struct {
	of            *system.Task
	budget, notes abi.Handle
	left          uint64
	made, share   abi.Handle // the new task, and its budget
}

// spawn makes a task out of the level's own means: half of its budget, and
// what it may pass on of the notes.
func (l *level) spawn(program uint64) abi.Status {
	p := l.of.Port
	a := abi.Args{W: [abi.ArgWords]uint64{nestMemory >> (levels - 1 - l.left), nestBudget >> (levels - 1 - l.left)}}
	if status := p.Invoke(l.budget, abi.BudgetCarve, &a); status != abi.StatusOK {
		return status
	}
	l.share = abi.Handle(a.W[0])
	a = abi.Args{W: [abi.ArgWords]uint64{1}, Label: abi.LabelTop()}
	if status := p.Invoke(l.budget, abi.EndpointCreate, &a); status != abi.StatusOK {
		return status
	}
	door := abi.Handle(a.W[0])
	status := l.of.Serve(door, system.HandlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status {
		m.HandleCount, m.Handles[0], m.Handles[1], m.Words[0] = 2, l.share, l.notes, l.left
		return abi.StatusOK
	}))
	if status != abi.StatusOK {
		return status
	}
	a = abi.Args{W: [abi.ArgWords]uint64{nestSlots}}
	if status := p.Invoke(l.share, abi.TaskCreate, &a); status != abi.StatusOK {
		return status
	}
	l.made = abi.Handle(a.W[0])
	mint := abi.Whole(use)
	a = abi.Args{W: [abi.ArgWords]uint64{uint64(door), abi.GrantCopy}, Mint: &mint}
	if status := p.Invoke(l.made, abi.TaskGrant, &a); status != abi.StatusOK {
		return status
	}
	return p.Invoke(l.made, abi.TaskStart, &abi.Args{W: [abi.ArgWords]uint64{program, a.W[0]}})
}

// deepen starts three levels and revokes at the top.
func (g *guide) deepen() {
	top := g.node.Task("supervisor")
	g.nest.before = g.available("supervisor")
	program, _ := g.node.Program("nest")
	first := level{of: top, budget: top.Handle("budget"), notes: top.Handle("notes"), left: levels - 1}
	g.show("supervisor", "TaskCreate, TaskGrant, TaskStart level 1", first.spawn(program), abi.StatusOK)
	g.nest.first, g.nest.share = first.made, first.share
	if g.err != nil {
		return
	}
	g.show("level 3", "EndpointCall notes, as levels 1 and 2 let it", g.hear(g.nest.reached), abi.StatusOK)
	g.do("supervisor", "notes", abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	g.show("level 3", "EndpointCall notes", g.hear(g.nest.refused), abi.StatusRevoked)
	g.on("worker", "notes, from another giver", g.nest.bystander).do(abi.EndpointCall, &abi.Args{Message: text("still here")}, abi.StatusOK)
}

// hear waits for what a level reports, with a limit: a tour that hangs shows
// nothing.
func (g *guide) hear(from <-chan abi.Status) abi.Status {
	parker, machine := g.node.Machine().NewParker(), g.node.Machine()
	for deadline := machine.Now() + patienceNS; machine.Now() < deadline; {
		select {
		case status := <-from:
			return status
		default:
			parker.Park(machine.Now() + lookAgainNS)
		}
	}
	return abi.StatusTimeout
}

// kill ends the first level and with it the others.
func (g *guide) kill() {
	during := g.available("supervisor")
	g.on("supervisor", "level 1", g.nest.first).do(abi.TaskKill, &abi.Args{}, abi.StatusOK)
	a := abi.Args{}
	g.quiet("supervisor", g.nest.first, abi.TaskInspect, &a)
	g.note("level 1 is %v now", task.State(a.W[1]))
	g.on("supervisor", "the budget of level 1", g.nest.share).do(abi.CapDelete, &abi.Args{}, abi.StatusOK)
	g.note("memory of the supervisor: %d bytes before the levels, %d with them, %d now", g.nest.before, during, g.settled())
}

// settled returns the supervisor's memory once nothing more comes back. The
// door through which level 1 asked for its means is there still.
func (g *guide) settled() uint64 {
	parker, machine := g.node.Machine().NewParker(), g.node.Machine()
	last := uint64(0)
	for now := g.available("supervisor"); now != last; now = g.available("supervisor") {
		last = now
		parker.Park(machine.Now() + settleNS)
	}
	return last
}
