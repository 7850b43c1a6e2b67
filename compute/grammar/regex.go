package grammar

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// FromRegex compiles a regular expression of RE2's syntax, as package regexp
// has. The whole text must match it. Word boundaries, and anchors but at its
// ends, are refused.
func FromRegex(source string) (*Grammar, error) {
	n, err := parseRegex(source, false)
	if err != nil {
		return nil, err
	}
	return compile([]*node{n}, []string{"the expression"})
}

// parseRegex makes a node of an expression. With search it may match anywhere
// in the text, as JSON Schema's patterns do.
//
//nolint:revive // flag-parameter: two callers, one difference at the edges
func parseRegex(source string, search bool) (*node, error) {
	if len(source) > SourceBytesMax {
		return nil, fmt.Errorf("%w: the expression has %d bytes, and %d are allowed; shorten it", ErrTooLarge, len(source), SourceBytesMax)
	}
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; use RE2's syntax, whose counts go to 1000 in all", ErrSyntax, err)
	}
	side := sideExact
	if search {
		side = sideSearch
	}
	return convert(re, side, side)
}

// side is what an expression has before or behind it.
type side uint8

const (
	sideInner  side = iota // more of the expression
	sideExact              // the edge of the text
	sideSearch             // any text
)

// pad adds the text that may be around a node.
func pad(n *node, left, right side) *node {
	parts := make([]*node, 0, 3)
	if left == sideSearch {
		parts = append(parts, star(anyRune()))
	}
	parts = append(parts, n)
	if right == sideSearch {
		parts = append(parts, star(anyRune()))
	}
	return seq(parts...)
}

// convert makes a node of an expression with what is at its sides.
func convert(re *syntax.Regexp, left, right side) (*node, error) {
	//exhaustive:ignore
	switch re.Op {
	case syntax.OpCapture:
		return convert(re.Sub[0], left, right)
	case syntax.OpAlternate:
		subs := make([]*node, len(re.Sub))
		for i, s := range re.Sub {
			var err error
			if subs[i], err = convert(s, left, right); err != nil {
				return nil, err
			}
		}
		return alt(subs...), nil
	case syntax.OpConcat:
		return concat(re.Sub, left, right)
	case syntax.OpBeginText:
		if left != sideInner {
			return pad(empty(), sideExact, right), nil
		}
	case syntax.OpEndText:
		if right != sideInner {
			return pad(empty(), left, sideExact), nil
		}
	default:
		n, err := leaf(re)
		if err != nil {
			return nil, err
		}
		return pad(n, left, right), nil
	}
	return nil, fmt.Errorf("%w: %s inside an expression; anchors may stand only at its ends", ErrUnsupported, re)
}

func concat(subs []*syntax.Regexp, left, right side) (*node, error) {
	for len(subs) > 0 && left != sideInner && subs[0].Op == syntax.OpBeginText {
		subs, left = subs[1:], sideExact
	}
	for len(subs) > 0 && right != sideInner && subs[len(subs)-1].Op == syntax.OpEndText {
		subs, right = subs[:len(subs)-1], sideExact
	}
	if len(subs) == 0 {
		return pad(empty(), left, right), nil
	}
	out := make([]*node, len(subs))
	for i, s := range subs {
		l, r := sideInner, sideInner
		if i == 0 {
			l = left
		}
		if i == len(subs)-1 {
			r = right
		}
		var err error
		if out[i], err = convert(s, l, r); err != nil {
			return nil, err
		}
	}
	return seq(out...), nil
}

// leaf converts what has no anchors of its own.
func leaf(re *syntax.Regexp) (*node, error) {
	least, most := 0, unlimited
	//exhaustive:ignore
	switch re.Op {
	case syntax.OpNoMatch:
		return nothing(), nil
	case syntax.OpEmptyMatch:
		return empty(), nil
	case syntax.OpLiteral:
		return letters(re), nil
	case syntax.OpCharClass:
		return class(re.Rune), nil
	case syntax.OpAnyChar:
		return anyRune(), nil
	case syntax.OpAnyCharNotNL:
		return class([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}), nil
	case syntax.OpStar:
	case syntax.OpPlus:
		least = 1
	case syntax.OpQuest:
		most = 1
	case syntax.OpRepeat:
		least, most = re.Min, re.Max
	default:
		return nil, fmt.Errorf("%w: %s in an expression; word boundaries and line anchors cannot be kept", ErrUnsupported, re)
	}
	sub, err := convert(re.Sub[0], sideInner, sideInner)
	if err != nil {
		return nil, err
	}
	return repeat(sub, least, most), nil
}

// letters is a literal, in any case when the expression says so.
func letters(re *syntax.Regexp) *node {
	subs := make([]*node, len(re.Rune))
	for i, r := range re.Rune {
		subs[i] = runes(r, r)
		if re.Flags&syntax.FoldCase == 0 {
			continue
		}
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			subs[i] = alt(subs[i], runes(f, f))
		}
	}
	return seq(subs...)
}

// class is the characters of pairs of bounds.
func class(pairs []rune) *node {
	var subs []*node
	known := spans{}
	for i := 0; i+1 < len(pairs); i += 2 {
		subs = append(subs, known.runes(pairs[i], pairs[i+1])...)
	}
	return alt(subs...)
}

// spans are the nodes of ranges of bytes that were made: characters share the
// nodes, and so the states, of their last bytes.
type spans map[[2]byte]*node

func runes(lo, hi rune) *node { return alt(spans{}.runes(lo, hi)...) }

func anyRune() *node { return runes(0, utf8.MaxRune) }

// runes is the UTF-8 of the characters from lo to hi, without the surrogates,
// which are none. The range is cut where the length changes, then where the
// bytes behind the first do not run through all values; this is the
// construction of Russ Cox's and Ken Thompson's grep.
func (k spans) runes(lo, hi rune) []*node {
	var subs []*node
	for _, part := range [][2]rune{{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, utf8.MaxRune}} {
		if l, h := max(lo, part[0]), min(hi, part[1]); l <= h {
			subs = append(subs, k.sameLength(l, h)...)
		}
	}
	return subs
}

func (k spans) sameLength(lo, hi rune) []*node {
	for i := 1; i < utf8.RuneLen(lo); i++ {
		low := rune(1)<<(6*i) - 1 // the bits of the last i bytes
		if lo&^low == hi&^low {
			continue
		}
		if lo&low != 0 {
			return append(k.sameLength(lo, lo|low), k.sameLength((lo|low)+1, hi)...)
		}
		if hi&low != low {
			return append(k.sameLength(lo, hi&^low-1), k.sameLength(hi&^low, hi)...)
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	subs := make([]*node, n)
	for i := range n {
		key := [2]byte{a[i], b[i]}
		if k[key] == nil {
			k[key] = span(a[i], b[i])
		}
		subs[i] = k[key]
	}
	return []*node{seq(subs...)}
}

// others are the pairs of bounds of all characters outside some pairs.
func others(pairs []rune) []rune {
	sorted := make([][2]rune, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		sorted = append(sorted, [2]rune{pairs[i], pairs[i+1]})
	}
	slices.SortFunc(sorted, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var out []rune
	next := rune(0)
	for _, p := range sorted {
		if p[0] > next {
			out = append(out, next, p[0]-1)
		}
		next = max(next, p[1]+1)
	}
	if next <= utf8.MaxRune {
		out = append(out, next, utf8.MaxRune)
	}
	return out
}
