package linear

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
	"phios/platform/host"
)

// Guest is a memory as an address space that the kernel places regions in. All
// its methods do nothing after Memory.Free.
type Guest struct {
	machine *host.Machine
	memory  *Memory
}

var _ host.Guest = Guest{}

// NewGuest returns m as a guest of the machine, for host.Machine.NewGuest.
func NewGuest(machine *host.Machine, m *Memory) Guest { return Guest{machine, m} }

// Place shows a region as a window; see Memory.Map. StatusBadArgument for a
// backing that has gone.
func (g Guest) Place(v platform.View) abi.Status {
	fd, ok := g.machine.Descriptor(v.Backing)
	if !ok {
		return abi.StatusBadArgument
	}
	return g.memory.Map(v.Address, fd, v.Offset, v.Bytes, v.Access)
}

// Remove takes windows away; see Memory.Remove.
func (g Guest) Remove(address, bytes uint64) { g.memory.Remove(address, bytes) }

// Zero clears windows; see Memory.Clear.
func (g Guest) Zero(address, bytes uint64) { g.memory.Clear(address, bytes) }

// Dirtied counts copied pages; see Memory.Dirtied.
func (g Guest) Dirtied(address, bytes uint64) uint64 { return g.memory.Dirtied(address, bytes) }

// The bits of an entry of /proc/self/pagemap that any process may read of
// itself; see Documentation/admin-guide/mm/pagemap.rst of Linux.
const (
	pagePresent    = 1 << 63
	pageSwapped    = 1 << 62
	pageShared     = 1 << 61 // of a file: not a private copy
	pageExclusive  = 1 << 56 // mapped once; never set on the page of zeros
	pageEntryBytes = 8
	pageEntriesMax = 512 // read at a time: 2 MiB of addresses
)

// Dirtied returns how many pages of the private windows in a range were
// written and so are copies. Where the host hides /proc/self/pagemap, every
// page counts: it is the most that can have been written.
func (m *Memory) Dirtied(at, bytes uint64) uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	} else {
		defer func() { _ = unix.Close(fd) }()
	}
	var own uint64
	for _, w := range m.windows {
		start, end := max(w.at, at), min(w.end(), endOf(at, bytes))
		if w.access == platform.AccessPrivate && start < end {
			own += ownPages(fd, m.base+start, (end-start)/platform.PageBytes)
		}
	}
	return own
}

// ownPages counts the private copies among pages of this process.
func ownPages(pagemap int, address, all uint64) uint64 {
	if pagemap < 0 {
		return all
	}
	var buffer [pageEntriesMax * pageEntryBytes]byte
	var own uint64
	for done := uint64(0); done < all; {
		n := min(all-done, pageEntriesMax)
		entries := buffer[:n*pageEntryBytes]
		at := (address/platform.PageBytes + done) * pageEntryBytes
		read, err := unix.Pread(pagemap, entries, int64(at)) //nolint:gosec // G115: addresses have 47 bits
		if err != nil || read != len(entries) {
			return own + all - done
		}
		for ; len(entries) > 0; entries = entries[pageEntryBytes:] {
			const copied = pagePresent | pageExclusive
			entry := binary.NativeEndian.Uint64(entries)
			if entry&pageShared == 0 && (entry&copied == copied || entry&pageSwapped != 0) {
				own++
			}
		}
		done += n
	}
	return own
}
