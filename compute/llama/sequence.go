package llama

import (
	"context"
	"errors"
	"fmt"

	"phios/compute"
	"phios/compute/llama/wire"
)

// sequence is a text under way: a number of llama.cpp's, and our account of the
// pages that it uses.
type sequence struct {
	model  *Model
	number uint32
	length int
	pages  []compute.Page
	closed bool
	seen   bool // while a step checks its works
}

// Open makes an empty sequence.
func (m *Model) Open() (compute.Sequence, error) {
	if m.closed.Load() {
		return nil, errClosed
	}
	if len(m.numbers) == 0 {
		return nil, fmt.Errorf("%w: as many sequences are open as the model was loaded for; close some", compute.ErrFull)
	}
	s := &sequence{model: m, number: m.numbers[len(m.numbers)-1]}
	m.numbers = m.numbers[:len(m.numbers)-1]
	return s, nil
}

// Len is the number of tokens.
func (s *sequence) Len() int { return s.length }

// errSequence means that a sequence is not one of this model, or was closed.
var errSequence = errors.New("not an open sequence of this model")

// shareable refuses what llama.cpp cannot divide.
func (s *sequence) shareable() error {
	if s.closed {
		return errSequence
	}
	if !s.model.divisible {
		return fmt.Errorf("%w: the state of %s cannot be cut into pages; compute the text again", compute.ErrUnsupported, s.model.description.Architecture)
	}
	return nil
}

// Adopt begins an empty sequence with shared pages.
func (s *sequence) Adopt(pages []compute.Page) error {
	if err := s.shareable(); err != nil {
		return err
	}
	if s.length != 0 {
		return fmt.Errorf("adopt pages: the sequence has %d tokens; only an empty one can", s.length)
	}
	if len(pages)*pageTokens > s.model.description.ContextTokens {
		return fmt.Errorf("adopt %d pages: %w", len(pages), compute.ErrContext)
	}
	t := &s.model.pages
	for i, p := range pages {
		if g, ok := t.held(p); !ok {
			return fmt.Errorf("adopt pages: %w", errNotHeld)
		} else if g.index != i {
			return fmt.Errorf("adopt pages: a page of position %d at position %d; keys and values know theirs", g.index*pageTokens, i*pageTokens)
		}
	}
	for i := 0; i < len(pages); {
		// A run of pages with one keeper is one request.
		from := t.pages[pages[i]].keeper
		j := i + 1
		for j < len(pages) && t.pages[pages[j]].keeper == from {
			j++
		}
		low, _ := span(i)
		high, _ := span(j)
		if err := s.model.ask(wire.Copy, wire.Range{From: from, Sequence: s.number, Low: low, High: high}); err != nil {
			_ = s.model.ask(wire.Remove, wire.Range{Sequence: s.number, High: low}) // The first error says more.
			return fmt.Errorf("adopt pages: %w", err)
		}
		i = j
	}
	for _, p := range pages {
		t.pages[p].users++
	}
	s.pages = append(s.pages, pages...)
	s.length = len(pages) * pageTokens
	return nil
}

// Share returns a full page with one more hold.
func (s *sequence) Share(i int) (compute.Page, error) {
	if err := s.shareable(); err != nil {
		return 0, err
	}
	if i < 0 || (i+1)*pageTokens > s.length {
		return 0, fmt.Errorf("share page %d of %d tokens: only full pages can be shared", i, s.length)
	}
	t := &s.model.pages
	g := &t.pages[s.pages[i]]
	if g.holds == 0 {
		keeper, err := t.keeper(i)
		if err != nil {
			return 0, err
		}
		low, high := span(i)
		if err := s.model.ask(wire.Copy, wire.Range{From: s.number, Sequence: keeper, Low: low, High: high}); err != nil {
			return 0, fmt.Errorf("share page %d: %w", i, err)
		}
		g.keeper = keeper
		t.keep(g, true)
	}
	g.holds++
	return s.pages[i], nil
}

// Trim forgets the tokens from n on.
func (s *sequence) Trim(n int) error {
	if err := s.shareable(); err != nil {
		return err
	}
	if n < 0 || n > s.length {
		return fmt.Errorf("trim to %d tokens: there are %d", n, s.length)
	}
	if n == s.length {
		return nil
	}
	if err := s.model.ask(wire.Remove, wire.Range{Sequence: s.number, Low: uint32(n), High: uint32(s.length)}); err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	s.cut(n)
	return nil
}

// cut brings the account to n tokens.
func (s *sequence) cut(n int) {
	keep := (n + pageTokens - 1) / pageTokens
	for _, p := range s.pages[keep:] {
		s.model.pages.drop(p)
	}
	s.pages, s.length = s.pages[:keep], n
}

