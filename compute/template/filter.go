package template

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// filtersTable are the filters that are known.
var filtersTable = []string{
	"abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "indent", "int", "items", "join", "last",
	"length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "safe", "select",
	"selectattr", "sort", "string", "sum", "title", "tojson", "trim", "unique", "upper",
}

type filter struct {
	of        expression
	name      string
	arguments argumentList
	line      int
}

func (e *filter) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	a, err := e.arguments.eval(r, f, e.line)
	if err != nil {
		return nil, err
	}
	return apply(r, e.name, v, a)
}

// apply runs a filter.
func apply(r *renderer, name string, v any, a *arguments) (any, error) {
	if err := r.weigh(a.line, v); err != nil {
		return nil, err
	}
	var (
		out any
		ok  bool
		err error
	)
	switch name {
	case "default", "d":
		return byDefault(v, a)
	case "tojson":
		return toJSON(r, v, a)
	case "first", "last", "length", "count", "list", "reverse", "sort", "unique", "min", "max", "sum", "dictsort", "items":
		out, ok, err = ofItems(r, name, v, a)
	case "map", "select", "reject", "selectattr", "rejectattr":
		out, ok, err = choose(r, name, v, a)
	case "join":
		out, ok, err = join(r, v, a)
	case "int", "float", "abs":
		out, ok = numeric(name, v, a)
	default:
		out, ok = textual(name, v, a)
		if s, isText := out.(string); isText {
			err = r.text(a.line, len(s))
		}
	}
	if err == nil && !ok {
		err = failed(a.line, "the filter %s of %s", name, describe(v))
	}
	return out, err
}

func byDefault(v any, a *arguments) (any, error) {
	otherwise, given := a.get(0, "default_value")
	if !given {
		otherwise = ""
	}
	whenFalse, _ := a.get(1, "boolean")
	if _, missing := v.(undefined); missing || truth(whenFalse) && !truth(v) {
		return otherwise, nil
	}
	return v, nil
}

// toJSON is Hugging Face's filter, not jinja2's: nothing is escaped for HTML.
func toJSON(r *renderer, v any, a *arguments) (any, error) {
	w := writer{indent: -1, comma: ", ", colon: ": "}
	arguments := [4]any{}
	for i, name := range []string{"ensure_ascii", "indent", "separators", "sort_keys"} {
		arguments[i], _ = a.get(i, name)
	}
	// The published filter has these in an order of its own for the calls without
	// names; nearly all write tojson(indent=4), and tojson(4) is jinja2's.
	if len(a.values) > 0 {
		arguments[0], arguments[1] = nil, a.values[0]
	}
	if truth(arguments[0]) {
		return nil, failed(a.line, "tojson with ensure_ascii")
	}
	if n, ok := integer(arguments[1]); ok && !isBool(arguments[1]) {
		w.indent = int(min(max(n, 0), 16))
		w.comma = ","
	}
	if l, ok := arguments[2].(*list); ok && len(l.items) == 2 {
		w.comma, _ = l.items[0].(string)
		w.colon, _ = l.items[1].(string)
	}
	w.sorted = truth(arguments[3])
	if _, missing := v.(undefined); missing || !w.value(v, 0) {
		return nil, failed(a.line, "the filter tojson of %s", describe(v))
	}
	return w.String(), r.text(a.line, w.Len())
}

func isBool(v any) bool { _, is := v.(bool); return is }

// ofItems is the filters of lists.
func ofItems(r *renderer, name string, v any, a *arguments) (any, bool, error) {
	switch name {
	case "length", "count":
		n, ok := length(v)
		return int64(n), ok, nil
	case "items", "dictsort":
		return pairsOf(r, name, v, a)
	}
	items, ok := iterate(v)
	if !ok {
		return nil, false, nil
	}
	if err := r.list(a.line, len(items)); err != nil {
		return nil, true, err
	}
	switch name {
	case "first", "last":
		if len(items) == 0 {
			return undefined{name + " item of nothing"}, true, nil
		}
		if name == "first" {
			return items[0], true, nil
		}
		return items[len(items)-1], true, nil
	case "reverse":
		items = slices.Clone(items)
		slices.Reverse(items)
		if _, isText := v.(string); isText {
			return (&method{}).join(r, "", &arguments{values: []any{&list{items: items}}, line: a.line})
		}
		return &list{items: items}, true, nil
	case "list":
		return &list{items: slices.Clone(items)}, true, nil
	case "sum":
		return sum(items)
	default:
		return sorted(r, name, items, a)
	}
}

