package grammar

import (
	"bytes"
	"slices"
)

// Limits of a vocabulary.
const (
	VocabularyMax = 1 << 20
	// PieceBytesMax bounds a piece; a longer one is never allowed.
	PieceBytesMax = 1 << 10
)

// Vocabulary is the pieces of a tokenizer as a tree of bytes, laid flat in the
// order of a walk from the root, so that a mask is made in one pass over an
// array, as llguidance does. It is never changed, and may be shared.
type Vocabulary struct {
	size   int
	pieces [][]byte
	end    []int32
	single byteSet // bytes that are pieces of their own

	deep int // the longest piece

	// Short pieces of letters are a tree of their own: inside a string all of
	// them are allowed, which is seen without a walk (llguidance calls such a
	// part of the vocabulary a slice).
	trees [treeCount]tree
	short [shortBytesMax + 1][]uint64 // masks of tree 0, by the greatest length
}

const (
	treeShort = iota
	treeOther
	treeCount

	shortBytesMax = 16
)

// lettersOf are the bytes of the tree of short pieces: what a JSON string holds
// as it is.
func lettersOf() (s byteSet) {
	s.add(' ', '!')
	s.add('#', '[')
	s.add(']', '~')
	return s
}

// tree is pieces laid flat.
type tree struct {
	places []place
	token  []int32 // of all places, one after the other
}

// place is a node of the tree.
type place struct {
	skip   int32 // the place behind everything below this one
	first  int32 // its first token; the next place's is behind its last
	depth  uint16
	value  byte // the last byte of the way here
	tokens bool
}

// NewVocabulary makes a vocabulary of the text that each token adds, by token;
// empty pieces are never allowed. The end tokens are allowed where the text may
// end, and only there. The pieces are copied.
func NewVocabulary(pieces [][]byte, end []int32) *Vocabulary {
	pieces = pieces[:min(len(pieces), VocabularyMax)]
	v := &Vocabulary{size: len(pieces), pieces: make([][]byte, len(pieces))}
	var order []int32
	for i, p := range pieces {
		if len(p) == 0 || len(p) > PieceBytesMax || slices.Contains(end, int32(i)) {
			continue
		}
		v.pieces[i] = bytes.Clone(p)
		v.deep = max(v.deep, len(p))
		order = append(order, int32(i))
		if len(p) == 1 {
			v.single.add(p[0], p[0])
		}
	}
	for _, e := range end {
		if e >= 0 && int(e) < v.size {
			v.end = append(v.end, e)
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(v.pieces[a], v.pieces[b]) })
	v.slice(order)
	return v
}

// slice divides the tokens, which are in the order of their pieces, into trees.
func (v *Vocabulary) slice(order []int32) {
	letters := lettersOf()
	var parts [treeCount][]int32
	for i := range v.short {
		v.short[i] = make([]uint64, v.Words())
	}
	for _, t := range order {
		p := v.pieces[t]
		if len(p) > shortBytesMax || slices.ContainsFunc(p, func(b byte) bool { return !letters.has(b) }) {
			parts[treeOther] = append(parts[treeOther], t)
			continue
		}
		parts[treeShort] = append(parts[treeShort], t)
		for n := len(p); n <= shortBytesMax; n++ {
			v.short[n][t>>6] |= 1 << (t & 63)
		}
	}
	for i := range v.trees {
		v.trees[i].lay(v.pieces, parts[i])
	}
}

// lay makes the flat tree of tokens in the order of their pieces.
func (v *tree) lay(pieces [][]byte, order []int32) {
	v.places = []place{{}}
	var open []int32 // the places on the way to the last piece
	var last []byte
	closeTo := func(n int) {
		for len(open) > n {
			v.places[open[len(open)-1]].skip = int32(len(v.places))
			open = open[:len(open)-1]
		}
	}
	for _, t := range order {
		p := pieces[t]
		common := 0
		for common < min(len(p), len(last)) && p[common] == last[common] {
			common++
		}
		closeTo(common)
		for d := common; d < len(p); d++ {
			open = append(open, int32(len(v.places)))
			v.places = append(v.places, place{first: int32(len(v.token)), depth: uint16(d + 1), value: p[d]})
		}
		v.places[len(v.places)-1].tokens = true
		v.token = append(v.token, t)
		last = p
	}
	closeTo(0)
	v.places[0].skip = int32(len(v.places))
	v.places = append(v.places, place{first: int32(len(v.token))}) // behind the last
}

// Words is the length of a mask of this vocabulary.
func (v *Vocabulary) Words() int { return (v.size + 63) / 64 }
