package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/sim"
)

// world is a kernel on the simulated machine, with one root task.
type world struct {
	t       *testing.T
	machine *sim.Machine
	log     *fussyLog
	kernel  *gate.Kernel
	root    actor
	last0   abi.Handle // what a case of TestEveryCall owns
	// launch, when set, is given the ports of started tasks, which then run
	// no program.
	launch func(p *gate.Port)
}

// actor is a task under test: its port, and the handle of its budget.
type actor struct {
	t      *testing.T
	port   *gate.Port
	budget abi.Handle
}

// programs is a launcher of Go functions on the simulated machine.
type programs struct {
	world *world
	list  []func(p *gate.Port, argument uint64)
}

func (l *programs) Launch(p *gate.Port, program, argument uint64) abi.Status {
	if l.world.launch != nil {
		l.world.launch(p)
		return abi.StatusOK
	}
	if program >= uint64(len(l.list)) {
		return abi.StatusBadArgument
	}
	l.world.machine.Go("program", func() {
		l.list[program](p, argument)
		p.Done(0)
	})
	return abi.StatusOK
}

const megabyte = 1 << 20

// plenty is more than any test needs.
func plenty() abi.Amounts {
	return abi.Amounts{1 << 30, 1 << 16, 1 << 40, 1 << 20, 1 << 30, 1 << 30}
}

func newWorld(t *testing.T, list ...func(*gate.Port, uint64)) *world {
	t.Helper()
	m := sim.New(sim.Config{Seed: 1})
	log := &fussyLog{Log: m.NewLog()}
	j, status := journal.New(log, m, 1, journal.Options{Node: 7})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	limits := capability.Limits{Nodes: 4096, Objects: 1024, Spaces: 256, Generations: abi.GenerationMax - 1}
	w := &world{t: t, machine: m, log: log}
	w.kernel = gate.New(gate.Config{
		Machine: m, Journal: j, Launcher: &programs{world: w, list: list},
		Limits: limits, Node: 7, Endowment: plenty(), Timers: 64,
	})
	w.root = w.boot(64)
	return w
}

// boot makes a root task with a 64th of everything.
func (w *world) boot(slots uint32) actor {
	w.t.Helper()
	amounts := plenty()
	for i := range amounts {
		amounts[i] /= 64
	}
	p, h, status := w.kernel.BootTask(slots, amounts)
	if status != abi.StatusOK {
		w.t.Fatalf("BootTask: %v", status)
	}
	return actor{t: w.t, port: p, budget: h}
}

// do invokes and fails the test unless the status is the wanted one.
func (a actor) do(h abi.Handle, c abi.Call, args *abi.Args, want abi.Status) {
	a.t.Helper()
	if got := a.port.Invoke(h, c, args); got != want {
		a.t.Fatalf("%v = %v, want %v", c, got.Name(), want.Name())
	}
}

// endpoint makes an endpoint and returns its handle.
func (a actor) endpoint(capacity uint64) abi.Handle {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{capacity}, Label: abi.LabelTop()}
	a.do(a.budget, abi.EndpointCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// region makes a region and returns its handle.
func (a actor) region(bytes uint64) abi.Handle {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{bytes}}
	a.do(a.budget, abi.RegionCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// notification makes a notification and returns its handle.
func (a actor) notification() abi.Handle {
	a.t.Helper()
	args := abi.Args{}
	a.do(a.budget, abi.NotificationCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// carve makes a budget out of another and returns its handle.
func (a actor) carve(budget abi.Handle, amounts abi.Amounts) abi.Handle {
	a.t.Helper()
	args := abi.Args{W: amounts}
	a.do(budget, abi.BudgetCarve, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// task makes a task on a budget and returns its handle and number.
func (a actor) task(budget abi.Handle, slots uint64) (abi.Handle, uint64) {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{slots}}
	a.do(budget, abi.TaskCreate, &args, abi.StatusOK)
	return abi.Handle(args.W[0]), args.W[1]
}

// grant gives a copy of a's capability to the task, and returns its handle
// there.
func (a actor) grant(task, h abi.Handle, m abi.Mint) abi.Handle {
	a.t.Helper()
	args := abi.Args{W: [6]uint64{uint64(h)}, Mint: &m}
	a.do(task, abi.TaskGrant, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// serve makes f answer the calls to the endpoint, one at a time.
func (a actor) serve(e abi.Handle, f func(m *abi.Message) abi.Status) {
	a.t.Helper()
	status := a.port.Serve(e, handlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status { return f(m) }), false)
	if status != abi.StatusOK {
		a.t.Fatalf("Serve: %v", status)
	}
}

// revoke kills what was derived from the handle.
func (a actor) revoke(h abi.Handle) {
	a.t.Helper()
	a.do(h, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
}

// label returns the label of the port's task.
func (a actor) label() abi.Label { return a.port.Label() }

// foreign returns a handle of another task that names nothing in a's table.
func (w *world) foreign(a actor) abi.Handle {
	w.t.Helper()
	for range 40 {
		h := w.root.mint(w.root.budget, abi.Whole(abi.RightInvoke))
		if w.typeOf(a, h) == abi.ObjectNone {
			return h
		}
	}
	w.t.Fatal("no foreign handle")
	return 0
}

// stale returns a handle whose capability was deleted.
func (w *world) stale(a actor) abi.Handle {
	h := a.mint(a.budget, abi.Whole(rightsOfOwner))
	a.do(h, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	return h
}

// wrongEndpoint gives a an endpoint.
func (w *world) wrongEndpoint(a actor) abi.Handle { return a.endpoint(1) }

// typeOf returns the type of what a handle names, ObjectNone for nothing.
func (w *world) typeOf(a actor, h abi.Handle) abi.ObjectType {
	args := abi.Args{}
	if a.port.Invoke(h, abi.CapInspect, &args) != abi.StatusOK {
		return abi.ObjectNone
	}
	return abi.ObjectType(args.W[0])
}

// in returns the world for a subtest.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	inner := *w
	inner.t = t
	return &inner
}

// fussyLog is a log that can be told to refuse.
type fussyLog struct {
	*sim.Log

	refusing bool
}

func (l *fussyLog) Append(record []byte) abi.Status {
	if l.refusing {
		return abi.StatusJournal
	}
	return l.Log.Append(record)
}

// idle is a program that returns at once.
func idle(*gate.Port, uint64) {}

// mint derives a capability for a itself.
func (a actor) mint(h abi.Handle, m abi.Mint) abi.Handle {
	a.t.Helper()
	args := abi.Args{Mint: &m}
	a.do(h, abi.CapMint, &args, abi.StatusOK)
	return abi.Handle(args.W[0])
}

// give derives a capability of a for another root task.
func (w *world) give(from actor, h abi.Handle, to actor, m abi.Mint) abi.Handle {
	w.t.Helper()
	made, status := w.kernel.BootGrant(from.port, h, to.port, &m)
	if status != abi.StatusOK {
		w.t.Fatalf("BootGrant: %v", status)
	}
	return made
}

// tidy clears everything away.
func (w *world) tidy() {
	for w.kernel.Tidy(64) {
	}
}

// handlerFunc is a handler that is a function.
type handlerFunc func(p *gate.Port, m *abi.Message) abi.Status

func (f handlerFunc) Serve(p *gate.Port, m *abi.Message) abi.Status { return f(p, m) }
