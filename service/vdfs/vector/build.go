package vector

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// GraphOptions are how a graph is built. Zero is what suits most.
type GraphOptions struct {
	// Links is how many a row has on the upper levels, half of what it has on
	// the base: 4 to 64. It is 16 by default.
	Links int
	// Effort is how many rows are kept in sight where the neighbours of a new
	// row are looked for, 16 to 4,096.
	Effort int
	// Threads is how many build; by default as many as there are processors.
	// The graph does not depend on it.
	Threads int
}

// batchMax and batchShare say how many rows are linked at once: those of a batch
// do not see each other, so each is small beside what is there.
const (
	batchMax   = 1024
	batchShare = 16
)

// builder is a graph that grows.
type builder struct {
	*Graph
	view   *view
	effort int
	hands  []*hand
}

// hand is the memory of one thread.
type hand struct {
	walk     walk
	question question
	chosen   []uint32
	// crowd[i] is how near candidate i is to the nearest that was chosen.
	crowd []float32
	rows  []uint32
	dots  []int32
	pairs []pair
}

// pair is a link to be made from row to other, and how alike the two are.
type pair struct {
	row, other uint32
	level      int
	score      float32
}

// BuildGraph makes a graph of all rows of the snapshot. It takes about a minute
// for a million rows on four cores, 150 bytes a row and some kilobytes a thread.
// It ends early, with the context's error, when that is done.
func (s Snapshot) BuildGraph(ctx context.Context, o GraphOptions) (*Graph, error) {
	return s.ExtendGraph(ctx, nil, o)
}

// ExtendGraph returns a graph of all rows of the snapshot, made of one of its
// first rows, which stays as it is. The options' links are the old graph's.
func (s Snapshot) ExtendGraph(ctx context.Context, old *Graph, o GraphOptions) (*Graph, error) { //nolint:revive // cyclomatic: defaults, bounds, then one loop
	if o.Links == 0 {
		o.Links = linksDefault
	}
	if o.Effort == 0 {
		o.Effort = effortDefault
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Links < 4 || o.Links > linksMax || o.Effort < 16 || o.Effort > 4096 || o.Threads < 1 || o.Threads > 1024 {
		return nil, fmt.Errorf("%w: %d links, effort %d, %d threads: use 4 to %d, 16 to 4096, 1 to 1024", ErrInput, o.Links, o.Effort, o.Threads, linksMax)
	}
	if old == nil {
		old = &Graph{generation: s.generation, links: o.Links}
	}
	if old.generation != s.generation || old.rows > s.rows {
		return nil, fmt.Errorf("%w: a graph of other rows: build one anew", ErrInput)
	}
	b := &builder{Graph: old.clone(s.rows), view: s.view, effort: o.Effort}
	for range o.Threads {
		b.hands = append(b.hands, &hand{question: question{codes: make([]int8, len(s.mean))}})
	}
	b.prepare(old.rows)
	at := old.rows
	if at == 0 && s.rows > 0 {
		b.entry, b.top = 0, levelOf(0)
		at = 1
	}
	for at < s.rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		end := min(at+max(1, min(batchMax, at/batchShare)), s.rows)
		b.batch(at, end)
		at = end
	}
	return b.Graph, nil
}

// prepare makes the lists of the rows from one on, empty.
func (b *builder) prepare(from int) {
	for row := from; row < b.rows; row++ {
		if levels := levelOf(row); levels > 0 {
			b.place = append(b.place, uint32(len(b.upper)))
			b.upper = appendNone(b.upper, levels*b.links)
		} else {
			b.place = append(b.place, none)
		}
		b.base = appendNone(b.base, 2*b.links)
	}
}

func appendNone(s []uint32, n int) []uint32 {
	for range n {
		s = append(s, none)
	}
	return s
}

// batch links rows [from, to): first each to what was there, then that to them.
// The first part only reads what others read, the second is shared out by row.
func (b *builder) batch(from, to int) {
	var next atomic.Int64
	b.each(func(h *hand) {
		h.pairs = h.pairs[:0]
		for {
			row := from + int(next.Add(1)) - 1
			if row >= to {
				return
			}
			b.insert(h, uint32(row))
		}
	})
	var pairs []pair
	for _, h := range b.hands {
		pairs = append(pairs, h.pairs...)
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		switch {
		case x.row != y.row:
			return int(x.row) - int(y.row)
		case x.level != y.level:
			return x.level - y.level
		default:
			return int(x.other) - int(y.other)
		}
	})
	next.Store(0)
	const share = 64 // rows at a time
	b.each(func(h *hand) {
		for {
			begin := int(next.Add(share)) - share
			if begin >= len(pairs) {
				return
			}
			b.linkBack(h, runs(pairs, begin, begin+share))
		}
	})
	for row := from; row < to; row++ {
		if l := levelOf(row); l > b.top {
			b.entry, b.top = uint32(row), l
		}
	}
}

