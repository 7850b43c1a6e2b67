package vector

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const questions = 200

// rowsAsked is PHI_ROWS, or as many as a run of all benchmarks has time for.
func rowsAsked(b *testing.B) int {
	b.Helper()
	if text := os.Getenv("PHI_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		must(b, err)
		return n
	}
	return 20_000
}

// BenchmarkSearch reports recall@10 against the exact scan and time per query,
// of the scan and of the graph at several widths, for PHI_ROWS rows of kinds
// from real ones to ones that are hard to tell apart. With PHI_HNSWLIB=1 it
// measures hnswlib on the same rows, which node must find; see make bench-hnsw.
func BenchmarkSearch(b *testing.B) {
	n := rowsAsked(b) + questions
	b.Run("clusters", func(b *testing.B) {
		measure(b, clusters(random(77), n, 1000, 512, 0.5))
	})
	for name, noise := range map[string]float64{"sentences-near": 0.3, "sentences-far": 0.7} {
		b.Run(name, func(b *testing.B) {
			if found := sentences(b); len(found) > 0 {
				measure(b, around(random(78), found, n, noise))
			}
		})
	}
}

// measure takes the first rows as questions to the others.
func measure(b *testing.B, rows [][]float32) {
	b.Helper()
	asked, kept := rows[:questions], rows[questions:]
	s := filled(b, kept)
	must(b, s.Compact())
	snap := snapshot(b, s)
	truth := make([][]Hit, questions)
	begin := time.Now()
	for i, q := range asked {
		var err error
		truth[i], err = snap.Exact(q, 10, nil)
		must(b, err)
	}
	b.Logf("exact: %v a query", time.Since(begin)/questions)
	run := func(what string, search func(q []float32) ([]Hit, error)) {
		b.Run(strconv.Itoa(len(kept))+"/"+what, func(b *testing.B) {
			sum := 0.0
			for i, q := range asked {
				hits, err := search(q)
				must(b, err)
				sum += recall(hits, truth[i])
			}
			i := 0
			for b.Loop() {
				if _, err := search(asked[i%questions]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(sum/questions, "recall@10")
		})
	}
	run("scan", func(q []float32) ([]Hit, error) { return snap.Scan(q, 10, nil) })
	begin = time.Now()
	g, err := snap.BuildGraph(b.Context(), GraphOptions{})
	must(b, err)
	b.Logf("graph of %d rows in %v", len(kept), time.Since(begin))
	must(b, s.UseGraph(g))
	snap = snapshot(b, s)
	for _, width := range []int{16, 32, 64, 128, 256} {
		run("walk-"+strconv.Itoa(width), func(q []float32) ([]Hit, error) { return snap.Walk(q, 10, width, nil) })
	}
	if os.Getenv("PHI_HNSWLIB") != "" {
		hnswlib(b, kept, asked, truth)
	}
}

// hnswlib measures the peer.
func hnswlib(b *testing.B, kept, asked [][]float32, truth [][]Hit) {
	b.Helper()
	dir := b.TempDir()
	write := func(name string, rows [][]float32) {
		var all []byte
		for _, x := range rows {
			for _, v := range x {
				all = binary.LittleEndian.AppendUint32(all, math.Float32bits(v))
			}
		}
		must(b, os.WriteFile(filepath.Join(dir, name), all, 0o600))
	}
	write("rows.f32", kept)
	write("questions.f32", asked)
	var all []byte
	for _, hits := range truth {
		for _, h := range hits {
			all = binary.LittleEndian.AppendUint32(all, h.Row)
		}
	}
	must(b, os.WriteFile(filepath.Join(dir, "truth.u32"), all, 0o600))
	out, err := exec.CommandContext(b.Context(), "node", "testdata/hnswlib.cjs", strconv.Itoa(len(asked[0])), dir).CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	b.Logf("hnswlib:\n%s", out)
}
