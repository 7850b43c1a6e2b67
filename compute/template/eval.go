package template

import (
	"math"
	"strings"
)

type constant struct{ v any }

type variable struct{ name string }

type listExpression struct {
	items []expression
	tuple bool
}

type dictExpression struct {
	keys, values []expression
	line         int
}

type conditional struct{ then, condition, otherwise expression }

type negation struct{ of expression }

type signed struct {
	minus bool
	of    expression
	line  int
}

type binary struct {
	sign        string
	left, right expression
	line        int
}

type attribute struct {
	of   expression
	name string
	line int
}

type index struct {
	of, at expression
	line   int
}

type slice struct {
	of, from, to, step expression
	line               int
}

func (e constant) value(*renderer, *frame) (any, error) { return e.v, nil }

func (e *variable) value(_ *renderer, f *frame) (any, error) {
	v := f.find(e.name)
	if _, ok := v.(undefined); ok && callableNames()[e.name] {
		return function{e.name}, nil
	}
	return v, nil
}

func (e *listExpression) value(r *renderer, f *frame) (any, error) {
	l := &list{make([]any, 0, len(e.items)), e.tuple}
	for _, item := range e.items {
		v, err := item.value(r, f)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	return l, r.list(0, len(l.items))
}

func (e *dictExpression) value(r *renderer, f *frame) (any, error) {
	d := newDict(len(e.keys))
	for i := range e.keys {
		k, err := e.keys[i].value(r, f)
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, failed(e.line, "%s as a key", describe(k))
		}
		v, err := e.values[i].value(r, f)
		if err != nil {
			return nil, err
		}
		d.set(key, v)
	}
	return d, r.list(e.line, len(e.keys))
}

func (e *conditional) value(r *renderer, f *frame) (any, error) {
	c, err := e.condition.value(r, f)
	if err != nil {
		return nil, err
	}
	switch {
	case truth(c):
		return e.then.value(r, f)
	case e.otherwise != nil:
		return e.otherwise.value(r, f)
	default:
		return undefined{"value of an if without else"}, nil
	}
}

func (e *negation) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	return !truth(v), err
}

func (e *signed) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	if n, ok := integer(v); ok && (!e.minus || n != math.MinInt64) {
		if e.minus {
			n = -n
		}
		return n, nil
	}
	if n, ok := v.(float64); ok {
		if e.minus {
			n = -n
		}
		return n, nil
	}
	return nil, failed(e.line, "the sign of %s", describe(v))
}

func (e *binary) value(r *renderer, f *frame) (any, error) {
	a, err := e.left.value(r, f)
	if err != nil {
		return nil, err
	}
	if err := r.step(e.line); err != nil {
		return nil, err
	}
	if e.sign == "and" && !truth(a) || e.sign == "or" && truth(a) {
		return a, nil
	}
	b, err := e.right.value(r, f)
	if err == nil {
		err = r.weigh(e.line, a, b)
	}
	if err != nil {
		return nil, err
	}
	return e.both(r, a, b)
}

// both is the value of an operator that needs both sides.
func (e *binary) both(r *renderer, a, b any) (any, error) {
	switch e.sign {
	case "and", "or":
		return b, nil
	case "==":
		return r.equal(a, b, 0), nil
	case "!=":
		return !r.equal(a, b, 0), nil
	case "<", ">", "<=", ">=":
		return e.compare(a, b)
	case "in", "not in":
		in, ok := r.contains(b, a)
		if !ok {
			return nil, failed(e.line, "%s in %s", describe(a), describe(b))
		}
		return in == (e.sign == "in"), nil
	case "~":
		return e.join(r, a, b)
	default:
		return e.arithmetic(r, a, b)
	}
}

// contains is Python's in.
func (r *renderer) contains(in, v any) (found, ok bool) {
	switch in := in.(type) {
	case undefined:
		return false, true
	case string:
		s, ok := v.(string)
		return ok && strings.Contains(in, s), ok
	case *list:
		for _, item := range in.items {
			if r.equal(item, v, 0) {
				return true, true
			}
		}
		return false, true
	case *dict:
		key, ok := v.(string)
		if ok {
			_, ok = in.values[key]
		}
		return ok, true
	default:
		return false, false
	}
}

func (e *binary) compare(a, b any) (any, error) {
	order, ok := compare(a, b)
	if !ok {
		return nil, failed(e.line, "%s %s %s", describe(a), e.sign, describe(b))
	}
	switch e.sign {
	case "<":
		return order < 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	default:
		return order >= 0, nil
	}
}

