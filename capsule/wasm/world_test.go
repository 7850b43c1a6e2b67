package wasm

import (
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

// world is a kernel on this machine and an engine.
type world struct {
	tb      testing.TB
	machine *host.Machine
	kernel  *gate.Kernel
	engine  *Engine
	root    task
}

// task is a task and its budget. It is the door of its program.
type task struct {
	*gate.Port

	budget abi.Handle
	names  *sync.Map
}

var _ capsule.Door = task{}

// Named returns what grant has given.
func (t task) Named(name string) (abi.Handle, abi.Status) {
	if h, ok := t.names.Load(name); ok {
		return h.(abi.Handle), abi.StatusOK
	}
	return 0, abi.StatusBadHandle
}

// serving is the door while a message is served: another port of the task.
type serving struct {
	*gate.Port

	names *sync.Map
}

func (s *serving) Named(name string) (abi.Handle, abi.Status) {
	return task{names: s.names}.Named(name)
}

type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

const plenty = 1 << 40

func newWorld(tb testing.TB) *world {
	tb.Helper()
	machine, err := host.New(host.Config{ArenaBytes: 1 << 30, MemoryBytes: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(machine.Close)
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if !status.OK() {
		tb.Fatal(status)
	}
	w := &world{tb: tb, machine: machine}
	w.kernel = gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 64,
		Endowment: abi.Amounts{1 << 50, 1 << 40, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	w.engine = newEngine(tb, machine, sharedCache)
	w.root = w.task(plenty)
	return w
}

func newEngine(tb testing.TB, machine *host.Machine, dir string) *Engine {
	tb.Helper()
	engine, err := New(Config{CacheDir: dir, Clock: machine})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(engine.Close)
	return engine
}

// task makes a task with so many nanoseconds of processor time.
func (w *world) task(cpu uint64) task {
	w.tb.Helper()
	port, budget, status := w.kernel.BootTask(256, abi.Amounts{1 << 32, 1 << 16, cpu, plenty, plenty, plenty})
	if !status.OK() {
		w.tb.Fatal(status)
	}
	return task{Port: port, budget: budget, names: &sync.Map{}}
}

// grant gives a task a capability under a name.
func (w *world) grant(from task, h abi.Handle, to task, name string) {
	w.tb.Helper()
	mint := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
	made, status := w.kernel.BootGrant(from.Port, h, to.Port, &mint)
	if !status.OK() {
		w.tb.Fatal(status)
	}
	to.names.Store(name, made)
}

func (w *world) do(t task, h abi.Handle, c abi.Call, a *abi.Args) abi.Handle {
	w.tb.Helper()
	if status := t.Invoke(h, c, a); !status.OK() {
		w.tb.Fatalf("%v: %v", c, status)
	}
	return abi.Handle(a.W[0])
}

func (w *world) install(module []byte) *Image {
	w.tb.Helper()
	image, err := w.engine.Install(module)
	if err != nil {
		w.tb.Fatal(err)
	}
	return image
}

// start starts a program in a task.
func (w *world) start(module []byte, t task, spec capsule.Spec) *Instance {
	w.tb.Helper()
	spec.Door = t
	if spec.Name == "" {
		spec.Name = "test"
	}
	i, err := w.install(module).Start(spec)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(i.Close)
	return i
}

// handler serves an endpoint with a program, one caller at a time.
type handler struct {
	program capsule.Program
	door    serving
}

func (h *handler) Serve(p *gate.Port, m *abi.Message) abi.Status {
	h.door.Port = p
	return h.program.Serve(&h.door, m)
}

// serve makes a program serve an endpoint of its task and returns it.
func (w *world) serve(t task, program capsule.Program) abi.Handle {
	w.tb.Helper()
	e := w.do(t, t.budget, abi.EndpointCreate, &abi.Args{W: [6]uint64{8}, Label: abi.LabelTop()})
	if status := t.Serve(e, &handler{program: program, door: serving{names: t.names}}, false); !status.OK() {
		w.tb.Fatal(status)
	}
	return e
}

// within fails the test when f takes longer.
func within(tb testing.TB, limit time.Duration, f func()) {
	tb.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		tb.Fatalf("took longer than %v", limit)
	}
}
