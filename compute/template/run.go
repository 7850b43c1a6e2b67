package template

import "time"

// statement is a part of a template that is run, expression one that has a
// value.
type (
	statement interface {
		run(r *renderer, f *frame) error
	}
	expression interface {
		value(r *renderer, f *frame) (any, error)
	}
)

// frame holds the variables of a scope: the template, a turn of a loop, or a
// call of a macro.
type frame struct {
	values map[string]any
	outer  *frame
}

func (f *frame) find(name string) any {
	for ; f != nil; f = f.outer {
		if v, ok := f.values[name]; ok {
			return v
		}
	}
	return undefined{name}
}

func (f *frame) set(name string, v any) {
	if f.values == nil {
		f.values = make(map[string]any)
	}
	f.values[name] = v
}

// renderer is one rendering, with what it has spent.
type renderer struct {
	out   []byte
	now   time.Time
	steps int
	made  int
	items int
	depth int
	jump  jump
}

// jump is what a break or continue left to do.
type jump uint8

const (
	jumpNone jump = iota
	jumpBreak
	jumpContinue
)

func (r *renderer) step(line int) error {
	r.steps++
	if r.steps > StepsMax {
		return limit(line, "more than %d steps", StepsMax)
	}
	return nil
}

// weigh accounts for the work that goes through whole values.
func (r *renderer) weigh(line int, values ...any) error {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.steps += len(v) / 64
		case *list:
			r.steps += len(v.items) / 4
		case *dict:
			r.steps += len(v.keys) / 4
		}
	}
	return r.step(line)
}

// text accounts for text that is made.
func (r *renderer) text(line, n int) error {
	r.made += n
	if n > OutputBytesMax || r.made > MadeBytesMax {
		return limit(line, "more than %d bytes of text, or %d on the way", OutputBytesMax, MadeBytesMax)
	}
	return nil
}

// list accounts for lists that are made.
func (r *renderer) list(line, n int) error {
	r.items += n
	if r.items > ItemsMax {
		return limit(line, "more than %d items in lists", ItemsMax)
	}
	return nil
}

func (r *renderer) run(body []statement, f *frame) error {
	for _, s := range body {
		if err := s.run(r, f); err != nil {
			return err
		}
		if r.jump != jumpNone {
			return nil
		}
	}
	return nil
}

func (r *renderer) write(s string, line int) error {
	if len(r.out)+len(s) > OutputBytesMax {
		return limit(line, "more than %d bytes of text", OutputBytesMax)
	}
	r.out = append(r.out, s...)
	return nil
}

// capture runs statements and returns what they write.
func (r *renderer) capture(body []statement, f *frame, line int) (string, error) {
	outer := r.out
	r.out = nil
	err := r.run(body, f)
	s := string(r.out)
	r.out = outer
	if err == nil {
		err = r.text(line, len(s))
	}
	return s, err
}

type textStatement string

func (s textStatement) run(r *renderer, _ *frame) error { return r.write(string(s), 0) }

type outputStatement struct {
	e    expression
	line int
}

func (s *outputStatement) run(r *renderer, f *frame) error {
	v, err := s.e.value(r, f)
	if err != nil {
		return err
	}
	t, ok := text(v)
	if !ok {
		return failed(s.line, "%s cannot be written", describe(v))
	}
	return r.write(t, s.line)
}

type blockStatement []statement

func (s blockStatement) run(r *renderer, f *frame) error { return r.run(s, f) }

type jumpStatement bool // true is break

func (s jumpStatement) run(r *renderer, _ *frame) error {
	r.jump = jumpContinue
	if s {
		r.jump = jumpBreak
	}
	return nil
}

type arm struct {
	condition expression
	body      []statement
}

type ifStatement struct {
	arms      []arm
	otherwise []statement
}

func (s *ifStatement) run(r *renderer, f *frame) error {
	for _, a := range s.arms {
		v, err := a.condition.value(r, f)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.run(a.body, f)
		}
	}
	return r.run(s.otherwise, f)
}

type forStatement struct {
	targets         []string
	over, filter    expression
	body, otherwise []statement
	line            int
}

// loop is the variable of that name inside a loop.
type loop struct {
	items []any
	at    int
	depth int
}

