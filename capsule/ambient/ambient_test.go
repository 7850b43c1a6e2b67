package ambient_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"phios/abi"
	"phios/capsule/ambient"
	"phios/capsule/ambient/ops"
	"phios/kernel/gate"
	"phios/system"
)

// world is a node with a task that serves a folder.
type world struct {
	t       *testing.T
	node    *system.Node
	server  *gate.Port
	path    string
	folder  *ambient.Folder
	denials []ambient.Denial
}

// holder is a task that was granted the folder.
type holder struct {
	t      *testing.T
	port   *gate.Port
	budget abi.Handle
	folder abi.Handle
	grant  ambient.Grant
}

const everything = abi.RightRead | abi.RightWrite

func amounts() abi.Amounts { return abi.Amounts{4 << 20, 1024, 1 << 30, 0, 0, 0} }

func newWorld(t *testing.T) *world {
	t.Helper()
	node, err := system.Start(system.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, node: node, path: t.TempDir()}
	var budget abi.Handle
	var status abi.Status
	a := amounts()
	a[abi.ResourceMemory], a[abi.ResourceSlots] = 16<<20, 4096
	if w.server, budget, status = node.Kernel().BootTask(3000, a); !status.OK() {
		t.Fatal(status)
	}
	var mu sync.Mutex
	w.folder, err = ambient.ServeFolder(w.server, budget, ambient.FolderConfig{Path: w.path, Denied: func(d ambient.Denial) {
		mu.Lock()
		defer mu.Unlock()
		w.denials = append(w.denials, d)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.folder.Close(w.server), node.Stop()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// holder makes a task with a grant.
func (w *world) holder(rights abi.Rights) *holder {
	w.t.Helper()
	h := &holder{t: w.t}
	var status abi.Status
	if h.port, h.budget, status = w.node.Kernel().BootTask(512, amounts()); !status.OK() {
		w.t.Fatal(status)
	}
	if h.grant, status = w.folder.Grant(w.server, rights, abi.LabelTop()); !status.OK() {
		w.t.Fatal(status)
	}
	mint := h.grant.Mint()
	if h.folder, status = w.node.Kernel().BootGrant(w.server, h.grant.Handle, h.port, &mint); !status.OK() {
		w.t.Fatal(status)
	}
	return h
}

// ask sends a request.
func (h *holder) ask(to abi.Handle, r ops.Request) (*abi.Message, ops.Problem, abi.Status) {
	m := &abi.Message{}
	if status := r.Put(m); !status.OK() {
		return m, 0, status
	}
	status := h.port.Invoke(to, abi.EndpointCall, &abi.Args{Message: m})
	return m, ops.ParseProblem(m), status
}

// open opens a path and fails the test when it cannot.
func (h *holder) open(path string, flags ops.OpenFlags) abi.Handle {
	h.t.Helper()
	m, problem, status := h.ask(h.folder, ops.Request{Operation: ops.Open, A: uint64(flags), Data: []byte(path)})
	if !status.OK() || problem != 0 || m.HandleCount != 1 {
		h.t.Fatalf("open %s: %v, problem %d", path, status, problem)
	}
	return m.Handles[0]
}

// TestHandlesAreNotKept calls with capabilities in the request: a server that
// kept them would have its table filled by whoever likes to.
func TestHandlesAreNotKept(t *testing.T) {
	w := newWorld(t)
	h := w.holder(everything)
	inspect, status := w.node.Kernel().BootTaskCapability(h.port, w.server, abi.RightInvoke|abi.RightInspect)
	if !status.OK() {
		t.Fatal(status)
	}
	used := func() uint64 {
		var a abi.Args
		if status := h.port.Invoke(inspect, abi.TaskInspect, &a); !status.OK() {
			t.Fatal(status)
		}
		return a.W[4]
	}
	before := used()
	for range 5000 {
		m := abi.Message{HandleCount: 2, Handles: [8]abi.Handle{h.budget, h.budget}}
		m.Words[ops.WordOperation] = uint64(ops.Stat)
		if status := h.port.Invoke(h.folder, abi.EndpointCall, &abi.Args{Message: &m}); status != abi.StatusBadArgument {
			t.Fatalf("a request with capabilities: %v", status)
		}
	}
	if after := used(); after != before {
		t.Errorf("the server had %d capabilities and has %d", before, after)
	}
}

// TestHoldersAreApart: what one holder has opened is nothing to another, and a
// holder cannot call in another's name.
func TestHoldersAreApart(t *testing.T) {
	w := newWorld(t)
	one, two := w.holder(everything), w.holder(abi.RightRead)
	file := one.open("a", ops.OpenRead|ops.OpenWrite|ops.OpenCreate)
	if _, _, status := two.ask(file, ops.Request{Operation: ops.Read, B: 1}); status.OK() {
		t.Error("a handle of another task works")
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend)
	mint.Badge = one.grant.Badge
	for _, h := range []abi.Handle{two.folder, two.open("a", ops.OpenRead)} {
		if status := two.port.Invoke(h, abi.CapMint, &abi.Args{Mint: &mint}); status.OK() {
			t.Error("a holder made itself a capability with another's badge")
		}
	}
	if _, _, status := two.ask(two.folder, ops.Request{Operation: ops.Open, A: uint64(ops.OpenWrite), Data: []byte("a")}); status != abi.StatusRights {
		t.Errorf("to write with a grant to read: %v", status)
	}
	if len(w.denials) != 1 || w.denials[0].Badge != two.grant.Badge || w.denials[0].Lacks != abi.RightWrite {
		t.Errorf("denials: %+v", w.denials)
	}
	w.folder.Withdraw(w.server, one.grant)
	if _, _, status := one.ask(file, ops.Request{Operation: ops.Stat}); status.OK() {
		t.Error("a file outlives the grant it was opened with")
	}
	if _, _, status := two.ask(two.folder, ops.Request{Operation: ops.Stat}); !status.OK() {
		t.Errorf("a grant ended with another: %v", status)
	}
}

// TestAbandonedFiles opens more than a holder may have: the oldest go, and
// what is in use stays.
func TestAbandonedFiles(t *testing.T) {
	w := newWorld(t)
	h := w.holder(everything)
	kept := h.open("kept", ops.OpenRead|ops.OpenWrite|ops.OpenCreate)
	first := h.open("a", ops.OpenRead|ops.OpenWrite|ops.OpenCreate)
	for range 2 * ambient.OpenPerHolder {
		opened := h.open("a", ops.OpenRead)
		if _, problem, status := h.ask(kept, ops.Request{Operation: ops.Write, Data: []byte("x")}); !status.OK() || problem != 0 {
			t.Fatalf("what is used was closed: %v, %d", status, problem)
		}
		if status := h.port.Invoke(opened, abi.CapDelete, &abi.Args{}); !status.OK() { // forgotten, not closed
			t.Fatal(status)
		}
	}
	if n := w.folder.Open(); n != ambient.OpenPerHolder {
		t.Errorf("%d are open, want %d", n, ambient.OpenPerHolder)
	}
	if _, _, status := h.ask(first, ops.Request{Operation: ops.Stat}); status.OK() {
		t.Error("the oldest is open")
	}
	w.folder.Release(w.server, h.grant)
	if n := w.folder.Open(); n != 0 {
		t.Errorf("%d are open after all were released", n)
	}
	if _, _, status := h.ask(kept, ops.Request{Operation: ops.Stat}); status.OK() {
		t.Error("what was released is open")
	}
	h.open("a", ops.OpenRead)
}

// TestExpiredGrant: what was opened through a grant ends with it.
func TestExpiredGrant(t *testing.T) {
	w := newWorld(t)
	h := w.holder(everything)
	const life = 200_000_000
	g, status := w.folder.GrantUntil(w.server, everything, abi.LabelTop(), w.node.Machine().Now()+life)
	if !status.OK() {
		t.Fatal(status)
	}
	mint := g.Mint()
	if h.folder, status = w.node.Kernel().BootGrant(w.server, g.Handle, h.port, &mint); !status.OK() {
		t.Fatal(status)
	}
	file := h.open("a", ops.OpenRead|ops.OpenWrite|ops.OpenCreate)
	if _, problem, status := h.ask(file, ops.Request{Operation: ops.Write, Data: []byte("x")}); !status.OK() || problem != 0 {
		t.Fatalf("before the end: %v, %d", status, problem)
	}
	parker := w.node.Machine().NewParker()
	for end := w.node.Machine().Now() + life; w.node.Machine().Now() <= end; {
		parker.Park(end + 1)
	}
	for _, to := range []abi.Handle{file, h.folder} {
		if _, _, status := h.ask(to, ops.Request{Operation: ops.Stat}); status != abi.StatusExpired {
			t.Errorf("after the end: %v", status)
		}
	}
}

// TestCeiling: data above a grant's ceiling goes neither into the folder nor
// into a file that was opened through it.
func TestCeiling(t *testing.T) {
	w := newWorld(t)
	h := w.holder(everything)
	public := abi.LabelTop()
	public.Sources = 0
	g, status := w.folder.Grant(w.server, everything, public)
	if !status.OK() {
		t.Fatal(status)
	}
	mint := g.Mint()
	if h.folder, status = w.node.Kernel().BootGrant(w.server, g.Handle, h.port, &mint); !status.OK() {
		t.Fatal(status)
	}
	file := h.open("a", ops.OpenRead|ops.OpenWrite|ops.OpenCreate)
	for _, to := range []abi.Handle{file, h.folder} {
		var m abi.Message
		r := ops.Request{Operation: ops.Stat}
		if status := r.Put(&m); !status.OK() {
			t.Fatal(status)
		}
		m.Label = abi.Label{Sources: 1}
		if status := h.port.Invoke(to, abi.EndpointCall, &abi.Args{Message: &m}); status != abi.StatusLabel {
			t.Errorf("data above the ceiling: %v", status)
		}
	}
}

// TestEscapeText holds the text by which an escape is recognised to what the
// library says today.
func TestEscapeText(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if _, err := root.Stat("../x"); errors.Unwrap(err) == nil || errors.Unwrap(err).Error() != "path escapes from parent" {
		t.Errorf("an escape is %v", err)
	}
}

func TestServeFolderErrors(t *testing.T) {
	w := newWorld(t)
	h := w.holder(everything)
	if _, err := ambient.ServeFolder(h.port, h.budget, ambient.FolderConfig{Path: filepath.Join(w.path, "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := ambient.ServeFolder(h.port, h.folder, ambient.FolderConfig{Path: w.path}); !errors.Is(err, abi.StatusRights) && !errors.Is(err, abi.StatusType) {
		t.Errorf("without a budget: %v", err)
	}
	for _, rights := range []abi.Rights{0, abi.RightSend, everything | abi.RightGrant} {
		if _, status := w.folder.Grant(w.server, rights, abi.LabelTop()); status != abi.StatusBadArgument {
			t.Errorf("a grant of %v: %v", rights, status)
		}
	}
}

// TestHammerFolder lets many holders work at once while their grants are
// withdrawn.
func TestHammerFolder(t *testing.T) {
	w := newWorld(t)
	const holders, rounds = 4, 150
	var wait sync.WaitGroup
	list := make([]*holder, holders)
	for i := range list {
		list[i] = w.holder(everything)
	}
	for i, h := range list {
		wait.Go(func() {
			for round := range rounds {
				path := fmt.Sprintf("file-%d", (i+round)%3)
				m, problem, status := h.ask(h.folder, ops.Request{Operation: ops.Open, A: uint64(ops.OpenRead | ops.OpenWrite | ops.OpenCreate), Data: []byte(path)})
				if !status.OK() || problem != 0 {
					continue // withdrawn, or removed by another
				}
				file := m.Handles[0]
				_, _, _ = h.ask(file, ops.Request{Operation: ops.Write, A: uint64(i), Data: []byte("text")})
				_, _, _ = h.ask(file, ops.Request{Operation: ops.Read, B: 100})
				_, _, _ = h.ask(h.folder, ops.Request{Operation: ops.List})
				_, _, _ = h.ask(h.folder, ops.Request{Operation: ops.RemoveFile, Data: []byte(path)})
				if round%2 == 0 {
					_, _, _ = h.ask(file, ops.Request{Operation: ops.Close})
				}
				_ = h.port.Invoke(file, abi.CapDelete, &abi.Args{})
			}
		})
	}
	wait.Go(func() {
		for _, h := range list[:2] {
			w.folder.Withdraw(w.server, h.grant)
		}
	})
	wait.Wait()
	for _, h := range list {
		w.folder.Withdraw(w.server, h.grant)
	}
	if n := w.folder.Open(); n != 0 {
		t.Errorf("%d are open after all grants were withdrawn", n)
	}
}

func BenchmarkRead(b *testing.B) {
	node, err := system.Start(system.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = node.Stop() }()
	server, budget, _ := node.Kernel().BootTask(512, amounts())
	guest, _, _ := node.Kernel().BootTask(512, amounts())
	path := b.TempDir()
	if err := os.WriteFile(filepath.Join(path, "a"), make([]byte, 4096), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := ambient.ServeFolder(server, budget, ambient.FolderConfig{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close(server) }()
	g, _ := f.Grant(server, everything, abi.LabelTop())
	mint := g.Mint()
	folder, _ := node.Kernel().BootGrant(server, g.Handle, guest, &mint)
	h := &holder{port: guest, folder: folder}
	m, _, status := h.ask(folder, ops.Request{Operation: ops.Open, A: uint64(ops.OpenRead), Data: []byte("a")})
	if !status.OK() {
		b.Fatal(status)
	}
	file := m.Handles[0]
	b.SetBytes(512)
	for b.Loop() {
		if m, _, status := h.ask(file, ops.Request{Operation: ops.Read, B: 512}); !status.OK() || m.Length != 512 {
			b.Fatal(status)
		}
	}
}
