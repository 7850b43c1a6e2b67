package host

import (
	"sync"

	"phios/abi"
	"phios/platform"
)

// spaceGuest marks the number of a space that a Guest keeps.
const spaceGuest = 1 << 31

// GuestsMax is the number of guest spaces that there can be at once.
const GuestsMax = 1 << 20

// Guest is an address space that somebody else keeps: the linear memory of a
// WebAssembly program, or another process. Addresses mean what its keeper says
// they mean. All methods may be called from any goroutine, also when what they
// are about has gone; then they do nothing.
type Guest interface {
	// Place shows a view of a backing, found with Machine.Descriptor.
	// StatusRange for an address that the guest does not have, StatusOverlap.
	Place(v platform.View) abi.Status
	// Remove takes away what Place showed.
	Remove(address, bytes uint64)
	// Zero replaces what is placed by private zero pages. When it returns, the
	// guest neither reads nor writes the backing any more.
	Zero(address, bytes uint64)
	// Dirtied returns how many pages of private placements are copies.
	Dirtied(address, bytes uint64) uint64
}

// guests are the spaces that others keep, by number. A number is never used
// again.
type guests struct {
	mu   sync.RWMutex
	of   map[platform.Space]Guest // guarded by mu
	last uint32                   // guarded by mu
}

// NewGuest makes an address space that g keeps. The kernel frees it with the
// task that has it. StatusLimit.
func (m *Machine) NewGuest(g Guest) (platform.Space, abi.Status) {
	m.guests.mu.Lock()
	defer m.guests.mu.Unlock()
	if len(m.guests.of) >= GuestsMax || m.guests.last == spaceGuest-1 {
		return 0, abi.StatusLimit
	}
	if m.guests.of == nil {
		m.guests.of = map[platform.Space]Guest{}
	}
	m.guests.last++
	id := platform.Space(m.guests.last | spaceGuest)
	m.guests.of[id] = g
	return id, abi.StatusOK
}

// guest returns who keeps the space, and whether it is a guest space at all;
// nobody keeps one that was freed.
func (m *Machine) guest(id platform.Space) (Guest, bool) {
	if id&spaceGuest == 0 {
		return nil, false
	}
	m.guests.mu.RLock()
	defer m.guests.mu.RUnlock()
	g, ok := m.guests.of[id]
	if !ok {
		return nobody{}, true
	}
	return g, true
}

func (m *Machine) freeGuest(id platform.Space) {
	m.guests.mu.Lock()
	delete(m.guests.of, id)
	m.guests.mu.Unlock()
}

// nobody keeps a space that was freed.
type nobody struct{}

func (nobody) Place(platform.View) abi.Status { return abi.StatusBadArgument }
func (nobody) Remove(uint64, uint64)          {}
func (nobody) Zero(uint64, uint64)            {}
func (nobody) Dirtied(uint64, uint64) uint64  { return 0 }
