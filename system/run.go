package system

import (
	"fmt"
	"runtime"
	"strings"

	"phios/abi"
	"phios/internal/invariant"
	"phios/kernel/gate"
	"phios/kernel/journal"
)

// FaultPanic is the fault code of a program that panicked.
const FaultPanic = abi.FaultProgram

// ExitPanic is the exit code of a program that panicked.
const ExitPanic = 2

// Launch is the kernel's: it starts a program on a goroutine of its own. A
// program's number is its place in Config.Programs.
func (n *Node) Launch(p *gate.Port, program, argument uint64) abi.Status {
	if program >= uint64(len(n.programs)) {
		return abi.StatusBadArgument
	}
	return n.start(&Task{Port: p, Argument: argument, node: n}, n.programs[program])
}

// Program returns the number of a program, for TaskStart.
func (n *Node) Program(name string) (uint64, bool) {
	for i, p := range n.programs {
		if p.Name == name {
			return uint64(i), true
		}
	}
	return 0, false
}

// start runs a program for a task: StatusState once the node stops.
func (n *Node) start(t *Task, p Program) abi.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopping {
		return abi.StatusState
	}
	n.running[t] = p.Name
	go n.run(t, p)
	return abi.StatusOK
}

// run is the life of a task's goroutine.
func (n *Node) run(t *Task, p Program) {
	defer n.ended(t)
	t.Port.Done(n.contain(t, p))
}

func (n *Node) ended(t *Task) {
	n.mu.Lock()
	delete(n.running, t)
	n.mu.Unlock()
	n.watch.idle.Unpark()
}

// contain runs a program and turns its panic into a fault of its task.
func (n *Node) contain(t *Task, p Program) (code uint64) {
	defer func() {
		if cause := recover(); cause != nil {
			mustBeTheirs(cause)
			_ = n.kernel.Journal().Append(journal.Record{Kind: journal.KindNote, Task: t.Port.TaskID(), Text: panicText(cause)})
			fault(t.Port)
			code = ExitPanic
		}
	}()
	return p.Run(t)
}

// contained is a handler whose panic faults its own task.
type contained struct{ gate.Handler }

// Serve serves, and answers StatusPeerDead for a handler that panicked.
func (c contained) Serve(p *gate.Port, m *abi.Message) (status abi.Status) {
	defer func() {
		if cause := recover(); cause != nil {
			mustBeTheirs(cause)
			fault(p)
			m.HandleCount, m.Moves, m.Length = 0, 0, 0
			status = abi.StatusPeerDead
		}
	}()
	return c.Handler.Serve(p, m)
}

// fault reports a panic to the task's supervisor. Whatever that answers, the
// program is over: its stack is gone.
func fault(p *gate.Port) {
	_ = p.Invoke(0, abi.TaskFault, &abi.Args{W: [abi.ArgWords]uint64{FaultPanic}})
}

// panicText is what the journal keeps of a panic.
func panicText(cause any) string {
	text := fmt.Sprintf("panic: %v", cause)
	return text[:min(len(text), journal.TextBytesMax)]
}

// mustBeTheirs ends the process unless the panic is a program's own. A broken
// invariant is never a program's, and neither is a panic that began in the
// kernel or in the machine: whatever was locked there stays locked.
func mustBeTheirs(cause any) {
	if failure, ok := cause.(invariant.Failure); ok {
		invariant.Always(false, string(failure))
	}
	at := panicOrigin()
	ours := strings.HasPrefix(at, "phios/kernel/") || strings.HasPrefix(at, "phios/platform/")
	invariant.Always(!ours, fmt.Sprintf("panic in %s: %v", at, cause))
}

// panicOrigin returns the function that panicked. It is called while the
// panicking stack still stands: from a deferred function.
func panicOrigin() string {
	var counters [32]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(0, counters[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			return frame.Function
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return ""
		}
	}
}
