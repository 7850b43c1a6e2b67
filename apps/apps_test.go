// Package apps is the test of the programs below it: each is built from its
// source as a user would, and run by the engine on a kernel.
package apps_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/ambient"
	"phios/capsule/manifest"
	"phios/capsule/wasm"
	"phios/internal/guest"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

// world is a kernel on this machine and an engine.
type world struct {
	t       *testing.T
	machine *host.Machine
	kernel  *gate.Kernel
	engine  *wasm.Engine
	root    *task
}

// task is the door of a program.
type task struct {
	*gate.Port

	budget abi.Handle
	names  map[string]abi.Handle
}

// Named returns what grant has given.
func (d *task) Named(name string) (abi.Handle, abi.Status) {
	if h, ok := d.names[name]; ok {
		return h, abi.StatusOK
	}
	return 0, abi.StatusBadHandle
}

// nowhere takes the journal.
type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

func newWorld(t *testing.T) *world {
	t.Helper()
	machine, err := host.New(host.Config{ArenaBytes: 1 << 30, MemoryBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(machine.Close)
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if !status.OK() {
		t.Fatal(status)
	}
	compiled, err := guest.Folder("compiled") // They stay, as on a node.
	if err != nil {
		t.Fatal(err)
	}
	engine, err := wasm.New(wasm.Config{CacheDir: compiled, Clock: machine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	w := &world{t: t, machine: machine, engine: engine}
	w.kernel = gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 64,
		Endowment: abi.Amounts{1 << 50, 1 << 40, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	w.root = w.task()
	return w
}

func (w *world) task() *task {
	w.t.Helper()
	port, budget, status := w.kernel.BootTask(256, abi.Amounts{1 << 32, 1 << 16, 1 << 40, 1 << 40, 1 << 40, 1 << 40})
	if !status.OK() {
		w.t.Fatal(status)
	}
	return &task{Port: port, budget: budget, names: map[string]abi.Handle{}}
}

// grant gives a task a capability of the root's under a name.
func (w *world) grant(h abi.Handle, to *task, name string, mint abi.Mint) {
	w.t.Helper()
	made, status := w.kernel.BootGrant(w.root.Port, h, to.Port, &mint)
	if !status.OK() {
		w.t.Fatal(status)
	}
	to.names[name] = made
}

// program is one that runs, and its task.
type program struct {
	t *testing.T
	capsule.Program

	door *task
}

// start runs a module in a task, to where it serves or ends.
func (w *world) start(module []byte, d *task, spec capsule.Spec) (program, capsule.Exit) {
	w.t.Helper()
	image, err := w.engine.Install(module)
	if err != nil {
		w.t.Fatal(err)
	}
	spec.Door = d
	instance, err := image.Start(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(instance.Close)
	space, status := w.machine.NewGuest(instance.Guest(w.machine))
	if !status.OK() {
		w.t.Fatal(status)
	}
	if status := d.AdoptOffered(space); !status.OK() {
		w.t.Fatal(status)
	}
	return program{w.t, instance, d}, instance.Run()
}

// server starts a program that serves.
func (w *world) server(module []byte, d *task) program {
	w.t.Helper()
	p, exit := w.start(module, d, capsule.Spec{Name: "test"})
	if !exit.OK() || !p.Serves() {
		w.t.Fatalf("it does not serve: %+v", exit)
	}
	return p
}

// say passes a message to the program and returns the answer's status, word 0
// and text.
func (p program) say(word uint64, text string) (status abi.Status, w0 uint64, answer string) {
	p.t.Helper()
	m := abi.Message{Words: [4]uint64{word}}
	if !m.SetPayload([]byte(text)) {
		p.t.Fatalf("%d bytes do not fit into a message", len(text))
	}
	status = p.Serve(p.door, &m)
	return status, m.Words[0], string(m.Payload())
}

// expect passes a message and checks the answer, where the status is OK.
func (p program) expect(text string, status abi.Status, answer string) {
	p.t.Helper()
	got, _, said := p.say(0, text)
	if got != status || got.OK() && said != answer {
		p.t.Errorf("%q is answered %v %q, want %v %q", text, got, said, status, answer)
	}
}

func TestManifests(t *testing.T) {
	files, err := filepath.Glob("*/capsule.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("manifests: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(file, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if dir := filepath.Base(filepath.Dir(file)); m.Name != dir {
			t.Errorf("%s is named %s", dir, m.Name)
		}
	}
}

func TestHelloGo(t *testing.T) {
	w := newWorld(t)
	module := guest.Go(t, "apps/hello-go", guest.Server)
	p := w.server(module, w.task())
	p.expect("ping", abi.StatusOK, "pong")
	p.expect("Ada", abi.StatusOK, "hello Ada, you are number 1")
	p.expect("", abi.StatusOK, "hello stranger, you are number 2")

	wall := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	clock, status := ambient.Provide(w.root.Port, w.root.budget, ambient.NewClock(w.machine, wall.UnixNano))
	if !status.OK() {
		t.Fatal(status)
	}
	d := w.task()
	w.grant(clock, d, "clock", ambient.Callable())
	w.server(module, d).expect("Ada", abi.StatusOK, "hello Ada, you are number 1 at 2026-05-06T07:08:09Z")
}

func TestNotesC(t *testing.T) {
	w := newWorld(t)
	p := w.server(guest.C(t, "apps/notes-c/notes.c", guest.Server), w.task())
	p.expect("count", abi.StatusOK, "0")
	p.expect("add buy milk", abi.StatusOK, "0")
	p.expect("add ", abi.StatusOK, "1")
	p.expect("get 0", abi.StatusOK, "buy milk")
	p.expect("get 1", abi.StatusOK, "")
	for _, text := range []string{"get 2", "get -1", "get ", "get 99999999999999999999", "get 1x", "add " + strings.Repeat("x", 257)} {
		p.expect(text, abi.StatusRange, "")
	}
	for _, text := range []string{"", "add", "get", "counter", "coun"} {
		p.expect(text, abi.StatusBadArgument, "")
	}
	for i := 2; i < 64; i++ {
		p.expect("add "+strings.Repeat("y", 4*i), abi.StatusOK, fmt.Sprint(i))
	}
	p.expect("add one too many", abi.StatusLimit, "")
	p.expect("get 63", abi.StatusOK, strings.Repeat("y", 252))
	p.expect("clear", abi.StatusOK, "0")
	p.expect("get 0", abi.StatusRange, "")
}

func TestCounterAS(t *testing.T) {
	w := newWorld(t)
	p := w.server(guest.AssemblyScript(t, "apps/counter-as"), w.task())
	p.expect("show", abi.StatusOK, "0")
	p.expect("down", abi.StatusOK, "-1")
	for range 3000 { // Enough garbage for the collector to run.
		p.expect("up", abi.StatusOK, "0")
		if t.Failed() {
			break
		}
		p.expect("down", abi.StatusOK, "-1")
	}
	p.expect("reset", abi.StatusOK, "0")
	p.expect("sideways", abi.StatusBadArgument, "")
}

func TestCrunch(t *testing.T) {
	w := newWorld(t)
	var out strings.Builder
	spec := capsule.Spec{
		Name: "crunch", Args: []string{"crunch", "2"},
		Output: func(stream int, text []byte) { fmt.Fprintf(&out, "%d:%s", stream, text) },
	}
	module := guest.C(t, "apps/crunch/crunch.c", guest.Command)
	if p, exit := w.start(module, w.task(), spec); !exit.OK() || p.Serves() {
		t.Errorf("%+v", exit)
	}
	trace := 0
	for i := range 96 {
		for k := range 96 {
			trace += (i + 2*k) % 7 * ((k + 2*i) % 7)
		}
	}
	want := fmt.Sprintf("1:primes 82025 trace %d checksum ", trace)
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("printed %q, want %q and so on", out.String(), want)
	}
	out.Reset()
	spec.Args = []string{"crunch", "none"}
	if _, exit := w.start(module, w.task(), spec); exit.Code != 2 || !strings.HasPrefix(out.String(), "2:crunch: rounds are") {
		t.Errorf("%+v, and it printed %q", exit, out.String())
	}
}

// TestSharedRegion lets programs in three languages share one region: what one
// writes, the others add up, without a copy. The larger region may lie in
// large pages.
func TestSharedRegion(t *testing.T) {
	modules := map[string][]byte{
		"go":             guest.Go(t, "apps/shared-region/go", guest.Server),
		"c":              guest.C(t, "apps/shared-region/c/share.c", guest.Bare),
		"assemblyscript": guest.AssemblyScript(t, "apps/shared-region/assemblyscript"),
	}
	for _, bytes := range []uint64{64 << 10, 4 << 20} {
		w := newWorld(t)
		create := &abi.Args{W: [6]uint64{bytes}}
		if status := w.root.Invoke(w.root.budget, abi.RegionCreate, create); !status.OK() {
			t.Fatal(status)
		}
		sharers := map[string]program{}
		for name, module := range modules {
			d := w.task()
			w.grant(abi.Handle(create.W[0]), d, "shared", abi.Whole(abi.RightInvoke|abi.RightRead|abi.RightWrite|abi.RightMap))
			sharers[name] = w.server(module, d)
		}
		do := func(name, verb string, word uint64) uint64 {
			t.Helper()
			status, w0, _ := sharers[name].say(word, verb)
			if !status.OK() {
				t.Fatalf("%s: %s of %d bytes: %v", name, verb, bytes, status)
			}
			return w0
		}
		for name := range sharers {
			sharers[name].expect("sum", abi.StatusState, "")
			do(name, "map", bytes)
		}
		value := uint64(1)
		for writer := range sharers {
			do(writer, "write", value)
			for reader := range sharers {
				if sum := do(reader, "sum", 0); sum != value*bytes {
					t.Errorf("%s wrote %d × %d and %s finds a sum of %d", writer, bytes, value, reader, sum)
				}
			}
			value++
		}
		for name := range sharers {
			do(name, "unmap", 0)
			sharers[name].expect("sum", abi.StatusState, "")
			do(name, "map", bytes)
			if sum := do(name, "sum", 0); sum != (value-1)*bytes {
				t.Errorf("%s maps again and finds a sum of %d", name, sum)
			}
		}
		revoke := &abi.Args{}
		if status := w.root.Invoke(abi.Handle(create.W[0]), abi.CapRevoke, revoke); !status.OK() {
			t.Fatal(status)
		}
		for name := range sharers {
			if sum := do(name, "sum", 0); sum != 0 {
				t.Errorf("%s still reads the region after it was revoked: %d", name, sum)
			}
		}
	}
}

// TestTrial uses every noun of sdk/go against the kernel.
func TestTrial(t *testing.T) {
	w := newWorld(t)
	d := w.task()
	w.grant(w.root.budget, d, "budget", abi.Whole(abi.RightsAll&^(abi.RightEndorse|abi.RightDeclassify)))
	p, exit := w.start(guest.Go(t, "sdk/go/testdata/trial", guest.Server), d, capsule.Spec{Name: "trial", Argument: 77})
	if !exit.OK() {
		t.Fatalf("%+v", exit)
	}
	p.expect("go", abi.StatusOK, "ok")
	p.expect("and again", abi.StatusOK, "ok")
}
