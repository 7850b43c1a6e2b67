package grammar

import (
	"math/big"
	"slices"
)

// emit makes the node of what satisfies a spec.
func (c *schemas) emit(s *spec) (*node, error) {
	if s.values != nil {
		return c.emitValues(s)
	}
	var subs []*node
	for _, e := range []struct {
		of   types
		make func(*spec) (*node, error)
	}{
		{typeObject, c.emitObject},
		{typeArray, c.emitArray},
		{typeString, c.emitString},
		{typeInteger | typeNumber, c.emitNumber},
		{typeBoolean, func(*spec) (*node, error) { return alt(literal("true"), literal("false")), nil }},
		{typeNull, func(*spec) (*node, error) { return literal("null"), nil }},
	} {
		if s.types&e.of == 0 {
			continue
		}
		n, err := e.make(s)
		if err != nil {
			return nil, err
		}
		subs = append(subs, n)
	}
	return alt(subs...), nil
}

// emitValues writes those of a list of values that satisfy the rest.
func (c *schemas) emitValues(s *spec) (*node, error) {
	var strings *dfa
	if s.constrainsStrings() {
		var err error
		if strings, err = c.stringAutomaton(s); err != nil {
			return nil, err
		}
	}
	var subs []*node
	for _, v := range *s.values {
		ok, err := s.admits(v, strings)
		if err != nil {
			return nil, err
		}
		if ok {
			subs = append(subs, literal(v.encode()))
		}
	}
	return alt(subs...), nil
}

// admits reports whether a value satisfies the other keywords.
func (s *spec) admits(v *value, strings *dfa) (bool, error) {
	t := v.types()
	if s.types&t == 0 {
		return false, nil
	}
	switch {
	case t == typeString:
		return strings == nil || strings.matches(v.text), nil
	case t&(typeInteger|typeNumber) != 0:
		return s.admitsNumber(v)
	case t == typeArray && s.lists, t == typeObject && s.objects:
		return false, located{v, s.valuesAt}.refuse("lists and objects here cannot be checked against other keywords; leave those out")
	}
	return true, nil
}

func (s *spec) admitsNumber(v *value) (bool, error) {
	r, _ := v.number()
	if s.least != nil && (r.Cmp(s.least) < 0 || s.leastOpen && r.Cmp(s.least) == 0) {
		return false, nil
	}
	if s.most != nil && (r.Cmp(s.most) > 0 || s.mostOpen && r.Cmp(s.most) == 0) {
		return false, nil
	}
	for _, l := range s.multiples {
		m, ok := l.v.number()
		if !ok || m.Sign() <= 0 {
			return false, l.wrong("a number above zero")
		}
		if !new(big.Rat).Quo(r, m).IsInt() {
			return false, nil
		}
	}
	return true, nil
}

func (c *schemas) emitArray(s *spec) (*node, error) {
	if !s.lists {
		return call(ruleArray), nil
	}
	if s.maxItems != unlimited && s.minItems > s.maxItems {
		return nothing(), nil
	}
	item := call(ruleValue)
	if len(s.items) > 0 {
		var err error
		if item, err = c.node(s.items); err != nil {
			return nil, err
		}
	}
	if len(s.prefix) == 0 {
		return enclosed("[", item, s.minItems, clampItems(s.maxItems), "]"), nil
	}
	return c.emitPrefix(s, item)
}

// emitPrefix writes an array whose first items have schemas of their own.
func (c *schemas) emitPrefix(s *spec, item *node) (*node, error) {
	// rest is what follows i items, made from the end.
	end := seq(space(), literal("]"))
	fixed := len(s.prefix)
	least, most := max(s.minItems-fixed, 0), unlimited
	if s.maxItems != unlimited {
		fixed = min(fixed, s.maxItems)
		most = clampItems(s.maxItems - fixed)
	}
	rest := seq(repeat(seq(literal(","), space(), item), least, most), end)
	for i := fixed - 1; i >= 0; i-- {
		n, err := c.node(s.prefix[i])
		if err != nil {
			return nil, err
		}
		next := seq(space(), n, rest)
		if i > 0 {
			next = seq(literal(","), next)
		}
		if i >= s.minItems {
			next = alt(next, end)
		}
		rest = next
	}
	return seq(literal("["), rest), nil
}

func clampItems(n int) int { return min(n, itemsMax) }

