// Package reach says who can reach what: from the capabilities that a kernel's
// tasks hold now, which objects each task can use, and which it could come to
// use if every task did its best to help.
//
// The second question is that of Lipton and Snyder, "A Linear Time Algorithm
// for Deciding Subject Security" (JACM 24(3), 1977), for the take-grant model:
// authority flows along edges by fixed rules, and what can ever happen is the
// closure under those rules. The rules here are ΦOS's own:
//
//	send     a holder of INVOKE and SEND on an endpoint passes a capability
//	         that carries GRANT to a holder of INVOKE and RECEIVE on it
//	answer   that receiver passes one back in its reply
//	grant    a holder of INVOKE and MANAGE on a task passes one to it
//	command  such a holder decides what the task runs, and so does through it
//	         whatever the task can do
//	derive   a holder of DERIVE makes its own right of what it may pass on
//	child    a holder of INVOKE and WRITE on a budget can make a task that it
//	         commands, and an endpoint: so it can do through the child, or
//	         send to itself, what it may pass on
//
// What is copied carries, to use and to pass on, what its giver may pass on.
// What is moved stays as it is.
//
// The closure is an upper bound. It counts every task as a helper, and it does
// not count down uses, copies and expiry, nor does it ask whether labels, seals
// or a full table would stop a step. When it says that a task cannot reach an
// object, then no run reaches it. Data is another matter: what a task writes
// into a message or a region another can read, and that is for labels.
//
// Ledger: S24.
//
// Seed name: No superuser.
package reach

import (
	"cmp"
	"slices"

	"phios/abi"
	"phios/kernel/capability"
)

// use is what any exercise of a capability takes.
const use = abi.RightInvoke

// Power is what a capability allows, to use and to pass on.
type Power struct{ Rights, Pass abi.Rights }

// within reports whether q allows all that p allows.
func (p Power) within(q Power) bool { return q.Rights.Has(p.Rights) && q.Pass.Has(p.Pass) }

// passed is what arrives when a capability is copied to someone.
func (p Power) passed() Power { return Power{p.Pass, p.Pass} }

// Object is one thing that can be held.
type Object struct {
	ID   uint64
	Type abi.ObjectType
	// Task is the task that the object stands for, zero for other objects.
	Task uint64
}

// Graph is who holds what. The zero Graph is empty.
type Graph struct {
	tasks   []uint64
	objects []Object
	held    map[edge][]Power
}

// edge is a task and an object.
type edge struct{ task, object uint64 }

// From makes the graph of what tasks hold. taskOf says for a task object which
// task it is, zero when that is not known: then nothing flows through it.
//
// The capabilities are in the order in which the kernel shows them; see
// [phios/kernel/gate.Kernel.Visit].
func From(held []capability.Held, taskOf func(object uint64) uint64) *Graph {
	g := &Graph{held: map[edge][]Power{}}
	for _, h := range held {
		o := Object{ID: h.Object, Type: h.Type}
		if h.Type == abi.ObjectTask {
			o.Task = taskOf(h.Object)
		}
		g.Hold(h.Task, o, Power{h.Rights, h.Pass})
	}
	return g
}

// Hold adds one capability, and reports whether it allows what none before did.
func (g *Graph) Hold(task uint64, o Object, p Power) bool {
	if g.held == nil {
		g.held = map[edge][]Power{}
	}
	g.tasks = insert(g.tasks, task, compareNumbers)
	g.objects = insert(g.objects, o, func(a, b Object) int { return cmp.Compare(a.ID, b.ID) })
	at := edge{task, o.ID}
	if slices.ContainsFunc(g.held[at], p.within) {
		return false
	}
	g.held[at] = append(slices.DeleteFunc(g.held[at], func(have Power) bool { return have.within(p) }), p)
	return true
}

func compareNumbers(a, b uint64) int { return cmp.Compare(a, b) }

// insert keeps a sorted list without doubles.
func insert[T any](list []T, item T, compare func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(list, item, compare)
	if found {
		return list
	}
	return slices.Insert(list, i, item)
}

// Tasks returns the tasks that hold anything, in the order of their numbers.
func (g *Graph) Tasks() []uint64 { return slices.Clone(g.tasks) }

// Objects returns what is held, in the order of the numbers.
func (g *Graph) Objects() []Object { return slices.Clone(g.objects) }

// Rights returns all that a task may do with an object, in the order of the
// capabilities that allow it put together.
func (g *Graph) Rights(task, object uint64) abi.Rights {
	var all abi.Rights
	for _, p := range g.held[edge{task, object}] {
		all |= p.Rights
	}
	return all
}

// Reaches reports whether a task can use an object at all: one of its
// capabilities carries INVOKE and a right besides, as every call that acts on
// the object takes.
func (g *Graph) Reaches(task, object uint64) bool {
	for _, p := range g.held[edge{task, object}] {
		if p.Rights.Has(use) && p.Rights&^use != 0 {
			return true
		}
	}
	return false
}

// can reports whether a task has a capability to an object with the rights.
func (g *Graph) can(task, object uint64, rights abi.Rights) bool {
	for _, p := range g.held[edge{task, object}] {
		if p.Rights.Has(rights) {
			return true
		}
	}
	return false
}

// clone returns a copy that can be changed.
func (g *Graph) clone() *Graph {
	c := &Graph{tasks: slices.Clone(g.tasks), objects: slices.Clone(g.objects), held: make(map[edge][]Power, len(g.held))}
	for at, powers := range g.held {
		c.held[at] = slices.Clone(powers)
	}
	return c
}
