package gate

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/ipc"
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
}

// Serve makes h answer the calls to the endpoint that the handle names, one
// caller at a time as for any task. With concurrent set, callers do not wait
// for each other, and h must be safe for that.
//
// It needs RECEIVE. StatusBusy when the endpoint has a handler.
func (p *Port) Serve(endpoint abi.Handle, h Handler, concurrent bool) abi.Status { //nolint:revive // flag-parameter: said in the doc
	r, status := p.domain.space.Lookup(endpoint, abi.RightInvoke|abi.RightReceive)
	if status != abi.StatusOK {
		return status
	}
	if t := r.Object.Type(); t != abi.ObjectEndpoint && !t.Service() {
		return abi.StatusType
	}
	s := &server{handler: h, domain: p.domain}
	if !concurrent {
		s.turn = &turn{}
	}
	if !endpointOf(&r).server.CompareAndSwap(nil, s) {
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
		bill = terms.Payer.Self().(*account) //nolint:forcetypeassert,errcheck // payerFor checked it
	}
	if s := endpointOf(r).server.Load(); s != nil {
		return p.callHandler(r, h, m, inbound{server: s, label: label, bill: bill})
	}
	return p.callQueued(r, h, m, inbound{label: label, bill: bill})
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
	status = p.runHandler(r, m, in, q)
	if s.turn != nil {
		s.turn.pass()
	}
	q.bill = nil
	if !r.Current() && !mutant.On(mutant.ReplyUnfenced) {
		if _, gone := p.domain.space.Lookup(h, 0); gone != abi.StatusOK {
			p.discard(m)
			return abi.StatusRevoked
		}
	}
	return status
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

// runHandler delivers, serves, and delivers the answer.
func (p *Port) runHandler(r *capability.Ref, m *abi.Message, in inbound, q *Port) abi.Status {
	s := in.server
	q.kernel, q.domain, q.thread, q.up, q.depth = p.kernel, s.domain, p.thread, p, p.depth+1
	q.label, q.bill, q.from = s.domain.Label().Join(in.label), in.bill, r.Key()
	if m.HandleCount > 0 {
		if status := p.kernel.carry(p.domain.space, s.domain.space, m); status != abi.StatusOK {
			return status
		}
	}
	m.Badge, m.Label, m.Reply = r.Badge, in.label, 0
	status := s.handler.Serve(q, m)
	if status == abi.StatusOK {
		status = m.Check()
	}
	if status != abi.StatusOK {
		m.HandleCount, m.Moves = 0, 0
		return status
	}
	if status := p.rise(q.label); status != abi.StatusOK {
		m.HandleCount, m.Moves, m.Length = 0, 0, 0
		return status
	}
	m.Label = q.label
	if m.HandleCount > 0 {
		status = p.kernel.carry(s.domain.space, p.domain.space, m)
		if status == abi.StatusPeerFull {
			status = abi.StatusTableFull
		}
	}
	return status
}

// carry takes a message's capabilities from one CSpace to another, all or
// none, and puts the new handles into the message.
func (k *Kernel) carry(from, to *capability.Space, m *abi.Message) abi.Status {
	bundle, status := k.tree.Pack(from, m)
	if status != abi.StatusOK {
		return status
	}
	moved := m.Moves
	if status := k.tree.Install(&bundle, to, &m.Handles); status != abi.StatusOK {
		k.tree.Cancel(&bundle)
		return status
	}
	m.Moves = 0
	if moved != 0 {
		k.fenceMoved(to, m)
	}
	return abi.StatusOK
}

// fenceMoved ends the mappings that the former holders of moved capabilities
// made with them.
func (k *Kernel) fenceMoved(to *capability.Space, m *abi.Message) {
	for _, h := range m.Handles[:m.HandleCount] {
		if r, status := to.Lookup(h, 0); status == abi.StatusOK && r.Object.Type() == abi.ObjectRegion {
			k.fence(r.Object)
		}
	}
}

// discard takes back an answer that came through a capability that is no more.
func (p *Port) discard(m *abi.Message) {
	for _, h := range m.Handles[:min(m.HandleCount, abi.MessageHandleMax)] {
		p.kernel.tree.Delete(p.domain.space, h)
	}
	clear(m.Payload())
	m.Length, m.HandleCount, m.Words = 0, 0, [abi.MessageWords]uint64{}
}

// callQueued leaves the call in the mailbox and sleeps until it is answered.
func (p *Port) callQueued(r *capability.Ref, h abi.Handle, m *abi.Message, in inbound) abi.Status {
	t, e := p.thread, endpointOf(r)
	ticket := t.call.Begin()
	t.pending = pendingCall{ticket: ticket, key: r.Key(), caller: p.domain, payer: in.bill}
	t.grantedCount, t.onto = 0, p.domain
	if status := e.expect(t); status != abi.StatusOK {
		t.call.Cancel(ticket)
		return status
	}
	stamp := ipc.Stamp{Label: in.label, Badge: r.Badge, Sender: t.id, Call: &t.call, Ticket: ticket}
	status := p.post(r, h, m, &stamp)
	if status == abi.StatusOK {
		status = p.wakened(t.call.Wait(m.Deadline))
	} else {
		t.call.Cancel(ticket)
	}
	e.dismiss(t)
	if status != abi.StatusOK {
		return status
	}
	if status := p.rise(t.call.Answer().Label); status != abi.StatusOK {
		for _, h := range t.granted[:t.grantedCount] {
			p.kernel.tree.Delete(p.domain.space, h)
		}
		return status
	}
	t.call.Take(m)
	m.Reply, m.Handles, m.HandleCount = 0, t.granted, t.grantedCount
	return abi.StatusOK
}

// expect and dismiss keep the list of callers that wait.
func (e *endpoint) expect(t *Thread) abi.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pending) >= pendingMax {
		return abi.StatusMailboxFull
	}
	e.pending = append(e.pending, t)
	return abi.StatusOK
}

