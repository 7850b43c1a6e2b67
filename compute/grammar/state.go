package grammar

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	// setsMax is how many sets of stacks a text keeps before it forgets those
	// that it cannot reach any more.
	setsMax = 1 << 14
	// recentMax is how many masks a text keeps.
	recentMax = 8
)

// ErrToken is wrapped by [State.Accept] for a token that is not allowed.
var ErrToken = errors.New("token not allowed here")

// State is a text under way. It is for one goroutine at a time; states of one
// grammar may be used by several at once.
type State struct {
	w      walker
	at     point
	ended  bool
	recent [recentMax]recent
	turn   int
}

type recent struct {
	at   point
	bits []uint64
}

// Start begins a text. It fails when the vocabulary lacks bytes without which
// no text of the grammar can be written.
func (g *Grammar) Start(v *Vocabulary) (*State, error) {
	m, err := g.machine(v)
	if err != nil {
		return nil, err
	}
	s := &State{w: walker{a: newStacks(m), points: make([]point, v.deep+1)}}
	s.at = s.w.a.pointOf(s.w.a.close(frame{g.start[0], setEnd}))
	return s, nil
}

// Mask writes the bits of all tokens: set when the token is allowed next. The
// mask has [Vocabulary.Words] words; more are cleared, and fewer are all that
// is written. End tokens are allowed where the text may end. Until [State.Done]
// at least one token is allowed.
func (s *State) Mask(mask []uint64) {
	clear(mask)
	if !s.ended {
		copy(mask, s.bits())
	}
	if s.CanEnd() {
		for _, e := range s.w.a.m.v.end {
			if int(e>>6) < len(mask) {
				mask[e>>6] |= 1 << (e & 63)
			}
		}
	}
}

// bits returns the mask without end tokens, from the recent ones when it is
// there: a text often stays at a point, such as inside a string.
func (s *State) bits() []uint64 {
	for i := range s.recent {
		if r := &s.recent[i]; r.bits != nil && r.at == s.at {
			return r.bits
		}
	}
	r := &s.recent[s.turn]
	s.turn = (s.turn + 1) % recentMax
	if r.bits == nil {
		r.bits = make([]uint64, s.w.a.m.v.Words())
	}
	clear(r.bits)
	r.at = s.at
	s.w.mask(r.bits, s.at)
	s.tidy()
	return s.recent[(s.turn+recentMax-1)%recentMax].bits
}

// Accept adds a token to the text. A token that is not allowed is an error
// wrapping [ErrToken], and leaves the state as it was.
func (s *State) Accept(token int32) error {
	v := s.w.a.m.v
	if s.ended {
		return fmt.Errorf("%w: the text has ended; begin another", ErrToken)
	}
	if slices.Contains(v.end, token) {
		if !s.CanEnd() {
			return fmt.Errorf("%w: the text is not complete; choose among the tokens of the mask", ErrToken)
		}
		s.ended = true
		return nil
	}
	if token < 0 || int(token) >= v.size || len(v.pieces[token]) == 0 {
		return fmt.Errorf("%w: token %d has no text; choose among the tokens of the mask", ErrToken, token)
	}
	return s.write(v.pieces[token])
}

func (s *State) write(text []byte) error {
	p := s.at
	for _, b := range text {
		if p = s.w.a.step(p, b); p.none() {
			break
		}
	}
	if s.w.a.rest(p) >= dead {
		return fmt.Errorf("%w: %q leaves the constraint; choose among the tokens of the mask", ErrToken, text)
	}
	s.at = p
	s.tidy()
	return nil
}

// CanEnd reports whether the text may end here.
func (s *State) CanEnd() bool { return s.ended || s.w.a.ends(s.at) }

// Done reports whether the text has ended: an end token was accepted, or it is
// complete and nothing can follow.
func (s *State) Done() bool {
	return s.ended || s.at == point{pointSet, setEnd}
}

// Finish returns the shortest text that completes the document from here, and
// nothing when it may end here. A request that runs out of tokens is closed
// validly by adding it. The state does not change.
func (s *State) Finish() []byte {
	if s.CanEnd() {
		return nil
	}
	a, p := s.w.a, s.at
	var out []byte
	for !a.ends(p) {
		left := a.rest(p)
		if left >= dead || left <= 0 {
			break // not reached: the text is alive
		}
		b, next, ok := a.nearer(p, left)
		if !ok {
			break
		}
		out, p = append(out, b), next
	}
	return out
}

// nearer finds the lowest byte that comes one nearer to the end.
func (a *stacks) nearer(p point, left int32) (byte, point, bool) {
	var tried [256]bool
	for b := range 256 {
		k := a.m.g.class[b]
		if tried[k] || !a.m.v.single.has(byte(b)) {
			continue
		}
		tried[k] = true
		if next := a.step(p, byte(b)); a.rest(next) < left {
			return byte(b), next, true
		}
	}
	return 0, p, false
}

// Clone returns a state that goes on from here on its own.
func (s *State) Clone() *State {
	c := &State{w: walker{points: make([]point, len(s.w.points))}, ended: s.ended}
	c.w.a, c.at = s.compact()
	return c
}

// compact copies what the text can still reach into a new table.
func (s *State) compact() (*stacks, point) {
	a := newStacks(s.w.a.m)
	known := map[int32]int32{}
	return a, point{s.at.state, s.w.a.copyTo(a, s.at.below, known)}
}

// tidy forgets sets when there are many.
func (s *State) tidy() {
	a := s.w.a
	if len(a.sets)+len(a.steps)+len(a.joined)+len(a.closed) < setsMax {
		return
	}
	last := s.at
	s.w.a, s.at = s.compact()
	for i := range s.recent {
		if s.recent[i].at == last && s.recent[i].bits != nil {
			s.recent[i].at = s.at
		} else {
			s.recent[i].at = point{pointSet, math.MinInt32}
		}
	}
}
