package grammar

import "slices"

// DepthMax is how many rules may be open at once. A rule is only entered when
// its shortest way out stays below it, so that no text gets stuck there.
const DepthMax = 512

// The ends of stacks: states below any real one.
const (
	stateEnd    = int32(-1) // the whole text is read
	stateBelow  = int32(-2) // what is below is not known: see machine.local
	setNone     = int32(0)  // no stack: the text is wrong
	setEnd      = int32(1)
	setBelow    = int32(2)
	setsReserve = 3
)

// frame is the top of stacks: a state, and what may be below it.
type frame struct{ state, below int32 }

// set is a set of stacks that the text so far allows, as frames with different
// states. Stacks with an equal top share it, and sets are kept once each: this
// is Tomita's graph-structured stack (Efficient Parsing for Natural Language,
// 1986), so that an ambiguous grammar cannot make exponentially many.
type set struct {
	frames []frame
	rest   int32 // bytes of the shortest end from here
	depth  int32 // of the shallowest stack
}

// stacks keeps the sets of one text.
type stacks struct {
	m      *machine
	sets   []set
	ids    map[string]int32
	closed map[frame]int32
	steps  map[uint64]int32
	joined map[[2]int32]int32
	key    []byte
}

func newStacks(m *machine) *stacks {
	a := &stacks{
		m: m, ids: map[string]int32{}, closed: map[frame]int32{},
		steps: map[uint64]int32{}, joined: map[[2]int32]int32{},
	}
	a.sets = append(a.sets,
		set{rest: dead},
		set{frames: []frame{{stateEnd, setNone}}},
		set{frames: []frame{{stateBelow, setNone}}})
	return a
}

// intern returns the set of frames, which are in the order of states. It copies
// them when the set is new.
func (a *stacks) intern(frames []frame) int32 {
	switch {
	case len(frames) == 0:
		return setNone
	case len(frames) == 1 && frames[0].state == stateEnd:
		return setEnd
	case len(frames) == 1 && frames[0].state == stateBelow:
		return setBelow
	}
	a.key = a.key[:0]
	for _, f := range frames {
		a.key = append(a.key, byte(f.state), byte(f.state>>8), byte(f.state>>16), byte(f.state>>24),
			byte(f.below), byte(f.below>>8), byte(f.below>>16), byte(f.below>>24))
	}
	if id, ok := a.ids[string(a.key)]; ok {
		return id
	}
	s := set{frames: slices.Clone(frames), rest: dead, depth: DepthMax}
	for _, f := range frames {
		if f.state < 0 {
			s.rest, s.depth = 0, 0
			continue
		}
		s.rest = min(s.rest, a.restOf(f))
		s.depth = min(s.depth, a.sets[f.below].depth+1)
	}
	id := int32(len(a.sets))
	a.sets = append(a.sets, s)
	a.ids[string(a.key)] = id
	return id
}

// restOf is the length of the shortest end from a frame.
func (a *stacks) restOf(f frame) int32 {
	if f.state < 0 {
		return 0
	}
	return min(a.m.cost[f.state].bytes+a.sets[f.below].rest, dead)
}

func (a *stacks) single(f frame) int32 { return a.intern([]frame{f}) }

// join is the union of two sets.
func (a *stacks) join(x, y int32) int32 {
	switch {
	case x == y || y == setNone:
		return x
	case x == setNone:
		return y
	case x > y:
		x, y = y, x
	}
	if id, ok := a.joined[[2]int32{x, y}]; ok {
		return id
	}
	fx, fy := a.sets[x].frames, a.sets[y].frames
	out := make([]frame, 0, len(fx)+len(fy))
	for len(fx) > 0 && len(fy) > 0 {
		switch {
		case fx[0].state < fy[0].state:
			out, fx = append(out, fx[0]), fx[1:]
		case fx[0].state > fy[0].state:
			out, fy = append(out, fy[0]), fy[1:]
		default:
			out = append(out, frame{fx[0].state, a.join(fx[0].below, fy[0].below)})
			fx, fy = fx[1:], fy[1:]
		}
	}
	out = append(append(out, fx...), fy...)
	id := a.intern(out)
	a.joined[[2]int32{x, y}] = id
	return id
}