// compare orders numbers and texts.
func compare(a, b any) (order int, ok bool) {
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	}
	x, okX := number(a)
	y, okY := number(b)
	switch {
	case !okX || !okY:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	default:
		return 0, true
	}
}

// join is ~ : the texts of both.
func (e *binary) join(r *renderer, a, b any) (any, error) {
	x, okX := text(a)
	y, okY := text(b)
	if !okX || !okY {
		return nil, failed(e.line, "%s ~ %s", describe(a), describe(b))
	}
	return x + y, r.text(e.line, len(x)+len(y))
}

func (e *binary) arithmetic(r *renderer, a, b any) (any, error) {
	if v, ok, err := e.sequences(r, a, b); ok || err != nil {
		return v, err
	}
	x, okX := integer(a)
	y, okY := integer(b)
	if okX && okY && e.sign != "/" {
		if v, ok := integers(e.sign, x, y); ok {
			return v, nil
		}
		return nil, failed(e.line, "%d %s %d", x, e.sign, y)
	}
	fx, okX := number(a)
	fy, okY := number(b)
	if !okX || !okY {
		return nil, failed(e.line, "%s %s %s", describe(a), e.sign, describe(b))
	}
	if fy == 0 && e.sign != "+" && e.sign != "-" && e.sign != "*" {
		return nil, failed(e.line, "a division by zero")
	}
	return floats(e.sign, fx, fy), nil
}

// floats computes with what is not whole; y is not zero where it divides.
func floats(sign string, x, y float64) float64 {
	switch sign {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "//":
		return math.Floor(x / y)
	default:
		m := math.Mod(x, y)
		if m != 0 && (m < 0) != (y < 0) {
			m += y
		}
		return m
	}
}

// sequences are the sums and multiples of texts and lists.
func (e *binary) sequences(r *renderer, a, b any) (v any, ok bool, err error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok && e.sign == "+" {
			if err := r.text(e.line, len(x)+len(y)); err != nil {
				return nil, true, err
			}
			return x + y, true, nil
		}
		if n, ok := integer(b); ok && e.sign == "*" {
			n = max(0, n)
			if len(x) > 0 && n > int64(OutputBytesMax/len(x)) {
				return nil, true, limit(e.line, "more than %d bytes of text", OutputBytesMax)
			}
			if err := r.text(e.line, int(n)*len(x)); err != nil {
				return nil, true, err
			}
			return strings.Repeat(x, int(n)), true, nil
		}
	case *list:
		if y, ok := b.(*list); ok && e.sign == "+" {
			if err := r.list(e.line, len(x.items)+len(y.items)); err != nil {
				return nil, true, err
			}
			l := &list{items: make([]any, 0, len(x.items)+len(y.items))}
			l.items = append(append(l.items, x.items...), y.items...)
			return l, true, nil
		}
	}
	return nil, false, nil
}

// integers computes with 64 bits; not ok when they do not suffice, or for a
// division by zero.
func integers(sign string, x, y int64) (v int64, ok bool) {
	switch sign {
	case "+":
		v = x + y
		return v, (v > x) == (y > 0)
	case "-":
		v = x - y
		return v, (v < x) == (y > 0)
	case "*":
		if x == 0 || y == 0 {
			return 0, true
		}
		v = x * y
		return v, v/y == x && (x != -1 || y != math.MinInt64) && (y != -1 || x != math.MinInt64)
	default:
		return quotients(sign, x, y)
	}
}

// quotients is // and % .
func quotients(sign string, x, y int64) (v int64, ok bool) {
	if y == 0 || y == -1 && x == math.MinInt64 {
		return 0, false
	}
	quotient, rest := x/y, x%y
	if rest != 0 && (rest < 0) != (y < 0) { // Python rounds down
		quotient--
		rest += y
	}
	if sign == "//" {
		return quotient, true
	}
	return rest, true
}

func (e *attribute) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	return field(v, e.name, e.line)
}

