package lexical

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// scoreUnit is one of score: parts of scores are whole numbers of 1/scoreUnit.
const (
	scoreUnit   = 1 << 18
	timesMax    = 4 // that saying a word again in a query counts
	windowDocs  = 1 << 12
	windowWords = windowDocs / 64
)

// scored is a term that is searched for.
type scored struct {
	text   string
	weight float32 // times idf, in units
}

// plan is a query against a view.
type plan struct {
	view     *view
	reach    *Reach
	terms    []scored
	required [][][]string // of each phrase, its terms in each language
	excluded [][][]string
	norms    norms
	mean     float64
}

// scratch is what a search needs, used again by the next.
type scratch struct {
	cursors []cursor
	order   []*cursor
	bounds  []uint32
	scores  [windowDocs]uint32
	found   [windowWords]uint64
	best    []candidate
	k       int
}

// candidate is a document that may be among the best.
type candidate struct {
	score  uint32
	id     uint64
	member int
	number uint32
}

// worse orders candidates: a lower score, then a higher ID.
func (c candidate) worse(d candidate) bool {
	return c.score < d.score || c.score == d.score && c.id > d.id
}

// Search gives the k best documents for a query, best first, equals by rising ID;
// a nil reach is all. Words are ranked together; "words in quotes" must stand
// side by side; -word and -"words" must not be there; word* is whatever begins
// so (of the stems that are indexed). An empty query finds nothing. Of a query
// beyond 128 KiB the rest is left out, and of its terms the 64 that tell most
// are searched for.
func (ix *Index) Search(text string, k int, r *Reach) ([]Hit, error) {
	if k < 0 || k > hitsMax || r != nil && r.ix != ix {
		return nil, fmt.Errorf("%w: ask for at most %d hits, within a reach of this index", ErrInput, hitsMax)
	}
	v, err := ix.acquire()
	if err != nil {
		return nil, err
	}
	defer v.release()
	if r != nil {
		r.keep(v)
	}
	s, _ := ix.pool.Get().(*scratch)
	if s == nil {
		s = &scratch{cursors: make([]cursor, queryTermsMax)}
	}
	defer ix.pool.Put(s)
	p := newPlan(v, r, text, &s.cursors[0])
	if len(p.terms) == 0 || k == 0 {
		return nil, nil
	}
	s.best, s.k = s.best[:0], k
	for i := range v.segments {
		p.segment(s, i)
	}
	slices.SortFunc(s.best, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(x.id, y.id))
	})
	hits := make([]Hit, len(s.best))
	for i, c := range s.best {
		hits[i] = Hit{ID: c.id, Score: float64(c.score) / scoreUnit, Terms: p.held(&s.cursors[0], c)}
	}
	return hits, nil
}

// newPlan chooses terms and weighs them by what the reach holds.
func newPlan(v *view, r *Reach, text string, c *cursor) *plan {
	p := &plan{view: v, reach: r}
	documents, tokens, spoken := 0, uint64(0), [languages]int{}
	for i := range v.segments {
		m := &v.segments[i]
		if r == nil {
			documents, tokens = documents+m.documents(), tokens+m.footer.tokens
			continue
		}
		part := r.part(m)
		documents, tokens = documents+part.documents, tokens+part.tokens
		for l, n := range part.spoken {
			spoken[l] += n
		}
	}
	if documents == 0 {
		return p
	}
	p.mean = float64(tokens) / float64(documents)
	p.norms = normsAt(p.mean)
	q := parseQuery(text)
	tongues := p.tongues(text, spoken)
	all := q.terms(tongues)
	slices.SortStableFunc(all, func(x, y wanted) int { return cmp.Compare(y.times, x.times) })
	all = all[:min(len(all), queryCountedMax)]
	for _, prefix := range q.prefixes {
		all = p.expand(all, prefix, c)
	}
	for _, w := range all {
		if n := p.count(w.text, c); n > 0 {
			idf := math.Log(1 + (float64(documents-n)+0.5)/(float64(n)+0.5))
			p.terms = append(p.terms, scored{w.text, float32(idf * float64(min(w.times, timesMax)) * scoreUnit)})
		}
	}
	slices.SortStableFunc(p.terms, func(x, y scored) int { return cmp.Compare(y.weight, x.weight) })
	p.terms = p.terms[:min(len(p.terms), queryTermsMax)]
	p.required, p.excluded = clauses(q.required, tongues), clauses(q.excluded, tongues)
	return p
}

