package region

import (
	"cmp"
	"slices"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// Mapping says which part of a region appears in a space, and how.
type Mapping struct {
	// Space is where; never the kernel's own.
	Space platform.Space
	// Offset and Bytes are the part, in whole pages.
	Offset uint64
	Bytes  uint64
	// At is where in the space, in whole pages, for spaces whose keeper offers
	// places; zero is the region's own address plus the offset.
	At uint64
	// Access is shared or private.
	Access platform.Access
	// Key stands for the capability that the mapping is made with. When it
	// dies, ZeroWhere ends the mapping.
	Key uint64
	// Owner is who pays for the pages that a private mapping dirties.
	Owner uint64
	// Dead reports whether a key died. Map asks it at the moment when nothing
	// can come between the answer and the mapping; nil when the caller has
	// other means to keep revocations out.
	Dead func(key uint64) bool
}

// placed is a mapping that is in a space.
type placed struct {
	space   platform.Space
	address uint64
	bytes   uint64
	key     uint64
	owner   uint64
	settled uint64 // dirtied pages that were reported
	private bool   // placed private, or dead and so zero pages of its own
	dead    bool   // revoked: reads as zeros
}

// Map places a part of the region in a space and returns its address there,
// which is the region's plus the offset, as everywhere, or the one offered. It
// returns
//
//   - StatusBadArgument for an offset or length that is not in whole pages, a
//     length of zero, no such access, or the kernel's space;
//   - StatusRange when the part reaches past the region's end;
//   - StatusState when the region is destroyed;
//   - StatusRevoked when the key is dead;
//   - StatusOverlap when part of it is mapped in that space already, even by a
//     dead mapping;
//   - StatusLimit when the region has its limit of mappings;
//   - what the machine answers when it cannot place it.
func (r *Region) Map(m Mapping) (address uint64, status abi.Status) {
	switch {
	case m.Space == platform.SpaceKernel || m.Bytes == 0 || (m.Offset|m.Bytes|m.At)%platform.PageBytes != 0:
		return 0, abi.StatusBadArgument
	case m.Access != platform.AccessShared && m.Access != platform.AccessPrivate:
		return 0, abi.StatusBadArgument
	case m.Offset > r.bytes || m.Bytes > r.bytes-m.Offset:
		return 0, abi.StatusRange
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.placeLocked(m)
}

// placeLocked is Map after the checks that need no lock.
func (r *Region) placeLocked(m Mapping) (address uint64, status abi.Status) {
	address = r.address + m.Offset
	if m.At != 0 {
		address = m.At
	}
	i, taken := r.findLocked(m.Space, address)
	switch {
	case r.destroyed:
		return 0, abi.StatusState
	case m.Dead != nil && m.Dead(m.Key):
		return 0, abi.StatusRevoked
	case taken || r.overlapsLocked(i, m.Space, address, m.Bytes):
		return 0, abi.StatusOverlap
	case len(r.placed) >= mappingsMax:
		return 0, abi.StatusLimit
	}
	view := platform.View{
		Backing: r.backing, Address: address, Offset: m.Offset, Bytes: m.Bytes, Access: m.Access,
	}
	if status := r.arena.memory.Place(m.Space, view); status != abi.StatusOK {
		return 0, status
	}
	r.placed = slices.Insert(r.placed, i, placed{
		space: m.Space, address: address, bytes: m.Bytes, key: m.Key, owner: m.Owner,
		private: m.Access == platform.AccessPrivate,
	})
	return address, abi.StatusOK
}

// Unmap takes the mapping that begins at address out of a space; the
// addresses fault afterwards. It returns how many dirtied pages Settle
// reported for it, all of which are gone now, so that whoever paid gets them
// back; StatusBadArgument when no mapping begins there, StatusState when the
// region is destroyed.
func (r *Region) Unmap(s platform.Space, address uint64) (pages uint64, status abi.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.destroyed {
		return 0, abi.StatusState
	}
	i, found := r.findLocked(s, address)
	if !found {
		return 0, abi.StatusBadArgument
	}
	pages = r.placed[i].settled
	r.removeLocked(i, i+1, nil)
	return pages, abi.StatusOK
}

// UnmapSpace takes every mapping of the region out of a space, and calls
// returned for those with dirtied pages, as Unmap reports them; nil when nobody
// wants to know. It belongs before the platform's FreeSpace. It returns how
// many mappings there were.
func (r *Region) UnmapSpace(s platform.Space, returned func(owner, pages uint64)) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := r.findLocked(s, 0)
	end := first
	for end < len(r.placed) && r.placed[end].space == s {
		end++
	}
	r.removeLocked(first, end, returned)
	return end - first
}

// ZeroWhere replaces every mapping whose key is dead by zero pages, and
// returns how many it replaced. When it returns, no holder of those mappings
// reads or writes the region any more, nor does a Read or Write that was under
// way; the mappings stay placed, as zero pages, until they are unmapped.
//
// The caller makes the key dead first. A Map that asks about its key then
// either came before, and is replaced, or is refused.
func (r *Region) ZeroWhere(dead func(key uint64) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	zeroed := 0
	for i := range r.placed {
		p := &r.placed[i]
		if p.dead || !dead(p.key) {
			continue
		}
		r.arena.memory.Zero(p.space, p.address, p.bytes)
		p.dead, p.private = true, true
		zeroed++
	}
	return zeroed
}

// Dirtied returns how many pages of the mapping that begins at address were
// written and so became private copies, none for a shared one. The statuses
// are those of Unmap.
func (r *Region) Dirtied(s platform.Space, address uint64) (pages uint64, status abi.Status) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.destroyed {
		return 0, abi.StatusState
	}
	i, found := r.findLocked(s, address)
	if !found {
		return 0, abi.StatusBadArgument
	}
	return r.dirtiedLocked(&r.placed[i]), abi.StatusOK
}

