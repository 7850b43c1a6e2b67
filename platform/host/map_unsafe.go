package host

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// The addresses in this file lie in reservations that the machine made, which
// the Go runtime neither allocates from nor moves or collects; they are kept
// as numbers and become pointers only here.

const (
	protNone  = unix.PROT_NONE
	protWrite = unix.PROT_READ | unix.PROT_WRITE
	mapEmpty  = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
)

// pointer turns an address of a reservation into a pointer.
func pointer(address uint64) unsafe.Pointer {
	// Safety: the address lies outside the Go heap, in a range that stays
	// reserved while the machine is open; callers checked its bounds.
	return unsafe.Add(unsafe.Pointer(nil), address)
}

// reserve takes bytes of addresses, without access and without memory, at the
// hint or, when something is there, at a multiple of 2 MiB elsewhere.
func reserve(hint, bytes uint64) (uint64, error) {
	p, err := unix.MmapPtr(-1, 0, pointer(hint), uintptr(bytes), protNone, mapEmpty|unix.MAP_FIXED_NOREPLACE)
	if err == nil {
		if addressOf(p) == hint {
			return hint, nil
		}
		release(addressOf(p), bytes) // Linux before 4.17 takes it for a wish
	}
	p, err = unix.MmapPtr(-1, 0, nil, uintptr(bytes+platform.LargePageBytes), protNone, mapEmpty)
	if err != nil {
		return 0, fmt.Errorf("mmap: %w", err)
	}
	start := addressOf(p)
	base := (start + platform.LargePageBytes - 1) &^ (platform.LargePageBytes - 1)
	if base > start {
		release(start, base-start)
	}
	if rest := start + platform.LargePageBytes - base; rest > 0 {
		release(base+bytes, rest)
	}
	return base, nil
}

func addressOf(p unsafe.Pointer) uint64 {
	// Safety: the number is of a mapping, which nobody moves.
	return uint64(uintptr(p))
}

// release gives addresses back.
func release(address, bytes uint64) {
	err := unix.MunmapPtr(pointer(address), uintptr(bytes))
	invariant.Check(err == nil, "platform/host: a reservation cannot be given back")
}

// mapMemory maps a view of a memfd at an address within a reservation.
func mapMemory(address uint64, fd int, v platform.View) error {
	flags := unix.MAP_SHARED | unix.MAP_FIXED
	if v.Access == platform.AccessPrivate {
		flags = unix.MAP_PRIVATE | unix.MAP_NORESERVE | unix.MAP_FIXED
	}
	offset := int64(v.Offset) //nolint:gosec // G115: within the backing's size
	if _, err := unix.MmapPtr(fd, offset, pointer(address), uintptr(v.Bytes), protWrite, flags); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

// mapZero replaces what is mapped by zero pages. Failing would leave revoked
// memory in reach, so the program does not outlive it.
func mapZero(address, bytes uint64) {
	_, err := unix.MmapPtr(-1, 0, pointer(address), uintptr(bytes), protWrite, mapEmpty|unix.MAP_FIXED)
	invariant.Always(err == nil, "platform/host: Linux refuses zero pages for a revocation")
}

// mapNothing turns addresses back into a mere reservation.
func mapNothing(address, bytes uint64) {
	_, err := unix.MmapPtr(-1, 0, pointer(address), uintptr(bytes), protNone, mapEmpty|unix.MAP_FIXED)
	invariant.Always(err == nil, "platform/host: Linux refuses to take a mapping away")
}

// collapse puts a new shared placement into pages of 2 MiB and reports whether
// all of it is.
//
// One byte of each is touched first: Linux collapses what has a page and
// refuses what is empty. Huge pages of the hugetlb pool were rejected: they
// cannot be placed at multiples of 4 KiB, and every private placement would
// take as many of the pool again.
func collapse(address, bytes uint64) bool {
	if (address|bytes)%platform.LargePageBytes != 0 {
		return false
	}
	memory := bytesAt(address, bytes)
	for i := uint64(0); i < bytes; i += platform.LargePageBytes {
		memory[i] = 0
	}
	for {
		err := unix.Madvise(memory, unix.MADV_COLLAPSE)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// bytesAt returns what is mapped at an address of this process.
func bytesAt(address, bytes uint64) []byte {
	// Safety: callers hold the space's lock and found the range placed, or are
	// about to, so it is mapped readable and writable.
	return unsafe.Slice((*byte)(pointer(address)), bytes)
}

// Bytes returns the n bytes placed at address in a space, without a copy, for
// in-process programs: StatusRange when they are not all placed.
//
// The slice is valid until Remove, FreeSpace, Destroy or Close takes the
// placement away; the caller sees to it that nobody touches it afterwards.
// Zero does not invalidate it: it shows zeros from then on. Other programs can
// change the bytes at any time; whoever checks them copies them first.
func (m *Machine) Bytes(id platform.Space, address, n uint64) ([]byte, abi.Status) {
	s := m.rlock(id)
	if s == nil {
		return nil, abi.StatusBadArgument
	}
	defer s.mu.RUnlock()
	if !m.covered(s, address, n) {
		return nil, abi.StatusRange
	}
	return bytesAt(m.at(s, address), n), abi.StatusOK
}
