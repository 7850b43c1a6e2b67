package linear

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"phios/internal/invariant"
	"phios/platform"
)

// The addresses in this file lie in reservations that New made, which the Go
// runtime neither allocates from nor moves or collects; they are kept as
// numbers and become pointers only here.

const (
	protWrite = unix.PROT_READ | unix.PROT_WRITE
	mapEmpty  = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
)

func pointer(address uint64) unsafe.Pointer {
	// Safety: the address lies outside the Go heap, in a range that stays
	// reserved until Free; callers checked its bounds.
	return unsafe.Add(unsafe.Pointer(nil), address)
}

// reserve takes addresses, without access and without memory.
func reserve(bytes uint64) (uint64, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(bytes), unix.PROT_NONE, mapEmpty)
	if err != nil {
		return 0, fmt.Errorf("mmap: %w", err)
	}
	// Safety: the number is of a mapping, which nobody moves.
	return uint64(uintptr(p)), nil
}

func release(address, bytes uint64) {
	err := unix.MunmapPtr(pointer(address), uintptr(bytes))
	invariant.Check(err == nil, "platform/host/linear: a reservation cannot be given back")
}

// allow makes a part of a reservation readable and writable.
func allow(address, bytes uint64) error {
	if err := unix.Mprotect(bytesAt(address, bytes), protWrite); err != nil {
		return fmt.Errorf("mprotect: %w", err)
	}
	return nil
}

func mapFile(address uint64, fd int, offset, bytes uint64, access platform.Access) error {
	flags := unix.MAP_SHARED | unix.MAP_FIXED
	if access == platform.AccessPrivate {
		flags = unix.MAP_PRIVATE | unix.MAP_NORESERVE | unix.MAP_FIXED
	}
	at := int64(offset) //nolint:gosec // G115: within the file's size
	if _, err := unix.MmapPtr(fd, at, pointer(address), uintptr(bytes), protWrite, flags); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

// mapZero replaces what is mapped by zero pages. Failing would leave revoked
// memory in reach, so the process does not outlive it.
func mapZero(address, bytes uint64) {
	_, err := unix.MmapPtr(-1, 0, pointer(address), uintptr(bytes), protWrite, mapEmpty|unix.MAP_FIXED)
	invariant.Always(err == nil, "platform/host/linear: Linux refuses zero pages for a window that is taken away")
}

func bytesAt(address, bytes uint64) []byte {
	// Safety: callers checked that the range is in the reservation, and that
	// what they read or write of it is accessible.
	return unsafe.Slice((*byte)(pointer(address)), bytes)
}
