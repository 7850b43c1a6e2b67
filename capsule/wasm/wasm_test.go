package wasm

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

func TestServe(t *testing.T) {
	w := newWorld(t)
	server := w.task(plenty)
	program := w.start(echo(), server, capsule.Spec{})
	if exit := program.Run(); !exit.OK() || !program.Serves() {
		t.Fatalf("%+v", exit)
	}
	m := abi.Message{Words: [4]uint64{41}}
	m.SetPayload([]byte("hello"))
	if status := program.Serve(server, &m); !status.OK() || m.Words[0] != 42 || string(m.Payload()) != "hello" {
		t.Errorf("%v: %+v", status, m.Words)
	}
	e := w.serve(server, program)
	client := w.task(plenty)
	w.grant(server, e, client, "peer")
	caller := w.start(caller(), client, capsule.Spec{Argument: 1000})
	if exit := caller.Run(); !exit.OK() {
		t.Fatalf("%+v", exit)
	}
	again := abi.Message{}
	if status := program.Serve(server, &again); !status.OK() || again.Words[0] != 1 {
		t.Errorf("%v: %+v", status, again.Words)
	}
	program.Stop()
	if status := program.Serve(server, &m); status != abi.StatusPeerDead {
		t.Errorf("after Stop: %v", status)
	}
	if exit, ended := program.Ended(); !ended || exit.Cause != capsule.CauseStopped {
		t.Errorf("%+v", exit)
	}
	if usage := caller.Usage(); usage.MemoryBytes != pageBytes || usage.Calls != 1001 {
		t.Errorf("%+v", usage)
	}
}

func TestCallAllocs(t *testing.T) {
	w := newWorld(t)
	server, client := w.task(plenty), w.task(plenty)
	program := w.start(echo(), server, capsule.Spec{})
	program.Run()
	w.grant(server, w.serve(server, program), client, "peer")
	program2 := w.start(caller(), client, capsule.Spec{Argument: 10})
	program2.Run()
	start := program2.module.ExportedFunction("phi_start")
	stack := []uint64{1000}
	if n := testing.AllocsPerRun(10, func() {
		stack[0] = 1000
		if exit := program2.call(start, stack); exit != nil || stack[0] != 0 {
			t.Errorf("%+v, %d", exit, stack[0])
		}
	}); n > 3 { // a thousand calls; the collector and the journal may have their own
		t.Errorf("%v allocations in a thousand calls", n)
	}
}

func TestTrap(t *testing.T) {
	w := newWorld(t)
	for name, code := range map[string][]byte{
		"unreachable":                 op(opUnreachable),
		"out of bounds memory access": join(load64(1<<20), op(opDrop)),
	} {
		program := w.start(asm{funcs: []function{{export: "_start", code: code}}}.module(), w.task(plenty), capsule.Spec{})
		if exit := program.Run(); exit.Cause != capsule.CauseTrap || !strings.Contains(exit.Detail, name) {
			t.Errorf("%s: %+v", name, exit)
		}
	}
	server := w.task(plenty)
	program := w.start(asm{funcs: reactor(op(opUnreachable))}.module(), server, capsule.Spec{})
	program.Run()
	if status := program.Serve(server, &abi.Message{}); status != abi.StatusPeerDead {
		t.Errorf("a trap while serving: %v", status)
	}
	if exit, ended := program.Ended(); !ended || exit.Cause != capsule.CauseTrap {
		t.Errorf("%+v", exit)
	}
}

// TestGarbageAnswers lets a server answer what is no answer.
func TestGarbageAnswers(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name   string
		module []byte
		want   abi.Status
	}{
		{"no such status", asm{funcs: reactor(i32(1 << 20))}.module(), abi.StatusState},
		{"its own status", asm{funcs: reactor(i32(int64(abi.StatusDenied)))}.module(), abi.StatusDenied},
		{"a length over the limit", asm{funcs: reactor(join(store64(messageAt+abi.MessageAtLength, i64(0xffff)), i32(0)))}.module(), abi.StatusRange},
		{"reserved bits", asm{funcs: reactor(join(store64(messageAt+abi.MessageAtLength, i64(1<<40)), i32(0)))}.module(), abi.StatusBadArgument},
		{"a message past the end", asm{funcs: []function{
			{export: "phi_message", results: "w", code: i32(pageBytes - abi.MessageBytes + 1)},
			{export: "phi_handle", results: "w", code: i32(0)},
		}}.module(), abi.StatusRange},
		{"a message at the last bytes", asm{funcs: []function{
			{export: "phi_message", results: "w", code: i32(pageBytes - abi.MessageBytes)},
			{export: "phi_handle", results: "w", code: i32(0)},
		}}.module(), abi.StatusOK},
		{"a negative offset", asm{funcs: []function{
			{export: "phi_message", results: "w", code: i32(-8)},
			{export: "phi_handle", results: "w", code: i32(0)},
		}}.module(), abi.StatusRange},
	} {
		server := w.task(plenty)
		program := w.start(test.module, server, capsule.Spec{})
		program.Run()
		if got := program.Serve(server, &abi.Message{}); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

// TestBudget ends a program that spins, soon after its budget ends and without
// holding up the collector.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	const budget = 300 * time.Millisecond
	program := w.start(spin(), w.task(uint64(budget)), capsule.Spec{})
	done := make(chan capsule.Exit)
	begin := time.Now()
	go func() { done <- program.Run() }()
	var pauses []time.Duration
	for time.Since(begin) < budget*2/3 {
		start := time.Now()
		runtime.GC()
		pauses = append(pauses, time.Since(start))
		time.Sleep(5 * time.Millisecond)
	}
	exit := <-done
	slices.Sort(pauses)
	used := time.Duration(program.Usage().CPUNanoseconds)
	t.Logf("%d collections, median %v, longest %v; charged %v in %v", len(pauses), pauses[len(pauses)/2], pauses[len(pauses)-1], used, time.Since(begin))
	if exit.Cause != capsule.CauseBudget {
		t.Errorf("%+v", exit)
	}
	if used < budget || used > budget+100*time.Millisecond {
		t.Errorf("used %v of %v", used, budget)
	}
	if pauses[len(pauses)-1] > 100*time.Millisecond {
		t.Errorf("a collection took %v", pauses[len(pauses)-1])
	}
}

