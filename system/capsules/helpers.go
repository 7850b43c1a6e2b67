package capsules

import (
	"context"
	"sync"

	"phios/abi"
	"phios/api/control"
	"phios/kernel/gate"
	"phios/system"
)

// The manager's own programs: trusted, and Go.
const (
	programCaller = "caller"
	programWarden = "warden"
)

// The limits of the manager's own tasks.
const (
	faultsMax   = 4096 // reports that wait
	helperSlots = 256
	helperBytes = 1 << 20
)

// helper is a task of the manager's own, with a goroutine that may wait in the
// kernel.
type helper struct {
	task, budget abi.Handle
	begin        chan abi.Handle // one: the handle that it begins with
	jobs         chan job        // of a caller
	gone         chan struct{}   // closed when it is to end
}

// job is something to be done by a task that may wait.
type job struct {
	do   func(p *gate.Port)
	done chan struct{}
}

// helper makes a task of the manager's own and starts it.
func (m *Manager) helper(name, program string) (*helper, error) {
	return m.helperOn(name, program, abi.Amounts{})
}

// helperOn is helper with a budget that has more than the task itself takes.
func (m *Manager) helperOn(name, program string, amounts abi.Amounts) (*helper, error) {
	w := &helper{begin: make(chan abi.Handle, 1), jobs: make(chan job), gone: make(chan struct{})}
	amounts[abi.ResourceMemory] += helperBytes
	amounts[abi.ResourceSlots] += helperSlots
	var status abi.Status
	if w.budget, status = m.root.carve(amounts); status != abi.StatusOK {
		return nil, refused("carve the budget of the "+name, status)
	}
	var id uint64
	w.task, id, status = m.root.task(w.budget, helperSlots, 0)
	if status == abi.StatusOK {
		m.noteTask(id, name)
		status = m.begin(w.task, id, program, w)
	}
	if status != abi.StatusOK {
		m.root.drop(w.task, w.budget)
		return nil, refused("start the "+name, status)
	}
	return w, nil
}

// helperOf returns whom a task is the goroutine of.
func (m *Manager) helperOf(t *system.Task) *helper {
	v, _ := m.pending.LoadAndDelete(t.Port.TaskID())
	w, _ := v.(*helper)
	return w
}

// startWarden starts the task that answers faults.
func (m *Manager) startWarden() error {
	var status abi.Status
	if m.faults, status = m.root.endpoint(faultsMax); status != abi.StatusOK {
		return refused("make the endpoint of faults", status)
	}
	m.noteObject(m.faults, "faults")
	w, err := m.helper("warden", programWarden)
	if err != nil {
		return err
	}
	h, status := m.root.give(w.task, m.faults, abi.Whole(abi.RightInvoke|abi.RightReceive))
	if status != abi.StatusOK {
		return refused("give the warden its endpoint", status)
	}
	w.begin <- h
	return nil
}

// runWarden answers the faults of all tasks: whoever faults is ended. What it
// is told of ends it drops, since each capsule's goroutine tells the manager.
func (m *Manager) runWarden(t *system.Task) uint64 {
	w := m.helperOf(t)
	if w == nil {
		return 1
	}
	var message abi.Message
	a := abi.Args{Message: &message}
	h := <-w.begin
	for {
		message.Deadline = 0
		if status := t.Port.Invoke(h, abi.EndpointReceive, &a); status != abi.StatusOK {
			return uint64(status)
		}
		if message.Reply != 0 {
			answer := abi.Message{Words: [abi.MessageWords]uint64{abi.FaultKill}}
			_ = t.Port.Invoke(message.Reply, abi.EndpointReply, &abi.Args{Message: &answer}) // it may be dead already
		}
	}
}

// callers are the tasks by which people call capsules: each has a thread that
// may wait. They are made as they are needed.
type callers struct {
	m    *Manager
	free chan *helper // callersMax: whoever is done goes back

	mu     sync.Mutex
	made   int  // guarded by mu
	closed bool // guarded by mu
	all    []*helper
}

func newCallers(m *Manager) *callers {
	return &callers{m: m, free: make(chan *helper, callersMax)}
}

