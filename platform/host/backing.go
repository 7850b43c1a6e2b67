package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
)

// backings is the table of memory objects. A [platform.Backing] is a slot's
// index plus one in the low half and the slot's generation in the high half.
type backings struct {
	// mu is held shared while a descriptor is used, so that its number cannot
	// be closed and given to another file meanwhile.
	mu    sync.RWMutex
	slots []backing // guarded by mu
	free  []uint32  // guarded by mu: indices of slots to reuse
}

// slotMask is the half of a Backing that names the slot.
const slotMask = 1<<32 - 1

// backing is one memory object: a memfd whose size is sealed, because a memfd
// that shrinks under a mapping kills the process.
type backing struct {
	bytes      uint64
	fd         int
	generation uint32
	live       bool
	large      bool
	file       bool // of Import, and so no memory of the machine's
}

// create makes a zeroed memory object that is not placed yet.
func (t *backings) create(bytes uint64) (platform.Backing, abi.Status) {
	fd, err := newMemory(bytes)
	if err != nil {
		return 0, statusOf(err)
	}
	return t.add(backing{fd: fd, bytes: bytes})
}

// add puts a memory object into a slot. Its descriptor is the table's; it is
// closed when there is no slot.
func (t *backings) add(b backing) (platform.Backing, abi.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var index uint32
	if n := len(t.free); n > 0 {
		index = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if len(t.slots) == BackingsMax {
			closeDescriptor(b.fd)
			return 0, abi.StatusLimit
		}
		index = uint32(len(t.slots)) //nolint:gosec // G115: below BackingsMax
		t.slots = append(t.slots, backing{})
	}
	s := &t.slots[index]
	b.generation, b.live = s.generation, true
	*s = b
	return platform.Backing(uint64(s.generation)<<32 | uint64(index) + 1), abi.StatusOK
}

// destroy closes b and returns how much memory of the machine's it was, and
// whether there was such a backing.
func (t *backings) destroy(b platform.Backing) (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.findLocked(b)
	if s == nil {
		return 0, false
	}
	closeDescriptor(s.fd)
	s.live = false
	if s.generation++; s.generation != 0 {
		t.free = append(t.free, uint32(b&slotMask)-1)
	}
	if s.file {
		return 0, true
	}
	return s.bytes, true
}

// imported reports whether b is of Import.
func (t *backings) imported(b platform.Backing) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.findLocked(b)
	return s != nil && s.file
}

// place maps a view of a backing at an address of this process.
func (t *backings) place(address uint64, v platform.View) abi.Status {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.findLocked(v.Backing)
	if s == nil {
		return abi.StatusBadArgument
	}
	if v.Offset > s.bytes || v.Bytes > s.bytes-v.Offset {
		return abi.StatusRange
	}
	return statusOf(mapMemory(address, s.fd, v))
}

// findLocked returns the slot of b, nil when it is gone. The caller holds mu.
func (t *backings) findLocked(b platform.Backing) *backing {
	index := uint64(b&slotMask) - 1
	if index >= uint64(len(t.slots)) {
		return nil
	}
	s := &t.slots[index]
	if !s.live || uint64(s.generation) != uint64(b)>>32 {
		return nil
	}
	return s
}

func (t *backings) markLarge(b platform.Backing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.findLocked(b); s != nil {
		s.large = true
	}
}

func (t *backings) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.slots {
		if t.slots[i].live {
			closeDescriptor(t.slots[i].fd)
			t.slots[i].live = false
		}
	}
}

// LargePages reports whether all of b was put into pages of 2 MiB when it was
// created. Linux may split one later, when memory is short.
func (m *Machine) LargePages(b platform.Backing) bool {
	m.backings.mu.RLock()
	defer m.backings.mu.RUnlock()
	s := m.backings.findLocked(b)
	return s != nil && s.large
}

// Descriptor returns the descriptor of b's memory, and whether there is such a
// backing. It stays the machine's: it is valid until Destroy, and the caller
// neither closes nor keeps it. Whoever gets it can write; see OpenReadOnly.
func (m *Machine) Descriptor(b platform.Backing) (fd int, ok bool) {
	m.backings.mu.RLock()
	defer m.backings.mu.RUnlock()
	s := m.backings.findLocked(b)
	if s == nil {
		return -1, false
	}
	return s.fd, true
}

// OpenReadOnly opens b's memory again, for reading only, to be handed to
// another process, which can map it but not write to it: its mode keeps others
// than root from opening it once more for writing. The caller closes it.
func (m *Machine) OpenReadOnly(b platform.Backing) (*os.File, error) {
	m.backings.mu.RLock()
	defer m.backings.mu.RUnlock()
	s := m.backings.findLocked(b)
	if s == nil {
		return nil, fmt.Errorf("open memory for reading: %w", abi.StatusBadArgument)
	}
	file, err := os.Open("/proc/self/fd/" + strconv.Itoa(s.fd))
	if err != nil {
		return nil, fmt.Errorf("open memory for reading: %w", err)
	}
	return file, nil
}

// newMemory returns the descriptor of a new memfd of a size that is sealed.
// Nobody but the owner may read it by opening it, and nobody may write.
func newMemory(bytes uint64) (int, error) {
	fd, err := unix.MemfdCreate("phios-region", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("phios-region", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err := seal(fd, bytes); err != nil {
		closeDescriptor(fd)
		return -1, err
	}
	return fd, nil
}

func seal(fd int, bytes uint64) error {
	if err := unix.Ftruncate(fd, int64(bytes)); err != nil { //nolint:gosec // G115: bounded by the arena
		return fmt.Errorf("ftruncate: %w", err)
	}
	if err := unix.Fchmod(fd, 0o400); err != nil {
		return fmt.Errorf("fchmod: %w", err)
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// statusOf says in the kernel's words why Linux refused memory.
func statusOf(err error) abi.Status {
	switch {
	case err == nil:
		return abi.StatusOK
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return abi.StatusLimit
	default:
		return abi.StatusNoMemory
	}
}

// closeDescriptor closes a descriptor of the machine's own. Of memfds and
// /proc files, close reports nothing that could be acted on.
func closeDescriptor(fd int) { _ = unix.Close(fd) }
