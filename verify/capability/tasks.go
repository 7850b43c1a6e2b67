package capability

import (
	"fmt"

	"phios/abi"
	"phios/kernel/gate"
)

// The operations of the tasks world.
const (
	tkCreate uint8 = iota // a: task that makes
	tkStart               // a: task that is started, by its maker
	tkGrant               // a: task that is given the thing, by its maker
	tkKill                // a: task, by its maker
	tkExit                // a: task
	tkRevoke              // the top revokes what it gave
	tkTidy                //
)

var taskNames = [...]string{"create below", "start", "grant to", "kill", "exit", "revoke at the top", "tidy"}

// taskWorld is a task at the top, one that it makes, and one that that makes:
// the same program three levels deep. Each passes a thing down, and each can
// end.
type taskWorld struct {
	*gateWorld
	level [3]taskLevel
	thing abi.Handle // what the top gives
}

// taskLevel is one task as its maker sees it.
type taskLevel struct {
	made, started, dead bool
	port                *gate.Port
	handle              abi.Handle // its maker's capability to it
	given               abi.Handle // its capability to the thing
	live                bool       // the thing still is
	budget              abi.Handle // for making the next
}

func newTaskWorld() world {
	w := &taskWorld{gateWorld: newGateWorld(32, 8, 8, 8)}
	a := abi.Args{}
	w.must(0, w.budgets[0], abi.NotificationCreate, &a)
	w.thing = abi.Handle(a.W[0])
	w.level[0] = taskLevel{made: true, started: true, port: w.tasks[0], given: w.thing, live: true, budget: w.budgets[0]}
	return w
}

func (w *taskWorld) steps(out []step) []step {
	for t := range uint8(3) {
		l := &w.level[t]
		if l.started && t < 2 && !w.level[t+1].made {
			out = append(out, step{kind: tkCreate, a: t})
		}
		if t > 0 && l.made {
			out = append(out, step{kind: tkStart, a: t}, step{kind: tkKill, a: t})
			if l.given == 0 {
				out = append(out, step{kind: tkGrant, a: t})
			}
			if l.started {
				out = append(out, step{kind: tkExit, a: t})
			}
		}
	}
	return append(out, step{kind: tkRevoke}, step{kind: tkTidy})
}

// alive reports whether a task and all above it are.
func (w *taskWorld) alive(t uint8) bool {
	for i := range t + 1 {
		if w.level[i].dead {
			return false
		}
	}
	return w.level[t].started
}

// as judges a call of a task: a dead one is told so.
func (w *taskWorld) as(v *verdict, t uint8) *gate.Port {
	if !w.alive(t) {
		v.must = bit(abi.StatusKilled)
	}
	return w.level[t].port
}

