package lexical

import (
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
)

// token is a piece of text: a word, or letters of a script that does not
// separate words (run), of which pairs are indexed.
type token struct {
	text string
	run  bool
}

// segmenter cuts a text into tokens by the word boundaries of Unicode (UAX 29).
// Words of ASCII, by far the most, are found without its tables.
type segmenter struct {
	text    string
	at      int
	inside  *words.Iterator[string] // of the stretch that needs the tables, or nil
	held    string                  // a word of it that ended a run
	pending bool
}

// next gives the next token.
func (s *segmenter) next() (token, bool) {
	for {
		if s.inside != nil || s.pending {
			if t, ok := s.nextInside(); ok {
				return t, true
			}
			s.inside = nil
		}
		for s.at < len(s.text) && byteTable[s.text[s.at]] == byteSpace {
			s.at++
		}
		if s.at == len(s.text) {
			return token{}, false
		}
		begin, at := s.at, s.at
		for at < len(s.text) && byteTable[s.text[at]] == byteWord {
			at++
		}
		if at == len(s.text) || byteTable[s.text[at]] == byteSpace || s.joins(at) == byteSpace {
			s.at = at + 1
			if at == len(s.text) {
				s.at = at
			}
			if at > begin {
				return token{text: s.text[begin:at]}, true
			}
			continue
		}
		s.enter(begin, at)
	}
}

// joins says whether the mark at a place may join what stands around it.
func (s *segmenter) joins(at int) byteKind {
	if byteTable[s.text[at]] != byteJoin {
		return byteRune
	}
	if at+1 == len(s.text) {
		return byteSpace
	}
	return byteTable[s.text[at+1]]
}

// enter begins a stretch to the next space that Unicode's rules cut.
func (s *segmenter) enter(begin, at int) {
	end := at
	for end < len(s.text) && byteTable[s.text[end]] != byteSpace && end-begin < tokenBytesMax {
		end++
	}
	for end < len(s.text) && end > begin+1 && !utf8.RuneStart(s.text[end]) {
		end--
	}
	s.inside, s.at = words.FromString(s.text[begin:end]), end
}

// nextInside gives the next token of such a stretch.
func (s *segmenter) nextInside() (token, bool) {
	if s.pending {
		s.pending = false
		return token{text: s.held}, true
	}
	var run []byte
	for s.inside != nil && s.inside.Next() {
		word := s.inside.Value()
		r, size := utf8.DecodeRuneInString(word)
		if joinsToRun(r) {
			run = append(run, word...)
			continue
		}
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && (size == len(word) || r != '_') {
			if len(run) > 0 {
				return token{text: string(run), run: true}, true
			}
			continue
		}
		if len(run) > 0 {
			s.held, s.pending = word, true
			return token{text: string(run), run: true}, true
		}
		return token{text: word}, true
	}
	return token{text: string(run), run: true}, len(run) > 0
}

// joinsToRun says whether a letter is of a script without spaces between words.
func joinsToRun(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// pairs gives the terms of a run: every pair of letters, and the last letter
// alone, so that each letter begins some term and a search for one finds it.
func pairs(run string) []item {
	letters := []rune(foldWidth(run))
	var items []item
	for i := range letters {
		items = append(items, item{term: string(letters[i:min(i+2, len(letters))]), step: 1})
	}
	return items
}

// runBytesMax is the longest part of a run that is looked up as one.
const runBytesMax = 4 * termBytesMax

// byteKind is what a byte means to the fast way through ASCII.
type byteKind uint8

const (
	byteSpace byteKind = iota // ends a word whatever follows
	byteWord
	byteJoin // joins two words, or two numbers, that it stands between
	byteRune // of a rune beyond ASCII
)

// byteTable says so of each byte.
var byteTable = func() (table [256]byteKind) {
	for c := range table {
		switch {
		case c >= utf8.RuneSelf:
			table[c] = byteRune
		case c == '_' || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)):
			table[c] = byteWord
		case c == '\'' || c == '.' || c == ',' || c == ':' || c == ';':
			table[c] = byteJoin
		}
	}
	return table
}()

// tokensOf calls f with each token and its language's terms still to be made;
// a long run comes in pieces.
func tokensOf(text string, f func(t token)) {
	s := segmenter{text: text}
	for {
		t, ok := s.next()
		if !ok {
			return
		}
		for t.run && len(t.text) > runBytesMax {
			head := cutAt(t.text, runBytesMax)
			f(token{text: head, run: true})
			t.text = t.text[len(head):]
		}
		f(t)
	}
}

// termsOf gives the terms of a token.
func termsOf(t token, language Language) []item {
	if t.run {
		return pairs(t.text)
	}
	return expand(t.text, language)
}
