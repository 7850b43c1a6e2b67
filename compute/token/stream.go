package token

import (
	"strings"
	"unicode/utf8"
)

// Stream turns tokens into text as they come, and holds back the bytes of a
// character until it is whole. The zero value is not usable; see NewStream.
type Stream struct {
	t    *Tokenizer
	held []byte
	// lead says that nothing was written yet and that a space before the first
	// word is the tokenizer's own.
	lead bool
}

// NewStream begins a text. With lead set the space that SentencePiece puts
// before the first word is taken off: for a whole text, not for one that goes on
// from a prompt.
func NewStream(t *Tokenizer, lead bool) *Stream {
	c, ok := t.coder.(*sentencePiece)
	return &Stream{t: t, lead: lead && ok && c.prefix}
}

// Add appends a token and returns what became readable: whole characters only.
// Bytes that can be no character become U+FFFD.
func (s *Stream) Add(id int32) string {
	piece := s.t.Piece(id)
	if s.lead && len(piece) > 0 {
		s.lead = false
		if piece[0] == ' ' {
			piece = piece[1:]
		}
	}
	s.held = append(s.held, piece...)
	end := whole(s.held)
	text := strings.ToValidUTF8(string(s.held[:end]), "\uFFFD")
	s.held = append(s.held[:0], s.held[end:]...)
	return text
}

// Flush returns what was held back, as it is the end of the text.
func (s *Stream) Flush() string {
	text := strings.ToValidUTF8(string(s.held), "\uFFFD")
	s.held = s.held[:0]
	return text
}

// whole is how many bytes there are before a character that is not complete.
func whole(b []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(b)); back++ {
		at := len(b) - back
		if utf8.RuneStart(b[at]) {
			if utf8.FullRune(b[at:]) {
				return len(b)
			}
			return at
		}
	}
	return len(b)
}
