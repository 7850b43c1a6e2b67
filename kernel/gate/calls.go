package gate

import (
	"cmp"
	"slices"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/ipc"
	"phios/kernel/journal"
)

// Handler is a server in this process. Serve runs on the caller's own thread,
// with the server's port: it finds the request in m and leaves its answer
// there. What it returns is the status of the caller's call; with a status
// other than StatusOK nothing else of the answer is delivered.
type Handler interface {
	Serve(p *Port, m *abi.Message) abi.Status
}

// server is a handler at its endpoint.
type server struct {
	handler Handler
	domain  *Domain
	turn    *turn // nil when callers need not take turns
	keeps   bool  // it remembers what it is told
	key     capability.Key
}

// gone reports whether the server will never answer again: its task is dead or
// its capability is.
func (s *server) gone(k *Kernel) bool { return !s.domain.Alive() || !k.tree.Alive(s.key) }

// fenceServer takes the place of a server that has lost its capability.
func (e *endpoint) fenceServer(k *Kernel) {
	if s := e.server.Load(); s != nil && s.gone(k) {
		e.server.CompareAndSwap(s, nil)
	}
}

// Serve makes h answer the calls to the endpoint that the handle names, one
// caller at a time as for any task. With concurrent set, callers do not wait
// for each other, and h must be safe for that.
//
// It needs RECEIVE. StatusBusy when the endpoint has a handler.
func (p *Port) Serve(endpoint abi.Handle, h Handler, concurrent bool) abi.Status { //nolint:revive // flag-parameter: said in the doc
	r, status := p.servable(endpoint)
	if status != abi.StatusOK {
		return status
	}
	s := &server{handler: h, domain: p.domain, key: r.Key()}
	if !concurrent {
		s.turn = &turn{}
	}
	return p.install(&r, s)
}

// ServeProgram is Serve, one caller at a time, for a handler that keeps what it
// is told, as every program with memory of its own may: a call raises the label
// of its task for good, as receiving it from a mailbox does. Such a handler can
// map and unmap regions while it serves.
//
// A call with a deadline goes to the mailbox instead, from which the program's
// own thread must receive: on its own thread a caller could not leave before
// the program answers, and the program is a stranger's.
//
// It needs RECEIVE. StatusBusy when the endpoint has a handler.
func (p *Port) ServeProgram(endpoint abi.Handle, h Handler) abi.Status {
	r, status := p.servable(endpoint)
	if status != abi.StatusOK {
		return status
	}
	return p.install(&r, &server{handler: h, domain: p.domain, key: r.Key(), turn: &turn{}, keeps: true})
}

// servable finds an endpoint at which the task may answer.
func (p *Port) servable(endpoint abi.Handle) (capability.Ref, abi.Status) {
	r, status := p.domain.space.Lookup(endpoint, abi.RightInvoke|abi.RightReceive)
	if status != abi.StatusOK {
		return r, status
	}
	if t := r.Object.Type(); t != abi.ObjectEndpoint && !t.Service() {
		return r, abi.StatusType
	}
	return r, abi.StatusOK
}

// install puts a server at its endpoint, if there is none.
func (p *Port) install(r *capability.Ref, s *server) abi.Status {
	e := endpointOf(r)
	e.fenceServer(p.kernel)
	if !e.server.CompareAndSwap(nil, s) {
		return abi.StatusBusy
	}
	return abi.StatusOK
}

// call sends a message and waits for the answer.
func (p *Port) call(r *capability.Ref, h abi.Handle, m *abi.Message, terms *capability.Terms) abi.Status {
	label, status := p.admit(r, m, terms, true)
	if status != abi.StatusOK {
		return status
	}
	bill := p.domain.payer
	if terms != nil && terms.Payer != nil {
		bill = terms.Payer.Self().(*account) // payerFor checked the type
	}
	s := endpointOf(r).server.Load()
	switch {
	case s == nil:
		return p.callQueued(r, h, m, inbound{label: label, bill: bill})
	case s.keeps && m.Deadline > 0:
		return p.callProgram(r, h, m, inbound{label: label, bill: bill})
	default:
		return p.callHandler(r, h, m, inbound{server: s, label: label, bill: bill})
	}
}

// roomNS is how long a call waits before it looks again for room in a mailbox.
const roomNS = 100_000

// callProgram is a call with a deadline to a program. While the mailbox is full
// it waits for room: the program takes letters, and whoever floods it must not
// keep others from calling.
func (p *Port) callProgram(r *capability.Ref, h abi.Handle, m *abi.Message, in inbound) abi.Status {
	for {
		status, now := p.callQueued(r, h, m, in), p.kernel.machine.Now()
		if status != abi.StatusMailboxFull || now >= m.Deadline {
			return status
		}
		p.waitBy(r, h)
		_ = p.thread.Park(min(now+roomNS, m.Deadline)) // how it ended is asked next
		if status := p.waited(abi.StatusTimeout); status != abi.StatusTimeout {
			return status
		}
	}
}

