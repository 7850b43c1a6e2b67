package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"phios/abi"
)

// work does an operation n times. A status other than StatusOK ends the run:
// what fails is not measured.
type work func(n int) abi.Status

// The bounds of a measurement. A round is short, so that a pair of them sees
// the same machine, and long against the clock and the start of a goroutine.
const (
	roundNS        = 4_000_000
	operationsMax  = 1 << 24 // in one round
	roundsLeast    = 3
	seriesNSMax    = 1_500_000_000
	allocationRuns = 200
)

// meter measures for one family.
type meter struct {
	ctx    context.Context //nolint:containedctx // the meter lives as long as one call of Kernel
	rounds int
	peer   []string // the command that starts the other process
}

// interleave runs the works in turn, round after round, and returns a series
// for each. Before, each is run until its round has the right length.
func (m *meter) interleave(works ...work) ([]series, error) {
	counts := make([]int, len(works))
	for i, w := range works {
		n, err := m.fit(w)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	all := make([]series, len(works))
	start := time.Now()
	for round := range m.rounds {
		if round >= roundsLeast && time.Since(start) > seriesNSMax {
			break
		}
		for i, w := range works {
			took, err := m.once(w, counts[i])
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], took/float64(counts[i]))
		}
	}
	return all, nil
}

// one measures a work without a peer.
func (m *meter) one(w work) (float64, error) {
	all, err := m.interleave(w)
	if err != nil {
		return 0, err
	}
	return all[0].median(), nil
}

// fit finds how many operations make a round. It also warms up.
func (m *meter) fit(w work) (int, error) {
	for n := 1; ; {
		took, err := m.once(w, n)
		if err != nil || n >= operationsMax {
			return n, err
		}
		if took >= roundNS/2 {
			return max(1, int(float64(n)*roundNS/took)), nil
		}
		n = min(2*n, operationsMax)
	}
}

// once runs a work and returns the nanoseconds that it took.
func (m *meter) once(w work, n int) (float64, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, fmt.Errorf("the run takes too long, or was stopped: %w", err)
	}
	start := time.Now()
	status := w(n)
	took := time.Since(start)
	if status != abi.StatusOK {
		return 0, fmt.Errorf("what is measured fails: %w", status)
	}
	return float64(max(took, 1)), nil
}

// allocations returns how often an operation allocates, whole times: what the
// runtime allocates for itself meanwhile is less than once an operation.
func (m *meter) allocations(w work) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if _, err := m.once(w, 1); err != nil {
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := m.once(w, allocationRuns)
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / allocationRuns), err
}
