package sim

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
	"phios/platform/internal/placement"
)

// page is the contents of one page. A page that nobody wrote is nil.
type page [platform.PageBytes]byte

// memory is the machine's memory: plain bytes, with the tables that say what
// is where.
type memory struct {
	spaces   []*space   // by Space; nil when freed, so that no number comes back
	backings []*backing // by Backing less one; likewise
	pins     placement.Table
	pinned   uint64 // bytes
	used     uint64 // bytes
	placed   int
	zeros    page // what a page that nobody wrote reads as; nobody writes it
}

// space is one address space.
type space struct {
	table placement.Table
	// private holds the pages of private placements that were written, by
	// address. It is never iterated over.
	private map[uint64]*page
}

// backing is one memory object.
type backing struct {
	pages []*page
	given bool // by Import, and so no memory of the machine's
}

// NewSpace makes an empty address space.
func (m *Machine) NewSpace() (platform.Space, abi.Status) {
	if len(m.memory.spaces) > SpacesMax {
		return 0, abi.StatusLimit
	}
	m.memory.spaces = append(m.memory.spaces, &space{private: map[uint64]*page{}})
	return platform.Space(len(m.memory.spaces) - 1), abi.StatusOK //nolint:gosec // G115: at most SpacesMax
}

// FreeSpace takes the space and everything placed in it away.
func (m *Machine) FreeSpace(id platform.Space) {
	s := m.space(id)
	if s == nil || id == platform.SpaceKernel {
		return
	}
	m.memory.placed -= s.table.Len()
	m.memory.spaces[id] = nil
}

// Create makes zeroed memory and places it in the kernel's space. Large pages
// are the same as others here.
func (m *Machine) Create(address, bytes uint64, _ bool) (platform.Backing, abi.Status) {
	if !m.inArena(address, bytes) {
		return 0, abi.StatusRange
	}
	if m.fault(m.config.Faults.NoMemory) || bytes > m.config.MemoryBytes-m.memory.used {
		return 0, abi.StatusNoMemory
	}
	m.memory.backings = append(m.memory.backings, &backing{pages: make([]*page, bytes/platform.PageBytes)})
	b := platform.Backing(len(m.memory.backings))
	v := platform.View{Backing: b, Address: address, Bytes: bytes, Access: platform.AccessShared}
	if status := m.Place(platform.SpaceKernel, v); !status.OK() {
		m.memory.backings = m.memory.backings[:b-1]
		return 0, status
	}
	m.memory.used += bytes
	return b, abi.StatusOK
}

// Import makes a backing of bytes, which are copied, as host.Machine makes one
// of a file. It is adopted before long.
func (m *Machine) Import(content []byte) platform.Backing {
	b := &backing{given: true}
	for len(content) > 0 {
		p := &page{}
		content = content[copy(p[:], content):]
		b.pages = append(b.pages, p)
	}
	m.memory.backings = append(m.memory.backings, b)
	return platform.Backing(len(m.memory.backings))
}

// Adopt places a backing of Import in the kernel's space.
func (m *Machine) Adopt(b platform.Backing, address, bytes uint64) abi.Status {
	if object := m.backing(b); object == nil || !object.given {
		return abi.StatusBadArgument
	}
	return m.Place(platform.SpaceKernel, platform.View{Backing: b, Address: address, Bytes: bytes, Access: platform.AccessPrivate})
}

// Destroy takes the memory away from the kernel's space and frees it.
//
// Preconditions:
//   - b is placed at address in the kernel's space and nowhere else.
func (m *Machine) Destroy(b platform.Backing, address, bytes uint64) {
	object := m.backing(b)
	if object == nil {
		return
	}
	m.Unpin(address, bytes)
	m.Remove(platform.SpaceKernel, address, bytes)
	for _, s := range m.memory.spaces {
		invariant.Always(s == nil || s.table.Uses(b) == 0, "platform/sim: destroyed memory is still placed")
	}
	if !object.given {
		m.memory.used -= uint64(len(object.pages)) * platform.PageBytes
	}
	m.memory.backings[b-1] = nil
}

// Place shows bytes of a backing in a space, with the statuses of the host.
func (m *Machine) Place(id platform.Space, v platform.View) abi.Status {
	if !m.inArena(v.Address, v.Bytes) {
		return abi.StatusRange
	}
	if v.Offset%platform.PageBytes != 0 || v.Access != platform.AccessShared && v.Access != platform.AccessPrivate {
		return abi.StatusBadArgument
	}
	s, object := m.space(id), m.backing(v.Backing)
	if s == nil {
		return abi.StatusBadArgument
	}
	if m.memory.placed >= PlacementsMax {
		return abi.StatusLimit
	}
	if _, found := s.table.Next(v.Address, v.Bytes); found {
		return abi.StatusOverlap
	}
	if object == nil {
		return abi.StatusBadArgument
	}
	size := uint64(len(object.pages)) * platform.PageBytes
	if v.Offset > size || v.Bytes > size-v.Offset {
		return abi.StatusRange
	}
	m.memory.placed++
	s.table.Insert(v)
	return abi.StatusOK
}

// Remove takes away what is placed in the range.
func (m *Machine) Remove(id platform.Space, address, bytes uint64) {
	if s := m.space(id); s != nil && m.inArena(address, bytes) {
		before := s.table.Len()
		s.table.Cut(address, bytes)
		s.forget(address, bytes)
		m.memory.placed += s.table.Len() - before
	}
}

// Zero replaces what is placed in the range by private zero pages.
func (m *Machine) Zero(id platform.Space, address, bytes uint64) {
	if s := m.space(id); s != nil && m.inArena(address, bytes) {
		before := s.table.Len()
		s.table.Zero(address, bytes)
		s.forget(address, bytes)
		m.memory.placed += s.table.Len() - before
	}
}

