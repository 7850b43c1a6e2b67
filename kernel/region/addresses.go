package region

import (
	"cmp"
	"slices"

	"phios/internal/invariant"
)

// restingMax is how many spans that were given back wait before they can be
// given again.
const restingMax = 1 << 10

// span is a range of addresses.
type span struct {
	address uint64
	bytes   uint64
}

// addresses hands out ranges of addresses, first fit. What comes back rests in
// a queue before it is free again, so that a stale pointer goes on pointing to
// nothing for as long as possible; when nothing else fits, the rest of those
// that came back first ends early.
//
// The free spans are a sorted slice: at most as many as there are regions, a
// scan and a move of a few microseconds at that, next to which the machine's
// own work for a new region is long. Rejected: buddies, which round lengths up
// or leave many small spans behind, and segregated lists, which find a span
// sooner but need two indexes to join neighbours.
type addresses struct {
	free    []span // sorted by address; neighbours are joined
	resting [restingMax]span
	oldest  int // index in resting
	count   int // of resting
}

// newAddresses returns the addresses of a whole arena.
func newAddresses(whole span) addresses {
	if whole.bytes == 0 {
		return addresses{}
	}
	return addresses{free: []span{whole}}
}

// take returns the address of a range that is free from now on for the caller
// alone, and false when there is none, even among those that rest.
//
// Preconditions:
//   - bytes is above zero, align a power of two, and both are whole pages.
func (a *addresses) take(bytes, align uint64) (uint64, bool) {
	invariant.Check(bytes > 0 && align&(align-1) == 0, "region: a range has a length and an alignment")
	for i := range a.free {
		if pad, fits := a.free[i].fit(bytes, align); fits {
			return a.cut(i, pad, bytes), true
		}
	}
	for a.count > 0 {
		i := a.wake()
		if pad, fits := a.free[i].fit(bytes, align); fits {
			return a.cut(i, pad, bytes), true
		}
	}
	return 0, false
}

// rest takes a range back.
func (a *addresses) rest(s span) {
	if a.count == restingMax {
		a.wake()
	}
	a.resting[(a.oldest+a.count)%restingMax] = s
	a.count++
}

// wake makes the range that came back first free again, and returns the index
// of the free span that it is now part of.
//
// Preconditions:
//   - A range is resting.
func (a *addresses) wake() int {
	invariant.Check(a.count > 0, "region: a range is resting")
	s := a.resting[a.oldest]
	a.oldest = (a.oldest + 1) % restingMax
	a.count--
	a.free = insert(a.free, s)
	i, found := find(a.free, s.address)
	if !found {
		i-- // joined to the one before
	}
	return i
}

// cut takes bytes out of free span i, pad bytes after its start, and returns
// their address.
//
// Preconditions:
//   - The span has pad and bytes.
func (a *addresses) cut(i int, pad, bytes uint64) uint64 {
	s := a.free[i]
	invariant.Always(pad <= s.bytes && bytes <= s.bytes-pad, "region: a range is cut from a longer one")
	address := s.address + pad
	head := span{s.address, pad}
	tail := span{address + bytes, s.bytes - pad - bytes}
	switch {
	case head.bytes > 0 && tail.bytes > 0:
		a.free[i] = head
		a.free = slices.Insert(a.free, i+1, tail)
	case head.bytes > 0:
		a.free[i] = head
	case tail.bytes > 0:
		a.free[i] = tail
	default:
		a.free = slices.Delete(a.free, i, i+1)
	}
	// Free spans are apart from each other, so between any two of them there
	// is a region or a span that rests.
	invariant.Check(len(a.free) <= regionsMax+restingMax+1, "region: no more gaps than regions")
	return address
}

// sums returns how many bytes are free, and how many rest.
func (a *addresses) sums() (free, resting uint64) {
	for _, s := range a.free {
		free += s.bytes
	}
	for i := range a.count {
		resting += a.resting[(a.oldest+i)%restingMax].bytes
	}
	return free, resting
}

// fit returns how far after its start the span can hold bytes aligned, and
// whether it can.
func (s span) fit(bytes, align uint64) (pad uint64, fits bool) {
	pad = -s.address & (align - 1)
	return pad, pad <= s.bytes && s.bytes-pad >= bytes
}

// find returns where in spans the one that begins at address is or would be.
func find(spans []span, address uint64) (int, bool) {
	return slices.BinarySearchFunc(spans, address, func(s span, address uint64) int {
		return cmp.Compare(s.address, address)
	})
}

// insert puts a span among sorted ones and joins it to its neighbours. A span
// that overlaps another was given back twice: a broken invariant.
func insert(spans []span, s span) []span {
	i, found := find(spans, s.address)
	invariant.Always(!found, "region: addresses are given back once")
	before := i > 0 && spans[i-1].address+spans[i-1].bytes >= s.address
	after := i < len(spans) && s.address+s.bytes >= spans[i].address
	invariant.Always(!before || spans[i-1].address+spans[i-1].bytes == s.address, "region: free spans are apart")
	invariant.Always(!after || s.address+s.bytes == spans[i].address, "region: free spans are apart")
	switch {
	case before && after:
		spans[i-1].bytes += s.bytes + spans[i].bytes
		return slices.Delete(spans, i, i+1)
	case before:
		spans[i-1].bytes += s.bytes
		return spans
	case after:
		spans[i] = span{s.address, spans[i].bytes + s.bytes}
		return spans
	}
	return slices.Insert(spans, i, s)
}