func (s *forStatement) run(r *renderer, f *frame) error {
	v, err := s.over.value(r, f)
	if err != nil {
		return err
	}
	items, ok := iterate(v)
	if !ok {
		return failed(s.line, "a loop over %s", describe(v))
	}
	if err := r.list(s.line, len(items)); err != nil {
		return err
	}
	if s.filter != nil {
		if items, err = s.filtered(r, f, items); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return r.run(s.otherwise, f)
	}
	l := &loop{items: items, depth: 1}
	if outer, ok := f.find("loop").(*loop); ok {
		l.depth = outer.depth + 1
	}
	for l.at = range items {
		if err := r.step(s.line); err != nil {
			return err
		}
		inner := &frame{values: map[string]any{"loop": l}, outer: f}
		if err := assign(inner, s.targets, items[l.at], s.line); err != nil {
			return err
		}
		if err := r.run(s.body, inner); err != nil {
			return err
		}
		jump := r.jump
		r.jump = jumpNone
		if jump == jumpBreak {
			break
		}
	}
	return nil
}

// filtered takes the items for which the loop's condition holds.
func (s *forStatement) filtered(r *renderer, f *frame, items []any) (kept []any, err error) {
	for _, item := range items {
		if err := r.step(s.line); err != nil {
			return nil, err
		}
		inner := &frame{outer: f}
		if err := assign(inner, s.targets, item, s.line); err != nil {
			return nil, err
		}
		v, err := s.filter.value(r, inner)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

// assign gives names their values; several share the items of one.
func assign(f *frame, targets []string, v any, line int) error {
	if len(targets) == 1 {
		f.set(targets[0], v)
		return nil
	}
	items, ok := iterate(v)
	if !ok || len(items) != len(targets) {
		return failed(line, "%s for %d names", describe(v), len(targets))
	}
	for i, name := range targets {
		f.set(name, items[i])
	}
	return nil
}

// iterate is what a loop goes over; ok is false for what it cannot.
func iterate(v any) (items []any, ok bool) {
	switch v := v.(type) {
	case undefined:
		return nil, true
	case *list:
		return v.items, true
	case *dict:
		items = make([]any, 0, len(v.keys))
		for _, k := range v.keys {
			items = append(items, k)
		}
		return items, true
	case string:
		for _, r := range v {
			items = append(items, string(r))
		}
		return items, true
	default:
		return nil, false
	}
}

type setStatement struct {
	targets  []string
	field    string // of a namespace
	value    expression
	body     []statement
	captures bool
	line     int
}

func (s *setStatement) run(r *renderer, f *frame) error {
	if err := r.step(s.line); err != nil {
		return err
	}
	var v any
	var err error
	if s.captures {
		v, err = r.capture(s.body, f, s.line)
	} else {
		v, err = s.value.value(r, f)
	}
	if err != nil {
		return err
	}
	if s.field == "" {
		return assign(f, s.targets, v, s.line)
	}
	n, ok := f.find(s.targets[0]).(*space)
	if !ok {
		return failed(s.line, "a field of %s is set, which is no namespace", s.targets[0])
	}
	n.set(s.field, v)
	return nil
}

type parameter struct {
	name      string
	otherwise expression
}

type macroStatement struct {
	name       string
	parameters []parameter
	body       []statement
	line       int
}

// macro is a macro where it was defined.
type macro struct {
	*macroStatement
	outer *frame
}

func (s *macroStatement) run(_ *renderer, f *frame) error {
	f.set(s.name, &macro{s, f})
	return nil
}

// call runs a macro and returns what it writes.
func (m *macro) call(r *renderer, a *arguments) (any, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > CallDepthMax {
		return nil, limit(a.line, "calls nested deeper than %d", CallDepthMax)
	}
	if len(a.values) > len(m.parameters) {
		return nil, failed(a.line, "%d arguments for %s, which takes %d", len(a.values), m.name, len(m.parameters))
	}
	inner := &frame{values: make(map[string]any, len(m.parameters)), outer: m.outer}
	for i, p := range m.parameters {
		v := any(undefined{p.name})
		named, ok := a.named[p.name]
		switch {
		case i < len(a.values):
			v = a.values[i]
		case ok:
			v = named
			delete(a.named, p.name)
		case p.otherwise != nil:
			var err error
			if v, err = p.otherwise.value(r, inner); err != nil {
				return nil, err
			}
		}
		inner.set(p.name, v)
	}
	for name := range a.named {
		return nil, failed(a.line, "the argument %s of %s, which has none of that name", name, m.name)
	}
	return r.capture(m.body, inner, a.line)
}
