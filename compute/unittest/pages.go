package unittest

import (
	"bytes"
	"errors"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"phios/compute"
)

// shareAll shares the first n pages of a sequence.
func shareAll(tb testing.TB, q compute.Sequence, n int) []compute.Page {
	tb.Helper()
	var pages []compute.Page
	for i := range n {
		p, err := q.Share(i)
		if err != nil {
			tb.Fatalf("share page %d: %v", i, err)
		}
		pages = append(pages, p)
	}
	return pages
}

// shareAndAdopt: pages outlive their sequence, serve any number of others, and
// give the same as computing them again.
func shareAndAdopt(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	head, tails := text(m, 30, 2*p+3), [][]int32{text(m, 31, 9), text(m, 32, p+1)}
	q := begin(t, m)
	step(t, m, q, head)
	if _, err := q.Share(2); err == nil {
		t.Error("a page that is not full was shared")
	}
	if _, err := q.Share(-1); err == nil {
		t.Error("page -1 was shared")
	}
	pages := shareAll(t, q, 2)
	if again, err := q.Share(0); err != nil || again != pages[0] {
		t.Errorf("page 0 was shared as %d, then as %d: %v", pages[0], again, err)
	} else {
		m.Release(again)
	}
	if err := q.Adopt(pages); err == nil {
		t.Error("a sequence with tokens adopted pages")
	}
	q.Close()
	free := m.FreePages()
	heirs := []compute.Sequence{begin(t, m), begin(t, m)}
	for i, heir := range heirs {
		if err := heir.Adopt([]compute.Page{pages[1], pages[0]}); err == nil && p > 0 {
			t.Fatal("pages were adopted at other positions than theirs")
		}
		if err := heir.Adopt(pages); err != nil || heir.Len() != 2*p {
			t.Fatalf("adopt two pages: %d tokens, %v", heir.Len(), err)
		}
		if m.FreePages() != free-i*pagesOf(len(tails[0]), p) {
			t.Errorf("adopting took pages: %d of %d are free", m.FreePages(), free)
		}
		alike(t, "behind adopted pages", step(t, m, heir, tails[i]), fresh(t, m, slices.Concat(head[:2*p], tails[i])), s.able.Tolerance)
	}
	// The holds go first, the sequences keep what they use.
	for _, page := range pages {
		m.Release(page)
	}
	alike(t, "behind released pages", step(t, m, heirs[0], []int32{9}), fresh(t, m, slices.Concat(head[:2*p], tails[0], []int32{9})), s.able.Tolerance)
	for _, heir := range heirs {
		heir.Close()
	}
	m.Release(-1)
	m.Release(compute.Page(m.Describe().Pages))
}

// pagesOf is how many pages n tokens take.
func pagesOf(n, p int) int { return (n + p - 1) / p }

func trim(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	tokens := text(m, 33, 2*p+5)
	q := begin(t, m)
	step(t, m, q, tokens)
	if q.Trim(len(tokens)+1) == nil || q.Trim(-1) == nil {
		t.Error("a sequence was trimmed to what it never had")
	}
	for _, n := range []int{len(tokens), 2 * p, p + 1, p, 1, 0} {
		if err := q.Trim(n); err != nil || q.Len() != n {
			t.Fatalf("trim to %d: %d, %v", n, q.Len(), err)
		}
		more := text(m, 34+n, 6)
		alike(t, "behind a cut", step(t, m, q, more), fresh(t, m, slices.Concat(tokens[:n], more)), s.able.Tolerance)
		if err := q.Trim(n); err != nil {
			t.Fatal(err)
		}
		if got, want := m.Describe().Pages-m.FreePages(), pagesOf(n, p); got > want {
			t.Errorf("%d tokens use %d pages, want %d", n, got, want)
		}
	}
	q.Close()
}

// trimShared: who cuts into a page that others have, leaves theirs alone.
func trimShared(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	tokens := text(m, 40, 2*p)
	q, other := begin(t, m), begin(t, m)
	step(t, m, q, tokens)
	pages := shareAll(t, q, 2)
	if err := q.Trim(p + 3); err != nil {
		t.Fatal(err)
	}
	mine := text(m, 41, p)
	alike(t, "behind a cut in a shared page", step(t, m, q, mine), fresh(t, m, slices.Concat(tokens[:p+3], mine)), s.able.Tolerance)
	if err := other.Adopt(pages); err != nil {
		t.Fatal(err)
	}
	alike(t, "of a page into which another has cut", step(t, m, other, []int32{9}), fresh(t, m, append(slices.Clone(tokens), 9)), s.able.Tolerance)
	q.Close()
	other.Close()
	for _, page := range pages {
		m.Release(page)
	}
}

