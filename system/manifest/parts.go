package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"phios/abi"
)

// objectNames are the types of object that a manifest can make.
var objectNames = map[string]abi.ObjectType{
	"endpoint": abi.ObjectEndpoint, "region": abi.ObjectRegion,
	"notification": abi.ObjectNotification, "interrupt": abi.ObjectInterrupt,
}

// ownFieldsTable says which fields belong to which type.
var ownFieldsTable = map[string]abi.ObjectType{
	"capacity": abi.ObjectEndpoint, "ceiling": abi.ObjectEndpoint,
	"bytes": abi.ObjectRegion, "line": abi.ObjectInterrupt,
}

// object reads one object.
func (r *reader) object(n *yaml.Node) {
	o := Object{Line: n.Line, Ceiling: abi.LabelTop()}
	has := map[string]int{}
	own := func(name string, read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { has[name] = n.Line; read(n) }
	}
	r.mapping(n, "an object", fields{
		"name":     func(n *yaml.Node) { o.Name = r.name(n) },
		"type":     func(n *yaml.Node) { o.Type = r.objectType(n) },
		"owner":    func(n *yaml.Node) { o.Owner = r.name(n) },
		"capacity": own("capacity", func(n *yaml.Node) { o.Capacity = r.number(n, 1<<16) }),
		"ceiling":  own("ceiling", func(n *yaml.Node) { o.Ceiling = r.ceiling(n) }),
		"bytes":    own("bytes", func(n *yaml.Node) { o.Bytes = r.amount(n, abi.ResourceMemory) }),
		"line":     own("line", func(n *yaml.Node) { o.Number = uint32(r.number(n, 1<<16)) }),
	}, "name", "type", "owner")
	for _, name := range []string{"capacity", "ceiling", "bytes", "line"} {
		line, given := has[name]
		if given && ownFieldsTable[name] != o.Type {
			r.problem(line, "only an object of type %v has the field %q: leave it out", ownFieldsTable[name], name)
		}
		if !given && ownFieldsTable[name] == o.Type && name != "ceiling" {
			r.problem(n.Line, "an object of type %v needs the field %q", o.Type, name)
		}
	}
	r.m.Objects = append(r.m.Objects, o)
}

func (r *reader) objectType(n *yaml.Node) abi.ObjectType {
	t, ok := objectNames[r.text(n)]
	if !ok {
		r.problem(n.Line, "%q is not a type of object: endpoint, interrupt, notification or region", clip(n.Value))
	}
	return t
}

// task reads one task.
func (r *reader) task(n *yaml.Node) {
	t := Task{Line: n.Line}
	r.mapping(n, "a task", fields{
		"name":     func(n *yaml.Node) { t.Name = r.name(n) },
		"purpose":  func(n *yaml.Node) { t.Purpose = r.text(n) },
		"program":  func(n *yaml.Node) { t.Program = r.name(n) },
		"slots":    func(n *yaml.Node) { t.Slots = uint32(r.number(n, 1<<20)) },
		"budget":   func(n *yaml.Node) { r.amounts(n, &t.Budget) },
		"lowering": func(n *yaml.Node) { r.each(n, HoldsMax, func(n *yaml.Node) { r.lowering(n, &t) }) },
		"holds":    func(n *yaml.Node) { r.each(n, HoldsMax, func(n *yaml.Node) { r.hold(n, &t) }) },
	}, "name", "slots", "budget")
	r.m.Tasks = append(r.m.Tasks, t)
}

// lowering reads the authority to lower labels. Of the readers, a reach says
// whom nobody may admit; a manifest says whom one may.
func (r *reader) lowering(n *yaml.Node, t *Task) {
	l := Lowering{Line: n.Line, Reach: abi.Label{Readers: ^uint64(0)}}
	r.mapping(n, "a lowering", fields{
		"name": func(n *yaml.Node) { l.Name = r.name(n) },
		"endorse": func(n *yaml.Node) {
			l.Rights |= abi.RightEndorse
			l.Reach.Sources = r.bits(n, r.m.Sources, "source")
		},
		"declassify": func(n *yaml.Node) {
			l.Rights |= abi.RightDeclassify
			l.Reach.Readers = ^r.bits(n, r.m.Audiences, "audience")
		},
	}, "name")
	if l.Rights == 0 {
		r.problem(n.Line, "lowering %q lowers nothing: give it 'endorse' or 'declassify'", l.Name)
	}
	t.Lowering = append(t.Lowering, l)
}

