package schedule

import (
	"cmp"
	"io"
	"slices"

	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/prefix"
)

// plan fills works and members with the next batch: a token of each text that
// is being written, then chunks of prompts, as far as budget and pages go. The
// most important text always gets something.
func (s *Scheduler) plan() {
	clear(s.works)
	s.works, s.members, s.reserved = s.works[:0], s.members[:0], 0
	s.order = s.turn(s.order[:0])
	writing := false
	for _, t := range s.order {
		t.chunk, t.promised = 0, 0
		writing = writing || t.pending() == 1
	}
	left := s.o.StepTokens
	if writing || len(s.order) > 1 || len(s.queue.waiting) > 0 {
		left = s.pace.budget(s.o.StepGoal, left)
	} else {
		left = s.pace.budget(4*s.o.StepGoal, left)
	}
	for _, t := range s.order {
		want := min(t.pending(), max(left, 0))
		if t.pending() == 1 {
			want = 1 // A text that is being written never waits for a prompt.
		}
		if t.seq == nil || want == 0 {
			continue
		}
		t.chunk = s.reserve(t, want)
		left -= t.chunk
	}
	for _, t := range s.order {
		if t.seq != nil && t.chunk > 0 {
			s.members = append(s.members, t)
		}
	}
	s.batchUp()
	if len(s.members) == 0 && len(s.running) == 1 {
		s.stall()
	}
}

// stall is what is done when the only text finds no page.
func (s *Scheduler) stall() {
	if t := s.running[0]; t.twice > 0 {
		s.preempt(t) // It begins again with the pages of the tree instead of its own.
	} else {
		s.finish(t, inference.ReasonLength) // It alone fills the cache.
	}
}

// turn is who may be in the next batch, in the order in which they are served:
// those that write by importance, then prompts by rank and fair share.
func (s *Scheduler) turn(order []*Task) []*Task {
	for len(s.suspects) > 0 {
		t := s.suspects[0]
		s.suspects = s.suspects[1:]
		if t.seq != nil && slices.Contains(s.running, t) {
			return append(order, t)
		}
	}
	order = append(order, s.running...)
	slices.SortStableFunc(order, func(t, u *Task) int {
		a, b := t.pending() > 1, u.pending() > 1
		switch {
		case a != b && a:
			return 1
		case a != b:
			return -1
		case a:
			return cmp.Or(cmp.Compare(u.rank, t.rank), cmp.Compare(t.account.had, u.account.had), cmp.Compare(t.number, u.number))
		default:
			return importance(t, u)
		}
	})
	return order
}

// pending is how many tokens of a task are not computed.
func (t *Task) pending() int {
	if t.seq == nil {
		return 0
	}
	return len(t.tokens) - t.seq.Len()
}

// reserve sets pages aside for the next tokens of a task: first free ones, then
// those of beginnings that nobody uses, then those of less important texts. It
// returns for how many tokens there are pages.
func (s *Scheduler) reserve(t *Task, tokens int) int {
	have := s.pagesFor(t.seq.Len())
	need := s.pagesFor(t.seq.Len()+tokens) - have
	for {
		short := need - (s.model.FreePages() - s.reserved)
		if short <= 0 {
			break
		}
		if s.tree.Evict(short) > 0 {
			continue
		}
		v := s.running[len(s.running)-1]
		if importance(v, t) <= 0 { // t itself, or nobody less important
			tokens = min(tokens, max((have+need-short)*s.about.PageTokens-t.seq.Len(), 0))
			need = s.pagesFor(t.seq.Len()+tokens) - have
			break
		}
		s.preempt(v)
	}
	t.promised = need
	s.reserved += need
	return tokens
}

// batchUp makes works of members.
func (s *Scheduler) batchUp() {
	vocabulary := s.about.Vocabulary
	if n := len(s.members) * vocabulary; cap(s.logits) < n {
		s.logits = make([]float32, n)
	}
	for i, t := range s.members {
		n := t.seq.Len()
		w := compute.Work{Sequence: t.seq, Tokens: t.tokens[n : n+t.chunk]}
		if n+t.chunk == len(t.tokens) {
			w.Logits = s.logits[:cap(s.logits)][i*vocabulary : (i+1)*vocabulary]
		}
		s.works = append(s.works, w)
	}
}

// share puts the pages of a text that are full into the tree.
func (s *Scheduler) share(t *Task) {
	size := s.about.PageTokens
	for !t.private && (t.shared+1)*size <= t.seq.Len() {
		page, err := t.seq.Share(t.shared)
		if err != nil {
			t.private = true
			return
		}
		if !s.tree.Extend(&t.lease, t.tokens[t.shared*size:][:size], page) {
			s.model.Release(page)
			t.twice++
		}
		// Where the tree had no room for a page it has none for what follows it.
		t.shared++
		t.private = t.lease.Pages() < t.shared
	}
}

// evicted is told of each page that leaves the tree.
func (s *Scheduler) evicted(v prefix.Victim) {
	if s.o.Park != nil {
		s.o.Park.Save(v, func(to io.Writer) error { return s.model.Export(v.Page, to) })
	}
	s.model.Release(v.Page)
}

// unpark continues a match with pages that were saved when they left.
func (s *Scheduler) unpark(t *Task, lease *prefix.Lease, pages []compute.Page) []compute.Page {
	if s.o.Park == nil {
		return pages
	}
	size := s.about.PageTokens
	for i := len(pages); i < s.cachedMax(t) && s.model.FreePages() > 0; i++ {
		tokens := t.tokens[i*size:][:size]
		from := s.o.Park.Open(s.tree.Chain(*lease).Next(tokens), tokens)
		if from == nil {
			break
		}
		page, err := s.model.Import(from)
		if err != nil {
			break
		}
		if !s.tree.Extend(lease, tokens, page) {
			s.model.Release(page)
			break
		}
		pages = append(pages, page)
	}
	return pages
}
