package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// problem is one thing that is wrong.
type problem struct {
	line int
	text string
}

// reader turns YAML into a manifest. It goes on after a problem, so that all
// are reported at once.
type reader struct {
	m        *Manifest
	nodes    map[string]*yaml.Node // by path, see pathOf
	problems []problem
}

// pathOf is the path of a value as one text: its steps, each behind a slash.
// No name that the schema allows has a slash in it.
func pathOf(steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return "/" + strings.Join(steps, "/")
}

// fieldOf is a path as people read it: requests[0].reason.
func fieldOf(path string) string {
	var b strings.Builder
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if _, err := strconv.Atoi(step); err == nil {
			fmt.Fprintf(&b, "[%s]", step)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(step))
	}
	return b.String()
}

// Parse reads a manifest and checks all that can be known from its text. file
// is the name that errors give. The error joins what is wrong, each with its
// line, its field and a remedy.
func Parse(file string, text []byte) (*Manifest, error) {
	if len(text) > BytesMax {
		return nil, fmt.Errorf("%s: %d bytes, at most %d: put data into files of its own", file, len(text), BytesMax)
	}
	from := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := from.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: it is empty: start from the one that 'phi new' writes", file)
		}
		return nil, fmt.Errorf("%s: it is not YAML: %w: mend that line", file, err)
	}
	if err := from.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document: keep the first", file)
	}
	r := &reader{m: &Manifest{File: file}, nodes: map[string]*yaml.Node{}}
	value := r.plain(document.Content[0], nil, 1)
	if len(r.problems) == 0 {
		r.checkForm(value)
	}
	if len(r.problems) == 0 {
		r.read()
	}
	if len(r.problems) > 0 {
		return nil, r.failure()
	}
	return r.m, nil
}

// problem notes what is wrong with the value of a path.
func (r *reader) problem(path, format string, values ...any) {
	line := 1
	for at := path; ; {
		if n := r.nodes[at]; n != nil {
			line = n.Line
			break
		}
		i := strings.LastIndexByte(at, '/')
		if i < 0 {
			break
		}
		at = at[:i]
	}
	r.problemAt(line, path, format, values...)
}

func (r *reader) problemAt(line int, path, format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	if field := fieldOf(path); field != "" {
		text = field + ": " + text
	}
	r.problems = append(r.problems, problem{line, text})
}

// failure joins what was noted, in the order of the lines.
func (r *reader) failure() error {
	slices.SortFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	r.problems = slices.Compact(r.problems)
	var all []error
	for i, p := range r.problems {
		if i == ProblemsMax {
			all = append(all, fmt.Errorf("%s: and %d more", r.m.File, len(r.problems)-i))
			break
		}
		all = append(all, fmt.Errorf("%s:%d: %s", r.m.File, p.line, p.text))
	}
	return errors.Join(all...)
}

// plain turns a node into what JSON has, and remembers where each value stands.
// Aliases are refused: what a capsule asks for is to be read where it stands,
// and a few lines of them can stand for gigabytes.
func (r *reader) plain(n *yaml.Node, steps []string, depth int) any {
	path := pathOf(steps)
	r.nodes[path] = n
	switch {
	case depth > DepthMax:
		r.problem(path, "more than %d levels: no field is that deep", DepthMax)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.problem(path, "anchors and aliases are not read: write the value out")
	case n.Kind == yaml.MappingNode:
		return r.plainMapping(n, steps, depth)
	case n.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			list = append(list, r.plain(item, append(slices.Clip(steps), strconv.Itoa(i)), depth+1))
		}
		return list
	default:
		return r.plainScalar(n, path)
	}
	return nil
}

func (r *reader) plainMapping(n *yaml.Node, steps []string, depth int) any {
	values := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch _, twice := values[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge":
			r.problemAt(key.Line, pathOf(steps), "a field's name is wanted here: write 'name: value'")
		case strings.Contains(key.Value, "/"):
			r.problemAt(key.Line, pathOf(steps), "unknown field %q: take it out", clip(key.Value))
		case twice:
			r.problemAt(key.Line, pathOf(append(slices.Clip(steps), key.Value)), "it is there for the second time: keep one")
		default:
			values[key.Value] = r.plain(value, append(slices.Clip(steps), key.Value), depth+1)
		}
	}
	return values
}

func (r *reader) plainScalar(n *yaml.Node, path string) any {
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		return n.Value != "false" && n.Value != "False" && n.Value != "FALSE"
	case "!!int":
		if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return v
		}
		if v, err := strconv.ParseUint(n.Value, 0, 64); err == nil {
			return v
		}
	case "!!float":
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v
		}
	}
	r.problem(path, "%q is no text, number, true or false: write it in quotes when it is a text", clip(n.Value))
	return nil
}

// clip shortens what is quoted back.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