func (w *taskWorld) do(s step) (abi.Status, string) {
	var v verdict
	var status abi.Status
	switch s.kind {
	case tkCreate:
		return w.create(s.a)
	case tkStart:
		return w.start(s.a)
	case tkGrant:
		return w.give(s.a)
	case tkKill:
		l := &w.level[s.a]
		v.unless(!l.dead, abi.StatusState)
		status = w.as(&v, s.a-1).Invoke(l.handle, abi.TaskKill, &abi.Args{})
		if status == abi.StatusOK {
			w.end(s.a)
		}
	case tkExit:
		status = w.as(&v, s.a).Invoke(0, abi.TaskExit, &abi.Args{})
		if status == abi.StatusOK {
			w.end(s.a)
		}
	case tkRevoke:
		status = w.tasks[0].Invoke(w.thing, abi.CapRevoke, &abi.Args{})
		for t := range w.level[1:] {
			w.level[t+1].live = false
		}
	case tkTidy:
		w.tidy()
	}
	return status, first(v.judge(status), w.sound())
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// end ends a task and those below it, and what they had given goes with them.
func (w *taskWorld) end(t uint8) {
	for i := t; i < 3; i++ {
		w.level[i].dead = true
	}
	w.tidy()
}

// create makes the next task, gives it a budget, and starts nothing.
func (w *taskWorld) create(t uint8) (abi.Status, string) {
	var v verdict
	a := abi.Args{W: [6]uint64{4}}
	p := w.as(&v, t)
	status := p.Invoke(w.level[t].budget, abi.TaskCreate, &a)
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	next := &w.level[t+1]
	next.made, next.handle = true, abi.Handle(a.W[0])
	m := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
	a = abi.Args{W: [6]uint64{uint64(w.level[t].budget)}, Mint: &m}
	if status = p.Invoke(next.handle, abi.TaskGrant, &a); status == abi.StatusOK {
		next.budget = abi.Handle(a.W[0])
	}
	return status, first(v.judge(status), w.sound())
}

func (w *taskWorld) start(t uint8) (abi.Status, string) {
	l := &w.level[t]
	var v verdict
	v.unless(!l.started, abi.StatusState)
	if l.dead {
		v.must = bit(abi.StatusPeerDead)
	}
	status := w.as(&v, t-1).Invoke(l.handle, abi.TaskStart, &abi.Args{})
	if status == abi.StatusOK {
		l.started, l.port = true, w.started.started[len(w.started.started)-1]
	}
	return status, v.judge(status)
}

// give passes the thing down one level.
func (w *taskWorld) give(t uint8) (abi.Status, string) {
	l, up := &w.level[t], &w.level[t-1]
	var v verdict
	if l.dead {
		v.must |= bit(abi.StatusPeerDead)
	}
	if up.given == 0 {
		v.must |= bit(abi.StatusBadHandle) | bit(abi.StatusPeerDead)
	} else if !up.live {
		v.must |= gone | bit(abi.StatusPeerDead)
	}
	m := abi.Whole(abi.RightInvoke | abi.RightSend | abi.RightGrant | abi.RightRevoke)
	a := abi.Args{W: [6]uint64{uint64(up.given)}, Mint: &m}
	status := w.as(&v, t-1).Invoke(l.handle, abi.TaskGrant, &a)
	if status == abi.StatusOK {
		l.given, l.live = abi.Handle(a.W[0]), true
	}
	return status, first(v.judge(status), w.sound())
}

// check lets every task that was ever started use what it was given.
func (w *taskWorld) check() string {
	for t := range w.level {
		l := &w.level[t]
		if !l.started {
			continue
		}
		status := l.port.Invoke(l.given, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}})
		switch {
		case !w.alive(uint8(t)):
			if status != abi.StatusKilled {
				return "no effect after revoke: a dead task was answered (" + status.Name() + ")"
			}
		case l.given != 0 && l.live && status != abi.StatusOK:
			return "answers: a live handle was refused (" + status.Name() + ")"
		case (l.given == 0 || !l.live) && status == abi.StatusOK:
			return "no resurrection: a dead handle was accepted"
		}
	}
	return w.books()
}

// books: when all is cleared away, the endowment has everything but what the
// living hold.
func (w *taskWorld) books() string {
	w.tidy()
	a := w.kernel.Endowment()
	args := abi.Args{}
	_ = w.tasks[0].Invoke(w.budgets[0], abi.BudgetInspect, &args)
	have := a.Available[1] + args.W[1]
	args = abi.Args{W: [6]uint64{1}}
	_ = w.tasks[0].Invoke(w.budgets[0], abi.BudgetInspect, &args)
	if have+args.W[1] != endowment()[1] {
		return "conservation: slots were created or lost"
	}
	want := uint64(8) // the top's own
	for t := 1; t < 3; t++ {
		if w.level[t].made && !w.level[t].dead {
			want += 4
		}
	}
	if args.W[1] != want {
		return fmt.Sprintf("conservation: %d slots are held, not %d", args.W[1], want)
	}
	return ""
}

// slack: tidying is part of many calls.
func (w *taskWorld) slack() bool { return true }

func (w *taskWorld) shape(b []byte) []byte {
	for t := range w.level {
		l := &w.level[t]
		b = fmt.Append(b, l.made, l.started, l.dead, l.given != 0, l.live, l.budget != 0)
	}
	var order []*gate.Port
	for t := range w.level {
		if w.level[t].port != nil {
			order = append(order, w.level[t].port)
		}
	}
	return append(w.kernel.Shape(b, order...), make([]byte, 8)...)
}

func (w *taskWorld) say(s step) string {
	if s.kind >= tkRevoke {
		return taskNames[s.kind]
	}
	return fmt.Sprintf("%s task %d", taskNames[s.kind], s.a)
}
