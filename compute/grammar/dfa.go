package grammar

import (
	"fmt"
	"slices"
)

// dfa is a deterministic automaton over bytes; state 0 is the start. It is how
// sets of strings are intersected and subtracted: lengths, patterns, names.
type dfa struct {
	next  []int32 // 256 for each state, -1 is dead
	final []bool
}

// dfaStatesMax bounds one such automaton.
const dfaStatesMax = 1 << 14

// regular makes an automaton of a node without calls.
func regular(n *node, e *effort) (*dfa, error) {
	b := newBuilder()
	start, err := b.build(n, 0)
	if err != nil {
		return nil, err
	}
	var g Grammar
	g.classify([]*builder{b})
	u := newSubsets(b, e)
	d := &dfa{}
	first, err := u.close([]int32{start})
	if err != nil {
		return nil, err
	}
	if u.id(first) < 0 {
		return (&dfa{next: make([]int32, 256), final: []bool{false}}).trim(), nil
	}
	for s := 0; s < len(u.sets); s++ { //nolint:intrange // the list grows in the loop
		if s >= dfaStatesMax {
			return nil, fmt.Errorf("%w: a string takes over %d states; shorten its pattern or lengths", ErrTooLarge, dfaStatesMax)
		}
		d.final = append(d.final, slices.Contains(u.sets[s], 0))
		byClass := make([]int32, g.classes)
		known := make([]bool, g.classes)
		row := make([]int32, 256)
		for c := range row {
			k := g.class[c]
			if !known[k] {
				if byClass[k], err = u.on(u.sets[s], byte(c)); err != nil {
					return nil, err
				}
				known[k] = true
			}
			row[c] = byClass[k]
		}
		d.next = append(d.next, row...)
	}
	return d, nil
}

// effort counts the steps of compiling one source, over all its parts.
type effort struct{ spent int }

func (e *effort) check() error {
	if e.spent <= workMax {
		return nil
	}
	return fmt.Errorf("%w: making it deterministic takes over %d steps; make it shorter or less ambiguous", ErrTooLarge, workMax)
}

// subsets is the subset construction of Rabin and Scott.
type subsets struct {
	b    *builder
	ids  map[string]int32
	sets [][]int32
	mark []uint32
	tick uint32
	e    *effort
	key  []byte
}

func newSubsets(b *builder, e *effort) *subsets {
	return &subsets{b: b, e: e, ids: map[string]int32{}, mark: make([]uint32, len(b.edges))}
}

// close adds what is reached without reading, and sorts. Only states that read,
// call or end are kept.
func (u *subsets) close(from []int32) ([]int32, error) {
	u.tick++
	var out []int32
	for len(from) > 0 {
		s := from[len(from)-1]
		from = from[:len(from)-1]
		if u.mark[s] == u.tick {
			continue
		}
		u.mark[s] = u.tick
		u.e.spent++
		e := &u.b.edges[s]
		from = append(from, e.free...)
		if s == 0 || len(e.on) > 0 || len(e.call) > 0 {
			out = append(out, s)
		}
	}
	if err := u.e.check(); err != nil {
		return nil, err
	}
	slices.Sort(out)
	return out, nil
}

// id names a closed set; the empty one is -1.
func (u *subsets) id(set []int32) int32 {
	if len(set) == 0 {
		return -1
	}
	u.key = u.key[:0]
	for _, s := range set {
		u.key = append(u.key, byte(s), byte(s>>8), byte(s>>16), byte(s>>24))
	}
	if id, ok := u.ids[string(u.key)]; ok {
		return id
	}
	id := int32(len(u.sets))
	u.ids[string(u.key)] = id
	u.sets = append(u.sets, set)
	return id
}

func (u *subsets) on(set []int32, c byte) (int32, error) {
	var to []int32
	for _, s := range set {
		for i := range u.b.edges[s].on {
			if e := &u.b.edges[s].on[i]; e.set.has(c) {
				to = append(to, e.next)
			}
		}
		u.e.spent++
	}
	closed, err := u.close(to)
	if err != nil {
		return 0, err
	}
	return u.id(closed), nil
}

// combine is the product of two automata: strings for which keep says yes to
// being in a and being in b.
func (e *effort) combine(a, b *dfa, keep func(inA, inB bool) bool) (*dfa, error) {
	type pair struct{ a, b int32 }
	ids := map[pair]int32{{0, 0}: 0}
	todo := []pair{{0, 0}}
	out := &dfa{}
	step := func(d *dfa, s int32, c int) int32 {
		if s < 0 {
			return -1
		}
		return d.next[int(s)*256+c]
	}
	final := func(d *dfa, s int32) bool { return s >= 0 && d.final[s] }
	for i := 0; i < len(todo); i++ {
		if i >= dfaStatesMax {
			return nil, fmt.Errorf("%w: a string takes over %d states; shorten its pattern or lengths", ErrTooLarge, dfaStatesMax)
		}
		if e.spent += 64; e.spent > workMax {
			return nil, e.check()
		}
		at := todo[i]
		out.final = append(out.final, keep(final(a, at.a), final(b, at.b)))
		for c := range 256 {
			to := pair{step(a, at.a, c), step(b, at.b, c)}
			if to.a < 0 && !keep(false, true) || to.a < 0 && to.b < 0 || to.b < 0 && !keep(true, false) {
				out.next = append(out.next, -1)
				continue
			}
			id, ok := ids[to]
			if !ok {
				id = int32(len(todo))
				ids[to] = id
				todo = append(todo, to)
			}
			out.next = append(out.next, id)
		}
	}
	return out.trim(), nil
}

func both(inA, inB bool) bool { return inA && inB }
func less(inA, inB bool) bool { return inA && !inB }

// trim cuts the ways into states from which no end is reached.
func (d *dfa) trim() *dfa {
	live := slices.Clone(d.final)
	into := make([][]int32, len(d.final))
	var todo []int32
	for s := range d.final {
		for _, to := range slices.Compact(slices.Clone(d.next[s*256 : s*256+256])) {
			if to >= 0 {
				into[to] = append(into[to], int32(s))
			}
		}
		if live[s] {
			todo = append(todo, int32(s))
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range into[s] {
			if !live[from] {
				live[from] = true
				todo = append(todo, from)
			}
		}
	}
	for i, to := range d.next {
		if to >= 0 && !live[to] {
			d.next[i] = -1
		}
	}
	return d
}

func (d *dfa) matches(s string) bool {
	at := int32(0)
	for i := range len(s) {
		if at = d.next[int(at)*256+int(s[i])]; at < 0 {
			return false
		}
	}
	return len(d.final) > 0 && d.final[at]
}
