package system

import (
	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/system/reach"
)

// Held returns every live capability of every living task.
func Held(k *gate.Kernel) []capability.Held {
	var all []capability.Held
	k.Visit(func(h capability.Held) { all = append(all, h) })
	return all
}

// TaskOf says which root task an object stands for, zero for none.
func (b *Booted) TaskOf(object uint64) uint64 { return b.taskOf[object] }

// Names returns what is called how, for a report.
func (b *Booted) Names() reach.Names {
	return reach.Names{Tasks: b.TaskNames, Objects: b.ObjectNames}
}

// Reach says who can reach what on the node, now and ever.
func (n *Node) Reach() []reach.Row {
	return reach.Report(reach.From(Held(n.kernel), n.TaskOf), n.Names())
}

// noteTask remembers which task an object stands for.
func (b *Booted) noteTask(t, of *Task, h abi.Handle) {
	a := abi.Args{}
	if t.Port.Invoke(h, abi.CapInspect, &a) == abi.StatusOK {
		b.taskOf[a.W[3]] = of.Port.TaskID()
	}
}
