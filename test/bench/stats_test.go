package bench

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		rounds series
		want   float64
	}{
		{nil, 0},
		{series{7}, 7},
		{series{9, 1}, 5},
		{series{100, 1, 3}, 3},
		{series{4, 1, 2, 3}, 2.5},
	} {
		before := append(series(nil), c.rounds...)
		if got := c.rounds.median(); got != c.want {
			t.Errorf("median of %v = %v, want %v", c.rounds, got, c.want)
		}
		for i := range before {
			if c.rounds[i] != before[i] {
				t.Errorf("median sorted the rounds that it was given: %v", c.rounds)
			}
		}
	}
}

// A machine that is slower for two rounds slows both sides of these pairs: the
// ratio of the medians would be 1, that of the pairs is what it is.
func TestRatioIsOfPairs(t *testing.T) {
	ours := series{10, 10, 40, 40, 10}
	peer := series{20, 20, 80, 80, 20}
	if got := peer.over(ours); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if got := (series{5, 9, 5}).above(series{2, 6, 4}); got != 3 {
		t.Errorf("difference %v, want 3", got)
	}
	if got := (series{1, 2, 3}).over(series{1}); got != 1 {
		t.Errorf("ratio of unequal series %v, want that of the rounds that both have", got)
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for _, c := range []struct {
		samples []int64
		q, want float64
	}{
		{nil, 0.999, 0},
		{[]int64{5}, 0.5, 5},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 0.999, 100},
		{hundred, 0, 1},
		{hundred, 1, 100},
	} {
		if got := quantile(c.samples, c.q); got != c.want {
			t.Errorf("quantile %v of %d samples = %v, want %v", c.q, len(c.samples), got, c.want)
		}
	}
}

func TestTidyNumbers(t *testing.T) {
	for _, c := range []struct{ value, want float64 }{
		{1.23456, 1.235}, {math.NaN(), 0}, {math.Inf(1), 0}, {-0.0004, 0},
	} {
		if got := tidy(c.value); got != c.want {
			t.Errorf("tidy(%v) = %v, want %v", c.value, got, c.want)
		}
	}
}

func TestPausesKeepTheDisturbedApart(t *testing.T) {
	p := newPauses()
	p.add(3 * time.Microsecond)
	p.switches-- // as if Linux had taken the processor since
	p.add(900 * time.Microsecond)
	p.switches = switches()
	if all, own := p.longest(); all != 900 || own != 3 {
		t.Errorf("longest of all %v µs and of its own %v µs, want 900 and 3", all, own)
	}
	if all, own := newPauses().longest(); all != 0 || own != 0 {
		t.Errorf("longest of no sample %v, %v, want zero", all, own)
	}
}
