package sim

import "phios/internal/invariant"

// choicesMax bounds the choices of one run of an enumeration.
const choicesMax = 1 << 16

// Schedules enumerates every schedule of a small test, depth first. Its Choose
// is a machine's Chooser; after each run, Next says whether there is another:
//
//	var s sim.Schedules
//	for again := true; again; again = s.Next() {
//		m := sim.New(sim.Config{Chooser: s.Choose})
//		…
//	}
//
// The runs must differ by nothing but the choices. The zero value is ready.
type Schedules struct {
	path []choice
	at   int
}

// choice is one answer of Choose and out of how many.
type choice struct{ taken, of int }

// Choose answers which of n programs goes on.
func (s *Schedules) Choose(n int) int {
	if s.at == len(s.path) {
		invariant.Always(len(s.path) < choicesMax, "platform/sim: a run has too many choices to enumerate")
		s.path = append(s.path, choice{of: n})
	}
	c := s.path[s.at]
	invariant.Always(c.of == n, "platform/sim: a run differs by more than its choices")
	s.at++
	return c.taken
}

// Next turns to the next schedule and reports whether there is one.
func (s *Schedules) Next() bool {
	s.path = s.path[:s.at]
	s.at = 0
	for last := len(s.path) - 1; last >= 0; last-- {
		if s.path[last].taken++; s.path[last].taken < s.path[last].of {
			return true
		}
		s.path = s.path[:last]
	}
	return false
}