// runs are the pairs of the rows whose first pair is in [begin, end).
func runs(pairs []pair, begin, end int) []pair {
	shift := func(at int) int {
		for at > 0 && at < len(pairs) && pairs[at].row == pairs[at-1].row {
			at++
		}
		return min(at, len(pairs))
	}
	return pairs[shift(begin):shift(end)]
}

// each runs work on every hand.
func (b *builder) each(work func(h *hand)) {
	var all sync.WaitGroup
	for _, h := range b.hands[1:] {
		all.Go(func() { work(h) })
	}
	work(b.hands[0])
	all.Wait()
}

// become makes q the question that a row is.
func (v *view) become(q *question, row uint32) {
	d := len(v.mean)
	sum := int32(0)
	for i, c := range v.slabs[slabCodes][int(row)*d:][:d] {
		value := int8(c - codesZero)
		q.codes[i] = value
		sum += int32(value)
	}
	q.bias = -codesZero * sum
}

// insert finds and sets the links of a new row, and notes their other ends.
func (b *builder) insert(h *hand, row uint32) {
	level := levelOf(int(row))
	b.view.become(&h.question, row)
	own := b.view.scale(row)
	h.walk.descend(b.view, b.Graph, &h.question, level)
	for at := min(level, b.top); at >= 0; at-- {
		h.walk.explore(b.view, b.Graph, &h.question, at, b.effort)
		b.choose(h, own)
		for i, other := range h.chosen {
			b.neighbours(row, at)[i] = h.rows[other]
			h.pairs = append(h.pairs, pair{row: h.rows[other], other: row, level: at, score: h.walk.pool[other].score * own})
		}
		// What was found here is where the next level begins.
		h.walk.again()
		b.view.become(&h.question, row)
	}
}

// choose sets h.chosen to the places in the pool of at most links rows: the
// nearest first, and none that is nearer to one chosen before than to the
// question (Malkov and Yashunin, algorithm 4). own is the question's scale.
func (b *builder) choose(h *hand, own float32) {
	pool := h.walk.pool
	h.chosen, h.rows, h.crowd, h.dots = h.chosen[:0], h.rows[:0], room(h.crowd, len(pool)), room(h.dots, len(pool))
	for i, s := range pool {
		h.rows = append(h.rows, s.row)
		h.crowd[i] = -2
	}
	for i, s := range pool {
		if h.crowd[i] > s.score*own {
			continue
		}
		h.chosen = append(h.chosen, uint32(i))
		if len(h.chosen) == b.links {
			return
		}
		rest := h.rows[i+1:]
		b.view.become(&h.question, s.row)
		scale := b.view.scale(s.row)
		b.view.store.kernels.Dots(h.dots, b.view.slabs[slabCodes], h.question.codes, h.question.bias, rest)
		for j, row := range rest {
			h.crowd[i+1+j] = max(h.crowd[i+1+j], float32(h.dots[j])*scale*b.view.scale(row))
		}
	}
}

// linkBack makes the links of pairs, which are sorted.
func (b *builder) linkBack(h *hand, pairs []pair) {
	for _, p := range pairs {
		links := b.neighbours(p.row, p.level)
		if free := slices.Index(links, none); free >= 0 {
			links[free] = p.other
			continue
		}
		b.replace(h, links, p)
	}
}

// replace gives a new link the place of one in a full list, unless one of the
// list that is nearer to the row is nearer still to the new one. It takes that
// of the farthest that the new one stands for in the same way, or of the
// farthest of all: one step of the choice above, for what it costs to make it
// anew at each link.
func (b *builder) replace(h *hand, links []uint32, p pair) {
	v := b.view
	h.crowd, h.dots = room(h.crowd, len(links)), room(h.dots, len(links))
	v.become(&h.question, p.row)
	v.store.kernels.Dots(h.dots, v.slabs[slabCodes], h.question.codes, h.question.bias, links)
	own := v.scale(p.row)
	for i, other := range links {
		h.crowd[i] = float32(h.dots[i]) * own * v.scale(other)
	}
	v.become(&h.question, p.other)
	v.store.kernels.Dots(h.dots, v.slabs[slabCodes], h.question.codes, h.question.bias, links)
	own = v.scale(p.other)
	farthest, standing := 0, -1
	for i, other := range links {
		between := float32(h.dots[i]) * own * v.scale(other)
		if h.crowd[i] >= p.score && between > p.score {
			return
		}
		if h.crowd[i] < h.crowd[farthest] {
			farthest = i
		}
		if h.crowd[i] < p.score && between > h.crowd[i] && (standing < 0 || h.crowd[i] < h.crowd[standing]) {
			standing = i
		}
	}
	if standing < 0 {
		standing = farthest
		if h.crowd[farthest] >= p.score {
			return
		}
	}
	links[standing] = p.other
}
