package lexical

import "slices"

// phrase is words that stand side by side, in one segment.
type phrase struct {
	cursors []*cursor
	places  [][]uint32
}

// openPhrases opens phrases, each in any of several ways; it says no when one of
// them cannot be in the segment in any way.
func openPhrases(m *member, clauses [][][]string) (opened [][]*phrase, all bool) {
	all = true
	for _, ways := range clauses {
		var open []*phrase
		for _, terms := range ways {
			if p := openPhrase(m, terms); p != nil {
				open = append(open, p)
			}
		}
		all = all && len(open) > 0
		opened = append(opened, open)
	}
	return opened, all
}

func openPhrase(m *member, terms []string) *phrase {
	p := &phrase{places: make([][]uint32, len(terms))}
	for _, term := range terms {
		k, ok := m.term(term)
		if !ok {
			return nil
		}
		c := &cursor{}
		c.open(k, m.footer.documents)
		p.cursors = append(p.cursors, c)
	}
	return p
}

// in says whether a document holds the phrase; documents must rise.
func (p *phrase) in(document uint32) bool {
	for _, c := range p.cursors {
		if c.seek(document); c.current != document {
			return false
		}
	}
	if len(p.cursors) == 1 {
		return true
	}
	for i, c := range p.cursors {
		p.places[i] = c.places(p.places[i])
	}
	return slices.ContainsFunc(p.places[0], p.at)
}

// at says whether the words stand from a place on.
func (p *phrase) at(place uint32) bool {
	for i, places := range p.places[1:] {
		if _, ok := slices.BinarySearch(places, place+uint32(i)+1); !ok {
			return false
		}
	}
	return true
}

func anyPhrase(clauses [][]*phrase, document uint32) bool {
	return slices.ContainsFunc(clauses, func(ways []*phrase) bool { return anyWay(ways, document) })
}

func phrasesMatch(clauses [][]*phrase, document uint32) bool {
	return !slices.ContainsFunc(clauses, func(ways []*phrase) bool { return !anyWay(ways, document) })
}

func anyWay(ways []*phrase, document uint32) bool {
	return slices.ContainsFunc(ways, func(p *phrase) bool { return p.in(document) })
}
