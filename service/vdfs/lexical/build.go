package lexical

import (
	"cmp"
	"encoding/binary"
	"os"
	"slices"
	"strings"
)

// builder gathers documents in memory and writes them as one segment. Tokens are
// kept in the order they come, as numbers; one counting sort at the end brings
// those of a term together.
type builder struct {
	spellings [languages]map[string]spelling // a token as it was written, to its terms
	known     int
	items     []numbered
	numbers   map[string]uint32
	texts     []string
	tokens    []occurrence
	docs      []built
	byID      map[uint64]int
}

// numbered is an item whose term has its number.
type numbered struct {
	term uint32
	step uint16
}

// spelling is a stretch of items.
type spelling struct{ begin, count uint32 }

// occurrence is a term at a place.
type occurrence struct {
	term  uint32
	place uint16
}

// built is a document with its stretch of tokens.
type built struct {
	document
	begin, end int
	dropped    bool
}

func newBuilder() *builder {
	return &builder{numbers: map[string]uint32{}, byID: map[uint64]int{}}
}

// put adds a document in place of one of the same ID.
func (b *builder) put(d *Document) {
	b.drop(d.ID)
	language := d.Language
	if language == Detect {
		language = max(tell(d.Text), English)
	}
	entry := built{document: document{id: d.ID, language: language}, begin: len(b.tokens)}
	place := b.add(d.Title, language, 0)
	words := place
	if place > 0 {
		place += titleGap
	}
	words += b.add(d.Text, language, place) - place
	entry.length, entry.end = uint16(min(words, documentTokensMax)), len(b.tokens)
	b.byID[d.ID] = len(b.docs)
	b.docs = append(b.docs, entry)
}

// drop takes a document out.
func (b *builder) drop(id uint64) {
	if i, ok := b.byID[id]; ok {
		b.docs[i].dropped = true
		delete(b.byID, id)
	}
}

// add indexes a text from a place on and gives the place behind it.
func (b *builder) add(text string, language Language, place int) int {
	cache := b.spellings[language]
	if cache == nil || b.known > cacheTokensMax {
		clear(b.spellings[:])
		cache = map[string]spelling{}
		b.spellings[language], b.items, b.known = cache, b.items[:0], 0
	}
	tokensOf(text, func(t token) {
		found, ok := cache[t.text]
		if !ok {
			found = b.learn(t, language)
			if len(t.text) <= termBytesMax {
				cache[strings.Clone(t.text)] = found
				b.known++
			}
		}
		for _, item := range b.items[found.begin : found.begin+found.count] {
			place += int(item.step)
			if place <= documentTokensMax {
				b.tokens = append(b.tokens, occurrence{term: item.term, place: uint16(place)})
			}
		}
	})
	return min(place, documentTokensMax)
}

// learn makes the terms of a token and keeps them.
func (b *builder) learn(t token, language Language) spelling {
	found := spelling{begin: uint32(len(b.items))}
	for _, item := range termsOf(t, language) {
		b.items = append(b.items, numbered{term: b.number(item.term), step: uint16(item.step)})
		found.count++
	}
	return found
}

// number gives a term its number.
func (b *builder) number(term string) uint32 {
	n, ok := b.numbers[term]
	if !ok {
		n = uint32(len(b.texts))
		term = strings.Clone(term)
		b.numbers[term] = n
		b.texts = append(b.texts, term)
	}
	return n
}

// write writes the documents as a segment.
func (b *builder) write(file *os.File) error {
	live := slices.DeleteFunc(b.docs, func(d built) bool { return d.dropped })
	slices.SortFunc(live, func(x, y built) int { return cmp.Compare(x.id, y.id) })
	docs, total := make([]document, len(live)), 0
	for i, d := range live {
		docs[i] = d.document
		total += int(d.length)
	}
	mean := float64(total) / float64(max(len(live), 1))
	begins := make([]uint32, len(b.texts)+1)
	for _, d := range live {
		for _, t := range b.tokens[d.begin:d.end] {
			begins[t.term+1]++
		}
	}
	for i := 1; i < len(begins); i++ {
		begins[i] += begins[i-1]
	}
	type place struct {
		document uint32
		place    uint16
	}
	places, fill := make([]place, begins[len(b.texts)]), slices.Clone(begins)
	for i, d := range live {
		for _, t := range b.tokens[d.begin:d.end] {
			places[fill[t.term]] = place{uint32(i), t.place}
			fill[t.term]++
		}
	}
	w, c, n := newSegmentWriter(file, mean), &chunkWriter{}, normsAt(mean)
	var gaps []byte
	for _, term := range b.order() {
		own := places[begins[term]:begins[term+1]]
		if len(own) == 0 {
			continue
		}
		c.reset()
		for i := 0; i < len(own); {
			p := posting{document: own[i].document}
			gaps = gaps[:0]
			for before := uint16(0); i < len(own) && own[i].document == p.document; i++ {
				gaps = binary.AppendUvarint(gaps, uint64(own[i].place-before))
				before = own[i].place
				p.count++
			}
			p.places = gaps
			c.add(p, float64(part(float32(p.count), n.of(docs[p.document].length))))
		}
		w.term(b.texts[term], c)
	}
	return w.finish(docs)
}

// order gives the numbers of the terms in the order of their texts.
func (b *builder) order() []uint32 {
	order := make([]uint32, len(b.texts))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return strings.Compare(b.texts[x], b.texts[y]) })
	return order
}

// reset forgets the documents and keeps what spellings mean.
func (b *builder) reset() {
	b.tokens, b.docs = b.tokens[:0], b.docs[:0]
	clear(b.byID)
}
