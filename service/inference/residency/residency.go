// Package residency decides which models are in memory, and on which units.
//
// Loading takes seconds and answers take milliseconds, so whoever has agents
// with several models and memory for one can spend all of its time loading. The
// manager keeps the requests of models that are not loaded waiting, by model,
// and gives them the memory of another one when that one has nothing to do, or
// when the oldest of them has waited as long as it may. Then all of them are
// served. A request for a model that is loaded never waits for the load of
// another, and no request waits longer than a bound: after Patience the model
// in the way takes no more requests, and after that once more it is closed
// with what it was doing, which goes on later.
//
// Lock order: Manager.mu is the only lock. It is not held over a load, a close,
// a probe, or a call of a unit that may block.
//
// Seed name: Cross-device scheduling.
package residency

import (
	"context"
	"fmt"
	"sync"
	"time"

	"phios/api/inference"
	"phios/compute"
)

// Bounds of the tables.
const (
	UnitsMax   = 64
	ModelsMax  = 4096
	WaitersMax = inference.RequestsQueuedMax
)

// Resident is a loaded model, as its owner made it.
type Resident interface {
	// Probe generates a token, to see that it lives.
	Probe(ctx context.Context) error
	// Bytes is the memory that it takes, weights and cache; zero is not known.
	Bytes() uint64
	// Close ends what runs on it, unloads it and returns when its memory is
	// free.
	Close()
}

// Key names a model as it is loaded.
type Key struct {
	Digest        [32]byte
	Deterministic bool
}

// Want is what a request wants.
type Want struct {
	Key Key
	// Name is for messages. Bytes is the memory that it takes, weights and
	// cache.
	Name  string
	Bytes uint64
	// Architecture and Format are matched with what units say of themselves.
	Architecture string
	Constraints  inference.Constraints
	Deadline     time.Time
}

// Options are the bounds of a manager. Zero values stand for the usual.
type Options[R Resident] struct {
	// Load makes a model ready on a unit: required. It ends early with ctx.
	Load func(ctx context.Context, w Want, u compute.Unit) (R, error)
	// Now is the clock: required.
	Now func() time.Time
	// Bytes bounds the memory of models on each unit; zero is what the unit
	// says, and what it does not say is not bounded.
	Bytes uint64
	// LoadMax bounds a load: ten minutes.
	LoadMax time.Duration
	// Patience is how long a request waits before the model in its way is taken
	// out although it is busy: ten loads of that model, from 2 to 30 s.
	Patience time.Duration
	// Linger is how long an idle model stays although others wait, in case its
	// users come back: a quarter of its load.
	Linger time.Duration
	// ProbeEvery is how often a loaded model that has nothing to do generates a
	// token, to see that it still can: a minute. Negative is never.
	ProbeEvery time.Duration
	// FIFO serves in the order of arrival, one model after the other. It is what
	// the manager is measured against.
	FIFO bool
}

const (
	loadMax     = 10 * time.Minute
	patienceMin = 2 * time.Second
	patienceMax = 30 * time.Second
)

// Manager knows which models are loaded and who waits for others.
type Manager[R Resident] struct {
	o     Options[R]
	wake  chan struct{}
	ended chan struct{}
	work  sync.WaitGroup // loads and closes under way

	mu      sync.Mutex
	units   []*unit[R]
	slots   map[Key][]*slot[R]
	waiting []*waiter[R] // in order of arrival
	closed  bool
	counts  Metrics
	cost    map[Key]time.Duration // of the last load
	sick    map[Key]sickness
	life    context.Context //nolint:containedctx // It ends with the manager, and all loads with it.
	die     context.CancelFunc
}

// unit is a compute unit and what is on it.
type unit[R Resident] struct {
	unit  compute.Unit
	about compute.Description
	slots []*slot[R]
	used  uint64
}

// state is where a slot is in its life.
type state int

const (
	loading state = iota
	ready
	draining // takes no more requests
	closing
)

// slot is a model on a unit, or on its way there or away.
type slot[R Resident] struct {
	want   Want
	on     *unit[R]
	state  state
	model  R
	leases int
	pinned bool
	bytes  uint64    // of the unit's memory: an estimate until it is loaded
	since  time.Time // of its state
	probed time.Time // the last time that it generated a token for us
	probes bool      // it does at this moment
	late   bool      // its load hangs
	used   time.Time // the last time that somebody leased or released it
}

type waiter[R Resident] struct {
	want  Want
	came  time.Time
	ready chan struct{} // closed when lease or err is set
	lease *Lease[R]
	err   error
	tried map[*unit[R]]bool // units that cannot run it
}

// Lease is the use of a loaded model.
type Lease[R Resident] struct {
	Model R
	Unit  compute.Unit
	// About is what the unit says of itself.
	About compute.Description
	m     *Manager[R]
	slot  *slot[R]
	once  sync.Once
}

// Metrics count what a manager has done.
type Metrics struct {
	Loads, LoadFaults, Evictions, Forced, Probes, ProbeFaults uint64
	// Swaps are loads that had to take another model out first.
	Swaps uint64
	// Sick are models that were taken out because they made no token, and were
	// not loaded since.
	Sick     int
	LoadTime time.Duration
	Loaded   int
	Waiting  int
	Bytes    uint64
}

