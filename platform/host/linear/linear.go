// Package linear is the linear memory of WebAssembly programs: a reservation
// of addresses whose front is the program's memory, and into which regions are
// mapped as windows where the program offers pages for them.
//
// The reservation is made without access and without memory. Growing makes
// more of its front accessible and never moves it, so that windows stay where
// they are. A memory takes two of the mappings that Linux allows a process,
// the front and the rest, and one or two more for each window; one that began
// with a snapshot takes one more.
//
// A program must never fault: its engine checks every access against the size
// of the memory and then trusts that there are pages, and a fault would kill
// the whole process. So what takes a window away puts zero pages in its place,
// and a window that may only be read is a private mapping, where a store makes
// a copy of the page and reaches nobody.
//
// Lock order: Memory.mu is taken last.
//
// Invariants: base to base+size is always readable and writable; windows do
// not overlap and lie within the size; a memory that was freed is never
// touched again.
//
// Ledger: S6, S8, S9.
package linear

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
)

// The limits of a memory.
const (
	// MemoryBytesMax is the size of the largest memory: what 32 bits address.
	MemoryBytesMax = 4 << 30
	// WindowsMax is the number of windows that a memory has at once.
	WindowsMax = 64
)

// Memory is a linear memory. Its methods may be called from any goroutine,
// but the bytes that Reallocate and Bytes return are the program's, and nobody
// may touch them after Free.
type Memory struct {
	base     uint64 // immutable
	reserved uint64 // immutable: whole pages

	mu      sync.RWMutex
	size    uint64   // guarded by mu
	windows []window // guarded by mu, by address
	freed   bool     // guarded by mu
}

// window is a range of the memory that shows something else, or did.
type window struct {
	at, bytes uint64
	access    platform.Access
	zeroed    bool // revoked: zero pages, but not yet taken away
}

func (w window) end() uint64 { return w.at + w.bytes }

// New reserves the addresses of a memory that can grow to bytesMax, rounded up
// to whole pages. It takes no memory. The caller frees it.
func New(bytesMax uint64) (*Memory, error) {
	if bytesMax > MemoryBytesMax {
		return nil, fmt.Errorf("linear memory: %d bytes are more than the %d that a program can address: ask for less", bytesMax, uint64(MemoryBytesMax))
	}
	reserved := max((bytesMax+platform.PageBytes-1)&^(platform.PageBytes-1), platform.PageBytes)
	base, err := reserve(reserved)
	if err != nil {
		return nil, fmt.Errorf("linear memory: reserve %d bytes of addresses: %w: run fewer programs or raise the limit on address space", reserved, err)
	}
	return &Memory{base: base, reserved: reserved}, nil
}

// Reallocate makes the memory size bytes long and returns it, nil when that is
// more than was reserved, when Linux refuses or when the memory was freed. It
// never shrinks and never moves. New bytes are zero.
func (m *Memory) Reallocate(size uint64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed || size > m.reserved {
		return nil
	}
	if whole := pages(size); whole > pages(m.size) {
		old := pages(m.size)
		if err := allow(m.base+old, whole-old); err != nil {
			return nil
		}
	}
	m.size = max(m.size, size)
	return bytesAt(m.base, m.size)
}

// Bytes returns the memory as it is now, nil when it was freed.
func (m *Memory) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.freed {
		return nil
	}
	return bytesAt(m.base, m.size)
}

// Size returns the size in bytes, zero when the memory was freed.
func (m *Memory) Size() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.freed {
		return 0
	}
	return m.size
}

// Free gives everything back. Nothing may run in the memory any more. What is
// called afterwards does nothing; freeing twice is once.
func (m *Memory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed {
		return
	}
	m.freed, m.windows = true, nil
	release(m.base, m.reserved)
}

