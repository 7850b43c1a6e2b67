package system

import (
	"fmt"

	"phios/abi"
	"phios/kernel/gate"
	"phios/system/manifest"
)

// Booted is what came out of a manifest: its tasks, and which of the kernel's
// numbers its names stand for.
type Booted struct {
	Manifest *manifest.Manifest
	// TaskNames and ObjectNames say which name a number of the kernel has.
	// What came into being after boot has none.
	TaskNames, ObjectNames map[uint64]string

	tasks  []*Task
	taskOf map[uint64]uint64 // which task a task object stands for
}

// Boot hands out what a manifest says, and nothing else: from then on whatever
// a task has comes from a task that had it. The error names the line whose
// part of the manifest the kernel refused.
func Boot(k *gate.Kernel, m *manifest.Manifest) (*Booted, error) {
	b := &Booted{Manifest: m, TaskNames: map[uint64]string{}, ObjectNames: map[uint64]string{}, taskOf: map[uint64]uint64{}}
	for i := range m.Tasks {
		if err := b.task(k, &m.Tasks[i]); err != nil {
			return b, err
		}
	}
	for i := range m.Objects {
		if err := b.object(k, &m.Objects[i]); err != nil {
			return b, err
		}
	}
	for _, g := range m.Grants() {
		if err := b.grant(k, g); err != nil {
			return b, err
		}
	}
	return b, nil
}

// Task returns the root task of that name, nil when there is none.
func (b *Booted) Task(name string) *Task {
	for _, t := range b.tasks {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// refused says which line the kernel refused, and why.
func (b *Booted) refused(line int, what string, status abi.Status) error {
	return fmt.Errorf("%s:%d: %s: %w", b.Manifest.File, line, what, status)
}

// task makes a root task with its budget.
func (b *Booted) task(k *gate.Kernel, t *manifest.Task) error {
	p, budget, status := k.BootTask(t.Slots, t.Budget)
	if status != abi.StatusOK {
		return b.refused(t.Line, "task "+t.Name, status)
	}
	made := &Task{Name: t.Name, Port: p, handles: map[string]abi.Handle{}}
	b.tasks = append(b.tasks, made)
	b.TaskNames[p.TaskID()] = t.Name
	b.name(made, manifest.BudgetName, budget, t.Name+"."+manifest.BudgetName)
	for _, l := range t.Lowering {
		h, status := k.BootLowering(p, budget, l.Rights, l.Reach)
		if status != abi.StatusOK {
			return b.refused(l.Line, "lowering "+l.Name, status)
		}
		made.handles[l.Name] = h
	}
	return nil
}

// object lets the owner make an object.
func (b *Booted) object(k *gate.Kernel, o *manifest.Object) error {
	owner := b.Task(o.Owner)
	budget := owner.Handle(manifest.BudgetName)
	var status abi.Status
	var h abi.Handle
	a := abi.Args{}
	switch o.Type { //nolint:exhaustive // the manifest makes these four
	case abi.ObjectEndpoint:
		a.W[0], a.Label = o.Capacity, o.Ceiling
		status = owner.Port.Invoke(budget, abi.EndpointCreate, &a)
	case abi.ObjectRegion:
		a.W[0] = o.Bytes
		status = owner.Port.Invoke(budget, abi.RegionCreate, &a)
	case abi.ObjectNotification:
		status = owner.Port.Invoke(budget, abi.NotificationCreate, &a)
	case abi.ObjectInterrupt:
		h, status = k.BootInterrupt(owner.Port, o.Number)
	default:
		status = abi.StatusType
	}
	if status != abi.StatusOK {
		return b.refused(o.Line, "object "+o.Name, status)
	}
	if h == 0 {
		h = abi.Handle(a.W[0])
	}
	b.name(owner, o.Name, h, o.Name)
	return nil
}

// grant gives a task one capability.
func (b *Booted) grant(k *gate.Kernel, g manifest.Grant) error {
	to := b.Task(g.To)
	var h abi.Handle
	var status abi.Status
	called := g.Object
	if g.Hold.Task != "" {
		h, status = k.BootTaskCapability(to.Port, b.Task(g.Hold.Task).Port, g.Rights)
		called = g.Hold.Task
	} else {
		from, name := b.Task(b.Manifest.ObjectByName(g.Object).Owner), g.Object
		if !g.From.None() {
			from, name = b.Task(g.From.Task), g.From.Name
		}
		mint := abi.Mint{
			Rights: g.Rights, Pass: g.Pass, Badge: g.Badge, Ceiling: g.Ceiling, Uses: g.Uses, Copies: g.Copies,
		}
		h, status = k.BootGrant(from.Port, from.Handle(name), to.Port, &mint)
	}
	if status != abi.StatusOK {
		return b.refused(g.Line, "capability "+g.To+"."+g.Name, status)
	}
	b.name(to, g.Name, h, called)
	if g.Hold.Task != "" {
		b.noteTask(to, b.Task(g.Hold.Task), h)
	}
	return nil
}

// name notes a task's capability, and what the object is called.
func (b *Booted) name(t *Task, name string, h abi.Handle, object string) {
	t.handles[name] = h
	a := abi.Args{}
	if t.Port.Invoke(h, abi.CapInspect, &a) == abi.StatusOK {
		b.ObjectNames[a.W[3]] = object
	}
}
