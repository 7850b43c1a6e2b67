package region

import (
	"sync"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// regionsMax is the limit of living regions. A hosted machine gives a process
// 65,530 mappings, and each region takes one in the kernel's space.
const regionsMax = 1 << 15

// Arena is a node's single range of addresses, and makes the regions in it. It
// is safe for concurrent use. There is no useful zero value.
type Arena struct {
	memory platform.Memory // immutable
	node   uint64          // immutable
	bytes  uint64          // immutable

	mu        sync.Mutex
	addresses addresses // guarded by mu
	regions   int       // guarded by mu; living ones
	used      uint64    // guarded by mu; bytes of living regions
}

// Usage is what is in an arena at one moment.
type Usage struct {
	Regions int    // living ones
	Used    uint64 // bytes of living regions
	Free    uint64 // bytes of addresses that can be given at once
	Resting uint64 // bytes of addresses that were given back recently
	Spans   int    // pieces in which the free addresses are
}

// NewArena returns the arena of a node on the given memory.
//
// Preconditions:
//   - The memory's arena is in whole pages and does not wrap around.
func NewArena(m platform.Memory, node uint64) *Arena {
	base, bytes := m.Arena()
	invariant.Always((base|bytes)%platform.PageBytes == 0, "region: an arena is in whole pages")
	invariant.Always(base+bytes >= base, "region: an arena does not wrap around")
	return &Arena{memory: m, node: node, bytes: bytes, addresses: newAddresses(span{base, bytes})}
}

// Create makes a region of zeroes, at least bytes long, with one reference.
// Regions of 2 MiB and more are aligned to that and ask for large pages. It
// returns StatusBadArgument for zero bytes, StatusLimit when the node has its
// limit of regions, StatusNoMemory when the arena has no such range of
// addresses or the machine no memory.
func (a *Arena) Create(bytes uint64) (*Region, abi.Status) {
	switch {
	case bytes == 0:
		return nil, abi.StatusBadArgument
	case bytes > a.bytes:
		return nil, abi.StatusNoMemory
	}
	// The arena is in whole pages, so this is within it and cannot overflow.
	bytes = (bytes + platform.PageBytes - 1) &^ (platform.PageBytes - 1)
	large := bytes >= platform.LargePageBytes
	address, status := a.reserve(bytes, alignment(bytes))
	if status != abi.StatusOK {
		return nil, status
	}
	backing, status := a.memory.Create(address, bytes, large)
	if status != abi.StatusOK {
		a.cancel(address, bytes)
		return nil, status
	}
	r := &Region{arena: a, backing: backing, address: address, bytes: bytes}
	r.references.Store(1)
	return r, abi.StatusOK
}

// Adopt makes a region of a backing that the machine has, whose bytes are a
// multiple of the page size, with one reference. The region is for reading: no
// caller lets anybody write to it. It returns StatusBadArgument for such bytes,
// StatusLimit, StatusNoMemory as Create does, and what the machine answers; then
// the backing is as it was.
func (a *Arena) Adopt(b platform.Backing, bytes uint64) (*Region, abi.Status) {
	switch {
	case bytes == 0 || bytes%platform.PageBytes != 0:
		return nil, abi.StatusBadArgument
	case bytes > a.bytes:
		return nil, abi.StatusNoMemory
	}
	address, status := a.reserve(bytes, alignment(bytes))
	if status != abi.StatusOK {
		return nil, status
	}
	if status := a.memory.Adopt(b, address, bytes); status != abi.StatusOK {
		a.cancel(address, bytes)
		return nil, status
	}
	r := &Region{arena: a, backing: b, address: address, bytes: bytes}
	r.references.Store(1)
	return r, abi.StatusOK
}

// Usage returns what is in the arena.
func (a *Arena) Usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	free, resting := a.addresses.sums()
	return Usage{
		Regions: a.regions, Used: a.used, Free: free, Resting: resting, Spans: len(a.addresses.free),
	}
}

// alignment returns what the address of a region must be a multiple of.
func alignment(bytes uint64) uint64 {
	if bytes >= platform.LargePageBytes {
		return platform.LargePageBytes
	}
	return platform.PageBytes
}

// reserve takes addresses and a place among the regions.
func (a *Arena) reserve(bytes, align uint64) (uint64, abi.Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.regions >= regionsMax {
		return 0, abi.StatusLimit
	}
	address, found := a.addresses.take(bytes, align)
	if !found {
		return 0, abi.StatusNoMemory
	}
	a.regions++
	a.used += bytes
	return address, abi.StatusOK
}

// cancel undoes reserve for addresses that nobody has seen: they need no rest.
func (a *Arena) cancel(address, bytes uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(bytes)
	a.addresses.free = insert(a.addresses.free, span{address, bytes})
}

// release gives back the addresses of a region that is no more.
func (a *Arena) release(address, bytes uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(bytes)
	a.addresses.rest(span{address, bytes})
}

// forgetLocked takes one region of the given length out of the counts.
func (a *Arena) forgetLocked(bytes uint64) {
	invariant.Always(a.regions > 0 && a.used >= bytes, "region: a living region is counted")
	a.regions--
	a.used -= bytes
}
