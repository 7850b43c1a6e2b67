package host

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"phios/internal/invariant"
	"phios/platform"
)

// The bits of an entry of /proc/self/pagemap that any process may read of
// itself; see Documentation/admin-guide/mm/pagemap.rst of Linux.
const (
	pagePresent    = 1 << 63
	pageSwapped    = 1 << 62
	pageShared     = 1 << 61 // of a file or shared: not a private copy
	pageExclusive  = 1 << 56 // mapped once; never set on the page of zeros
	pageEntryBytes = 8
	pageEntriesMax = 512 // read at a time: 2 MiB of addresses
)

// Dirtied returns how many pages of the private placements in the range were
// written and so are the space's own, among them zero pages that were written
// after a revocation. Shared placements have none.
//
// Where the host hides /proc/self/pagemap, every page counts: it is the most
// that can have been written.
func (m *Machine) Dirtied(id platform.Space, address, bytes uint64) uint64 {
	if g, ok := m.guest(id); ok {
		return g.Dirtied(address, bytes)
	}
	if !m.inArena(address, bytes) {
		return 0
	}
	s := m.rlock(id)
	if s == nil {
		return 0
	}
	defer s.mu.RUnlock()
	var pages uint64
	end := address + bytes
	for address < end {
		v, found := s.table.Next(address, end-address)
		if !found {
			break
		}
		if v.Access == platform.AccessPrivate {
			pages += m.ownPages(m.at(s, v.Address), v.Bytes)
		}
		address = v.Address + v.Bytes
	}
	return pages
}

// ownPages counts the private copies in a range of this process's addresses.
func (m *Machine) ownPages(address, bytes uint64) uint64 {
	all := bytes / platform.PageBytes
	if m.pagemap < 0 {
		return all
	}
	var buffer [pageEntriesMax * pageEntryBytes]byte
	var own uint64
	for done := uint64(0); done < all; {
		n := min(all-done, pageEntriesMax)
		entries := buffer[:n*pageEntryBytes]
		at := (address/platform.PageBytes + done) * pageEntryBytes
		read, err := unix.Pread(m.pagemap, entries, int64(at)) //nolint:gosec // G115: addresses have 47 bits
		invariant.Always(err == nil && read == len(entries), "platform/host: /proc/self/pagemap cannot be read")
		for len(entries) > 0 {
			if isOwn(binary.NativeEndian.Uint64(entries)) {
				own++
			}
			entries = entries[pageEntryBytes:]
		}
		done += n
	}
	return own
}

// isOwn reports whether an entry of the pagemap is a private copy.
func isOwn(entry uint64) bool {
	if entry&pageShared != 0 {
		return false
	}
	const copied = pagePresent | pageExclusive
	return entry&copied == copied || entry&pageSwapped != 0
}
