package models

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/kernel/gate"
	"phios/platform"
)

// The limits of what is served.
const (
	ModelsMax    = 1024    // endpoints
	HoldersMax   = 1 << 16 // of all models
	StreamsMax   = 16      // that one holder has open
	mailboxSlots = 1       // nobody sends, and the kernel wants one
	// keptBytesMax bounds the requests in open batches, of all holders.
	keptBytesMax = 256 << 20
	// pollNS is how often it is looked whether there is somebody to work for.
	pollNS = 10_000_000
	// streamIdleNS is how long a stream waits to be asked for its next piece.
	streamIdleNS = 60_000_000_000
)

// callable is what a holder does with a model: call it.
const callable = abi.RightInvoke | abi.RightSend

// Rights are those that belong to models.
const Rights = abi.RightLoad | abi.RightRun | abi.RightMap | abi.RightPin | abi.RightQuantize | abi.RightDelete

// Device is the unit on which a model would run.
type Device struct {
	// Unit is its name.
	Unit string
	// Loaded says that the model is there already.
	Loaded bool
	// First is the expected time until the first token of a short prompt.
	First time.Duration
}

// Config is what models are served from.
type Config struct {
	// Service does the work.
	Service inference.Service
	// Machine is the node's: its clock, and its way to wait.
	Machine platform.Machine
	// Now is the clock by which the service keeps deadlines.
	Now func() time.Time
	// Select says where a model would run. Nil: nobody can tell.
	Select func(who inference.Account, model string, c inference.Constraints) (Device, error)
	// Open opens the file of a model, for reading, until release is called.
	// Nobody may have the permission to write to it: see host.Machine.Import.
	// Nil: models cannot be mapped.
	Open func(model string) (f *os.File, release func(), err error)
}

// Models serves models as kernel objects. Its methods may be called from any
// goroutine, those that take a port with a port of the one task that serves.
type Models struct {
	c       Config
	closing atomic.Bool
	work    sync.WaitGroup // streams
	kept    atomic.Int64   // bytes of requests in open batches

	mu      sync.Mutex
	badges  uint64             // guarded by mu
	models  map[string]*model  // guarded by mu: by name
	holders map[uint64]*holder // guarded by mu: by badge
}

// model is one model as an object.
type model struct {
	models   *Models
	name     string
	budget   abi.Handle // on which what it needs is made
	endpoint abi.Handle

	mu    sync.Mutex
	file  abi.Handle // the region that shows the file, zero when not made; guarded by mu
	bytes uint64     // of the file; guarded by mu
}

// holder is one who was granted a model.
type holder struct {
	model   *model
	name    string // for logs and fair shares
	badge   uint64
	branch  abi.Handle // what the holder's capabilities derive from
	expires int64
	refused func(error)

	mu      sync.Mutex
	gone    bool               // guarded by mu
	shown   abi.Handle         // the holder's branch of the region; guarded by mu
	last    uint16             // number; guarded by mu
	streams map[uint16]*stream // guarded by mu
	batches map[uint16]*batch  // guarded by mu
}

// New makes a server of models. Nobody can use it before [Models.Grant].
func New(c Config) *Models {
	return &Models{c: c, models: map[string]*model{}, holders: map[uint64]*holder{}}
}

// Endpoint returns the object of a model, which belongs to p's task; it is made
// on the budget the first time.
//
// StatusRange for a name that is none, StatusLimit after ModelsMax, and those
// of EndpointCreate and of gate.Port.Serve.
func (s *Models) Endpoint(p *gate.Port, budget abi.Handle, name string) (abi.Handle, abi.Status) {
	m, status := s.model(p, budget, name)
	if !status.OK() {
		return 0, status
	}
	return m.endpoint, abi.StatusOK
}

func (s *Models) model(p *gate.Port, budget abi.Handle, name string) (*model, abi.Status) {
	if name == "" || len(name) > inference.NameBytesMax {
		return nil, abi.StatusRange
	}
	s.mu.Lock()
	m, full := s.models[name], len(s.models) >= ModelsMax
	s.mu.Unlock()
	switch {
	case m != nil:
		return m, abi.StatusOK
	case full:
		return nil, abi.StatusLimit
	}
	m = &model{models: s, name: name, budget: budget}
	a := abi.Args{W: [abi.ArgWords]uint64{mailboxSlots, uint64(abi.ObjectModel)}, Label: abi.LabelTop()}
	if status := p.Invoke(budget, abi.EndpointCreate, &a); !status.OK() {
		return nil, status
	}
	m.endpoint = abi.Handle(a.W[0])
	if status := p.Serve(m.endpoint, m, true); !status.OK() {
		drop(p, m.endpoint)
		return nil, status
	}
	s.mu.Lock()
	other := s.models[name]
	if other == nil {
		s.models[name] = m
	}
	s.mu.Unlock()
	if other != nil { // somebody else was first
		drop(p, m.endpoint)
		return other, abi.StatusOK
	}
	return m, abi.StatusOK
}

