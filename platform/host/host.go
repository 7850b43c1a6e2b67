// Package host is the machine on Linux: memory objects are sealed memfds,
// address spaces are reservations of this process's own addresses, and waiting
// is that of the Go runtime.
//
// The arena is a range of addresses reserved without access. The kernel's
// space is that range itself; every other [platform.Space] is one more range
// of the same size at another base. A region at arena address A appears in
// space s at A - arena + SpaceBase(s); programs and kernel speak in arena
// addresses and the machine translates. Several spaces in one process are what
// makes a call between two wasm tasks cost nanoseconds; a task with a process
// of its own gets the descriptor instead, see [Machine.OpenReadOnly].
//
// No operation relies on a fault: what is placed is kept in a table for each
// space, and an access to what is not placed is a status. A private placement
// is mapped private and writable, never read-only, because a store to a
// read-only page kills the whole process and cannot be recovered.
//
// Lock order: a space's mu, then Machine.pins.mu, then Machine.backings.mu.
// Machine.spaces.mu is taken alone or before a space's mu.
//
// Invariants: a descriptor is closed only when nothing maps it through the
// machine; the number of placements stays under what Linux allows a process;
// a stale Space or Backing names nothing, never another's memory.
//
// Ledger: S2, S6, S7, S8, S9.
package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
)

// Defaults and limits of a machine.
const (
	// ArenaBytesDefault is the size of the arena when none is given.
	ArenaBytesDefault = 16 << 30
	// SpacesMax is the number of address spaces beside the kernel's.
	SpacesMax = 4095
	// BackingsMax is the number of memory objects.
	BackingsMax = 1 << 20

	// arenaHint is where the arena goes when nothing else is there: far from
	// the Go heap, from the race detector's shadow and from the C heap.
	arenaHint = 0x1000_0000_0000
	// mappingsReserve is what is left of Linux's limit of mappings for the Go
	// runtime, for thread stacks and for what else is in the process.
	mappingsReserve = 5000
)

// Config says how much of the host a machine may take. The zero value is a
// machine of ordinary size.
type Config struct {
	// ArenaBytes is the size of the arena and of each space, a multiple of
	// 2 MiB; zero is ArenaBytesDefault. It costs addresses, not memory.
	ArenaBytes uint64
	// MemoryBytes bounds what Create hands out in all; zero is three quarters
	// of the physical memory. Without it, memory that is not there would show
	// as the death of the process at the first touch.
	MemoryBytes uint64
	// PinBytes bounds what Pin keeps in all; zero is the soft RLIMIT_MEMLOCK,
	// which is kept even when the process has the privilege to pass it.
	PinBytes uint64
	// PlacementsMax bounds the placements in all spaces; zero, or more than
	// Linux allows, is what Linux allows, some 28,000 by default.
	PlacementsMax int
}

// Machine is a [platform.Machine] on Linux. Its methods may be called from any
// goroutine, but for Close, which comes last and alone.
type Machine struct {
	start time.Time

	arena       uint64 // immutable: the first address
	arenaBytes  uint64 // immutable
	memoryMax   uint64 // immutable
	admitMax    int64  // immutable: placements that Place and Create may reach
	placedMax   int64  // immutable: placements that splitting may reach
	pagemap     int    // immutable: descriptor of /proc/self/pagemap, or -1
	memoryBytes atomic.Uint64
	placed      atomic.Int64

	spaces   spaces
	guests   guests
	backings backings
	pins     pins
}

var _ platform.Machine = (*Machine)(nil)

// New reserves the arena and returns a machine. The caller closes it.
func New(config Config) (*Machine, error) {
	config, err := config.complete()
	if err != nil {
		return nil, fmt.Errorf("host machine: %w", err)
	}
	m := &Machine{
		start:      time.Now(),
		arenaBytes: config.ArenaBytes,
		memoryMax:  config.MemoryBytes,
		placedMax:  int64(config.PlacementsMax),
		pagemap:    -1,
	}
	m.admitMax = m.placedMax - m.placedMax/8
	m.pins.bytesMax = config.PinBytes
	m.arena, err = reserve(arenaHint, m.arenaBytes)
	if err != nil {
		return nil, fmt.Errorf("host machine: reserve %d bytes of addresses: %w", m.arenaBytes, err)
	}
	m.spaces.slots[0].Store(&space{base: m.arena, live: true})
	if fd, openErr := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0); openErr == nil {
		m.pagemap = fd
	}
	return m, nil
}

// complete checks c and fills in what is zero.
func (c Config) complete() (Config, error) {
	if os.Getpagesize() != platform.PageBytes {
		return c, fmt.Errorf("pages of %d bytes instead of %d", os.Getpagesize(), platform.PageBytes)
	}
	if c.ArenaBytes == 0 {
		c.ArenaBytes = ArenaBytesDefault
	}
	if c.ArenaBytes%platform.LargePageBytes != 0 {
		return c, errors.New("the arena is not a multiple of 2 MiB")
	}
	if c.MemoryBytes == 0 {
		var info unix.Sysinfo_t
		if err := unix.Sysinfo(&info); err != nil {
			return c, fmt.Errorf("ask for the size of memory: %w", err)
		}
		c.MemoryBytes = info.Totalram * uint64(info.Unit) / 4 * 3
	}
	if c.PinBytes == 0 {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			return c, fmt.Errorf("ask for RLIMIT_MEMLOCK: %w", err)
		}
		c.PinBytes = limit.Cur
	}
	if most := placementsMost(); c.PlacementsMax <= 0 || c.PlacementsMax > most {
		c.PlacementsMax = most
	}
	return c, nil
}

// placementsMost returns how many placements Linux's limit of mappings leaves
// room for: each can take two, itself and the gap behind it.
func placementsMost() int {
	mappings := 65530
	if text, err := os.ReadFile("/proc/sys/vm/max_map_count"); err == nil {
		if n, parseErr := strconv.Atoi(strings.TrimSpace(string(text))); parseErr == nil {
			mappings = n
		}
	}
	const most = 1 << 20
	return min(max((mappings-mappingsReserve-SpacesMax)/2, 8), most)
}

// Close gives back all memory, addresses and descriptors. Nobody may use the
// machine, or bytes got from it, any more.
func (m *Machine) Close() {
	for i := range m.spaces.slots {
		if s := m.spaces.slots[i].Load(); s != nil {
			release(s.base, m.arenaBytes)
		}
	}
	m.backings.close()
	if m.pagemap >= 0 {
		closeDescriptor(m.pagemap)
	}
}

// Now returns nanoseconds since shortly before New returned, never zero, so
// that zero is free to mean "no deadline".
func (m *Machine) Now() int64 { return int64(time.Since(m.start)) + 1 }

// Arena returns the range of addresses that regions may take.
func (m *Machine) Arena() (base, bytes uint64) { return m.arena, m.arenaBytes }

// inArena reports whether the range is not empty, whole pages, and in the
// arena. The kernel has checked it; this is the second look of whoever is
// about to change the address space of the process.
func (m *Machine) inArena(address, bytes uint64) bool {
	offset := address - m.arena
	return bytes != 0 && (address|bytes)%platform.PageBytes == 0 &&
		offset < m.arenaBytes && bytes <= m.arenaBytes-offset
}

// admit counts one placement more, or answers StatusLimit.
func (m *Machine) admit() abi.Status {
	if m.placed.Add(1) > m.admitMax {
		m.placed.Add(-1)
		return abi.StatusLimit
	}
	return abi.StatusOK
}
