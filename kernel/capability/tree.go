package capability

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
)

// Relaxer lets others run while a revocation waits for the few instructions of
// an operation under way.
type Relaxer interface{ Relax() }

// Limits are the sizes of a tree, all fixed at its making.
type Limits struct {
	Nodes       uint32 // capabilities alive or not yet reclaimed
	Objects     uint32
	Spaces      uint32
	Generations uint64 // of a slot, after which it is retired
}

// DefaultLimits returns limits for a machine of a few thousand tasks.
func DefaultLimits() Limits {
	return Limits{Nodes: 1 << 20, Objects: 1 << 17, Spaces: 1 << 15, Generations: abi.GenerationMax - 1}
}

// Tree is the derivation tree of one kernel, with its objects and CSpaces.
type Tree struct {
	relax  Relaxer
	limits Limits

	// mu guards everything below, every node, and all writing of entries. It is
	// taken with lock.
	mu sync.Mutex
	// wanted counts those who wait for mu.
	wanted atomic.Int32

	nodes     []node // zero is not used
	freeNodes Node
	nodesFree uint32

	objects     []*Object // zero is not used
	freeObjects []uint32

	spaces     []*Space // zero is not used
	freeSpaces []uint32
	closing    []*Space // closed and not yet cleared

	graveyard Node
	epochs    uint64 // last object epoch given out, without its lowest bit
	ids       uint64
	events    *Object
}

// lock takes mu, and shows reclamation that somebody waits for it. Without
// contention that costs nothing. It tries for a while before it sleeps: the
// lock is held for microseconds, and to be woken takes tens of them.
func (t *Tree) lock() {
	if t.mu.TryLock() {
		return
	}
	t.wanted.Add(1)
	defer t.wanted.Add(-1)
	for range lockTurnsMax {
		if t.mu.TryLock() {
			return
		}
		t.relax.Relax()
	}
	t.mu.Lock()
}

// lockTurnsMax is how often lock tries before it sleeps.
const lockTurnsMax = 128

// New makes an empty tree. Every table has its full size from the start.
func New(relax Relaxer, limits Limits) *Tree {
	invariant.Always(limits.Nodes > 0 && limits.Objects > 0 && limits.Spaces > 0, "capability: a limit of zero")
	invariant.Always(limits.Generations > 0 && limits.Generations < abi.GenerationMax, "capability: generations out of range")
	t := &Tree{
		relax:   relax,
		limits:  limits,
		nodes:   make([]node, limits.Nodes+1),
		objects: make([]*Object, 1, 64),
		spaces:  make([]*Space, 1, 64),
	}
	for n := limits.Nodes; n > 0; n-- {
		t.nodes[n].next = t.freeNodes
		t.freeNodes = Node(n)
	}
	t.nodesFree = limits.Nodes
	return t
}

// Receivers returns how many capabilities to the object carry RECEIVE.
func (t *Tree) Receivers(o *Object) int {
	t.lock()
	defer t.mu.Unlock()
	return int(o.receivers)
}

// NewObject makes an object with one hold on it, the caller's, so that it
// cannot go before a capability to it exists. Let go of it with [Tree.Drop].
// self is what [Object.Self] returns.
//
// StatusLimit when there are too many objects.
func (t *Tree) NewObject(typ abi.ObjectType, self any) (*Object, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	o, status := t.newObject(typ, self)
	if status == abi.StatusOK {
		o.refs = 1
	}
	return o, status
}

// newObject is NewObject without the hold and the lock.
func (t *Tree) newObject(typ abi.ObjectType, self any) (*Object, abi.Status) {
	var index uint32
	switch n := len(t.freeObjects); {
	case n > 0:
		index = t.freeObjects[n-1]
		t.freeObjects = t.freeObjects[:n-1]
	case len(t.objects) <= int(t.limits.Objects):
		index = uint32(len(t.objects)) //nolint:gosec // G115: at most Limits.Objects
		t.objects = append(t.objects, nil)
	default:
		return nil, abi.StatusLimit
	}
	t.ids++
	o := &Object{self: self, id: t.ids, typ: typ, index: index}
	t.epochs += 2
	o.epoch.Store(t.epochs)
	t.objects[index] = o
	return o, abi.StatusOK
}

// Origin says what the first capability to an object is.
type Origin struct {
	Rights  abi.Rights // to use and to pass on
	Badge   uint64
	Ceiling abi.Label
	// MoveOnly is set when no copy can ever be made.
	MoveOnly bool
}

