package jail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The memory and processes that hostile processes are allowed.
const (
	memoryTest    = 64 << 20
	processesTest = 24
)

func TestMain(m *testing.M) {
	if in := Main(); in != nil {
		os.Exit(probe(in.Args))
	}
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		os.Exit(probe(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "starter" {
		os.Exit(starter())
	}
	os.Exit(m.Run())
}

// pipe returns a pipe whose reading end collects what is written.
func pipe(t *testing.T) (*os.File, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return w, func() string {
		_ = w.Close()
		defer func() { _ = r.Close() }()
		text, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
}

// jailed is a configuration for a probe, as a worker or as a command.
func jailed(t *testing.T, command bool, args ...string) Config {
	t.Helper()
	c := Config{
		Name: "probe", MemoryBytes: memoryTest, ProcessesMax: processesTest, CPUPercent: 200,
		Require: WallsAll &^ wallsLimits,
	}
	if os.Getuid() == 0 {
		c.Require = WallsAll
	}
	if raced {
		c.MemoryBytes = 0
		c.Require &^= WallMemory
	}
	if !command {
		c.Args = args
		return c
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(copied, self, 0o755); err != nil {
		t.Fatal(err)
	}
	c.Folders = append(linked(), Bind{From: copied, To: "/bin/probe"})
	c.Command = append([]string{"/bin/probe", "probe"}, args...)
	return c
}

// run starts a jail, and returns its end and what it wrote.
func run(t *testing.T, c Config) (Status, string) {
	t.Helper()
	w, text := pipe(t)
	c.Stdout, c.Stderr = w, w
	p, err := Start(c)
	if err != nil {
		t.Fatalf("%v\n%s", err, text())
	}
	status := p.Wait()
	return status, text()
}

// modes runs a test for a worker and for a command.
func modes(t *testing.T, test func(t *testing.T, command bool)) {
	t.Helper()
	t.Run("worker", func(t *testing.T) { test(t, false) })
	t.Run("command", func(t *testing.T) { test(t, true) })
}

// TestHostile has jailed processes try what must not work.
func TestHostile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(data, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	network, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = network.Close() }()
	abstract, err := net.Listen("unix", "@phios-jail-test-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = abstract.Close() }()
	control, err := net.Listen("unix", filepath.Join(t.TempDir(), "control"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = control.Close() }()
	modes(t, func(t *testing.T, command bool) {
		t.Helper()
		status, text := run(t, jailed(t, command, "everything", data, network.Addr().String(), abstract.Addr().String(), control.Addr().String(), strconv.Itoa(os.Getpid())))
		if status.Code != 0 {
			t.Errorf("ended with %+v", status)
		}
		tried := map[string]bool{}
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			name, result, _ := strings.Cut(lines.Text(), "\t")
			tried[name] = true
			if result == "worked" {
				t.Errorf("%s worked", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(attempts(make([]string, 5)))) {
			if !tried[name] {
				t.Fatalf("%s was not tried; said:\n%.2000s", name, text)
			}
		}
	})
}

// TestMemory has a process fill more memory than it may have.
func TestMemory(t *testing.T) {
	if raced {
		t.Skip("the race detector takes more memory than the limit: run it without")
	}
	modes(t, func(t *testing.T, command bool) {
		t.Helper()
		status, text := run(t, jailed(t, command, "memory"))
		if strings.Contains(text, "filled") || status.Code == 0 {
			t.Errorf("filled 1 GiB with a limit of 64 MiB: %+v %s", status, text)
		}
		if os.Getuid() == 0 && !status.OutOfMemory {
			t.Errorf("the end does not say that memory ran out: %+v %.300s", status, text)
		}
	})
}

// TestForkBomb has a process start copies of itself without end.
func TestForkBomb(t *testing.T) {
	status, text := run(t, jailed(t, true, "forks"))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	n, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil || n < 1 || n > processesTest {
		t.Errorf("started %.500q processes with a limit of %d: %+v", text, processesTest, status)
	}
}

// TestProcessor has a process use more of a processor than its share.
func TestProcessor(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs a cgroup of its own, which only root is sure to have")
	}
	c := jailed(t, false, "spin")
	c.CPUPercent = 20
	p, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	time.Sleep(500 * time.Millisecond)
	used, passed := p.Usage().CPUNanoseconds, time.Since(start)
	p.Kill()
	status := p.Wait()
	if status.Signal != syscall.SIGKILL {
		t.Errorf("got %+v, want it killed", status)
	}
	if share := float64(used) / float64(passed); share > 0.3 || used == 0 {
		t.Errorf("used %.2f of a processor, may 0.2", share)
	}
}

// TestWorker checks that a worker finds its arguments, environment and files.
func TestWorker(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	c := jailed(t, false, "hello", "world")
	c.Files, c.Env = []*os.File{w}, []string{"COLOUR=green"}
	status, said := run(t, c)
	_ = w.Close()
	if status.Code != 3 {
		t.Errorf("got %+v %s", status, said)
	}
	text, err := io.ReadAll(r)
	if want := fmt.Sprintf("world green uid %d pid 1", nobody); err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

// TestMissingWall checks that a wall that cannot stand stops the start, with
// its name and remedy, and that nothing stays behind.
func TestMissingWall(t *testing.T) {
	c := jailed(t, false, "hello", "")
	c.MemoryBytes = 0 // no limit: the wall cannot stand
	c.Require |= WallMemory
	p, err := Start(c)
	var missing *WallError
	if !errors.As(err, &missing) || missing.Missing&WallMemory == 0 {
		t.Fatalf("got %v, %v; want the memory wall missing", p, err)
	}
	if text := err.Error(); !strings.Contains(text, `"memory"`) || !strings.Contains(text, "cgroup") {
		t.Errorf("no name and remedy in %q", text)
	}
}

// TestBadConfig checks what is refused before anything starts.
func TestBadConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"relative folder":  {Folders: []Bind{{From: "usr"}}},
		"dots":             {Folders: []Bind{{From: "/usr/../etc"}}},
		"root":             {Folders: []Bind{{From: "/"}}},
		"too many folders": {Folders: make([]Bind, FoldersMax+1)},
		"too many files":   {Files: make([]*os.File, FilesMax+1)},
		"device elsewhere": {Devices: []string{"/etc/passwd"}},
		"relative command": {Command: []string{"sh"}},
		"negative":         {CPUPercent: -1},
		"few processes":    {ProcessesMax: 1},
	} {
		if p, err := Start(c); err == nil {
			p.Kill()
			t.Errorf("%s: started", name)
		}
	}
	if _, err := Start(Config{Name: "x", Command: []string{"/nothing"}}); err == nil || !strings.Contains(err.Error(), "/nothing") {
		t.Errorf("a command that is not there: %v", err)
	}
	if _, err := Start(Config{Name: "x", Folders: []Bind{{From: "/no/such/folder"}}}); err == nil || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestStarterDies kills the program that started a jail: the jail goes too.
func TestStarterDies(t *testing.T) {
	parent := exec.CommandContext(t.Context(), "/proc/self/exe", "starter")
	r, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	parent.Stderr = os.Stderr
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the starter said %q", line)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the jail did not run: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	for range 200 {
		// Its new parent may not have buried it yet.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			Sweep()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the jail outlived its starter")
}

// starter starts a jail that never ends, and says its number.
func starter() int {
	p, err := Start(Config{Name: "orphan", Args: []string{"spin"}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(p.PID())
	return p.Wait().Code
}

// TestGroupsGone checks that no cgroup is left behind by the tests.
func TestGroupsGone(t *testing.T) {
	status, text := run(t, jailed(t, false, "hello", ""))
	if status.Code != 3 {
		t.Errorf("got %+v %s", status, text)
	}
	trees, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range trees {
		for _, folder := range tree.ancestors() {
			left, _ := filepath.Glob(filepath.Join(folder, groupPrefix+strconv.Itoa(os.Getpid())+"-*"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// TestOrdinaryUser runs the other tests again as nobody.
func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		return // they run as an ordinary user already
	}
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^Test")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	text, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(text, []byte("--- PASS: TestHostile/command")) {
		t.Errorf("as nobody: %v\n%.4000s", err, text)
	}
}
