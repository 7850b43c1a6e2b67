package grammar

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of a grammar. What is larger is refused when it is compiled, with the
// figure.
const (
	SourceBytesMax = 256 << 10
	RulesMax       = 4096
	StatesMax      = 1 << 16
	RepeatMax      = 1 << 16
	NestingMax     = 128
	// workMax bounds the steps of making automata deterministic.
	workMax = 1 << 24
	// finishBytesMax bounds the shortest completion of a rule.
	finishBytesMax = 1 << 20
)

// Errors of compiling. They are wrapped with what was found and the remedy.
var (
	// ErrSyntax: the source is not what it should be.
	ErrSyntax = errors.New("bad constraint")
	// ErrUnsupported: the constraint cannot be kept, so it is refused.
	ErrUnsupported = errors.New("constraint not supported")
	// ErrTooLarge: a limit is reached.
	ErrTooLarge = errors.New("constraint too large")
)

// bytes is a set of byte values.
type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

type kind uint8

const (
	kindNothing kind = iota // no text at all
	kindBytes
	kindSeq
	kindAlt
	kindRepeat
	kindCall
	kindText // a deterministic automaton of its own
)

// unlimited is the maximum of a repetition without one.
const unlimited = -1

// node is an expression over bytes. Nodes are shared freely and never changed
// once they are made.
type node struct {
	kind     kind
	set      byteSet
	subs     []*node
	min, max int
	rule     int
	text     *dfa
	// times is how often the most repeated part of it is written; it saturates.
	// Sizes would count shared nodes many times.
	times int64
}

func nothing() *node { return &node{kind: kindNothing} }
func empty() *node   { return &node{kind: kindSeq} }

func span(lo, hi byte) *node {
	n := &node{kind: kindBytes}
	n.set.add(lo, hi)
	return n
}

func oneOfBytes(s string) *node {
	n := &node{kind: kindBytes}
	for i := range len(s) {
		n.set.add(s[i], s[i])
	}
	return n
}

func literal(s string) *node {
	subs := make([]*node, len(s))
	for i := range len(s) {
		subs[i] = span(s[i], s[i])
	}
	return seq(subs...)
}

const timesSaturated = int64(1) << 40

func times(subs []*node) int64 {
	n := int64(1)
	for _, s := range subs {
		n = max(n, s.times)
	}
	return n
}

func seq(subs ...*node) *node {
	if len(subs) == 1 {
		return subs[0]
	}
	return &node{kind: kindSeq, subs: subs, times: times(subs)}
}

func alt(subs ...*node) *node {
	if len(subs) == 0 {
		return nothing()
	}
	if len(subs) == 1 {
		return subs[0]
	}
	return &node{kind: kindAlt, subs: subs, times: times(subs)}
}

func repeat(sub *node, least, most int) *node {
	n := &node{kind: kindRepeat, subs: []*node{sub}, min: least, max: most}
	n.times = min(times(n.subs)*int64(max(least, most, 1)), timesSaturated)
	return n
}

func optional(sub *node) *node { return repeat(sub, 0, 1) }
func star(sub *node) *node     { return repeat(sub, 0, unlimited) }
func call(rule int) *node      { return &node{kind: kindCall, rule: rule} }
func text(d *dfa) *node        { return &node{kind: kindText, text: d} }

// builder makes a nondeterministic automaton of a rule, from its end to its
// beginning: build returns the state from which a node, and then what follows,
// is read. A node with the same continuation is built once, so that shared
// nodes share states.
type builder struct {
	edges []edges
	memo  map[target]int32
}

type target struct {
	n    *node
	next int32
}

// edges leave a state of the nondeterministic automaton.
type edges struct {
	free []int32 // without reading
	on   []onBytes
	call []onCall
}

type onBytes struct {
	set  byteSet
	next int32
}

type onCall struct{ rule, next int32 }

func newBuilder() *builder {
	return &builder{edges: make([]edges, 1), memo: map[target]int32{}} // state 0 is the end
}

func (b *builder) state(e edges) (int32, error) {
	if len(b.edges) >= 4*StatesMax {
		return 0, fmt.Errorf("%w: a rule takes over %d states; shorten its repetitions", ErrTooLarge, 4*StatesMax)
	}
	b.edges = append(b.edges, e)
	return int32(len(b.edges) - 1), nil
}

func (b *builder) build(n *node, next int32) (int32, error) {
	at := target{n, next}
	if s, ok := b.memo[at]; ok {
		return s, nil
	}
	s, err := b.make(n, next)
	if err == nil {
		b.memo[at] = s
	}
	return s, err
}

func (b *builder) make(n *node, next int32) (int32, error) {
	switch n.kind {
	case kindBytes:
		return b.state(edges{on: []onBytes{{n.set, next}}})
	case kindCall:
		return b.state(edges{call: []onCall{{int32(n.rule), next}}})
	case kindSeq:
		var err error
		for _, sub := range slices.Backward(n.subs) {
			if next, err = b.build(sub, next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case kindAlt:
		var e edges
		for _, sub := range n.subs {
			s, err := b.build(sub, next)
			if err != nil {
				return 0, err
			}
			e.free = append(e.free, s)
		}
		return b.state(e)
	case kindRepeat:
		return b.repeat(n, next)
	case kindText:
		return b.embed(n.text, next)
	case kindNothing:
	}
	return b.state(edges{})
}

func (b *builder) repeat(n *node, next int32) (int32, error) {
	if n.times > RepeatMax {
		return 0, fmt.Errorf("%w: a part is repeated %d times, and %d is allowed; lower the counts", ErrTooLarge, n.times, RepeatMax)
	}
	at, optionals := next, 0
	if n.max == unlimited {
		loop, err := b.state(edges{})
		if err != nil {
			return 0, err
		}
		body, err := b.make(n.subs[0], loop)
		if err != nil {
			return 0, err
		}
		b.edges[loop].free = []int32{body, next}
		at = loop
	} else {
		optionals = n.max - n.min
	}
	for i := range optionals + n.min {
		s, err := b.build(n.subs[0], at)
		if err != nil {
			return 0, err
		}
		if at = s; i < optionals {
			if at, err = b.state(edges{free: []int32{s, next}}); err != nil {
				return 0, err
			}
		}
	}
	return at, nil
}

// embed copies a deterministic automaton in front of a state.
func (b *builder) embed(d *dfa, next int32) (int32, error) {
	base := int32(len(b.edges))
	for s := range d.final {
		var e edges
		sets := map[int32]*byteSet{}
		var order []int32
		for c := range 256 {
			to := d.next[s*256+c]
			if to < 0 {
				continue
			}
			if sets[to] == nil {
				sets[to] = &byteSet{}
				order = append(order, to)
			}
			sets[to].add(byte(c), byte(c))
		}
		for _, to := range order {
			e.on = append(e.on, onBytes{*sets[to], base + to})
		}
		if d.final[s] {
			e.free = []int32{next}
		}
		if _, err := b.state(e); err != nil {
			return 0, err
		}
	}
	if len(d.final) == 0 {
		return b.state(edges{})
	}
	return base, nil
}
