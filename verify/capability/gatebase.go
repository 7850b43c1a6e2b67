package capability

import (
	"slices"

	"phios/abi"
	"phios/internal/invariant"
	kernel "phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform"
	"phios/platform/sim"
)

// nowhere is a log that keeps nothing but the count.
type nowhere struct{ records int }

func (n *nowhere) Append([]byte) abi.Status { n.records++; return abi.StatusOK }

// ports is a launcher that runs nothing: it keeps the ports of the tasks that
// were started, for the world to act as them.
type ports struct{ started []*gate.Port }

func (l *ports) Launch(p *gate.Port, _, _ uint64) abi.Status {
	l.started = append(l.started, p)
	return abi.StatusOK
}

// gateWorld is what the worlds that go through the gate have in common: a real
// kernel on the simulated machine, and the reference's view of who holds what.
type gateWorld struct {
	kernel  *gate.Kernel
	log     *nowhere
	started *ports
	tasks   []*gate.Port
	budgets []abi.Handle // of each root task
	ref     reference
	issued  []ticket
}

// endowment is everything that a gate world has.
func endowment() abi.Amounts { return abi.Amounts{1 << 20, 2048, 64, 64, 64, 64} }

const (
	rootMemory = 1 << 16
	objectCost = 512 // memory that any object takes of its budget
	childSlots = 900 // slots that a root task can give to tasks below
)

// newGateWorld makes a kernel with root tasks of the given numbers of slots.
// There can be so many capabilities at a time. Each task starts with the capability to its own budget.
func newGateWorld(nodes int, generations, tokens uint64, slots ...uint32) *gateWorld {
	return newGateWorldOn(sim.New(sim.Config{Seed: 1}), nodes, generations, tokens, slots...)
}

func newGateWorldOn(m platform.Machine, nodes int, generations, tokens uint64, slots ...uint32) *gateWorld {
	w := &gateWorld{log: &nowhere{}, started: &ports{}}
	j, _ := journal.New(w.log, m, 1, journal.Options{})
	w.kernel = gate.New(gate.Config{
		Machine: m, Journal: j, Launcher: w.started, Endowment: endowment(), Timers: 4,
		Limits: kernel.Limits{Nodes: uint32(nodes), Objects: 64, Spaces: 64, Generations: generations},
	})
	w.ref = reference{limits: limits{tasks: len(slots), nodes: nodes, generations: generations}, now: 1}
	for i, n := range slots {
		w.ref.limits.slots = int(n)
		w.ref.closed = append(w.ref.closed, false)
		p, h, _ := w.kernel.BootTask(n, abi.Amounts{rootMemory, uint64(n) + childSlots, 0, tokens})
		w.tasks, w.budgets = append(w.tasks, p), append(w.budgets, h)
		w.original(i, h)
	}
	return w
}

// call invokes as a task.
func (w *gateWorld) call(task int, h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	return w.tasks[task].Invoke(h, c, a)
}

// must is call for what sets a world up: there it cannot fail.
func (w *gateWorld) must(task int, h abi.Handle, c abi.Call, a *abi.Args) {
	status := w.call(task, h, c, a)
	invariant.Always(status == abi.StatusOK, "verify: a world could not be set up: "+c.String()+": "+status.Name())
}

// inspect reads what a handle names.
func (w *gateWorld) inspect(task int, h abi.Handle) (abi.Args, abi.Status) {
	a := abi.Args{}
	status := w.call(task, h, abi.CapInspect, &a)
	return a, status
}

// original takes up a first capability: what it carries is read once, and
// must stay.
func (w *gateWorld) original(task int, h abi.Handle) int {
	a, _ := w.inspect(task, h)
	w.ref.caps = append(w.ref.caps, refCap{
		parent: -1, rights: abi.Rights(a.W[1] & 0xffffffff), pass: abi.Rights(a.W[1] >> 32), badge: a.W[2],
		object: a.W[3], ceiling: a.Label, uses: abi.Unlimited, copies: abi.Unlimited,
	})
	c := len(w.ref.caps) - 1
	w.ref.place(c, task, h)
	w.issued = append(w.issued, ticket{task, h})
	return c
}

