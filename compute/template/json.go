package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

var errJSON = errors.New("no JSON that can be used")

// fromJSON reads a JSON value and keeps the order of its keys.
func fromJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (any, error) {
	if depth > NestingMax {
		return nil, errJSON
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return readArray(d, depth)
		}
		return readObject(d, depth)
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n, nil
		}
		return t.Float64()
	default:
		return t, nil // nil, bool, string
	}
}

func readArray(d *json.Decoder, depth int) (any, error) {
	l := new(list)
	for d.More() {
		v, err := readJSON(d, depth+1)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	_, err := d.Token()
	return l, err
}

func readObject(d *json.Decoder, depth int) (any, error) {
	o := newDict(0)
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, errJSON
		}
		v, err := readJSON(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(key, v)
	}
	_, err := d.Token()
	return o, err
}

// writer writes JSON as Python's json.dumps does, without \u for what is not
// ASCII.
type writer struct {
	strings.Builder
	indent int // negative is all on one line
	comma  string
	colon  string
	sorted bool
}

func (w *writer) value(v any, depth int) bool {
	if depth > NestingMax || w.Len() > OutputBytesMax {
		return false
	}
	switch v := v.(type) {
	case nil:
		w.WriteString("null")
	case bool:
		w.WriteString(strconv.FormatBool(v))
	case int64:
		w.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.WriteString(jsonFloat(v))
	case string:
		w.text(v)
	case *list:
		return w.all('[', ']', len(v.items), depth, func(i int) bool { return w.value(v.items[i], depth+1) })
	case *dict:
		keys := v.keys
		if w.sorted {
			keys = slices.Sorted(maps.Keys(v.values))
		}
		return w.all('{', '}', len(keys), depth, func(i int) bool {
			w.text(keys[i])
			w.WriteString(w.colon)
			return w.value(v.values[keys[i]], depth+1)
		})
	default:
		return false
	}
	return true
}

func jsonFloat(f float64) string {
	switch s := float(f); s {
	case "inf":
		return "Infinity"
	case "-inf":
		return "-Infinity"
	case "nan":
		return "NaN"
	default:
		return s
	}
}

// all writes the items of a list or the fields of an object.
func (w *writer) all(open, end byte, n, depth int, item func(int) bool) bool {
	w.WriteByte(open)
	for i := range n {
		if i > 0 {
			w.WriteString(w.comma)
		}
		w.line(depth + 1)
		if !item(i) {
			return false
		}
	}
	if n > 0 {
		w.line(depth)
	}
	w.WriteByte(end)
	return true
}

func (w *writer) line(depth int) {
	if w.indent >= 0 {
		w.WriteByte('\n')
		for range depth * w.indent {
			w.WriteByte(' ')
		}
	}
}

func (w *writer) text(s string) {
	w.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			w.WriteByte('\\')
			w.WriteRune(r)
		case '\n':
			w.WriteString(`\n`)
		case '\r':
			w.WriteString(`\r`)
		case '\t':
			w.WriteString(`\t`)
		case '\b':
			w.WriteString(`\b`)
		case '\f':
			w.WriteString(`\f`)
		default:
			if r < ' ' {
				w.WriteString(`\u00` + string("01"[r>>4]) + string("0123456789abcdef"[r&15]))
				continue
			}
			w.WriteRune(r)
		}
	}
	w.WriteByte('"')
}

// variables are the names that a template begins with.
func variables(in *Input) (map[string]any, error) {
	messages := new(list)
	for i := range in.Messages {
		messages.items = append(messages.items, message(&in.Messages[i]))
	}
	root := map[string]any{
		"messages": messages, "add_generation_prompt": in.AddGenerationPrompt,
		"bos_token": in.BOS, "eos_token": in.EOS,
	}
	if len(in.Tools) > 0 {
		tools := new(list)
		for i := range in.Tools {
			t, err := tool(&in.Tools[i])
			if err != nil {
				return nil, err
			}
			tools.items = append(tools.items, t)
		}
		root["tools"] = tools
	} else {
		root["tools"] = nil
	}
	for name, v := range in.Variables {
		value, err := convert(v, 0)
		if err != nil {
			return nil, failed(0, "the variable %q has a type that templates do not know", name)
		}
		root[name] = value
	}
	return root, nil
}

func message(m *Message) *dict {
	d := newDict(4)
	d.set("role", m.Role)
	d.set("content", m.Content)
	if m.Name != "" {
		d.set("name", m.Name)
	}
	if m.Reasoning != "" {
		d.set("reasoning_content", m.Reasoning)
	}
	if m.ToolCallID != "" {
		d.set("tool_call_id", m.ToolCallID)
	}
	if len(m.ToolCalls) > 0 {
		calls := new(list)
		for _, c := range m.ToolCalls {
			f := newDict(2)
			f.set("name", c.Name)
			arguments, err := fromJSON([]byte(c.Arguments))
			if err != nil {
				arguments = c.Arguments
			}
			f.set("arguments", arguments)
			call := newDict(3)
			call.set("id", c.ID)
			call.set("type", "function")
			call.set("function", f)
			calls.items = append(calls.items, call)
		}
		d.set("tool_calls", calls)
	}
	return d
}

func tool(t *Tool) (*dict, error) {
	f := newDict(3)
	f.set("name", t.Name)
	f.set("description", t.Description)
	if len(t.Parameters) > 0 {
		parameters, err := fromJSON(t.Parameters)
		if err != nil {
			return nil, failed(0, "the parameters of the tool %q are no JSON", t.Name)
		}
		f.set("parameters", parameters)
	}
	d := newDict(2)
	d.set("type", "function")
	d.set("function", f)
	return d, nil
}

// convert takes a variable of the caller.
func convert(v any, depth int) (any, error) {
	if depth > NestingMax {
		return nil, errJSON
	}
	switch v := v.(type) {
	case nil, bool, string, float64, int64:
		return v, nil
	case int:
		return int64(v), nil
	case []any:
		l := new(list)
		for _, item := range v {
			value, err := convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, value)
		}
		return l, nil
	case map[string]any:
		d := newDict(len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			value, err := convert(v[key], depth+1)
			if err != nil {
				return nil, err
			}
			d.set(key, value)
		}
		return d, nil
	default:
		return nil, errJSON
	}
}