// exportAndImport: pages go to another model of the same kind and back.
func exportAndImport(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	head, tail := text(m, 50, 2*p), text(m, 51, 11)
	q := begin(t, m)
	step(t, m, q, head)
	pages := shareAll(t, q, 2)
	q.Close()
	if !s.able.Export {
		var b bytes.Buffer
		if err := m.Export(pages[0], &b); !errors.Is(err, compute.ErrUnsupported) {
			t.Errorf("a unit that cannot export says %v", err)
		}
		if _, err := m.Import(&b); !errors.Is(err, compute.ErrUnsupported) {
			t.Errorf("a unit that cannot import says %v", err)
		}
		releaseAll(m, pages)
		return
	}
	files := exportAll(t, m, pages)
	releaseAll(m, pages)
	if err := m.Export(pages[0], &bytes.Buffer{}); err == nil {
		t.Error("a page that nobody has was exported")
	}
	other := s.stepper(t, compute.Options{})
	if other.Describe().CacheDigest != m.Describe().CacheDigest {
		t.Fatal("two loads of a model have different layouts of pages")
	}
	pages = pages[:0]
	for _, f := range files {
		page, err := other.Import(bytes.NewReader(f))
		if err != nil {
			t.Fatalf("import a page: %v", err)
		}
		pages = append(pages, page)
	}
	heir := begin(t, other)
	if err := heir.Adopt(pages); err != nil {
		t.Fatalf("adopt imported pages: %v", err)
	}
	alike(t, "behind imported pages", step(t, other, heir, tail), fresh(t, m, slices.Concat(head, tail)), s.able.Tolerance)
	heir.Close()
	for i, f := range exportAll(t, other, pages) {
		if len(f) != len(files[i]) {
			t.Errorf("page %d is of %d bytes, and of %d when it is exported again", i, len(files[i]), len(f))
		}
	}
	releaseAll(other, pages)
	if other.FreePages() != other.Describe().Pages {
		t.Errorf("%d of %d pages are free at the end", other.FreePages(), other.Describe().Pages)
	}
}

