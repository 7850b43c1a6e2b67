package system_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
	"phios/platform/host/logfile"
	"phios/system"
	"phios/system/manifest"
)

const small = `
version: 1
endowment: {memory: 16MiB, slots: 4096, cpu: 1s}
timers: 4
objects:
  - {name: door, type: endpoint, owner: a, capacity: 4}
tasks:
  - {name: a, slots: 64, budget: {memory: 8MiB, slots: 1024}}
  - name: b
    slots: 16
    budget: {memory: 1MiB, slots: 64}
    holds: [{object: door, rights: [INVOKE, SEND]}]
`

// parse reads a manifest of a test.
func parse(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start starts a small node, and stops it when the test is over.
func start(t *testing.T, c system.Config) *system.Node {
	t.Helper()
	if c.Manifest == nil {
		c.Manifest = parse(t, small)
	}
	c.Host = host.Config{ArenaBytes: 1 << 30}
	n, err := system.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stop(t *testing.T, n *system.Node) {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// ok fails the test unless a call succeeded.
func ok(t *testing.T, status abi.Status) {
	t.Helper()
	if status != abi.StatusOK {
		t.Fatal(status.Name())
	}
}

// spawn makes and starts a task of task a, and returns its handle.
func spawn(t *testing.T, n *system.Node, program string, faults abi.Handle) abi.Handle {
	t.Helper()
	a, p := n.Task("a"), abi.Args{W: [6]uint64{8, uint64(faults)}}
	ok(t, a.Invoke("budget", abi.TaskCreate, &p))
	h := abi.Handle(p.W[0])
	number, found := n.Program(program)
	if !found {
		t.Fatalf("no program %s", program)
	}
	ok(t, a.Port.Invoke(h, abi.TaskStart, &abi.Args{W: [6]uint64{number}}))
	return h
}

// goroutines waits until there are no more than there were.
func goroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, before %d\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStartStop(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		served := atomic.Bool{}
		n := start(t, system.Config{Programs: []system.Program{{Name: "wait", Run: func(t *system.Task) uint64 {
			served.Store(true)
			var m abi.Message
			_ = t.Port.Invoke(0, abi.TaskFault, &abi.Args{}) // nobody serves faults: it dies here
			_ = t.Port.Invoke(1, abi.EndpointReceive, &abi.Args{Message: &m})
			return 0
		}}}})
		spawn(t, n, "wait", 0)
		stop(t, n)
	}
	goroutines(t, before)
}

// TestDefault starts the node that is built in.
func TestDefault(t *testing.T) {
	n, err := system.Start(system.Config{Host: host.Config{ArenaBytes: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range n.Manifest.Tasks {
		if n.Task(task.Name) == nil {
			t.Errorf("no task %s", task.Name)
		}
	}
	stop(t, n)
}

// TestWaitersEnd stops a node whose programs wait for what never comes.
func TestWaitersEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	const waiters = 8
	waiting := make(chan struct{}, waiters)
	n := start(t, system.Config{Programs: []system.Program{{Name: "wait", Run: func(t *system.Task) uint64 {
		waiting <- struct{}{}
		a := abi.Args{}
		_ = t.Port.Invoke(t.Handle("none"), abi.NotificationWait, &a)
		p := abi.Args{W: [6]uint64{1 << 20}}
		for t.Port.Invoke(0, abi.TaskFault, &p) == abi.StatusOK { // until it dies
		}
		return 0
	}}}})
	a := n.Task("a")
	args := abi.Args{W: [6]uint64{16}, Label: abi.LabelTop()}
	ok(t, a.Invoke("budget", abi.EndpointCreate, &args))
	for range waiters {
		spawn(t, n, "wait", abi.Handle(args.W[0])) // its faults wait in a mailbox that nobody empties
	}
	for range waiters {
		<-waiting
	}
	stop(t, n)
	goroutines(t, before)
}

func TestStubbornProgramIsNamed(t *testing.T) {
	release := make(chan struct{})
	n := start(t, system.Config{Programs: []system.Program{{Name: "deaf", Run: func(*system.Task) uint64 { <-release; return 0 }}}})
	spawn(t, n, "deaf", 0)
	err := n.Stop()
	close(release)
	if err == nil || !strings.Contains(err.Error(), "still running: deaf") {
		t.Errorf("got %v", err)
	}
}

func TestPanicIsAFault(t *testing.T) {
	n := start(t, system.Config{Programs: []system.Program{{Name: "fall", Run: func(t *system.Task) uint64 {
		nothing := map[string]*system.Task{}
		return uint64(len(nothing[t.Name].Name))
	}}}})
	defer stop(t, n)
	a := n.Task("a")
	args := abi.Args{W: [6]uint64{16}, Label: abi.LabelTop()}
	ok(t, a.Invoke("budget", abi.EndpointCreate, &args))
	faults := abi.Handle(args.W[0])
	spawn(t, n, "fall", faults)
	m := abi.Message{Deadline: n.Machine().Now() + int64(5*time.Second)}
	ok(t, a.Port.Invoke(faults, abi.EndpointReceive, &abi.Args{Message: &m}))
	if m.Words[0] != system.FaultPanic {
		t.Errorf("fault code %d", m.Words[0])
	}
	answer := m.Reply
	m = abi.Message{Words: [4]uint64{abi.FaultKill}}
	ok(t, a.Port.Invoke(answer, abi.EndpointReply, &abi.Args{Message: &m}))
}

func TestHandlerPanicSparesTheCaller(t *testing.T) {
	n := start(t, system.Config{})
	defer stop(t, n)
	a, b := n.Task("a"), n.Task("b")
	ok(t, a.Serve(a.Handle("door"), system.HandlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status {
		m.Data[0] = m.Data[m.Words[0]]
		return abi.StatusOK
	})))
	m := abi.Message{Words: [4]uint64{1 << 20}}
	if status := b.Invoke("door", abi.EndpointCall, &abi.Args{Message: &m}); status != abi.StatusPeerDead {
		t.Errorf("got %v", status.Name())
	}
	if !b.Port.Alive() || a.Port.Alive() {
		t.Error("the wrong one died")
	}
}

func TestTimerFires(t *testing.T) {
	n := start(t, system.Config{})
	defer stop(t, n)
	a := n.Task("a")
	args := abi.Args{}
	ok(t, a.Invoke("budget", abi.NotificationCreate, &args))
	bell := abi.Handle(args.W[0])
	args = abi.Args{W: [6]uint64{uint64(bell), 4}}
	ok(t, a.Invoke("budget", abi.TimerCreate, &args))
	timer := abi.Handle(args.W[0])
	for _, wait := range []time.Duration{20 * time.Millisecond, 3 * time.Millisecond} {
		begin := n.Machine().Now()
		ok(t, a.Port.Invoke(timer, abi.TimerArm, &abi.Args{W: [6]uint64{uint64(begin + int64(wait))}}))
		args = abi.Args{W: [6]uint64{4, uint64(begin + int64(5*time.Second))}}
		ok(t, a.Port.Invoke(bell, abi.NotificationWait, &args))
		if took := time.Duration(n.Machine().Now() - begin); took < wait {
			t.Errorf("fired after %v, want %v", took, wait)
		}
	}
}

// TestTidyInIdle checks that what a revocation leaves is cleared without a
// call: the memory of a region is back in the budget.
func TestTidyInIdle(t *testing.T) {
	n := start(t, system.Config{})
	defer stop(t, n)
	a := n.Task("a")
	available := func() uint64 {
		args := abi.Args{}
		ok(t, a.Invoke("budget", abi.BudgetInspect, &args))
		return args.W[abi.ResourceMemory]
	}
	before := available()
	args := abi.Args{W: [6]uint64{1 << 20}}
	ok(t, a.Invoke("budget", abi.RegionCreate, &args))
	if available() >= before {
		t.Fatal("a region costs nothing")
	}
	ok(t, a.Port.Invoke(abi.Handle(args.W[0]), abi.CapDelete, &abi.Args{}))
	for deadline := time.Now().Add(5 * time.Second); available() != before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes available, before %d", available(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// verify reads a journal as an auditor would.
func verify(t *testing.T, path string) (journal.Position, logfile.Recovery) {
	t.Helper()
	var v journal.Verifier
	var r journal.Record
	found, err := logfile.Read(path, func(b []byte) error {
		if fault := v.Feed(b, &r); fault != journal.FaultNone {
			t.Fatalf("record %d: %v", v.Position().Count, fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v.Position(), found
}

func TestRestartResumesTheChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var before journal.Position
	for run := range 3 {
		n := start(t, system.Config{DataDir: dir, Seed: uint64(run)})
		if r := n.Recovered(); r.Resumed != (run > 0) || r.Records != before.Count || r.TornBytes != 0 {
			t.Errorf("run %d: recovered %+v, want %d records", run, r, before.Count)
		}
		ok(t, n.Sync())
		stop(t, n)
		before, _ = verify(t, system.JournalPath(dir))
	}
	if before.Count < 12 {
		t.Errorf("%d records", before.Count)
	}
	if err := os.WriteFile(system.JournalPath(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, system.Config{DataDir: dir}))
}

func TestTornTailIsReported(t *testing.T) {
	dir := t.TempDir()
	stop(t, start(t, system.Config{DataDir: dir}))
	path := system.JournalPath(dir)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	n := start(t, system.Config{DataDir: dir})
	if r := n.Recovered(); r.TornBytes == 0 || r.TornPath == "" || !r.Resumed {
		t.Errorf("recovered %+v", r)
	}
	stop(t, n)
	verify(t, path)
}

func TestChangedJournalIsRefused(t *testing.T) {
	dir := t.TempDir()
	stop(t, start(t, system.Config{DataDir: dir}))
	path := system.JournalPath(dir)
	// A log of the same records, in which one was left out: whole frames, but
	// not the chain.
	var records [][]byte
	if _, err := logfile.Read(path, func(b []byte) error { records = append(records, append([]byte(nil), b...)); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log, _, err := logfile.Open(path, logfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if i != 2 {
			ok(t, log.Append(r))
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = system.Start(system.Config{Manifest: parse(t, small), DataDir: dir, Host: host.Config{ArenaBytes: 1 << 30}})
	if err == nil || !strings.Contains(err.Error(), "record 2") {
		t.Errorf("got %v", err)
	}
}

// fullDisk takes a number of records, and then none while full.
type fullDisk struct {
	full    atomic.Bool
	records atomic.Int64
}

func (d *fullDisk) Append([]byte) abi.Status {
	if d.full.Load() {
		return abi.StatusJournal
	}
	d.records.Add(1)
	return abi.StatusOK
}

// TestFullDisk checks that what cannot be recorded is not done, and that what
// there was is as it was.
func TestFullDisk(t *testing.T) {
	disk := &fullDisk{}
	n := start(t, system.Config{Log: disk})
	defer stop(t, n)
	a, b := n.Task("a"), n.Task("b")
	used := func() uint64 {
		args := abi.Args{W: [6]uint64{1}}
		ok(t, a.Invoke("budget", abi.BudgetInspect, &args))
		return args.W[abi.ResourceMemory]
	}
	before := used()
	disk.full.Store(true)
	args := abi.Args{W: [6]uint64{4096}}
	if status := a.Invoke("budget", abi.RegionCreate, &args); status != abi.StatusJournal {
		t.Errorf("create: %v", status.Name())
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend)
	if status := a.Invoke("door", abi.CapMint, &abi.Args{Mint: &mint}); status != abi.StatusJournal {
		t.Errorf("mint: %v", status.Name())
	}
	if got := used(); got != before {
		t.Errorf("%d bytes held, before %d", got, before)
	}
	// Messages go on, and so does taking away.
	m := abi.Message{Words: [4]uint64{5}}
	ok(t, b.Invoke("door", abi.EndpointSend, &abi.Args{Message: &m}))
	m = abi.Message{}
	ok(t, a.Invoke("door", abi.EndpointReceive, &abi.Args{Message: &m}))
	if m.Words[0] != 5 {
		t.Errorf("got %v", m.Words)
	}
	ok(t, a.Invoke("door", abi.CapRevoke, &abi.Args{}))
	if status := b.Invoke("door", abi.EndpointSend, &abi.Args{Message: &m}); status != abi.StatusRevoked {
		t.Errorf("after revoke: %v", status.Name())
	}
	disk.full.Store(false)
	ok(t, a.Invoke("budget", abi.RegionCreate, &abi.Args{W: [6]uint64{4096}}))
}

// childVariable marks the process that TestKilledProcess kills.
const childVariable = "PHIOS_TEST_NODE"

// TestKilledProcess kills a node at random moments, and finds its journal in
// order each time.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(childVariable); dir != "" {
		runUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	records := uint64(0)
	for run := range 8 {
		child := exec.Command(os.Args[0], "-test.run", "^TestKilledProcess$")
		child.Env = append(os.Environ(), childVariable+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		grown(t, system.JournalPath(dir))
		time.Sleep(time.Duration(run*37%83) * time.Millisecond / 2)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		at, _ := verify(t, system.JournalPath(dir))
		if at.Count < records {
			t.Fatalf("run %d: %d records, before %d", run, at.Count, records)
		}
		records = at.Count
	}
	n := start(t, system.Config{DataDir: dir})
	if records < 100 || n.Recovered().Records != records {
		t.Errorf("%d records, recovered %+v", records, n.Recovered())
	}
	stop(t, n)
}

// grown waits until a journal is longer than it was.
func grown(t *testing.T, path string) {
	t.Helper()
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	const enough = 32 << 10
	before := size()
	for deadline := time.Now().Add(30 * time.Second); size() < before+enough; {
		if time.Now().After(deadline) {
			t.Fatal("the node records nothing")
		}
		time.Sleep(time.Millisecond)
	}
}

func runUntilKilled(t *testing.T, dir string) {
	t.Helper()
	n := start(t, system.Config{DataDir: dir, Record: true})
	a := n.Task("a")
	for a.Port.Alive() {
		args := abi.Args{W: [6]uint64{4096}}
		if a.Invoke("budget", abi.RegionCreate, &args) == abi.StatusOK {
			_ = a.Port.Invoke(abi.Handle(args.W[0]), abi.CapDelete, &abi.Args{})
		}
	}
}

// TestRefusedManifest names the line that the kernel refused.
func TestRefusedManifest(t *testing.T) {
	before := runtime.NumGoroutine()
	tests := []struct{ name, from, to, want string }{
		{"mailbox", "capacity: 4", "capacity: 65536", "test.yaml:6: object door:"},
		{"memory", "memory: 1MiB", "memory: 1KiB", "test.yaml:9: task b:"},
		{"program", "name: b\n", "name: b\n    program: nothing\n", `test.yaml:9: no program "nothing"`},
	}
	for _, test := range tests {
		m := parse(t, strings.Replace(small, test.from, test.to, 1))
		_, err := system.Start(system.Config{Manifest: m, Host: host.Config{ArenaBytes: 1 << 30}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	goroutines(t, before)
}
