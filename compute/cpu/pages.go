package cpu

import (
	"fmt"

	"phios/compute"
)

// pageTokens is how many tokens a page of the cache holds. Smaller pages share
// more and waste less at the end of a text; larger ones cost fewer calls of the
// kernels, which take a page at a time. 32 is also the block of the formats.
const pageTokens = 32

// shape is where in a page things lie: for each layer the keys of each head,
// token after token, then the values likewise. A head's keys are contiguous, so
// that attention, which runs head by head, streams.
type shape struct {
	layers, heads       int
	keyWidth, valWidth  int // of a head
	layerSize, pageSize int // in elements of 16 bits
}

func newShape(layers, heads, keyWidth, valWidth int) shape {
	s := shape{layers: layers, heads: heads, keyWidth: keyWidth, valWidth: valWidth}
	s.layerSize = pageTokens * heads * (keyWidth + valWidth)
	s.pageSize = layers * s.layerSize
	return s
}

func (s *shape) bytes() int { return 2 * s.pageSize }

// key is where the keys of a head begin; value, where its values do.
func (s *shape) key(layer, head int) int {
	return layer*s.layerSize + head*pageTokens*s.keyWidth
}

func (s *shape) value(layer, head int) int {
	return layer*s.layerSize + pageTokens*(s.heads*s.keyWidth+head*s.valWidth)
}

// pages is the cache: a fixed number of pages, each held by any number of
// sequences and callers. The memory of a page is taken when it is first used and
// kept; that all of it fits was settled when the model was loaded.
type pages struct {
	shape shape
	data  [][]uint16
	holds []int32
	index []int32        // which page of its text it is
	free  []compute.Page // a stack; the last one given up is still in the processor's cache
	grown func(bytes int)
}

func newPages(s shape, count int, grown func(bytes int)) *pages {
	c := &pages{
		shape: s, grown: grown,
		data: make([][]uint16, count), holds: make([]int32, count), index: make([]int32, count), free: make([]compute.Page, count),
	}
	for i := range c.free {
		c.free[i] = compute.Page(count - 1 - i)
	}
	return c
}

// take returns a free page, held once, for a place in a text. What it holds is
// left from before.
func (c *pages) take(index int) (compute.Page, error) {
	if len(c.free) == 0 {
		return 0, fmt.Errorf("%w: all %d pages of %d tokens are held; release pages or end sequences, or load with more CacheTokens",
			compute.ErrFull, len(c.data), pageTokens)
	}
	p := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	if c.data[p] == nil {
		c.data[p] = make([]uint16, c.shape.pageSize)
		c.grown(c.shape.bytes())
	}
	c.holds[p], c.index[p] = 1, int32(index)
	return p, nil
}

// held says whether p is a page that somebody holds.
func (c *pages) held(p compute.Page) bool {
	return p >= 0 && int(p) < len(c.holds) && c.holds[p] > 0
}

func (c *pages) hold(p compute.Page) { c.holds[p]++ }

func (c *pages) release(p compute.Page) {
	c.holds[p]--
	if c.holds[p] == 0 {
		c.free = append(c.free, p)
	}
}
