package capsules

import (
	"context"
	"net/http"

	"phios/abi"
	"phios/api/control"
	"phios/kernel/gate"
)

// Service is a part of a node with operations of its own at the control
// socket, such as inference. The manager knows nothing else of it.
type Service interface {
	// Begin is called once, when the kernel runs and nobody asks yet. It returns
	// what can be asked, by the name behind [control.Prefix].
	Begin(m *Manager) (map[string]Operation, error)
	// Close ends it. It is called once, when no capsule runs any more, also when
	// Begin failed.
	Close() error
}

// Operation is how a service answers.
type Operation struct {
	// Need is INSPECT for looking and MANAGE for doing.
	Need abi.Rights
	Do   func(x Exchange) (any, error)
}

// Exchange is one request to a service.
type Exchange struct{ x *exchange }

// Context ends when the asker leaves.
func (e Exchange) Context() context.Context { return e.x.ctx }

// Read reads the request. A field that is not in its type is refused.
func (e Exchange) Read(into any) error { return e.x.read(into) }

// Ask reads what the asker sends behind the request, up to the next line end: a
// second wish while the answer is under way. It waits for it, and fails when
// the asker sends no more or the answer is over.
func (e Exchange) Ask() ([]byte, error) { return e.x.line() }

// Both lets the asker go on sending while it is answered.
func (e Exchange) Both() {
	_ = http.NewResponseController(e.x.out).EnableFullDuplex() // HTTP/1.1 can
}

// Show sends one value of an answer of many lines; the answer that Do returns
// comes behind, unless it is nil.
func (e Exchange) Show(v any) { e.x.show(v) }

// beginServices starts the services and joins their operations to the manager's
// own, whose names they cannot take.
func (m *Manager) beginServices() error {
	m.operations = operations()
	for _, s := range m.config.Services {
		m.services = append(m.services, s)
		more, err := s.Begin(m)
		if err != nil {
			return err
		}
		for name, op := range more {
			if _, taken := m.operations[name]; taken {
				return &control.Error{Code: control.CodeExists, Message: "two parts of the node answer to " + name, Remedy: "leave one of them out"}
			}
			m.operations[name] = operation{op.Need, func(_ *server, x *exchange) (any, error) { return op.Do(Exchange{x}) }}
		}
	}
	return nil
}

// Endpoint is where those outside who hold a key to a service ask. The kernel
// decides who gets through; what is asked travels beside it.
type Endpoint struct {
	m      *Manager
	handle abi.Handle
	name   string
}

// NewEndpoint makes an endpoint of the supervisor's.
func (m *Manager) NewEndpoint(name string) (*Endpoint, error) {
	e := &Endpoint{m: m, name: name}
	var status abi.Status
	if e.handle, status = m.root.endpoint(1); status == abi.StatusOK {
		status = m.root.serve(e.handle, m.desk)
	}
	if status != abi.StatusOK {
		return nil, refused("make the endpoint of "+name, status)
	}
	m.noteObject(e.handle, name)
	return e, nil
}

// Tenant is somebody outside of the node with a capability to an endpoint, on
// a budget of its own.
type Tenant struct {
	e      *Endpoint
	helper *helper
	key    abi.Handle // the supervisor's, from which the tenant's derives
	handle abi.Handle // in the tenant's own task
}

// Admission says what a tenant gets.
type Admission struct {
	// Name is what its task is called, Badge what the endpoint sees.
	Name  string
	Badge uint64
	// Rights are those beside INVOKE and SEND, such as RUN.
	Rights abi.Rights
	// Amounts are carved out of the supervisor's budget, beside what the task
	// itself takes.
	Amounts abi.Amounts
	// ForNS is how long the capability holds; zero is until it is closed.
	ForNS int64
}

// Admit makes a tenant. Whoever admits it closes it.
func (e *Endpoint) Admit(a Admission) (*Tenant, error) {
	t := &Tenant{e: e}
	var err error
	if t.helper, err = e.m.helperOn(a.Name, programCaller, a.Amounts); err != nil {
		return nil, err
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend | a.Rights | abi.RightGrant)
	mint.Badge = a.Badge
	if a.ForNS > 0 {
		mint.Expires = e.m.node.Machine().Now() + a.ForNS
	}
	var status abi.Status
	if t.key, status = e.m.root.mint(e.handle, mint); status == abi.StatusOK {
		t.handle, status = e.m.root.give(t.helper.task, t.key, abi.Whole(mint.Rights&^abi.RightGrant))
	}
	if status != abi.StatusOK {
		t.Close()
		return nil, refused("make the capability of "+a.Name, status)
	}
	return t, nil
}

// Enter asks the kernel whether a request may come in, and returns the label of
// what the tenant says. The error's code is the name of a status.
func (t *Tenant) Enter(ctx context.Context, words [abi.MessageWords]uint64) (abi.Label, error) {
	var label abi.Label
	var status abi.Status
	err := t.helper.do(ctx, func(p *gate.Port) {
		status = p.Invoke(t.handle, abi.EndpointCall, &abi.Args{Message: &abi.Message{Words: words}})
		label = p.Label()
	})
	if err == nil && status != abi.StatusOK {
		err = refused("ask "+t.e.name, status)
	}
	return label, err
}

// Spend takes amounts from the tenant's budget, all of one resource or none.
func (t *Tenant) Spend(r abi.Resource, amount uint64) bool {
	return t.e.m.spend(t.helper.budget, r, amount)
}

// SpendOwn takes from what the supervisor has not given to anybody: the
// tenant's expense is the node's.
func (t *Tenant) SpendOwn(r abi.Resource, amount uint64) bool { return t.e.m.SpendOwn(r, amount) }

// Left is what the tenant's budget has; nothing when it is closed.
func (t *Tenant) Left() abi.Amounts {
	a := abi.Args{}
	if t.e.m.root.do(t.helper.budget, abi.BudgetInspect, &a) != abi.StatusOK {
		return abi.Amounts{}
	}
	return a.W
}

// Close revokes the capability, and gives back what is left of the budget. It
// is called once, and not while the tenant enters.
func (t *Tenant) Close() {
	root := t.e.m.root
	root.drop(t.key)
	close(t.helper.gone)
	_ = root.do(t.helper.task, abi.TaskKill, &abi.Args{}) // with the node it dies anyway
	root.drop(t.helper.task, t.helper.budget)
}

// SpendOwn takes from what the supervisor has not given to anybody.
func (m *Manager) SpendOwn(r abi.Resource, amount uint64) bool {
	return m.spend(m.root.budget, r, amount)
}

func (m *Manager) spend(budget abi.Handle, r abi.Resource, amount uint64) bool {
	return m.root.do(budget, abi.BudgetSpend, &abi.Args{W: [abi.ArgWords]uint64{uint64(r), amount}}) == abi.StatusOK
}
