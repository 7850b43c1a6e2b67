package lexical

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// What Lucene 8.7 (Debian's liblucene8-java; EnglishAnalyzer, BM25Similarity
// 1.2 and 0.75, one field, the bodies) reaches on the same files by the same
// measure: with its stop words, and with none as here.
const (
	lucene          = 0.5157
	luceneNoStops   = 0.5132
	cranfieldFolder = "../../../../shared/data/cranfield"
)

// readJSON reads one file of the collection.
func readJSON(t *testing.T, name string, into any) bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(cranfieldFolder, name))
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("NOT MEASURED: %s is not there", name)
		return false
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// discounted is the gain of a ranking.
func discounted(gains []int) float64 {
	sum := 0.0
	for i, g := range gains {
		sum += float64(g) / math.Log2(float64(i)+2)
	}
	return sum
}

// TestCranfield holds the quality of ranking against Lucene's.
func TestCranfield(t *testing.T) {
	var docs []struct {
		ID   int    `json:"id"`
		Body string `json:"body"`
	}
	var queries []struct {
		Query string `json:"query"`
	}
	var judgements []struct {
		Query    string `json:"query_num"`
		Position int    `json:"position"`
		ID       string `json:"id"`
	}
	if !readJSON(t, "cran_docs.json", &docs) || !readJSON(t, "cran_queries.json", &queries) || !readJSON(t, "cran_qrels.json", &judgements) {
		return
	}
	ix := open(t, t.TempDir())
	b := ix.Batch()
	for _, d := range docs {
		if err := b.Put(Document{ID: uint64(d.ID), Text: d.Body}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(1); err != nil {
		t.Fatal(err)
	}
	gains := map[int]map[uint64]int{}
	for _, j := range judgements {
		q, err := strconv.Atoi(j.Query)
		id, err2 := strconv.ParseUint(j.ID, 10, 64)
		if err = errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if gains[q] == nil {
			gains[q] = map[uint64]int{}
		}
		gains[q][id] = max(0, 5-j.Position)
	}
	total, asked := 0.0, 0
	for q, own := range gains {
		var got, ideal []int
		for _, g := range own {
			ideal = append(ideal, g)
		}
		slices.SortFunc(ideal, func(x, y int) int { return y - x })
		best := discounted(ideal[:min(10, len(ideal))])
		if best == 0 {
			continue
		}
		hits, err := ix.Search(queries[q-1].Query, 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, own[h.ID])
		}
		total, asked = total+discounted(got)/best, asked+1
	}
	ndcg := total / float64(asked)
	t.Logf("nDCG@10 %.4f over %d queries; Lucene %.4f, without stop words %.4f", ndcg, asked, lucene, luceneNoStops)
	if ndcg < 0.98*lucene {
		t.Errorf("nDCG@10 %.4f: more than 2 %% below Lucene's", ndcg)
	}
}