// field is v.name: jinja2 looks for a method first, then for an item.
func field(v any, name string, line int) (any, error) {
	switch v := v.(type) {
	case undefined:
		return nil, failed(line, "the field %s of the undefined %s", name, v.name)
	case *dict:
		if isMethod(dictMethodsTable, name) {
			return method{v, name}, nil
		}
		return item(v, name), nil
	case *space:
		return item(&v.dict, name), nil
	case string:
		if isMethod(stringMethodsTable, name) {
			return method{v, name}, nil
		}
	case *list:
		if isMethod(listMethodsTable, name) {
			return method{v, name}, nil
		}
	case *loop:
		return v.field(name), nil
	}
	return undefined{name}, nil
}

func item(d *dict, name string) any {
	if v, ok := d.values[name]; ok {
		return v
	}
	return undefined{name}
}

// field is a field of the variable loop.
func (l *loop) field(name string) any {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1)
	case "index0":
		return int64(l.at)
	case "revindex":
		return int64(n - l.at)
	case "revindex0":
		return int64(n - l.at - 1)
	case "first":
		return l.at == 0
	case "last":
		return l.at == n-1
	case "length":
		return int64(n)
	case "depth":
		return int64(l.depth)
	case "depth0":
		return int64(l.depth - 1)
	case "previtem":
		if l.at > 0 {
			return l.items[l.at-1]
		}
	case "nextitem":
		if l.at+1 < n {
			return l.items[l.at+1]
		}
	case "cycle":
		return method{l, name}
	}
	return undefined{"loop." + name}
}

func (e *index) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	at, err := e.at.value(r, f)
	if err != nil {
		return nil, err
	}
	if err := r.weigh(e.line, v, v, v, v); err != nil { // a text is made into characters
		return nil, err
	}
	switch v := v.(type) {
	case undefined:
		return nil, failed(e.line, "an item of the undefined %s", v.name)
	case *dict:
		if key, ok := at.(string); ok {
			if value, ok := v.values[key]; ok {
				return value, nil
			}
			return field(v, key, e.line)
		}
	case *space, *loop:
		if key, ok := at.(string); ok {
			return field(v, key, e.line)
		}
	case string:
		if i, ok := integer(at); ok {
			return nth([]rune(v), i, func(c rune) any { return string(c) }), nil
		}
		if key, ok := at.(string); ok {
			return field(v, key, e.line)
		}
	case *list:
		if i, ok := integer(at); ok {
			return nth(v.items, i, func(item any) any { return item }), nil
		}
	}
	name, _ := text(at)
	return undefined{name}, nil
}

// nth is the item at a place; negative ones count from the end.
func nth[T any](items []T, i int64, value func(T) any) any {
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return undefined{"item"}
	}
	return value(items[i])
}

func (e *slice) value(r *renderer, f *frame) (any, error) {
	v, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	var bounds [3]*int64
	for i, part := range []expression{e.from, e.to, e.step} {
		if part == nil {
			continue
		}
		b, err := part.value(r, f)
		if err != nil {
			return nil, err
		}
		if n, ok := integer(b); ok {
			bounds[i] = &n
		} else if b != nil {
			return nil, failed(e.line, "%s in a slice", describe(b))
		}
	}
	switch v := v.(type) {
	case undefined:
		return nil, failed(e.line, "a slice of the undefined %s", v.name)
	case string:
		runes, ok := cut([]rune(v), bounds)
		if !ok {
			return nil, failed(e.line, "a slice in steps of zero")
		}
		return string(runes), r.text(e.line, len(v))
	case *list:
		items, ok := cut(v.items, bounds)
		if !ok {
			return nil, failed(e.line, "a slice in steps of zero")
		}
		return &list{items: items}, r.list(e.line, len(items))
	default:
		return nil, failed(e.line, "a slice of %s", describe(v))
	}
}

// cut is Python's slice.
func cut[T any](items []T, bounds [3]*int64) (out []T, ok bool) {
	n := int64(len(items))
	step := int64(1)
	if bounds[2] != nil {
		step = *bounds[2]
	}
	if step == 0 {
		return nil, false
	}
	from, to := int64(0), n
	low, high := int64(0), n
	if step < 0 {
		from, to = n-1, -1
		low, high = -1, n-1
	}
	clamp := func(b *int64, otherwise int64) int64 {
		if b == nil {
			return otherwise
		}
		i := *b
		if i < 0 {
			i = max(i, -n-1) + n
		}
		return min(max(i, low), high)
	}
	from, to = clamp(bounds[0], from), clamp(bounds[1], to)
	if step == 1 {
		return items[from:max(from, to)], true
	}
	step = min(max(step, -n-1), n+1)
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out = append(out, items[i])
	}
	return out, true
}
