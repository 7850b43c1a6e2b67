// Package placement keeps what is placed in one address space of a machine:
// a sorted list of views that never overlap. Both machines use it, so that
// what is in an address space is decided by one piece of code and never by a
// fault.
//
// A view without a backing is a range of private zero pages. Such views merge
// with their neighbours, as the ranges of the host's own table do.
//
// The list is one slice. A tree was rejected: at the limit of some 28,000
// placements an insertion moves a megabyte, which is less than the page
// faults that follow it, and a look-up is a binary search in one piece of
// memory.
//
// Lock order: none; the address space that owns a Table guards it.
//
// Invariants: views are sorted by address, not empty, and do not overlap.
package placement

import (
	"slices"

	"phios/internal/invariant"
	"phios/platform"
)

// Table is the list of what is placed. Its zero value is empty.
type Table struct {
	views []platform.View
}

// Len returns the number of views. Each costs the host at most two entries of
// its own table: itself and the gap behind it.
func (t *Table) Len() int { return len(t.views) }

// Reset empties the table and keeps its memory.
func (t *Table) Reset() { t.views = t.views[:0] }

// Next returns the first piece of what is placed between address and
// address+bytes, cut to that range, and whether there is one.
func (t *Table) Next(address, bytes uint64) (platform.View, bool) {
	i := t.search(address)
	if i == len(t.views) || t.views[i].Address >= address+bytes {
		return platform.View{}, false
	}
	return clip(t.views[i], address, bytes), true
}

// Covers reports whether all of the range is placed.
func (t *Table) Covers(address, bytes uint64) bool {
	end := address + bytes
	for i := t.search(address); address < end; i++ {
		if i == len(t.views) || t.views[i].Address > address {
			return false
		}
		address = endOf(t.views[i])
	}
	return true
}

// Insert adds v, and reports false, having changed nothing, when it overlaps
// what is placed.
//
// Preconditions:
//   - v is not empty.
func (t *Table) Insert(v platform.View) bool {
	invariant.Check(v.Bytes != 0, "platform/placement: an empty view is inserted")
	i := t.search(v.Address)
	if i < len(t.views) && t.views[i].Address < endOf(v) {
		return false
	}
	if v.Backing == 0 {
		i, v = t.absorb(i, v)
	}
	t.views = slices.Insert(t.views, i, v)
	t.check(i)
	return true
}

// Cut takes the range away, splitting the views that reach out of it.
func (t *Table) Cut(address, bytes uint64) {
	end := address + bytes
	from := t.search(address)
	to := from
	for to < len(t.views) && t.views[to].Address < end {
		to++
	}
	if from == to {
		return
	}
	// What stays of the first and of the last view, if anything.
	first, last := t.views[from], t.views[to-1]
	var rest [2]platform.View
	kept := rest[:0]
	if first.Address < address {
		kept = append(kept, clip(first, first.Address, address-first.Address))
	}
	if endOf(last) > end {
		kept = append(kept, clip(last, end, endOf(last)-end))
	}
	t.views = slices.Replace(t.views, from, to, kept...)
	t.check(from)
}

// Zero turns what is placed in the range into private zero pages; gaps stay.
func (t *Table) Zero(address, bytes uint64) {
	end := address + bytes
	for address < end {
		v, found := t.Next(address, end-address)
		if !found {
			return
		}
		address = endOf(v)
		if v.Backing == 0 {
			continue
		}
		t.Cut(v.Address, v.Bytes)
		zero := platform.View{Address: v.Address, Bytes: v.Bytes, Access: platform.AccessPrivate}
		inserted := t.Insert(zero)
		invariant.Check(inserted, "platform/placement: a range that was cut out is not free")
	}
}

// Uses returns how many views show b. It looks at all of them.
func (t *Table) Uses(b platform.Backing) int {
	n := 0
	for i := range t.views {
		if t.views[i].Backing == b {
			n++
		}
	}
	return n
}

// absorb takes the zero views that touch v out of the table and returns where
// v, grown by them, belongs. View i is the first behind v.
func (t *Table) absorb(i int, v platform.View) (int, platform.View) {
	if i < len(t.views) && t.views[i].Backing == 0 && t.views[i].Address == endOf(v) {
		v.Bytes += t.views[i].Bytes
		t.views = slices.Delete(t.views, i, i+1)
	}
	if i > 0 && t.views[i-1].Backing == 0 && endOf(t.views[i-1]) == v.Address {
		v.Address = t.views[i-1].Address
		v.Bytes += t.views[i-1].Bytes
		t.views = slices.Delete(t.views, i-1, i)
		i--
	}
	return i, v
}

// search returns the index of the first view that ends behind address.
func (t *Table) search(address uint64) int {
	low, high := 0, len(t.views)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if endOf(t.views[middle]) > address {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// check asserts the invariants of the package around the view i, where
// something has changed.
func (t *Table) check(i int) {
	if !invariant.Enabled {
		return
	}
	for at := max(i-1, 0); at < min(i+3, len(t.views)); at++ {
		invariant.Check(t.views[at].Bytes != 0, "platform/placement: an empty view")
		if at > 0 {
			invariant.Check(endOf(t.views[at-1]) <= t.views[at].Address, "platform/placement: views overlap")
		}
	}
}

func endOf(v platform.View) uint64 { return v.Address + v.Bytes }

// clip returns the part of v that lies in the range.
func clip(v platform.View, address, bytes uint64) platform.View {
	from := max(v.Address, address)
	to := min(endOf(v), address+bytes)
	if v.Backing != 0 {
		v.Offset += from - v.Address
	}
	v.Address, v.Bytes = from, to-from
	return v
}
