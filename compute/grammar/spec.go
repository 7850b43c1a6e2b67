package grammar

import (
	"maps"
	"math/big"
	"slices"
	"strings"
)

// types is a set of JSON types. A number that is no integer is typeNumber.
type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeInteger
	typeNumber
	typeString
	typeArray
	typeObject
	typeAll = 1<<iota - 1
)

var typesTable = map[string]types{
	"null": typeNull, "boolean": typeBoolean, "integer": typeInteger, "number": typeInteger | typeNumber,
	"string": typeString, "array": typeArray, "object": typeObject,
}

// types is the type of a value.
func (v *value) types() types {
	switch v.what {
	case 'n':
		return typeNull
	case 'b':
		return typeBoolean
	case 's':
		return typeString
	case '[':
		return typeArray
	case '{':
		return typeObject
	}
	if r, ok := v.number(); ok && r.IsInt() {
		return typeInteger
	}
	return typeNumber
}

// spec is a conjunction of constraints, collected from all the schemas that
// apply to one value.
type spec struct {
	types  types
	values *[]*value // enum and const
	// valuesAt is where they are.
	valuesAt string

	least, most         *big.Rat
	leastOpen, mostOpen bool
	multiples           []located

	minLength, maxLength int // maxLength may be unlimited
	patterns, formats    []located

	prefix             [][]located
	items              []located
	minItems, maxItems int
	lists              bool // some keyword of arrays was there

	order         []string
	props         map[string][]located
	required      []string
	additional    []located
	additionalSet bool
	patternProps  []located // the schemas; the pattern is in patternTexts
	patternTexts  []string
	absent        []string // names that are not written: another branch of a oneOf requires them
	minProperties located  // of the greatest one
	maxProperties located  // of the least one
	objects       bool     // some keyword of objects was there
}

func newSpec() *spec {
	return &spec{types: typeAll, maxLength: unlimited, maxItems: unlimited, props: map[string][]located{}}
}

func (s *spec) clone() *spec {
	c := *s
	c.props = maps.Clone(s.props)
	for _, list := range []*[]located{&c.multiples, &c.patterns, &c.formats, &c.items, &c.additional, &c.patternProps} {
		*list = slices.Clip(*list)
	}
	c.prefix, c.order, c.required = slices.Clone(s.prefix), slices.Clip(s.order), slices.Clip(s.required)
	c.patternTexts, c.absent = slices.Clip(s.patternTexts), slices.Clip(s.absent)
	return &c
}

// forbidsOthers reports whether the schema itself allows no property but those
// that are named.
func (s *spec) forbidsOthers() bool {
	return slices.ContainsFunc(s.additional, func(l located) bool { return l.v.what == 'b' && !l.v.truth })
}

// extras reports whether properties that are not named are written.
func (s *spec) extras() bool {
	if s.additionalSet {
		return !s.forbidsOthers() || len(s.patternProps) > 0
	}
	return len(s.order) == 0 || len(s.patternProps) > 0
}

// annotationsTable are the keywords that constrain nothing, or are read where
// they are referred to.
var annotationsTable = []string{
	"title", "description", "default", "examples", "example", "$schema", "$id", "id", "$comment", "deprecated", "readOnly",
	"writeOnly", "$defs", "definitions", "$anchor", "contentMediaType", "contentEncoding", "discriminator",
	"$ref", "allOf", "anyOf", "oneOf",
}

// narrow adds the constraints of a schema's own keywords.
func (s *spec) narrow(l located) error {
	for _, k := range l.v.names {
		var err error
		m := l.member(k)
		switch k {
		case "type", "nullable":
			err = s.narrowType(l)
		case "enum", "const":
			err = s.narrowValues(m, k)
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
			err = s.narrowBound(m, k, l.v)
		case "multipleOf":
			s.multiples = append(s.multiples, m)
		case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
			err = s.narrowCount(m, k)
		case "pattern", "format":
			err = s.narrowText(m, k)
		case "uniqueItems":
			err = uniqueItems(l)
		case "items", "prefixItems", "additionalItems", "properties", "patternProperties", "additionalProperties", "required":
		default:
			err = l.annotation(k)
		}
		if err != nil {
			return err
		}
	}
	if err := s.narrowItems(l); err != nil {
		return err
	}
	return s.narrowObject(l)
}

