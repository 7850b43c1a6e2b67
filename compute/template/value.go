package template

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A value is nil (none), bool, int64, float64, string, undefined, *list, *dict,
// *space, *macro, *loop, a function or a method.
type (
	// undefined is a name that has no value; what was asked for is kept for the
	// error.
	undefined struct{ name string }

	// list is a list, or a tuple, which only its text tells apart.
	list struct {
		items []any
		tuple bool
	}

	// dict keeps its keys in the order in which they came.
	dict struct {
		keys   []string
		values map[string]any
	}

	// space is a namespace: the only thing that can be changed.
	space struct{ dict }

	// function is one that the language has.
	function struct{ name string }

	// method is a function of a value.
	method struct {
		of   any
		name string
	}
)

func newDict(n int) *dict { return &dict{values: make(map[string]any, n)} }

func (d *dict) set(key string, v any) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// truth is Python's.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case *dict:
		return len(v.keys) > 0
	default:
		return true
	}
}

// describe names the type of a value for errors.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case undefined:
		return "the undefined " + strconv.Quote(v.name)
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case *list:
		return "a list"
	case *dict:
		return "a mapping"
	default:
		return "a function"
	}
}

// number makes numbers comparable: bool counts, as in Python.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	default:
		return 0, false
	}
}

// integer is the value as an index.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	default:
		return 0, false
	}
}

// equal is Python's ==. A small template can make a value that is very deep, or
// has one part in many places, so each comparison is a step; when they are used
// up it says false, and the rendering ends with the limit.
func (r *renderer) equal(a, b any, depth int) bool { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	r.steps++
	if depth > NestingMax || r.steps > StepsMax {
		return false
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case string:
		y, ok := b.(string)
		return ok && x == y
	case *list:
		y, ok := b.(*list)
		return ok && slices.EqualFunc(x.items, y.items, func(a, b any) bool { return r.equal(a, b, depth+1) })
	case *dict:
		y, ok := b.(*dict)
		if !ok || len(x.keys) != len(y.keys) {
			return false
		}
		for _, k := range x.keys {
			other, ok := y.values[k]
			if !ok || !r.equal(x.values[k], other, depth+1) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// text is Python's str().
func text(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	if _, ok := v.(undefined); ok {
		return "", true
	}
	var b strings.Builder
	ok := python(&b, v, 0)
	return b.String(), ok
}

// python writes Python's repr().
func python(b *strings.Builder, v any, depth int) bool { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	if depth > NestingMax || b.Len() > OutputBytesMax {
		return false
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case undefined:
		b.WriteString("Undefined")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(float(v))
	case string:
		quote(b, v)
	case *list:
		return v.python(b, depth)
	case *dict:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			quote(b, k)
			b.WriteString(": ")
			if !python(b, v.values[k], depth+1) {
				return false
			}
		}
		b.WriteByte('}')
	default:
		return false
	}
	return true
}

func (l *list) python(b *strings.Builder, depth int) bool {
	open, end := "[", "]"
	if l.tuple {
		open, end = "(", ")"
		if len(l.items) == 1 {
			end = ",)"
		}
	}
	b.WriteString(open)
	for i, item := range l.items {
		if i > 0 {
			b.WriteString(", ")
		}
		if !python(b, item, depth+1) {
			return false
		}
	}
	b.WriteString(end)
	return true
}

// float is Python's repr of a float: the shortest that reads back the same.
func float(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a text.
func quote(b *strings.Builder, s string) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	q := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b.WriteRune(q)
	for _, r := range s {
		switch {
		case r == q || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || r < 0x7f && r > ' ' || r > 0x7f && unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			hex := strconv.FormatInt(int64(r), 16)
			width, mark := 2, "x"
			if r > 0xff {
				width, mark = 4, "u"
			}
			if r > 0xffff {
				width, mark = 8, "U"
			}
			b.WriteString(`\` + mark + strings.Repeat("0", width-len(hex)) + hex)
		}
	}
	b.WriteRune(q)
}

// length is Python's len().
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case *list:
		return len(v.items), true
	case *dict:
		return len(v.keys), true
	case undefined:
		return 0, true
	default:
		return 0, false
	}
}