func sum(items []any) (any, bool, error) {
	total, whole := 0.0, int64(0)
	integers := true
	for _, item := range items {
		n, ok := number(item)
		if !ok {
			return nil, false, nil
		}
		i, isInteger := integer(item)
		integers = integers && isInteger
		whole += i
		total += n
	}
	if integers {
		return whole, math.Abs(total) < 1<<62, nil
	}
	return total, true, nil
}

// sorted is the filters that order: texts without regard to case, as in jinja2.
func sorted(r *renderer, name string, items []any, a *arguments) (any, bool, error) {
	if len(a.values)+len(a.named) > 0 {
		if down, _ := a.get(0, "reverse"); name != "sort" || len(a.named)+len(a.values) > 1 || a.named["reverse"] != down {
			return nil, false, nil
		}
	}
	key := func(v any) any {
		if s, ok := v.(string); ok {
			return strings.ToLower(s)
		}
		return v
	}
	if name == "unique" {
		return unique(r, items, key, a.line)
	}
	down := truth(a.named["reverse"]) || name == "max"
	ordered := true
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(x, y any) int {
		order, ok := compare(key(x), key(y))
		ordered = ordered && ok
		if down {
			return -order
		}
		return order
	})
	if !ordered {
		return nil, false, nil
	}
	if name == "sort" {
		return &list{items: items}, true, nil
	}
	if len(items) == 0 {
		return undefined{name + " of nothing"}, true, nil
	}
	return items[0], true, nil
}

func unique(r *renderer, items []any, key func(any) any, line int) (any, bool, error) {
	l := new(list)
	for _, item := range items {
		if err := r.list(line, len(l.items)+1); err != nil { // what is compared
			return nil, true, err
		}
		if !slices.ContainsFunc(l.items, func(other any) bool { return r.equal(key(item), key(other), 0) }) {
			l.items = append(l.items, item)
		}
	}
	return l, true, nil
}

// pairsOf is items and dictsort.
func pairsOf(r *renderer, name string, v any, a *arguments) (any, bool, error) {
	if _, missing := v.(undefined); missing && name == "items" {
		return &list{}, true, nil
	}
	d, ok := v.(*dict)
	if !ok || len(a.values)+len(a.named) > 0 {
		return nil, false, nil
	}
	pairs, _ := method{d, "items"}.ofDict(d, &arguments{})
	l, _ := pairs.(*list)
	if name == "dictsort" {
		keyOf := func(v any) string {
			pair, _ := v.(*list)
			key, _ := pair.items[0].(string)
			return strings.ToLower(key)
		}
		slices.SortStableFunc(l.items, func(x, y any) int { return strings.Compare(keyOf(x), keyOf(y)) })
	}
	return l, true, r.list(a.line, len(l.items))
}

// choose is map, select and their kin.
func choose(r *renderer, name string, v any, a *arguments) (any, bool, error) {
	items, ok := iterate(v)
	if !ok {
		return nil, false, nil
	}
	if err := r.list(a.line, len(items)); err != nil {
		return nil, true, err
	}
	l := new(list)
	for _, item := range items {
		if name == "map" {
			out, err := mapped(r, item, a)
			if err != nil {
				return nil, true, err
			}
			l.items = append(l.items, out)
			continue
		}
		keep, err := chosen(r, name, item, a)
		if err != nil {
			return nil, true, err
		}
		if keep {
			l.items = append(l.items, item)
		}
	}
	return l, true, nil
}

// mapped is map(attribute="x", default=y) and map("filter", ...).
func mapped(r *renderer, item any, a *arguments) (any, error) {
	if name, ok := a.named["attribute"].(string); ok {
		v, err := path(item, name, a.line)
		if err != nil {
			return nil, err
		}
		if otherwise, given := a.named["default"]; given {
			if _, missing := v.(undefined); missing {
				return otherwise, nil
			}
		}
		return v, nil
	}
	name, ok := a.str(0, "", "")
	if !ok || !slices.Contains(filtersTable, name) {
		return nil, failed(a.line, "the filter map with %.40q", name)
	}
	// Bounds the depth of map("map", "map", ...), which each takes one away.
	return apply(r, name, item, &arguments{values: a.values[1:], named: a.named, line: a.line})
}

