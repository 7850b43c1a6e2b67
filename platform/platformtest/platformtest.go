// Package platformtest is what every machine must pass to carry the kernel:
// the promises of package platform, each as a test. platform/host and
// platform/sim run it; so does whoever brings a new machine.
//
// Lock order: none.
//
// Invariants: none.
//
// Ledger: S2, S6, S27.
package platformtest

import (
	"sync"
	"testing"

	"phios/platform"
)

// trial is one test of one machine.
type trial struct {
	*testing.T

	m platform.Machine
}

// together is what a machine has that runs its own programs, such as the
// simulator; on others the suite starts goroutines.
type together interface {
	Together(programs ...func())
}

// Run tests machines that open makes, a new one for each test. A machine that
// must be closed is closed by open, through the test's Cleanup.
func Run(t *testing.T, open func(t *testing.T) platform.Machine) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *trial)
	}{
		{"clock goes on", clockGoesOn},
		{"unpark before park is kept", unparkIsKept},
		{"unparks do not add up", unparksDoNotAddUp},
		{"park ends at its deadline", parkEnds},
		{"park does not wait for the past", parkDoesNotWaitForThePast},
		{"parkers hand over", parkersHandOver},
		{"parkers with deadlines lose nothing", parkersLoseNothing},
		{"new memory is zero and shared", newMemory},
		{"bounds are kept", boundsAreKept},
		{"a private view keeps its writes", privateView},
		{"a window shows its offset", windowShowsOffset},
		{"zero takes away and does not fault", zeroTakesAway},
		{"zero of a part leaves the rest", zeroOfPart},
		{"remove makes a gap", removeMakesGap},
		{"placements do not overlap", placementsDoNotOverlap},
		{"spaces are apart", spacesAreApart},
		{"a stale space names nothing", staleSpace},
		{"destroyed memory comes back zeroed", destroyedMemory},
		{"pins are counted", pinsAreCounted},
		{"large memory is memory", largeMemory},
		{"random operations match a model", randomOperations},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(&trial{T: t, m: open(t)}) })
	}
}

// runTogether runs programs side by side, as the machine does that.
func runTogether(m platform.Machine, programs ...func()) {
	if machine, ok := m.(together); ok {
		machine.Together(programs...)
		return
	}
	var group sync.WaitGroup
	for _, program := range programs {
		group.Go(program)
	}
	group.Wait()
}