// tongues is the languages a query may be in: the one it shows, or those that
// the reach holds.
func (p *plan) tongues(text string, spoken [languages]int) []Language {
	if p.reach == nil {
		for i := range p.view.segments {
			for l, n := range p.view.segments[i].spoken {
				spoken[l] += n
			}
		}
	}
	if l := tell(text); l != Detect && spoken[l] > 0 {
		return []Language{l}
	}
	var all []Language
	for _, l := range []Language{English, French, Plain} {
		if spoken[l] > 0 {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return []Language{English}
	}
	return all
}

// clauses gives the terms of phrases in each language.
func clauses(phrases [][]string, tongues []Language) [][][]string {
	var out [][][]string
	for _, phrase := range phrases {
		var ways [][]string
		for _, l := range tongues {
			if terms := sequence(phrase[0], l); len(terms) > 0 {
				ways = append(ways, terms)
			}
		}
		if len(ways) > 0 {
			out = append(out, ways)
		}
	}
	return out
}

// count is how many documents of the reach hold a term.
func (p *plan) count(term string, c *cursor) int {
	n := 0
	for i := range p.view.segments {
		m := &p.view.segments[i]
		if p.reach != nil {
			n += p.reach.count(p.reach.part(m), m, term, c)
		} else if k, ok := m.term(term); ok {
			n += k.documents
		}
	}
	return n
}

// expand adds the terms that begin with a prefix and are within the reach.
func (p *plan) expand(all []wanted, prefix string, c *cursor) []wanted {
	var texts []string
	for i := range p.view.segments {
		s := p.view.segments[i].segment
		for t, n := s.lookup(prefix), 0; t < int(s.footer.terms) && n < prefixLookedMax; t, n = t+1, n+1 {
			text := string(s.text(t))
			if !strings.HasPrefix(text, prefix) {
				break
			}
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	added := 0
	for _, text := range slices.Compact(texts) {
		known := slices.ContainsFunc(all, func(w wanted) bool { return w.text == text })
		if !known && p.count(text, c) > 0 {
			all = append(all, wanted{text, 1})
			if added++; added == prefixTermsMax {
				break
			}
		}
	}
	return all
}

// held names the terms that a hit holds.
func (p *plan) held(c *cursor, hit candidate) []string {
	m := &p.view.segments[hit.member]
	var terms []string
	for _, t := range p.terms {
		if k, ok := m.term(t.text); ok {
			c.open(k, m.footer.documents)
			if c.seek(hit.number); c.current == hit.number {
				terms = append(terms, t.text)
			}
		}
	}
	return terms
}

// segment searches one member.
func (p *plan) segment(s *scratch, member int) {
	m := &p.view.segments[member]
	var allowed bitmap
	if p.reach != nil {
		part := p.reach.part(m)
		if part.documents == 0 {
			return
		}
		allowed = part.allowed
	}
	s.order = s.order[:0]
	stretch := float32(max(1, p.mean/max(m.footer.mean, 1))) // a longer mean makes norms smaller
	for i, t := range p.terms {
		if k, ok := m.term(t.text); ok {
			c := &s.cursors[i]
			c.open(k, m.footer.documents)
			c.weight, c.scale = t.weight, t.weight*stretch/boundScale
			s.order = append(s.order, c)
		}
	}
	required, ok := openPhrases(m, p.required)
	if !ok {
		return
	}
	excluded, _ := openPhrases(m, p.excluded)
	for low := uint32(0); low < m.footer.documents; {
		first := uint32(documentsEnded)
		for _, c := range s.order {
			first = min(first, c.current)
		}
		if first == documentsEnded {
			return
		}
		low = max(low, first&^63)
		high := min(low+windowDocs, m.footer.documents)
		s.window(p, m, low, high, func(number, score uint32) {
			if allowed != nil && !allowed.has(number) || !m.alive(number) {
				return
			}
			if phrasesMatch(required, number) && !anyPhrase(excluded, number) {
				s.offer(candidate{score, m.id(number), member, number})
			}
		})
		low = high
	}
}

// threshold is the least score that may still be among the best.
func (s *scratch) threshold() uint32 {
	if len(s.best) < s.k {
		return 1
	}
	return s.best[0].score
}

// window finds the candidates of some documents. Terms that together cannot
// reach the threshold do not find documents: they only add to those found.
func (s *scratch) window(p *plan, m *member, low, high uint32, offer func(number, score uint32)) {
	s.bounds = s.bounds[:0]
	for _, c := range s.order {
		c.most = c.bound(low, high)
	}
	slices.SortFunc(s.order, func(x, y *cursor) int { return cmp.Compare(x.most, y.most) })
	sum, optional := uint32(0), 0
	least := s.threshold()
	for i, c := range s.order {
		sum += c.most
		s.bounds = append(s.bounds, sum)
		if sum < least {
			optional = i + 1
		}
	}
	if sum < least {
		return
	}
	for _, c := range s.order[optional:] {
		s.gather(p, m, c, low, high)
	}
	for w, word := range s.found {
		for ; word != 0; word &= word - 1 {
			at := w*64 + bits.TrailingZeros64(word)
			number, score := low+uint32(at), s.scores[at]
			s.scores[at] = 0
			least = s.threshold()
			for i := optional - 1; i >= 0 && score+s.bounds[i] >= least; i-- {
				c := s.order[i]
				if c.seek(number); c.current == number {
					score += p.score(m, c)
				}
			}
			if score >= least {
				offer(number, score)
			}
		}
		s.found[w] = 0
	}
}

// gather adds a term's scores to the documents of the window.
func (s *scratch) gather(p *plan, m *member, c *cursor, low, high uint32) {
	for c.seek(low); c.current < high; c.next() {
		at := c.current - low
		s.scores[at] += p.score(m, c)
		s.found[at>>6] |= 1 << (at & 63)
	}
}

// score is the part of a score that a term has in its current document.
func (p *plan) score(m *member, c *cursor) uint32 {
	return uint32(c.weight * part(float32(c.count()), p.norms.of(m.length(c.current))))
}

// offer keeps a candidate if it is among the best: a heap, the worst on top.
func (s *scratch) offer(c candidate) {
	h := s.best
	if len(h) < s.k {
		h = append(h, c)
		for i := len(h) - 1; i > 0 && h[i].worse(h[(i-1)/2]); i = (i - 1) / 2 {
			h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		}
		s.best = h
		return
	}
	if !h[0].worse(c) {
		return
	}
	h[0] = c
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].worse(h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