func TestStop(t *testing.T) {
	w := newWorld(t)
	program := w.start(spin(), w.task(plenty), capsule.Spec{})
	time.AfterFunc(20*time.Millisecond, program.Stop)
	begin := time.Now()
	exit := program.Run()
	t.Logf("stopped %v after Stop", time.Since(begin)-20*time.Millisecond)
	if exit.Cause != capsule.CauseStopped || time.Since(begin) > 500*time.Millisecond {
		t.Errorf("%+v after %v", exit, time.Since(begin))
	}
	if again := program.Run(); again != exit {
		t.Errorf("running once more: %+v", again)
	}
}

// TestKilled kills the task of a program that spins.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	victim := w.task(plenty)
	h, status := w.kernel.BootTaskCapability(w.root.Port, victim.Port, abi.RightsAll)
	if !status.OK() {
		t.Fatal(status)
	}
	program := w.start(spin(), victim, capsule.Spec{})
	time.AfterFunc(20*time.Millisecond, func() { _ = w.root.Invoke(h, abi.TaskKill, &abi.Args{}) })
	within(t, 5*time.Second, func() {
		if exit := program.Run(); exit.Cause != capsule.CauseStopped {
			t.Errorf("%+v", exit)
		}
	})
}

// TestInterpreter runs programs as on a machine that has no compiler.
func TestInterpreter(t *testing.T) {
	w := newWorld(t)
	engine, err := New(Config{Clock: w.machine, Interpret: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	w.engine = engine
	server, client := w.task(plenty), w.task(plenty)
	program := w.start(echo(), server, capsule.Spec{})
	program.Run()
	w.grant(server, w.serve(server, program), client, "peer")
	if exit := w.start(caller(), client, capsule.Spec{Argument: 100}).Run(); !exit.OK() {
		t.Errorf("%+v", exit)
	}
	spinning := w.start(spin(), w.task(1e7), capsule.Spec{})
	within(t, 10*time.Second, func() {
		if exit := spinning.Run(); exit.Cause != capsule.CauseBudget {
			t.Errorf("%+v", exit)
		}
	})
	var state bytes.Buffer
	if err := program.Freeze(&state); err != nil {
		t.Fatal(err)
	}
	again := w.start(echo(), server, capsule.Spec{Frozen: &state})
	again.Run()
	if got := serveOnce(t, again, server, 5); got[0] != 6 {
		t.Errorf("got %v", got)
	}
}

// TestRecursion lets a program call itself without end.
func TestRecursion(t *testing.T) {
	w := newWorld(t)
	module := asm{funcs: []function{{export: "_start", code: join(call_(0), call_(0))}}}.module()
	begin := time.Now()
	exit := w.start(module, w.task(plenty), capsule.Spec{}).Run()
	if exit.Cause != capsule.CauseTrap || !strings.Contains(exit.Detail, "stack overflow") {
		t.Errorf("%+v", exit)
	}
	t.Logf("took %v", time.Since(begin))
}

// TestTemplateBudget has a program whose budget is too small for a template
// begin first: it ends, and the next ones begin as if it had not been.
func TestTemplateBudget(t *testing.T) {
	w := newWorld(t)
	module := goGuest(t, "goreactor")
	if exit := w.start(module, w.task(1), capsule.Spec{}).Run(); exit.Cause != capsule.CauseBudget {
		t.Errorf("%+v", exit)
	}
	server := w.task(plenty)
	w.start(module, server, capsule.Spec{}).Run()
	if image := w.install(module); len(image.templates) != 1 || image.templates[0].memory == nil {
		t.Error("the poor one spoiled the template")
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"not a module", []byte("hello"), "WebAssembly"},
		{"nothing to run", asm{}.module(), "nothing to run"},
		{"half a server", asm{funcs: reactor(i32(0))[:1]}.module(), "export both"},
		{"a foreign import", asm{imports: []imported{{"env", "puts", "w", "w"}}, funcs: reactor(i32(0))}.module(), "env.puts"},
		{"an import of tomorrow", asm{imports: []imported{{"phi:ipc", "shout", "w", "w"}}, funcs: reactor(i32(0))}.module(), "phi:ipc.shout"},
		{"a wrong type", asm{imports: []imported{{"phi:ipc", "call", "ww", "w"}}, funcs: reactor(i32(0))}.module(), "phi:ipc.call"},
		{"a wrong export", asm{funcs: []function{{export: "_start", params: "w", code: nil}}}.module(), "_start"},
	} {
		if _, err := w.engine.Install(test.module); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	image := w.install(echo())
	if _, err := image.Start(capsule.Spec{Door: w.root, Require: capsule.WallNet}); err == nil || !strings.Contains(err.Error(), "net") {
		t.Errorf("a wall that does not stand: %v", err)
	}
	if _, err := image.Start(capsule.Spec{Door: w.root, MemoryBytesMax: 100}); err == nil {
		t.Error("a memory that is too small")
	}
}
