package gate

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/hook"
	"phios/kernel/ipc"
)

// endpoint is where calls and messages meet their server: a handler that runs
// on the caller's thread, or a mailbox that the server empties.
type endpoint struct {
	object  *capability.Object
	mailbox *ipc.Mailbox
	ceiling abi.Label
	holds   holding
	server  atomic.Pointer[server]

	mu      sync.Mutex
	pending map[uint64]pendingCall // callers that wait for an answer, by thread
}

// pendingMax bounds the callers that wait at one endpoint: those whose message
// is in the mailbox, and those whose message was taken.
const pendingMax = 1 << 14

func endpointOf(r *capability.Ref) *endpoint { return r.Object.Self().(*endpoint) } // the gate checked the type

// endpointCreate makes an endpoint, or a service object, on a budget.
func (p *Port) endpointCreate(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	typ := abi.ObjectEndpoint
	if a.W[1] != 0 {
		typ = abi.ObjectType(min(a.W[1], 255))
		if !typ.Service() {
			return abi.StatusBadArgument
		}
	}
	if a.W[0] == 0 || a.W[0] > ipc.CapacityMax {
		return abi.StatusBadArgument
	}
	capacity, top := int(a.W[0]), a.Label //nolint:gosec // G115: at most CapacityMax
	return p.create(r, a, terms, func() (*capability.Object, abi.Status) {
		holds, status := hold(accountOf(r), ipc.Bytes(capacity)+objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		e := &endpoint{ceiling: top, holds: holds}
		e.mailbox, status = ipc.New(capacity)
		if status == abi.StatusOK {
			e.object, status = p.kernel.tree.NewObject(typ, e)
		}
		if status != abi.StatusOK {
			holds.release()
			return nil, status
		}
		return e.object, abi.StatusOK
	})
}

// admit decides whether a message may go to the endpoint: its counts, its
// label against both ceilings, and the hooks. It returns the label that the
// message carries.
func (p *Port) admit(r *capability.Ref, m *abi.Message, terms *capability.Terms, isCall bool) (abi.Label, abi.Status) {
	if m == nil {
		return abi.Label{}, abi.StatusBadArgument
	}
	if status := m.Check(); status != abi.StatusOK {
		return abi.Label{}, status
	}
	label := p.Label()
	if m.Label != (abi.Label{}) {
		label = label.Join(m.Label)
	}
	e := endpointOf(r)
	if !label.FlowsTo(e.ceiling) && !mutant.On(mutant.CeilingUnchecked) {
		return label, abi.StatusLabel
	}
	if terms != nil && !label.FlowsTo(terms.Ceiling) && !mutant.On(mutant.CeilingUnchecked) {
		return label, abi.StatusLabel
	}
	if h := p.kernel.hooks.IPCHook(); h != nil {
		context := hook.IPC{
			Task: p.domain.ID(), Object: r.Object.ID(), Badge: r.Badge, Label: label,
			Bytes: uint32(m.Length), Handles: m.HandleCount, Type: r.Object.Type(), Call: isCall,
		}
		if h(context) != abi.StatusOK {
			return label, abi.StatusDenied
		}
	}
	return label, p.admitService(r, m, label)
}

// admitService asks the hook that belongs to a kind of service object. The
// words are by the service's contract: see abi.AIInfer for those of a model;
// of a socket the operation comes first.
func (p *Port) admitService(r *capability.Ref, m *abi.Message, label abi.Label) abi.Status {
	status := abi.StatusOK
	// The others have no hook of their own.
	//exhaustive:ignore
	switch r.Object.Type() {
	case abi.ObjectModel:
		if h := p.kernel.hooks.InferenceHook(); h != nil {
			status = h(inferenceOf(p.domain.ID(), r.Badge, label, m))
		}
	case abi.ObjectSocket:
		if h := p.kernel.hooks.NetworkHook(); h != nil {
			status = h(hook.Network{Task: p.domain.ID(), Socket: r.Badge, Label: label, Operation: uint16(m.Words[0]), Bytes: uint32(m.Length)}) //nolint:gosec // G115: the low bits are what the contract uses
		}
	default:
		return abi.StatusOK
	}
	if status != abi.StatusOK {
		return abi.StatusDenied
	}
	return abi.StatusOK
}

// inferenceOf is what the hook sees of a request to a model. Its figures are
// what the caller says, as far as they fit; the service holds him to them.
func inferenceOf(task, model uint64, label abi.Label, m *abi.Message) hook.Inference {
	prompt := uint64(m.Length)
	if m.HandleCount > 0 && m.Words[1] > 0 {
		prompt = min(m.Words[1], 1<<32-1)
	}
	return hook.Inference{
		Task: task, Model: model, Label: label, Operation: uint16(min(m.Words[2], 1<<16-1)),
		Prompt: uint32(prompt), Limit: uint32(m.Words[3]), //nolint:gosec // G115: bounded above, and the low half is the limit
	}
}

// send leaves a message in the mailbox.
func (p *Port) send(r *capability.Ref, h abi.Handle, m *abi.Message, terms *capability.Terms) abi.Status {
	label, status := p.admit(r, m, terms, false)
	if status != abi.StatusOK {
		return status
	}
	stamp := ipc.Stamp{Label: label, Badge: r.Badge, Sender: p.domain.ID()}
	return p.post(r, h, m, &stamp)
}

// post puts a message and its capabilities into the mailbox, so that no
// revocation overtakes it.
func (p *Port) post(r *capability.Ref, h abi.Handle, m *abi.Message, stamp *ipc.Stamp) abi.Status {
	e := endpointOf(r)
	var bundle capability.Bundle
	if m.HandleCount > 0 {
		status := p.kernel.ready()
		if status != abi.StatusOK {
			return status
		}
		if bundle, status = p.kernel.tree.Pack(p.domain.space, m); status != abi.StatusOK {
			return status
		}
		stamp.Transit, stamp.TransitCount = bundle.Nodes, bundle.Count
	}
	status := p.enter(r, h)
	if status == abi.StatusOK {
		status = e.mailbox.Send(m, *stamp)
		r.Leave()
	}
	if status != abi.StatusOK {
		p.kernel.tree.Cancel(&bundle)
	}
	return status
}

// enter begins a short operation on what the handle names, looking it up again
// as often as others revoke on the same object.
func (p *Port) enter(r *capability.Ref, h abi.Handle) abi.Status {
	for range lookupsMax {
		if r.Enter() {
			return abi.StatusOK
		}
		again, status := p.domain.space.Lookup(h, r.Rights())
		if status != abi.StatusOK {
			return status
		}
		*r = again
	}
	return abi.StatusBusy
}

// receive takes the oldest message.
func (p *Port) receive(r *capability.Ref, h abi.Handle, m *abi.Message) abi.Status {
	if m == nil {
		return abi.StatusBadArgument
	}
	e := endpointOf(r)
	if status := e.mailbox.AcquireConsumer(); status != abi.StatusOK {
		return status
	}
	defer e.mailbox.ReleaseConsumer()
	deadline := m.Deadline
	for {
		envelope := e.mailbox.Head()
		if envelope == nil && !p.patient(e) {
			p.waitBy(r, h)
			if status := p.waited(e.mailbox.Wait(&p.thread.self, deadline)); status != abi.StatusOK {
				return status
			}
		}
		if envelope == nil {
			continue
		}
		// The wait may have been long: what was revoked meanwhile receives nothing.
		if !r.Current() {
			again, status := p.domain.space.Lookup(h, r.Rights())
			if status != abi.StatusOK {
				return status
			}
			*r = again
		}
		taken, status := p.take(e, envelope, m)
		if taken || status != abi.StatusOK {
			return status
		}
	}
}

// patient lets others run a few times before the receiver says that it sleeps,
// and reports whether a message came. On few processors a sender fills many
// places in such a turn; a receiver that sleeps at once is woken for each.
func (p *Port) patient(e *endpoint) bool {
	for range patienceMax {
		p.kernel.machine.Relax()
		if e.mailbox.Head() != nil {
			return true
		}
	}
	return false
}

const patienceMax = 8

// take delivers the head of the mailbox, or drops it when its caller no longer
// waits, which is not a delivery. A message that cannot be taken stays.
func (p *Port) take(e *endpoint, envelope *ipc.Envelope, m *abi.Message) (taken bool, status abi.Status) {
	if envelope.Call == nil && envelope.TransitCount == 0 {
		if status := p.rise(envelope.Label); status != abi.StatusOK {
			return false, status
		}
		envelope.Open(m)
		e.mailbox.Drop()
		return true, abi.StatusOK
	}
	return p.takeWhole(e, envelope, m)
}

// takeWhole is take for a call, and for a message with capabilities.
func (p *Port) takeWhole(e *endpoint, envelope *ipc.Envelope, m *abi.Message) (taken bool, status abi.Status) {
	bundle := capability.Bundle{Nodes: envelope.Transit, Count: envelope.TransitCount}
	caller, waits := e.callerOf(p.kernel, envelope)
	if envelope.Call != nil && !waits {
		p.kernel.tree.Cancel(&bundle)
		e.mailbox.Drop()
		return false, abi.StatusOK
	}
	needed := int(bundle.Count)
	if waits {
		needed++
	}
	if !p.domain.space.Room(needed) {
		return false, abi.StatusTableFull
	}
	var answer abi.Handle
	if waits {
		if answer, status = p.newReply(caller); status != abi.StatusOK {
			return false, status
		}
	}
	if status := p.rise(envelope.Label); status != abi.StatusOK {
		p.dropReply(answer)
		return false, status
	}
	var handles [abi.MessageHandleMax]abi.Handle
	moved := p.kernel.tree.Moves(&bundle)
	if status := p.kernel.tree.Install(&bundle, p.domain.space, &handles); status != abi.StatusOK {
		p.dropReply(answer)
		return false, abi.StatusTableFull
	}
	count, sender := envelope.TransitCount, envelope.Sender
	if waits {
		sender = caller.caller.ID() // of a call, the stamp names the thread
	}
	envelope.Open(m)
	m.Reply, m.Handles, m.HandleCount = answer, handles, count
	e.mailbox.Drop()
	if count > 0 {
		p.kernel.carried(sender, p.domain, m, moved)
	}
	return true, abi.StatusOK
}

// shut ends an endpoint that nobody will ever answer at: the messages in it
// are dropped, what was moved in them goes back, and callers are told.
func (e *endpoint) shut(k *Kernel) {
	e.mailbox.Close()
	for e.mailbox.AcquireConsumer() != abi.StatusOK {
		k.machine.Relax() // its receiver was woken, and finds its capability gone
	}
	for !e.mailbox.Drain(func(envelope *ipc.Envelope) {
		bundle := capability.Bundle{Nodes: envelope.Transit, Count: envelope.TransitCount}
		k.tree.Cancel(&bundle)
		if envelope.Call != nil {
			_ = envelope.Call.PeerDied(envelope.Ticket) // over already, it needs no telling
		}
	}) {
		k.machine.Relax()
	}
	e.mailbox.ReleaseConsumer()
}