// Settle calls charge for every mapping with pages dirtied since the last
// Settle, each page once. What was charged is returned when the mapping ends
// and not before: after a revocation the charge stands for the zero pages,
// which their holder can dirty just the same.
func (r *Region) Settle(charge func(owner, pages uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.placed {
		p := &r.placed[i]
		dirtied := r.dirtiedLocked(p)
		if dirtied <= p.settled {
			continue
		}
		charge(p.owner, dirtied-p.settled)
		p.settled = dirtied
	}
}

// Mappings returns how many mappings the region has, dead ones included.
func (r *Region) Mappings() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.placed)
}

// dirtiedLocked asks the machine for the private copies of a mapping.
func (r *Region) dirtiedLocked(p *placed) uint64 {
	if !p.private {
		return 0
	}
	dirtied := r.arena.memory.Dirtied(p.space, p.address, p.bytes)
	invariant.Always(dirtied <= p.bytes/platform.PageBytes, "region: no more pages dirtied than mapped")
	return dirtied
}

// findLocked returns where the mapping of a space that begins at address is
// or would be, and whether it is.
func (r *Region) findLocked(s platform.Space, address uint64) (int, bool) {
	return slices.BinarySearchFunc(r.placed, placed{space: s, address: address}, comparePlaced)
}

// comparePlaced orders mappings by space, then address.
func comparePlaced(p, q placed) int {
	if c := cmp.Compare(p.space, q.space); c != 0 {
		return c
	}
	return cmp.Compare(p.address, q.address)
}

// overlapsLocked reports whether a neighbour of index i reaches into the
// given addresses of a space.
//
// Preconditions:
//   - i is what findLocked answered for the first of the addresses.
func (r *Region) overlapsLocked(i int, s platform.Space, address, bytes uint64) bool {
	if i > 0 {
		before := &r.placed[i-1]
		if before.space == s && before.address+before.bytes > address {
			return true
		}
	}
	return i < len(r.placed) && r.placed[i].space == s && r.placed[i].address < address+bytes
}

// removeLocked takes the mappings from first to end out of their spaces, and
// calls returned, unless it is nil, for those with dirtied pages.
func (r *Region) removeLocked(first, end int, returned func(owner, pages uint64)) {
	for i := first; i < end; i++ {
		p := &r.placed[i]
		r.arena.memory.Remove(p.space, p.address, p.bytes)
		if p.settled > 0 && returned != nil {
			returned(p.owner, p.settled)
		}
	}
	r.placed = slices.Delete(r.placed, first, end)
}
