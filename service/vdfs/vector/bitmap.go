package vector

import "math/bits"

// Bitmap is a set of rows, one bit each, such as a search is narrowed to. Rows
// beyond its end are not in it.
type Bitmap []uint64

// NewBitmap returns an empty set with room for rows below rows.
func NewBitmap(rows int) Bitmap { return make(Bitmap, (rows+63)/64) }

// Add puts a row into the set, which must have room for it.
func (b Bitmap) Add(row uint32) { b[row/64] |= 1 << (row % 64) }

// Has reports whether a row is in the set.
func (b Bitmap) Has(row uint32) bool {
	return int(row/64) < len(b) && b[row/64]>>(row%64)&1 == 1
}

// Count returns how many rows are in the set.
func (b Bitmap) Count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

func (b Bitmap) remove(row uint32) { b[row/64] &^= 1 << (row % 64) }

// countBoth returns how many rows are in both sets.
func countBoth(a, b Bitmap) int {
	n := 0
	for i := range min(len(a), len(b)) {
		n += bits.OnesCount64(a[i] & b[i])
	}
	return n
}

// withRows returns live, grown in place or anew, with rows [from, to) in it.
func withRows(live Bitmap, from, to int) Bitmap {
	for len(live)*64 < to {
		live = append(live, 0)
	}
	for ; from < to && from%64 != 0; from++ {
		live[from/64] |= 1 << (from % 64)
	}
	for ; from+64 <= to; from += 64 {
		live[from/64] = ^uint64(0)
	}
	for ; from < to; from++ {
		live[from/64] |= 1 << (from % 64)
	}
	return live
}