// emitObject writes the named properties in their order, then others.
func (c *schemas) emitObject(s *spec) (*node, error) {
	if !s.objects {
		return call(ruleObject), nil
	}
	extras, err := c.extras(s)
	if err != nil {
		return nil, err
	}
	order, props, err := c.properties(s)
	if err != nil {
		return nil, err
	}
	if s.minProperties.v != nil {
		if s.minProperties.v.count() > len(s.required) {
			return nil, s.minProperties.refuse("properties beyond the required ones cannot be counted; require some by name")
		}
	}
	most := unlimited
	if s.maxProperties.v != nil {
		if most = s.maxProperties.v.count() - len(order); most < 0 {
			return nil, s.maxProperties.refuse("fewer than the properties that are named; leave it out or name fewer")
		}
		most = clampItems(most)
	}
	end := seq(space(), literal("}"))
	more := seq(literal(","), space(), extras)
	// rest follows a property, first the opening brace.
	rest := seq(repeat(more, 0, most), end)
	first := end
	if most != 0 {
		less := most
		if most != unlimited {
			less--
		}
		first = alt(seq(space(), extras, repeat(more, 0, less), end), end)
	}
	for i, name := range slices.Backward(order) {
		member := seq(literal(quote(name)+":"), space(), props[i])
		next := seq(literal(","), space(), member, rest)
		lead := seq(space(), member, rest)
		if slices.Contains(s.required, name) {
			rest, first = next, lead
		} else {
			rest, first = alt(next, rest), alt(lead, first)
		}
	}
	return seq(literal("{"), first), nil
}

// properties compiles the named properties, and the required ones without a
// schema of their own.
func (c *schemas) properties(s *spec) ([]string, []*node, error) {
	order := slices.Clone(s.order)
	for _, name := range s.required {
		if s.props[name] == nil {
			order = append(order, name)
		}
	}
	nodes := make([]*node, len(order))
	for i, name := range order {
		if slices.Contains(s.absent, name) {
			nodes[i] = nothing()
			continue
		}
		all := slices.Clone(s.props[name])
		matched := false
		for j, p := range s.patternTexts {
			d, err := c.searcher(p, s.patternProps[j])
			if err != nil {
				return nil, nil, err
			}
			if d.matches(name) {
				all, matched = append(all, s.patternProps[j]), true
			}
		}
		if s.props[name] == nil && !matched {
			all = append(all, s.additional...)
		}
		n, err := c.node(all)
		if err != nil {
			return nil, nil, err
		}
		if len(all) == 0 {
			n = call(ruleValue)
		}
		nodes[i] = n
	}
	return order, nodes, nil
}

func (c *schemas) searcher(pattern string, l located) (*dfa, error) {
	n, err := parseRegex(pattern, true)
	if err != nil {
		return nil, at(l, err)
	}
	d, err := regular(n, &c.work)
	if err != nil {
		return nil, at(l, err)
	}
	return d, nil
}

// extras is a property that is not named, with its name, colon and value.
func (c *schemas) extras(s *spec) (*node, error) {
	if !s.extras() {
		return nothing(), nil
	}
	free, err := c.freeNames(s)
	if err != nil {
		return nil, err
	}
	searchers := make([]*dfa, len(s.patternTexts))
	for i, p := range s.patternTexts {
		if searchers[i], err = c.searcher(p, s.patternProps[i]); err != nil {
			return nil, err
		}
	}
	subs, err := c.patternMembers(s, free, searchers)
	if err != nil {
		return nil, err
	}
	if s.additionalSet && s.forbidsOthers() || !s.additionalSet && len(s.order)+len(searchers) > 0 {
		return alt(subs...), nil
	}
	if free, err = c.without(free, searchers, nil); err != nil {
		return nil, err
	}
	n := call(ruleValue)
	if len(s.additional) > 0 {
		if n, err = c.node(s.additional); err != nil {
			return nil, err
		}
	}
	return alt(append(subs, member(free, n))...), nil
}

// patternMembers are the properties named by a pattern. A name of two patterns
// would need both schemas, and is not written.
func (c *schemas) patternMembers(s *spec, free *dfa, searchers []*dfa) ([]*node, error) {
	var subs []*node
	for i, d := range searchers {
		keys, err := c.without(free, searchers[:i], searchers[i+1:])
		if err != nil {
			return nil, err
		}
		if keys, err = c.work.combine(keys, d, both); err != nil {
			return nil, err
		}
		n, err := c.node([]located{s.patternProps[i]})
		if err != nil {
			return nil, err
		}
		subs = append(subs, member(keys, n))
	}
	return subs, nil
}

// freeNames are the names of plain characters that are not named.
func (c *schemas) freeNames(s *spec) (*dfa, error) {
	free, err := regular(star(plainCharacter()), &c.work)
	if err != nil {
		return nil, err
	}
	names := make([]*node, 0, len(s.order)+len(s.required)+len(s.absent))
	for _, n := range slices.Concat(s.order, s.required, s.absent) {
		names = append(names, literal(n))
	}
	named, err := regular(alt(names...), &c.work)
	if err != nil {
		return nil, err
	}
	return c.work.combine(free, named, less)
}

// without takes away the strings of some automata.
func (c *schemas) without(d *dfa, lists ...[]*dfa) (*dfa, error) {
	for _, list := range lists {
		for _, other := range list {
			var err error
			if d, err = c.work.combine(d, other, less); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// member is a property whose name is of an automaton over plain characters.
func member(names *dfa, v *node) *node {
	return seq(literal(`"`), text(names), literal(`":`), space(), v)
}
