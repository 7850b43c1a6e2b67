// Package platform is what the kernel needs of a machine, as small
// interfaces: a clock, a way to wait and to wake, memory that can be placed
// and taken away, and a log that only grows. The kernel has none of these of
// its own, so that the same kernel runs hosted on Linux (platform/host), on
// bare metal, and in a simulator in which one seed replays everything
// (platform/sim).
package platform

import "phios/abi"

// Clock tells the time.
type Clock interface {
	// Now returns nanoseconds since a fixed moment. It never goes back.
	Now() int64
}

// Parker lets one thread of control wait for another. At most one thread
// parks on it; any may unpark it.
type Parker interface {
	// Park waits until Unpark is called or the deadline, an absolute time of
	// the machine's clock, has passed; zero waits for ever. An Unpark before
	// the Park is not lost: that Park returns at once. It reports false when
	// the deadline passed. It may return true without reason; callers check
	// their condition again.
	Park(deadline int64) bool
	// Unpark lets the present or the next Park return. It never blocks.
	Unpark()
}

// Space names an address space of the machine: a place in which regions
// appear, each at the same address as in every other. SpaceKernel is the
// kernel's own, in which each region is present from birth to death.
type Space uint32

// SpaceKernel is the kernel's own address space.
const SpaceKernel Space = 0

// Backing names a memory object of the machine, such as a sealed memfd.
// Zero is none.
type Backing uint64

// Access is how a region appears in a space.
type Access uint8

// The ways a region can appear.
const (
	// AccessShared reads and writes the region itself.
	AccessShared Access = iota + 1
	// AccessPrivate reads the region, and keeps what is written as private
	// copies of the pages, so that a stray write neither faults nor reaches
	// the owner.
	AccessPrivate
)

// Memory makes regions and places them. Addresses and lengths are multiples of
// PageBytes, within the arena, and checked by the kernel before.
type Memory interface {
	Store
	Spaces
}

// Store makes the memory behind regions, each present in the kernel's own
// space from birth to death.
type Store interface { //nolint:interfacebloat // what memory can do; the kernel needs all of it
	// Arena returns the range of addresses that regions may take.
	Arena() (base, bytes uint64)
	// Create makes zeroed memory and places it, shared, at address in the
	// kernel's space. It prefers 2 MiB pages when asked to, where the machine
	// has them.
	Create(address, bytes uint64, large bool) (Backing, abi.Status)
	// Adopt places memory that was there before the kernel knew of it, such as
	// a file, at address in the kernel's space, for reading: it is never placed
	// shared. How it became a backing is between the machine and whoever made
	// it one. From then on it is destroyed like any other.
	Adopt(b Backing, address, bytes uint64) abi.Status
	// Destroy takes the memory away from the kernel's space and frees it.
	// Nothing of it may be placed elsewhere any more.
	Destroy(b Backing, address, bytes uint64)
	// LargePages reports whether all of a backing is in 2 MiB pages.
	LargePages(b Backing) bool
	// Pin keeps bytes in physical memory, StatusPinLimit when the machine does
	// not allow so much; Unpin ends it.
	Pin(address, bytes uint64) abi.Status
	Unpin(address, bytes uint64)
	// Read and Write copy between a program's bytes and what is placed at
	// address in a space.
	Read(s Space, address uint64, to []byte) abi.Status
	Write(s Space, address uint64, from []byte) abi.Status
}

// Spaces shows that memory in address spaces.
type Spaces interface {
	// NewSpace makes an empty address space, and FreeSpace takes it away with
	// everything placed in it.
	NewSpace() (Space, abi.Status)
	FreeSpace(s Space)
	// Place shows bytes of a backing from an offset on at an address in a
	// space.
	Place(s Space, v View) abi.Status
	// Remove takes away what is placed; the addresses fault afterwards.
	Remove(s Space, address, bytes uint64)
	// Zero replaces what is placed by private zero pages, while others may be
	// reading it. It is how a mapping is revoked.
	Zero(s Space, address, bytes uint64)
	// Dirtied returns how many pages of a private placement were written and
	// so became copies.
	Dirtied(s Space, address, bytes uint64) uint64
}

// View is what Place shows and where.
type View struct {
	Backing Backing
	Address uint64
	Offset  uint64
	Bytes   uint64
	Access  Access
}

// The sizes of pages.
const (
	PageBytes      = 4 << 10
	LargePageBytes = 2 << 20
)

// Log keeps records in order. It only grows.
type Log interface {
	// Append adds one record. The bytes are the caller's again afterwards.
	Append(record []byte) abi.Status
}

// Machine is everything the kernel asks for.
type Machine interface {
	Clock
	Memory
	// NewParker makes a parker for one thread of control.
	NewParker() Parker
	// Relax lets others run for a moment; a loop that waits for a few
	// instructions of another thread calls it.
	Relax()
}