// grant derives at boot, on both sides.
func (w *gateWorld) grant(from int, h abi.Handle, to int, m abi.Mint) abi.Handle {
	made, _ := w.kernel.BootGrant(w.tasks[from], h, w.tasks[to], &m)
	var v verdict
	child := w.ref.derive(&v, w.ref.find(from, h), &m, abi.RightGrant)
	w.ref.born(child, to, made)
	w.issued = append(w.issued, ticket{to, made})
	return made
}

// issue notes a handle that was given out.
func (w *gateWorld) issue(task int, h abi.Handle) string {
	t := ticket{task, h}
	if slices.Contains(w.issued, t) {
		return "no resurrection: a handle was given out twice"
	}
	w.issued = append(w.issued, t)
	return ""
}

// tidy clears everything away.
func (w *gateWorld) tidy() {
	for range 1000 {
		if !w.kernel.Tidy(4) {
			w.ref.pending = false
			return
		}
	}
	panic("tidying does not end")
}

// slack: what is dead is cleared away in slices that calls take along.
func (w *gateWorld) slack() bool { return w.ref.pending }

// sound looks at the tree's own invariants.
func (w *gateWorld) sound() string {
	if broken := w.kernel.Audit(); broken != "" {
		return "tree well-formed: " + broken
	}
	return ""
}

// check tries every handle ever issued from every task.
func (w *gateWorld) check() string {
	for task := range w.tasks {
		for _, t := range w.issued {
			if broken := w.try(task, t.handle); broken != "" {
				return broken
			}
		}
	}
	return ""
}

func (w *gateWorld) try(task int, h abi.Handle) string {
	a, status := w.inspect(task, h)
	c := w.ref.find(task, h)
	switch {
	case w.ref.closed[task] && status != abi.StatusKilled:
		return "no effect after revoke: a dead task was answered"
	case w.ref.closed[task]:
		return ""
	case c < 0 && status == abi.StatusOK:
		return "no resurrection: a dead handle was accepted"
	case c < 0:
		return ""
	case status != abi.StatusOK:
		return "answers: a live handle was refused (" + status.Name() + ")"
	}
	d := &w.ref.caps[c]
	switch {
	case a.W[3] != d.object:
		return "answers: a handle names another object"
	case abi.Rights(a.W[1]&0xffffffff) != d.rights || abi.Rights(a.W[1]>>32) != d.pass:
		return "monotone rights: a capability has other rights than it was given"
	case a.W[2] != d.badge:
		return "badge immutable: a capability has another badge than it was given"
	case a.Label != d.ceiling:
		return "label monotonicity: a ceiling is not what was given"
	}
	return ""
}

// delete empties a slot through the gate, on both sides.
func (w *gateWorld) delete(t ticket) (abi.Status, string) {
	c := w.ref.find(t.task, t.handle)
	var v verdict
	if c < 0 {
		v.must |= gone
	}
	status := w.call(t.task, t.handle, abi.CapDelete, &abi.Args{})
	if status == abi.StatusOK && c >= 0 {
		w.ref.end(c)
	}
	return status, v.judge(status)
}

// revoke likewise.
func (w *gateWorld) revoke(t ticket) (abi.Status, string) {
	c := w.ref.find(t.task, t.handle)
	var v verdict
	if c < 0 {
		v.must |= gone
	} else {
		v.unless(w.ref.caps[c].rights.Has(abi.RightRevoke), abi.StatusRights)
	}
	status := w.call(t.task, t.handle, abi.CapRevoke, &abi.Args{})
	if status == abi.StatusOK && c >= 0 {
		w.ref.revoke(c)
	}
	return status, v.judge(status)
}
