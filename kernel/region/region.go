// Package region keeps memory objects: bytes that are placed at one address
// for the whole node and shared by being mapped, never by being copied.
//
// Every region takes a range of the node's single arena of addresses, and
// appears at that range wherever it is mapped, so that a pointer into it means
// the same to everyone. With the node in front of it the address is unique in
// a cluster. A region is present in the kernel's own space from birth to
// death; mappings place windows of it in the spaces of tasks.
//
// What a holder may do is decided by how the window is placed. Shared, it
// reads and writes the region. Private, it reads the region and keeps what it
// writes to itself: a stray write neither faults nor reaches the owner, and
// the copied pages are counted once each (Settle), so that the writer pays.
//
// A mapping remembers the key of the capability it was made with. Revocation
// replaces the mappings of dead keys by zero pages before it returns; they
// stay placed until they are unmapped, because a holder in the middle of a
// read must find zeros there and not a fault.
//
// References are counted here and not left to the garbage collector: memory
// goes back when the last reference goes, at a moment that everyone can name.
//
// Lock order: Region.mu → Arena.mu. Region.mu is held over calls to the
// platform, which is an exception to the house rule: what the table says and
// what is placed must change together, or a mapping made during a revocation
// would survive it. Reads and writes by the kernel share the lock, so that
// none is under way when ZeroWhere or Destroy returns. The functions that
// callers pass in are called under Region.mu and must not call back into the
// region; a lock that they take comes after it.
//
// Invariants: no two living regions share an address, and each is inside the
// arena, at a multiple of the page size, or of 2 MiB when it is that large. No
// two mappings of a space overlap. Every mapping lies inside its region, at the
// region's own addresses. A mapping that died never lives again. The pages
// reported as dirtied for a mapping, less those returned at its end, are zero.
//
// Ledger: S6, S7, S8, S9, G3.2.
//
// Seed name: SharedRegions.
// Seed name: SASOS.
// Seed name: Zero-copy everywhere.
// Seed name: Pinned memory.
package region

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// The limits of a region.
const (
	mappingsMax = 1 << 12 // mappings of one region
	pinsMax     = 1 << 20 // pins of one region
)

// Region is a memory object. It is safe for concurrent use. There is no useful
// zero value: regions come from Arena.Create.
type Region struct {
	arena   *Arena           // immutable
	backing platform.Backing // immutable
	address uint64           // immutable
	bytes   uint64           // immutable, a multiple of the page size

	// references counts those who may still use the region, its maker first.
	// It is one independent word, on the path of every handover.
	references atomic.Int64

	mu        sync.RWMutex
	destroyed bool     // guarded by mu
	pins      uint64   // guarded by mu
	placed    []placed // guarded by mu; sorted by space, then address
}

// Address returns where the region is, the same in every space.
func (r *Region) Address() uint64 { return r.address }

// Global returns the region's address in the cluster.
func (r *Region) Global() abi.GlobalAddress {
	return abi.GlobalAddress{Node: r.arena.node, Address: r.address}
}

// Bytes returns the region's length: what was asked for, rounded up to pages.
func (r *Region) Bytes() uint64 { return r.bytes }

// Retain adds a reference. Handing over a region is this and a message,
// whatever its size. To retain a region without references is a broken
// invariant: whoever does it holds none themselves.
func (r *Region) Retain() {
	invariant.Always(r.references.Add(1) > 1, "region: only a holder retains")
}

// Release drops a reference, and reports whether it was the last; whoever
// drops the last one calls Destroy. One more release than there are references
// is a broken invariant.
func (r *Region) Release() (last bool) {
	left := r.references.Add(-1)
	invariant.Always(left >= 0, "region: released no more often than retained")
	return left == 0
}

