package bench

import (
	"fmt"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

// nowhere is a log that keeps nothing: the cost of hashing stays, that of the
// disk, which the kernel never waits for, goes.
type nowhere struct{}

// Append takes every record.
func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

// world is a kernel on the real machine. The first thing that cannot be set up
// stands in err, and all that follows does nothing.
type world struct {
	machine *host.Machine
	kernel  *gate.Kernel
	err     error
}

// task is a root task: its port, and the handle of its budget.
type task struct {
	port   *gate.Port
	budget abi.Handle
}

// ordinary are the limits that a node has by default.
func ordinary() capability.Limits { return capability.DefaultLimits() }

func newWorld(limits capability.Limits) *world {
	machine, err := host.New(host.Config{})
	if err != nil {
		return &world{err: err}
	}
	w := &world{machine: machine}
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if w.failed("begin a journal", status) {
		return w
	}
	w.kernel = gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: limits, Timers: 64,
		Endowment: abi.Amounts{1 << 46, 1 << 30, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	return w
}

// close gives the machine's memory back.
func (w *world) close() {
	if w.machine != nil {
		w.machine.Close()
	}
}

// failed keeps the first status that is not success.
func (w *world) failed(what string, status abi.Status) bool {
	if w.err == nil && status != abi.StatusOK {
		w.err = fmt.Errorf("%s: %w", what, status)
	}
	return w.err != nil
}

// boot makes a root task with plenty of everything.
func (w *world) boot(slots uint32) task {
	if w.err != nil {
		return task{}
	}
	amounts := abi.Amounts{1 << 40, uint64(slots) + 1<<20, 1 << 40, 1 << 40, 1 << 40, 1 << 40}
	port, budget, status := w.kernel.BootTask(slots, amounts)
	w.failed("boot a task", status)
	return task{port: port, budget: budget}
}

// do invokes, and returns the first word of the result, mostly a handle.
func (w *world) do(t task, h abi.Handle, c abi.Call, args *abi.Args) abi.Handle {
	if w.err != nil {
		return 0
	}
	w.failed(c.String(), t.port.Invoke(h, c, args))
	return abi.Handle(args.W[0])
}

// endpoint makes one that accepts every label.
func (w *world) endpoint(t task, capacity uint64) abi.Handle {
	return w.do(t, t.budget, abi.EndpointCreate, &abi.Args{W: [abi.ArgWords]uint64{capacity}, Label: abi.LabelTop()})
}

// region makes memory of that many bytes.
func (w *world) region(t task, bytes uint64) abi.Handle {
	return w.do(t, t.budget, abi.RegionCreate, &abi.Args{W: [abi.ArgWords]uint64{bytes}})
}

// give derives a capability of one root task for another.
func (w *world) give(from task, h abi.Handle, to task, rights abi.Rights) abi.Handle {
	if w.err != nil {
		return 0
	}
	mint := abi.Whole(rights)
	made, status := w.kernel.BootGrant(from.port, h, to.port, &mint)
	w.failed("grant", status)
	return made
}

// tidy clears away all that is behind.
func (w *world) tidy() {
	for w.err == nil && w.kernel.Tidy(sliceNodes) {
	}
}

// repeat is the work of one call, over and over with the same arguments.
func repeat(t task, h abi.Handle, c abi.Call, args *abi.Args) work {
	return func(n int) abi.Status {
		for range n {
			if status := t.port.Invoke(h, c, args); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
}
