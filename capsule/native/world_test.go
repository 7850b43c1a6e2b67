package native

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/ambient"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
	"phios/platform/host/jail"
	"phios/sdk/python"
)

func TestMain(m *testing.M) {
	jail.Main()
	os.Exit(m.Run())
}

// nowhere takes the journal.
type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

// task is the real door: a task's port, and the names that it was given.
type task struct {
	*gate.Port

	machine *host.Machine
	budget  abi.Handle
	names   map[string]abi.Handle
}

func (d *task) Named(name string) (abi.Handle, abi.Status) {
	h, ok := d.names[name]
	switch {
	case !ok:
		return 0, abi.StatusBadHandle
	case h == 0:
		return 0, abi.StatusDenied
	}
	return h, abi.StatusOK
}

// newTask boots a kernel on the real machine, with a task that has a budget
// and a clock.
func newTask(t *testing.T) *task {
	t.Helper()
	machine, err := host.New(host.Config{ArenaBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(machine.Close)
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	kernel := gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 64,
		Endowment: abi.Amounts{1 << 46, 1 << 30, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	port, budget, status := kernel.BootTask(64, abi.Amounts{1 << 30, 1 << 10, 1 << 40, 1 << 30, 1 << 30, 1 << 30})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	d := &task{port, machine, budget, map[string]abi.Handle{"budget": budget, "refused": 0}}
	clock := ambient.NewClock(machine, func() int64 { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano() })
	args := abi.Args{W: [abi.ArgWords]uint64{1, 0}, Label: abi.LabelTop()}
	if status := port.Invoke(budget, abi.EndpointCreate, &args); status != abi.StatusOK {
		t.Fatal(status)
	}
	d.names["clock"] = abi.Handle(args.W[0])
	if status := port.Serve(d.names["clock"], clock, true); status != abi.StatusOK {
		t.Fatal(status)
	}
	return d
}

// folder returns a folder for everyone, with the SDK and the given files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files[python.FileName] = python.Source()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// needs skips a test whose interpreter this machine does not have.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("no %s in PATH: install it to run this test", program)
	}
}

// written collects what a program writes.
type written struct {
	mu   sync.Mutex
	text string
}

func (w *written) write(stream int, text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text += string(rune('0'+stream)) + string(text)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text
}

// start starts a command and closes it with the test.
func start(t *testing.T, d *task, dir string, command ...string) (*Program, *written) {
	t.Helper()
	out := new(written)
	require := capsule.WallsProcess
	if os.Getuid() != 0 {
		require &^= capsule.WallMemory | capsule.WallProcesses | capsule.WallCPU
	}
	require &^= capsule.WallCPU // no limit but the budget
	p, err := New(Config{Machine: d.machine}).Start(capsule.Spec{
		Name: "test", Command: command, Folder: dir, Door: d, Argument: 42, MemoryBytesMax: 128 << 20, Output: out.write, Require: require,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	program := p.(*Program)
	if space, status := d.machine.NewGuest(program.Guest()); status != abi.StatusOK {
		t.Fatal(status)
	} else if status := d.AdoptOffered(space); status != abi.StatusOK {
		t.Fatal(status)
	}
	return program, out
}

// python starts a program in Python.
func startPython(t *testing.T, d *task, text string) (*Program, *written) {
	t.Helper()
	needs(t, "python3")
	return start(t, d, folder(t, map[string]string{"main.py": text}), "python3", "main.py")
}

// ask serves one request and returns the answer.
func ask(t *testing.T, d *task, p *Program, request string) string {
	t.Helper()
	var m abi.Message
	m.SetPayload([]byte(request))
	if status := p.Serve(d, &m); status != abi.StatusOK {
		e, _ := p.Ended()
		t.Fatalf("%s: %v (%+v)", request, status, e)
	}
	return string(m.Payload())
}

// TestOrdinaryUser runs the other tests again as nobody.
func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		return // they run as an ordinary user already
	}
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^Test")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	text, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "--- PASS: TestHello") {
		t.Errorf("as nobody: %v\n%.4000s", err, text)
	}
}
