package ambient

import (
	"fmt"
	"os"
	"sync"

	"phios/abi"
	"phios/capsule/ambient/ops"
	"phios/kernel/gate"
)

// The limits of a folder's server. When a holder opens one more, what it has
// not used for longest is closed: a program that died leaves files open, and
// nobody tells the server.
const (
	GrantsMax     = 256  // holders of one folder
	OpenPerHolder = 256  // files and folders that one holder has open
	OpenMax       = 2048 // that all holders have open
)

// Denial is a request that was refused because of what its sender may do.
type Denial struct {
	// Badge is that of the grant, also when the request came through something
	// that was opened with it.
	Badge uint64
	// Operation is what was asked.
	Operation ops.Operation
	// Lacks is the right that the grant does not have; zero for a path that
	// leads out of the folder.
	Lacks abi.Rights
	// Path is the path, when there was one. It is the program's own text.
	Path string
}

// FolderConfig says which folder is served.
type FolderConfig struct {
	// Path is the folder on this machine.
	Path string
	// Denied, when not nil, is told of each refusal, on the thread of the
	// caller that was refused: it must not block.
	Denied func(Denial)
}

// Folder serves a folder of this machine. Its methods may be called from any
// goroutine; those that take a port, with a port of the task that provided it.
type Folder struct {
	root     *os.Root
	denied   func(Denial)
	endpoint abi.Handle

	mu     sync.Mutex
	badges uint64
	uses   uint64 // counts requests, to know what was not used for longest
	grants map[uint64]*grant
	open   map[uint64]*opened
}

// grant is what one holder may do.
type grant struct {
	badge  uint64
	rights abi.Rights
	branch abi.Handle // what everything of the holder derives from
	opened int        // guarded by Folder.mu

	// One list a holder, so that no number of open folders takes more memory.
	reading sync.Mutex
	listed  uint64 // the badge whose list it is; guarded by reading
	list    []ops.Entry
}

// opened is a file or a folder that a holder has opened. All but lastUse is
// fixed.
type opened struct {
	badge   uint64
	grant   *grant
	handle  abi.Handle // the server's own: without it the holder's is void
	flags   ops.OpenFlags
	file    *os.File // nil for a folder
	place   *os.Root // nil for a file
	lastUse uint64   // guarded by Folder.mu
}

// ServeFolder makes an endpoint on the budget at which the folder is served,
// owned by p's task. Nobody can use it before [Folder.Grant]. Whoever opened
// it closes it.
//
// It fails when there is no such folder or the budget does not cover it.
func ServeFolder(p *gate.Port, budget abi.Handle, c FolderConfig) (*Folder, error) {
	root, err := os.OpenRoot(c.Path)
	if err != nil {
		return nil, fmt.Errorf("open the folder to be served; make it, or ask for another: %w", err)
	}
	f := &Folder{root: root, denied: c.Denied, grants: map[uint64]*grant{}, open: map[uint64]*opened{}}
	endpoint, status := provide(p, budget, abi.ObjectFile, f)
	if !status.OK() {
		return nil, fmt.Errorf("serve folder %s: %w", c.Path, joined(status, root.Close()))
	}
	f.endpoint = endpoint
	return f, nil
}

// Grant is a branch of the folder's capabilities, for one holder.
type Grant struct {
	// Handle is in the table of the task that serves. TaskGrant derives the
	// holder's capability from it, with Mint; revoking it ends what the holder
	// has, and everything that was opened with it.
	Handle abi.Handle
	// Badge is the holder's, as denials name it.
	Badge uint64
}

// Mint is how the holder's capability is derived from the branch. The holder
// can call, and not pass the folder on.
func (g Grant) Mint() abi.Mint {
	m := Callable()
	m.Badge = g.Badge
	return m
}

