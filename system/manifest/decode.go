package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"phios/abi"
)

// nameTable is what a name looks like.
var nameTable = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// reader turns nodes of YAML into a manifest. It goes on after a problem, so
// that all are reported at once.
type reader struct {
	m        *Manifest
	problems []error
}

// fields says who reads each field of a mapping.
type fields map[string]func(*yaml.Node)

// Parse reads a manifest, and checks all that can be known without a kernel.
// file is the name that errors give. The error joins what is wrong, each with
// its line.
func Parse(file string, text []byte) (*Manifest, error) {
	if len(text) > BytesMax {
		return nil, fmt.Errorf("%s: %d bytes, at most %d: split off what another node can boot", file, len(text), BytesMax)
	}
	from := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := from.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: it is empty: start with the built-in one, from 'phi caps --print'", file)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := from.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document: keep the first", file)
	}
	r := &reader{m: &Manifest{File: file}}
	r.document(document.Content[0])
	if len(r.problems) == 0 {
		r.check()
	}
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	return r.m, nil
}

// problem notes what is wrong at a line.
func (r *reader) problem(line int, format string, values ...any) {
	switch {
	case len(r.problems) < ProblemsMax:
		r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", r.m.File, line, fmt.Sprintf(format, values...)))
	case len(r.problems) == ProblemsMax:
		r.problems = append(r.problems, fmt.Errorf("%s: and more", r.m.File))
	}
}

// document reads the whole, the names of labels first, since ceilings are
// written in them.
func (r *reader) document(n *yaml.Node) {
	parts := map[string]*yaml.Node{}
	keep := func(name string) func(*yaml.Node) { return func(n *yaml.Node) { parts[name] = n } }
	names := []string{"version", "sources", "audiences", "endowment", "timers", "objects", "tasks"}
	all := fields{}
	for _, name := range names {
		all[name] = keep(name)
	}
	r.mapping(n, "a manifest", all, "version", "endowment", "tasks")
	readers := fields{
		"version":   r.version,
		"sources":   func(n *yaml.Node) { r.m.Sources = r.names(n, "source") },
		"audiences": func(n *yaml.Node) { r.m.Audiences = r.names(n, "audience") },
		"endowment": func(n *yaml.Node) { r.amounts(n, &r.m.Endowment) },
		"timers":    func(n *yaml.Node) { r.m.Timers = int(r.number(n, 1<<16)) },
		"objects":   func(n *yaml.Node) { r.each(n, ObjectsMax, r.object) },
		"tasks":     func(n *yaml.Node) { r.each(n, TasksMax, r.task) },
	}
	r.m.Timers = 1
	for _, name := range names {
		if parts[name] != nil {
			readers[name](parts[name])
		}
	}
}

// mapping reads a mapping by its fields, strictly.
func (r *reader) mapping(n *yaml.Node, what string, all fields, required ...string) {
	if n.Kind != yaml.MappingNode {
		r.problem(n.Line, "%s is a mapping of fields: write 'name: value' lines", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := all[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			known := slices.Sorted(maps.Keys(all))
			r.problem(key.Line, "unknown field %q of %s: it has %s", clip(key.Value), what, strings.Join(known, ", "))
		case seen[key.Value]:
			r.problem(key.Line, "field %q of %s for the second time: keep one", key.Value, what)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	for _, name := range required {
		if !seen[name] {
			r.problem(n.Line, "%s needs the field %q", what, name)
		}
	}
}

// each reads a list, of at most limit.
func (r *reader) each(n *yaml.Node, limit int, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.problem(n.Line, "a list is wanted here: write '- item' lines, or [a, b]")
		return
	}
	if len(n.Content) > limit {
		r.problem(n.Line, "%d items, at most %d", len(n.Content), limit)
		return
	}
	for _, item := range n.Content {
		read(item)
	}
}

// text reads a scalar.
func (r *reader) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		r.problem(n.Line, "one value is wanted here")
		return ""
	}
	return n.Value
}

// name reads a name.
func (r *reader) name(n *yaml.Node) string {
	name := r.text(n)
	if n.Kind == yaml.ScalarNode && !nameTable.MatchString(name) {
		r.problem(n.Line, "%q is not a name: up to 32 small letters, digits and dashes, a letter first", clip(name))
	}
	return name
}

// names reads a list of different names, the names of label bits.
func (r *reader) names(n *yaml.Node, what string) []string {
	var names []string
	r.each(n, LabelsMax, func(item *yaml.Node) {
		name := r.name(item)
		if slices.Contains(names, name) || name == "all" {
			r.problem(item.Line, "%s %q is declared already: keep one", what, name)
		}
		names = append(names, name)
	})
	return names
}

// number reads a whole number up to limit.
func (r *reader) number(n *yaml.Node, limit uint64) uint64 {
	text := r.text(n)
	value, err := strconv.ParseUint(text, 0, 64)
	if n.Kind == yaml.ScalarNode && (err != nil || value > limit) {
		r.problem(n.Line, "%q is not a whole number up to %d", clip(text), limit)
	}
	return value
}

func (r *reader) version(n *yaml.Node) {
	if v := r.text(n); v != "1" {
		r.problem(n.Line, "version %q is not known here: write 'version: 1'", clip(v))
	}
}

// amounts reads quantities by resource.
func (r *reader) amounts(n *yaml.Node, to *abi.Amounts) {
	all := fields{}
	for resource := range abi.Resource(abi.ResourceCount) {
		all[resource.String()] = func(n *yaml.Node) { to[resource] = r.amount(n, resource) }
	}
	r.mapping(n, "a budget", all)
}

func (r *reader) amount(n *yaml.Node, resource abi.Resource) uint64 {
	value, err := amount(resource, r.text(n))
	if err != nil && n.Kind == yaml.ScalarNode {
		r.problem(n.Line, "%v", err)
	}
	return value
}

// clip shortens what is quoted back.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
