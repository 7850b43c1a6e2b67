package residency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"phios/api/inference"
	"phios/compute"
)

// run decides whenever something has changed, and when somebody's patience ends.
func (m *Manager[R]) run() {
	defer close(m.ended)
	for {
		m.mu.Lock()
		closed := m.closed
		next := m.plan(m.o.Now())
		if soon := m.probe(m.o.Now()); next == 0 || soon > 0 && soon < next {
			next = soon
		}
		m.mu.Unlock()
		if closed {
			return
		}
		if next == 0 {
			<-m.wake
			continue
		}
		limit, stop := context.WithTimeout(context.Background(), next)
		select {
		case <-m.wake:
		case <-limit.Done():
		}
		stop()
	}
}

// loaded finds where a request can run at once.
func (m *Manager[R]) loaded(w Want) *slot[R] {
	for _, s := range m.usable(w.Key) {
		if s.state == ready && m.suits(s.on, w) == "" {
			return s
		}
	}
	return nil
}

// usable are the slots that serve a key: its own, and those of the other way of
// loading where that makes no difference. One that is loaded as deterministic
// serves all.
func (m *Manager[R]) usable(k Key) []*slot[R] {
	list := m.slots[k]
	k.Deterministic = !k.Deterministic
	for _, s := range m.slots[k] {
		if k.Deterministic || s.on.about.Deterministic {
			list = append(slices.Clip(list), s)
		}
	}
	return list
}

func (m *Manager[R]) lease(s *slot[R]) *Lease[R] {
	s.leases++
	s.used = m.o.Now()
	return &Lease[R]{Model: s.model, Unit: s.on.unit, About: s.on.about, m: m, slot: s}
}

// plan serves who can be served, starts loads, makes room, and returns after
// how long it should look again at the latest; zero is when something changes.
func (m *Manager[R]) plan(now time.Time) (next time.Duration) {
	again := func(d time.Duration) {
		if d = max(d, time.Millisecond); next == 0 || d < next {
			next = d
		}
	}
	m.drained(now, again)
	keep := m.waiting[:0]
	for i, w := range m.waiting {
		if s := m.loaded(w.want); s != nil && !w.tried[s.on] && (!m.o.FIFO || len(keep) == 0) {
			w.lease, w.err = m.lease(s), nil
			close(w.ready)
			continue
		}
		m.waiting[i] = nil
		keep = append(keep, w)
	}
	m.waiting = keep
	for i, w := range slices.Clone(m.waiting) {
		if m.coming(w) {
			continue
		}
		if m.o.FIFO && i > 0 {
			break
		}
		m.place(w, now, again)
	}
	return next
}

// coming reports whether a load is under way that will serve a waiter.
func (m *Manager[R]) coming(w *waiter[R]) bool {
	return slices.ContainsFunc(m.usable(w.want.Key), func(s *slot[R]) bool {
		return s.state == loading && !s.late && !w.tried[s.on] && m.suits(s.on, w.want) == ""
	})
}

// place finds a waiter's model a unit, and room there.
func (m *Manager[R]) place(w *waiter[R], now time.Time, again func(time.Duration)) {
	for _, s := range m.slots[w.want.Key] {
		if s.late {
			w.tried[s.on] = true // It hangs there already.
			w.err = overdueError(s.want.Name, s.on.about.Name)
		}
	}
	u := m.best(w.want, w.tried)
	if u == nil {
		if w.err == nil {
			w.err = m.possible(w.want)
		}
		m.refuse(w, w.err)
		return
	}
	if len(m.slots) >= ModelsMax {
		return
	}
	most := m.bound(u)
	if most == 0 || u.used+w.want.Bytes <= most {
		m.load(w, u)
		return
	}
	m.makeRoom(w, u, now, again)
}

func overdueError(model, unit string) error {
	return &inference.Error{
		Code: inference.CodeDeadline, Message: fmt.Sprintf("load %s on %s: it has hung for too long", model, unit),
		Remedy: "look at the disk, or choose another unit",
	}
}

// refuse ends a waiter with an error.
func (m *Manager[R]) refuse(w *waiter[R], err error) {
	if i := slices.Index(m.waiting, w); i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
	w.err = err
	close(w.ready)
}

