package manifest

import (
	"math/bits"
	"slices"

	"phios/abi"
)

// maker is what the owner of an object may do with it and pass on. The kernel
// says the same when the object is made; here it makes an error with a line.
const maker = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)

// check looks at what only the whole can tell.
func (r *reader) check() {
	r.checkNames()
	r.checkBudgets()
	if len(r.problems) > 0 {
		return
	}
	r.checkHolds()
	if len(r.problems) == 0 {
		r.checkCycles()
	}
}

// checkNames looks for names that are used twice or never declared.
func (r *reader) checkNames() {
	tasks, objects := map[string]int{}, map[string]int{}
	for _, t := range r.m.Tasks {
		r.declare(tasks, "task", t.Name, t.Line)
	}
	if len(r.m.Tasks) == 0 {
		r.problem(1, "no tasks: declare at least one")
	}
	for _, o := range r.m.Objects {
		r.declare(objects, "object", o.Name, o.Line)
		if tasks[o.Owner] == 0 {
			r.problem(o.Line, "object %q has the owner %q, which is no task: declare the task", o.Name, o.Owner)
		}
	}
	for _, t := range r.m.Tasks {
		names := map[string]int{BudgetName: t.Line}
		for _, o := range r.m.Objects {
			if o.Owner == t.Name && o.Name != "" {
				r.declare(names, "capability of task "+t.Name, o.Name, o.Line)
			}
		}
		for _, l := range t.Lowering {
			r.declare(names, "capability of task "+t.Name, l.Name, l.Line)
		}
		for _, h := range t.Holds {
			r.declare(names, "capability of task "+t.Name, h.Name, h.Line)
			if h.Object != "" && objects[h.Object] == 0 {
				r.problem(h.Line, "no object %q: declare it under 'objects'", h.Object)
			}
			if h.Task != "" && tasks[h.Task] == 0 {
				r.problem(h.Line, "no task %q: declare it under 'tasks'", h.Task)
			}
		}
	}
}

func (r *reader) declare(names map[string]int, what, name string, line int) {
	if at, ok := names[name]; ok {
		r.problem(line, "%s %q is declared in line %d already: rename one", what, name, at)
		return
	}
	names[name] = line
}

// checkBudgets looks whether there is enough: the endowment for the tasks, and
// each task's share for its own table and what it makes at boot.
func (r *reader) checkBudgets() {
	left := r.m.Endowment
	for _, t := range r.m.Tasks {
		for resource := range abi.Resource(abi.ResourceCount) {
			rest, over := bits.Sub64(left[resource], t.Budget[resource], 0)
			if over != 0 {
				r.problem(t.Line, "task %q takes %d of %v, and %d of the endowment are left: lower it, or raise the endowment",
					t.Name, t.Budget[resource], resource, left[resource])
				continue
			}
			left[resource] = rest
		}
		if slots := t.Budget[abi.ResourceSlots]; t.Slots == 0 || uint64(t.Slots) > slots {
			r.problem(t.Line, "task %q has a table of %d slots on a budget of %d: at least 1, and no more than the budget", t.Name, t.Slots, slots)
		}
		r.checkSlots(&t)
	}
	for _, o := range r.m.Objects {
		if t := r.m.TaskByName(o.Owner); t != nil && o.Bytes > t.Budget[abi.ResourceMemory] {
			r.problem(o.Line, "region %q is larger than the memory of its owner %q: raise the task's budget", o.Name, o.Owner)
		}
	}
}

// checkSlots looks whether a task's table holds what it is given.
func (r *reader) checkSlots(t *Task) {
	need := 1 + len(t.Lowering) + len(t.Holds)
	for _, o := range r.m.Objects {
		if o.Owner == t.Name {
			need++
		}
	}
	if int64(t.Slots) < int64(need) && t.Slots != 0 {
		r.problem(t.Line, "task %q has %d slots and is given %d capabilities: raise 'slots'", t.Name, t.Slots, need)
	}
}

// find returns the hold that a reference names, nil when there is none.
func (m *Manifest) find(ref Reference) *Hold {
	t := m.TaskByName(ref.Task)
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.Holds, func(h Hold) bool { return h.Name == ref.Name })
	if i < 0 {
		return nil
	}
	return &t.Holds[i]
}

// checkHolds looks whether each giver can give what it is said to give.
func (r *reader) checkHolds() {
	for _, t := range r.m.Tasks {
		for _, h := range t.Holds {
			if h.Object == "" {
				continue
			}
			o := r.m.ObjectByName(h.Object)
			if o.Owner == t.Name {
				r.problem(h.Line, "task %q owns %q and holds what makers hold: leave this out", t.Name, o.Name)
				continue
			}
			r.checkGiver(&h)
		}
	}
}

func (r *reader) checkGiver(h *Hold) {
	from, can := "its owner", maker
	if !h.From.None() {
		giver := r.m.find(h.From)
		switch {
		case giver == nil:
			r.problem(h.Line, "no capability %v: name one under 'holds' of that task, or leave 'from' out for the owner's", h.From)
			return
		case giver.Object != h.Object:
			r.problem(h.Line, "%v is to %q, not to %q: name one to the same object", h.From, giver.Object+giver.Task, h.Object)
			return
		case !giver.Rights.Has(abi.RightGrant):
			r.problem(h.Line, "%v cannot be passed on: give it the right GRANT", h.From)
			return
		}
		from, can = h.From.String(), giver.Pass
	}
	if lacking := (h.Rights | h.Pass) &^ can; lacking != 0 {
		r.problem(h.Line, "%s cannot pass on %v: ask for less, or widen what it may pass", from, lacking)
	}
}

// checkCycles looks for capabilities that come from themselves, and for tasks
// that manage each other in a circle, whom nobody outside could stop.
func (r *reader) checkCycles() {
	for _, t := range r.m.Tasks {
		for _, h := range t.Holds {
			seen := map[Reference]bool{}
			for ref := (Reference{t.Name, h.Name}); !ref.None(); ref = r.m.find(ref).From {
				if seen[ref] {
					r.problem(h.Line, "capability %s.%s comes from itself: let one on the circle come from the owner", t.Name, h.Name)
					return
				}
				seen[ref] = true
			}
		}
	}
	for _, t := range r.m.Tasks {
		if path := r.manages(t.Name, t.Name, map[string]bool{}); path {
			r.problem(t.Line, "task %q manages itself through a circle of 'task' capabilities: break it", t.Name)
			return
		}
	}
}

// manages reports whether a task manages another, directly or through others.
func (r *reader) manages(from, to string, seen map[string]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	for _, h := range r.m.TaskByName(from).Holds {
		if h.Task == "" || !h.Rights.Has(abi.RightManage) {
			continue
		}
		if h.Task == to || r.manages(h.Task, to, seen) {
			return true
		}
	}
	return false
}

// Grant is one hold with its task.
type Grant struct {
	To string
	*Hold
}

// Grants returns every capability of the manifest that one task has from
// another, givers before those that come from them.
func (m *Manifest) Grants() []Grant {
	var all []Grant
	given := map[Reference]bool{}
	for again := true; again; {
		again = false
		for i := range m.Tasks {
			t := &m.Tasks[i]
			for j := range t.Holds {
				h := &t.Holds[j]
				ref := Reference{t.Name, h.Name}
				if given[ref] || !h.From.None() && !given[h.From] {
					continue
				}
				given[ref], again = true, true
				all = append(all, Grant{To: t.Name, Hold: h})
			}
		}
	}
	return all
}
