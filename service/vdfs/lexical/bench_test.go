package lexical

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// vocabulary makes words whose frequencies fall as those of a language do.
func vocabulary(r *rand.Rand, n int) []string {
	words := make([]string, n)
	for i := range words {
		b := make([]byte, 2+i%9)
		for j := range b {
			b[j] = byte('a' + r.IntN(26))
		}
		words[i] = string(b)
	}
	return words
}

// zipf draws a rank.
func zipf(r *rand.Rand, n int) int {
	return min(n-1, int(math.Exp(r.Float64()*math.Log(float64(n)))))
}

// passage makes running text of about a hundred words.
func passage(r *rand.Rand, words []string) string {
	var b strings.Builder
	for i := range 60 + r.IntN(80) {
		b.WriteString(words[zipf(r, len(words))])
		if i%12 == 11 {
			b.WriteString(".")
		}
		b.WriteString(" ")
	}
	return b.String()
}

// BenchmarkBatch is words found a second, from text to a durable commit.
func BenchmarkBatch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	words := vocabulary(r, 100_000)
	docs, bytes := make([]Document, 20_000), 0
	for i := range docs {
		docs[i] = Document{ID: uint64(i), Text: passage(r, words)}
		bytes += len(docs[i].Text)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		put(b, open(b, b.TempDir()), docs...)
	}
}

// BenchmarkSearch asks queries of two to six words of passages; -benchtime 1000x.
func BenchmarkSearch(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			if size > 100_000 && testing.Short() {
				b.Skip("a million passages take a minute to make: run without -short")
			}
			benchmarkSearch(b, size)
		})
	}
}

func benchmarkSearch(b *testing.B, size int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	words := vocabulary(r, 300_000)
	ix := open(b, b.TempDir())
	batch := ix.Batch()
	for i := range size {
		if err := batch.Put(Document{ID: uint64(i), Text: passage(r, words)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Commit(1); err != nil {
		b.Fatal(err)
	}
	if err := ix.Merge(); err != nil {
		b.Fatal(err)
	}
	half := ix.Reach(func(id uint64) bool { return id%2 == 0 })
	few := ix.Reach(func(id uint64) bool { return id%1000 == 0 })
	for name, reach := range map[string]*Reach{"all": nil, "half": half, "thousandth": few} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				query := ""
				for range 2 + r.IntN(5) {
					query += words[zipf(r, len(words))] + " "
				}
				begin := time.Now()
				if _, err := ix.Search(query, 100, reach); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
}
