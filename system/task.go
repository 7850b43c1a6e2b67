package system

import (
	"phios/abi"
	"phios/kernel/gate"
	"phios/platform"
)

// Program is something that tasks can run.
type Program struct {
	Name string
	// Run is the program. What it returns is the task's exit code.
	Run func(t *Task) uint64
}

// Task is a task as its own program sees it: the door, and what it was given
// to begin with. Only the program's own goroutine uses it.
type Task struct {
	// Name is that of the manifest; empty for a task that another one made.
	Name string
	// Port is the door.
	Port *gate.Port
	// Argument is what the starter passed along.
	Argument uint64

	node    *Node // nil when the simulator runs the task
	handles map[string]abi.Handle
}

// Handle returns the capability that the manifest gives the task under a name;
// zero, which is never a handle, when there is none.
func (t *Task) Handle(name string) abi.Handle { return t.handles[name] }

// Invoke does one operation on a capability named in the manifest.
func (t *Task) Invoke(name string, c abi.Call, a *abi.Args) abi.Status {
	return t.Port.Invoke(t.Handle(name), c, a)
}

// Serve makes h answer the calls to an endpoint, as [gate.Port.Serve] does for
// callers that take turns. A handler that panics faults the task, whose
// callers then find it dead, and not the caller on whose thread it ran.
func (t *Task) Serve(endpoint abi.Handle, h gate.Handler) abi.Status {
	return t.Port.Serve(endpoint, contained{h}, false)
}

// ServeProgram is Serve for a handler that keeps what it is told; see
// [gate.Port.ServeProgram].
func (t *Task) ServeProgram(endpoint abi.Handle, h gate.Handler) abi.Status {
	return t.Port.ServeProgram(endpoint, contained{h})
}

// Program returns the number of a program of the node, for TaskStart.
func (t *Task) Program(name string) (uint64, bool) {
	if t.node == nil {
		return 0, false
	}
	return t.node.Program(name)
}

// HandlerFunc is a function that serves.
type HandlerFunc func(p *gate.Port, m *abi.Message) abi.Status

// Serve calls f.
func (f HandlerFunc) Serve(p *gate.Port, m *abi.Message) abi.Status { return f(p, m) }

var _ gate.Handler = HandlerFunc(nil)

// Machine returns the machine that the task runs on, nil on the simulator.
func (t *Task) Machine() platform.Machine {
	if t.node == nil {
		return nil
	}
	return t.node.machine
}
