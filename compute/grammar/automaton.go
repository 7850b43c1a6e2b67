package grammar

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Grammar is a compiled constraint: a pushdown automaton over bytes. Each rule
// is a deterministic automaton whose edges read a byte or call a rule. It is
// never changed, and may be used by many goroutines at once.
type Grammar struct {
	class   [256]uint8 // bytes that no edge tells apart are of one class
	classes int
	next    []int32  // classes for each state, -1 is dead
	calls   [][]edge // the calls of each state
	final   []bool
	start   []int32 // the first state of each rule

	mu       sync.Mutex
	machines []*machine
}

type edge struct{ rule, next int32 }

// States is the number of states, over all rules.
func (g *Grammar) States() int { return len(g.final) }

// compile makes a grammar of rules; rule 0 is the whole text. The names are for
// messages.
func compile(rules []*node, names []string) (*Grammar, error) {
	if len(rules) > RulesMax {
		return nil, fmt.Errorf("%w: %d rules, and %d are allowed; split it", ErrTooLarge, len(rules), RulesMax)
	}
	g := &Grammar{}
	builders := make([]*builder, len(rules))
	starts := make([]int32, len(rules))
	total := 0
	for i, r := range rules {
		builders[i] = newBuilder()
		s, err := builders[i].build(r, 0)
		if err != nil {
			return nil, err
		}
		starts[i] = s
		if total += len(builders[i].edges); total > 8*StatesMax {
			return nil, fmt.Errorf("%w: its rules take over %d states; shorten repetitions and lists", ErrTooLarge, 8*StatesMax)
		}
	}
	g.classify(builders)
	work := &effort{}
	for i, b := range builders {
		g.start = append(g.start, int32(len(g.final)))
		if err := g.determinise(b, starts[i], work); err != nil {
			return nil, err
		}
	}
	if err := g.refuseLeftRecursion(names); err != nil {
		return nil, err
	}
	var all byteSet
	all.add(0, 255)
	c := g.costs(&all)
	if c[g.start[0]].bytes >= dead {
		return nil, fmt.Errorf("%w: no text satisfies it, or the shortest is over %d bytes; loosen it", ErrSyntax, finishBytesMax)
	}
	if int(c[g.start[0]].frames) > DepthMax {
		return nil, fmt.Errorf("%w: its shortest text nests %d deep, and %d is allowed; flatten it", ErrTooLarge, c[g.start[0]].frames, DepthMax)
	}
	g.prune(c)
	return g, nil
}

// classify finds the classes of bytes.
func (g *Grammar) classify(builders []*builder) {
	seen := map[byteSet]bool{}
	g.classes = 1
	for _, b := range builders {
		for i := range b.edges {
			for j := range b.edges[i].on {
				if set := &b.edges[i].on[j].set; !seen[*set] {
					seen[*set] = true
					g.split(set)
				}
			}
		}
	}
}

// split cuts every class that a set has a part of.
func (g *Grammar) split(set *byteSet) {
	var inside, outside [256]bool
	for c := range 256 {
		if set.has(byte(c)) {
			inside[g.class[c]] = true
		} else {
			outside[g.class[c]] = true
		}
	}
	var renamed [256]uint8
	for c := range 256 {
		old := g.class[c]
		if !inside[old] || !outside[old] || !set.has(byte(c)) {
			continue
		}
		if renamed[old] == 0 {
			renamed[old] = uint8(g.classes)
			g.classes++
		}
		g.class[c] = renamed[old]
	}
}

func (g *Grammar) determinise(b *builder, start int32, e *effort) error {
	u := newSubsets(b, e)
	first, err := u.close([]int32{start})
	if err != nil {
		return err
	}
	base := int32(len(g.final))
	if u.id(first) < 0 {
		u.sets = append(u.sets, nil)
	}
	for s := 0; s < len(u.sets); s++ { //nolint:intrange // the list grows in the loop
		if len(g.final) >= StatesMax {
			return fmt.Errorf("%w: it takes over %d states; shorten repetitions and lists", ErrTooLarge, StatesMax)
		}
		set := u.sets[s]
		g.final = append(g.final, slices.Contains(set, 0))
		if err := g.row(u, set, base); err != nil {
			return err
		}
	}
	return nil
}

// row adds the edges of a state.
func (g *Grammar) row(u *subsets, set []int32, base int32) error {
	row := make([]int32, g.classes)
	seen := make([]bool, g.classes)
	for c := range 256 {
		k := g.class[c]
		if seen[k] {
			continue
		}
		seen[k] = true
		to, err := u.on(set, byte(c))
		if err != nil {
			return err
		}
		if row[k] = to; to >= 0 {
			row[k] = base + to
		}
	}
	g.next = append(g.next, row...)
	called := map[int32][]int32{}
	for _, s := range set {
		for _, e := range u.b.edges[s].call {
			called[e.rule] = append(called[e.rule], e.next)
		}
	}
	rules := make([]int32, 0, len(called))
	for r := range called {
		rules = append(rules, r)
	}
	slices.Sort(rules)
	var list []edge
	for _, r := range rules {
		closed, err := u.close(called[r])
		if err != nil {
			return err
		}
		if to := u.id(closed); to >= 0 {
			list = append(list, edge{r, base + to})
		}
	}
	g.calls = append(g.calls, list)
	return nil
}