// annotation refuses a keyword that is no annotation. An $id makes a part a
// document of its own, and references inside it would be to its parts, not to
// those of the whole; one that begins with # is a name, as in drafts 6 and 7.
func (l located) annotation(keyword string) error {
	m := l.member(keyword)
	switch {
	case keyword == "$id" && l.at != "#" && !strings.HasPrefix(m.v.text, "#"):
		return m.refuse("a schema with an address of its own inside another cannot be followed; leave it out")
	case slices.Contains(annotationsTable, keyword), strings.HasPrefix(keyword, "x-"):
		return nil
	}
	return m.refuse("this keyword cannot be kept; leave it out and check the result")
}

func uniqueItems(l located) error {
	unique, most := l.member("uniqueItems"), l.v.member["maxItems"]
	if unique.v.what == 'b' && !unique.v.truth || most != nil && (most.text == "0" || most.text == "1") {
		return nil
	}
	return unique.refuse("items that differ from each other cannot be kept; leave it out and check the result")
}

func (s *spec) narrowType(l located) error {
	t := l.v.member["type"]
	if t == nil {
		return nil // nullable alone allows what is allowed anyway
	}
	list := []*value{t}
	if t.what == '[' {
		list = t.list
	}
	var allowed types
	for _, e := range list {
		bit, ok := typesTable[e.text]
		if !ok || e.what != 's' {
			return l.member("type").wrong("null, boolean, integer, number, string, array, object, or a list of them")
		}
		allowed |= bit
	}
	if n := l.v.member["nullable"]; n != nil && n.truth {
		allowed |= typeNull
	}
	s.types &= allowed
	return nil
}

func (s *spec) narrowValues(l located, keyword string) error {
	list := []*value{l.v}
	if keyword == "enum" {
		if l.v.what != '[' {
			return l.wrong("a list of values")
		}
		list = l.v.list
	}
	if s.values != nil {
		old := *s.values
		list = slices.DeleteFunc(slices.Clone(list), func(v *value) bool {
			return !slices.ContainsFunc(old, func(w *value) bool { return v.canonical() == w.canonical() })
		})
	}
	s.values, s.valuesAt = &list, l.at
	return nil
}

func (s *spec) narrowBound(l located, keyword string, schema *value) error {
	open := strings.HasPrefix(keyword, "exclusive")
	if open && l.v.what == 'b' { // as in draft 4, where it goes with the bound
		return nil
	}
	r, ok := l.v.number()
	if !ok {
		return l.wrong("a number")
	}
	if old := schema.member["exclusive"+strings.ToUpper(keyword[:1])+keyword[1:]]; old != nil && old.what == 'b' {
		open = old.truth
	}
	if strings.HasSuffix(strings.ToLower(keyword), "minimum") {
		if tighter(r, s.least, open, 1) {
			s.least, s.leastOpen = r, open
		}
	} else if tighter(r, s.most, open, -1) {
		s.most, s.mostOpen = r, open
	}
	return nil
}

// tighter reports whether a bound is beyond an old one, in a direction.
func tighter(r, old *big.Rat, open bool, direction int) bool {
	if old == nil {
		return true
	}
	c := r.Cmp(old) * direction
	return c > 0 || c == 0 && open
}

func (s *spec) narrowCount(l located, keyword string) error { //nolint:revive // cyclomatic: one line a keyword
	n := l.v.count()
	if n < 0 {
		return l.wrong("a whole number, zero or more")
	}
	lower := func(at *int) {
		if *at == unlimited || n < *at {
			*at = n
		}
	}
	switch keyword {
	case "minLength":
		s.minLength = max(s.minLength, n)
		if s.minLength > lengthMax {
			return l.refuse("a string cannot be made longer than 2000 characters; lower it")
		}
	case "maxLength":
		lower(&s.maxLength)
	case "minItems":
		s.lists, s.minItems = true, max(s.minItems, n)
		if s.minItems > itemsMax {
			return l.refuse("a list cannot be made longer than 4096 items; lower it")
		}
	case "maxItems":
		s.lists = true
		lower(&s.maxItems)
	case "minProperties":
		if old := s.minProperties.v; n > 0 && (old == nil || n > old.count()) {
			s.objects, s.minProperties = true, l
		}
	case "maxProperties":
		s.objects = true
		if old := s.maxProperties.v; old == nil || n < old.count() {
			s.maxProperties = l
		}
	}
	return nil
}

