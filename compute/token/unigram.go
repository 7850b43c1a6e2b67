package token

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Unigram cuts text into the pieces that are likeliest together: each piece has
// a log-probability, and the sum is made largest by Viterbi's algorithm (Kudo,
// "Subword Regularization", 2018). It does not change once made, and any number
// of goroutines may use it.
type Unigram struct {
	trie    trie
	scores  []float64
	unknown int32
	// penalty is the score of a character that no piece covers.
	penalty float64
	// apart says that no piece goes on over the beginning of a word, so that
	// words can be cut one by one.
	apart bool
}

// Limits of a unigram model. The pieces of the largest known are 250,100 with
// 48 bytes at most.
const (
	UnigramPieceBytesMax = 512
	UnigramBytesMax      = 16 << 20
)

// unknownPenalty is how much less likely than the least likely piece a character
// without one is: SentencePiece's constant.
const unknownPenalty = 10

// NewUnigram makes the model of pieces, in which a space is written "▁", and of
// their log-probabilities. unknown is the piece that stands for characters
// without one; it and empty pieces are never found in a text. Scores that are
// not finite, lists of unequal length and lists over the limits are
// [ErrVocabulary].
func NewUnigram(pieces []string, scores []float64, unknown int) (*Unigram, error) { //nolint:revive // cyclomatic: a flat list of cases, which reads best in one place
	switch {
	case len(pieces) == 0 || len(pieces) > PiecesMax:
		return nil, damaged("it has %d pieces, and 1 to %d are possible", len(pieces), PiecesMax)
	case len(pieces) != len(scores):
		return nil, damaged("it has %d scores for %d pieces", len(scores), len(pieces))
	case unknown < 0 || unknown >= len(pieces):
		return nil, damaged("the unknown piece is number %d of %d", unknown, len(pieces))
	}
	u := &Unigram{scores: scores, unknown: int32(unknown), apart: true}
	least, total := math.Inf(1), 0
	for id, piece := range pieces {
		total += len(piece)
		if len(piece) > UnigramPieceBytesMax || total > UnigramBytesMax {
			return nil, damaged("piece %d makes it larger than a piece of %d or pieces of %d bytes may be", id, UnigramPieceBytesMax, UnigramBytesMax)
		}
		if math.IsNaN(scores[id]) || math.IsInf(scores[id], 0) {
			return nil, damaged("the score of piece %d is no finite number", id)
		}
	}
	u.trie.grow(total)
	for id, piece := range pieces {
		if id == unknown || piece == "" {
			continue
		}
		least = min(least, scores[id])
		u.trie.add(piece, int32(id))
		if strings.Contains(strings.TrimLeft(piece, space), space) {
			u.apart = false
		}
	}
	if math.IsInf(least, 1) {
		least = 0
	}
	u.penalty = least - unknownPenalty
	return u, nil
}

// Encode appends the pieces of text to dst, after bringing it into Unicode's
// form NFKC. Spaces must be written "▁" already, as the caller's model wants
// them. Neighbouring characters without a piece are one unknown piece together.
func (u *Unigram) Encode(dst []int32, text string) []int32 {
	if !norm.NFKC.IsNormalString(text) {
		text = norm.NFKC.String(text)
	}
	var l lattice
	return u.encode(dst, &l, text)
}

// lattice is the memory of one encoding.
type lattice struct {
	nodes []node
	back  []int32
}

// node is the best way to reach a place in the text: by which piece, from where.
type node struct {
	score float64
	start int32
	id    int32
}

func (u *Unigram) encode(dst []int32, l *lattice, text string) []int32 {
	unknown := false // the last token was unknown
	for len(text) > 0 {
		n := u.word(text)
		dst, unknown = u.encodeWord(dst, l, text[:n], unknown)
		text = text[n:]
	}
	return dst
}

// word is the length of the next word with the spaces before it.
func (u *Unigram) word(text string) int {
	limit := min(len(text), wordBytesMax)
	if !u.apart {
		return limit
	}
	at := 0
	for strings.HasPrefix(text[at:], space) {
		at += len(space)
	}
	if next := strings.Index(text[at:], space); next >= 0 {
		limit = min(limit, at+next)
	}
	return limit
}

func (u *Unigram) encodeWord(dst []int32, l *lattice, word string, unknown bool) ([]int32, bool) { //nolint:revive // flag-parameter: what came before, not what to do
	l.nodes = l.nodes[:0]
	for range len(word) + 1 {
		l.nodes = append(l.nodes, node{score: math.Inf(-1)})
	}
	l.nodes[0].score = 0
	for at := 0; at < len(word); {
		_, n := utf8.DecodeRuneInString(word[at:])
		u.extend(l.nodes, word, at, n)
		at += n
	}
	l.back = l.back[:0]
	for end := int32(len(word)); end > 0; end = l.nodes[end].start {
		l.back = append(l.back, l.nodes[end].id)
	}
	for _, id := range slices.Backward(l.back) {
		if id != u.unknown || !unknown {
			dst = append(dst, id)
		}
		unknown = id == u.unknown
	}
	return dst, unknown
}

// extend tries all pieces that begin at a place. A tie goes to the piece that
// begins earlier, as in SentencePiece.
func (u *Unigram) extend(nodes []node, word string, at, character int) {
	from := nodes[at].score
	if math.IsInf(from, -1) {
		return // inside a piece that is no whole character
	}
	reach := func(end int, id int32, score float64) {
		if score > nodes[end].score {
			nodes[end] = node{score: score, start: int32(at), id: id}
		}
	}
	covered := false
	state := int32(0)
	for end := at; end < len(word); {
		var ok bool
		if state, ok = u.trie.next(state, word[end]); !ok {
			break
		}
		end++
		if id := u.trie.values[state]; id >= 0 {
			reach(end, id, from+u.scores[id])
			covered = covered || end == at+character
		}
	}
	if !covered {
		reach(at+character, u.unknown, from+u.penalty)
	}
}

// trie finds all pieces that begin at a place. Its edges lie in one table with
// open addressing: a child per byte and node would be 256 times as large.
type trie struct {
	values []int32
	edges  []edge
	shift  uint
}

type edge struct {
	key uint64 // node and byte, with bit 40 set; zero is empty
	to  int32
}

// grow makes room for pieces of so many bytes together.
func (t *trie) grow(bytes int) {
	t.shift = 60
	for 1<<(64-t.shift) < 2*bytes {
		t.shift--
	}
	t.edges = make([]edge, 1<<(64-t.shift))
	t.values = append(t.values, -1)
}

// slot is where the edge is, or would be.
func (t *trie) slot(key uint64) int {
	mask := len(t.edges) - 1
	at := int(key * 0x9E3779B97F4A7C15 >> t.shift)
	for t.edges[at].key != 0 && t.edges[at].key != key {
		at = (at + 1) & mask
	}
	return at
}

func (t *trie) add(piece string, id int32) {
	state := int32(0)
	for i := range len(piece) {
		key := uint64(state)<<8 | uint64(piece[i]) | 1<<40
		e := &t.edges[t.slot(key)]
		if e.key == 0 {
			*e = edge{key: key, to: int32(len(t.values))}
			t.values = append(t.values, -1)
		}
		state = e.to
	}
	t.values[state] = id
}

func (t *trie) next(state int32, c byte) (int32, bool) {
	e := &t.edges[t.slot(uint64(state)<<8|uint64(c)|1<<40)]
	return e.to, e.key != 0
}