// makeRoom takes out models that are in a waiter's way, if they may go yet:
// idle ones after their linger, least recently used first; busy ones when the
// waiter has waited long enough.
func (m *Manager[R]) makeRoom(w *waiter[R], u *unit[R], now time.Time, again func(time.Duration)) {
	may, leaving := m.removable(u)
	most := m.bound(u)
	free := most - min(u.used-min(leaving, u.used), most)
	for _, s := range may {
		if free >= w.want.Bytes {
			return
		}
		wait := w.came.Add(m.patience(w.want.Key)).Sub(now)
		if s.leases == 0 {
			wait = min(wait, s.used.Add(m.linger(s)).Sub(now), m.hurry(w).Sub(now))
		}
		if m.o.FIFO {
			wait = 0
		}
		if wait > 0 {
			again(wait)
			return
		}
		m.counts.Swaps++
		leaving += s.bytes
		free = most - min(u.used-min(leaving, u.used), most)
		if s.leases == 0 {
			m.retire(s)
			continue
		}
		s.state, s.since = draining, now
		again(m.patience(s.want.Key))
	}
	if free < w.want.Bytes && !slices.ContainsFunc(u.slots, func(s *slot[R]) bool { return !m.stuck(s) && (s.state != ready || !s.pinned) }) {
		m.refuse(w, &inference.Error{
			Code: inference.CodeMemory,
			Message: fmt.Sprintf("%s needs %d MiB, and models that are pinned or hang leave %d MiB of %d on %s",
				w.want.Name, w.want.Bytes>>20, free>>20, m.bound(u)>>20, u.about.Name),
			Remedy: "unpin or unload a model, or restart the unit",
		})
	}
}

// removable are the models of a unit that may be taken out, idle ones first,
// least recently used first, and how much is on its way out already.
func (m *Manager[R]) removable(u *unit[R]) (may []*slot[R], leaving uint64) {
	for _, s := range u.slots {
		switch {
		case m.stuck(s):
		case s.state == closing, s.state == draining:
			leaving += s.bytes
		case s.state == ready && !s.pinned:
			may = append(may, s)
		}
	}
	slices.SortFunc(may, func(s, t *slot[R]) int {
		if (s.leases == 0) != (t.leases == 0) {
			if s.leases == 0 {
				return -1
			}
			return 1
		}
		return s.used.Compare(t.used)
	})
	return may, leaving
}

// hurry is when a waiter's turn comes although an idle model might be asked for
// again. A busy one is not taken out for a deadline: who sets short ones would
// have everybody else's model.
func (m *Manager[R]) hurry(w *waiter[R]) time.Time {
	if w.want.Deadline.IsZero() {
		return w.came.Add(m.patience(w.want.Key))
	}
	return w.want.Deadline.Add(-2 * m.cost[w.want.Key])
}

func (m *Manager[R]) patience(k Key) time.Duration {
	if m.o.Patience > 0 {
		return m.o.Patience
	}
	return min(max(10*m.cost[k], patienceMin), patienceMax)
}

func (m *Manager[R]) linger(s *slot[R]) time.Duration {
	if m.o.Linger > 0 {
		return m.o.Linger
	}
	return m.cost[s.want.Key] / 4
}

// drained closes models that take no more requests and have none, or have had
// their time.
func (m *Manager[R]) drained(now time.Time, again func(time.Duration)) {
	for _, u := range m.units {
		for _, s := range slices.Clone(u.slots) {
			if s.state != draining {
				continue
			}
			left := s.since.Add(m.patience(s.want.Key)).Sub(now)
			switch {
			case s.leases == 0:
				m.retire(s)
			case m.o.FIFO: // waits as long as it takes
			case left <= 0:
				m.counts.Forced++
				m.retire(s)
			default:
				again(left)
			}
		}
	}
}

// load starts the load of a waiter's model.
func (m *Manager[R]) load(w *waiter[R], u *unit[R]) {
	s := &slot[R]{want: w.want, on: u, since: m.o.Now(), bytes: w.want.Bytes}
	u.used += s.bytes
	u.slots = append(u.slots, s)
	m.slots[s.want.Key] = append(m.slots[s.want.Key], s)
	ctx, stop := context.WithTimeout(m.life, m.o.LoadMax)
	loaded := make(chan struct{})
	m.work.Go(func() {
		defer stop()
		defer close(loaded)
		model, err := m.o.Load(ctx, s.want, u.unit)
		if err == nil {
			if err = model.Probe(ctx); err != nil {
				model.Close()
				err = fmt.Errorf("probe: %w", err)
			}
		}
		m.loadedAs(s, model, err)
	})
	m.work.Go(func() {
		select {
		case <-loaded:
		case <-ctx.Done():
			m.overdue(s, loaded)
		}
	})
}

