package lexical

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// open opens an index that the test closes.
func open(tb testing.TB, dir string) *Index {
	tb.Helper()
	ix, err := Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := ix.Close(); err != nil {
			tb.Error(err)
		}
	})
	return ix
}

// put commits documents.
func put(tb testing.TB, ix *Index, docs ...Document) {
	tb.Helper()
	b := ix.Batch()
	for _, d := range docs {
		if err := b.Put(d); err != nil {
			tb.Fatal(err)
		}
	}
	if err := b.Commit(1); err != nil {
		tb.Fatal(err)
	}
}

// found gives the IDs of a search.
func found(tb testing.TB, ix *Index, query string, r *Reach) []uint64 {
	tb.Helper()
	hits, err := ix.Search(query, 100, r)
	if err != nil {
		tb.Fatal(err)
	}
	ids := []uint64{}
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestSearchFinds asks the small questions whose answers are plain.
func TestSearchFinds(t *testing.T) {
	ix := open(t, t.TempDir())
	put(t, ix,
		Document{ID: 1, Text: "The running foxes jumped over the lazy dog."},
		Document{ID: 2, Text: "Les élèves de l'école étaient dans la classe avec le professeur."},
		Document{ID: 3, Text: "func parseHTTPRequest(max_header_bytes int) uses utf8 and example.com:8080"},
		Document{ID: 4, Text: "日本語の全文検索はバイグラムで行う。", Title: "検索"},
		Document{ID: 5, Text: "Straße, ﬁne ＡＢＣ and 1,234,567 items at 3.14 each"},
		Document{ID: 6, Text: "the dog is lazy and the quick brown fox is not running"},
		Document{ID: 7, Text: strings.Repeat("x", 70_000) + " end"},
	)
	for query, want := range map[string][]uint64{
		"fox": {1, 6}, "jumping": {1}, `"lazy dog"`: {1}, `"dog lazy"`: {}, "fox -jumped": {6}, `dog -"lazy dog"`: {6},
		"eleve": {2}, "écoles": {2}, "parse": {3}, "parsehttprequest": {3}, "request": {3}, "header": {3},
		"max_header_bytes": {3}, "utf": {3}, "example.com": {3}, "parseH*": {3}, "quic*": {6},
		"日本": {4}, "検": {4}, "語": {4}, `"全文検索"`: {4}, `"全検"`: {}, "strasse": {5}, "fine": {5}, "abc": {5},
		"1234567": {5}, "3.14": {5}, "": {}, "   ": {}, "-": {}, `"`: {}, "*": {}, "-fox": {}, "end": {7}, "\xff\xfe": {},
		strings.Repeat("x", 64): {7},
	} {
		if got := found(t, ix, query, nil); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", query, got, want)
		}
	}
	if got := found(t, ix, strings.Repeat("fox dog ", 12_800), nil); !slices.Equal(got, []uint64{1, 6}) {
		t.Errorf("a query of 100 KB finds %v", got)
	}
}

// word makes a word; low numbers are common.
func word(r *rand.Rand) string {
	return fmt.Sprintf("w%c", 'a'+rune(26*math.Pow(r.Float64(), 3)))
}

// corpus makes documents of chance.
func corpus(r *rand.Rand, n, ids int) []Document {
	docs := make([]Document, n)
	for i := range docs {
		words := make([]string, 1+r.IntN(40))
		for j := range words {
			words[j] = word(r)
		}
		docs[i] = Document{ID: uint64(r.IntN(ids)), Text: strings.Join(words, " "), Language: Plain}
	}
	return docs
}

// naive scores all documents one by one, as the formula is written.
func naive(docs map[uint64]string, query []string, k int) []Hit {
	total, df := 0, map[string]int{}
	for _, text := range docs {
		words := strings.Fields(text)
		total += len(words)
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			df[w]++
		}
	}
	mean := float64(total) / float64(len(docs))
	var hits []Hit
	for id, text := range docs {
		words, score := strings.Fields(text), 0.0
		for _, q := range query {
			tf := 0.0
			for _, w := range words {
				if w == q {
					tf++
				}
			}
			idf := math.Log(1 + (float64(len(docs)-df[q])+0.5)/(float64(df[q])+0.5))
			score += idf * tf / (tf + 1.2*(0.25+0.75*float64(len(words))/mean))
		}
		if score > 0 {
			hits = append(hits, Hit{ID: id, Score: score})
		}
	}
	slices.SortFunc(hits, func(x, y Hit) int {
		if x.Score != y.Score {
			if x.Score > y.Score {
				return -1
			}
			return 1
		}
		return int(x.ID) - int(y.ID)
	})
	return hits[:min(k, len(hits))]
}

// TestSearchAgainstNaive puts, deletes, merges and opens again at random, and
// compares what is found, through a reach, with the formula over a map.
func TestSearchAgainstNaive(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir, model := t.TempDir(), map[uint64]string{}
		ix, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for step := range 30 {
			b := ix.Batch()
			for _, d := range corpus(r, r.IntN(800), 12_000) {
				if r.IntN(8) == 0 {
					err = b.Delete(d.ID)
					delete(model, d.ID)
				} else {
					err = b.Put(d)
					model[d.ID] = d.Text
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Commit(uint64(step)); err != nil {
				t.Fatal(err)
			}
			switch step % 10 {
			case 7:
				err = ix.Merge()
			case 9:
				if err = ix.Close(); err == nil {
					ix, err = Open(dir)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if step%3 == 2 {
				compare(t, ix, r, model)
			}
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// compare asks questions of an index and of the model.
func compare(t *testing.T, ix *Index, r *rand.Rand, model map[uint64]string) {
	t.Helper()
	for _, modulus := range []uint64{1, 2, 97} {
		reach := ix.Reach(func(id uint64) bool { return id%modulus == 0 })
		within := map[uint64]string{}
		for id, text := range model {
			if id%modulus == 0 {
				within[id] = text
			}
		}
		if len(within) == 0 {
			continue
		}
		for range 4 {
			query := []string{word(r), word(r), word(r)}
			slices.Sort(query)
			query = slices.Compact(query)
			want := naive(within, query, 10)
			got, err := ix.Search(strings.Join(query, " "), 10, reach)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("%v finds %d, want %d", query, len(got), len(want))
			}
			for i := range got {
				if math.Abs(got[i].Score-want[i].Score) > 1e-4 {
					t.Fatalf("%v, hit %d: %v, want %v", query, i, got[i], want[i])
				}
			}
		}
	}
}