func (e *endpoint) dismiss(t *Thread) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, other := range e.pending {
		if other == t {
			last := len(e.pending) - 1
			e.pending[i], e.pending[last] = e.pending[last], nil
			e.pending = e.pending[:last]
			return
		}
	}
}

// fenceCalls answers the callers whose capability is no more.
func (e *endpoint) fenceCalls(k *Kernel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.pending {
		if !k.tree.Alive(t.pending.key) {
			t.call.Fence(t.pending.ticket)
		}
	}
}

// turn lets one caller at a time into a handler, in the order of their coming.
// Taking a free turn is one compare-and-swap.
type turn struct {
	state atomic.Uint32 // 0 free, 1 taken, 2 taken and waited for
	mu    sync.Mutex
	queue []*Thread
}

// take waits for the turn: StatusTimeout, StatusKilled.
func (u *turn) take(p *Port, deadline int64) abi.Status {
	if u.state.CompareAndSwap(0, 1) {
		return abi.StatusOK
	}
	t := p.thread
	u.mu.Lock()
	if u.state.Swap(2) == 0 {
		u.settle()
		u.mu.Unlock()
		return abi.StatusOK
	}
	t.turned, t.onto = false, p.domain
	u.queue = append(u.queue, t)
	u.mu.Unlock()
	for {
		inTime := t.Park(deadline)
		u.mu.Lock()
		if t.turned {
			u.mu.Unlock()
			return abi.StatusOK
		}
		if !inTime {
			u.leave(t)
			u.mu.Unlock()
			return p.wakened(abi.StatusTimeout)
		}
		u.mu.Unlock()
	}
}

// settle sets the state to taken, and whether someone waits.
//
// Preconditions:
//   - u.mu is held, and the turn is taken
func (u *turn) settle() {
	if len(u.queue) > 0 {
		u.state.Store(2)
		return
	}
	u.state.Store(1)
}

func (u *turn) leave(t *Thread) {
	for i, other := range u.queue {
		if other == t {
			u.queue = append(u.queue[:i], u.queue[i+1:]...)
			return
		}
	}
}

// pass gives the turn to the first that waits, or frees it.
func (u *turn) pass() {
	if u.state.CompareAndSwap(1, 0) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		u.state.Store(0)
		return
	}
	t := u.queue[0]
	u.queue = u.queue[:copy(u.queue, u.queue[1:])]
	t.turned = true
	u.settle()
	t.Unpark()
}
