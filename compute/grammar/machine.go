package grammar

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

const (
	machinesMax = 8
	// localBytesMax bounds the memory of cached masks of a grammar with a
	// vocabulary; masks behind it are made each time.
	localBytesMax = 64 << 20
)

// machine is a grammar with a vocabulary.
//
// Masks are made as in XGrammar (Dong et al., 2024): for each state, the tokens
// that stay within its rule are allowed or not whatever is below, so they are
// found once; those that leave the rule are looked at with the real stack.
type machine struct {
	g     *Grammar
	v     *Vocabulary
	cost  []cost // with the bytes that the vocabulary can write one by one
	reads []bool // has edges that read
	plain []bool // has only such edges: nothing to close
	brief []brief
	local []atomic.Pointer[local]
	used  atomic.Int64
}

// brief is what a walk asks of each state, in one word.
type brief struct {
	frames int16
	plain  bool
	live   bool // can be finished, if what is below can
}

// local is what is allowed in a state by what is above its frame alone.
type local struct {
	bits   []uint64 // or, when they are few, tokens
	tokens []int32
	// leaves are the places of the tree at which the frame may be left with
	// more of the token to come.
	leaves [treeCount][]int32
	// deep is how many frames above its own were needed.
	deep int32
}

// Bytes is the memory of the masks that the grammar keeps, over all
// vocabularies. It grows with use, to a bound for each vocabulary.
func (g *Grammar) Bytes() (bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.machines {
		bytes += m.used.Load()
	}
	return bytes
}

func (g *Grammar) machine(v *Vocabulary) (*machine, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.machines {
		if m.v == v {
			return m, nil
		}
	}
	m := &machine{
		g: g, v: v, cost: g.costs(&v.single), reads: make([]bool, len(g.final)), plain: make([]bool, len(g.final)),
		brief: make([]brief, len(g.final)), local: make([]atomic.Pointer[local], len(g.final)),
	}
	if c := m.cost[g.start[0]]; c.bytes >= dead || c.frames > DepthMax {
		return nil, fmt.Errorf("%w: the vocabulary has no tokens of the single bytes %s that every text of this constraint needs; use a model whose tokenizer falls back to bytes",
			ErrUnsupported, m.missing())
	}
	for s := range g.final {
		for _, to := range g.next[s*g.classes : (s+1)*g.classes] {
			m.reads[s] = m.reads[s] || to >= 0
		}
		m.plain[s] = m.reads[s] && !g.final[s] && len(g.calls[s]) == 0
		m.brief[s] = brief{int16(min(m.cost[s].frames, DepthMax+1)), m.plain[s], m.cost[s].bytes < dead}
	}
	if len(g.machines) == machinesMax {
		g.machines = g.machines[1:]
	}
	g.machines = append(g.machines, m)
	return m, nil
}

// missing lists up to eight bytes that the grammar reads and the vocabulary
// lacks.
func (m *machine) missing() string {
	var read byteSet
	for s := range m.g.final {
		for c := range 256 {
			if m.g.next[s*m.g.classes+int(m.g.class[c])] >= 0 {
				read.add(byte(c), byte(c))
			}
		}
	}
	var list []byte
	for c := range 256 {
		if read.has(byte(c)) && !m.v.single.has(byte(c)) && len(list) < 8 {
			list = append(list, byte(c))
		}
	}
	return fmt.Sprintf("%q", list)
}

// walker walks the tree of a vocabulary.
type walker struct {
	a      *stacks
	points []point
}

// below sets the bits of the tokens below a place that keep the text alive from
// a point at that place. With leaves it collects the places at which the
// unknown is reached, and returns how deep the stacks became.
//
// Most of a walk is inside one rule, from one plain state to the next: that is
// done here, without the tables of stacks.
func (w *walker) below(v *tree, bitset []uint64, at int32, from point, leaves *[]int32) (deep int32) {
	a, m := w.a, w.a.m
	next, classes, class, points := m.g.next, m.g.classes, &m.g.class, w.points
	points[v.places[at].depth] = from
	under, room, whole := int32(-1), int32(0), false
	for i, end := at+1, v.places[at].skip; i < end; {
		p := &v.places[i]
		last := points[p.depth-1]
		if last.state < 0 {
			i = w.slow(v, bitset, i, leaves, &deep)
			continue
		}
		if last.below != under {
			under = last.below
			room, whole = DepthMax-a.sets[under].depth, a.sets[under].rest < dead
		}
		to := next[int(last.state)*classes+int(class[p.value])]
		if to < 0 {
			i = p.skip
			continue
		}
		b := m.brief[to]
		if !b.plain || int32(b.frames) > room {
			i = w.slow(v, bitset, i, leaves, &deep)
			continue
		}
		points[p.depth] = point{to, under}
		deep = max(deep, int32(b.frames)+DepthMax-room)
		if p.tokens && b.live && whole {
			for _, t := range v.token[p.first:v.places[i+1].first] {
				bitset[t>>6] |= 1 << (t & 63)
			}
		}
		i++
	}
	return deep
}

