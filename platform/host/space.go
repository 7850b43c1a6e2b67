package host

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
	"phios/platform/internal/placement"
)

// A Space is a slot's index in the low bits and the slot's generation above.
const (
	spaceIndexBits     = 12
	spaceIndexMask     = 1<<spaceIndexBits - 1
	spaceGenerationMax = 1<<(31-spaceIndexBits) - 1 // the top bit is spaceGuest
)

// Every index has room.
const _ = uint(spaceIndexMask - SpacesMax)

// spaces is the table of address spaces. Slot 0 is the kernel's.
type spaces struct {
	slots [SpacesMax + 1]atomic.Pointer[space] // set once each

	mu    sync.Mutex
	free  []uint32 // guarded by mu: indices whose reservation awaits reuse
	taken uint32   // guarded by mu: slots 1 to taken have been set
}

// space is one address space. Its reservation outlives the space and serves
// the next one in the slot, so that a base never moves.
type space struct {
	base uint64 // immutable

	// mu is held shared while bytes are copied and alone while anything is
	// placed or taken away, so that no copy meets a page that has gone.
	mu         sync.RWMutex
	table      placement.Table // guarded by mu
	generation uint32          // guarded by mu
	live       bool            // guarded by mu
}

// NewSpace makes an empty address space: StatusLimit when there are
// SpacesMax, StatusNoMemory when the process has no addresses left.
func (m *Machine) NewSpace() (platform.Space, abi.Status) {
	m.spaces.mu.Lock()
	defer m.spaces.mu.Unlock()
	index, s := m.spaces.reuse()
	if s == nil {
		if m.spaces.taken == SpacesMax {
			return 0, abi.StatusLimit
		}
		index = m.spaces.taken + 1
		base, err := reserve(m.arena+uint64(index)*m.arenaBytes, m.arenaBytes)
		if err != nil {
			return 0, abi.StatusNoMemory
		}
		s = &space{base: base}
		m.spaces.slots[index].Store(s)
		m.spaces.taken = index
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = true
	return platform.Space(s.generation<<spaceIndexBits | index), abi.StatusOK
}

// reuse takes a slot whose space was freed, nil when there is none. The caller
// holds mu.
func (t *spaces) reuse() (uint32, *space) {
	if len(t.free) == 0 {
		return 0, nil
	}
	index := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	return index, t.slots[index].Load()
}

// FreeSpace takes the space and everything placed in it away. A space that is
// gone already, and the kernel's, are left alone.
func (m *Machine) FreeSpace(id platform.Space) {
	if id&spaceGuest != 0 {
		m.freeGuest(id)
		return
	}
	m.spaces.mu.Lock()
	defer m.spaces.mu.Unlock()
	s := m.lock(id)
	if s == nil {
		return
	}
	defer s.mu.Unlock()
	if id == platform.SpaceKernel {
		return
	}
	mapNothing(s.base, m.arenaBytes)
	m.placed.Add(-int64(s.table.Len()))
	s.table.Reset()
	s.live = false
	// A slot that has used up its generations is retired: its number never
	// names another space.
	if s.generation < spaceGenerationMax {
		s.generation++
		m.spaces.free = append(m.spaces.free, uint32(id)&spaceIndexMask)
	}
}

// SpaceBase returns the address in this process at which the arena begins in
// a space, and whether there is such a space. In-process programs add to it
// the offset of an address in the arena.
func (m *Machine) SpaceBase(id platform.Space) (uint64, bool) {
	s := m.rlock(id)
	if s == nil {
		return 0, false
	}
	defer s.mu.RUnlock()
	return s.base, true
}

// lock returns the space with its mu held, or nil when there is none by that
// number.
func (m *Machine) lock(id platform.Space) *space {
	s := m.slot(id)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	if !s.is(id) {
		s.mu.Unlock()
		return nil
	}
	return s
}

// rlock is lock for those who only copy.
func (m *Machine) rlock(id platform.Space) *space {
	s := m.slot(id)
	if s == nil {
		return nil
	}
	s.mu.RLock()
	if !s.is(id) {
		s.mu.RUnlock()
		return nil
	}
	return s
}

// slot returns what is, or was, in the slot that id names.
func (m *Machine) slot(id platform.Space) *space {
	return m.spaces.slots[uint32(id)&spaceIndexMask].Load()
}

// is reports whether s is the space of that number. The caller holds mu.
func (s *space) is(id platform.Space) bool {
	return s.live && s.generation == uint32(id)>>spaceIndexBits
}

// at returns where an arena address lies in this process in the space s.
func (m *Machine) at(s *space, address uint64) uint64 { return address - m.arena + s.base }

// recount brings the machine's count of placements up to date after s had
// before of them. The caller holds s.mu.
func (m *Machine) recount(s *space, before int) {
	placed := m.placed.Add(int64(s.table.Len() - before))
	// Place leaves an eighth of the limit for placements that are split. Who
	// uses that up splits without bound; going on would make revocation fail.
	invariant.Always(placed <= m.placedMax, "platform/host: placements were split without bound")
}
