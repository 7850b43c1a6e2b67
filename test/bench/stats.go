package bench

import (
	"math"
	"slices"
)

// series is what the rounds of one work took, in nanoseconds an operation.
type series []float64

// median returns the middle of the rounds, zero for none.
func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// over returns the median of the ratios of s to other, round by round.
//
// Preconditions:
//   - the two were measured interleaved, so that they are equally long
func (s series) over(other series) float64 {
	return s.with(other, func(a, b float64) float64 { return a / b }).median()
}

// above returns the median of what s took more than other, round by round.
func (s series) above(other series) float64 {
	return s.with(other, func(a, b float64) float64 { return a - b }).median()
}

// with combines two series round by round.
func (s series) with(other series, combine func(a, b float64) float64) series {
	combined := make(series, 0, len(s))
	for i := range min(len(s), len(other)) {
		combined = append(combined, combine(s[i], other[i]))
	}
	return combined
}

// quantile returns the smallest sample that at least the share q of all do not
// exceed, zero of none. It sorts the samples.
func quantile(samples []int64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	slices.Sort(samples)
	rank := int(math.Ceil(q * float64(len(samples))))
	return float64(samples[min(max(rank, 1), len(samples))-1])
}
