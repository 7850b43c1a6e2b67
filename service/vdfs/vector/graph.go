package vector

import (
	"fmt"
	"math/bits"
	"slices"

	"phios/internal/prng"
)

// Graph is a navigable graph of the rows of one generation, which finds near
// rows by walking from neighbour to neighbour. It is never changed once made,
// can be built again at any time, and costs 150 bytes a row.
//
// It is that of Malkov and Yashunin, "Efficient and robust approximate nearest
// neighbor search using Hierarchical Navigable Small World graphs" (2016), over
// the rows' bytes; what a walk finds is compared by float32. Links are one flat
// array, so that a step is one look-up and one batch of products.
type Graph struct {
	generation uint64
	rows       int
	links      int // of a row on the upper levels; twice as many on the base
	entry      uint32
	top        int      // the level of entry
	base       []uint32 // 2·links a row, then none
	upper      []uint32 // links a row and level above the base
	place      []uint32 // of a row in upper, or none
}

const (
	// none ends a list of links.
	none = ^uint32(0)
	// levelsMax is the highest level.
	levelsMax = 8
	// linksDefault, effortDefault and widthMin are what made the graph of 200,000
	// rows find 98 of 100 on data in clusters.
	linksDefault  = 16
	linksMax      = 64
	effortDefault = 160
	widthMin      = 64
	widthMax      = 4 * ResultsMax
)

// Rows is how many rows the graph covers: those below it.
func (g *Graph) Rows() int { return g.rows }

// levelOf is how many levels a row is on besides the base: one in 16 is on the
// first, one in 256 on the second. It is drawn from the number of the row, so
// that the same rows make the same graph.
func levelOf(row int) int {
	return min(bits.TrailingZeros64(prng.New(uint64(row)).Uint64())/4, levelsMax)
}

// neighbours are the links of a row on a level, with room for those to come.
func (g *Graph) neighbours(row uint32, level int) []uint32 {
	if level == 0 {
		return g.base[int(row)*2*g.links:][:2*g.links]
	}
	return g.upper[int(g.place[row])+(level-1)*g.links:][:g.links]
}

// walk is the memory of a walk.
type walk struct {
	seen  []uint64 // a bit a row
	pool  []step   // best first
	next  []uint32
	dots  []int32
	steps int
}

// step is a row that was met; done when its neighbours were.
type step struct {
	score float32
	row   uint32
	done  bool
}

// restart forgets what was seen and begins at a row.
func (w *walk) restart(v *view, q *question, rows int, start uint32) {
	w.seen = room(w.seen, (rows+63)/64)
	clear(w.seen)
	w.pool = w.pool[:0]
	w.meet(v, q, []uint32{start}, 1)
}

// meet puts those rows into the pool that were not seen and are near enough to
// be among width.
func (w *walk) meet(v *view, q *question, rows []uint32, width int) {
	w.next = w.next[:0]
	for _, row := range rows {
		if row == none {
			break
		}
		if w.seen[row/64]>>(row%64)&1 == 0 {
			w.seen[row/64] |= 1 << (row % 64)
			w.next = append(w.next, row)
		}
	}
	w.dots = room(w.dots, len(w.next))
	v.store.kernels.Dots(w.dots, v.slabs[slabCodes], q.codes, q.bias, w.next)
	for i, row := range w.next {
		w.insert(step{score: float32(w.dots[i]) * v.scale(row), row: row}, width)
	}
}

// insert keeps the pool in order and at most width long.
func (w *walk) insert(s step, width int) {
	n := len(w.pool)
	if n == width {
		if s.score <= w.pool[n-1].score {
			return
		}
		n--
	} else {
		w.pool = append(w.pool, s)
	}
	low, high := 0, n
	for low < high {
		if middle := int(uint(low+high) / 2); w.pool[middle].score >= s.score {
			low = middle + 1
		} else {
			high = middle
		}
	}
	copy(w.pool[low+1:n+1], w.pool[low:n])
	w.pool[low] = s
	w.steps = min(w.steps, low)
}

