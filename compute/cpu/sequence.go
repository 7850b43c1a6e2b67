package cpu

import (
	"errors"
	"fmt"

	"phios/compute"
)

// sequence is a text under way.
type sequence struct {
	model  *model
	pages  []compute.Page
	length int
	closed bool
	// step is the number of the last step that named it, to find a batch that
	// names it twice.
	step uint64
}

var errClosed = errors.New("the model or the sequence is closed; open it again")

// Open makes an empty sequence.
func (m *model) Open() (compute.Sequence, error) {
	if m.closed {
		return nil, fmt.Errorf("open a sequence: %w", errClosed)
	}
	if m.sequences >= m.sequencesMax {
		return nil, fmt.Errorf("%w: %d sequences are open; close some, or load with more SequencesMax",
			compute.ErrFull, m.sequences)
	}
	m.sequences++
	return &sequence{model: m}, nil
}

// Len is the number of tokens.
func (s *sequence) Len() int { return s.length }

// Adopt begins an empty sequence with pages that were shared.
func (s *sequence) Adopt(shared []compute.Page) error {
	switch m := s.model; {
	case s.closed || m.closed:
		return fmt.Errorf("adopt pages: %w", errClosed)
	case s.length != 0:
		return fmt.Errorf("adopt pages: the sequence has %d tokens; only an empty one can begin with pages", s.length)
	case len(shared)*pageTokens > m.context:
		return fmt.Errorf("adopt %d pages of %d tokens: %w of %d tokens", len(shared), pageTokens, compute.ErrContext, m.context)
	}
	for i, p := range shared {
		if !s.model.cache.held(p) {
			return fmt.Errorf("adopt page %d: nobody holds it; share or import it first", p)
		}
		if at := int(s.model.cache.index[p]); at != i {
			return fmt.Errorf("adopt page %d as number %d: it is number %d of its text, and its keys are turned by that; adopt it there", p, i, at)
		}
	}
	for _, p := range shared {
		s.model.cache.hold(p)
	}
	s.drop(0)
	s.pages = append(s.pages, shared...)
	s.length = len(shared) * pageTokens
	return nil
}

// Share returns the i-th page with one more hold on it.
func (s *sequence) Share(i int) (compute.Page, error) {
	if s.closed || s.model.closed {
		return 0, fmt.Errorf("share a page: %w", errClosed)
	}
	if i < 0 || i >= s.length/pageTokens {
		return 0, fmt.Errorf("share page %d: the sequence has %d full pages; only those can be shared", i, s.length/pageTokens)
	}
	s.model.cache.hold(s.pages[i])
	return s.pages[i], nil
}

// Trim forgets the tokens from n on. A page that stays in part may be shared:
// the next step copies it before it appends.
func (s *sequence) Trim(n int) error {
	if s.closed || s.model.closed {
		return fmt.Errorf("trim: %w", errClosed)
	}
	if n < 0 || n > s.length {
		return fmt.Errorf("trim to %d tokens: the sequence has %d; name a number up to that", n, s.length)
	}
	s.drop((n + pageTokens - 1) / pageTokens)
	s.length = n
	return nil
}

// drop gives up the pages from keep on.
func (s *sequence) drop(keep int) {
	for _, p := range s.pages[keep:] {
		s.model.cache.release(p)
	}
	s.pages = s.pages[:keep]
}

// Close ends the sequence and gives up its pages.
func (s *sequence) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.drop(0)
	s.pages = nil
	s.model.sequences--
}

// reserve takes the pages that n more tokens need and returns how to undo it.
// Nothing of the sequence that can be seen changes but its pages, and those only
// behind its length.
//
// A copy stays when only one holder of the page is left: that may be a sequence
// later in the same batch, which then wrote where this one still reads.
func (s *sequence) reserve(n int) (undo func(), err error) {
	c, before := s.model.cache, len(s.pages)
	var replaced, copied compute.Page = -1, -1
	undo = func() {
		s.drop(before)
		if copied >= 0 && c.holds[replaced] > 1 {
			c.hold(replaced)
			c.release(copied)
			s.pages[before-1] = replaced
		}
	}
	if s.length%pageTokens != 0 && c.holds[s.pages[before-1]] > 1 {
		if copied, err = c.take(before - 1); err != nil {
			copied = -1
			return undo, err
		}
		replaced = s.pages[before-1]
		copy(c.data[copied], c.data[replaced])
		s.pages[before-1] = copied
		c.release(replaced)
	}
	for len(s.pages)*pageTokens < s.length+n {
		p, err := c.take(len(s.pages))
		if err != nil {
			return undo, err
		}
		s.pages = append(s.pages, p)
	}
	return undo, nil
}
