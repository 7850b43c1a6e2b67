package token

import "strings"

// byteLevel is the BPE of GPT-2 (Sennrich et al., 2016; Radford et al., 2019):
// text is cut into words, a word into bytes, and neighbours are merged in the
// order of a list. Nothing is unknown to it, as each byte is a piece.
type byteLevel struct {
	splitter splitter
	pieces   int
	// ids are the pieces by their bytes; those from pieces on are steps of merges
	// that are no pieces.
	ids     map[string]int32
	bytes   [256]int32
	merges  pairTable
	whole   bool
	longest int
}

// newByteLevel reads the merges. The names of pieces write each byte as one
// character.
func newByteLevel(m Metadata, v *vocabulary, p pre) (*byteLevel, error) {
	c := &byteLevel{
		splitter: splitter{classes: newClasses(), stages: p.stages},
		pieces:   len(v.texts), ids: make(map[string]int32, len(v.texts)), whole: p.whole,
	}
	if b, ok := m.Bool("tokenizer.ggml.ignore_merges"); ok {
		c.whole = b
	}
	alphabet := newAlphabet()
	for id, text := range v.texts {
		if v.kinds[id] != kindNormal && v.kinds[id] != kindUnused {
			continue
		}
		if raw, ok := alphabet.bytes(nil, text); ok && len(raw) > 0 {
			c.ids[string(raw)] = int32(id)
			c.longest = max(c.longest, len(raw))
		}
	}
	if err := c.readMerges(m, alphabet); err != nil {
		return nil, err
	}
	for b := range c.bytes {
		c.bytes[b] = c.intern([]byte{byte(b)})
	}
	return c, nil
}

func (c *byteLevel) readMerges(m Metadata, alphabet *alphabet) error {
	merges, ok := m.Texts(keyMerges)
	if !ok {
		return damaged("it has no list %s", keyMerges)
	}
	if len(merges) > MergesMax {
		return damaged("it has %d merges, more than %d", len(merges), MergesMax)
	}
	c.merges.grow(len(merges))
	var raw []byte
	total := 0
	for rank, merge := range merges {
		total += len(merge)
		if len(merge) > 2*PieceBytesMax || total > VocabularyBytesMax {
			return damaged("merge %d makes it larger than %d bytes", rank, VocabularyBytesMax)
		}
		// The first character may itself be a space in hand-made files.
		gap := strings.IndexByte(merge[min(1, len(merge)):], ' ') + 1
		if gap == 0 {
			return damaged("merge %d, %.40q, is not two pieces with a space between", rank, merge)
		}
		var left, right bool
		raw, left = alphabet.bytes(raw[:0], merge[:gap])
		split := len(raw)
		raw, right = alphabet.bytes(raw, merge[gap+1:])
		if !left || !right || split == 0 || split == len(raw) {
			continue // characters that are no bytes: it can never happen
		}
		c.merges.add(c.intern(raw[:split]), c.intern(raw[split:]), uint32(rank), c.intern(raw))
	}
	return nil
}

// intern is the piece of some bytes, or a number of its own where there is none.
func (c *byteLevel) intern(raw []byte) int32 {
	if id, ok := c.ids[string(raw)]; ok {
		return id
	}
	id := int32(c.pieces + len(c.ids))
	c.ids[string(raw)] = id
	return id
}

func (c *byteLevel) encode(dst []int32, s *scratch, text string, _ bool) []int32 {
	return c.split(dst, s, text, c.splitter.stages)
}

// split cuts text with the first of the stages, and what comes of it with the
// others. What lies between matches is a piece of its own.
func (c *byteLevel) split(dst []int32, s *scratch, text string, stages []finder) []int32 {
	if len(stages) == 0 {
		return c.word(dst, s, text)
	}
	for at := 0; at < len(text); {
		from, to := stages[0](c.splitter.classes, text, at)
		if from > at {
			dst = c.split(dst, s, text[at:from], stages[1:])
		}
		if to > from {
			dst = c.split(dst, s, text[from:to], stages[1:])
		}
		at = to
	}
	return dst
}