// explore meets the neighbours of the best until the best width are done.
func (w *walk) explore(v *view, g *Graph, q *question, level, width int) {
	for w.steps = 0; w.steps < len(w.pool); {
		s := &w.pool[w.steps]
		if s.done {
			w.steps++
			continue
		}
		s.done = true
		w.meet(v, q, g.neighbours(s.row, level), width)
	}
}

// descend goes to the best row of each level above one, from the top, and leaves
// in the pool where to begin on that level.
func (w *walk) descend(v *view, g *Graph, q *question, level int) {
	w.restart(v, q, g.rows, g.entry)
	for at := g.top; at > level; at-- {
		w.explore(v, g, q, at, 1)
		w.again()
	}
}

// again lets what is in the pool be explored once more, on another level: the
// links are others there, and so is what was seen.
func (w *walk) again() {
	clear(w.seen)
	for i := range w.pool {
		w.pool[i].done = false
		row := w.pool[i].row
		w.seen[row/64] |= 1 << (row % 64)
	}
}

// UseGraph lets [Snapshot.Search] of the snapshots to come walk a graph, nil for
// none. The graph must be of the rows as they are numbered now.
func (s *Store) UseGraph(g *Graph) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	if old == nil {
		return fmt.Errorf("%w: open it again", ErrClosed)
	}
	if g != nil && (g.generation != old.generation || g.rows > old.rows) {
		return fmt.Errorf("%w: a graph of other rows: build one of a snapshot of this store, after compaction again", ErrInput)
	}
	v := *old
	v.graph = g
	s.current.Store(&v)
	return nil
}

// Graph is the graph in use, or nil.
func (s Snapshot) Graph() *Graph { return s.graph }

// Search returns the k rows nearest to a question, best first, of those in
// filter, or of all when that is nil: by the graph when there is one and most
// rows count, else as [Snapshot.Scan].
func (s Snapshot) Search(query []float32, k int, filter Bitmap) ([]Hit, error) {
	return s.Walk(query, k, 0, filter)
}

// Walk is Search with a width: how many rows the walk keeps in sight, at least
// k. More find more and take longer; 0 is a width that suits k. Rows that the
// graph does not cover are scanned. Where no more than a quarter of the rows
// count, and where there is no graph, everything is.
func (s Snapshot) Walk(query []float32, k, width int, filter Bitmap) ([]Hit, error) {
	admitted := s.rows - s.dead
	if filter != nil {
		admitted = countBoth(s.live, filter)
	}
	if s.graph == nil || s.graph.rows == 0 || 4*admitted <= s.rows {
		return s.Scan(query, k, filter)
	}
	if width < 0 {
		return nil, fmt.Errorf("%w: a width of %d: walk with 0 to %d", ErrInput, width, widthMax)
	}
	x := s.store.borrow()
	defer s.store.scratch.Put(x)
	if err := s.ask(&x.question, query, k); err != nil {
		return nil, err
	}
	if width == 0 {
		width = max(widthMin, 4*k)
	}
	// Rows that do not count lead to others, and take up places.
	width = min(max(width, k)*s.rows/admitted, widthMax)
	w := &x.walk
	w.descend(s.view, s.graph, &x.question, 0)
	w.explore(s.view, s.graph, &x.question, 0, width)
	if s.graph.rows < s.rows {
		s.propose(x, candidatesMin, s.graph.rows, filter)
		s.rerank(x, k)
	} else {
		x.rows, x.best = x.rows[:0], x.best[:0]
	}
	x.rows = x.rows[:0]
	for _, step := range w.pool {
		if s.live.Has(step.row) && (filter == nil || filter.Has(step.row)) {
			if x.rows = append(x.rows, step.row); len(x.rows) == max(32, 2*k) {
				break
			}
		}
	}
	s.multiply(x, k)
	return s.result(x, k), nil
}

// clone returns a copy with room for rows.
func (g *Graph) clone(rows int) *Graph {
	c := *g
	c.rows = rows
	c.base = append(make([]uint32, 0, rows*2*g.links), g.base...)
	c.place = append(make([]uint32, 0, rows), g.place...)
	c.upper = slices.Clone(g.upper)
	return &c
}
