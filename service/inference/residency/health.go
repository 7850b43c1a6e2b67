package residency

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	probeEvery = time.Minute
	// probeMax is how long a model may take for one token, and probeGrace how
	// much longer to notice that its time is over.
	probeMax   = 30 * time.Second
	probeGrace = 5 * time.Second
	// closeMax is after how long a model that is being unloaded counts as stuck.
	closeMax  = 2 * time.Minute
	sickMax   = 64
	sickShown = 10 * time.Minute
)

// sickness is why a model was taken out.
type sickness struct {
	name, unit string
	err        error
	at         time.Time
}

// probe has each model that has had nothing to do for a while generate a token,
// and returns after how long it should be looked at again; zero is not at all.
// A model that is busy shows that it lives by its answers. A probe holds no
// lease: it keeps nobody from taking the model out. The caller holds mu.
func (m *Manager[R]) probe(now time.Time) (next time.Duration) {
	if m.o.ProbeEvery < 0 || m.closed {
		return 0
	}
	for _, u := range m.units {
		for _, s := range u.slots {
			if s.state != ready || s.probes || s.leases > 0 {
				continue
			}
			last := s.probed
			if s.used.After(last) {
				last = s.used
			}
			wait := last.Add(m.o.ProbeEvery).Sub(now)
			if wait <= 0 {
				s.probes = true
				m.work.Go(func() { _ = m.look(s) }) // It is noted.
				continue
			}
			if next == 0 || wait < next {
				next = wait
			}
		}
	}
	return next
}

// look probes a model, and takes it out when it makes no token in time. It does
// not wait for one that does not come back at all.
func (m *Manager[R]) look(s *slot[R]) error {
	limit, stop := context.WithTimeout(m.life, probeMax)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.model.Probe(limit) }()
	var err error
	select {
	case err = <-done:
	case <-limit.Done():
		grace, stop := context.WithTimeout(context.Background(), probeGrace)
		defer stop()
		select {
		case err = <-done:
		case <-grace.Done():
			err = errors.New("it did not come back from a probe")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.rouse()
	s.probes, s.probed = false, m.o.Now()
	m.counts.Probes++
	if err == nil || m.closed || s.state != ready {
		return nil // Whoever took it out meanwhile ended the probe as well.
	}
	m.counts.ProbeFaults++
	if len(m.sick) < sickMax {
		m.sick[s.want.Key] = sickness{s.want.Name, s.on.about.Name, err, m.o.Now()}
	}
	m.retire(s)
	return fmt.Errorf("%s on %s: %w", s.want.Name, s.on.about.Name, err)
}

// stuck reports whether a model does not end: what waits does not count on its
// memory.
func (m *Manager[R]) stuck(s *slot[R]) bool {
	return s.late || s.state == closing && m.o.Now().Sub(s.since) > closeMax
}

// Health generates a token on each loaded model, and closes those that cannot.
// The error names them.
func (m *Manager[R]) Health(ctx context.Context) error {
	m.mu.Lock()
	var all []*slot[R]
	for _, u := range m.units {
		for _, s := range u.slots {
			if s.state == ready && !s.probes {
				s.probes = true
				all = append(all, s)
			}
		}
	}
	m.mu.Unlock()
	var bad []error
	for i, s := range all {
		if ctx.Err() != nil {
			m.mu.Lock()
			for _, s := range all[i:] {
				s.probes = false
			}
			m.mu.Unlock()
			return errors.Join(append(bad, ctx.Err())...)
		}
		bad = append(bad, m.look(s))
	}
	return errors.Join(bad...)
}

// Healthy says what is wrong as far as it is known; nil is nothing. It does not
// block, and asks no model: models that made no token, unless they were loaded
// since or that is long ago, loads that hang, and models that cannot be closed.
func (m *Manager[R]) Healthy() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var bad []error
	now := m.o.Now()
	for k, s := range m.sick {
		if now.Sub(s.at) > sickShown {
			delete(m.sick, k)
			continue
		}
		bad = append(bad, fmt.Errorf("%s on %s was unloaded: %w; look at the unit", s.name, s.unit, s.err))
	}
	for _, u := range m.units {
		for _, s := range u.slots {
			switch {
			case s.late:
				bad = append(bad, overdueError(s.want.Name, u.about.Name))
			case m.stuck(s):
				bad = append(bad, fmt.Errorf("%s on %s has not ended for %v; restart the unit", s.want.Name, u.about.Name, now.Sub(s.since).Round(time.Second)))
			}
		}
	}
	return errors.Join(bad...)
}