// New makes a manager of units.
func New[R Resident](units []compute.Unit, o Options[R]) *Manager[R] {
	if o.LoadMax <= 0 {
		o.LoadMax = loadMax
	}
	if o.ProbeEvery == 0 {
		o.ProbeEvery = probeEvery
	}
	life, die := context.WithCancel(context.Background()) //nolint:gosec // G118: Close calls it
	m := &Manager[R]{
		life: life, die: die, sick: make(map[Key]sickness),
		o: o, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		slots: make(map[Key][]*slot[R]), cost: make(map[Key]time.Duration),
	}
	for _, u := range units {
		if len(m.units) < UnitsMax {
			m.units = append(m.units, &unit[R]{unit: u, about: u.Describe()})
		}
	}
	go m.run()
	return m
}

// Acquire waits until the model is loaded where it may run, and leases it. The
// error is an *inference.Error, or that of the context.
func (m *Manager[R]) Acquire(ctx context.Context, w Want) (*Lease[R], error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, closedError()
	}
	if s := m.loaded(w); s != nil && (!m.o.FIFO || len(m.waiting) == 0) {
		defer m.mu.Unlock()
		return m.lease(s), nil
	}
	if err := m.possible(w); err != nil {
		m.mu.Unlock()
		return nil, err
	}
	if len(m.waiting) >= WaitersMax {
		m.mu.Unlock()
		return nil, &inference.Error{
			Code: inference.CodeBusy, Message: fmt.Sprintf("%d requests wait for models to be loaded", WaitersMax),
			Remedy: "ask again later",
		}
	}
	at := &waiter[R]{want: w, came: m.o.Now(), ready: make(chan struct{}), tried: make(map[*unit[R]]bool)}
	m.waiting = append(m.waiting, at)
	m.mu.Unlock()
	m.rouse()
	select {
	case <-at.ready:
		return at.lease, at.err
	case <-ctx.Done():
		m.leave(at)
		return nil, ctx.Err()
	}
}

// leave takes a waiter out whose caller has gone.
func (m *Manager[R]) leave(at *waiter[R]) {
	m.mu.Lock()
	for i, w := range m.waiting {
		if w == at {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			break
		}
	}
	lease := at.lease
	m.mu.Unlock()
	if lease != nil {
		lease.Release()
	}
}

// Release gives the lease up. Doing it again does nothing.
func (l *Lease[R]) Release() {
	l.once.Do(func() {
		l.m.mu.Lock()
		l.slot.leases--
		l.slot.used = l.m.o.Now()
		l.m.mu.Unlock()
		l.m.rouse()
	})
}

// Lost says that the model does not work any more: it is closed, and loaded
// again for whoever asks next. The lease is released.
func (l *Lease[R]) Lost() {
	l.m.mu.Lock()
	l.m.retire(l.slot)
	l.m.mu.Unlock()
	l.Release()
}

// Pin keeps a loaded model, or lets it go again. It reports whether the model
// is loaded.
func (m *Manager[R]) Pin(k Key, pinned bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.slots[k] {
		s.pinned = pinned
	}
	defer m.rouse()
	return len(m.slots[k]) > 0
}

// Unload closes a model, with what it does, wherever it is loaded.
func (m *Manager[R]) Unload(digest [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, slots := range m.slots {
		if k.Digest == digest {
			for _, s := range append([]*slot[R](nil), slots...) {
				m.retire(s)
			}
		}
	}
}

// Each calls see for each model that is ready.
func (m *Manager[R]) Each(see func(w Want, model R, unit compute.Description, leases int)) {
	m.mu.Lock()
	var all []*slot[R]
	for _, u := range m.units {
		for _, s := range u.slots {
			if s.state == ready || s.state == draining {
				s.leases++ // it stays while it is looked at
				all = append(all, s)
			}
		}
	}
	m.mu.Unlock()
	for _, s := range all {
		see(s.want, s.model, s.on.about, s.leases-1)
		m.mu.Lock()
		s.leases--
		m.mu.Unlock()
	}
	m.rouse()
}

// Metrics is a snapshot.
func (m *Manager[R]) Metrics() Metrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Waiting, c.Sick = len(m.waiting), len(m.sick)
	for _, u := range m.units {
		c.Bytes += u.used
		for _, s := range u.slots {
			if s.state == ready || s.state == draining {
				c.Loaded++
			}
		}
	}
	return c
}

// Close unloads everything and ends the manager. Who waits gets an error.
func (m *Manager[R]) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		<-m.ended
		return
	}
	m.closed = true
	m.die()
	for _, w := range m.waiting {
		w.err = closedError()
		close(w.ready)
	}
	m.waiting = nil
	for _, u := range m.units {
		for _, s := range append([]*slot[R](nil), u.slots...) {
			m.retire(s)
		}
	}
	m.mu.Unlock()
	m.rouse()
	m.work.Wait()
	<-m.ended
}

func closedError() error {
	return &inference.Error{Code: inference.CodeUnit, Message: "the inference service is ending", Remedy: "start it again"}
}

func (m *Manager[R]) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
