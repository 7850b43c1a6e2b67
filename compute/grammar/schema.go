package grammar

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Limits of schemas.
const (
	branchesMax   = 256
	referencesMax = 64
	lengthMax     = 2000
	itemsMax      = 4096
)

// FromSchema compiles a JSON Schema (2020-12 and what earlier drafts share with
// it). Every text of the grammar is valid by the schema, but not every valid
// text is of the grammar:
//
//   - properties come in the order of the schema, and others only when
//     additionalProperties asks for them or none are named;
//   - white space is a space or a new line with an indent, after brackets,
//     commas and colons;
//   - strings with a pattern, format or length have one way to write each
//     character, and at most 2,000 of them;
//   - numbers have at most 15 digits and 17 behind the point.
//
// A keyword that cannot be kept is refused with its JSON pointer, and so is one
// that is not known; annotations and names that begin with x- are ignored.
func FromSchema(source []byte) (*Grammar, error) {
	root, err := parseValue(source)
	if err != nil {
		return nil, err
	}
	c := &schemas{root: root, rules: sharedRules(), names: slices.Clone(sharedNamesTable[:]), known: map[string]int{}, compared: map[string][]*spec{}}
	n, err := c.node([]located{{root, "#"}})
	if err != nil {
		return nil, err
	}
	c.rules[ruleRoot] = n
	return compile(c.rules, c.names)
}

// located is a schema and its JSON pointer.
type located struct {
	v  *value
	at string
}

func (l located) member(name string) located {
	escaped := name
	if strings.ContainsAny(name, "~/") {
		escaped = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return located{l.v.member[name], l.at + "/" + escaped}
}

func (l located) element(i int) located {
	return located{l.v.list[i], l.at + "/" + strconv.Itoa(i)}
}

func (l located) refuse(why string) error {
	return fmt.Errorf("%w: %s: %s", ErrUnsupported, l.at, why)
}

func (l located) wrong(want string) error {
	return fmt.Errorf("%w: %s: want %s", ErrSyntax, l.at, want)
}

type schemas struct {
	root  *value
	rules []*node
	names []string
	known map[string]int
	made  int
	work  effort
	// joined is the cost of all joining of schemas so far.
	joined int
	// compared are the alternatives of properties by which objects were told
	// apart.
	compared map[string][]*spec
}

// joinedMax bounds the joining of schemas, in properties and keywords that are
// looked at: references that fork at each of their steps double it with each,
// and alternatives of oneOf are compared each with each.
const joinedMax = 1 << 21

// narrowCost is what narrowing by a schema costs that says nothing.
const narrowCost = 16

// join adds a cost, and reports whether it may be spent.
func (c *schemas) join(cost int) bool {
	c.joined += min(cost, joinedMax)
	return c.joined <= joinedMax
}

// schemasMax bounds how many schemas are compiled, counting those that are
// compiled again in another place.
const schemasMax = 1 << 14

// node compiles what satisfies all of some schemas. Schemas with references
// become rules, so that they may refer to themselves.
func (c *schemas) node(all []located) (*node, error) {
	if c.made++; c.made > schemasMax {
		return nil, fmt.Errorf("%w: the schema has over %d parts; split it", ErrTooLarge, schemasMax)
	}
	if !slices.ContainsFunc(all, func(l located) bool { return refers(l.v) }) {
		return c.body(all)
	}
	key := keyOf(all)
	if r, ok := c.known[key]; ok {
		return call(r), nil
	}
	if len(c.rules) >= RulesMax {
		return nil, fmt.Errorf("%w: the schema takes over %d rules; split it", ErrTooLarge, RulesMax)
	}
	r := len(c.rules)
	c.known[key] = r
	c.rules, c.names = append(c.rules, nothing()), append(c.names, key)
	n, err := c.body(all)
	if err != nil {
		return nil, err
	}
	c.rules[r] = n
	return call(r), nil
}

// keyOf is equal for the same schemas.
func keyOf(all []located) string {
	keys := make([]string, len(all))
	for i, l := range all {
		keys[i] = strconv.Quote(l.at)
	}
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), " ")
}

