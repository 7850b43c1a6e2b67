package token

import (
	"math"
	"strings"
)

// space is how SentencePiece writes a space in its pieces.
const space = "▁"

// wordBytesMax bounds what is merged as one word. Only a hostile text, or a
// vocabulary whose pieces go over words, has longer ones; they are cut.
const wordBytesMax = 64 << 20

// sentencePiece merges neighbours by the score of what they become, the highest
// first (Kudo and Richardson, "SentencePiece", 2018; the BPE model). Text that no
// piece covers is spelled in bytes.
type sentencePiece struct {
	vocabulary *vocabulary
	// ids are the pieces that text may become, with spaces as spaces.
	ids     map[string]int32
	bytes   [256]int32
	longest int
	// apart says that no piece has a space behind another character, so that
	// words can be merged one by one: the result is the same, the heap small.
	apart  bool
	prefix bool // a text begins with a space
}

func newSentencePiece(m Metadata, v *vocabulary) (*sentencePiece, error) {
	if v.scores == nil {
		return nil, damaged("it has no list %s", keyScores)
	}
	c := &sentencePiece{vocabulary: v, ids: make(map[string]int32, len(v.texts)), bytes: v.bytePieces(), apart: true, prefix: true}
	if b, ok := m.Bool("tokenizer.ggml.add_space_prefix"); ok {
		c.prefix = b
	}
	for id, text := range v.texts {
		if !v.kinds[id].ordinary() || text == "" {
			continue
		}
		text = strings.ReplaceAll(text, space, " ")
		c.ids[text] = int32(id)
		c.longest = max(c.longest, len(text))
		if strings.Contains(strings.TrimLeft(text, " "), " ") {
			c.apart = false
		}
	}
	return c, nil
}

// spellSentencePiece is what a piece adds to the text.
func spellSentencePiece(dst []byte, text string) []byte {
	return append(dst, strings.ReplaceAll(text, space, " ")...)
}

func (c *sentencePiece) encode(dst []int32, s *scratch, text string, first bool) []int32 { //nolint:revive // flag-parameter: where the text stands, not what to do
	s.text = s.text[:0]
	if c.prefix && first {
		s.text = append(s.text, ' ')
	}
	if strings.Contains(text, space) {
		text = strings.ReplaceAll(text, space, " ")
	}
	s.text = append(s.text, text...)
	rest := s.text
	for len(rest) > 0 {
		n := c.word(rest)
		dst = c.encodeWord(dst, s, rest[:n])
		rest = rest[n:]
	}
	return dst
}

// word is the length of the next word with the spaces before it.
func (c *sentencePiece) word(rest []byte) int {
	limit := min(len(rest), wordBytesMax)
	if !c.apart {
		return limit
	}
	n := 0
	for n < limit && rest[n] == ' ' {
		n++
	}
	for n < limit && rest[n] != ' ' {
		n++
	}
	return n
}

func (c *sentencePiece) encodeWord(dst []int32, s *scratch, word []byte) []int32 {
	s.characters(word, c.id)
	s.merge(c, word)
	for i := range s.symbols {
		y := &s.symbols[i]
		if y.id >= 0 {
			dst = append(dst, y.id)
			continue
		}
		dst = c.spell(dst, word[y.start:y.end])
	}
	return dst
}

func (c *sentencePiece) id(piece []byte) int32 {
	if id, ok := c.ids[string(piece)]; ok {
		return id
	}
	return -1
}

// spell writes a character that is no piece in bytes; where the vocabulary has
// no such byte, it is unknown.
func (c *sentencePiece) spell(dst []int32, character []byte) []int32 {
	if len(character) == 1 && character[0] == ' ' {
		character = []byte(space)
	}
	for _, b := range character {
		id := c.bytes[b]
		if id < 0 {
			id = c.vocabulary.unknown
		}
		if id >= 0 {
			dst = append(dst, id)
		}
	}
	return dst
}

// pair implements pairs.
func (c *sentencePiece) pair(word []byte, left, right *symbol) (rank uint32, id int32, ok bool) {
	if int(right.end-left.start) > c.longest {
		return 0, 0, false
	}
	id, ok = c.ids[string(word[left.start:right.end])]
	if !ok {
		return 0, 0, false
	}
	return descending(c.vocabulary.scores[id]), id, true
}

// descending maps scores to numbers that rise when the score falls.
func descending(score float32) uint32 {
	b := math.Float32bits(score + 0) // +0: minus zero is zero
	if b>>31 == 0 {
		b |= 1 << 31
	} else {
		b = ^b
	}
	return ^b
}
