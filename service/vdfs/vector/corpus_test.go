package vector

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"phios/compute/encoder"
)

// texts are the sentences and paragraphs of public test data, or none where
// there is no such data.
func texts(tb testing.TB) []string {
	tb.Helper()
	var cranfield []struct{ Body string }
	var squad struct {
		Data []struct {
			Paragraphs []struct {
				Context string
				QAs     []struct{ Question string } `json:"qas"`
			}
		}
	}
	for name, into := range map[string]any{"cranfield/cran_docs.json": &cranfield, "squad2/squad2-half-a.json": &squad} {
		b, err := fs.ReadFile(os.DirFS("../../../../shared/data"), name)
		if errors.Is(err, fs.ErrNotExist) {
			tb.Logf("no ../shared/data/%s: going on without sentences", name)
			return nil
		}
		must(tb, err)
		must(tb, json.Unmarshal(b, into))
	}
	var all []string
	add := func(text string) {
		all = append(all, text)
		for sentence := range strings.SplitAfterSeq(text, ". ") {
			if len(sentence) > 20 {
				all = append(all, sentence)
			}
		}
	}
	for _, d := range cranfield {
		add(d.Body)
	}
	for _, a := range squad.Data {
		for _, p := range a.Paragraphs {
			add(p.Context)
			for _, q := range p.QAs {
				all = append(all, q.Question)
			}
		}
	}
	return all
}

// sentences are the vectors of texts.
func sentences(tb testing.TB) [][]float32 {
	tb.Helper()
	all := texts(tb)
	e, err := encoder.Open(0)
	must(tb, err)
	rows := make([][]float32, len(all))
	for i := range rows {
		rows[i] = make([]float32, e.Describe().Width)
	}
	must(tb, e.Embed(tb.Context(), all, rows, nil))
	return rows
}

// around returns n unit vectors, each a random one of the centres and noise
// whose length is about noise.
func around(r *rand.Rand, centres [][]float32, n int, noise float64) [][]float32 {
	rows := make([][]float32, n)
	scale := noise / math.Sqrt(float64(len(centres[0])))
	for i := range rows {
		x := append([]float32(nil), centres[r.IntN(len(centres))]...)
		for j := range x {
			x[j] += float32(r.NormFloat64() * scale)
		}
		rows[i] = unit(x)
	}
	return rows
}

// clusters are n unit vectors about some random centres.
func clusters(r *rand.Rand, n, centres, dimensions int, noise float64) [][]float32 {
	c := make([][]float32, centres)
	for i := range c {
		c[i] = randomUnit(r, dimensions)
	}
	return around(r, c, n, noise)
}

// filled returns a store of rows, whose names are their numbers and one.
func filled(tb testing.TB, rows [][]float32) *Store {
	tb.Helper()
	s, err := Create(tb.TempDir(), len(rows[0]), nil)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	for at := 0; at < len(rows); at += 1 << 14 {
		var b Batch
		for i := at; i < min(at+1<<14, len(rows)); i++ {
			b.IDs, b.Rows = append(b.IDs, uint64(i)+1), append(b.Rows, rows[i]...)
		}
		must(tb, s.Commit(b))
	}
	return s
}

// recall is the share of the rows in want that are in got too.
func recall(got, want []Hit) float64 {
	names := map[uint64]bool{}
	for _, h := range want {
		names[h.ID] = true
	}
	n := 0
	for _, h := range got {
		if names[h.ID] {
			n++
		}
	}
	return float64(n) / float64(max(len(want), 1))
}