// refers reports whether a schema has a reference that applies to the same
// value.
func refers(v *value) bool {
	if v.member["$ref"] != nil {
		return true
	}
	for _, k := range []string{"allOf", "anyOf", "oneOf"} {
		if list := v.member[k]; list != nil && slices.ContainsFunc(list.list, refers) {
			return true
		}
	}
	return false
}

func (c *schemas) body(all []located) (*node, error) {
	specs := []*spec{newSpec()}
	for _, l := range all {
		var err error
		if specs, err = c.apply(specs, l, 0); err != nil {
			return nil, err
		}
	}
	var subs []*node
	for _, s := range specs {
		n, err := c.emit(s)
		if err != nil {
			return nil, err
		}
		subs = append(subs, n)
	}
	return alt(subs...), nil
}

// apply narrows each of several alternatives by a schema.
func (c *schemas) apply(specs []*spec, l located, depth int) ([]*spec, error) {
	if depth > referencesMax {
		return nil, l.refuse(fmt.Sprintf("references go over %d deep without a value between; break the circle", referencesMax))
	}
	cost := 1
	for _, s := range specs {
		cost += narrowCost + len(l.v.names) + len(s.order) + len(s.required)
	}
	if !c.join(cost) {
		return nil, fmt.Errorf("%w: %s: joining references and alternatives takes over %d steps; write them in fewer", ErrTooLarge, l.at, joinedMax)
	}
	if l.v.what == 'b' {
		if l.v.truth {
			return specs, nil
		}
		return nil, nil
	}
	if l.v.what != '{' {
		return nil, l.wrong("a schema: an object, true or false")
	}
	out := make([]*spec, 0, len(specs))
	for _, s := range specs {
		s = s.clone()
		if err := s.narrow(l); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	var err error
	if l.v.member["$ref"] != nil {
		target, rerr := c.resolve(l.member("$ref"))
		if rerr != nil {
			return nil, rerr
		}
		if out, err = c.apply(out, target, depth+1); err != nil {
			return nil, err
		}
	}
	for _, k := range []string{"allOf", "anyOf", "oneOf"} {
		if l.v.member[k] == nil {
			continue
		}
		if out, err = c.branches(out, l.member(k), k, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *schemas) branches(specs []*spec, l located, keyword string, depth int) ([]*spec, error) {
	if l.v.what != '[' || len(l.v.list) == 0 {
		return nil, l.wrong("a list of schemas")
	}
	if keyword == "allOf" {
		var err error
		for i := range l.v.list {
			if specs, err = c.apply(specs, l.element(i), depth+1); err != nil {
				return nil, err
			}
		}
		return specs, nil
	}
	var out []*spec
	for i := range l.v.list {
		some, err := c.apply(specs, l.element(i), depth+1)
		if err != nil {
			return nil, err
		}
		if len(out)+len(some) > branchesMax {
			return nil, fmt.Errorf("%w: %s: over %d alternatives; join some", ErrTooLarge, l.at, branchesMax)
		}
		if keyword == "oneOf" && c.meet(out, some, 0) {
			return nil, l.element(i).refuse("cannot tell that no value satisfies this and an earlier one of oneOf; use anyOf, or a required property with a different const in each")
		}
		out = append(out, some...)
	}
	return out, nil
}

// resolve follows a reference inside the document.
func (c *schemas) resolve(l located) (located, error) {
	if l.v.what != 's' || l.v.text != "#" && !strings.HasPrefix(l.v.text, "#/") {
		return located{}, l.refuse("only references inside the document, such as #/$defs/name, can be followed; put it there")
	}
	pointer, err := url.PathUnescape(l.v.text)
	if err != nil {
		return located{}, l.wrong("a JSON pointer")
	}
	at := located{c.root, "#"}
	for _, part := range strings.Split(pointer, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		i, nan := strconv.Atoi(part)
		switch {
		case at.v.what == '{' && at.v.member[part] != nil:
			at = at.member(part)
		case at.v.what == '[' && nan == nil && i >= 0 && i < len(at.v.list):
			at = at.element(i)
		default:
			return located{}, l.wrong("a reference to something that is there; " + quote(pointer) + " is not")
		}
	}
	return at, nil
}

// disjoint reports whether it is certain that no text written for one of the
// two satisfies the other.
func (c *schemas) disjoint(a, b *spec, depth int) bool {
	shared := a.types & b.types
	switch {
	case !c.join(1 + len(a.required)*len(b.required)/16):
		return false
	case shared == 0:
		return true
	case a.values != nil && b.values != nil:
		return !slices.ContainsFunc(*a.values, func(v *value) bool {
			return slices.ContainsFunc(*b.values, func(w *value) bool { return v.canonical() == w.canonical() })
		})
	case a.values != nil:
		return !slices.ContainsFunc(*a.values, func(v *value) bool { return v.types()&shared != 0 })
	case b.values != nil:
		return c.disjoint(b, a, depth)
	case shared&^(typeInteger|typeNumber) == 0:
		return above(a, b) || above(b, a)
	case shared == typeObject:
		return depth < 4 && (c.discriminated(a, b, depth) || separate(a, b, depth))
	}
	return false
}

// meet reports whether a value may satisfy one of each of two lists.
func (c *schemas) meet(one, two []*spec, depth int) bool {
	return slices.ContainsFunc(one, func(x *spec) bool {
		return slices.ContainsFunc(two, func(y *spec) bool { return !c.disjoint(x, y, depth) })
	})
}

// above reports whether all numbers of a are above those of b.
func above(a, b *spec) bool {
	if a.least == nil || b.most == nil {
		return false
	}
	cmp := a.least.Cmp(b.most)
	return cmp > 0 || cmp == 0 && (a.leastOpen || b.mostOpen)
}

// discriminated reports whether both require a property with no value in
// common.
func (c *schemas) discriminated(a, b *spec, depth int) bool {
	for _, name := range a.required {
		if !slices.Contains(b.required, name) || a.props[name] == nil || b.props[name] == nil {
			continue
		}
		one, err1 := c.alternatives(a.props[name])
		two, err2 := c.alternatives(b.props[name])
		if err1 != nil || err2 != nil {
			continue
		}
		if !c.meet(one, two, depth+1) {
			return true
		}
	}
	return false
}

// alternatives are what a property may be. They are not to be changed.
func (c *schemas) alternatives(all []located) ([]*spec, error) {
	key := keyOf(all)
	if specs, ok := c.compared[key]; ok {
		return specs, nil
	}
	specs := []*spec{newSpec()}
	for _, l := range all {
		var err error
		if specs, err = c.apply(specs, l, referencesMax/2); err != nil {
			return nil, err
		}
	}
	c.compared[key] = specs
	return specs, nil
}

// separate reports whether each of two is never valid by the other, because it
// lacks what the other requires or has what the other forbids. What one lacks it
// is made to lack for good: a schema that is joined later may name it. That is
// not possible for the schemas of a property, which are joined anew, so there
// only what is forbidden counts.
func separate(a, b *spec, depth int) bool {
	if forbidden(a, b) && forbidden(b, a) {
		return true
	}
	if depth > 0 {
		return false
	}
	one, ok1 := lacked(a, b)
	two, ok2 := lacked(b, a)
	if ok1 && ok2 {
		a.absent, b.absent = append(a.absent, one...), append(b.absent, two...)
	}
	return ok1 && ok2
}

// forbidden reports whether a requires what b forbids.
func forbidden(a, b *spec) bool {
	return len(b.patternProps) == 0 && b.forbidsOthers() &&
		slices.ContainsFunc(a.required, func(name string) bool { return b.props[name] == nil })
}

// lacked is the name that a must not have to be invalid by b; none when b
// forbids what a requires.
func lacked(a, b *spec) (names []string, ok bool) {
	if forbidden(a, b) {
		return nil, true
	}
	for _, name := range b.required {
		if a.props[name] == nil && !a.extras() && !slices.Contains(a.required, name) {
			return []string{name}, true
		}
	}
	return nil, false
}