// Map shows bytes of a file, from an offset on, at an address of the memory.
// Bytes, at and offset are whole pages. The descriptor is the caller's again
// afterwards. Whoever made the file has sealed its size.
//
// StatusBadArgument for what is not whole pages, StatusRange for what reaches
// past the memory or the file, StatusOverlap for a place where a window is,
// StatusLimit for too many of them, StatusNoMemory when Linux refuses,
// StatusPeerDead after Free.
func (m *Memory) Map(at uint64, fd int, offset, bytes uint64, access platform.Access) abi.Status {
	if (at|offset|bytes)%platform.PageBytes != 0 || bytes == 0 ||
		access != platform.AccessShared && access != platform.AccessPrivate {
		return abi.StatusBadArgument
	}
	size, err := fileBytes(fd)
	if err != nil || offset > size || bytes > size-offset {
		return abi.StatusRange // touching what is behind the end would kill the process
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed {
		return abi.StatusPeerDead
	}
	if at > m.size || bytes > m.size-at {
		return abi.StatusRange
	}
	i, found := m.search(at, bytes)
	if found {
		return abi.StatusOverlap
	}
	if len(m.windows) == WindowsMax {
		return abi.StatusLimit
	}
	if err := mapFile(m.base+at, fd, offset, bytes, access); err != nil {
		return abi.StatusNoMemory
	}
	m.windows = slices.Insert(m.windows, i, window{at: at, bytes: bytes, access: access})
	return abi.StatusOK
}

// MapSnapshot puts the first bytes of a file at the beginning of the memory as
// private copies: the program starts from them, and what it writes is its own.
// The memory must be that large already and have no window.
//
// It answers like Map.
func (m *Memory) MapSnapshot(fd int, bytes uint64) abi.Status {
	if bytes%platform.PageBytes != 0 || bytes == 0 {
		return abi.StatusBadArgument
	}
	size, err := fileBytes(fd)
	if err != nil || bytes > size {
		return abi.StatusRange
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.freed:
		return abi.StatusPeerDead
	case bytes > m.size:
		return abi.StatusRange
	case len(m.windows) != 0:
		return abi.StatusOverlap
	}
	if err := mapFile(m.base, fd, 0, bytes, platform.AccessPrivate); err != nil {
		return abi.StatusNoMemory
	}
	return abi.StatusOK
}

// Clear puts zero pages over the windows in a range, which stay taken until
// Remove. The program may be using them: each access sees what was there or
// zeros, and when Clear returns none reaches the file any more.
func (m *Memory) Clear(at, bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stop := endOf(at, bytes)
	for i := range m.windows {
		w := &m.windows[i]
		start, end := max(w.at, at), min(w.end(), stop)
		if start >= end || w.zeroed {
			continue
		}
		mapZero(m.base+start, end-start)
		w.zeroed = start == w.at && end == w.end()
	}
}

// Remove takes the windows that lie within a range away and puts zero pages in
// their place; a part of a window is cleared and stays taken.
func (m *Memory) Remove(at, bytes uint64) {
	m.Clear(at, bytes)
	m.mu.Lock()
	defer m.mu.Unlock()
	stop := endOf(at, bytes)
	m.windows = slices.DeleteFunc(m.windows, func(w window) bool {
		return w.at >= at && w.end() <= stop
	})
}

// Windows returns how many windows there are.
func (m *Memory) Windows() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.windows)
}

// Shared returns the bytes of a range that lies within one window shown
// shared, for whoever passes messages there, and whether there is one that was
// not cleared. A window that is cleared afterwards turns into zeros, not into a
// fault. The bytes are good until Free.
func (m *Memory) Shared(at, bytes uint64) ([]byte, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, w := range m.windows {
		if w.access == platform.AccessShared && !w.zeroed && at >= w.at && at < w.end() && bytes <= w.end()-at {
			return bytesAt(m.base+at, bytes), true
		}
	}
	return nil, false
}

// Discard gives the memory of whole pages in a range back to Linux, outside of
// windows. They read as zero afterwards.
func (m *Memory) Discard(at, bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed || at > m.size || bytes > m.size-at || (at|bytes)%platform.PageBytes != 0 {
		return
	}
	end := at + bytes
	for _, w := range m.windows {
		if w.end() <= at || w.at >= end {
			continue
		}
		if w.at > at {
			mapZero(m.base+at, w.at-at)
		}
		at = w.end()
	}
	if at < end {
		mapZero(m.base+at, end-at)
	}
}

// search returns where a window at that place goes in the order, and whether
// one is in its way. The caller holds mu.
func (m *Memory) search(at, bytes uint64) (int, bool) {
	i := 0
	for i < len(m.windows) && m.windows[i].end() <= at {
		i++
	}
	return i, i < len(m.windows) && m.windows[i].at < at+bytes
}

// endOf returns where a range ends, of what a memory can have.
func endOf(at, bytes uint64) uint64 { return min(at, MemoryBytesMax) + min(bytes, MemoryBytesMax) }

// pages rounds up to whole pages.
func pages(bytes uint64) uint64 {
	return (bytes + platform.PageBytes - 1) &^ (platform.PageBytes - 1)
}

// fileBytes returns the size of a file.
func fileBytes(fd int) (uint64, error) {
	var stat unix.Stat_t
	for {
		err := unix.Fstat(fd, &stat)
		if err == nil {
			return uint64(max(stat.Size, 0)), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("fstat: %w", err)
		}
	}
}
