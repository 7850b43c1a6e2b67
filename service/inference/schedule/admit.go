package schedule

import (
	"errors"
	"math"
	"slices"

	"phios/api/inference"
	"phios/compute"
)

// admit lets tasks run as long as there is room for whoever is next. Nobody
// smaller overtakes, or large ones would starve.
func (s *Scheduler) admit() {
	for len(s.queue.waiting) > 0 {
		i, aged := s.queue.next()
		t := s.queue.waiting[i]
		if !s.room(t) {
			if !s.yield(t) {
				return
			}
			continue
		}
		s.queue.pick(i)
		if !s.charge(t) {
			continue
		}
		if err := s.start(t); err != nil {
			if errors.Is(err, compute.ErrFull) && len(s.running) > 0 {
				s.queue.add(t)
				return
			}
			s.fail(t, &inference.Error{
				Code: inference.CodeUnit, Message: "the unit could not begin a text: " + err.Error(),
				Remedy: "ask again, or run the model on another unit",
			})
			continue
		}
		t.rank = t.r.Priority
		if aged {
			t.rank = math.MaxInt
			s.counts.Aged++
		}
		s.counts.Admitted++
		at, _ := slices.BinarySearchFunc(s.running, t, importance)
		s.running = slices.Insert(s.running, at, t)
	}
}

// importance orders what runs: more important first, then older first.
func importance(t, u *Task) int {
	switch {
	case t.rank > u.rank:
		return -1
	case t.rank < u.rank:
		return 1
	case t.number < u.number:
		return -1
	case t.number > u.number:
		return 1
	default:
		return 0
	}
}

// room reports whether a task could run now: a place, and pages for all of its
// tokens beside what was let in before, and one more for each text to grow.
func (s *Scheduler) room(t *Task) bool {
	if len(s.running) == 0 {
		return true
	}
	if len(s.running) >= s.o.SequencesMax {
		return false
	}
	have := s.model.FreePages() + s.tree.Idle() - len(s.running)
	for _, u := range s.running {
		have -= s.pagesFor(len(u.tokens)) - s.pagesFor(u.seq.Len())
	}
	need := s.pagesFor(len(t.tokens) + 1)
	if need <= have {
		return true
	}
	// Pages that are there already are not needed once more; those that nobody
	// uses now were counted as room, and would not be any more.
	cached, idle := s.tree.Count(t.label, t.tokens, s.cachedMax(t))
	return need-cached <= have-idle
}

// cachedMax is how many pages of a task may come from the cache: one token at
// least is computed, because its logits are wanted.
func (s *Scheduler) cachedMax(t *Task) int { return (len(t.tokens) - 1) / s.about.PageTokens }

// yield makes room for a task by taking the pages of one of less priority.
func (s *Scheduler) yield(t *Task) bool {
	for _, v := range slices.Backward(s.running) {
		if v.rank < t.r.Priority {
			s.preempt(v)
			return true
		}
	}
	return false
}

// preempt takes a task's pages back. It waits again, at its old place, and goes
// on where it was: what of its pages is not evicted until then stays.
func (s *Scheduler) preempt(t *Task) {
	t.old = max(t.old, t.seq.Len())
	s.reserved -= t.promised
	t.promised = 0
	s.withdraw(t)
	s.queue.add(t)
	s.counts.Preempted++
}

// charge takes the price of the prompt before anything is computed, so that
// nobody computes on an empty purse by asking often.
func (s *Scheduler) charge(t *Task) bool {
	if t.paid > 0 {
		return true
	}
	n := len(t.r.Prompt)
	cached, _ := s.tree.Count(t.label, t.tokens, s.cachedMax(t))
	if !t.r.Account.Charge(inference.Cost{Tokens: uint64(n - cached*s.about.PageTokens)}) {
		s.finish(t, inference.ReasonBudget)
		return false
	}
	t.paid = n
	return true
}

// start opens a task's sequence, with as many pages as are there already.
func (s *Scheduler) start(t *Task) error {
	seq, err := s.model.Open()
	if err != nil {
		return err
	}
	lease, pages := s.tree.Match(t.label, t.tokens, s.cachedMax(t), s.pages[:0])
	pages = s.unpark(t, &lease, pages)
	s.pages = pages[:0]
	if len(pages) > 0 {
		if err := seq.Adopt(pages); err != nil {
			seq.Close()
			s.tree.Release(&lease)
			return err
		}
	}
	t.seq, t.lease, t.shared = seq, lease, len(pages)
	cached := len(pages) * s.about.PageTokens
	s.counts.CachedTokens += uint64(cached)
	if t.timing.ran.IsZero() {
		t.timing.ran = s.o.Now()
		t.usage.CachedTokens = cached
		s.counts.Queue.Add(t.timing.ran.Sub(t.timing.came))
	}
	return nil
}