// close follows calls and returns from a frame until a byte must be read.
func (a *stacks) close(f frame) int32 {
	if f.state < 0 {
		return a.single(f)
	}
	m := a.m
	if a.sets[f.below].depth+m.cost[f.state].frames > DepthMax {
		return setNone
	}
	if m.plain[f.state] {
		return a.single(f)
	}
	if id, ok := a.closed[f]; ok {
		return id
	}
	out := setNone
	if m.reads[f.state] {
		out = a.single(f)
	}
	for _, e := range m.g.calls[f.state] {
		below := f.below
		if m.reads[e.next] || !m.g.final[e.next] || len(m.g.calls[e.next]) > 0 {
			below = a.single(frame{e.next, f.below})
		}
		out = a.join(out, a.close(frame{m.g.start[e.rule], below}))
	}
	if m.g.final[f.state] {
		for i := range a.sets[f.below].frames {
			out = a.join(out, a.close(a.sets[f.below].frames[i]))
		}
	}
	a.closed[f] = out
	return out
}

// point is where a text stands: a single frame, which is the usual case and
// needs no table, or with state pointSet a set.
type point frame

const pointSet = int32(-3)

func (p point) none() bool { return p.state == pointSet && p.below == setNone }

func (a *stacks) pointOf(id int32) point {
	if fs := a.sets[id].frames; len(fs) == 1 && fs[0].state >= 0 {
		return point(fs[0])
	}
	return point{pointSet, id}
}

// step reads a byte.
func (a *stacks) step(p point, b byte) point {
	m := a.m
	k := int(m.g.class[b])
	if p.state >= 0 {
		to := m.g.next[int(p.state)*m.g.classes+k]
		if to < 0 {
			return point{pointSet, setNone}
		}
		if m.plain[to] && a.sets[p.below].depth+m.cost[to].frames <= DepthMax {
			return point{to, p.below}
		}
		return a.pointOf(a.close(frame{to, p.below}))
	}
	key := uint64(p.below)<<8 | uint64(k)
	if id, ok := a.steps[key]; ok {
		return a.pointOf(id)
	}
	out := setNone
	for i := range a.sets[p.below].frames {
		f := a.sets[p.below].frames[i]
		if f.state < 0 {
			continue
		}
		if to := m.g.next[int(f.state)*m.g.classes+k]; to >= 0 {
			out = a.join(out, a.close(frame{to, f.below}))
		}
	}
	a.steps[key] = out
	return a.pointOf(out)
}

// rest is the length of the shortest end from a point.
func (a *stacks) rest(p point) int32 {
	if p.state == pointSet {
		return a.sets[p.below].rest
	}
	return a.restOf(frame(p))
}

// ends reports whether the text may end at a point.
func (a *stacks) ends(p point) bool {
	if p.state != pointSet {
		return false
	}
	fs := a.sets[p.below].frames
	return len(fs) > 0 && fs[0].state == stateEnd
}

// open reports whether the unknown below was reached.
func (a *stacks) open(p point) bool {
	if p.state != pointSet {
		return false
	}
	fs := a.sets[p.below].frames
	return len(fs) > 0 && fs[0].state == stateBelow
}

// copyTo copies a set, and what it needs, into another table.
func (a *stacks) copyTo(b *stacks, id int32, known map[int32]int32) int32 {
	if id < setsReserve {
		return id
	}
	if to, ok := known[id]; ok {
		return to
	}
	frames := make([]frame, len(a.sets[id].frames))
	for i, f := range a.sets[id].frames {
		frames[i] = frame{f.state, a.copyTo(b, f.below, known)}
	}
	to := b.intern(frames)
	known[id] = to
	return to
}