// Original installs the first capability to an object. It is how authority comes into being: the gate calls
// it for what a task makes out of its own budget, and the boot manifest's
// reader for the rest.
//
// StatusTableFull or StatusLimit.
func (t *Tree) Original(s *Space, o *Object, first Origin) (abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	return t.original(s, o, first)
}

// Issue is NewObject, Original and Drop in one: an object that lives by its
// capability alone. Calls that are queued make one each, so the lock is taken
// once. When it fails there is no object.
func (t *Tree) Issue(s *Space, typ abi.ObjectType, self any, first Origin) (*Object, abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	o, status := t.newObject(typ, self)
	if status != abi.StatusOK {
		return nil, 0, status
	}
	h, status := t.original(s, o, first)
	if status != abi.StatusOK {
		t.forget(o)
		return nil, 0, status
	}
	return o, h, abi.StatusOK
}

// original is Original under the lock.
func (t *Tree) original(s *Space, o *Object, first Origin) (abi.Handle, abi.Status) {
	if s.closed || len(s.free) == 0 {
		return 0, abi.StatusTableFull
	}
	n, ok := t.take()
	if !ok {
		return 0, abi.StatusLimit
	}
	d := &t.nodes[n]
	d.object, d.rights, d.pass, d.badge = o.index, first.Rights, first.Rights, first.Badge
	d.ceiling, d.uses, d.copies = first.Ceiling, abi.Unlimited, abi.Unlimited
	if first.MoveOnly {
		d.copies = 0
	}
	d.state = nodeHeld
	t.count(d)
	return s.install(n), abi.StatusOK
}

// Hold keeps an object that the kernel itself refers to, such as a timer's
// notification; Drop lets it go. It reports false when the object has lost its
// last reference since it was looked up: it is being released and stays so.
func (t *Tree) Hold(o *Object) bool {
	t.lock()
	defer t.mu.Unlock()
	if o.refs == 0 {
		return false
	}
	o.refs++
	return true
}

// Drop lets go of a hold. When it was the last reference the object turns up
// in [Tree.Event].
func (t *Tree) Drop(o *Object) {
	t.lock()
	t.drop(o)
	t.mu.Unlock()
}

func (t *Tree) drop(o *Object) {
	invariant.Always(o.refs > 0, "capability: a reference was dropped twice")
	o.refs--
	if o.refs == 0 {
		t.event(o)
	}
}

// count adds the references that a new node is.
func (t *Tree) count(d *node) {
	o := t.objects[d.object]
	o.refs++
	if (d.rights | d.pass).Has(abi.RightReceive) {
		o.receivers++
	}
	if d.payer != 0 {
		t.objects[d.payer].refs++
	}
}

// event puts an object where Event finds it.
func (t *Tree) event(o *Object) {
	if o.queued {
		return
	}
	o.queued = true
	o.next, t.events = t.events, o
}

// What happened to an object.
type What uint8

// The events, of which one object can have several at once.
const (
	// Released: nothing refers to the object any more, so that what it stands
	// for must be freed now. It comes exactly once, and last.
	Released What = 1 << iota
	// Orphaned: its last capability with RECEIVE went, so that nobody will
	// ever answer.
	Orphaned
	// Cut: capabilities to it were revoked because of a death, so that what
	// was begun with them must be ended, as after [Tree.Revoke].
	Cut
)

// Event returns an object to which something happened since the last call, and
// what; nil when there is nothing to do.
func (t *Tree) Event() (*Object, What) {
	t.lock()
	defer t.mu.Unlock()
	for t.events != nil {
		o := t.events
		t.events, o.next, o.queued = o.next, nil, false
		var what What
		if o.cut {
			what, o.cut = Cut, false
		}
		if o.receivers == 0 {
			what |= Orphaned
		}
		if o.refs == 0 {
			t.forget(o)
			what |= Released
		}
		if what != 0 {
			return o, what
		}
	}
	return nil, 0
}

// forget takes an object to which nothing refers out of the table.
func (t *Tree) forget(o *Object) {
	t.objects[o.index] = nil
	t.freeObjects = append(t.freeObjects, o.index)
}

func (t *Tree) takeSpaceIndex() (uint32, bool) {
	if n := len(t.freeSpaces); n > 0 {
		index := t.freeSpaces[n-1]
		t.freeSpaces = t.freeSpaces[:n-1]
		return index, true
	}
	if len(t.spaces) > int(t.limits.Spaces) {
		return 0, false
	}
	t.spaces = append(t.spaces, nil)
	return uint32(len(t.spaces) - 1), true //nolint:gosec // G115: at most Limits.Spaces
}