// take returns a caller that has nothing to do, waiting for one.
func (s *callers) take(ctx context.Context) (*helper, error) {
	select {
	case w := <-s.free:
		return w, nil
	default:
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, cancelled()
	}
	if s.made < callersMax {
		defer s.mu.Unlock()
		w, err := s.m.helper("operator", programCaller)
		if err != nil {
			return nil, err
		}
		s.made++
		s.all = append(s.all, w)
		return w, nil
	}
	s.mu.Unlock()
	select {
	case w := <-s.free:
		return w, nil
	case <-ctx.Done():
		return nil, cancelled()
	}
}

// do does something that may wait, with a capability of the caller's that is
// derived from h.
func (s *callers) do(ctx context.Context, h abi.Handle, m abi.Mint, do func(p *gate.Port, h abi.Handle)) error {
	w, err := s.take(ctx)
	if err != nil {
		return err
	}
	there, status := s.m.root.give(w.task, h, m)
	if status != abi.StatusOK {
		s.free <- w
		return refused("use the capsule's endpoint", status)
	}
	err = w.do(ctx, func(p *gate.Port) {
		do(p, there)
		_ = p.Invoke(there, abi.CapDelete, &abi.Args{}) // it may be revoked
	})
	s.free <- w
	return err
}

// runCaller is the goroutine of a caller.
func (m *Manager) runCaller(t *system.Task) uint64 {
	w := m.helperOf(t)
	if w == nil {
		return 1
	}
	for {
		select {
		case j := <-w.jobs:
			j.do(t.Port)
			close(j.done)
		case <-w.gone:
			return 0
		}
	}
}

// do lets a caller do something, and returns when it is done.
func (w *helper) do(ctx context.Context, do func(p *gate.Port)) error {
	j := job{do: do, done: make(chan struct{})}
	select {
	case w.jobs <- j:
		<-j.done
		return nil
	case <-w.gone:
	case <-ctx.Done():
	}
	return cancelled()
}

// close ends the callers. Nobody asks any more.
func (s *callers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, w := range s.all {
		close(w.gone)
	}
}

// The time that a call has, when nobody says, and at most.
const (
	callNS    = 10_000_000_000
	callNSMax = 600_000_000_000
)

// Call sends a capsule a message and waits for its answer.
func (m *Manager) Call(ctx context.Context, r control.CallRequest) (control.Answer, error) {
	c, err := m.cell(r.Capsule)
	if err != nil {
		return control.Answer{}, err
	}
	if c.endpoint == 0 {
		return control.Answer{}, badRequest(r.Capsule+" does not serve", "its manifest says 'serves: N' when it does")
	}
	message := abi.Message{Words: r.Words}
	if !message.SetPayload([]byte(r.Text)) {
		return control.Answer{}, badRequest("the text is longer than a message", "send at most 512 bytes")
	}
	within := int64(r.Within)
	if within <= 0 {
		within = callNS
	}
	message.Deadline = m.node.Machine().Now() + min(within, callNSMax)
	call := abi.EndpointCall
	if r.Send {
		call = abi.EndpointSend
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend)
	mint.Badge = operatorBadge
	var status abi.Status
	err = m.callers.do(ctx, c.endpoint, mint, func(p *gate.Port, h abi.Handle) {
		status = p.Invoke(h, call, &abi.Args{Message: &message})
		for _, came := range message.Handles[:min(message.HandleCount, abi.MessageHandleMax)] {
			if call == abi.EndpointCall && status == abi.StatusOK {
				_ = p.Invoke(came, abi.CapDelete, &abi.Args{}) // a person holds no handles
			}
		}
	})
	switch {
	case err != nil:
		return control.Answer{}, err
	case status != abi.StatusOK:
		return control.Answer{}, refused("call "+r.Capsule, status)
	case r.Send:
		return control.Answer{}, nil
	}
	return control.Answer{Text: string(message.Payload()), Words: message.Words, Label: message.Label}, nil
}

// operatorBadge is what capsules see of a message that a person sent.
const operatorBadge = 1 << 63
