package token

import "unicode/utf8"

// symbol is a stretch of a word that merges have made one so far.
type symbol struct {
	start, end int32 // bytes of the word
	prev, next int32 // neighbours, -1 at the ends
	id         int32 // what it is; negative is no piece
}

// candidate is a merge that may be done: the one of least order is done first.
type candidate struct {
	order uint64 // rank above, place of the left symbol below
	right int32
	size  int32 // bytes of both; when that changed, the candidate is stale
	id    int32 // what the two become
}

// pairs says which two neighbours may become one.
type pairs interface {
	// pair returns the rank of a merge (less is sooner) and what comes of it.
	pair(word []byte, left, right *symbol) (rank uint32, id int32, ok bool)
}

// scratch is the memory of one encoding, used again and again.
type scratch struct {
	text    []byte
	symbols []symbol
	heap    []candidate
	short   [shortMax]candidate
	lattice lattice
}

// Words of up to shortMax symbols are merged by looking at all pairs each time,
// which beats a heap; longer ones by a heap, so that no word costs more than
// O(n log n).
const (
	shortMax         = 24
	scratchKeepBytes = 1 << 20
)

// trim gives back memory that one large text needed.
func (s *scratch) trim() {
	if cap(s.text) > scratchKeepBytes || cap(s.symbols) > scratchKeepBytes/16 || cap(s.lattice.nodes) > scratchKeepBytes/16 {
		*s = scratch{}
	}
}

// characters makes one symbol of each character of the word, and of each byte
// that is not UTF-8.
func (s *scratch) characters(word []byte, id func([]byte) int32) {
	s.symbols = s.symbols[:0]
	for at := 0; at < len(word); {
		n := 1
		if word[at] >= utf8.RuneSelf {
			_, n = utf8.DecodeRune(word[at:])
		}
		s.symbols = append(s.symbols, symbol{start: int32(at), end: int32(at + n), id: id(word[at : at+n])})
		at += n
	}
}

// merge joins the symbols of a word until no pair may be joined any more, and
// leaves those that remain in order.
func (s *scratch) merge(p pairs, word []byte) {
	if len(s.symbols) <= shortMax {
		s.mergeShort(p, word)
		return
	}
	s.mergeLong(p, word)
}

const noRank = 1<<64 - 1

// mergeShort keeps the merge of each neighbouring pair and does the least.
func (s *scratch) mergeShort(p pairs, word []byte) {
	symbols := s.symbols
	look := func(i int) {
		s.short[i].order = noRank
		if i+1 >= len(symbols) {
			return
		}
		if rank, id, ok := p.pair(word, &symbols[i], &symbols[i+1]); ok {
			s.short[i].order, s.short[i].id = uint64(rank), id
		}
	}
	for i := range symbols {
		look(i)
	}
	for {
		best := -1
		least := uint64(noRank)
		for i := range symbols {
			if s.short[i].order < least {
				best, least = i, s.short[i].order
			}
		}
		if best < 0 {
			break
		}
		symbols[best].end, symbols[best].id = symbols[best+1].end, s.short[best].id
		copy(symbols[best+1:], symbols[best+2:])
		copy(s.short[best+1:len(symbols)], s.short[best+2:len(symbols)])
		symbols = symbols[:len(symbols)-1]
		look(best)
		if best > 0 {
			look(best - 1)
		}
	}
	s.symbols = symbols
}

// mergeLong is the same with a heap and a linked list.
func (s *scratch) mergeLong(p pairs, word []byte) {
	symbols := s.symbols
	s.heap = s.heap[:0]
	for i := range symbols {
		symbols[i].prev, symbols[i].next = int32(i-1), int32(i+1)
	}
	symbols[len(symbols)-1].next = -1
	for i := range len(symbols) - 1 {
		s.propose(p, word, int32(i), int32(i+1))
	}
	for len(s.heap) > 0 {
		c := s.pop()
		at := int32(c.order & (1<<32 - 1))
		left, right := &symbols[at], &symbols[c.right]
		if left.end == left.start || right.end == right.start || right.end-left.start != c.size || left.next != c.right {
			continue
		}
		left.end, left.id, left.next = right.end, c.id, right.next
		right.start = right.end
		if right.next >= 0 {
			symbols[right.next].prev = at
		}
		if left.prev >= 0 {
			s.propose(p, word, left.prev, at)
		}
		if left.next >= 0 {
			s.propose(p, word, at, left.next)
		}
	}
	kept := symbols[:0]
	for _, y := range symbols {
		if y.end > y.start {
			kept = append(kept, y)
		}
	}
	s.symbols = kept
}

// propose puts the merge of two neighbours on the heap, if there is one.
func (s *scratch) propose(p pairs, word []byte, left, right int32) {
	l, r := &s.symbols[left], &s.symbols[right]
	rank, id, ok := p.pair(word, l, r)
	if !ok {
		return
	}
	c := candidate{order: uint64(rank)<<32 | uint64(uint32(left)), right: right, size: r.end - l.start, id: id}
	s.heap = append(s.heap, c)
	at := len(s.heap) - 1
	for at > 0 {
		up := (at - 1) / 2
		if s.heap[up].order <= c.order {
			break
		}
		s.heap[at] = s.heap[up]
		at = up
	}
	s.heap[at] = c
}

// pop takes the candidate of least order.
func (s *scratch) pop() candidate {
	top := s.heap[0]
	last := len(s.heap) - 1
	c := s.heap[last]
	s.heap = s.heap[:last]
	at := 0
	for {
		down := 2*at + 1
		if down >= last {
			break
		}
		if down+1 < last && s.heap[down+1].order < s.heap[down].order {
			down++
		}
		if s.heap[down].order >= c.order {
			break
		}
		s.heap[at] = s.heap[down]
		at = down
	}
	if last > 0 {
		s.heap[at] = c
	}
	return top
}
