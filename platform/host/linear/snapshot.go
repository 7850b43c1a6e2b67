package linear

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
)

// Snapshot is what a memory held at some time, from which others begin. It
// never changes. Its methods may be called from any goroutine, but for Close.
type Snapshot struct {
	fd    int
	bytes uint64
}

// NewSnapshot copies a memory, of whole pages. Pages of zeros take no memory.
// The caller closes it.
func NewSnapshot(memory []byte) (*Snapshot, error) {
	fd, err := unix.MemfdCreate("phios-snapshot", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("snapshot: memfd_create: %w", err)
	}
	s := &Snapshot{fd: fd, bytes: uint64(len(memory))}
	if err := s.fill(memory); err != nil {
		s.Close()
		return nil, fmt.Errorf("snapshot: %w: free some memory", err)
	}
	return s, nil
}

func (s *Snapshot) fill(memory []byte) error {
	if err := unix.Ftruncate(s.fd, int64(len(memory))); err != nil {
		return fmt.Errorf("ftruncate: %w", err)
	}
	for at, end := NextPages(memory, 0); at < end; at, end = NextPages(memory, end) {
		for at < end {
			n, err := unix.Pwrite(s.fd, memory[at:end], int64(at))
			if err != nil {
				return fmt.Errorf("write: %w", err)
			}
			at += n
		}
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(s.fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// NextPages returns the first run of pages from an offset on that are not all
// zeros, as offsets; two equal ones when there is none.
func NextPages(memory []byte, from int) (start, end int) {
	var zeros [platform.PageBytes]byte
	empty := func(at int) bool {
		n := min(platform.PageBytes, len(memory)-at)
		return bytes.Equal(memory[at:at+n], zeros[:n])
	}
	for from < len(memory) && empty(from) {
		from += platform.PageBytes
	}
	start = min(from, len(memory))
	for from < len(memory) && !empty(from) {
		from += platform.PageBytes
	}
	return start, min(from, len(memory))
}

// Bytes returns the size of the memory.
func (s *Snapshot) Bytes() uint64 { return s.bytes }

// Map lets a memory begin with the snapshot; see Memory.MapSnapshot.
func (s *Snapshot) Map(m *Memory) abi.Status { return m.MapSnapshot(s.fd, s.bytes) }

// Close gives the snapshot up. Memories that began with it keep what they have.
func (s *Snapshot) Close() { _ = unix.Close(s.fd) }
