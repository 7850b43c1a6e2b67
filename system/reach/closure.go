package reach

import (
	"slices"

	"phios/abi"
)

// virtual marks the numbers of tasks and endpoints that a task could make. The
// kernel counts from 1 and does not get there.
const virtual = 1 << 63

// maker is what whoever makes an object may do with it.
const maker = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)

// Closure returns what every task could come to hold, or to do through another
// that it commands, under the rules of the package doc.
//
// One child and one endpoint stand for all that a task could make: a copy of a
// copy allows what the copy does, so that a chain of children gains nothing.
// Each round of the computation adds what someone may do, of which there is an
// end; a round takes time by the tasks squared times the objects.
func (g *Graph) Closure() *Graph {
	c := g.clone()
	for changed := true; changed; {
		changed = false
		for _, task := range slices.Clone(c.tasks) {
			changed = c.make(task) || changed
			changed = c.derive(task) || changed
		}
		for _, from := range c.tasks {
			for _, to := range c.tasks {
				changed = c.pass(from, to) || changed
			}
		}
	}
	return c.through()
}

// make gives a task that can make others its one virtual child and endpoint.
func (g *Graph) make(task uint64) bool {
	if task&virtual != 0 || g.can(task, task|virtual, 0) || !g.makesTasks(task) {
		return false
	}
	whole := Power{maker, maker}
	g.tasks = insert(g.tasks, task|virtual, compareNumbers)
	g.Hold(task, Object{ID: task | virtual, Type: abi.ObjectTask, Task: task | virtual}, whole)
	g.Hold(task, Object{ID: task | virtual | virtual>>1, Type: abi.ObjectEndpoint}, whole)
	return true
}

// makesTasks reports whether a task has a budget on which it can make others.
func (g *Graph) makesTasks(task uint64) bool {
	return slices.ContainsFunc(g.objects, func(o Object) bool {
		return o.Type == abi.ObjectBudget && g.can(task, o.ID, abi.RightInvoke|abi.RightWrite)
	})
}

// derive adds what a task can mint for itself.
func (g *Graph) derive(task uint64) bool {
	changed := false
	for _, o := range g.objects {
		for _, p := range slices.Clone(g.held[edge{task, o.ID}]) {
			if p.Rights.Has(abi.RightDerive) {
				changed = g.Hold(task, o, p.passed()) || changed
			}
		}
	}
	return changed
}

// pass adds what can get from one task to another in one step: in a message or
// its answer, which may be to itself, or by a grant.
func (g *Graph) pass(from, to uint64) bool {
	if !g.meets(from, to) && !g.meets(to, from) && (from == to || !g.commands(from, to)) {
		return false
	}
	changed := false
	for _, o := range slices.Clone(g.objects) {
		for _, p := range slices.Clone(g.held[edge{from, o.ID}]) {
			if p.Rights.Has(abi.RightGrant) {
				changed = g.Hold(to, o, p) || changed // moved, as it is
				changed = g.Hold(to, o, p.passed()) || changed
			}
		}
	}
	return changed
}

// meets reports whether there is an endpoint where one sends and the other
// receives.
func (g *Graph) meets(sender, receiver uint64) bool {
	return slices.ContainsFunc(g.objects, func(o Object) bool {
		return (o.Type == abi.ObjectEndpoint || o.Type.Service()) &&
			g.can(sender, o.ID, abi.RightInvoke|abi.RightSend) && g.can(receiver, o.ID, abi.RightInvoke|abi.RightReceive)
	})
}

// commands reports whether a task can decide what another runs and holds.
func (g *Graph) commands(manager, task uint64) bool {
	return slices.ContainsFunc(g.objects, func(o Object) bool {
		return o.Type == abi.ObjectTask && o.Task == task && g.can(manager, o.ID, abi.RightInvoke|abi.RightManage)
	})
}

// through adds to each task what those can do that it commands, and those that
// these command, and leaves out what does not exist yet.
func (g *Graph) through() *Graph {
	t := &Graph{held: map[edge][]Power{}}
	for _, task := range g.tasks {
		if task&virtual != 0 {
			continue
		}
		for _, puppet := range g.puppets(task) {
			for _, o := range g.objects {
				if o.ID&virtual != 0 {
					continue
				}
				for _, p := range g.held[edge{puppet, o.ID}] {
					t.Hold(task, o, p)
				}
			}
		}
	}
	return t
}

// puppets returns a task and all that it commands, directly or through others.
func (g *Graph) puppets(task uint64) []uint64 {
	all := []uint64{task}
	for i := 0; i < len(all); i++ {
		for _, other := range g.tasks {
			if g.commands(all[i], other) && !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all
}