func exportAll(tb testing.TB, m compute.Stepper, pages []compute.Page) [][]byte {
	tb.Helper()
	var files [][]byte
	for _, page := range pages {
		var b bytes.Buffer
		if err := m.Export(page, &b); err != nil {
			tb.Fatalf("export: %v", err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

func releaseAll(m compute.Stepper, pages []compute.Page) {
	for _, page := range pages {
		m.Release(page)
	}
}

// hostilePages: what is imported is a stranger's.
func hostilePages(t *testing.T, s *suite) {
	t.Helper()
	if !s.able.Export {
		return
	}
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	q := begin(t, m)
	step(t, m, q, text(m, 60, p))
	pages := shareAll(t, q, 1)
	q.Close()
	f := exportAll(t, m, pages)[0]
	releaseAll(m, pages)
	for name, bad := range map[string][]byte{
		"nothing":       {},
		"a mark":        f[:min(8, len(f))],
		"half a page":   f[:len(f)/2],
		"all but one":   f[:len(f)-1],
		"other bytes":   slices.Repeat([]byte{0xff}, len(f)),
		"another model": flipped(f, 9),
	} {
		if page, err := m.Import(bytes.NewReader(bad)); err == nil {
			t.Errorf("%s was imported as page %d", name, page)
			m.Release(page)
		}
	}
	// Wrong values are wrong text and nothing worse.
	worst := slices.Clone(f)
	for i := len(worst) - len(worst)/4; i < len(worst); i++ {
		worst[i] = 0x7c
	}
	if page, err := m.Import(bytes.NewReader(worst)); err == nil {
		heir := begin(t, m)
		if err := heir.Adopt([]compute.Page{page}); err != nil {
			t.Errorf("adopt: %v", err)
		}
		if err := m.Step(t.Context(), []compute.Work{{Sequence: heir, Tokens: []int32{3}, Logits: make([]float32, m.Describe().Vocabulary)}}); err != nil {
			t.Errorf("step behind wrong values: %v", err)
		}
		heir.Close()
		m.Release(page)
	}
	fresh(t, m, text(m, 61, 5))
}

// flipped is bytes with one of them turned over.
func flipped(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[min(at, len(b)-1)] ^= 0xff
	return b
}

// randomSteps is how many operations the random test does.
const randomSteps = 120

// random does many operations in a fixed random order and holds every result
// against a text that is computed anew, and the account of pages against what
// was given up.
func random(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{SequencesMax: 5})
	want := s.stepper(t, compute.Options{})
	w := walk{m: m, p: m.Describe().PageTokens, state: 42}
	for range randomSteps {
		w.move(t)
		if len(w.open) == 0 {
			continue
		}
		i := w.below(len(w.open))
		if len(w.open[i].tokens) == 0 || len(w.open[i].tokens)+3 > 100 {
			continue
		}
		more := text(m, w.below(50), 1+w.below(3))
		got := step(t, m, w.open[i].q, more)
		w.open[i].tokens = append(slices.Clone(w.open[i].tokens), more...)
		alike(t, "after random operations", got, fresh(t, want, w.open[i].tokens), s.able.Tolerance)
	}
	for i := range w.open {
		w.open[i].q.Close()
	}
	for _, k := range w.kept {
		releaseAll(m, k.pages)
	}
	if m.FreePages() != m.Describe().Pages {
		t.Errorf("%d of %d pages are free when all is given up", m.FreePages(), m.Describe().Pages)
	}
}

// walk is the state of the random test.
type walk struct {
	m     compute.Stepper
	p     int
	state uint64
	open  []known
	kept  []prefix
}

// known is a sequence and what it must be; prefix likewise pages.
type (
	known struct {
		q      compute.Sequence
		tokens []int32
	}
	prefix struct {
		pages  []compute.Page
		tokens []int32
	}
)

// below is a number under n, the same in every run (splitmix64, Steele et al.
// 2014).
func (w *walk) below(n int) int {
	w.state += 0x9e3779b97f4a7c15
	z := w.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	high, _ := bits.Mul64(z^z>>31, uint64(n))
	return int(high)
}

// move does one operation.
func (w *walk) move(tb testing.TB) {
	tb.Helper()
	switch {
	case len(w.open) == 0 || len(w.open) < 5 && w.below(3) == 0:
		k := known{q: begin(tb, w.m)}
		if len(w.kept) > 0 && w.below(2) == 0 {
			from := w.kept[w.below(len(w.kept))]
			if err := k.q.Adopt(from.pages); err != nil {
				tb.Fatalf("adopt: %v", err)
			}
			k.tokens = slices.Clone(from.tokens)
		} else {
			k.tokens = text(w.m, w.below(9), 1+w.below(80))
			step(tb, w.m, k.q, k.tokens)
		}
		w.open = append(w.open, k)
	case w.below(4) == 0:
		i := w.below(len(w.open))
		w.open[i].q.Close()
		w.open = slices.Delete(w.open, i, i+1)
	case w.below(3) == 0:
		k := &w.open[w.below(len(w.open))]
		n := w.below(len(k.tokens) + 1)
		if err := k.q.Trim(n); err != nil {
			tb.Fatalf("trim to %d: %v", n, err)
		}
		k.tokens = slices.Clone(k.tokens[:n])
	case len(w.kept) > 3:
		i := w.below(len(w.kept))
		releaseAll(w.m, w.kept[i].pages)
		w.kept = slices.Delete(w.kept, i, i+1)
	default:
		k := &w.open[w.below(len(w.open))]
		if n := len(k.tokens) / w.p; n > 0 {
			w.kept = append(w.kept, prefix{pages: shareAll(tb, k.q, n), tokens: slices.Clone(k.tokens[:n*w.p])})
		}
	}
}

// file makes weights of bytes, as a stranger's file.
func file(tb testing.TB, b []byte) compute.Weights {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "model.gguf")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(name) //nolint:gosec // The test's own.
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return compute.Weights{Name: name, Bytes: b, File: f}
}
