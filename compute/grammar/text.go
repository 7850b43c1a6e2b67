package grammar

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// at adds the pointer of a schema to an error.
func at(l located, err error) error { return fmt.Errorf("%s: %w", l.at, err) }

func (s *spec) constrainsStrings() bool {
	return s.minLength > 0 || s.maxLength != unlimited || len(s.patterns) > 0 || len(s.formats) > 0
}

func (c *schemas) emitString(s *spec) (*node, error) {
	if !s.constrainsStrings() {
		return call(ruleString), nil
	}
	d, err := c.stringAutomaton(s)
	if err != nil {
		return nil, err
	}
	return seq(literal(`"`), text(escaped(d)), literal(`"`)), nil
}

// stringAutomaton is the strings, before they are written as JSON, that have
// the length, match the patterns, and are of the formats.
func (c *schemas) stringAutomaton(s *spec) (*dfa, error) {
	var parts []*dfa
	add := func(l located, n *node, err error) error {
		if err != nil {
			return at(l, err)
		}
		d, err := regular(n, &c.work)
		if err != nil {
			return at(l, err)
		}
		parts = append(parts, d)
		return nil
	}
	if s.minLength > 0 || s.maxLength != unlimited {
		most := s.maxLength
		if most != unlimited {
			most = min(most, lengthMax)
		}
		n := repeat(anyRune(), s.minLength, most)
		if most != unlimited && s.minLength > most {
			n = nothing()
		}
		if err := add(located{at: "length"}, n, nil); err != nil {
			return nil, err
		}
	}
	for _, l := range s.patterns {
		n, err := parseRegex(l.v.text, true)
		if err := add(l, n, err); err != nil {
			return nil, err
		}
	}
	for _, l := range s.formats {
		source, ok := formatsTable[l.v.text]
		if !ok {
			return nil, l.refuse("the format " + quote(l.v.text) + " cannot be kept; leave it out or give a pattern")
		}
		n, err := parseRegex(source, false)
		if err := add(l, n, err); err != nil {
			return nil, err
		}
	}
	return c.intersect(parts)
}

