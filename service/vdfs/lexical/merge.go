package lexical

import (
	"cmp"
	"errors"
	"math/bits"
	"os"
	"slices"
)

// merger merges in the background until the index is closed.
func (ix *Index) merger() {
	defer close(ix.ended)
	for {
		select {
		case <-ix.stopped:
			return
		case <-ix.wake:
		}
		for {
			did, err := ix.mergeOnce(due)
			if err != nil && !errors.Is(err, ErrClosed) {
				ix.mu.Lock()
				ix.failure = err
				ix.mu.Unlock()
			}
			if !did || err != nil {
				break
			}
		}
	}
}

// afterCommit wakes the merger, and merges itself when there are too many.
func (ix *Index) afterCommit() error {
	select {
	case ix.wake <- struct{}{}:
	default:
	}
	for {
		v, err := ix.acquire()
		if err != nil {
			return nil //nolint:nilerr // what was committed is committed
		}
		crowded := len(v.segments) > segmentsMax
		v.release()
		if !crowded {
			return nil
		}
		if did, err := ix.mergeOnce(smallest); err != nil || !did {
			return err
		}
	}
}

// Merge makes as few segments as the bounds allow, without what is gone. It
// blocks while it does; commits and searches go on.
func (ix *Index) Merge() error {
	for {
		did, err := ix.mergeOnce(everything)
		if err != nil || !did {
			return err
		}
	}
}

// due chooses segments of like size, each class four times the one before, or
// one of which most is gone.
func due(members []member) []int {
	classes := map[int][]int{}
	for i := range members {
		m := &members[i]
		if 2*m.gone > m.documents() {
			return []int{i}
		}
		class := bits.Len64(m.footer.tokens) / 2
		classes[class] = append(classes[class], i)
	}
	for class := range 33 {
		if own := classes[class]; len(own) >= mergeSegments {
			return fitting(members, own)
		}
	}
	return nil
}

// smallest chooses the smaller half.
func smallest(members []member) []int {
	all := bySize(members)
	return fitting(members, all[:len(all)/2])
}

// everything chooses all that one segment can hold.
func everything(members []member) []int {
	chosen := fitting(members, bySize(members))
	if len(chosen) == 1 && members[chosen[0]].gone == 0 {
		return nil
	}
	return chosen
}

func bySize(members []member) []int {
	all := make([]int, len(members))
	for i := range all {
		all[i] = i
	}
	slices.SortFunc(all, func(x, y int) int { return cmp.Compare(members[x].footer.tokens, members[y].footer.tokens) })
	return all
}

// fitting takes of the chosen as many as fit into one segment; one that is
// merged with none is only worth it when something is gone from it.
func fitting(members []member, chosen []int) []int {
	docs, tokens := 0, uint64(0)
	for i, c := range chosen {
		docs += members[c].living()
		tokens += members[c].footer.tokens
		if docs > segmentDocsMax || tokens > segmentTokensMax {
			chosen = chosen[:i]
			break
		}
	}
	if len(chosen) == 1 && members[chosen[0]].gone == 0 {
		return nil
	}
	return chosen
}

// mergeOnce merges what choose chooses; it says whether there was anything.
func (ix *Index) mergeOnce(choose func([]member) []int) (bool, error) {
	ix.merging.Lock()
	defer ix.merging.Unlock()
	v, err := ix.acquire()
	if err != nil {
		return false, err
	}
	defer v.release()
	chosen := choose(v.segments)
	if len(chosen) == 0 {
		return false, nil
	}
	sources := make([]member, len(chosen))
	for i, c := range chosen {
		sources[i] = v.segments[c]
	}
	m, err := ix.mergeMembers(sources)
	if err != nil {
		return false, err
	}
	ix.commits.Lock()
	defer ix.commits.Unlock()
	if err := ix.replace(sources, m); err != nil {
		_ = ix.folder.Remove(segmentName(m.number))
		m.release()
		return false, err
	}
	return true, nil
}

