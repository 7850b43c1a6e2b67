package residency

import (
	"fmt"
	"slices"
	"time"

	"phios/api/inference"
	"phios/compute"
)

// Choice is a unit for a model, and what to expect of it.
type Choice struct {
	Unit   compute.Description
	Loaded bool
	// First is the estimated time until the first token of a short prompt.
	First time.Duration
}

// Select says where a model would run: where it is loaded, or else on the unit
// that would answer first. It changes nothing.
func (m *Manager[R]) Select(w Want) (Choice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.loaded(w); s != nil {
		return Choice{Unit: s.on.about, Loaded: true, First: m.first(s.on, w, true)}, nil
	}
	if err := m.possible(w); err != nil {
		return Choice{}, err
	}
	u := m.best(w, nil)
	return Choice{Unit: u.about, First: m.first(u, w, false)}, nil
}

// suits says why a unit may not or cannot run a model; empty when it may.
func (m *Manager[R]) suits(u *unit[R], w Want) string {
	a, c := &u.about, &w.Constraints
	switch {
	case c.Unit != "" && c.Unit != a.Name:
		return "is not " + c.Unit
	case c.Kind != "" && compute.Kind(c.Kind) != a.Kind:
		return "is not of the kind " + c.Kind
	case c.Local && a.Kind == compute.KindRemote:
		return "sends data away"
	case w.Architecture != "" && a.Architectures != nil && !slices.Contains(a.Architectures, w.Architecture):
		return "does not run the architecture " + w.Architecture
	}
	if most := m.bound(u); most != 0 && w.Bytes > most {
		return fmt.Sprintf("has %d MiB for models, and it needs %d MiB", most>>20, w.Bytes>>20)
	}
	return ""
}

// bound is the memory for models on a unit; zero is not known.
func (m *Manager[R]) bound(u *unit[R]) uint64 {
	if m.o.Bytes != 0 && (u.about.MemoryBytes == 0 || m.o.Bytes < u.about.MemoryBytes) {
		return m.o.Bytes
	}
	return u.about.MemoryBytes
}

// possible refuses what no unit can run, with each unit's reason.
func (m *Manager[R]) possible(w Want) error {
	why, memory, fast := "", false, false
	for _, u := range m.units {
		reason := m.suits(u, w)
		if reason == "" {
			if w.Constraints.Latency == 0 || m.first(u, w, false) <= w.Constraints.Latency {
				return nil
			}
			fast = true
			reason = fmt.Sprintf("would give the first token after %v", m.first(u, w, false).Round(time.Millisecond))
		}
		most := m.bound(u)
		memory = memory || most != 0 && w.Bytes > most
		why += "; " + u.about.Name + " " + reason
	}
	e := &inference.Error{
		Code: inference.CodeUnsupported, Message: "no unit can run " + w.Name + why,
		Remedy: "relax the constraints, or add a unit",
	}
	if memory && !fast {
		e.Code, e.Remedy = inference.CodeMemory, "choose a smaller model or a smaller context, or add memory"
	}
	return e
}

// best is the unit that would answer first, of those that were not tried.
func (m *Manager[R]) best(w Want, tried map[*unit[R]]bool) *unit[R] {
	var best *unit[R]
	var least time.Duration
	for _, u := range m.units {
		if tried[u] || m.suits(u, w) != "" {
			continue
		}
		if d := m.first(u, w, false); best == nil || d < least {
			best, least = u, d
		}
	}
	return best
}

// first estimates the time to the first token on a unit: the load, unless it is
// loaded, and a pass over the weights for each request that runs there. Units of
// which no speed was measured count as a slow one, so that a measured one is
// taken first.
//
//nolint:revive // flag-parameter: it is a property of the pair
func (m *Manager[R]) first(u *unit[R], w Want, loaded bool) time.Duration {
	speed := u.about.BytesPerSecond
	if speed <= 0 {
		speed = 4 << 30
	}
	d := time.Duration(float64(w.Bytes) / speed * float64(1+u.unit.Report().Running) * float64(time.Second))
	if loaded {
		return d
	}
	if cost, ok := m.cost[w.Key]; ok {
		d += cost
	} else {
		d += time.Duration(float64(w.Bytes) / (2 << 30) * float64(time.Second))
	}
	if most := m.bound(u); most != 0 && u.used+w.Bytes > most {
		d *= 2 // Something must go first.
	}
	return d
}
