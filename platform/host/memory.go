package host

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// Create makes zeroed memory and places it in the kernel's space.
//
// It answers StatusNoMemory when the machine's memory is handed out,
// StatusLimit when there are too many placements or descriptors, and
// StatusOverlap when something is placed there.
//
//nolint:revive // flag-parameter: the interface has it
func (m *Machine) Create(address, bytes uint64, large bool) (platform.Backing, abi.Status) {
	if !m.inArena(address, bytes) {
		return 0, abi.StatusRange
	}
	if !m.take(bytes) {
		return 0, abi.StatusNoMemory
	}
	b, status := m.backings.create(bytes)
	if !status.OK() {
		m.give(bytes)
		return 0, status
	}
	v := platform.View{Backing: b, Address: address, Bytes: bytes, Access: platform.AccessShared}
	if status := m.Place(platform.SpaceKernel, v); !status.OK() {
		m.backings.destroy(b)
		m.give(bytes)
		return 0, status
	}
	if large && collapse(address, bytes) {
		m.backings.markLarge(b)
	}
	return b, abi.StatusOK
}

// Adopt places a backing of Import in the kernel's space. It is placed private,
// because its descriptor cannot be written through: the kernel never writes to
// it, and a page that is only read is the file's own in the cache of pages, the
// same for all who map it.
//
// StatusBadArgument for a backing that Import did not make, and those of Place.
func (m *Machine) Adopt(b platform.Backing, address, bytes uint64) abi.Status {
	if !m.backings.imported(b) {
		return abi.StatusBadArgument
	}
	return m.Place(platform.SpaceKernel, platform.View{Backing: b, Address: address, Bytes: bytes, Access: platform.AccessPrivate})
}

// Destroy takes the memory away from the kernel's space and frees it.
//
// Preconditions:
//   - b is placed at address in the kernel's space and nowhere else.
func (m *Machine) Destroy(b platform.Backing, address, bytes uint64) {
	invariant.Check(m.inArena(address, bytes), "platform/host: Destroy outside the arena")
	m.Unpin(address, bytes)
	m.Remove(platform.SpaceKernel, address, bytes)
	if invariant.Enabled {
		invariant.Check(m.uses(b) == 0, "platform/host: destroyed memory is still placed")
	}
	if size, found := m.backings.destroy(b); found {
		m.give(size)
	}
}

// Place shows bytes of a backing in a space. StatusBadArgument means no such
// space or backing, StatusOverlap that something is placed there already,
// StatusLimit that the process has no room for one more mapping.
func (m *Machine) Place(id platform.Space, v platform.View) abi.Status {
	if g, ok := m.guest(id); ok {
		return g.Place(v)
	}
	if !m.inArena(v.Address, v.Bytes) {
		return abi.StatusRange
	}
	if v.Offset%platform.PageBytes != 0 || v.Access != platform.AccessShared && v.Access != platform.AccessPrivate {
		return abi.StatusBadArgument
	}
	s := m.lock(id)
	if s == nil {
		return abi.StatusBadArgument
	}
	defer s.mu.Unlock()
	if status := m.admit(); !status.OK() {
		return status
	}
	if !s.table.Insert(v) {
		m.placed.Add(-1)
		return abi.StatusOverlap
	}
	if status := m.backings.place(m.at(s, v.Address), v); !status.OK() {
		s.table.Cut(v.Address, v.Bytes)
		m.placed.Add(-1)
		return status
	}
	return abi.StatusOK
}

// Remove takes away what is placed in the range; what is not stays so. A
// program that still touches it faults, so the kernel removes only what no
// program can reach.
func (m *Machine) Remove(id platform.Space, address, bytes uint64) {
	if g, ok := m.guest(id); ok {
		g.Remove(address, bytes)
		return
	}
	if !m.inArena(address, bytes) {
		return
	}
	s := m.lock(id)
	if s == nil {
		return
	}
	defer s.mu.Unlock()
	before := s.table.Len()
	s.table.Cut(address, bytes)
	m.recount(s, before)
	mapNothing(m.at(s, address), bytes)
}

// Zero replaces what is placed in the range by private zero pages; what is
// not placed stays so. Programs may be reading and writing it meanwhile: each
// access sees the old bytes or the zeros, and none faults. When it returns, no
// Write that was in progress has any further effect on the old bytes.
func (m *Machine) Zero(id platform.Space, address, bytes uint64) {
	if g, ok := m.guest(id); ok {
		g.Zero(address, bytes)
		return
	}
	if !m.inArena(address, bytes) {
		return
	}
	s := m.lock(id)
	if s == nil {
		return
	}
	defer s.mu.Unlock()
	end := address + bytes
	for at := address; at < end; {
		v, found := s.table.Next(at, end-at)
		if !found {
			break
		}
		mapZero(m.at(s, v.Address), v.Bytes)
		at = v.Address + v.Bytes
	}
	before := s.table.Len()
	s.table.Zero(address, bytes)
	m.recount(s, before)
}

// take counts bytes as handed out, if there are so many.
func (m *Machine) take(bytes uint64) bool {
	for {
		used := m.memoryBytes.Load()
		if bytes > m.memoryMax || used > m.memoryMax-bytes {
			return false
		}
		if m.memoryBytes.CompareAndSwap(used, used+bytes) {
			return true
		}
	}
}

func (m *Machine) give(bytes uint64) { m.memoryBytes.Add(-bytes) }

// uses counts the placements of b in all spaces, for checks only.
func (m *Machine) uses(b platform.Backing) int {
	n := 0
	for i := range m.spaces.slots {
		s := m.spaces.slots[i].Load()
		if s == nil {
			continue
		}
		s.mu.RLock()
		n += s.table.Uses(b)
		s.mu.RUnlock()
	}
	return n
}