// refuseLeftRecursion finds a rule that calls itself before reading anything:
// a walk from left to right would go round for ever.
func (g *Grammar) refuseLeftRecursion(names []string) error {
	nullable := g.nullable()
	state := make([]uint8, len(g.start)) // 1 is open, 2 is done
	var visit func(r int32) error
	visit = func(r int32) error {
		state[r] = 1
		for _, called := range g.leading(r, nullable) {
			if state[called] == 1 {
				return fmt.Errorf("%w: rule %q calls itself before reading anything (left recursion); write it as a repetition, such as a (\"+\" a)*", ErrUnsupported, names[called])
			}
			if state[called] == 0 {
				if err := visit(called); err != nil {
					return err
				}
			}
		}
		state[r] = 2
		return nil
	}
	for r := range g.start {
		if state[r] == 0 {
			if err := visit(int32(r)); err != nil {
				return err
			}
		}
	}
	return nil
}

// leading lists the rules that a rule may call before reading anything.
func (g *Grammar) leading(r int32, nullable []bool) []int32 {
	var out []int32
	seen := map[int32]bool{}
	for todo := []int32{g.start[r]}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		for _, e := range g.calls[s] {
			out = append(out, e.rule)
			if nullable[e.rule] {
				todo = append(todo, e.next)
			}
		}
	}
	return out
}

// nullable says which rules can be empty.
func (g *Grammar) nullable() []bool {
	out := make([]bool, len(g.start))
	for changed := true; changed; {
		changed = false
		for r, first := range g.start {
			if out[r] {
				continue
			}
			seen := map[int32]bool{}
			for todo := []int32{first}; len(todo) > 0 && !out[r]; {
				s := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				if seen[s] {
					continue
				}
				seen[s] = true
				out[r] = g.final[s]
				for _, e := range g.calls[s] {
					if out[e.rule] {
						todo = append(todo, e.next)
					}
				}
			}
			changed = changed || out[r]
		}
	}
	return out
}

// cost is what it takes to come from a state to the end of its rule along the
// shortest way: how many bytes, and how many frames of the stack.
type cost struct{ bytes, frames int32 }

const dead = int32(math.MaxInt32 / 2)

func (a cost) before(b cost) bool {
	return a.bytes < b.bytes || a.bytes == b.bytes && a.frames < b.frames
}

type queued struct {
	cost
	state int32
}

type queue []queued

func (q *queue) Len() int           { return len(*q) }
func (q *queue) Less(i, j int) bool { return (*q)[i].before((*q)[j].cost) }
func (q *queue) Swap(i, j int)      { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }
func (q *queue) Push(x any)         { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// costs finds the cost of every state when only some bytes can be written. It
// is Knuth's generalisation of Dijkstra's algorithm to grammars (A
// Generalization of Dijkstra's Algorithm, 1977).
func (g *Grammar) costs(can *byteSet) []cost {
	w := g.reverse(can)
	for w.q.Len() > 0 {
		top := heap.Pop(&w.q).(queued)
		if w.done[top.state] {
			continue
		}
		w.done[top.state], w.out[top.state] = true, top.cost
		for _, s := range w.into[top.state] {
			if !w.done[s] && top.bytes < finishBytesMax {
				heap.Push(&w.q, queued{cost{top.bytes + 1, top.frames}, s})
			}
		}
		for _, r := range w.returns[top.state] {
			w.join(r.state, g.start[r.rule], top.state)
		}
		if r, ok := w.starts[top.state]; ok {
			for _, c := range w.callers[r] {
				w.join(c.state, top.state, c.next)
			}
		}
	}
	return w.out
}

// ways are the edges of a grammar backwards, and what is known of the costs.
type ways struct {
	out     []cost
	done    []bool
	q       queue
	into    [][]int32    // the states with a byte into each
	returns [][]callSite // the calls that go on at each
	callers [][]callSite // the calls of each rule
	starts  map[int32]int32
}

type callSite struct{ state, rule, next int32 }

func (g *Grammar) reverse(can *byteSet) *ways {
	var usable [256]bool
	for c := range 256 {
		if can.has(byte(c)) {
			usable[g.class[c]] = true
		}
	}
	n := len(g.final)
	w := &ways{
		out: make([]cost, n), done: make([]bool, n), into: make([][]int32, n), returns: make([][]callSite, n),
		callers: make([][]callSite, len(g.start)), starts: make(map[int32]int32, len(g.start)),
	}
	for r, s := range g.start {
		w.starts[s] = int32(r)
	}
	for s := range g.final {
		w.out[s] = cost{dead, 0}
		if g.final[s] {
			heap.Push(&w.q, queued{cost{}, int32(s)})
		}
		for k := range g.classes {
			if to := g.next[s*g.classes+k]; to >= 0 && usable[k] {
				w.into[to] = append(w.into[to], int32(s))
			}
		}
		for _, e := range g.calls[s] {
			at := callSite{int32(s), e.rule, e.next}
			w.returns[e.next] = append(w.returns[e.next], at)
			w.callers[e.rule] = append(w.callers[e.rule], at)
		}
	}
	return w
}

// join is a call of which rule and return may both be known now.
func (w *ways) join(caller, first, next int32) {
	if w.done[caller] || !w.done[first] || !w.done[next] {
		return
	}
	c := cost{w.out[first].bytes + w.out[next].bytes, max(w.out[first].frames+1, w.out[next].frames)}
	if c.bytes <= finishBytesMax {
		heap.Push(&w.q, queued{c, caller})
	}
}

// prune cuts the edges into states that cannot end.
func (g *Grammar) prune(c []cost) {
	for i, to := range g.next {
		if to >= 0 && c[to].bytes >= dead {
			g.next[i] = -1
		}
	}
	for s, list := range g.calls {
		g.calls[s] = slices.DeleteFunc(list, func(e edge) bool {
			return c[e.next].bytes >= dead || c[g.start[e.rule]].bytes >= dead
		})
	}
}