// replace puts a merged segment in the place of its sources; what went from
// them meanwhile goes from it too. ix.commits is held.
func (ix *Index) replace(sources []member, merged member) error {
	v, err := ix.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	var members []member
	for i := range v.segments {
		now := &v.segments[i]
		at := slices.IndexFunc(sources, func(s member) bool { return s.segment == now.segment })
		if at < 0 {
			members = append(members, *now)
			continue
		}
		if now.gone == sources[at].gone {
			continue
		}
		for d := range uint32(now.documents()) {
			if !now.alive(d) && sources[at].alive(d) {
				merged.kill(now.id(d))
			}
		}
	}
	if merged.gone > 0 {
		if merged.deadFile, err = ix.saveDead(merged.dead); err != nil {
			return err
		}
	}
	members = append(members, merged)
	slices.SortFunc(members, func(x, y member) int { return cmp.Compare(x.number, y.number) })
	return ix.install(members, []*segment{merged.segment}, v.mark)
}

// mergeMembers writes a segment of what lives in some.
func (ix *Index) mergeMembers(sources []member) (member, error) {
	s, err := ix.create(func(f *os.File) error { return mergeInto(f, sources) })
	return member{segment: s}, err
}

// origin is where a document of a merged segment comes from.
type origin struct {
	document
	source int
	number uint32
}

// mergeInto merges term by term.
func mergeInto(file *os.File, sources []member) error { //nolint:gocognit // one pass over all sources, in the order of the file
	docs, moved, mean := arrange(sources)
	w, c, n := newSegmentWriter(file, mean), &chunkWriter{}, normsAt(mean)
	at := make([]int, len(sources))
	cursors := make([]cursor, len(sources))
	var postings []posting
	for {
		least, found := "", false
		for i := range sources {
			if s := sources[i].segment; at[i] < int(s.footer.terms) {
				if text := s.text(at[i]); !found || string(text) < least {
					least, found = string(text), true
				}
			}
		}
		if !found {
			break
		}
		postings = postings[:0]
		for i := range sources {
			s := sources[i].segment
			if at[i] == int(s.footer.terms) || string(s.text(at[i])) != least {
				continue
			}
			k := &cursors[i]
			for k.open(s.chunk(at[i]), s.footer.documents); k.current != documentsEnded; k.next() {
				if to := moved[i][k.current]; to != documentsEnded {
					postings = append(postings, posting{document: to, count: k.count(), places: k.raw()})
				}
			}
			at[i]++
		}
		if len(postings) == 0 {
			continue
		}
		if !slices.IsSortedFunc(postings, byDocument) {
			slices.SortFunc(postings, byDocument)
		}
		c.reset()
		for _, p := range postings {
			c.add(p, float64(part(float32(p.count), n.of(docs[p.document].length))))
		}
		w.term(least, c)
	}
	return w.finish(docs)
}

func byDocument(x, y posting) int { return cmp.Compare(x.document, y.document) }

// arrange gives the documents of the merged segment in order, where each of the
// sources' goes, and their mean length.
func arrange(sources []member) (docs []document, moved [][]uint32, mean float64) {
	var all []origin
	moved = make([][]uint32, len(sources))
	total := 0
	for i := range sources {
		m := &sources[i]
		moved[i] = make([]uint32, m.documents())
		for d := range uint32(m.documents()) {
			moved[i][d] = documentsEnded
			if m.alive(d) {
				entry := document{id: m.id(d), length: m.length(d), language: Language(m.tongues[d])}
				all = append(all, origin{entry, i, d})
				total += int(entry.length)
			}
		}
	}
	slices.SortFunc(all, func(x, y origin) int { return cmp.Compare(x.id, y.id) })
	docs = make([]document, len(all))
	for i, o := range all {
		docs[i] = o.document
		moved[o.source][o.number] = uint32(i)
	}
	return docs, moved, float64(total) / float64(max(len(all), 1))
}