// inbound is what a call carries besides its message.
type inbound struct {
	server *server
	label  abi.Label
	bill   *account
}

// callHandler runs the server on the caller's own thread.
func (p *Port) callHandler(r *capability.Ref, h abi.Handle, m *abi.Message, in inbound) abi.Status {
	s := in.server
	if !s.domain.Alive() {
		return abi.StatusPeerDead
	}
	q, status := p.next(s)
	if status != abi.StatusOK {
		return status
	}
	if s.turn != nil {
		if status := s.turn.take(p, m.Deadline); status != abi.StatusOK {
			return status
		}
	}
	status = p.runHandler(r, h, m, in, q)
	if s.turn != nil {
		s.turn.pass()
	}
	q.bill = nil
	return status
}

// fenced reports whether the capability that a call came through was revoked
// while it was being served.
func (p *Port) fenced(r *capability.Ref, h abi.Handle) bool {
	if r.Current() || mutant.On(mutant.ReplyUnfenced) {
		return false
	}
	_, status := p.domain.space.Lookup(h, 0)
	return status != abi.StatusOK
}

// next returns the port of the server on this thread.
//
// StatusCycle when the server is waiting for this very call, StatusDepth when
// the chain of calls is at its limit.
func (p *Port) next(s *server) (*Port, abi.Status) {
	if p.depth+1 >= callDepthMax {
		return nil, abi.StatusDepth
	}
	if s.turn != nil {
		for up := p; up != nil; up = up.up {
			if up.domain == s.domain {
				return nil, abi.StatusCycle
			}
		}
	}
	return &p.thread.ports[p.depth+1], abi.StatusOK
}

// runHandler delivers, serves, and delivers the answer, unless the caller's
// capability was revoked meanwhile: then nothing of the answer arrives, and
// what the server would have moved stays with it.
func (p *Port) runHandler(r *capability.Ref, h abi.Handle, m *abi.Message, in inbound, q *Port) abi.Status {
	s := in.server
	if s.keeps {
		if status := p.kernel.raise(s.domain, in.label); status != abi.StatusOK {
			return status
		}
	}
	q.kernel, q.domain, q.thread, q.up, q.depth = p.kernel, s.domain, p.thread, p, p.depth+1
	q.keeps = s.keeps
	q.label, q.bill, q.from, q.may = s.domain.Label().Join(in.label), in.bill, r.Key(), r.Rights()
	if m.HandleCount > 0 {
		if status := p.kernel.carry(p.domain, s.domain, m); status != abi.StatusOK {
			return status
		}
	}
	m.Badge, m.Label, m.Reply = r.Badge, in.label, 0
	status := s.handler.Serve(q, m)
	switch {
	case p.fenced(r, h):
		status = abi.StatusRevoked
	case !p.domain.Alive():
		status = abi.StatusKilled
	case !s.domain.Alive():
		status = abi.StatusPeerDead
	case status == abi.StatusOK:
		status = p.deliver(q, m)
	default: // the server's choice of a status tells something too
		if risen := p.rise(q.Label()); risen != abi.StatusOK {
			status = risen
		}
	}
	if status != abi.StatusOK {
		m.Withhold()
		return status
	}
	if m.HandleCount > 0 && p.fenced(r, h) {
		for _, granted := range m.Handles[:m.HandleCount] {
			p.kernel.undo(p.domain.space, granted)
		}
		m.Withhold()
		return abi.StatusRevoked
	}
	return abi.StatusOK
}

// deliver takes a handler's answer to its caller.
func (p *Port) deliver(q *Port, m *abi.Message) abi.Status {
	if status := m.Check(); status != abi.StatusOK {
		return status
	}
	if status := p.rise(q.Label()); status != abi.StatusOK {
		return status
	}
	m.Label = q.Label()
	if m.HandleCount == 0 {
		return abi.StatusOK
	}
	status := p.kernel.carry(q.domain, p.domain, m)
	if status == abi.StatusPeerFull {
		return abi.StatusTableFull
	}
	return status
}

// carry takes a message's capabilities from one task to another, all or none,
// and puts the new handles into the message.
func (k *Kernel) carry(from, to *Domain, m *abi.Message) abi.Status {
	if status := k.ready(); status != abi.StatusOK {
		return status
	}
	bundle, status := k.tree.Pack(from.space, m)
	if status != abi.StatusOK {
		return status
	}
	moved := m.Moves
	if status := k.tree.Install(&bundle, to.space, &m.Handles); status != abi.StatusOK {
		k.tree.Cancel(&bundle)
		return status
	}
	m.Moves = 0
	k.carried(from.ID(), to, m, moved)
	return abi.StatusOK
}

