package template

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// argumentList is what stands in a call, arguments what it comes to.
type argumentList struct {
	values []expression
	names  []string
	named  []expression
}

type arguments struct {
	values []any
	named  map[string]any
	line   int
}

func (l *argumentList) eval(r *renderer, f *frame, line int) (*arguments, error) {
	a := &arguments{line: line}
	for _, e := range l.values {
		v, err := e.value(r, f)
		if err != nil {
			return nil, err
		}
		a.values = append(a.values, v)
	}
	for i, e := range l.named {
		v, err := e.value(r, f)
		if err != nil {
			return nil, err
		}
		if a.named == nil {
			a.named = make(map[string]any)
		}
		a.named[l.names[i]] = v
	}
	return a, nil
}

// get is the argument at a place or of a name.
func (a *arguments) get(i int, name string) (any, bool) {
	if i < len(a.values) {
		return a.values[i], true
	}
	v, ok := a.named[name]
	return v, ok
}

// str is an argument that is a text.
func (a *arguments) str(i int, name, otherwise string) (string, bool) {
	v, ok := a.get(i, name)
	if !ok || v == nil {
		return otherwise, true
	}
	s, ok := v.(string)
	return s, ok
}

// num is an argument that is a whole number.
func (a *arguments) num(i int, name string, otherwise int64) (int64, bool) {
	v, ok := a.get(i, name)
	if !ok || v == nil {
		return otherwise, true
	}
	return integer(v)
}

type call struct {
	of        expression
	arguments argumentList
	line      int
}

func (e *call) value(r *renderer, f *frame) (any, error) {
	if err := r.step(e.line); err != nil {
		return nil, err
	}
	of, err := e.of.value(r, f)
	if err != nil {
		return nil, err
	}
	a, err := e.arguments.eval(r, f, e.line)
	if err != nil {
		return nil, err
	}
	switch c := of.(type) {
	case *macro:
		return c.call(r, a)
	case function:
		return c.call(r, a)
	case method:
		v, ok, err := c.call(r, a)
		if err == nil && !ok {
			err = failed(e.line, "the arguments of %s", c.name)
		}
		return v, err
	default:
		return nil, failed(e.line, "a call of %s", describe(of))
	}
}

func (c function) call(r *renderer, a *arguments) (any, error) {
	switch c.name {
	case "raise_exception":
		message := "no reason given"
		if v, ok := a.get(0, "message"); ok {
			message, _ = text(v)
		}
		return nil, fmt.Errorf("%w, line %d: %s", ErrRaised, a.line, strings.ToValidUTF8(message[:min(len(message), 1024)], ""))
	case "namespace", "dict":
		return c.mapping(a)
	case "range":
		return c.numbers(r, a)
	default: // strftime_now
		format, ok := a.str(0, "format", "%Y-%m-%d")
		switch {
		case !ok:
			return nil, failed(a.line, "the arguments of %s", c.name)
		case r.now.IsZero():
			return nil, failed(a.line, "it asks for the time, which was not given")
		}
		s, ok := strftime(r.now, format)
		if !ok {
			return nil, failed(a.line, "the date format %.40q", format)
		}
		return s, r.text(a.line, len(s))
	}
}

func (c function) mapping(a *arguments) (any, error) {
	d := newDict(len(a.named))
	if len(a.values) > 0 {
		from, ok := a.values[0].(*dict)
		if !ok || len(a.values) > 1 {
			return nil, failed(a.line, "the arguments of %s", c.name)
		}
		for _, k := range from.keys {
			d.set(k, from.values[k])
		}
	}
	keys := make([]string, 0, len(a.named))
	for k := range a.named {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		d.set(k, a.named[k])
	}
	if c.name == "namespace" {
		return &space{*d}, nil
	}
	return d, nil
}

func (c function) numbers(r *renderer, a *arguments) (any, error) {
	var n [3]int64
	for i, v := range a.values {
		var ok bool
		if i > 2 {
			return nil, failed(a.line, "the arguments of range")
		}
		if n[i], ok = integer(v); !ok {
			return nil, failed(a.line, "%s in range", describe(v))
		}
	}
	from, to, step := n[0], n[1], int64(1)
	switch len(a.values) {
	case 0:
		return nil, failed(a.line, "the arguments of range")
	case 1:
		from, to = 0, n[0]
	case 3:
		step = n[2]
	}
	if step == 0 {
		return nil, failed(a.line, "a range in steps of zero")
	}
	l := new(list)
	for i := from; step > 0 && i < to || step < 0 && i > to; {
		if len(l.items) == RangeMax {
			return nil, limit(a.line, "a range of more than %d", RangeMax)
		}
		l.items = append(l.items, i)
		next := i + step
		if (next > i) != (step > 0) {
			break
		}
		i = next
	}
	return l, r.list(a.line, len(l.items))
}

// strftime writes a time as Python does, in English.
func strftime(t time.Time, format string) (string, bool) {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'B': "January", 'b': "Jan",
		'A': "Monday", 'a': "Mon", 'I': "03", 'p': "PM", 'j': "002", 'Z': "MST", 'z': "-0700", 'e': "_2", 'F': "2006-01-02", 'T': "15:04:05",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return "", false
		}
		c := format[i]
		trim := c == '-' && i+1 < len(format) // %-d is without the zero
		if trim {
			i++
			c = format[i]
		}
		layout, ok := layouts[c]
		switch {
		case c == '%':
			b.WriteByte('%')
		case !ok || b.Len() > 1<<16:
			return "", false
		case trim:
			s := strings.TrimLeft(t.Format(layout), "0 ")
			if s == "" {
				s = "0"
			}
			b.WriteString(s)
		default:
			b.WriteString(t.Format(layout))
		}
	}
	return b.String(), true
}
