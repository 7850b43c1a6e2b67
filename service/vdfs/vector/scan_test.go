package vector

import (
	"testing"

	"phios/compute/cpu/simd"
	"phios/internal/invariant"
)

// TestScanIsNearlyExact measures recall on vectors in clusters, without a
// filter and with such as leave many and few.
func TestScanIsNearlyExact(t *testing.T) {
	r := random(6)
	rows := clusters(r, 12_000, 40, 128, 0.6)
	s := filled(t, rows[50:])
	must(t, s.Compact())
	snap := snapshot(t, s)
	for _, oneIn := range []int{1, 2, 50, 4000} {
		filter := NewBitmap(snap.Rows())
		for row := range snap.Rows() {
			if r.IntN(oneIn) == 0 {
				filter.Add(uint32(row))
			}
		}
		sum := 0.0
		for _, q := range rows[:50] {
			want, err := snap.Exact(q, 10, filter)
			must(t, err)
			got, err := snap.Scan(q, 10, filter)
			must(t, err)
			for _, h := range got {
				if !filter.Has(h.Row) {
					t.Fatalf("row %d is not in the filter", h.Row)
				}
			}
			sum += recall(got, want)
		}
		if sum/50 < 0.995 {
			t.Errorf("one row in %d: recall %.4f, want 0.995", oneIn, sum/50)
		}
	}
}

// TestScanOfEqualRows has nothing but copies of one row, of which any will do.
func TestScanOfEqualRows(t *testing.T) {
	x := randomUnit(random(7), 64)
	rows := make([][]float32, 9000)
	for i := range rows {
		rows[i] = x
	}
	snap := snapshot(t, filled(t, rows))
	hits, err := snap.Scan(x, 3, nil)
	must(t, err)
	if len(hits) != 3 || hits[0].Row != 0 || hits[2].Row != 2 || hits[0].Score < 0.999 {
		t.Errorf("%v", hits)
	}
}

// TestEveryKernelFindsTheSame asks all sets of kernels the same.
func TestEveryKernelFindsTheSame(t *testing.T) {
	r := random(8)
	rows := clusters(r, 9_000, 300, 192, 0.7)
	s := filled(t, rows)
	snap := snapshot(t, s)
	query := randomUnit(r, 192)
	var want []Hit
	for i, k := range simd.All() {
		s.kernels = k
		got, err := snap.Scan(query, 20, nil)
		must(t, err)
		if i == 0 {
			want = got
		}
		for j := range want {
			if got[j] != want[j] {
				t.Errorf("%s: hit %d: %v, want %v", k.Name(), j, got[j], want[j])
			}
		}
	}
}

// TestNothingIsAllocated but the result.
func TestNothingIsAllocated(t *testing.T) {
	r := random(9)
	rows := clusters(r, 6_000, 300, 128, 0.7)
	s := filled(t, rows)
	snap := snapshot(t, s)
	g, err := snap.BuildGraph(t.Context(), GraphOptions{})
	must(t, err)
	must(t, s.UseGraph(g))
	snap = snapshot(t, s)
	filter := NewBitmap(snap.Rows())
	for row := range uint32(3000) {
		filter.Add(row * 2)
	}
	// Under the race detector a pool loses a quarter of what it is given, and
	// scratch is a dozen slices.
	most := 1.0
	if invariant.Enabled {
		most = 24
	}
	for name, search := range map[string]func() ([]Hit, error){
		"scan":     func() ([]Hit, error) { return snap.Scan(rows[1], 10, nil) },
		"filtered": func() ([]Hit, error) { return snap.Scan(rows[1], 10, filter) },
		"exact":    func() ([]Hit, error) { return snap.Exact(rows[1], 10, nil) },
		"walk":     func() ([]Hit, error) { return snap.Walk(rows[1], 10, 50, nil) },
	} {
		allocated := testing.AllocsPerRun(100, func() { _, _ = search() })
		if allocated > most {
			t.Errorf("%s: %v allocations, want %v", name, allocated, most)
		}
	}
}

// BenchmarkFilter scans PHI_ROWS rows with filters that leave fewer and fewer.
func BenchmarkFilter(b *testing.B) {
	r := random(10)
	rows := clusters(r, rowsAsked(b), 1000, 512, 0.5)
	snap := snapshot(b, filled(b, rows))
	for name, oneIn := range map[string]int{"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000} {
		filter := NewBitmap(snap.Rows())
		for row := 0; row < snap.Rows(); row += oneIn {
			filter.Add(uint32(row))
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := snap.Scan(rows[3], 10, filter); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