// carried records the capabilities that a message brought, and ends what the
// former holders of those that were moved began with them: mappings, and
// serving.
func (k *Kernel) carried(from uint64, to *Domain, m *abi.Message, moved uint8) {
	for i, h := range m.Handles[:m.HandleCount] {
		r, status := to.space.Lookup(h, 0)
		if status != abi.StatusOK {
			continue // revoked on its way
		}
		kind := journal.KindGrant
		if moved&(1<<i) != 0 {
			kind = journal.KindMove
		}
		k.note(journal.Record{
			Kind: kind, Task: from, Peer: to.ID(), Object: r.Object.ID(), Type: r.Object.Type(),
			Rights: r.Rights(), Pass: r.Pass(), Badge: r.Badge, Words: [abi.MessageWords]uint64{uint64(r.Key())},
		})
		switch self := r.Object.Self().(type) {
		case *memory:
			k.fence(r.Object)
		case *endpoint:
			self.fenceServer(k)
		}
	}
}

// callQueued leaves the call in the mailbox and sleeps until it is answered.
func (p *Port) callQueued(r *capability.Ref, h abi.Handle, m *abi.Message, in inbound) abi.Status {
	t, e := p.thread, endpointOf(r)
	if r.Rights().Has(abi.RightReceive) && p.kernel.tree.Receivers(r.Object) == 1 {
		return abi.StatusCycle // nobody else can ever receive it
	}
	ticket := t.call.Begin()
	t.grantedCount, t.onto = 0, p.domain
	waiting := pendingCall{thread: t, ticket: ticket, key: r.Key(), caller: p.domain, payer: in.bill, nested: p.floats()}
	if status := e.expect(waiting); status != abi.StatusOK {
		_ = t.call.Cancel(ticket) // nobody has the ticket yet
		return status
	}
	stamp := ipc.Stamp{Label: in.label, Badge: r.Badge, Sender: t.id, Call: &t.call, Ticket: ticket}
	status := p.post(r, h, m, &stamp)
	if status == abi.StatusOK {
		status = p.wakened(t.call.Wait(m.Deadline))
	} else {
		_ = t.call.Cancel(ticket) // nobody has the ticket yet
	}
	e.dismiss(t)
	if status != abi.StatusOK {
		return status
	}
	if status := p.rise(t.call.Answer().Label); status != abi.StatusOK {
		for _, h := range t.granted[:t.grantedCount] {
			p.kernel.undo(p.domain.space, h)
		}
		return status
	}
	t.call.Take(m)
	m.Reply, m.Handles, m.HandleCount = 0, t.granted, t.grantedCount
	return abi.StatusOK
}

// expect and dismiss keep the callers that wait at the endpoint.
func (e *endpoint) expect(c pendingCall) abi.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pending) >= pendingMax {
		return abi.StatusMailboxFull
	}
	if e.pending == nil {
		e.pending = map[uint64]pendingCall{}
	}
	e.pending[c.thread.id] = c
	return abi.StatusOK
}

func (e *endpoint) dismiss(t *Thread) {
	e.mu.Lock()
	delete(e.pending, t.id)
	e.mu.Unlock()
}

// callerOf returns who waits for an answer to a message; false when nobody
// does: it was a send, or the caller gave up or lost its capability.
func (e *endpoint) callerOf(k *Kernel, envelope *ipc.Envelope) (pendingCall, bool) {
	if envelope.Call == nil || envelope.Call.Over(envelope.Ticket) {
		return pendingCall{}, false
	}
	e.mu.Lock()
	c, ok := e.pending[envelope.Sender]
	e.mu.Unlock()
	if !ok || c.ticket != envelope.Ticket {
		return pendingCall{}, false
	}
	if !k.tree.Alive(c.key) {
		_ = envelope.Call.Fence(envelope.Ticket) // over already, it needs no fence
		return pendingCall{}, false
	}
	return c, true
}

// fenceCalls answers the callers whose capability is no more. An answer that is
// being written at this moment wins, and is waited for: when fenceCalls
// returns, every such call is over.
func (e *endpoint) fenceCalls(k *Kernel) {
	for _, c := range e.waiting() {
		if !k.tree.Alive(c.key) && c.thread.call.Fence(c.ticket) == abi.StatusBusy {
			for !c.thread.call.Over(c.ticket) {
				k.machine.Relax()
			}
		}
	}
}

// waiting returns the callers that wait, in the order of their threads, so
// that a seed replays the order in which they are woken.
func (e *endpoint) waiting() []pendingCall {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pending) == 0 {
		return nil
	}
	list := make([]pendingCall, 0, len(e.pending))
	for _, c := range e.pending {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b pendingCall) int { return cmp.Compare(a.thread.id, b.thread.id) })
	return list
}
