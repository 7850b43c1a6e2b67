package capability

import (
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/internal/schedule"
)

// SlotsMax is the largest number of slots of a CSpace.
const SlotsMax = abi.HandleIndexMax

// The states of a slot, in the low bits of its tag.
const (
	slotFree    = 0 // never used, or its capability was deleted or moved
	slotLive    = 1
	slotTransit = 2 // its capability is on its way in a message
	slotRevoked = 3 // free, and its last capability was revoked
	slotBits    = 2
	slotMask    = 1<<slotBits - 1
)

// The marks of an entry: what the gate must look at beyond rights.
const (
	markLimited = 1 << iota // uses or expiry
	markCeiling
	markWindow
	markSealed
	markPayer
)

// entry is one slot: one cache line. Everything in it is written under
// Tree.mu, with the tag last, and read without a lock, with the tag first and
// last. As no tag is used twice, two equal reads of it bracket one capability.
type entry struct {
	tag  atomic.Uint64 // generation << slotBits | state
	obj  atomic.Pointer[Object]
	seen atomic.Uint64 // epoch of obj at which the chain was whole
	both atomic.Uint64 // rights | pass << 32
	bdg  atomic.Uint64
	aux  atomic.Uint64 // node | marks << 32
	key  atomic.Uint64
	_    uint64
}

// Space is the CSpace of one task: a table of slots whose size is fixed at
// its making.
type Space struct {
	tree    *Tree
	entries []entry
	owner   uint64

	// Guarded by tree.mu.

	free    []uint32 // indices of free slots, used as a stack
	index   uint32   // in tree.spaces
	cursor  uint32   // how far the clearing of a closed space is
	retired uint32   // slots whose generations are used up
	live    uint32   // slots that are live or in transit
	closed  bool
}

// NewSpace makes a CSpace of the given number of slots for a task.
//
// StatusBadArgument for a size of zero or over SlotsMax, StatusLimit when the
// tree has its limit of spaces.
func (t *Tree) NewSpace(owner uint64, slots uint32) (*Space, abi.Status) {
	if slots == 0 || slots > SlotsMax {
		return nil, abi.StatusBadArgument
	}
	t.lock()
	defer t.mu.Unlock()
	index, ok := t.takeSpaceIndex()
	if !ok {
		return nil, abi.StatusLimit
	}
	s := &Space{tree: t, entries: make([]entry, slots), owner: owner, index: index}
	s.free = make([]uint32, 0, slots)
	for i := slots; i > 0; i-- {
		s.free = append(s.free, i-1)
	}
	t.spaces[index] = s
	return s, abi.StatusOK
}

// Room reports whether n more capabilities fit now.
func (s *Space) Room(n int) bool {
	s.tree.lock()
	defer s.tree.mu.Unlock()
	return !s.closed && len(s.free) >= n
}

// Owner returns the number that NewSpace was given.
func (s *Space) Owner() uint64 { return s.owner }

// Slots returns how many slots are in use, and how many there are.
func (s *Space) Slots() (used, size uint32) {
	s.tree.lock()
	defer s.tree.mu.Unlock()
	return s.live, uint32(len(s.entries)) //nolint:gosec // G115: at most SlotsMax
}

// Lookup finds what the handle names and checks that the holder may exercise
// every right of need. See [Space.LookupInto], which it is but for the copy.
func (s *Space) Lookup(h abi.Handle, need abi.Rights) (Ref, abi.Status) {
	var r Ref
	status := s.LookupInto(&r, h, need)
	return r, status
}

// LookupInto is the fast path: no lock, no allocation, and a cost that depends
// neither on the number of capabilities nor on their depth. It fills in r,
// because a struct of this size costs as much to return as all the rest; with
// a status other than StatusOK, r means nothing.
//
// StatusBadHandle, StatusRevoked or StatusRights.
func (s *Space) LookupInto(r *Ref, h abi.Handle, need abi.Rights) abi.Status {
	i := int(h.Index())
	if i >= len(s.entries) {
		return abi.StatusBadHandle
	}
	e := &s.entries[i]
	tag := e.tag.Load()
	if tag != uint64(h)>>abi.HandleIndexBits<<slotBits|slotLive && !staleButAccepted(tag) {
		return e.why(h)
	}
	o, seen, both := e.obj.Load(), e.seen.Load(), e.both.Load()
	r.Object, r.seen, r.both = o, seen, both
	r.Badge, r.aux, r.key = e.bdg.Load(), e.aux.Load(), Key(e.key.Load())
	schedule.Point()
	if o == nil || o.epoch.Load() != seen || e.tag.Load() != tag {
		return s.lookupSlow(r, h, need)
	}
	if both&uint64(need) != uint64(need) {
		return abi.StatusRights
	}
	return abi.StatusOK
}

