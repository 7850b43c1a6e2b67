package lexical

import "sync"

// Reach is what a caller may see of an index. What it counts it remembers, so a
// caller that asks often keeps it. Any number of goroutines may use it.
type Reach struct {
	ix    *Index
	allow func(id uint64) bool

	mu    sync.Mutex
	parts map[uint64]*reachPart // by the number of the segment
	terms int                   // remembered in all parts
}

// reachPart is the reach in one segment as of one bitmap of what is gone.
type reachPart struct {
	deadFile  uint64
	allowed   bitmap
	documents int
	tokens    uint64
	spoken    [languages]int // documents
	counts    map[string]int
}

// Reach makes a reach of the documents whose IDs are allowed. allow is asked once
// for each document and must go on to answer the same; when what a caller may
// see changes, make another reach.
func (ix *Index) Reach(allow func(id uint64) bool) *Reach {
	return &Reach{ix: ix, allow: allow, parts: map[uint64]*reachPart{}}
}

// part gives the reach in a member, counting it on the first call: about 5 ns a
// document.
func (r *Reach) part(m *member) *reachPart {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.parts[m.number]; p != nil && p.deadFile == m.deadFile {
		return p
	}
	p := &reachPart{deadFile: m.deadFile, allowed: newBitmap(m.documents()), counts: map[string]int{}}
	for d := range uint32(m.documents()) {
		if m.alive(d) && r.allow(m.id(d)) {
			p.allowed.set(d)
			p.documents++
			p.tokens += uint64(m.length(d))
			p.spoken[min(Language(m.tongues[d]), languages-1)]++
		}
	}
	r.parts[m.number] = p
	return p
}

// keep forgets segments that a view no longer has.
func (r *Reach) keep(v *view) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) <= 2*len(v.segments)+8 {
		return
	}
	old := r.parts
	r.parts, r.terms = map[uint64]*reachPart{}, 0
	for i := range v.segments {
		if p := old[v.segments[i].number]; p != nil {
			r.parts[v.segments[i].number] = p
			r.terms += len(p.counts)
		}
	}
}

// count says how many documents of a part hold a term: one pass over its
// postings, about a nanosecond each, remembered.
func (r *Reach) count(p *reachPart, m *member, term string, scratch *cursor) int {
	r.mu.Lock()
	n, ok := p.counts[term]
	r.mu.Unlock()
	if ok {
		return n
	}
	if k, ok := m.term(term); ok && p.documents > 0 {
		for scratch.open(k, m.footer.documents); scratch.current != documentsEnded; scratch.next() {
			n += int(p.allowed[scratch.current>>6] >> (scratch.current & 63) & 1)
		}
	}
	r.mu.Lock()
	if r.terms < reachTermsMax {
		p.counts[term] = n
		r.terms++
	}
	r.mu.Unlock()
	return n
}

// Stats says what a reach holds; a nil reach is all, and counts among words what
// is gone until it is merged away.
func (ix *Index) Stats(r *Reach) (Stats, error) {
	v, err := ix.acquire()
	if err != nil {
		return Stats{}, err
	}
	defer v.release()
	s := Stats{Segments: len(v.segments)}
	for i := range v.segments {
		m := &v.segments[i]
		if r == nil {
			s.Documents += m.living()
			s.Tokens += m.footer.tokens
			continue
		}
		p := r.part(m)
		s.Documents += p.documents
		s.Tokens += p.tokens
	}
	return s, nil
}
