package schedule

import (
	"math/bits"
	"time"

	"phios/api/inference"
	"phios/service/inference/prefix"
)

// Metrics are counters since the scheduler began, and its state.
type Metrics struct {
	// Waiting and Running are requests at this moment; FreePages and IdlePages
	// pages that hold nothing, and that hold beginnings which nobody uses.
	Waiting, Running     int
	FreePages, IdlePages int

	// Steps, and the time they took. Works are the texts in them all, WorksMax
	// the most in one.
	Steps     uint64
	StepTime  time.Duration
	Works     uint64
	WorksMax  int
	Windows   uint64 // steps that waited for company
	Joined    uint64 // requests that came while one waited
	StepFault uint64 // steps that failed

	// Tokens by what they were: of prompts, generated, taken from the cache, and
	// computed once more.
	PrefillTokens, DecodeTokens, CachedTokens, RecomputedTokens uint64

	Admitted, Aged, Preempted, Refused uint64
	// Ended requests, by reason; Failed ended with an error.
	Stop, Length, Budget, Deadline, Cancelled, Failed uint64

	Queue, FirstToken Histogram
	Joules            float64
	Prefix            prefix.Stats
}

// add counts the end of a request.
func (m *Metrics) add(t *Task) {
	//exhaustive:ignore
	switch {
	case t.failed != nil:
		m.Failed++
	case t.reason == inference.ReasonStop:
		m.Stop++
	case t.reason == inference.ReasonLength:
		m.Length++
	case t.reason == inference.ReasonBudget:
		m.Budget++
	case t.reason == inference.ReasonDeadline:
		m.Deadline++
	case t.reason == inference.ReasonCancelled:
		m.Cancelled++
	}
}

// Add adds the counters of another, such as those of the same model before it
// was unloaded. The state stays.
func (m *Metrics) Add(o Metrics) {
	m.Steps += o.Steps
	m.StepTime += o.StepTime
	m.Works += o.Works
	m.WorksMax = max(m.WorksMax, o.WorksMax)
	m.Windows += o.Windows
	m.Joined += o.Joined
	m.StepFault += o.StepFault
	m.PrefillTokens += o.PrefillTokens
	m.DecodeTokens += o.DecodeTokens
	m.CachedTokens += o.CachedTokens
	m.RecomputedTokens += o.RecomputedTokens
	m.Admitted += o.Admitted
	m.Aged += o.Aged
	m.Preempted += o.Preempted
	m.Refused += o.Refused
	m.Stop += o.Stop
	m.Length += o.Length
	m.Budget += o.Budget
	m.Deadline += o.Deadline
	m.Cancelled += o.Cancelled
	m.Failed += o.Failed
	m.Queue.merge(&o.Queue)
	m.FirstToken.merge(&o.FirstToken)
	m.Joules += o.Joules
	m.Prefix.Asked += o.Prefix.Asked
	m.Prefix.Hit += o.Prefix.Hit
	m.Prefix.Stored += o.Prefix.Stored
	m.Prefix.Evicted += o.Prefix.Evicted
	m.Prefix.Refused += o.Prefix.Refused
}

func (h *Histogram) merge(o *Histogram) {
	for i := range h.Counts {
		h.Counts[i] += o.Counts[i]
	}
	h.Sum += o.Sum
}

// Histogram counts times by powers of two of a millisecond: bucket i holds what
// took less than 2^i ms, the last whatever took longer.
type Histogram struct {
	Counts [24]uint64
	Sum    time.Duration
}

// Add counts a time.
func (h *Histogram) Add(d time.Duration) {
	i := bits.Len64(uint64(max(d, 0) / time.Millisecond))
	h.Counts[min(i, len(h.Counts)-1)]++
	h.Sum += d
}

// Count is how many times were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile is the upper bound of the bucket in which the q-th part of all times
// lies, q from 0 to 1.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	left := uint64(q * float64(n))
	for i, c := range h.Counts {
		if left < c || i == len(h.Counts)-1 {
			return time.Millisecond << i
		}
		left -= c
	}
	return 0
}

// Metrics is a snapshot. It does not wait for the model.
func (s *Scheduler) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.shown
	m.Waiting = s.waiting
	return m
}

// show makes the loop's counters visible.
func (s *Scheduler) show() {
	s.counts.Running = len(s.running)
	s.counts.FreePages, s.counts.IdlePages = s.model.FreePages(), s.tree.Idle()
	s.counts.Prefix = s.tree.Stats()
	s.mu.Lock()
	refused := s.shown.Refused
	s.shown = s.counts
	s.shown.Refused = refused
	s.waiting = len(s.queue.waiting) + len(s.come)
	s.mu.Unlock()
}