// path is a field of a field: "function.name".
func path(v any, name string, line int) (any, error) {
	for part := range strings.SplitSeq(name, ".") {
		if i, err := strconv.Atoi(part); err == nil {
			l, ok := v.(*list)
			if !ok {
				return undefined{name}, nil
			}
			v = nth(l.items, int64(i), func(item any) any { return item })
			continue
		}
		if _, missing := v.(undefined); missing {
			return v, nil
		}
		var err error
		if d, ok := v.(*dict); ok {
			v = item(d, part)
		} else if v, err = field(v, part, line); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// chosen tells whether select and its kin keep an item.
func chosen(r *renderer, name string, item any, a *arguments) (bool, error) {
	values := a.values
	if strings.HasSuffix(name, "attr") {
		attribute, ok := a.str(0, "", "")
		if !ok || len(values) == 0 {
			return false, failed(a.line, "the filter %s without a name", name)
		}
		v, err := path(item, attribute, a.line)
		if err != nil {
			return false, err
		}
		item, values = v, values[1:]
	}
	keep := truth(item)
	if len(values) > 0 {
		testName, ok := values[0].(string)
		if !ok || !slices.Contains(testsTable, testName) {
			return false, failed(a.line, "the filter %s with a test that is not known", name)
		}
		var err error
		if keep, err = check(r, testName, item, &arguments{values: values[1:], line: a.line}); err != nil {
			return false, err
		}
	}
	return keep == strings.HasPrefix(name, "select"), nil
}

func join(r *renderer, v any, a *arguments) (any, bool, error) {
	items, ok := iterate(v)
	d, given := a.get(0, "d")
	between, okBetween := text(d)
	if !given {
		between = ""
	}
	if !ok || !okBetween {
		return nil, false, nil
	}
	texts, size := make([]any, 0, len(items)), 0
	for _, item := range items {
		if name, ok := a.named["attribute"].(string); ok {
			var err error
			if item, err = path(item, name, a.line); err != nil {
				return nil, true, err
			}
		}
		s, ok := text(item)
		if !ok {
			return nil, false, nil
		}
		size += len(s)
		if size > OutputBytesMax {
			break
		}
		texts = append(texts, s)
	}
	return method{}.join(r, between, &arguments{values: []any{&list{items: texts}}, line: a.line})
}

// numeric is int, float and abs.
func numeric(name string, v any, a *arguments) (any, bool) {
	if s, ok := v.(string); ok {
		s = strings.TrimSpace(s)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			v = n
		} else if f, err := strconv.ParseFloat(s, 64); err == nil {
			v = f
		}
	}
	switch name {
	case "abs":
		if n, ok := v.(int64); ok && n != math.MinInt64 {
			return max(n, -n), true
		}
		f, ok := v.(float64)
		return math.Abs(f), ok
	case "int":
		if n, ok := integer(v); ok {
			return n, true
		}
		if f, ok := v.(float64); ok && math.Abs(f) < 1<<62 {
			return int64(f), true
		}
		if otherwise, given := a.get(0, "default"); given {
			return otherwise, true
		}
		return int64(0), true
	default:
		if f, ok := number(v); ok {
			return f, true
		}
		if otherwise, given := a.get(0, "default"); given {
			return otherwise, true
		}
		return 0.0, true
	}
}

// textual is the filters that make text of a value, which need not be one.
func textual(name string, v any, a *arguments) (any, bool) {
	s, ok := text(v)
	if !ok {
		return nil, false
	}
	switch name {
	case "string", "safe":
		return s, true
	case "trim":
		set, ok := a.str(0, "chars", "")
		return strip("strip", s, set), ok
	case "upper":
		return upper(s), true
	case "lower":
		return strings.ToLower(s), true
	case "capitalize":
		return capitalize(s), true
	case "title":
		return titleFilter(s), true
	case "replace":
		from, okFrom := a.str(0, "old", "")
		to, okTo := a.str(1, "new", "")
		n, okN := a.num(2, "count", -1)
		if !okFrom || !okTo || !okN {
			return nil, false
		}
		return replace(s, from, to, n)
	default: // indent
		return indent(s, a)
	}
}

// titleFilter differs from the method: a word begins behind space, - ( { [ < .
func titleFilter(s string) string {
	var b strings.Builder
	for s != "" {
		end := strings.IndexAny(s[1:], "-({[< \t\n\r\v\f") + 1
		if end == 0 {
			end = len(s)
		}
		for end < len(s) && strings.IndexByte("-({[< \t\n\r\v\f", s[end]) >= 0 {
			end++
		}
		b.WriteString(capitalize(s[:end]))
		s = s[end:]
	}
	return b.String()
}

// indent puts spaces before all lines but the first and the empty ones.
func indent(s string, a *arguments) (any, bool) {
	n, ok := a.num(0, "width", 4)
	if !ok || n < 0 || n > 64 {
		return nil, false
	}
	first, _ := a.get(1, "first")
	blank, _ := a.get(2, "blank")
	space := strings.Repeat(" ", int(n))
	if int64(strings.Count(s, "\n"))*n > OutputBytesMax {
		return nil, false
	}
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if (i > 0 && (line != "" || truth(blank))) || i == 0 && truth(first) {
			b.WriteString(space)
		}
		b.WriteString(line)
	}
	return b.String(), true
}
