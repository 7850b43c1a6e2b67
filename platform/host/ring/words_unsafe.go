package ring

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The futex operations of Linux that are used, without FUTEX_PRIVATE_FLAG
// because the word is shared between processes.
const (
	futexWait = 0
	futexWake = 1
)

// aligned reports whether memory begins at a line of the cache.
func aligned(memory []byte) bool {
	// Safety: only the number of the address is looked at.
	return uintptr(unsafe.Pointer(unsafe.SliceData(memory)))%MessageBytesUnit == 0
}

// word64 returns a word of the header.
func word64(memory []byte, offset int) *atomic.Uint64 {
	// Safety: the offset is a constant within the header, whose presence and
	// alignment newEnd checked; atomic.Uint64 has the layout of eight bytes.
	return (*atomic.Uint64)(unsafe.Pointer(&memory[offset]))
}

// word32 returns a word of the header.
func word32(memory []byte, offset int) *atomic.Uint32 {
	// Safety: as word64.
	return (*atomic.Uint32)(unsafe.Pointer(&memory[offset]))
}

// Neither atomic type may have anything but its word.
const (
	_ = uint(8 - unsafe.Sizeof(atomic.Uint64{}))
	_ = uint(4 - unsafe.Sizeof(atomic.Uint32{}))
)

// waiter sleeps on a word. It is kept in an end, so that the time that Linux
// reads needs no allocation.
type waiter struct {
	limit unix.Timespec
}

// sleep returns when the word is woken, is not value any more, the time is
// over, or for no reason.
func (w *waiter) sleep(word *atomic.Uint32, value uint32, limit time.Duration) {
	w.limit = unix.NsecToTimespec(int64(limit))
	// Safety: both pointers live for the call: the word is in memory that the
	// end keeps, the time is in the end itself. Every result means the same to
	// the caller: look again.
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait,
		uintptr(value), uintptr(unsafe.Pointer(&w.limit)), 0, 0)
}

// wake wakes who sleeps on the word.
func wake(word *atomic.Uint32) {
	// Safety: the word is in memory that the end keeps. A wake-up does not
	// block, so the scheduler need not know of it.
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1, 0, 0, 0)
}

// yield lets another thread have the processor, if one wants it.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
