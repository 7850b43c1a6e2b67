package token

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// wordPiece is BERT's tokenizer (Devlin et al., 2018): words without accents and
// capitals, each cut into the longest pieces from its beginning. Pieces that
// begin a word are written "▁word" in GGUF files, where BERT writes "##" before
// the others.
type wordPiece struct {
	ids     map[string]int32
	longest int
	unknown int32
	lower   bool
}

// wordCharactersMax is how long a word may be before it is unknown as a whole,
// as in Hugging Face's tokenizers.
const wordCharactersMax = 100

func newWordPiece(m Metadata, v *vocabulary) (*wordPiece, error) {
	if v.unknown < 0 {
		return nil, damaged("it has no unknown piece")
	}
	c := &wordPiece{ids: make(map[string]int32, len(v.texts)), unknown: v.unknown, lower: true}
	if b, ok := m.Bool("tokenizer.ggml.normalizer.lowercase"); ok {
		c.lower = b
	}
	for id, text := range v.texts {
		if v.kinds[id].ordinary() && text != "" {
			c.ids[text] = int32(id)
			c.longest = max(c.longest, len(text))
		}
	}
	return c, nil
}

func (c *wordPiece) encode(dst []int32, s *scratch, text string, _ bool) []int32 { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	s.text = append(s.text[:0], space...)
	end := func() {
		if len(s.text) > len(space) {
			dst = c.word(dst, s.text)
		}
		s.text = s.text[:len(space)]
	}
	if c.lower {
		text = norm.NFD.String(text)
	}
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r):
			end()
		case r == 0 || r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
		case c.lower && unicode.Is(unicode.Mn, r):
		case alone(r):
			end()
			s.text = utf8.AppendRune(s.text, r)
			end()
		default:
			if c.lower {
				r = unicode.ToLower(r)
			}
			s.text = utf8.AppendRune(s.text, r)
		}
	}
	end()
	return dst
}

// alone reports whether a character is a word by itself: a sign, or Chinese.
func alone(r rune) bool { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	switch {
	case r < utf8.RuneSelf:
		return r > ' ' && r < 0x7f && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	case unicode.IsPunct(r):
		return true
	default:
		return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF || r >= 0x20000 && r <= 0x2A6DF ||
			r >= 0x2A700 && r <= 0x2B73F || r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF ||
			r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
	}
}

// word cuts a word with its mark before into the longest pieces. One that does
// not come out whole is unknown.
func (c *wordPiece) word(dst []int32, word []byte) []int32 {
	if utf8.RuneCount(word) > wordCharactersMax+1 {
		return append(dst, c.unknown)
	}
	begin := len(dst)
	for at := 0; at < len(word); {
		n := min(len(word)-at, c.longest)
		for ; n > 0; n-- {
			if id, ok := c.ids[string(word[at:at+n])]; ok {
				dst = append(dst, id)
				break
			}
		}
		if n == 0 {
			return append(dst[:begin], c.unknown)
		}
		at += n
	}
	return dst
}

// spellWordPiece is what a piece adds to the text.
func spellWordPiece(dst []byte, text string) []byte {
	return append(dst, strings.ReplaceAll(text, space, " ")...)
}
