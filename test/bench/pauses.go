package bench

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

const (
	pauseSamplesMax = 1 << 20
	// A sample longer than suspectNS is looked into: did Linux take the
	// processor away? The count is also read after so many samples, so that
	// an old switch is not taken for the cause of a new pause.
	suspectNS      = 20_000
	switchesRenews = 256
)

// pauses are samples of how long something took. Those during which Linux took
// a processor away from this process are kept apart.
type pauses struct {
	samples   []int64 // nanoseconds
	disturbed []int64
	switches  int64 // involuntary, as last read
}

func newPauses() *pauses {
	return &pauses{samples: make([]int64, 0, pauseSamplesMax), switches: switches()}
}

// add takes a sample. After pauseSamplesMax it takes none.
func (p *pauses) add(took time.Duration) {
	if len(p.samples) == cap(p.samples) {
		return
	}
	if took > suspectNS {
		if now := switches(); now != p.switches {
			p.switches = now
			p.disturbed = append(p.disturbed, int64(took))
			return
		}
	} else if len(p.samples)%switchesRenews == 0 {
		p.switches = switches()
	}
	p.samples = append(p.samples, int64(took))
}

// longest returns the longest sample, in microseconds: of all, and of those
// that were not disturbed.
func (p *pauses) longest() (all, own float64) {
	if len(p.samples) > 0 {
		own = float64(slices.Max(p.samples)) / 1e3
	}
	all = own
	if len(p.disturbed) > 0 {
		all = max(all, float64(slices.Max(p.disturbed))/1e3)
	}
	return all, own
}

// switches returns how often Linux took a processor away from a thread of this
// process that wanted to go on.
func switches() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Nivcsw
}

// pauseRows sums up the pauses of all trees: the median of the trees' worst,
// which one unlucky moment does not decide, and the worst of all. Only the
// longest leaves out what was disturbed: on a busy machine Linux interrupts so
// often that a pause of the kernel's own is mistaken for one of its pauses. How
// many were kept apart is a row too, and the 99.9 % are of all samples.
func pauseRows(all []felled) []Row {
	kinds := []struct {
		name         string
		during, calm func(f felled) *pauses
	}{
		{fmt.Sprintf("a slice of %d nodes", sliceNodes), func(f felled) *pauses { return f.slices }, nil},
		{"a signal by another thread meanwhile", func(f felled) *pauses { return f.busy.signals }, func(f felled) *pauses { return f.quiet.signals }},
		{"a mint by another thread meanwhile", func(f felled) *pauses { return f.busy.mints }, func(f felled) *pauses { return f.quiet.mints }},
	}
	var rows []Row
	apart := 0
	for _, k := range kinds {
		var tails, longest, calm series
		worst := 0.0
		for _, f := range all {
			p := k.during(f)
			every, own := p.longest()
			longest, worst = append(longest, own), max(worst, every)
			tails = append(tails, quantile(slices.Concat(p.samples, p.disturbed), 0.999)/1e3)
			apart += len(p.disturbed)
			if k.calm != nil {
				_, quiet := k.calm(f).longest()
				calm = append(calm, quiet)
			}
		}
		most := atMost("revoke: "+k.name+", longest", longest.median(), unitUS, pauseTargetUS)
		if k.calm != nil {
			most = most.against("longest with nothing to reclaim", calm.median(), calm.over(longest))
		}
		rows = append(
			rows,
			atMost("revoke: "+k.name+", 99.9 %", tails.median(), unitUS, pauseTargetUS),
			most,
			inform("revoke: "+k.name+", worst of all, preempted or not", worst, unitUS),
		)
	}
	return append(rows, inform("revoke: pauses kept apart, in all trees", float64(apart), unitSamples))
}