// overdueGrace is how long a load may take to notice that its time is over.
const overdueGrace = 2 * time.Second

// overdue answers who waits for a load that does not end with its time, such as
// one whose disk does not answer. Its memory stays taken until it does.
func (m *Manager[R]) overdue(s *slot[R], loaded <-chan struct{}) {
	grace, stop := context.WithTimeout(context.Background(), overdueGrace)
	defer stop()
	select {
	case <-loaded:
	case <-grace.Done():
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.state == loading && !s.late {
			s.late = true
			m.failed(s, context.DeadlineExceeded)
		}
	}
}

// loadedAs notes what has come of a load.
func (m *Manager[R]) loadedAs(s *slot[R], model R, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	took := now.Sub(s.since)
	m.counts.Loads++
	m.counts.LoadTime += took
	defer m.rouse()
	if err != nil {
		m.counts.LoadFaults++
		m.remove(s)
		if !s.late {
			m.failed(s, err)
		}
		return
	}
	m.cost[s.want.Key] = took
	s.model, s.state, s.late = model, ready, false
	s.since, s.used, s.probed = now, now, now
	delete(m.sick, s.want.Key)
	m.measure(s)
	if m.closed {
		m.retire(s)
	}
}

// measure replaces the estimate of a model's memory by what it takes. When that
// is more than there is, idle models go, least recently used first. The unit has
// given the memory: the model stays although nobody is idle.
func (m *Manager[R]) measure(s *slot[R]) {
	u, most := s.on, m.bound(s.on)
	if is := s.model.Bytes(); is > 0 {
		u.used += is - s.bytes
		s.bytes = is
	}
	if most == 0 || u.used <= most {
		return
	}
	may, leaving := m.removable(u)
	for _, t := range may {
		if u.used-min(leaving, u.used) <= most {
			return
		}
		if t != s && t.leases == 0 {
			leaving += t.bytes
			m.retire(t)
		}
	}
}

// failed tells who waits for a load that it failed. Where the unit cannot run
// the model another one is tried; all else is an answer.
func (m *Manager[R]) failed(s *slot[R], err error) {
	e := &inference.Error{
		Code: inference.CodeUnit, Message: fmt.Sprintf("load %s on %s: %v", s.want.Name, s.on.about.Name, err),
		Remedy: "ask again, or choose another unit",
	}
	switch {
	case errors.Is(err, compute.ErrUnsupported):
		e.Code = inference.CodeUnsupported
	case errors.Is(err, compute.ErrMemory):
		e.Code, e.Remedy = inference.CodeMemory, "choose a smaller model or a smaller context, or unload another model"
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Remedy = inference.CodeDeadline, "allow loads more time, or use a faster disk"
	}
	for _, w := range slices.Clone(m.waiting) {
		if w.want.Key != s.want.Key || m.suits(s.on, w.want) != "" {
			continue
		}
		w.tried[s.on] = true
		w.err = e
		if e.Code != inference.CodeUnsupported || m.best(w.want, w.tried) == nil {
			m.refuse(w, e)
		}
	}
}

// retire closes a model, with what it does.
func (m *Manager[R]) retire(s *slot[R]) {
	if s.state == loading || s.state == closing {
		return
	}
	s.state, s.since = closing, m.o.Now()
	m.counts.Evictions++
	m.work.Go(func() {
		s.model.Close()
		m.mu.Lock()
		m.remove(s)
		m.mu.Unlock()
		m.rouse()
	})
}

// remove forgets a slot whose memory is free.
func (m *Manager[R]) remove(s *slot[R]) {
	s.on.used -= s.bytes
	s.on.slots = slices.DeleteFunc(s.on.slots, func(t *slot[R]) bool { return t == s })
	left := slices.DeleteFunc(m.slots[s.want.Key], func(t *slot[R]) bool { return t == s })
	if len(left) == 0 {
		delete(m.slots, s.want.Key)
		return
	}
	m.slots[s.want.Key] = left
}
