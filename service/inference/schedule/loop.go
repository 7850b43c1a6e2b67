package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"phios/api/inference"
	"phios/compute"
)

// run is the scheduler's goroutine.
func (s *Scheduler) run() {
	defer close(s.ended)
	for {
		if err := s.receive(); err != nil {
			s.abandon(err)
			return
		}
		s.expire()
		s.admit()
		s.show()
		if len(s.running) == 0 {
			s.pace.rest()
			<-s.wake
			continue
		}
		if s.company() {
			continue
		}
		s.plan()
		if len(s.members) > 0 {
			s.step()
		}
		s.queue.advance()
	}
}

// receive takes what has come, or returns why the scheduler ends.
func (s *Scheduler) receive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.come {
		s.queue.add(t)
		s.pace.arrive(t.timing.put)
	}
	s.come = s.come[:0]
	return s.over
}

// expire ends what its callers do not want any more.
func (s *Scheduler) expire() {
	for i, t := range slices.Backward(s.queue.waiting) {
		if why := t.asked(); why != "" {
			s.finish(s.queue.drop(i), why)
		}
	}
	for _, t := range slices.Backward(s.running) {
		if why := t.asked(); why != "" {
			s.finish(t, why)
		}
	}
}

// abandon ends everything, and gives all pages back.
func (s *Scheduler) abandon(why error) {
	for len(s.queue.waiting) > 0 {
		s.fail(s.queue.drop(len(s.queue.waiting)-1), why)
	}
	for len(s.running) > 0 {
		s.fail(s.running[len(s.running)-1], why)
	}
	for s.tree.Evict(parkStep) > 0 {
		if s.o.Park != nil {
			s.o.Park.Wait()
		}
	}
	s.show()
}

// company waits a little for others to join the step, when that is likely to
// pay, and reports whether somebody came.
func (s *Scheduler) company() bool {
	window := s.pace.window(s.o.Now(), len(s.running), s.o.WindowMax)
	if window == 0 || len(s.running) >= s.o.SequencesMax || len(s.queue.waiting) > 0 {
		return false
	}
	s.counts.Windows++
	limit, stop := context.WithTimeout(context.Background(), window)
	defer stop()
	select {
	case <-s.wake:
		s.counts.Joined++
		return true
	case <-limit.Done():
		return false
	}
}

// step runs the planned batch and hands out what came of it.
func (s *Scheduler) step() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.mu.Lock()
	s.stop, s.batch, s.stepped = stop, s.members, s.o.Now()
	if s.over != nil {
		stop()
	}
	s.mu.Unlock()

	joules := s.joules()
	began := s.o.Now()
	err := s.model.Step(ctx, s.works)
	took := s.o.Now().Sub(began)
	joules = s.joules() - joules

	s.mu.Lock()
	s.stop, s.batch, s.stepped = nil, nil, time.Time{}
	s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			s.fault(err)
		}
		return
	}
	s.faults = 0
	s.account(took, joules)
	s.choose()
	for i, t := range s.members {
		s.produce(t, s.works[i].Logits != nil)
	}
	clear(s.works)
}

// account counts a step, and shares its cost by the tokens of each text.
func (s *Scheduler) account(took time.Duration, joules float64) {
	tokens, prompts := 0, 0
	for _, t := range s.members {
		tokens += t.chunk
		if t.chunk > 1 {
			prompts += t.chunk
		}
	}
	for _, t := range s.members {
		part := float64(t.chunk) / float64(tokens)
		t.cost = inference.Cost{
			Nanoseconds: uint64(part * float64(max(took, 0))),
			Microjoules: uint64(part * max(joules, 0) * 1e6),
		}
		t.usage.Joules += part * joules
		s.queue.spend(t, time.Duration(t.cost.Nanoseconds))
		again := min(max(t.old-(t.seq.Len()-t.chunk), 0), t.chunk)
		s.counts.RecomputedTokens += uint64(again)
		s.counts.PrefillTokens += uint64(max(min(t.seq.Len(), len(t.r.Prompt))-(t.seq.Len()-t.chunk)-again, 0))
	}
	s.pace.stepped(took, tokens, prompts)
	c := &s.counts
	c.Steps++
	c.StepTime += took
	c.Works += uint64(len(s.members))
	c.WorksMax = max(c.WorksMax, len(s.members))
	c.Joules += joules
}

func (s *Scheduler) joules() float64 {
	if s.o.Joules == nil {
		return 0
	}
	return s.o.Joules()
}

// fault is what is done about a step that failed.
func (s *Scheduler) fault(err error) {
	s.counts.StepFault++
	s.faults++
	switch {
	case errors.Is(err, compute.ErrLost):
		s.end(fmt.Errorf("run a step: %w", err))
	case errors.Is(err, compute.ErrFull) && s.faults < faultsMax && s.relieve():
		// The plan and the model count pages alike, but for pages that the model
		// must copy. There is room now.
	case len(s.members) > 1:
		// One of them may be the cause: each is tried alone.
		s.suspects = append(s.suspects[:0], s.members...)
	default:
		for _, t := range slices.Clone(s.members) {
			s.fail(t, &inference.Error{
				Code: inference.CodeUnit, Message: "the unit could not compute: " + err.Error(),
				Remedy: "ask again, or run the model on another unit",
			})
		}
	}
}

// relieve makes some room in the cache.
func (s *Scheduler) relieve() bool {
	if s.tree.Evict(len(s.members)) > 0 {
		return true
	}
	if len(s.running) < 2 {
		return false
	}
	s.preempt(s.running[len(s.running)-1])
	return true
}

// finish ends a task for a reason.
func (s *Scheduler) finish(t *Task, why inference.Reason) {
	t.close(why)
	s.retire(t)
}

// fail ends a task with an error.
func (s *Scheduler) fail(t *Task, err error) {
	t.failed = err
	s.retire(t)
}

// retire gives back what a task has, and lets its caller know.
func (s *Scheduler) retire(t *Task) {
	s.withdraw(t)
	s.queue.leave(t)
	s.counts.add(t)
	t.timing.end = s.o.Now()
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.notify()
}

// withdraw takes a task from those that run.
func (s *Scheduler) withdraw(t *Task) {
	if t.seq == nil {
		return
	}
	t.seq.Close()
	t.seq = nil
	s.tree.Release(&t.lease)
	t.shared, t.twice, t.private, t.chunk = 0, 0, false, 0
	if i := slices.Index(s.running, t); i >= 0 {
		s.running = slices.Delete(s.running, i, i+1)
	}
}
