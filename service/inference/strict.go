package inference

import (
	"bytes"
	"context"
	"strings"

	"phios/api/inference"
	"phios/compute/grammar"
)

// strict lets a text be anything until the mark of a call, and then only a call
// of a tool that was offered, with arguments by its schema. After the call the
// text is free again.
//
// Llama 3 has no such mark: its calls are whole answers, and whether one is
// meant is known only after its first tokens. There a strict tool is only
// strict when it is required.
type strict struct {
	piece func(token int32) []byte
	size  int // of the vocabulary
	mark  string
	begin func() (*grammar.State, error)
	state *grammar.State // nil where the text is free
	tail  string         // the end of the free text: as long as the mark, at most
}

// strictly makes the constraint for tools that are strict and not required; nil
// when there is none.
func (c *calls) strictly(ctx context.Context, e *engine, r *inference.Request) (*strict, error) {
	some := false
	for i := range r.Tools {
		some = some || r.Tools[i].Strict
	}
	if !some || c.style == toolsLlama {
		return nil, nil //nolint:nilnil // No constraint is a constraint, too.
	}
	schema := `{"anyOf":[` + options(r, func(*inference.Tool) bool { return true }, "arguments") + `]}`
	if c.style == toolsMistral {
		schema = `{"type":"array","minItems":1,"maxItems":16,"items":` + schema + `}`
	}
	must, err := e.service.grammars.get(ctx, inference.ConstraintSchema, schema)
	if err != nil {
		return nil, err
	}
	s := &strict{piece: e.words.Piece, size: e.words.t.Size(), mark: c.mark(), begin: func() (*grammar.State, error) { return must.Start(e.vocabulary()) }}
	_, err = s.begin() // so that what this model cannot write is known now
	return s, err
}

// Mask sets the bit of each token that may come next.
func (s *strict) Mask(bits []uint64) {
	if s.state != nil {
		s.state.Mask(bits)
		return
	}
	for i := range bits {
		bits[i] = ^uint64(0)
	}
	n := held(s.tail, s.mark)
	if n == 0 {
		return
	}
	// A token must not end the mark and begin the call at once: the call is
	// followed from its first token.
	for id := range s.size {
		after, ok := bytes.CutPrefix(s.piece(int32(id)), []byte(s.mark[n:]))
		if ok && len(bytes.TrimSpace(after)) > 0 && id/64 < len(bits) {
			bits[id/64] &^= 1 << (id % 64)
		}
	}
}

// Accept follows a token.
func (s *strict) Accept(token int32) error {
	if s.state != nil {
		if err := s.state.Accept(token); err != nil {
			return err
		}
		if s.state.Done() {
			s.state, s.tail = nil, ""
		}
		return nil
	}
	s.tail += string(s.piece(token))
	if strings.HasSuffix(strings.TrimRight(s.tail, " \n\t"), s.mark) {
		state, err := s.begin()
		s.state = state
		return err
	}
	s.tail = s.tail[max(len(s.tail)-len(s.mark), 0):]
	return nil
}

// Done reports that nothing may follow, which is never so: after a call another
// may come.
func (s *strict) Done() bool { return false }

// Finish completes a call that was cut.
func (s *strict) Finish() []byte {
	if s.state == nil {
		return nil
	}
	return s.state.Finish()
}