// Close ends the sequence.
func (s *sequence) Close() {
	if s.closed {
		return
	}
	s.closed = true
	m := s.model
	if s.length > 0 {
		// A helper that is lost has no sequences; any other cannot refuse.
		_ = m.ask(wire.Remove, wire.Range{Sequence: s.number, High: uint32(s.length)})
	}
	s.cut(0)
	m.numbers = append(m.numbers, s.number)
}

// borrowed says whether the last page is one that others have too, and that
// ends in the middle: tokens that are appended then go to a page of its own.
func (s *sequence) borrowed() bool {
	if s.length%pageTokens == 0 {
		return false
	}
	g := &s.model.pages.pages[s.pages[len(s.pages)-1]]
	return g.holds > 0 || g.users > 1
}

// wanted is how many pages n more tokens take.
func (s *sequence) wanted(n int) int {
	w := (s.length+n+pageTokens-1)/pageTokens - len(s.pages)
	if s.borrowed() {
		w++
	}
	return w
}

// grow accounts for n more tokens.
func (s *sequence) grow(n int) {
	t := &s.model.pages
	if s.borrowed() {
		last := len(s.pages) - 1
		old := s.pages[last]
		s.pages[last] = t.take(last)
		t.pages[s.pages[last]].users = 1
		t.drop(old)
	}
	s.length += n
	for len(s.pages)*pageTokens < s.length {
		p := t.take(len(s.pages))
		t.pages[p].users = 1
		s.pages = append(s.pages, p)
	}
}

// Step runs a batch.
func (m *Model) Step(ctx context.Context, batch []compute.Work) error {
	works, err := m.plan(batch)
	if err != nil {
		return fmt.Errorf("step: %w", err)
	}
	err = m.withBulk(func(h *helper) error {
		at := 0
		for i := range batch {
			at += copy(h.bulk.tokens(at, len(batch[i].Tokens)), batch[i].Tokens)
		}
		if err := h.ask(ctx, wire.Step, limits{time: stepTime, flag: true}, &works, nil); err != nil {
			return err
		}
		for i := range batch {
			at += copy(batch[i].Logits, h.bulk.floats(at, len(batch[i].Logits)))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("step: %w", err)
	}
	for i := range batch {
		batch[i].Sequence.(*sequence).grow(len(batch[i].Tokens))
	}
	return nil
}

// plan checks a batch and says what the helper is asked.
func (m *Model) plan(batch []compute.Work) (wire.Works, error) {
	if len(batch) == 0 || len(batch) > wire.WorksMax {
		return nil, fmt.Errorf("%d works; from 1 to %d are allowed", len(batch), wire.WorksMax)
	}
	defer func() {
		for i := range batch {
			if s, ok := batch[i].Sequence.(*sequence); ok {
				s.seen = false
			}
		}
	}()
	var works wire.Works
	pages, words := 0, 0
	for i := range batch {
		w := &batch[i]
		s, ok := w.Sequence.(*sequence)
		if !ok || s.model != m || s.closed || s.seen {
			return nil, fmt.Errorf("work %d: %w, or one that is named twice", i, errSequence)
		}
		s.seen = true
		if err := m.allow(s, w); err != nil {
			return nil, fmt.Errorf("work %d: %w", i, err)
		}
		works = append(works, wire.Work{
			Sequence: s.number, Position: uint32(s.length),
			Tokens: uint32(len(w.Tokens)), Rows: uint32(len(w.Logits) / m.description.Vocabulary),
		})
		pages, words = pages+s.wanted(len(w.Tokens)), words+len(w.Tokens)+len(w.Logits)
	}
	if pages > len(m.pages.free) {
		return nil, m.full(pages)
	}
	if room := (wire.BulkBytes - wire.BulkStart) / 4; words > room {
		return nil, fmt.Errorf("%w: %d tokens and logits; %d fit in the shared memory, make smaller steps", compute.ErrUnsupported, words, room)
	}
	return works, nil
}

// allow checks the work of a sequence.
func (m *Model) allow(s *sequence, w *compute.Work) error {
	d := &m.description
	if len(w.Tokens) == 0 || len(w.Logits)%d.Vocabulary != 0 || len(w.Logits)/d.Vocabulary > len(w.Tokens) {
		return fmt.Errorf("%d tokens and %d logits of a vocabulary of %d", len(w.Tokens), len(w.Logits), d.Vocabulary)
	}
	if len(w.Tokens) > d.ContextTokens-s.length {
		return fmt.Errorf("%w: %d tokens after %d; %d are the most", compute.ErrContext, len(w.Tokens), s.length, d.ContextTokens)
	}
	for _, t := range w.Tokens {
		if t < 0 || int(t) >= d.Vocabulary {
			return fmt.Errorf("token %d is not in the vocabulary of %d", t, d.Vocabulary)
		}
	}
	return nil
}