// intersect is the strings of all of some automata, of which there is one.
func (c *schemas) intersect(parts []*dfa) (*dfa, error) {
	d := parts[0]
	for _, p := range parts[1:] {
		var err error
		if d, err = c.work.combine(d, p, both); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// formatsTable has for each format an expression of texts that are of it. Some
// are narrower than their standard, where that has corners no program agrees
// on.
var formatsTable = map[string]string{
	"date":      dateExpression,
	"time":      timeExpression,
	"date-time": `(` + dateExpression + `)T(` + timeExpression + `)`,
	"duration":  `P([1-9]\d{0,3}W|[1-9]\d{0,3}D(T[1-9]\d{0,3}[HMS])?|[1-9]\d{0,3}Y([1-9]\d{0,1}M([1-9]\d{0,1}D)?)?|T([1-9]\d{0,3}H([1-9]\d{0,3}M([1-9]\d{0,3}S)?)?|[1-9]\d{0,3}M([1-9]\d{0,3}S)?|[1-9]\d{0,3}S))`,
	"email":     `[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20}){0,2}@` + hostExpression,
	"hostname":  hostExpression,
	"ipv4":      `(` + octetExpression + `\.){3}` + octetExpression,
	"ipv6":      `([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,3}|::1`,
	"uuid":      `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`,
	"uri":       `(https?|ftp)://` + hostExpression + `(:[1-9]\d{0,3})?(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*)*(\?[A-Za-z0-9._~!$&()*+,;=:@/-]*)?(#[A-Za-z0-9._~-]*)?`,
}

const (
	dateExpression = `\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|` +
		`(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29`
	timeExpression  = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)`
	hostExpression  = `[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?(\.[A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?){1,3}`
	octetExpression = `(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
)

// escapesTable is how the characters are written that a JSON string cannot hold
// as they are. Control characters without a short form are not written: where
// one matches, so does another character in nearly every pattern.
var escapesTable = [][2]byte{{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}

// escaped is an automaton of strings, as they are written in JSON.
func escaped(d *dfa) *dfa {
	out := &dfa{next: make([]int32, 0, len(d.next)), final: append([]bool(nil), d.final...)}
	out.next = append(out.next, d.next...)
	for s := range d.final {
		row := out.next[s*256 : s*256+256]
		var behind [256]int32
		some := false
		for i := range behind {
			behind[i] = -1
		}
		for _, e := range escapesTable {
			if to := row[e[0]]; to >= 0 {
				behind[e[1]], some = to, true
			}
		}
		for c := range ' ' {
			row[c] = -1
		}
		row['"'], row['\\'] = -1, -1
		if some {
			row['\\'] = int32(len(out.final))
			out.final = append(out.final, false)
			out.next = append(out.next, behind[:]...)
		}
	}
	return out.trim()
}

// emitNumber writes integers in a range, and fractions between two integers
// that are both in it.
func (c *schemas) emitNumber(s *spec) (*node, error) {
	steps, digits, err := s.steps()
	if err != nil {
		return nil, err
	}
	whole := s.types&typeNumber == 0 || len(steps) > 0
	if s.least == nil && s.most == nil && len(s.multiples) == 0 {
		if whole {
			return call(ruleInteger), nil
		}
		if s.types&typeInteger != 0 {
			return call(ruleNumber), nil
		}
	}
	low, high := s.bounds(s.leastOpen, s.mostOpen)
	integers, err := c.stepped(integersBetween(low, high), steps)
	if err != nil {
		return nil, err
	}
	var subs []*node
	if s.types&typeInteger != 0 {
		subs = append(subs, integers)
	}
	if !whole {
		// Above n there is no fraction that is n itself, so open bounds do not count.
		low, high := s.bounds(false, false)
		f := seq(literal("."), repeat(digit(), 0, min(digits, 6)-1), span('1', '9'))
		if n := max(low, 0); n <= high-1 {
			subs = append(subs, seq(naturalsBetween(n, high-1), f))
		}
		if n := max(-high, 0); n <= -low-1 {
			subs = append(subs, seq(literal("-"), naturalsBetween(n, -low-1), f))
		}
		if len(subs) < 2 && low > high {
			return nil, located{at: "minimum"}.refuse("no whole number lies between the bounds, and fractions are only written between two; widen them")
		}
	}
	return alt(subs...), nil
}

// steps are the whole numbers of which a number is a multiple, and how many
// digits may be behind its point.
func (s *spec) steps() (whole []int64, digits int, err error) {
	digits = fractionDigitsMax
	for _, l := range s.multiples {
		m, ok := l.v.number()
		if !ok || m.Sign() <= 0 {
			return nil, 0, l.wrong("a number above zero")
		}
		if m.IsInt() && m.Num().IsInt64() && m.Num().Int64() <= 1000 {
			whole = append(whole, m.Num().Int64())
			continue
		}
		k := tenths(m)
		if k < 0 {
			return nil, 0, l.refuse("only whole steps up to 1000, and 0.1, 0.01 and so on, can be kept; leave it out")
		}
		digits = min(digits, k)
	}
	return whole, digits, nil
}

// tenths is k for the number 10^-k with k from 1 to 6, and -1 for others.
func tenths(r *big.Rat) int {
	for k, p := 1, int64(10); k <= 6; k, p = k+1, p*10 {
		if r.Cmp(big.NewRat(1, p)) == 0 {
			return k
		}
	}
	return -1
}

const integerMax = 999_999_999_999_999

// bounds are the least and the greatest integer, cut to what is written.
//
//nolint:revive // flag-parameter: whether each bound itself is left out is what it is about
func (s *spec) bounds(leastOpen, mostOpen bool) (low, high int64) {
	low, high = -integerMax, integerMax
	clamp := func(i *big.Int) int64 {
		if !i.IsInt64() {
			if i.Sign() < 0 {
				return math.MinInt64 / 2
			}
			return math.MaxInt64 / 2
		}
		return i.Int64()
	}
	if s.least != nil {
		// The greatest integer that is not above, then one up unless equal.
		floor := new(big.Int).Div(s.least.Num(), s.least.Denom())
		if !s.least.IsInt() || leastOpen {
			floor.Add(floor, big.NewInt(1))
		}
		low = max(low, clamp(floor))
	}
	if s.most != nil {
		floor := new(big.Int).Div(s.most.Num(), s.most.Denom())
		if s.most.IsInt() && mostOpen {
			floor.Sub(floor, big.NewInt(1))
		}
		high = min(high, clamp(floor))
	}
	return low, high
}

// stepped keeps the integers that are multiples of all steps.
func (c *schemas) stepped(n *node, steps []int64) (*node, error) {
	if len(steps) == 0 {
		return n, nil
	}
	d, err := regular(n, &c.work)
	if err != nil {
		return nil, err
	}
	for _, m := range steps {
		if d, err = c.work.combine(d, multiples(m), both); err != nil {
			return nil, err
		}
	}
	return text(d), nil
}

// multiples reads digits and keeps the remainder; a sign changes nothing.
func multiples(m int64) *dfa {
	d := &dfa{}
	for r := range m {
		row := make([]int32, 256)
		for c := range row {
			row[c] = -1
		}
		for c := range int64(10) {
			row['0'+c] = int32((r*10 + c) % m)
		}
		if r == 0 {
			row['-'] = 0 // only at the start in what it is combined with
		}
		d.next, d.final = append(d.next, row...), append(d.final, r == 0)
	}
	return d
}

func integersBetween(low, high int64) *node {
	var subs []*node
	if low < 0 {
		subs = append(subs, seq(literal("-"), naturalsBetween(max(1, -high), -low)))
	}
	subs = append(subs, naturalsBetween(max(low, 0), high))
	return alt(subs...)
}

// naturalsBetween are the decimal numbers from low to high, by their lengths.
func naturalsBetween(low, high int64) *node {
	high = min(high, integerMax)
	var subs []*node
	for floor, ceiling := int64(0), int64(9); floor <= high; floor, ceiling = ceiling+1, ceiling*10+9 {
		if a, b := max(low, floor), min(high, ceiling); a <= b {
			subs = append(subs, sameDigits(fmt.Sprint(a), fmt.Sprint(b)))
		}
	}
	return alt(subs...)
}

// sameDigits are the numbers between two of equal length.
func sameDigits(a, b string) *node {
	if strings.Trim(a, "0") == "" && strings.Trim(b, "9") == "" {
		return repeat(digit(), len(a), len(a))
	}
	if a[0] == b[0] {
		return seq(span(a[0], a[0]), sameDigits(a[1:], b[1:]))
	}
	n := len(a) - 1
	nines, zeros := strings.Repeat("9", n), strings.Repeat("0", n)
	if a[1:] == zeros && b[1:] == nines {
		return seq(span(a[0], b[0]), repeat(digit(), n, n))
	}
	subs := []*node{
		seq(span(a[0], a[0]), sameDigits(a[1:], nines)),
		seq(span(b[0], b[0]), sameDigits(zeros, b[1:])),
	}
	if a[0]+1 < b[0] {
		subs = append(subs, seq(span(a[0]+1, b[0]-1), repeat(digit(), n, n)))
	}
	return alt(subs...)
}
