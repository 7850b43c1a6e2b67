// Package hook is where a loaded program may look on and say no: five points,
// each with its own typed context.
//
// A hook can only allow or refuse. It is given values, never a pointer into
// the kernel, and returns a status: StatusOK allows, and every other becomes
// StatusDenied, so that a hook cannot pretend that the kernel failed. It cannot
// change what it sees, and cannot allow what the kernel refuses: it is asked
// after rights and terms (and where messages pass, after labels), and before
// anything is done.
//
// An empty point costs one atomic load and one branch, where the context is
// built only for a hook that is there. [Table.IPC] and its like are shorter to
// write, and build the context in any case: they are for the slow paths.
//
//	if h := table.IPCHook(); h != nil {
//		if status := h(hook.IPC{…}); status != abi.StatusOK {
//			return status
//		}
//	}
//
// A hook that panics is not caught here, and is not a refusal. Programs that
// are loaded into a hook report their own faults as refusals; what still
// panics is a broken invariant of ΦOS, and goes up to whoever may recover it,
// around the capsule or the request. As the hook is asked before anything is
// done, the call it was asked about has no effect.
//
// A hook runs on the thread of whoever is at the point, perhaps on several at
// once, and must neither block nor call the gate. Installing replaces it at
// once for those who come to the point afterwards; a thread that has loaded
// the old one may still be running it when Install returns.
//
// Lock order: none; each point is one atomic pointer.
//
// Invariants:
//   - a hook's answer is StatusOK or StatusDenied;
//   - a point holds one hook or none, also while it is replaced.
//
// Ledger: S25 (the points; the programs are loaded elsewhere).
package hook

import (
	"sync/atomic"

	"phios/abi"
)

// Func is a hook of the point whose context is C.
type Func[C any] func(C) abi.Status

// point holds the hook of one point. Rejected: an atomic.Value, which asserts
// the type on every load.
type point[C any] struct {
	hook atomic.Pointer[Func[C]]
}

// install puts f, made unable to answer anything but yes and no, into the
// point; nil empties it.
func (p *point[C]) install(f Func[C]) {
	if f == nil {
		p.hook.Store(nil)
		return
	}
	narrowed := Func[C](func(c C) abi.Status {
		if f(c) != abi.StatusOK {
			return abi.StatusDenied
		}
		return abi.StatusOK
	})
	p.hook.Store(&narrowed)
}

// load returns the hook, nil when there is none.
func (p *point[C]) load() Func[C] {
	h := p.hook.Load()
	if h == nil {
		return nil
	}
	return *h
}

// ask asks the hook, if there is one.
func (p *point[C]) ask(c C) abi.Status {
	if h := p.hook.Load(); h != nil {
		return (*h)(c)
	}
	return abi.StatusOK
}

// Table is the five points. The zero value has no hook. It must not be copied
// once it is in use.
type Table struct {
	gate      point[Gate]
	ipc       point[IPC]
	scheduler point[Scheduler]
	inference point[Inference]
	network   point[Network]
}

// InstallGate puts f at the gate, in place of what was there; nil empties it.
func (t *Table) InstallGate(f func(Gate) abi.Status) { t.gate.install(f) }

// GateHook returns the hook at the gate, nil when there is none.
func (t *Table) GateHook() Func[Gate] { return t.gate.load() }

// Gate asks the hook at the gate: StatusOK or StatusDenied. An empty point
// allows.
func (t *Table) Gate(c Gate) abi.Status { return t.gate.ask(c) }

// InstallIPC puts f where messages pass, in place of what was there; nil
// empties it.
func (t *Table) InstallIPC(f func(IPC) abi.Status) { t.ipc.install(f) }

// IPCHook returns the hook where messages pass, nil when there is none.
func (t *Table) IPCHook() Func[IPC] { return t.ipc.load() }

// IPC asks the hook where messages pass: StatusOK or StatusDenied. An empty
// point allows.
func (t *Table) IPC(c IPC) abi.Status { return t.ipc.ask(c) }

// InstallScheduler puts f where tasks start, stop, park and wake, in place of
// what was there; nil empties it.
func (t *Table) InstallScheduler(f func(Scheduler) abi.Status) { t.scheduler.install(f) }

// SchedulerHook returns the hook where tasks start, stop, park and wake, nil
// when there is none.
func (t *Table) SchedulerHook() Func[Scheduler] { return t.scheduler.load() }

// Scheduler asks the hook where tasks start, stop, park and wake: StatusOK or
// StatusDenied. An empty point allows.
func (t *Table) Scheduler(c Scheduler) abi.Status { return t.scheduler.ask(c) }

// InstallInference puts f before work of a model, in place of what was there;
// nil empties it.
func (t *Table) InstallInference(f func(Inference) abi.Status) { t.inference.install(f) }

// InferenceHook returns the hook before work of a model, nil when there is
// none.
func (t *Table) InferenceHook() Func[Inference] { return t.inference.load() }

// Inference asks the hook before work of a model: StatusOK or StatusDenied. An
// empty point allows.
func (t *Table) Inference(c Inference) abi.Status { return t.inference.ask(c) }

// InstallNetwork puts f before work of a socket, in place of what was there;
// nil empties it.
func (t *Table) InstallNetwork(f func(Network) abi.Status) { t.network.install(f) }

// NetworkHook returns the hook before work of a socket, nil when there is
// none.
func (t *Table) NetworkHook() Func[Network] { return t.network.load() }

// Network asks the hook before work of a socket: StatusOK or StatusDenied. An
// empty point allows.
func (t *Table) Network(c Network) abi.Status { return t.network.ask(c) }
