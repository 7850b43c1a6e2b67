package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// reading is the decoding of one body. It keeps the first thing that is wrong;
// what is read after it is zero.
type reading struct {
	err *refusal
}

func (d *reading) refuse(param, message, remedy string) {
	if d.err == nil {
		d.err = &refusal{status: 400, code: "invalid_value", param: param, message: message, remedy: remedy}
	}
}

// result is what was wrong, as an error.
func (d *reading) result() error {
	if d.err != nil {
		return d.err
	}
	return nil
}

// form is an object of a body. What is taken of it is known; what is left at
// the end is refused, for a setting that is not kept would change the answer in
// silence. A null is as if it were not there: clients write it for "not set".
type form struct {
	*reading
	at     string // where it is, such as messages[3]; empty for the body
	fields map[string]value
}

// open reads a body that must be an object.
func open(body []byte) (*form, error) {
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	d := &reading{}
	f := d.form("", v)
	return f, d.result()
}

func (d *reading) form(at string, v value) *form {
	f := &form{reading: d, at: at, fields: map[string]value{}}
	if v[0] != '{' {
		d.wrong(at, v, "an object")
		return f
	}
	for key, member := range v.members() {
		if !member.null() {
			f.fields[key] = member
		}
	}
	return f
}

func (d *reading) wrong(at string, v value, want string) {
	d.refuse(at, fmt.Sprintf("%s is %s", orBody(at), v.kind()), "give "+want)
}

func orBody(at string) string {
	if at == "" {
		return "the body"
	}
	return at
}

// path names a field for messages.
func (f *form) path(name string) string {
	if f.at == "" {
		return name
	}
	return f.at + "." + name
}

func (f *form) has(name string) bool {
	_, ok := f.fields[name]
	return ok
}

// take takes a field; nil is not there.
func (f *form) take(name string) value {
	v := f.fields[name]
	delete(f.fields, name)
	return v
}

func (f *form) text(name string) string {
	v := f.take(name)
	if v == nil {
		return ""
	}
	if v[0] != '"' {
		f.wrong(f.path(name), v, "a string")
	}
	return v.text()
}

// required is a text that must be there and not empty.
func (f *form) required(name string) string {
	s := f.text(name)
	if s == "" {
		f.refuse(f.path(name), f.path(name)+" is missing", "give it, a string")
	}
	return s
}

// oneOf is a text that is one of those, or not there.
func (f *form) oneOf(name string, known ...string) string {
	s := f.text(name)
	if s != "" && !slices.Contains(known, s) {
		f.refuse(f.path(name), fmt.Sprintf("%s is %.40q, which is not known here", f.path(name), s), "give "+strings.Join(known, ", "))
	}
	return s
}

// span is what a number may be.
type span struct{ from, to float64 }

// number is a number, or the usual one when there is none.
func (f *form) number(name string, s span, usual float64) float64 {
	v := f.take(name)
	if v == nil {
		return usual
	}
	n, ok := v.number()
	if !ok || n < s.from || n > s.to {
		f.refuse(f.path(name), fmt.Sprintf("%s is %.40s", f.path(name), v), fmt.Sprintf("give a number from %v to %v", s.from, s.to))
		return usual
	}
	return n
}

// integer is a whole number, or the usual one when there is none.
func (f *form) integer(name string, s span, usual int64) int64 {
	v := f.take(name)
	if v == nil {
		return usual
	}
	n, ok := v.integer()
	if !ok || float64(n) < s.from || float64(n) > s.to {
		f.refuse(f.path(name), fmt.Sprintf("%s is %.40s", f.path(name), v), fmt.Sprintf("give a whole number from %.0f to %.0f", s.from, s.to))
		return usual
	}
	return n
}

// boolean is true or false, or the usual one when there is none.
func (f *form) boolean(name string, usual bool) bool {
	v := f.take(name)
	if v == nil {
		return usual
	}
	if v[0] != 't' && v[0] != 'f' {
		f.wrong(f.path(name), v, "true or false")
	}
	return v[0] == 't'
}

// list are the elements of a list of at most that many; nil when there is none.
func (f *form) list(name string, elements int) []value {
	v := f.take(name)
	if v == nil {
		return nil
	}
	if v[0] != '[' {
		f.wrong(f.path(name), v, "a list")
		return nil
	}
	all := []value{}
	for e := range v.elements() {
		if len(all) == elements {
			f.refuse(f.path(name), fmt.Sprintf("%s has more than %d elements", f.path(name), elements), "give fewer")
			return nil
		}
		all = append(all, e)
	}
	return all
}

// forms are the objects of a list.
func (f *form) forms(name string, elements int) []*form {
	var all []*form
	for i, v := range f.list(name, elements) {
		all = append(all, f.form(fmt.Sprintf("%s[%d]", f.path(name), i), v))
	}
	return all
}

// inner is an object in the object; nil when there is none.
func (f *form) inner(name string) *form {
	v := f.take(name)
	if v == nil {
		return nil
	}
	return f.form(f.path(name), v)
}

// object is an object as it was written; nil when there is none.
func (f *form) object(name string) value {
	v := f.take(name)
	if v != nil && v[0] != '{' {
		f.wrong(f.path(name), v, "an object")
		return nil
	}
	return v
}

// ignore takes fields that change nothing of an answer.
func (f *form) ignore(names ...string) {
	for _, name := range names {
		delete(f.fields, name)
	}
}

// only takes a field that may have no other value than those, written as JSON:
// what is asked with them is what is done anyway.
func (f *form) only(name, remedy string, same ...string) {
	v := f.take(name)
	if v != nil && !slices.Contains(same, string(v)) {
		f.refuse(f.path(name), f.path(name)+" is not offered here", remedy)
	}
}

// end refuses what was not taken, the first by name so that the message does
// not depend on chance.
func (f *form) end() {
	least := ""
	for name := range f.fields {
		if least == "" || name < least {
			least = name
		}
	}
	if len(f.fields) > 0 && f.err == nil {
		f.err = &refusal{
			status: 400, code: "unknown_parameter", param: f.path(least),
			message: fmt.Sprintf("%.80q is not known here, and may change the answer", f.path(least)), remedy: "leave it out",
		}
	}
}
