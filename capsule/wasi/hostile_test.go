package wasi_test

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule/ambient"
	"phios/capsule/ambient/ops"
	"phios/capsule/wasi"
	"phios/kernel/gate"
)

// TestHostilePointers calls every function with numbers that lie at every
// edge, in a small memory full of such numbers: nothing may panic, and what a
// function claims to have done must be inside.
func TestHostilePointers(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.random()
	w.notification("bell")
	w.start(wasi.Config{Notifications: []string{"bell"}, Args: []string{"a", "b"}, Env: []string{"C=d"}})
	w.memory = make(memory, 4096)
	functions := wasi.Functions()
	r := rand.New(rand.NewPCG(1, 2))
	edges := []uint64{0, 1, 2, 3, 4, 5, 7, 8, 16, 48, 4088, 4092, 4095, 4096, 4097, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 8, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	number := func() uint64 {
		switch r.IntN(3) {
		case 0:
			return uint64(r.IntN(12)) // descriptors, counts
		case 1:
			return uint64(r.IntN(5000))
		default:
			return edges[r.IntN(len(edges))]
		}
	}
	errnos := map[wasi.Errno]int{}
	until := time.Now().Add(3 * time.Second)
	for n := 0; n < 100_000 && time.Now().Before(until); n++ {
		if n%50 == 0 {
			for i := range w.memory {
				w.memory[i] = byte(r.Uint32() & r.Uint32() & r.Uint32())
			}
			copy(w.memory[256:], "name")
		}
		f := functions[r.IntN(len(functions))]
		if f.Name == "poll_oneoff" {
			continue // it may rightly wait for ever: see TestHostilePoll
		}
		stack := make([]uint64, max(1, len(f.Params)))
		for i := range stack {
			stack[i] = number()
		}
		f.Call(w.layer, w.memory, stack)
		if len(f.Results) > 0 {
			errnos[wasi.Errno(stack[0])]++
		}
	}
	if errnos[0] == 0 || errnos[fault] == 0 || errnos[badf] == 0 {
		t.Errorf("the calls do not reach far: %v", errnos)
	}
	if entries, _ := filepath.Glob(filepath.Join(filepath.Dir(folder), "*")); len(entries) != 1 {
		t.Errorf("something lies beside the folder: %v", entries)
	}
}

// liar answers every request with something.
type liar struct {
	mu     sync.Mutex
	r      *rand.Rand
	spare  abi.Handle
	answer int
}

// Serve answers.
func (s *liar) Serve(_ *gate.Port, m *abi.Message) abi.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range m.Words {
		m.Words[i] = s.r.Uint64() >> s.r.IntN(64)
	}
	if s.r.IntN(3) > 0 {
		m.Words[ops.WordProblem] = 0
	}
	for i := range m.Data {
		m.Data[i] = byte(s.r.Uint32() & s.r.Uint32() & s.r.Uint32())
	}
	m.Length = uint16(s.r.IntN(abi.MessageBytesMax + 1))
	m.HandleCount = uint8(s.r.IntN(3))
	for i := range m.HandleCount {
		m.Handles[i] = s.spare
	}
	s.answer++
	if s.r.IntN(20) == 0 {
		return abi.Status(s.r.IntN(abi.StatusCount))
	}
	return abi.StatusOK
}

// TestHostileServers lets a program's surroundings be served by one who
// answers anything: nothing may panic, and what came with the answers is not
// left in the program's table.
func TestHostileServers(t *testing.T) {
	w := newWorld(t)
	s := &liar{r: rand.New(rand.NewPCG(5, 6)), spare: w.budget}
	h, status := ambient.Provide(w.server, w.budget, s)
	if !status.OK() {
		t.Fatal(status)
	}
	for _, name := range []string{wasi.NameClock, wasi.NameRandom, "data"} {
		w.grant(name, h, ambient.Callable())
	}
	w.folders = []wasi.Folder{{Name: "data", Path: "/"}}
	w.start(wasi.Config{})
	before, _ := w.slots()
	functions := wasi.Functions()
	for n := range 60_000 {
		if n%100 == 0 { // a path wherever one is looked for, and small numbers
			for i := range w.memory {
				w.memory[i] = 'a'
			}
			for i := 0; i < len(w.memory); i += 1 << (4 + s.r.IntN(8)) {
				binary.LittleEndian.PutUint32(w.memory[i:], uint32(s.r.IntN(1000)))
			}
		}
		f := functions[s.r.IntN(len(functions))]
		if f.Name == "poll_oneoff" || f.Name == "fd_renumber" {
			continue // a clock that lies may make it wait for ever
		}
		stack := make([]uint64, max(1, len(f.Params)))
		for i := range stack {
			stack[i] = uint64(s.r.IntN(1 << (3 + s.r.IntN(6) + 8*(s.r.IntN(8)/7))))
		}
		if s.r.IntN(4) > 0 {
			stack[0] = 3 + uint64(s.r.IntN(2))
		}
		if f.Name == "fd_close" && stack[0] == 3 {
			continue // that would be all
		}
		f.Call(w.layer, w.memory, stack)
	}
	if s.answer < 2_000 {
		t.Errorf("the server was asked only %d times", s.answer)
	}
	w.layer.Close()
	w.layer = nil
	if after, _ := w.slots(); after > before+2 { // and those of slots itself
		t.Errorf("the program had %d capabilities and has %d", before, after)
	}
}