// hold reads one capability.
func (r *reader) hold(n *yaml.Node, t *Task) {
	h := Hold{Line: n.Line, Uses: abi.Unlimited, Copies: abi.Unlimited, Ceiling: abi.LabelTop()}
	r.mapping(n, "a capability", fields{
		"name":    func(n *yaml.Node) { h.Name = r.name(n) },
		"object":  func(n *yaml.Node) { h.Object = r.name(n) },
		"task":    func(n *yaml.Node) { h.Task = r.name(n) },
		"from":    func(n *yaml.Node) { h.From = r.reference(n) },
		"rights":  func(n *yaml.Node) { h.Rights = r.rights(n) },
		"pass":    func(n *yaml.Node) { h.Pass = r.rights(n) },
		"badge":   func(n *yaml.Node) { h.Badge = r.number(n, ^uint64(0)) },
		"uses":    func(n *yaml.Node) { h.Uses = uint32(r.number(n, uint64(abi.Unlimited)-1)) },
		"copies":  func(n *yaml.Node) { h.Copies = uint32(r.number(n, uint64(abi.Unlimited)-1)) },
		"ceiling": func(n *yaml.Node) { h.Ceiling = r.ceiling(n) },
	}, "rights")
	if (h.Object == "") == (h.Task == "") {
		r.problem(n.Line, "a capability is to one thing: give it 'object' or 'task'")
	}
	if h.Name == "" {
		h.Name = h.Object + h.Task
	}
	if h.Task != "" && (h.Pass != 0 || h.Badge != 0 || !h.From.None() || h.Ceiling != abi.LabelTop() || h.Uses != abi.Unlimited || h.Copies != abi.Unlimited) {
		r.problem(n.Line, "a capability to a task has rights only: leave the rest out")
	}
	t.Holds = append(t.Holds, h)
}

func (r *reader) reference(n *yaml.Node) Reference {
	task, name, ok := strings.Cut(r.text(n), ".")
	if !ok || !nameTable.MatchString(task) || !nameTable.MatchString(name) {
		r.problem(n.Line, "%q does not name a capability: write 'task.name'", clip(n.Value))
	}
	return Reference{task, name}
}

func (r *reader) rights(n *yaml.Node) abi.Rights {
	var rights abi.Rights
	r.each(n, abi.ArgWords*abi.ArgWords, func(n *yaml.Node) {
		right, ok := abi.ParseRight(r.text(n))
		switch {
		case !ok:
			r.problem(n.Line, "%q is not a right: there are %v", clip(n.Value), abi.RightsAll)
		case right&(abi.RightEndorse|abi.RightDeclassify) != 0:
			r.problem(n.Line, "%v is not given on an object: give the task a 'lowering'", right)
		}
		rights |= right
	})
	return rights
}

// ceiling reads a label as a limit: the sources that it lets in, and the
// audiences to whom the data must be open. Nothing said is nothing asked of
// the audiences; sources must be said, "all" or by name.
func (r *reader) ceiling(n *yaml.Node) abi.Label {
	var l abi.Label
	r.mapping(n, "a ceiling", fields{
		"sources": func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode && n.Value == "all" {
				l.Sources = ^uint64(0)
				return
			}
			l.Sources = r.bits(n, r.m.Sources, "source")
		},
		"readers": func(n *yaml.Node) { l.Readers = r.bits(n, r.m.Audiences, "audience") },
	}, "sources")
	return l
}

// bits reads a list of names of label bits.
func (r *reader) bits(n *yaml.Node, names []string, what string) uint64 {
	var bits uint64
	r.each(n, LabelsMax, func(n *yaml.Node) {
		bit := bitOf(names, r.text(n))
		if bit == 0 {
			r.problem(n.Line, "no %s %q: declare it at the top, or use one of [%s]", what, clip(n.Value), strings.Join(names, ", "))
		}
		bits |= bit
	})
	return bits
}
