package host

import (
	"sync"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
	"phios/platform/internal/placement"
)

// pins is what is kept in physical memory of the kernel's space.
type pins struct {
	bytesMax uint64 // immutable

	mu    sync.Mutex
	table placement.Table // guarded by mu
	bytes uint64          // guarded by mu: the size of what is in table
}

// pinned stands for the backing in views of the table of pins, in which only
// the ranges matter.
const pinned platform.Backing = 1

// Pin keeps the range of the kernel's space in physical memory. Pins do not
// nest, as mlock does not: pinning what is pinned is no change, and one Unpin
// ends it. StatusPinLimit means that the machine's or the host's limit forbids
// it, StatusRange that the range is not all placed.
func (m *Machine) Pin(address, bytes uint64) abi.Status {
	if !m.inArena(address, bytes) {
		return abi.StatusRange
	}
	s := m.rlock(platform.SpaceKernel)
	defer s.mu.RUnlock()
	if !s.table.Covers(address, bytes) {
		return abi.StatusRange
	}
	m.pins.mu.Lock()
	defer m.pins.mu.Unlock()
	fresh := bytes - m.pins.within(address, bytes)
	if fresh > m.pins.bytesMax || m.pins.bytes > m.pins.bytesMax-fresh {
		return abi.StatusPinLimit
	}
	// Each pin splits a mapping at most twice, as a placement does.
	if status := m.admit(); !status.OK() {
		return status
	}
	if err := unix.Mlock(bytesAt(m.at(s, address), bytes)); err != nil {
		m.unlock(s, address, bytes)
		m.placed.Add(-1)
		return abi.StatusPinLimit
	}
	m.placed.Add(-1)
	before := m.pins.table.Len()
	m.pins.table.Cut(address, bytes)
	m.pins.table.Insert(platform.View{Backing: pinned, Address: address, Bytes: bytes})
	m.pins.bytes += fresh
	m.placed.Add(int64(m.pins.table.Len() - before))
	return abi.StatusOK
}

// Unpin lets the range go; what of it is not pinned stays so.
func (m *Machine) Unpin(address, bytes uint64) {
	if !m.inArena(address, bytes) {
		return
	}
	s := m.rlock(platform.SpaceKernel)
	defer s.mu.RUnlock()
	m.pins.mu.Lock()
	defer m.pins.mu.Unlock()
	held := m.pins.within(address, bytes)
	if held == 0 {
		return
	}
	before := m.pins.table.Len()
	m.pins.table.Cut(address, bytes)
	m.pins.bytes -= held
	m.placed.Add(int64(m.pins.table.Len() - before))
	m.unlock(s, address, bytes)
}

// unlock lets Linux page out what of the range is not pinned. The caller holds
// s.mu and pins.mu.
func (m *Machine) unlock(s *space, address, bytes uint64) {
	// Only gaps between pins: a failed Pin must not end those that it overlaps.
	end := address + bytes
	for address < end {
		v, found := m.pins.table.Next(address, end-address)
		gapEnd := end
		if found {
			gapEnd = v.Address
		}
		if gapEnd > address {
			// munlock fails only for what is not mapped, which is not locked.
			_ = unix.Munlock(bytesAt(m.at(s, address), gapEnd-address))
		}
		if !found {
			return
		}
		address = v.Address + v.Bytes
	}
}

// within returns how many bytes of the range are pinned. The caller holds mu.
func (p *pins) within(address, bytes uint64) uint64 {
	var held uint64
	end := address + bytes
	for address < end {
		v, found := p.table.Next(address, end-address)
		if !found {
			break
		}
		held += v.Bytes
		address = v.Address + v.Bytes
	}
	return held
}