// Holder says to whom a model is granted.
type Holder struct {
	// Model is its name.
	Model string
	// Name is the holder's: for fair shares.
	Name string
	// Rights are some of [Rights].
	Rights abi.Rights
	// Ceiling bounds the label of what is asked.
	Ceiling abi.Label
	// Expires is a time of the machine's clock, zero for never.
	Expires int64
	// Refused, when not nil, is told why the service refused a request, on any
	// goroutine: it must not block.
	Refused func(error)
}

// Grant is a branch of a model's capabilities, for one holder.
type Grant struct {
	// Handle is in the table of the task that serves. TaskGrant derives the
	// holder's capability from it, with Mint.
	Handle abi.Handle
	badge  uint64
	rights abi.Rights
}

// Mint is how the holder's capability is derived from the branch. The holder
// can call, and not pass the model on.
func (g Grant) Mint() abi.Mint {
	m := abi.Whole(callable | g.rights)
	m.Pass = 0
	return m
}

// Grant makes a branch for one holder. It fails when there is no such model,
// for rights that models do not have, and as the kernel does.
func (s *Models) Grant(ctx context.Context, p *gate.Port, budget abi.Handle, to Holder) (Grant, error) {
	if to.Rights&^(Rights|callable) != 0 {
		return Grant{}, fmt.Errorf("models have no rights %v; name some of %v: %w", to.Rights&^Rights, Rights, abi.StatusRights)
	}
	rights := to.Rights & Rights
	list, err := s.c.Service.Models(ctx, account{model: to.Model, name: to.Name})
	if err != nil {
		return Grant{}, fmt.Errorf("look for the model %q: %w", to.Model, err)
	}
	if len(list) == 0 {
		return Grant{}, fmt.Errorf("there is no model %q; 'phi model list' shows those that are: %w", to.Model, abi.StatusEmpty)
	}
	m, status := s.model(p, budget, to.Model)
	if !status.OK() {
		return Grant{}, fmt.Errorf("serve the model %q: %w", to.Model, status)
	}
	h := &holder{
		model: m, name: to.Name, expires: to.Expires, refused: to.Refused,
		streams: map[uint16]*stream{}, batches: map[uint16]*batch{},
	}
	if !s.enrol(h) {
		return Grant{}, fmt.Errorf("models have %d holders, which is the most; withdraw some: %w", HoldersMax, abi.StatusLimit)
	}
	mint := abi.Whole(callable | rights | abi.RightGrant | abi.RightDerive | abi.RightRevoke | abi.RightInspect)
	mint.Badge, mint.Ceiling, mint.Expires = h.badge, to.Ceiling, to.Expires
	a := abi.Args{Mint: &mint}
	if status := p.Invoke(m.endpoint, abi.CapMint, &a); !status.OK() {
		s.strike(h)
		return Grant{}, fmt.Errorf("grant the model %q: %w", to.Model, status)
	}
	h.branch = abi.Handle(a.W[0])
	return Grant{Handle: h.branch, badge: h.badge, rights: rights}, nil
}

// enrol puts a holder into the table under a new badge; false when it is full.
func (s *Models) enrol(h *holder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.holders) >= HoldersMax {
		return false
	}
	s.badges++
	h.badge = s.badges
	s.holders[h.badge] = h
	return true
}

func (s *Models) strike(h *holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holders, h.badge)
}

// Withdraw ends a grant: the holder's capabilities, to the model and to its
// file, are void when it returns, and what was asked with them ends within a
// step. Of a grant that is no more it does nothing.
func (s *Models) Withdraw(p *gate.Port, g Grant) {
	s.mu.Lock()
	h := s.holders[g.badge]
	delete(s.holders, g.badge)
	s.mu.Unlock()
	drop(p, g.Handle)
	if h == nil {
		return
	}
	h.mu.Lock()
	h.gone = true
	shown := h.shown
	h.shown = 0
	for number, b := range h.batches {
		h.forget(number, b)
	}
	h.mu.Unlock()
	drop(p, shown)
}

// Close ends all requests, and waits until streams have ended. The objects go
// with the task that serves them.
func (s *Models) Close() {
	s.closing.Store(true)
	s.work.Wait()
}

// holder finds who calls, by the badge.
func (s *Models) holder(badge uint64) *holder {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holders[badge]
}

// drop deletes a capability of p's task, if it is there.
func drop(p *gate.Port, h abi.Handle) {
	if h != 0 {
		_ = p.Invoke(h, abi.CapDelete, &abi.Args{}) // it may be gone with its object
	}
}
