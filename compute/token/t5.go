package token

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// unigram is SentencePiece's unigram model in a file: the text is normalised as
// the file says, and cut by a [Unigram].
type unigram struct {
	model   *Unigram
	rules   charsmap
	prefix  bool // a text begins with a space
	squeeze bool // several spaces are one, and none stand at the ends
}

func newUnigramCoder(m Metadata, v *vocabulary) (*unigram, error) {
	if v.scores == nil {
		return nil, damaged("it has no list %s", keyScores)
	}
	if v.unknown < 0 {
		return nil, damaged("it has no unknown piece")
	}
	pieces := make([]string, len(v.texts))
	scores := make([]float64, len(v.texts))
	for id, text := range v.texts {
		//exhaustive:ignore
		switch v.kinds[id] {
		case kindNormal, kindUnused:
			pieces[id], scores[id] = text, float64(v.scores[id])
		case kindUserDefined: // likelier than all others
			pieces[id] = text
		default: // not found in a text
		}
	}
	model, err := NewUnigram(pieces, scores, int(v.unknown))
	if err != nil {
		return nil, err
	}
	c := &unigram{model: model, prefix: true, squeeze: true}
	if b, ok := m.Bool("tokenizer.ggml.add_space_prefix"); ok {
		c.prefix = b
	}
	if b, ok := m.Bool("tokenizer.ggml.remove_extra_whitespaces"); ok {
		c.squeeze = b
	}
	if b, ok := m.Ints("tokenizer.ggml.precompiled_charsmap"); ok {
		if c.rules, err = newCharsmap(b); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *unigram) encode(dst []int32, s *scratch, text string, _ bool) []int32 {
	return c.model.encode(dst, &s.lattice, c.normalise(text))
}

// normalise applies the rules and writes spaces as the pieces have them.
func (c *unigram) normalise(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/2)
	begun, held := false, c.prefix // held is a space not written yet
	for text != "" {
		part, n := c.rules.replace(text)
		text = text[n:]
		for _, r := range part {
			if r != ' ' {
				if held {
					b.WriteString(space)
				}
				begun, held = true, false
				b.WriteRune(r)
				continue
			}
			switch {
			case !c.squeeze:
				if held {
					b.WriteString(space)
				}
				held = true
			case begun:
				held = true
			}
		}
	}
	if held && !c.squeeze {
		b.WriteString(space)
	}
	return b.String()
}

// charsmap is SentencePiece's precompiled table of replacements: a double-array
// trie (Aoe, 1989, in the layout of Darts-clone) from text to a place among the
// replacements, each of which ends with a zero byte.
type charsmap struct {
	units        []uint32
	replacements string
}

func newCharsmap(ints []int64) (c charsmap, err error) {
	if len(ints) == 0 {
		return c, nil
	}
	if len(ints) > CharsmapBytesMax || len(ints) < 5 {
		return c, damaged("its charsmap has %d bytes, and 5 to %d are possible", len(ints), CharsmapBytesMax)
	}
	b := make([]byte, len(ints))
	for i, v := range ints {
		b[i] = byte(v)
	}
	size := uint64(binary.LittleEndian.Uint32(b))
	if size%4 != 0 || size+4 > uint64(len(b)) {
		return c, damaged("the trie of its charsmap has %d of %d bytes", size, len(b))
	}
	c.units = make([]uint32, size/4)
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	c.replacements = string(b[4+size:])
	return c, nil
}

// replace is what the beginning of text becomes, and how long that is: the
// longest that the table knows, or else one character.
func (c *charsmap) replace(text string) (part string, n int) {
	at, length := -1, 0
	if len(c.units) > 0 {
		at, length = c.find(text)
	}
	if at >= 0 && at <= len(c.replacements) {
		part = c.replacements[at:]
		if end := strings.IndexByte(part, 0); end >= 0 {
			part = part[:end]
		}
		return part, length
	}
	r, n := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && n == 1 {
		return "\uFFFD", 1
	}
	return text[:n], n
}

// find walks the trie. Each step reads one unit, and no key is longer than
// charsmapKeyMax, so that a hostile table cannot make it long.
func (c *charsmap) find(text string) (at, length int) {
	at = -1
	place := offset(c.units[0])
	for i := range min(len(text), charsmapKeyMax) {
		place ^= uint32(text[i])
		if int(place) >= len(c.units) {
			break
		}
		unit := c.units[place]
		if unit&(1<<31|0xff) != uint32(text[i]) {
			break
		}
		place ^= offset(unit)
		if unit>>8&1 == 1 && int(place) < len(c.units) {
			at, length = int(c.units[place]&(1<<31-1)), i+1
		}
	}
	return at, length
}

const charsmapKeyMax = 64

func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
