package vector

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// average is the recall of a search over questions, against the exact scan.
func average(tb testing.TB, snap Snapshot, asked [][]float32, filter Bitmap, search func(q []float32) ([]Hit, error)) float64 {
	tb.Helper()
	sum := 0.0
	for _, q := range asked {
		want, err := snap.Exact(q, 10, filter)
		must(tb, err)
		got, err := search(q)
		must(tb, err)
		sum += recall(got, want)
	}
	return sum / float64(len(asked))
}

// TestGraphFinds measures recall on vectors in clusters: of a graph, of one
// that knows half of the rows, with rows deleted, with a filter, and after it
// was saved and read again.
func TestGraphFinds(t *testing.T) {
	r := random(11)
	rows := clusters(r, 8_040, 60, 128, 0.6)
	asked, kept := rows[:40], rows[40:]
	dir := t.TempDir()
	s, err := Create(dir, 128, nil)
	must(t, err)
	add := func(from, to int) {
		var b Batch
		for i := from; i < to; i++ {
			b.IDs, b.Rows = append(b.IDs, uint64(i)+1), append(b.Rows, kept[i]...)
		}
		must(t, s.Commit(b))
	}
	want := func(what string, filter Bitmap) {
		snap := snapshot(t, s)
		if snap.Graph() == nil {
			t.Fatalf("%s: there is no graph", what)
		}
		if got := average(t, snap, asked, filter, func(q []float32) ([]Hit, error) { return snap.Walk(q, 10, 100, filter) }); got < 0.98 {
			t.Errorf("%s: recall %.4f, want 0.98", what, got)
		}
	}
	add(0, 4000)
	half, err := snapshot(t, s).BuildGraph(t.Context(), GraphOptions{})
	must(t, err)
	must(t, s.UseGraph(half))
	want("half of what will be", nil)
	add(4000, 8000)
	want("half of the rows", nil)
	whole, err := snapshot(t, s).ExtendGraph(t.Context(), half, GraphOptions{})
	must(t, err)
	if half.Rows() != 4000 || whole.Rows() != 8000 {
		t.Errorf("graphs of %d and %d rows", half.Rows(), whole.Rows())
	}
	must(t, s.UseGraph(whole))
	want("extended", nil)
	filter := NewBitmap(8000)
	for row := range uint32(8000) {
		if row%3 > 0 {
			filter.Add(row)
		}
	}
	want("with a filter", filter)
	var gone []uint64
	for id := uint64(1); id < 8000; id += 4 {
		gone = append(gone, id)
	}
	must(t, s.Commit(Batch{Delete: gone}))
	want("with rows deleted", nil)
	want("with rows deleted and a filter", filter)
	must(t, s.SaveGraph())
	must(t, s.Close())
	s, err = Open(dir)
	must(t, err)
	want("read again", filter)
	must(t, s.Compact())
	if snapshot(t, s).Graph() != nil {
		t.Error("the graph outlives the numbers of its rows")
	}
	if err := s.UseGraph(whole); !errors.Is(err, ErrInput) {
		t.Errorf("a graph of another generation: %v", err)
	}
	must(t, s.Close())
}

// TestGraphIsTheSame whatever builds it.
func TestGraphIsTheSame(t *testing.T) {
	snap := snapshot(t, filled(t, clusters(random(12), 3000, 30, 64, 0.6)))
	var first []byte
	for _, threads := range []int{1, 2, 5} {
		g, err := snap.BuildGraph(t.Context(), GraphOptions{Threads: threads, Effort: 60})
		must(t, err)
		file := encodeGraph(g)
		if first == nil {
			first = file
		}
		if !bytes.Equal(file, first) {
			t.Errorf("%d threads make another graph", threads)
		}
		again, err := parseGraph(file)
		must(t, err)
		if !bytes.Equal(encodeGraph(again), file) {
			t.Error("a graph that is read is another")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := snap.BuildGraph(ctx, GraphOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("building when nobody waits: %v", err)
	}
	if _, err := snap.BuildGraph(t.Context(), GraphOptions{Links: 1}); !errors.Is(err, ErrInput) {
		t.Errorf("one link: %v", err)
	}
}

// TestDamagedGraphIsNotUsed and does not keep the rows from being found.
func TestDamagedGraphIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, childDimensions, nil)
	must(t, err)
	must(t, s.Commit(childBatch(1)))
	if err := s.SaveGraph(); !errors.Is(err, ErrInput) {
		t.Errorf("saving no graph: %v", err)
	}
	g, err := snapshot(t, s).BuildGraph(t.Context(), GraphOptions{})
	must(t, err)
	must(t, s.UseGraph(g))
	must(t, s.SaveGraph())
	must(t, s.Close())
	name := filepath.Join(dir, fileName(1, graphEnd))
	b, err := os.ReadFile(name)
	must(t, err)
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(name, b, 0o600))
	s, err = Open(dir)
	must(t, err)
	snap := snapshot(t, s)
	if snap.Graph() != nil {
		t.Error("the damaged graph is in use")
	}
	hits, err := snap.Search(childRow(7), 1, nil)
	must(t, err)
	if len(hits) != 1 || hits[0].ID != 7 {
		t.Errorf("%v", hits)
	}
	must(t, s.Close())
}
