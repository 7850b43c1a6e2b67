package wasi_test

import (
	"encoding/binary"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule/ambient"
	"phios/capsule/wasi"
	"phios/kernel/gate"
	"phios/system"
)

// world is a node with one task that serves and one whose program uses WASI.
type world struct {
	t              testing.TB
	node           *system.Node
	server, guest  *gate.Port
	budget, purse  abi.Handle
	names          map[string]abi.Handle
	memory         memory
	functions      map[string]wasi.Function
	layer          *wasi.Layer
	folders        []wasi.Folder
	output, errors []byte
}

// memory is a program's memory, and 4 KiB of it hold paths and vectors.
type memory []byte

func (m memory) Size() uint32 { return uint32(len(m)) }

func (m memory) Slice(offset, n uint32) ([]byte, bool) {
	if uint64(offset)+uint64(n) > uint64(len(m)) {
		return nil, false
	}
	return m[offset : offset+n : offset+n], true
}

// door is a program's door onto a real port.
type door struct {
	*gate.Port

	names map[string]abi.Handle
}

func (d door) Named(name string) (abi.Handle, abi.Status) {
	if h, ok := d.names[name]; ok {
		return h, abi.StatusOK
	}
	return 0, abi.StatusDenied
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	node, err := system.Start(system.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: tb, node: node, names: map[string]abi.Handle{}, memory: make(memory, 256<<10), functions: map[string]wasi.Function{}}
	amounts := abi.Amounts{4 << 20, 1024, 1 << 30, 0, 0, 0}
	var status abi.Status
	if w.server, w.budget, status = node.Kernel().BootTask(512, amounts); !status.OK() {
		tb.Fatal(status)
	}
	if w.guest, w.purse, status = node.Kernel().BootTask(512, amounts); !status.OK() {
		tb.Fatal(status)
	}
	for _, f := range wasi.Functions() {
		w.functions[f.Name] = f
	}
	tb.Cleanup(func() {
		if w.layer != nil {
			w.layer.Close()
		}
		if err := node.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// grant gives the guest a capability of the server under a name.
func (w *world) grant(name string, h abi.Handle, mint abi.Mint) abi.Handle {
	w.t.Helper()
	made, status := w.node.Kernel().BootGrant(w.server, h, w.guest, &mint)
	if !status.OK() {
		w.t.Fatalf("grant %s: %v", name, status)
	}
	w.names[name] = made
	return made
}

func (w *world) clock() {
	w.t.Helper()
	h, status := ambient.Provide(w.server, w.budget, ambient.NewClock(w.node.Machine(), func() int64 { return time.Now().UnixNano() }))
	if !status.OK() {
		w.t.Fatal(status)
	}
	w.grant(wasi.NameClock, h, ambient.Callable())
}

func (w *world) random() {
	w.t.Helper()
	h, status := ambient.Provide(w.server, w.budget, ambient.Random{})
	if !status.OK() {
		w.t.Fatal(status)
	}
	w.grant(wasi.NameRandom, h, ambient.Callable())
}

// folder serves a folder to the guest under a name and shows it at a path.
func (w *world) folder(name, path string, rights abi.Rights, c ambient.FolderConfig) (*ambient.Folder, ambient.Grant) {
	w.t.Helper()
	f, err := ambient.ServeFolder(w.server, w.budget, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = f.Close(w.server) })
	g, status := f.Grant(w.server, rights, abi.LabelTop())
	if !status.OK() {
		w.t.Fatal(status)
	}
	w.grant(name, g.Handle, g.Mint())
	w.folders = append(w.folders, wasi.Folder{Name: name, Path: path})
	return f, g
}

// start makes the layer.
func (w *world) start(c wasi.Config) {
	c.Door, c.Folders = door{w.guest, w.names}, w.folders
	c.Output = func(stream int, text []byte) {
		if stream == 1 {
			w.output = append(w.output, text...)
		} else {
			w.errors = append(w.errors, text...)
		}
	}
	w.layer = wasi.New(c)
}

// call calls a function and returns its errno.
func (w *world) call(name string, params ...uint64) wasi.Errno {
	w.t.Helper()
	f, ok := w.functions[name]
	if !ok || len(params) != len(f.Params) {
		w.t.Fatalf("%s is not a function of %d parameters", name, len(params))
	}
	stack := make([]uint64, max(len(params), 1))
	copy(stack, params)
	f.Call(w.layer, w.memory, stack)
	return wasi.Errno(stack[0])
}

// must is call that has to end with an errno.
func (w *world) must(want wasi.Errno, name string, params ...uint64) {
	w.t.Helper()
	if got := w.call(name, params...); got != want {
		w.t.Fatalf("%s%v = errno %d, want %d", name, params, got, want)
	}
}

// Where in memory the tests put things.
const (
	atPath   = 0x100
	atPath2  = 0x800
	atVector = 0x1000
	atResult = 0x1800
	atData   = 0x2000
	dataMax  = 128 << 10
)

func (w *world) path(p string) (at, n uint64) {
	copy(w.memory[atPath:], p)
	return atPath, uint64(len(p))
}

func (w *world) path2(p string) (at, n uint64) {
	copy(w.memory[atPath2:], p)
	return atPath2, uint64(len(p))
}

func (w *world) result32() uint64 {
	return uint64(binary.LittleEndian.Uint32(w.memory[atResult:]))
}
func (w *world) result64() uint64 { return binary.LittleEndian.Uint64(w.memory[atResult:]) }

// The rights and flags of path_open that the tests use.
const (
	canRead, canWrite                      = 1 << 1, 1 << 6
	create, directory, exclusive, truncate = 1, 2, 4, 8
	appending                              = 1
)

// open opens a path in a folder.
func (w *world) open(folder uint64, p string, how, rights, flags uint64) (uint64, wasi.Errno) {
	w.t.Helper()
	at, n := w.path(p)
	errno := w.call("path_open", folder, 1, at, n, how, rights, 0, flags, atResult)
	return w.result32(), errno
}

// vector describes data as one buffer.
func (w *world) vector(n uint64) (at, count uint64) {
	binary.LittleEndian.PutUint32(w.memory[atVector:], atData)
	binary.LittleEndian.PutUint32(w.memory[atVector+4:], uint32(n))
	return atVector, 1
}

func (w *world) write(fd uint64, text string) wasi.Errno {
	w.t.Helper()
	copy(w.memory[atData:], text)
	at, count := w.vector(uint64(len(text)))
	errno := w.call("fd_write", fd, at, count, atResult)
	if errno == 0 && w.result32() != uint64(len(text)) {
		w.t.Fatalf("fd_write wrote %d of %d", w.result32(), len(text))
	}
	return errno
}

func (w *world) read(fd, n uint64) (string, wasi.Errno) {
	w.t.Helper()
	at, count := w.vector(n)
	errno := w.call("fd_read", fd, at, count, atResult)
	if errno != 0 {
		return "", errno
	}
	return string(w.memory[atData : atData+w.result32()]), errno
}
