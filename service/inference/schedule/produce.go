package schedule

import (
	"slices"

	"phios/api/inference"
	"phios/compute/sample"
)

// choose samples the next token of each member that has logits.
func (s *Scheduler) choose() {
	for i, t := range s.members {
		logits := s.works[i].Logits
		if logits == nil {
			continue
		}
		var mask []uint64
		if t.r.Constraint != nil {
			mask = s.masks
			clear(mask)
			t.r.Constraint.Mask(mask)
		}
		t.choice = t.sampler.Sample(logits, mask)
	}
}

// produce takes a text on after a step. sampled says that a token was chosen.
//
//nolint:revive // flag-parameter: it is a property of the work
func (s *Scheduler) produce(t *Task, sampled bool) {
	s.share(t)
	if sampled {
		t.cost.Tokens = 1
	}
	if !t.r.Account.Charge(t.cost) {
		s.finish(t, inference.ReasonBudget)
		return
	}
	if !sampled {
		return
	}
	if t.timing.first.IsZero() {
		t.timing.first = s.o.Now()
		s.counts.FirstToken.Add(t.timing.first.Sub(t.timing.came))
	}
	s.counts.DecodeTokens++
	c := t.choice
	if c.Token == sample.None || s.tokens.End(c.Token) {
		s.finish(t, inference.ReasonStop)
		return
	}
	t.sampler.Accept(c.Token)
	t.tokens = append(t.tokens, c.Token)
	t.usage.CompletionTokens++
	if t.r.Constraint != nil {
		if err := t.r.Constraint.Accept(c.Token); err != nil {
			s.fail(t, &inference.Error{
				Code: inference.CodeInternal, Message: "the constraint refused a token that it had allowed: " + err.Error(),
				Remedy: "report this with the constraint",
			})
			return
		}
		t.raw = append(t.raw, s.tokens.Piece(c.Token)...)
	}
	if t.write(s, &c) {
		s.finish(t, inference.ReasonStop)
		return
	}
	switch {
	case t.r.Constraint != nil && t.r.Constraint.Done():
		s.finish(t, inference.ReasonStop)
	case t.r.TokensMax > 0 && len(t.Generated()) >= t.r.TokensMax, len(t.tokens) > s.about.ContextTokens:
		s.finish(t, inference.ReasonLength)
	}
}

// write adds a token to the text, and reports whether a stop string ended it.
func (t *Task) write(s *Scheduler, c *sample.Choice) bool {
	text := t.text.Add(c.Token)
	t.streamed += len(text)
	shown, stopped := t.stops.Write(text)
	d := inference.Delta{Text: shown}
	if t.r.Sampling.Logprobs {
		e := inference.Logprob{Token: c.Token, Text: string(s.tokens.Piece(c.Token)), Logprob: c.Logprob}
		for _, o := range c.Top {
			e.Top = append(e.Top, inference.Logprob{Token: o.Token, Text: string(s.tokens.Piece(o.Token)), Logprob: o.Logprob})
		}
		d.Logprobs = []inference.Logprob{e}
	}
	if stopped {
		t.stop = t.stops.Found()
	}
	t.give(d)
	return stopped
}

// close ends the text: what was held back is shown, and a constrained text that
// was cut is made valid.
func (t *Task) close(why inference.Reason) {
	t.reason = why
	if t.stop != "" {
		return
	}
	cut := why == inference.ReasonLength || why == inference.ReasonBudget || why == inference.ReasonDeadline
	if t.r.Constraint != nil && cut && t.usage.CompletionTokens > 0 {
		// The decoder may hold back half a character, which the end completes.
		tail := append(slices.Clone(t.raw[min(t.streamed, len(t.raw)):]), t.r.Constraint.Finish()...)
		t.give(inference.Delta{Text: t.stops.Flush() + string(tail)})
		return
	}
	shown, stopped := t.stops.Write(t.text.Flush())
	if stopped {
		t.stop = t.stops.Found()
	}
	t.give(inference.Delta{Text: shown + t.stops.Flush()})
}