func TestHostilePoll(t *testing.T) {
	w := newWorld(t)
	w.start(wasi.Config{})
	w.memory = make(memory, 4096)
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		for i := range w.memory[:512] {
			w.memory[i] = byte(r.Uint32() & r.Uint32())
		}
		w.memory[8], w.memory[56] = byte(r.IntN(4)), byte(r.IntN(4))
		w.call("poll_oneoff", uint64(r.IntN(4200)), uint64(r.IntN(4200)), uint64(r.IntN(6)), uint64(r.IntN(4200)))
	}
	w.must(inval, "poll_oneoff", 0, 0, 0, 0)
	w.must(inval, "poll_oneoff", 0, 0, 1<<32-1, 0)
}

func TestEveryFunctionIsThere(t *testing.T) {
	functions := wasi.Functions()
	seen := map[string]bool{}
	for _, f := range functions {
		if seen[f.Name] || f.Call == nil {
			t.Errorf("%s is there twice, or does nothing", f.Name)
		}
		seen[f.Name] = true
		if (f.Name == "proc_exit") != (len(f.Results) == 0) {
			t.Errorf("%s has %d results", f.Name, len(f.Results))
		}
	}
	if len(functions) != 46 {
		t.Errorf("%d functions; preview 1 has 46", len(functions))
	}
	w := newWorld(t)
	w.start(wasi.Config{})
	w.must(nosys, "proc_raise", 9)
	w.must(notsup, "sock_shutdown", 0, 0)
	w.must(0, "sched_yield")
	w.call("proc_exit", 7)
	if code, exited := w.layer.Exited(); code != 7 || !exited {
		t.Errorf("exited %v with %d", exited, code)
	}
}

func TestListsAndOutput(t *testing.T) {
	w := newWorld(t)
	w.start(wasi.Config{Args: []string{"program", "", "ä"}, Env: []string{"A=1", "B\x00=2", strings.Repeat("x", wasi.ListBytesMax)}})
	w.must(0, "args_sizes_get", atResult, atResult+4)
	if w.result64() != 3|12<<32 {
		t.Errorf("3 arguments of 12 bytes are told as %x", w.result64())
	}
	w.must(0, "args_get", atVector, atData)
	if got := string(w.memory[atData : atData+12]); got != "program\x00\x00ä\x00" {
		t.Errorf("the arguments are %q", got)
	}
	w.must(0, "environ_sizes_get", atResult, atResult+4)
	if w.result64() != 1|4<<32 {
		t.Errorf("one variable of 4 bytes is told as %x", w.result64())
	}
	w.must(fault, "environ_get", uint64(len(w.memory)), atData)

	for _, text := range []string{"one ", "line\nand ", "the next"} {
		w.write(1, text)
	}
	if string(w.output) != "one line\n" {
		t.Errorf("before the line ends, %q is out", w.output)
	}
	w.layer.Flush()
	if string(w.output) != "one line\nand the next" {
		t.Errorf("%q is out", w.output)
	}
	w.write(2, strings.Repeat("y", 3*wasi.OutputBytesMax))
	if len(w.errors) != 3*wasi.OutputBytesMax {
		t.Errorf("of a line without end %d bytes are out", len(w.errors))
	}
	if got, errno := w.read(0, 10); errno != 0 || got != "" {
		t.Errorf("the input has %q, %d", got, errno)
	}
	w.must(0, "fd_fdstat_get", 1, atResult)
	if w.memory[atResult] != 2 {
		t.Errorf("an output is of type %d", w.memory[atResult])
	}
	w.must(0, "fd_fdstat_set_flags", 1, 4)
	w.must(notsup, "fd_fdstat_set_flags", 1, 1)
}

