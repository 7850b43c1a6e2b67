package vector

import (
	"encoding/binary"
	"math"
	"math/bits"

	"phios/compute/cpu/simd"
)

const (
	// blockRows is how many rows are scanned before what was found is looked at.
	blockRows = 1024
	// candidatesMin and candidatesPerResult say how many rows of the scan are
	// multiplied by bytes. 2,000 gave a recall@10 of 0.998 where 4,000 gave 1,
	// and 4,000 cost 50 µs.
	candidatesMin       = 4000
	candidatesPerResult = 40
	// finalistsMin and finalistsPerResult say how many are multiplied by float32.
	finalistsMin       = 64
	finalistsPerResult = 4
)

// scratch is the memory of a search.
type scratch struct {
	question
	near   []uint64 // candidates, as [simd.Kernels.Near] gives them
	counts []int    // of candidates, by distance
	rows   []uint32
	dots   []int32
	scores []float32
	live   [blockRows / 8]byte
	best   []Hit // a heap, the worst first
	walk   walk  // of a graph
}

// borrow returns memory for a search, to be given back to s.scratch.
func (s *Store) borrow() *scratch {
	if x, ok := s.scratch.Get().(*scratch); ok {
		return x
	}
	d := s.dimensions
	return &scratch{
		question: question{floats: make([]float32, d), bits: make([]byte, d/8), codes: make([]int8, d)},
		counts:   make([]int, d+1),
	}
}

// room returns a slice of n elements, which may hold anything.
func room[T any](have []T, n int) []T {
	if cap(have) < n {
		return make([]T, n)
	}
	return have[:n]
}

// Scan returns the k rows nearest to a question, best first, of those in filter,
// or of all when that is nil. What it returns are exact scores of rows that are
// not deleted. It misses a row only if 4,000 others, or 40 for each result when
// that is more, differ from the question in fewer signs. That happens when more
// rows than that are about as near as the best: then what is found instead is
// as near to within the width of that crowd. Filters that leave fewer rows than
// that make it exact up to the rounding of bytes, and fast.
//
// Nothing is allocated but the result.
func (s Snapshot) Scan(query []float32, k int, filter Bitmap) ([]Hit, error) {
	x := s.store.borrow()
	defer s.store.scratch.Put(x)
	if err := s.ask(&x.question, query, k); err != nil {
		return nil, err
	}
	s.propose(x, max(candidatesMin, k*candidatesPerResult), 0, filter)
	s.rerank(x, k)
	return s.result(x, k), nil
}

// propose sets x.rows to the rows from a row on whose signs are nearest.
func (v *view) propose(x *scratch, candidates, from int, filter Bitmap) {
	x.rows = room(x.rows, candidates)[:0]
	admitted := v.rows - v.dead
	if filter != nil {
		admitted = countBoth(v.live, filter)
	}
	if admitted <= candidates {
		v.list(x, from, filter)
		return
	}
	x.near = room(x.near, 2*candidates+blockRows+simd.NearSlack)
	size := len(x.question.bits)
	found, limit := 0, len(v.mean)
	for at := from &^ (blockRows - 1); at < v.rows; at += blockRows {
		n := min(blockRows, v.rows-at)
		if !v.admit(x, at, from, filter) {
			continue
		}
		codes := v.slabs[slabBits][at*size : (at+n)*size]
		found += v.store.kernels.Near(x.near[found:], codes, x.question.bits, x.live[:], n, uint32(at), limit)
		if found >= 2*candidates {
			found, limit = x.keep(found, candidates)
		}
	}
	found, _ = x.keep(found, candidates)
	for _, key := range x.near[:found] {
		x.rows = append(x.rows, uint32(key))
	}
}

// admit sets x.live to the rows of a block that count, and reports whether there
// are any.
func (v *view) admit(x *scratch, at, from int, filter Bitmap) bool {
	alive := uint64(0)
	for i := range blockRows / 64 {
		word, place := uint64(0), at/64+i
		if place < len(v.live) {
			word = v.live[place]
		}
		if filter != nil && place < len(filter) {
			word &= filter[place]
		} else if filter != nil {
			word = 0
		}
		if skip := from - place*64; skip > 0 {
			word = word >> min(skip, 64) << min(skip, 64)
		}
		binary.LittleEndian.PutUint64(x.live[i*8:], word)
		alive |= word
	}
	return alive != 0
}

// list sets x.rows to every row from a row on that counts.
func (v *view) list(x *scratch, from int, filter Bitmap) {
	for place := from / 64; place < len(v.live); place++ {
		word := v.live[place]
		if filter != nil {
			if place >= len(filter) {
				return
			}
			word &= filter[place]
		}
		for ; word != 0; word &= word - 1 {
			if row := place*64 + bits.TrailingZeros64(word); row >= from {
				x.rows = append(x.rows, uint32(row))
			}
		}
	}
}