// Grant makes a branch for one holder, who may READ, WRITE, or both. No data
// above the ceiling goes into the folder through it.
//
// StatusBadArgument for other rights, StatusLimit after GrantsMax, and those
// of CapMint.
func (f *Folder) Grant(p *gate.Port, rights abi.Rights, ceiling abi.Label) (Grant, abi.Status) {
	return f.GrantUntil(p, rights, ceiling, 0)
}

// GrantUntil is Grant for a branch that ends at a time of the machine's clock,
// with everything that was opened through it; zero is never. An end of the
// holder's own capability would leave open what it has opened.
func (f *Folder) GrantUntil(p *gate.Port, rights abi.Rights, ceiling abi.Label, expires int64) (Grant, abi.Status) {
	if rights == 0 || rights&^(abi.RightRead|abi.RightWrite) != 0 {
		return Grant{}, abi.StatusBadArgument
	}
	mint := abi.Whole(callable | abi.RightGrant | abi.RightDerive | abi.RightRevoke | abi.RightInspect)
	mint.Ceiling, mint.Expires = ceiling, expires
	a := abi.Args{Mint: &mint}
	if status := p.Invoke(f.endpoint, abi.CapMint, &a); !status.OK() {
		return Grant{}, status
	}
	branch := abi.Handle(a.W[0])
	badge, ok := f.enrol(&grant{rights: rights, branch: branch})
	if !ok {
		drop(p, branch)
		return Grant{}, abi.StatusLimit
	}
	return Grant{Handle: branch, Badge: badge}, abi.StatusOK
}

// enrol puts a grant into the table under a new badge; false when it is full.
func (f *Folder) enrol(g *grant) (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.grants) >= GrantsMax {
		return 0, false
	}
	f.badges++
	g.badge = f.badges
	f.grants[g.badge] = g
	return g.badge, true
}

// Withdraw ends a grant: the holder's capability and those to what it opened
// are void when it returns, and the files are closed. Of a grant that is no
// more it does nothing.
func (f *Folder) Withdraw(p *gate.Port, g Grant) {
	drop(p, g.Handle)
	f.mu.Lock()
	delete(f.grants, g.Badge)
	f.mu.Unlock()
	f.Release(p, g)
}

// Release closes what a holder has open and leaves the grant as it is: for a
// program that has ended without closing, before it starts again.
func (f *Folder) Release(p *gate.Port, g Grant) {
	f.mu.Lock()
	list := f.of(g.Badge)
	f.mu.Unlock()
	for _, o := range list {
		f.shut(p, o)
	}
}

// of returns what a holder has open.
//
// Preconditions:
//   - f.mu is held
func (f *Folder) of(badge uint64) []*opened {
	var list []*opened
	for _, o := range f.open {
		if o.grant.badge == badge {
			list = append(list, o)
		}
	}
	return list
}

// Close ends every grant and the service.
func (f *Folder) Close(p *gate.Port) error {
	drop(p, f.endpoint)
	f.mu.Lock()
	list := make([]*opened, 0, len(f.open))
	for _, o := range f.open {
		list = append(list, o)
	}
	clear(f.grants)
	f.mu.Unlock()
	for _, o := range list {
		f.shut(p, o)
	}
	if err := f.root.Close(); err != nil {
		return fmt.Errorf("close the served folder: %w", err)
	}
	return nil
}

// Open returns how many files and folders are open.
func (f *Folder) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

// shut closes what was opened and voids its capability. Of two who do, the
// second does nothing.
func (f *Folder) shut(p *gate.Port, o *opened) {
	f.mu.Lock()
	_, there := f.open[o.badge]
	if there {
		delete(f.open, o.badge)
		o.grant.opened--
	}
	f.mu.Unlock()
	if !there {
		return
	}
	drop(p, o.handle)
	// Requests that are under way with it fail or succeed; either is fine, and
	// what a close could report was to be asked for with ops.Sync.
	if o.file != nil {
		_ = o.file.Close()
	}
	if o.place != nil {
		_ = o.place.Close()
	}
}