func (s *spec) narrowText(l located, keyword string) error {
	if l.v.what != 's' {
		return l.wrong("a string")
	}
	if keyword == "pattern" {
		s.patterns = append(s.patterns, l)
	} else {
		s.formats = append(s.formats, l)
	}
	return nil
}

// itemSchemas are the schemas of the first items, and of those behind them.
func (l located) itemSchemas() (prefix, rest located) {
	if i := l.v.member["items"]; i != nil && i.what == '[' {
		return l.member("items"), l.member("additionalItems")
	}
	return l.member("prefixItems"), l.member("items")
}

// narrowItems joins the keywords of arrays. A list of items is the prefix of
// earlier drafts.
func (s *spec) narrowItems(l located) error {
	prefix, rest := l.itemSchemas()
	if prefix.v == nil && rest.v == nil {
		return nil
	}
	if prefix.v != nil && prefix.v.what != '[' {
		return prefix.wrong("a list of schemas")
	}
	if s.lists && (prefix.v != nil && (len(s.prefix) > 0 || len(s.items) > 0) || len(s.prefix) > 0) {
		return l.refuse("prefixItems cannot be joined with the items of another schema; write them in one")
	}
	s.lists = true
	if prefix.v != nil {
		for i := range prefix.v.list {
			s.prefix = append(s.prefix, []located{prefix.element(i)})
		}
	}
	if rest.v != nil {
		s.items = append(s.items, rest)
	}
	return nil
}

// narrowObject joins the keywords of objects: the properties that only one side
// names must satisfy the additionalProperties of the other.
func (s *spec) narrowObject(l located) error {
	if err := s.narrowRequired(l); err != nil {
		return err
	}
	props, patterns, other := l.member("properties"), l.member("patternProperties"), l.member("additionalProperties")
	if props.v == nil && patterns.v == nil && other.v == nil {
		return nil
	}
	for _, m := range []located{props, patterns} {
		if m.v != nil && m.v.what != '{' {
			return m.wrong("an object of schemas")
		}
	}
	if err := s.narrowPatterns(l, patterns); err != nil {
		return err
	}
	s.objects = true
	s.narrowProperties(props, other)
	if other.v != nil {
		s.additional = append(s.additional, other)
		s.additionalSet = true
	}
	return nil
}

// narrowPatterns adds the properties that are named by a pattern.
func (s *spec) narrowPatterns(l, patterns located) error {
	joined := len(s.order) > 0 || len(s.patternProps) > 0 || s.additionalSet
	if joined && (patterns.v != nil || len(s.patternProps) > 0) {
		return l.refuse("patternProperties cannot be joined with the properties of another schema; write them in one")
	}
	if patterns.v == nil {
		return nil
	}
	for _, p := range patterns.v.names {
		s.patternProps = append(s.patternProps, patterns.member(p))
		s.patternTexts = append(s.patternTexts, p)
	}
	return nil
}

// narrowProperties adds named properties, and what others must be to those that
// are not among them.
func (s *spec) narrowProperties(props, other located) {
	if other.v != nil {
		for _, name := range s.order {
			if props.v == nil || props.v.member[name] == nil {
				s.props[name] = append(slices.Clip(s.props[name]), other)
			}
		}
	}
	if props.v == nil {
		return
	}
	for _, name := range props.v.names {
		if s.props[name] == nil {
			s.order = append(s.order, name)
			s.props[name] = slices.Clone(s.additional)
		}
		s.props[name] = append(slices.Clip(s.props[name]), props.member(name))
	}
}

func (s *spec) narrowRequired(l located) error {
	r := l.member("required")
	if r.v == nil || r.v.what == 'b' { // a truth value is draft 3's, and says nothing here
		return nil
	}
	for _, e := range r.v.list {
		if e.what != 's' {
			return r.wrong("a list of names")
		}
		if !slices.Contains(s.required, e.text) {
			s.required = append(s.required, e.text)
		}
	}
	s.objects = s.objects || len(r.v.list) > 0
	return nil
}