// slow is a step of the walk that calls or returns. It returns the next place.
func (w *walker) slow(v *tree, bitset []uint64, i int32, leaves *[]int32, deep *int32) int32 {
	a := w.a
	at := &v.places[i]
	p := a.step(w.points[at.depth-1], at.value)
	if p.none() {
		return at.skip
	}
	w.points[at.depth] = p
	if at.tokens && a.rest(p) < dead {
		for _, t := range v.token[at.first:v.places[i+1].first] {
			bitset[t>>6] |= 1 << (t & 63)
		}
	}
	if leaves != nil {
		*deep = max(*deep, a.needs(p))
		if a.open(p) && at.skip > i+1 {
			*leaves = append(*leaves, i)
		}
	}
	return i + 1
}

// needs is how deep the stacks of a point become on their shortest way.
func (a *stacks) needs(p point) int32 {
	if p.state >= 0 {
		return a.sets[p.below].depth + a.m.cost[p.state].frames
	}
	var n int32
	for _, f := range a.sets[p.below].frames {
		if f.state >= 0 {
			n = max(n, a.sets[f.below].depth+a.m.cost[f.state].frames)
		}
	}
	return n
}

// run is how many letters can surely follow in a state, at most shortBytesMax:
// all letters lead to the same plain state, and so on. It also returns how many
// frames those states need.
func (m *machine) run(state int32) (n int, deep int32) {
	letters := lettersOf()
	for ; n < shortBytesMax; n++ {
		to := int32(-1)
		for c := ' '; c <= '~'; c++ {
			if !letters.has(byte(c)) {
				continue
			}
			next := m.g.next[int(state)*m.g.classes+int(m.g.class[c])]
			if next < 0 || to >= 0 && next != to {
				return n, deep
			}
			to = next
		}
		b := m.brief[to]
		if !b.plain || !b.live {
			return n, deep
		}
		if deep = max(deep, int32(b.frames)); to == state {
			return shortBytesMax, deep
		}
		state = to
	}
	return n, deep
}

// at returns the local mask of a state.
func (w *walker) at(state int32) *local {
	m := w.a.m
	if l := m.local[state].Load(); l != nil {
		return l
	}
	bitset := make([]uint64, m.v.Words())
	l := &local{}
	run, deep := m.run(state)
	l.deep = deep
	copy(bitset, m.v.short[run])
	for i := range m.v.trees {
		if i != treeShort || run < shortBytesMax {
			l.deep = max(l.deep, w.below(&m.v.trees[i], bitset, 0, point{state, setBelow}, &l.leaves[i]))
		}
	}
	count := 0
	for _, x := range bitset {
		count += bits.OnesCount64(x)
	}
	if l.bits = bitset; count < 2*len(bitset) {
		l.bits, l.tokens = nil, make([]int32, 0, count)
		for i, x := range bitset {
			for ; x != 0; x &= x - 1 {
				l.tokens = append(l.tokens, int32(i<<6+bits.TrailingZeros64(x)))
			}
		}
	}
	size := int64(8*len(l.bits) + 4*len(l.tokens) + 4*len(l.leaves[0]) + 4*len(l.leaves[1]) + 64)
	if m.used.Add(size) > localBytesMax {
		m.used.Add(-size)
		return l
	}
	m.local[state].Store(l)
	return l
}

// mask sets the bits of the tokens allowed at a point.
func (w *walker) mask(bitset []uint64, p point) {
	if p.state != pointSet {
		w.frame(bitset, frame(p))
		return
	}
	for _, f := range w.a.sets[p.below].frames {
		w.frame(bitset, f)
	}
}

func (w *walker) frame(bitset []uint64, f frame) {
	a := w.a
	if f.state < 0 || a.restOf(f) >= dead {
		return
	}
	l := w.at(f.state)
	if a.sets[f.below].depth+l.deep > DepthMax {
		for i := range a.m.v.trees { // near the limit only the whole walk knows
			w.below(&a.m.v.trees[i], bitset, 0, point(f), nil)
		}
		return
	}
	for i, x := range l.bits {
		bitset[i] |= x
	}
	for _, t := range l.tokens {
		bitset[t>>6] |= 1 << (t & 63)
	}
	if len(l.leaves[0])+len(l.leaves[1]) == 0 {
		return
	}
	under := setNone
	for i := range a.sets[f.below].frames {
		under = a.join(under, a.close(a.sets[f.below].frames[i]))
	}
	if under == setNone || under == setEnd {
		return
	}
	from := a.pointOf(under)
	for i, list := range l.leaves {
		for _, at := range list {
			w.below(&a.m.v.trees[i], bitset, at, from, nil)
		}
	}
}