// word merges one word.
func (c *byteLevel) word(dst []int32, s *scratch, text string) []int32 {
	for len(text) > wordBytesMax {
		dst = c.word(dst, s, text[:wordBytesMax])
		text = text[wordBytesMax:]
	}
	if (c.whole || len(text) == 1) && len(text) <= c.longest {
		if id, ok := c.ids[text]; ok && int(id) < c.pieces {
			return append(dst, id)
		}
	}
	s.text = append(s.text[:0], text...)
	s.symbols = s.symbols[:0]
	for i, b := range s.text {
		s.symbols = append(s.symbols, symbol{start: int32(i), end: int32(i + 1), id: c.bytes[b]})
	}
	s.merge(c, s.text)
	for i := range s.symbols {
		y := &s.symbols[i]
		if int(y.id) < c.pieces {
			dst = append(dst, y.id)
			continue
		}
		// A step of a merge that is no piece falls apart; a byte that is none is
		// lost, as in every byte-level tokenizer that lacks one.
		for _, b := range s.text[y.start:y.end] {
			if id := c.bytes[b]; int(id) < c.pieces {
				dst = append(dst, id)
			}
		}
	}
	return dst
}

// pair implements pairs.
func (c *byteLevel) pair(_ []byte, left, right *symbol) (rank uint32, id int32, ok bool) {
	return c.merges.find(left.id, right.id)
}

// pairTable is a hash table with open addressing: merges are looked up three
// times for each that is done, and Go's map takes twice as long.
type pairTable struct {
	entries []pairEntry
	shift   uint
}

type pairEntry struct {
	key  uint64 // both pieces, with bit 63 set; zero is empty
	rank uint32
	id   int32
}

func (t *pairTable) grow(n int) {
	t.shift = 60
	for 1<<(64-t.shift) < 2*n {
		t.shift--
	}
	t.entries = make([]pairEntry, 1<<(64-t.shift))
}

func (t *pairTable) slot(left, right int32) (*pairEntry, uint64) {
	key := 1<<63 | uint64(uint32(left))<<32 | uint64(uint32(right))
	mask := len(t.entries) - 1
	at := int(key * 0x9E3779B97F4A7C15 >> t.shift)
	for t.entries[at].key != 0 && t.entries[at].key != key {
		at = (at + 1) & mask
	}
	return &t.entries[at], key
}

// add keeps the first of equal pairs.
func (t *pairTable) add(left, right int32, rank uint32, id int32) {
	if e, key := t.slot(left, right); e.key == 0 {
		*e = pairEntry{key: key, rank: rank, id: id}
	}
}

func (t *pairTable) find(left, right int32) (rank uint32, id int32, ok bool) {
	e, _ := t.slot(left, right)
	return e.rank, e.id, e.key != 0
}

// alphabet is how GPT-2 writes bytes in the names of pieces: those that print
// are themselves, the others follow from U+0100 on.
type alphabet struct {
	byteOf [0x180]int16 // -1 is no byte
}

func newAlphabet() *alphabet {
	a := new(alphabet)
	for i := range a.byteOf {
		a.byteOf[i] = -1
	}
	next := 0x100
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			a.byteOf[b] = int16(b)
			continue
		}
		a.byteOf[next] = int16(b)
		next++
	}
	return a
}

// bytes appends the bytes that text writes; not ok when it has a character that
// is none, or is no UTF-8.
func (a *alphabet) bytes(dst []byte, text string) ([]byte, bool) {
	for _, r := range text {
		if int(r) >= len(a.byteOf) || a.byteOf[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(a.byteOf[r]))
	}
	return dst, true
}

// spell is what a piece adds to the text.
func (a *alphabet) spell(dst []byte, text string) []byte {
	raw, ok := a.bytes(dst, text)
	if !ok {
		return append(dst, text...)
	}
	return raw
}