// Destroy takes the region out of every space, unpins it, frees its memory
// and gives back its address, which is used again as late as possible. For
// every mapping with dirtied pages it calls returned, as Unmap reports them;
// nil when nobody wants to know. Calls after it answer StatusState; a second
// Destroy is a broken invariant, and so is one while others hold references.
func (r *Region) Destroy(returned func(owner, pages uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	invariant.Always(!r.destroyed, "region: destroyed once")
	invariant.Always(r.references.Load() <= 1, "region: destroyed by its last holder")
	r.destroyed = true
	memory := r.arena.memory
	r.removeLocked(0, len(r.placed), returned)
	if r.pins > 0 {
		memory.Unpin(r.address, r.bytes)
		r.pins = 0
	}
	memory.Destroy(r.backing, r.address, r.bytes)
	r.arena.release(r.address, r.bytes)
}

// Pin adds n pins; while there is any, the region's bytes stay in physical
// memory. It returns StatusBadArgument for zero pins, StatusLimit for too many,
// StatusPinLimit when the machine does not allow so much pinned memory, and
// StatusState when the region is destroyed.
func (r *Region) Pin(n uint64) abi.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.destroyed:
		return abi.StatusState
	case n == 0:
		return abi.StatusBadArgument
	case n > pinsMax-r.pins:
		return abi.StatusLimit
	}
	if r.pins == 0 {
		if status := r.arena.memory.Pin(r.address, r.bytes); status != abi.StatusOK {
			return status
		}
	}
	r.pins += n
	return abi.StatusOK
}

// Unpin takes n pins away. It returns StatusBadArgument for zero pins, and
// StatusState when the region has fewer or is destroyed.
func (r *Region) Unpin(n uint64) abi.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.destroyed || n > r.pins:
		return abi.StatusState
	case n == 0:
		return abi.StatusBadArgument
	}
	r.pins -= n
	if r.pins == 0 {
		r.arena.memory.Unpin(r.address, r.bytes)
	}
	return abi.StatusOK
}

// PageBytes returns the size of the pages that the region is in.
func (r *Region) PageBytes() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.destroyed && r.arena.memory.LargePages(r.backing) {
		return platform.LargePageBytes
	}
	return platform.PageBytes
}

// Pins returns how many pins the region has.
func (r *Region) Pins() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.pins
}

// Window is a part of a region that a capability reaches: Bytes bytes from
// Base on, counted from the region's start.
type Window struct {
	Base  uint64
	Bytes uint64
	// Live reports whether the capability still is. Read and Write ask it at
	// the moment when no revocation can come between the answer and the copy,
	// and return StatusRevoked when it is not; nil when there is nothing to
	// ask.
	Live func() bool
}

// Read copies bytes from offset on in the window to a program's. It returns
// StatusRange when they reach past the window, or the window past the region,
// StatusState when the region is destroyed, StatusRevoked when the window is
// not live any more. It allocates nothing.
func (r *Region) Read(w Window, offset uint64, to []byte) abi.Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if status := r.checkLocked(&w, offset, uint64(len(to))); status != abi.StatusOK {
		return status
	}
	return r.arena.memory.Read(platform.SpaceKernel, r.address+w.Base+offset, to)
}

// Write copies a program's bytes to the window from offset on, with the
// statuses of Read. It allocates nothing.
func (r *Region) Write(w Window, offset uint64, from []byte) abi.Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if status := r.checkLocked(&w, offset, uint64(len(from))); status != abi.StatusOK {
		return status
	}
	return r.arena.memory.Write(platform.SpaceKernel, r.address+w.Base+offset, from)
}

// checkLocked returns StatusOK when n bytes at offset are inside the window,
// the window is inside the region, and it is live. It never adds what could
// overflow.
func (r *Region) checkLocked(w *Window, offset, n uint64) abi.Status {
	switch {
	case r.destroyed:
		return abi.StatusState
	case w.Base > r.bytes || w.Bytes > r.bytes-w.Base:
		return abi.StatusRange
	case offset > w.Bytes || n > w.Bytes-offset:
		return abi.StatusRange
	case w.Live != nil && !w.Live():
		return abi.StatusRevoked
	}
	return abi.StatusOK
}
