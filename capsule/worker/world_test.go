package worker

import (
	"os"
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/wasm"
	build "phios/internal/guest"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
	"phios/platform/host/jail"
)

// What the obedient program does; see testdata/obedient.c.
const (
	doAdd = iota
	doSpin
	doLoad
	doMap
	doCall
	doStore
	doTrap
	doWatch
	doUnmap
	doCalls
)

func TestMain(m *testing.M) {
	_ = jail.Main() // becomes the command that it was asked for
	switch {
	case len(os.Args) == 2 && os.Args[1] == Verb:
		os.Exit(Main())
	case len(os.Args) == 3 && os.Args[1] == hostileVerb:
		os.Exit(hostile(os.Args[2]))
	}
	if os.Getenv(pongVariable) != "" {
		pong()
		return
	}
	os.Exit(m.Run())
}

// nowhere is a log that keeps nothing.
type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

// world is a kernel on the real machine, and what workers need.
type world struct {
	tb      testing.TB
	machine *host.Machine
	kernel  *gate.Kernel
	engine  *wasm.Engine
	cache   string
	image   []byte
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{tb: tb, cache: tb.TempDir(), image: build.C(tb, "capsule/worker/testdata/obedient.c", build.Bare)}
	var err error
	if w.machine, err = host.New(host.Config{ArenaBytes: 1 << 30}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.machine.Close)
	j, status := journal.New(nowhere{}, w.machine, 1, journal.Options{})
	if status != abi.StatusOK {
		tb.Fatal(status)
	}
	w.kernel = gate.New(gate.Config{
		Machine: w.machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 64,
		Endowment: abi.Amounts{1 << 46, 1 << 30, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	if w.engine, err = wasm.New(wasm.Config{CacheDir: w.cache, Clock: w.machine}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.engine.Close)
	return w
}

// pool makes a pool that is closed with the test.
func (w *world) pool(spares int) *Pool {
	w.tb.Helper()
	p, err := New(w.config(spares))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(p.Close)
	for deadline := time.Now().Add(10 * time.Second); p.Spares() < spares; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.tb.Fatal("no spare was made")
		}
	}
	return p
}

func (w *world) config(spares int) Config {
	return Config{Machine: w.machine, Engine: w.engine, CacheDir: w.cache, Spares: spares, Stderr: os.Stderr}
}

// task is a root task as a program's door.
type task struct {
	*gate.Port

	budget abi.Handle
}

func (task) Named(string) (abi.Handle, abi.Status) { return 0, abi.StatusBadHandle }

func (w *world) task() task {
	w.tb.Helper()
	port, budget, status := w.kernel.BootTask(64, abi.Amounts{1 << 30, 1 << 10, 1 << 50, 1 << 30, 1 << 30, 1 << 30})
	if status != abi.StatusOK {
		w.tb.Fatal(status)
	}
	return task{port, budget}
}

// do invokes and returns the first word of the result.
func (w *world) do(t task, h abi.Handle, c abi.Call, args abi.Args) abi.Handle {
	w.tb.Helper()
	if status := t.Invoke(h, c, &args); status != abi.StatusOK {
		w.tb.Fatalf("%v: %v", c, status)
	}
	return abi.Handle(args.W[0])
}

func (w *world) give(from task, h abi.Handle, to task, rights abi.Rights) abi.Handle {
	w.tb.Helper()
	mint := abi.Whole(rights)
	made, status := w.kernel.BootGrant(from.Port, h, to.Port, &mint)
	if status != abi.StatusOK {
		w.tb.Fatal(status)
	}
	return made
}

// running is a program that has begun, with its task.
type running struct {
	task
	capsule.Program
	w *world
}

// start starts the obedient program in a worker.
func (w *world) start(p *Pool, domain string) running {
	w.tb.Helper()
	t := w.task()
	program, err := p.Start(capsule.Spec{Name: "test", Image: w.image, Door: t, Domain: domain})
	if err != nil {
		w.tb.Fatal(err)
	}
	r := running{t, program, w}
	r.begin(program.(interface{ Guest() host.Guest }).Guest())
	return r
}

// begin runs the program up to where it serves.
func (r running) begin(g host.Guest) {
	r.w.tb.Helper()
	space, status := r.w.machine.NewGuest(g)
	if status == abi.StatusOK {
		status = r.AdoptOffered(space)
	}
	if status != abi.StatusOK {
		r.w.tb.Fatal(status)
	}
	if exit := r.Run(); !exit.OK() || !r.Serves() {
		r.w.tb.Fatalf("the program did not begin: %+v", exit)
	}
}

// inline starts the obedient program in this process.
func (w *world) inline() running {
	w.tb.Helper()
	image, err := w.engine.Install(w.image)
	if err != nil {
		w.tb.Fatal(err)
	}
	t := w.task()
	program, err := image.Start(capsule.Spec{Name: "inline", Door: t})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(program.Close)
	r := running{t, program, w}
	r.begin(program.Guest(w.machine))
	return r
}

// ask passes a message and returns the answer's words.
func (r running) ask(words ...uint64) ([abi.MessageWords]uint64, abi.Status) {
	var m abi.Message
	copy(m.Words[:], words)
	status := r.Serve(r.task, &m)
	return m.Words, status
}

// must is ask for what succeeds.
func (r running) must(words ...uint64) [abi.MessageWords]uint64 {
	r.w.tb.Helper()
	answer, status := r.ask(words...)
	if status != abi.StatusOK {
		exit, _ := r.Ended()
		r.w.tb.Fatalf("%v: %v, %+v", words, status, exit)
	}
	return answer
}

// within fails the test when f takes longer.
func within(tb testing.TB, limit time.Duration, f func()) {
	tb.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		tb.Errorf("took %v, more than %v", took, limit)
	}
}

// handlerFunc is a service in this process.
type handlerFunc func(p *gate.Port, m *abi.Message) abi.Status

func (f handlerFunc) Serve(p *gate.Port, m *abi.Message) abi.Status { return f(p, m) }

// turn lets one call at a time into a program.
type turn struct {
	mu sync.Mutex
	r  running
}

func (t *turn) Serve(p *gate.Port, m *abi.Message) abi.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.r.Program.Serve(task{Port: p}, m)
}
