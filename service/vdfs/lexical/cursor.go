package lexical

import "encoding/binary"

// cursor walks the postings of one term in one segment.
type cursor struct {
	chunk
	limit   uint32 // documents of the segment
	current uint32 // documentsEnded behind the last
	block   int    // that is read, -1 before the first
	i, n    int
	counted bool // counts are read
	placeAt int  // where the positions of posting placeOf begin, in bytes
	placeOf int
	docs    [blockPostings]uint32
	counts  [blockPostings]uint32

	most   uint32  // that the term adds in the window
	weight float32 // of the term, in units of a score
	scale  float32 // from a stored bound to units of a score
}

// open begins at the first posting.
func (c *cursor) open(k chunk, limit uint32) {
	c.chunk, c.limit, c.block = k, limit, -1
	c.load(0)
}

func (c *cursor) blocks() int { return len(c.metas) / metaBytes }
func (c *cursor) lastOf(block int) uint32 {
	return binary.LittleEndian.Uint32(c.metas[block*metaBytes:])
}

func (c *cursor) boundOf(block int) uint16 {
	return binary.LittleEndian.Uint16(c.metas[block*metaBytes+12:])
}

// load reads a block. What is not as it should be ends the postings.
func (c *cursor) load(block int) {
	c.current = documentsEnded
	if block >= c.blocks() {
		return
	}
	meta := c.metas[block*metaBytes : (block+1)*metaBytes]
	n := min(blockPostings, c.documents-block*blockPostings)
	at, wide := int(binary.LittleEndian.Uint32(meta[4:])), int(meta[14])
	if at > c.end || !unpack(&c.docs, n, c.bytes[at:], wide) {
		return
	}
	next := uint64(0)
	if block > 0 {
		next = uint64(c.lastOf(block-1)) + 1
	}
	for i := range c.docs[:n] {
		next += uint64(c.docs[i]) + 1
		c.docs[i] = uint32(next - 1)
	}
	if next > uint64(c.limit) || c.docs[n-1] != c.lastOf(block) {
		return
	}
	c.block, c.i, c.n, c.counted = block, 0, n, false
	c.current = c.docs[0]
}

// readCounts reads how often the term is in the documents of the block.
func (c *cursor) readCounts() {
	meta := c.metas[c.block*metaBytes:]
	at := int(binary.LittleEndian.Uint32(meta[4:])) + packedBytes(c.n, int(meta[14]))
	if at > c.end || !unpack(&c.counts, c.n, c.bytes[at:], int(meta[15])) {
		clear(c.counts[:])
	}
	c.counted, c.placeAt, c.placeOf = true, int(binary.LittleEndian.Uint32(meta[8:])), 0
}

// count is how often the term is in the current document.
func (c *cursor) count() uint32 {
	if !c.counted {
		c.readCounts()
	}
	return c.counts[c.i] + 1
}

// next goes to the following posting.
func (c *cursor) next() {
	if c.i++; c.i < c.n {
		c.current = c.docs[c.i]
		return
	}
	c.load(c.block + 1)
}

// seek goes to the first posting that is not before a document.
func (c *cursor) seek(document uint32) {
	if c.current >= document {
		return
	}
	if c.lastOf(c.block) < document {
		c.load(c.find(document, c.block+1))
		if c.current >= document {
			return
		}
	}
	i := c.i
	for i < c.n-1 && c.docs[i] < document {
		i++
	}
	c.i, c.current = i, c.docs[i]
	if c.current < document { // the metas lie
		c.current = documentsEnded
	}
}

// find gives the first block, from some block on, that ends at a document or
// behind. It gallops: what is sought is mostly near.
func (c *cursor) find(document uint32, from int) int {
	low, step := from, 1
	for low+step <= c.blocks() && c.lastOf(low+step-1) < document {
		low += step
		step *= 2
	}
	high := min(low+step-1, c.blocks())
	for low < high {
		if middle := (low + high) / 2; c.lastOf(middle) < document {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// bound is the most that a document in [from, to) can score by this term.
func (c *cursor) bound(from, to uint32) uint32 {
	if c.current >= to {
		return 0
	}
	block := c.block
	if c.lastOf(block) < from {
		block = c.find(from, block+1)
	}
	var most uint16
	for ; block < c.blocks(); block++ {
		most = max(most, c.boundOf(block))
		if c.lastOf(block) >= to-1 {
			break
		}
	}
	if most == 0 {
		return 0
	}
	return uint32(float32(most)*c.scale) + 2
}

// places gives where in the current document the term stands, rising, in memory
// of the caller.
func (c *cursor) places(out []uint32) []uint32 {
	count := c.count()
	if c.placeOf > c.i {
		c.placeAt, c.placeOf = int(binary.LittleEndian.Uint32(c.metas[c.block*metaBytes+8:])), 0
	}
	for ; c.placeOf < c.i; c.placeOf++ {
		for range uint64(c.counts[c.placeOf]) + 1 {
			if _, ok := c.varint(); !ok {
				return out[:0]
			}
		}
	}
	out = out[:0]
	place := uint32(0)
	for range count {
		gap, ok := c.varint()
		if !ok {
			break
		}
		place += uint32(gap)
		out = append(out, place)
	}
	c.placeOf++
	return out
}

// varint reads one gap.
func (c *cursor) varint() (uint64, bool) {
	if c.placeAt < 0 || c.placeAt >= c.end {
		return 0, false
	}
	v, n := binary.Uvarint(c.bytes[c.placeAt:c.end])
	if n <= 0 {
		return 0, false
	}
	c.placeAt += n
	return v, true
}

// raw gives the current posting's places as they are stored.
func (c *cursor) raw() []byte {
	count := c.count()
	for ; c.placeOf < c.i; c.placeOf++ {
		for range uint64(c.counts[c.placeOf]) + 1 {
			if _, ok := c.varint(); !ok {
				return nil
			}
		}
	}
	begin := c.placeAt
	for range count {
		if _, ok := c.varint(); !ok {
			return nil
		}
	}
	c.placeOf++
	if begin > c.placeAt {
		return nil
	}
	return c.bytes[begin:c.placeAt]
}