// Dirtied returns how many pages of the private placements in the range were
// written.
func (m *Machine) Dirtied(id platform.Space, address, bytes uint64) uint64 {
	s := m.space(id)
	if s == nil || !m.inArena(address, bytes) {
		return 0
	}
	var own uint64
	for at := address; at < address+bytes; at += platform.PageBytes {
		if s.private[at] != nil {
			own++
		}
	}
	return own
}

// Pin counts the range of the kernel's space as pinned. Pins do not nest.
func (m *Machine) Pin(address, bytes uint64) abi.Status {
	s := m.space(platform.SpaceKernel)
	if !m.inArena(address, bytes) || !s.table.Covers(address, bytes) {
		return abi.StatusRange
	}
	fresh := bytes - m.pinnedWithin(address, bytes)
	if fresh > m.config.PinBytes-m.memory.pinned {
		return abi.StatusPinLimit
	}
	m.memory.pins.Cut(address, bytes)
	m.memory.pins.Insert(platform.View{Backing: 1, Address: address, Bytes: bytes})
	m.memory.pinned += fresh
	return abi.StatusOK
}

// Unpin ends it.
func (m *Machine) Unpin(address, bytes uint64) {
	if m.inArena(address, bytes) {
		m.memory.pinned -= m.pinnedWithin(address, bytes)
		m.memory.pins.Cut(address, bytes)
	}
}

func (m *Machine) pinnedWithin(address, bytes uint64) uint64 {
	var pinned uint64
	for end := address + bytes; address < end; {
		v, found := m.memory.pins.Next(address, end-address)
		if !found {
			break
		}
		pinned += v.Bytes
		address = v.Address + v.Bytes
	}
	return pinned
}

// Read copies what is placed at address in a space.
func (m *Machine) Read(id platform.Space, address uint64, to []byte) abi.Status {
	s, status := m.reach(id, address, uint64(len(to)))
	for status.OK() && len(to) > 0 {
		n := copy(to, m.load(s, address)[address%platform.PageBytes:])
		to = to[n:]
		address += uint64(n) //nolint:gosec // G115: at most a page
	}
	return status
}

// Write copies to what is placed at address in a space.
func (m *Machine) Write(id platform.Space, address uint64, from []byte) abi.Status {
	s, status := m.reach(id, address, uint64(len(from)))
	for status.OK() && len(from) > 0 {
		n := copy(m.store(s, address)[address%platform.PageBytes:], from)
		from = from[n:]
		address += uint64(n) //nolint:gosec // G115: at most a page
	}
	return status
}

// reach returns the space when all of the range is placed in it.
func (m *Machine) reach(id platform.Space, address, n uint64) (*space, abi.Status) {
	s := m.space(id)
	if s == nil {
		return nil, abi.StatusBadArgument
	}
	offset := address - arena
	if offset > m.config.ArenaBytes || n > m.config.ArenaBytes-offset || !s.table.Covers(address, n) {
		return nil, abi.StatusRange
	}
	return s, abi.StatusOK
}

// load returns the page that is read at an address that is placed in s.
func (m *Machine) load(s *space, address uint64) *page {
	at := address &^ (platform.PageBytes - 1)
	if own := s.private[at]; own != nil {
		return own
	}
	if slot := m.shared(s, at); slot != nil && *slot != nil {
		return *slot
	}
	return &m.memory.zeros
}

// store returns the page that is written at an address that is placed in s,
// and makes it: a private copy where the placement is private.
func (m *Machine) store(s *space, address uint64) *page {
	at := address &^ (platform.PageBytes - 1)
	if v, _ := s.table.Next(at, platform.PageBytes); v.Access == platform.AccessShared {
		slot := m.shared(s, at)
		if *slot == nil {
			*slot = new(page)
		}
		return *slot
	}
	own := s.private[at]
	if own == nil {
		own = new(page)
		*own = *m.load(s, at)
		s.private[at] = own
	}
	return own
}

// shared returns where the backing keeps the page that is placed at an address
// in s; nil for a zero page, which has no backing.
func (m *Machine) shared(s *space, at uint64) **page {
	v, found := s.table.Next(at, platform.PageBytes)
	invariant.Always(found, "platform/sim: a page that was found placed is not")
	if v.Backing == 0 {
		return nil
	}
	return &m.memory.backings[v.Backing-1].pages[v.Offset/platform.PageBytes]
}

// forget drops the private pages of a range.
func (s *space) forget(address, bytes uint64) {
	for at := address; at < address+bytes && len(s.private) > 0; at += platform.PageBytes {
		delete(s.private, at)
	}
}

// space returns the space by that number, nil when there is none.
func (m *Machine) space(id platform.Space) *space {
	if uint64(id) >= uint64(len(m.memory.spaces)) {
		return nil
	}
	return m.memory.spaces[id]
}

// backing returns the memory object of that number, nil when there is none.
func (m *Machine) backing(b platform.Backing) *backing {
	if b-1 >= platform.Backing(len(m.memory.backings)) {
		return nil
	}
	return m.memory.backings[b-1]
}

// inArena reports whether the range is not empty, whole pages, and in the
// arena.
func (m *Machine) inArena(address, bytes uint64) bool {
	offset := address - arena
	return bytes != 0 && (address|bytes)%platform.PageBytes == 0 &&
		offset < m.config.ArenaBytes && bytes <= m.config.ArenaBytes-offset
}

// LargePages reports false: a simulated page is of one size.
func (m *Machine) LargePages(platform.Backing) bool { return false }