func TestLimits(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	f, _ := w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.folder("absent", "/absent", both, ambient.FolderConfig{Path: folder})
	delete(w.names, "absent")
	w.start(wasi.Config{})
	w.must(badf, "fd_prestat_get", 4, atResult) // not granted: not shown
	for fd := uint64(4); fd < wasi.DescriptorsMax; fd++ {
		if got, errno := w.open(3, "a", create, canRead, 0); errno != 0 || got != fd {
			t.Fatalf("open number %d: %d, errno %d", fd, got, errno)
		}
	}
	const mfile wasi.Errno = 33
	if _, errno := w.open(3, "a", 0, canRead, 0); errno != mfile {
		t.Errorf("one more: %d", errno)
	}
	w.must(0, "fd_renumber", 10, 11)
	w.must(badf, "fd_close", 10)
	if n := f.Open(); n != wasi.DescriptorsMax-4-1 {
		t.Errorf("%d are open at the server", n)
	}
	at, n := w.path(strings.Repeat("d/", 200))
	w.must(noent, "path_filestat_get", 3, 1, at, n, atResult)
	at, n = w.path(strings.Repeat("d/", 300))
	w.must(nametoolong, "path_filestat_get", 3, 1, at, n, atResult)
	w.must(nametoolong, "path_filestat_get", 3, 1, at, 1<<32-1, atResult)
	at, n = w.path(strings.Repeat("n", 300))
	w.must(nametoolong, "path_filestat_get", 3, 1, at, n, atResult)
	at, n = w.path("a\x00b")
	w.must(inval, "path_filestat_get", 3, 1, at, n, atResult)
	w.must(inval, "fd_write", 1, atVector, 1025, atResult)
	w.layer.Close()
	w.layer = nil
	if n := f.Open(); n != 0 {
		t.Errorf("%d are open after the layer was closed", n)
	}
	if used, _ := w.slots(); used > 8 {
		t.Errorf("the guest has %d capabilities after its layer was closed", used)
	}
}

// slots returns how many slots of the guest are in use.
func (w *world) slots() (used, size uint64) {
	w.t.Helper()
	h, status := w.node.Kernel().BootTaskCapability(w.server, w.guest, abi.RightInvoke|abi.RightInspect)
	if !status.OK() {
		w.t.Fatal(status)
	}
	var a abi.Args
	if status := w.server.Invoke(h, abi.TaskInspect, &a); !status.OK() {
		w.t.Fatal(status)
	}
	return a.W[4], a.W[5]
}

// TestFullDisk writes into a folder whose disk is full.
func TestFullDisk(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	if err := syscall.Mount("phios-test", folder, "tmpfs", 0, "size=65536"); err != nil {
		t.Skipf("a small disk cannot be mounted here, so what a full one does is NOT tested: %v; run as root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	const nospc wasi.Errno = 51
	fd, errno := w.open(3, "a", create, canRead|canWrite, 0)
	if errno != 0 {
		t.Fatalf("path_open: %d", errno)
	}
	at, count := w.vector(100_000)
	w.must(0, "fd_write", fd, at, count, atResult)
	if n := w.result32(); n == 0 || n > 65536 {
		t.Errorf("a disk of 65536 bytes took %d", n)
	}
	w.must(nospc, "fd_write", fd, at, count, atResult)
	w.must(0, "fd_filestat_set_size", fd, 0)
	w.must(0, "fd_seek", fd, 0, 0, atResult)
	if errno := w.write(fd, "again"); errno != 0 {
		t.Errorf("with room again: %d", errno)
	}
}

func TestTooLongFile(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	const fbig wasi.Errno = 22
	fd, _ := w.open(3, "a", create, canRead|canWrite, 0)
	w.must(fbig, "fd_filestat_set_size", fd, 1<<40+1)
	w.must(inval, "fd_seek", fd, 1<<41, 0, atResult)
	w.must(inval, "fd_seek", fd, ^uint64(0), 0, atResult)
}

// TestNeitherFileNorFolder opens a pipe that nobody else has open, which would
// wait for ever.
func TestNeitherFileNorFolder(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	for _, rights := range []uint64{canRead, canWrite, canRead | canWrite} {
		if _, errno := w.open(3, "pipe", 0, rights, 0); errno != perm {
			t.Errorf("a pipe: %d", errno)
		}
	}
	at, n := w.path("pipe")
	w.must(0, "path_filestat_get", 3, 1, at, n, atResult)
}