// keep leaves of the first found candidates the nearest, in the order of rows,
// and returns how many those are and how near a row must be to count from now.
func (x *scratch) keep(found, candidates int) (kept, limit int) {
	if found <= candidates {
		return found, len(x.counts) - 1
	}
	clear(x.counts)
	for _, key := range x.near[:found] {
		x.counts[key>>32]++
	}
	edge, below := 0, 0
	for below+x.counts[edge] < candidates {
		below += x.counts[edge]
		edge++
	}
	ties := candidates - below
	for _, key := range x.near[:found] {
		distance := int(key >> 32)
		if distance > edge || distance == edge && ties == 0 {
			continue
		}
		if distance == edge {
			ties--
		}
		x.near[kept] = key
		kept++
	}
	return kept, edge - 1
}

// rerank leaves the k best of x.rows in x.best: of all by bytes, and of the best
// of those by float32.
func (v *view) rerank(x *scratch, k int) {
	finalists := max(finalistsMin, k*finalistsPerResult)
	if len(x.rows) > finalists {
		x.dots = room(x.dots, len(x.rows))
		v.store.kernels.Dots(x.dots, v.slabs[slabCodes], x.codes, x.bias, x.rows)
		x.best = x.best[:0]
		for i, row := range x.rows {
			x.offer(Hit{Row: row, Score: float32(x.dots[i]) * v.scale(row)}, finalists)
		}
		x.rows = x.rows[:0]
		for _, h := range x.best {
			x.rows = append(x.rows, h.Row)
		}
	}
	x.best = x.best[:0]
	v.multiply(x, k)
}

// multiply offers x.rows by float32.
func (v *view) multiply(x *scratch, k int) {
	x.scores = room(x.scores, len(x.rows))
	v.store.kernels.Products(x.scores, v.slabs[slabFloats], x.floats, x.rows)
	for i, row := range x.rows {
		x.offer(Hit{Row: row, Score: x.scores[i]}, k)
	}
}

// scale is what one code of a row stands for.
func (v *view) scale(row uint32) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(v.slabs[slabScales][int(row)*4:]))
}

// Exact returns what [Snapshot.Scan] looks for by reading every row as float32:
// 40 times as much.
func (s Snapshot) Exact(query []float32, k int, filter Bitmap) ([]Hit, error) {
	x := s.store.borrow()
	defer s.store.scratch.Put(x)
	if err := s.ask(&x.question, query, k); err != nil {
		return nil, err
	}
	x.best = x.best[:0]
	x.rows = room(x.rows, blockRows)
	for at := 0; at < s.rows; at += blockRows {
		x.rows = x.rows[:0]
		s.admit(x, at, 0, filter)
		for i := range min(blockRows, s.rows-at) {
			if x.live[i/8]>>(i%8)&1 == 1 {
				x.rows = append(x.rows, uint32(at+i))
			}
		}
		s.multiply(x, k)
	}
	return s.result(x, k), nil
}

// result sorts x.best, best first, and names the rows.
func (v *view) result(x *scratch, k int) []Hit {
	hits := make([]Hit, min(k, len(x.best)))
	for i := len(hits) - 1; i >= 0; i-- {
		hits[i] = x.pop()
		hits[i].ID = v.id(int(hits[i].Row))
	}
	return hits
}

// offer puts a hit among the best, of which there are at most most.
func (x *scratch) offer(h Hit, most int) {
	if len(x.best) == most {
		if better(h, x.best[0]) {
			x.best[0] = h
			x.sink(0)
		}
		return
	}
	x.best = append(x.best, h)
	for i := len(x.best) - 1; i > 0 && better(x.best[(i-1)/2], x.best[i]); i = (i - 1) / 2 {
		x.best[i], x.best[(i-1)/2] = x.best[(i-1)/2], x.best[i]
	}
}

// pop takes the worst out.
func (x *scratch) pop() Hit {
	worst, last := x.best[0], len(x.best)-1
	x.best[0] = x.best[last]
	x.best = x.best[:last]
	x.sink(0)
	return worst
}

// sink restores the heap below a place.
func (x *scratch) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(x.best) {
			return
		}
		if child+1 < len(x.best) && better(x.best[child], x.best[child+1]) {
			child++
		}
		if !better(x.best[i], x.best[child]) {
			return
		}
		x.best[i], x.best[child] = x.best[child], x.best[i]
		i = child
	}
}