// staleButAccepted is the mutant that forgets to compare generations.
func staleButAccepted(tag uint64) bool {
	return mutant.On(mutant.LookupIgnoresGeneration) && tag&slotMask == slotLive
}

// why says what became of a handle whose tag is not in its slot.
func (e *entry) why(h abi.Handle) abi.Status {
	if e.tag.Load() == h.Generation()<<slotBits|slotRevoked && h != 0 {
		return abi.StatusRevoked
	}
	return abi.StatusBadHandle
}

// lookupSlow walks the chain, once after each revocation, and remembers that
// it was whole.
func (s *Space) lookupSlow(r *Ref, h abi.Handle, need abi.Rights) abi.Status {
	s.tree.lock()
	defer s.tree.mu.Unlock()
	found, status := s.find(h)
	if status == abi.StatusOK && !found.Rights().Has(need) {
		return abi.StatusRights
	}
	*r = found
	return status
}

// find is Lookup under the lock, without rights: the only authority on what a
// handle names while something is being changed. It refreshes the entry.
func (s *Space) find(h abi.Handle) (Ref, abi.Status) {
	i := int(h.Index())
	if i >= len(s.entries) || s.closed {
		return Ref{}, abi.StatusBadHandle
	}
	e := &s.entries[i]
	tag := e.tag.Load()
	if tag != h.Generation()<<slotBits|slotLive && !staleButAccepted(tag) {
		return Ref{}, e.why(h)
	}
	r := Ref{Object: e.obj.Load(), Badge: e.bdg.Load(), both: e.both.Load(), aux: e.aux.Load(), key: Key(e.key.Load())}
	r.seen = r.Object.epoch.Load()
	if e.seen.Load() != r.seen {
		if !s.tree.whole(r.Node()) && !mutant.On(mutant.WalkSkipped) {
			return Ref{}, abi.StatusRevoked
		}
		e.seen.Store(r.seen)
	}
	return r, abi.StatusOK
}

// install puts node n into a free slot and returns its handle.
//
// Preconditions:
//   - tree.mu is held
//   - a slot is free
func (s *Space) install(n Node) abi.Handle {
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.live++
	e := &s.entries[i]
	generation := e.tag.Load()>>slotBits + 1
	if mutant.On(mutant.GenerationReused) && generation > 1 {
		generation--
	}
	s.tree.nodes[n].space, s.tree.nodes[n].slot = s.index, i
	s.fill(e, n)
	e.tag.Store(generation<<slotBits | slotLive)
	return abi.MakeHandle(i, generation)
}

// fill copies into the entry what the fast path asks for.
func (s *Space) fill(e *entry, n Node) {
	d := &s.tree.nodes[n]
	o := s.tree.objects[d.object]
	e.obj.Store(o)
	e.both.Store(uint64(d.rights) | uint64(d.pass)<<32)
	e.bdg.Store(d.badge)
	e.aux.Store(uint64(n) | uint64(d.marks())<<32)
	e.key.Store(uint64(n) | uint64(d.birth)<<32)
	e.seen.Store(o.epoch.Load())
}

// clear empties the slot and gives it back, unless its generations are used
// up: then it is retired, so that no handle ever comes back to life.
//
// Preconditions:
//   - tree.mu is held
func (s *Space) clear(i uint32, state uint64) {
	e := &s.entries[i]
	generation := e.tag.Load() >> slotBits
	e.tag.Store(generation<<slotBits | state)
	e.obj.Store(nil)
	s.live--
	if generation >= s.tree.limits.Generations {
		s.retired++
		return
	}
	s.free = append(s.free, i)
}
