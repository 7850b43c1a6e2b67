// Package manifest reads the boot manifest: which tasks there are, what each
// may spend, which objects exist, and every capability that each task holds
// when the node starts.
//
// The manifest is the access matrix. Nothing else grants anything at boot, and
// after it whatever a task gets, it gets from a task that had it. The format is
// YAML, of which aliases are refused: what a task holds is to be
// read where the task stands. See docs/manifest.md for the fields.
//
// Reading is strict. An unknown field or right, a name used twice or never
// declared, a right that the giver cannot pass on, a circle of givers, and
// budgets that exceed what there is are errors; each names its line and what to
// do about it, and all of them are reported at once.
//
// Ledger: S24.
package manifest

import (
	_ "embed"

	"phios/abi"
)

// The limits of a manifest.
const (
	BytesMax    = 256 << 10
	TasksMax    = 1024
	ObjectsMax  = 4096
	HoldsMax    = 256 // of one task
	LabelsMax   = 64  // sources, and as many audiences
	ProblemsMax = 20  // reported at once
)

// BudgetName is the name under which every task finds its own budget.
const BudgetName = "budget"

// Manifest is a boot manifest that is in order: every name in it is declared,
// and every right can be given by its giver.
type Manifest struct {
	// File is the name that errors give.
	File string
	// Sources and Audiences name the bits of labels, from bit 0.
	Sources, Audiences []string
	// Endowment is everything that there is to divide.
	Endowment abi.Amounts
	// Timers is how many timers there can be.
	Timers  int
	Tasks   []Task
	Objects []Object
}

// Task is a root task.
type Task struct {
	Name string
	// Purpose is one line for people.
	Purpose string
	// Program is what the task runs from boot on; empty for a task that the
	// composition root drives.
	Program  string
	Slots    uint32
	Budget   abi.Amounts
	Lowering []Lowering
	Holds    []Hold
	Line     int
}

// Lowering is the authority to lower labels of what the task makes on its
// budget.
type Lowering struct {
	Name   string
	Rights abi.Rights
	Reach  abi.Label
	Line   int
}

// Object is one that exists at boot. Its owner makes it, and holds what makers
// hold.
type Object struct {
	Name  string
	Type  abi.ObjectType
	Owner string
	// Capacity is how many messages an endpoint's mailbox holds.
	Capacity uint64
	// Ceiling is an endpoint's: the highest label that may go there.
	Ceiling abi.Label
	// Bytes is the size of a region.
	Bytes uint64
	// Number is that of an interrupt line.
	Number uint32
	Line   int
}

// Hold is one capability of a task.
type Hold struct {
	Name string
	// Object is what it is to; or Task is, for a capability to a root task.
	Object, Task string
	// From names the capability that it is derived from; empty for the
	// owner's.
	From Reference
	// Rights are what the holder may do, Pass what it may pass on.
	Rights, Pass abi.Rights
	Badge        uint64
	Uses, Copies uint32
	Ceiling      abi.Label
	Line         int
}

// Reference names a capability: a task, and a name of its holds.
type Reference struct{ Task, Name string }

// None reports whether r names nothing.
func (r Reference) None() bool { return r == Reference{} }

// String returns the reference as it is written.
func (r Reference) String() string { return r.Task + "." + r.Name }

//go:embed default.yaml
var defaultTable []byte

// Default returns the manifest that is built in, of the tasks that the guided
// tour shows.
func Default() (*Manifest, error) { return Parse("default.yaml", defaultTable) }

// DefaultText returns the text of the manifest that is built in.
func DefaultText() string { return string(defaultTable) }

// TaskByName returns the task of that name, nil when there is none.
func (m *Manifest) TaskByName(name string) *Task {
	for i := range m.Tasks {
		if m.Tasks[i].Name == name {
			return &m.Tasks[i]
		}
	}
	return nil
}

// ObjectByName returns the object of that name, nil when there is none.
func (m *Manifest) ObjectByName(name string) *Object {
	for i := range m.Objects {
		if m.Objects[i].Name == name {
			return &m.Objects[i]
		}
	}
	return nil
}

// Source returns the label bit of a source, 0 when there is none of that name.
func (m *Manifest) Source(name string) uint64 { return bitOf(m.Sources, name) }

// Audience returns the label bit of an audience, 0 when there is none of that
// name.
func (m *Manifest) Audience(name string) uint64 { return bitOf(m.Audiences, name) }

func bitOf(names []string, name string) uint64 {
	for i, n := range names {
		if n == name {
			return 1 << i
		}
	}
	return 0
}
