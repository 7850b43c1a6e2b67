package vector

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) }

// unit gives a vector length one.
func unit(x []float32) []float32 {
	scale := 1 / math.Sqrt(squaredLength(x))
	for i := range x {
		x[i] = float32(float64(x[i]) * scale)
	}
	return x
}

func randomUnit(r *rand.Rand, dimensions int) []float32 {
	x := make([]float32, dimensions)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return unit(x)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// snapshot returns one that is closed when the test ends.
func snapshot(tb testing.TB, s *Store) Snapshot {
	tb.Helper()
	snap, err := s.Snapshot()
	must(tb, err)
	tb.Cleanup(func() { must(tb, snap.Close()) })
	return snap
}

// model is a store in the simplest terms.
type model struct {
	rows map[uint64][]float32
	last uint64
	mark uint64
}

// best returns the k names nearest to a question of those that may be.
func (m *model) best(query []float32, k int, may func(uint64) bool) []Hit {
	var all []Hit
	for id, x := range m.rows {
		if may == nil || may(id) {
			score := 0.0
			for i := range x {
				score += float64(x[i]) * float64(query[i])
			}
			all = append(all, Hit{ID: id, Score: float32(score)})
		}
	}
	slices.SortFunc(all, func(a, b Hit) int {
		if a.Score > b.Score {
			return -1
		}
		return 1
	})
	return all[:min(k, len(all))]
}

// agree wants the same names, but for rows of nearly the same score.
func agree(tb testing.TB, what string, got, want []Hit) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%s: %d hits, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Abs(float64(got[i].Score-want[i].Score)) > 1e-5 {
			tb.Fatalf("%s: hit %d: %v, want %v", what, i, got[i], want[i])
		}
	}
}

// check compares a store with the model.
func (m *model) check(tb testing.TB, s *Store, r *rand.Rand) {
	tb.Helper()
	snap, err := s.Snapshot()
	must(tb, err)
	defer func() { must(tb, snap.Close()) }()
	if snap.Live() != len(m.rows) || snap.LastID() != m.last || snap.Mark() != m.mark {
		tb.Fatalf("%d rows, last %d, mark %d; want %d, %d, %d", snap.Live(), snap.LastID(), snap.Mark(), len(m.rows), m.last, m.mark)
	}
	x := make([]float32, s.Dimensions())
	for id, want := range m.rows {
		row, ok := snap.Row(id)
		if !ok || snap.ID(row) != id {
			tb.Fatalf("row of %d: %d %v", id, row, ok)
		}
		if snap.Vector(row, x); !slices.Equal(x, want) {
			tb.Fatalf("vector of %d is another", id)
		}
	}
	query, k := randomUnit(r, s.Dimensions()), 1+r.IntN(20)
	filter, third := NewBitmap(snap.Rows()), uint64(r.IntN(3))
	for row := range uint32(snap.Rows()) {
		if snap.ID(row)%3 == third {
			filter.Add(row)
		}
	}
	for name, search := range map[string]func([]float32, int, Bitmap) ([]Hit, error){"scan": snap.Scan, "exact": snap.Exact, "search": snap.Search} {
		hits, err := search(query, k, nil)
		must(tb, err)
		agree(tb, name, hits, m.best(query, k, nil))
		hits, err = search(query, k, filter)
		must(tb, err)
		agree(tb, name+" with a filter", hits, m.best(query, k, func(id uint64) bool { return id%3 == third }))
	}
}

// TestStoreIsTheModel does what may be done in random order.
func TestStoreIsTheModel(t *testing.T) {
	for seed := range uint64(4) {
		r := random(seed)
		dimensions := DimensionsGrain * (1 + r.IntN(6))
		dir := t.TempDir()
		s, err := Create(dir, dimensions, nil)
		must(t, err)
		m := &model{rows: map[uint64][]float32{}}
		for range 60 {
			switch r.IntN(12) {
			case 0:
				must(t, s.Close())
				s, err = Open(dir)
				must(t, err)
			case 1:
				must(t, s.Compact())
			case 2:
				must(t, s.Verify())
			default:
				m.commit(t, s, r)
			}
			m.check(t, s, r)
		}
		must(t, s.Close())
	}
}

// commit changes the store and the model alike.
func (m *model) commit(tb testing.TB, s *Store, r *rand.Rand) {
	tb.Helper()
	b := Batch{Mark: r.Uint64()}
	for range r.IntN(60) {
		if r.IntN(3) == 0 {
			b.Delete = append(b.Delete, r.Uint64N(m.last+2))
			continue
		}
		m.last += 1 + r.Uint64N(3)
		b.IDs, b.Rows = append(b.IDs, m.last), append(b.Rows, randomUnit(r, s.Dimensions())...)
	}
	for _, id := range b.Delete {
		delete(m.rows, id)
	}
	for i, id := range b.IDs {
		m.rows[id] = b.Rows[i*s.Dimensions() : (i+1)*s.Dimensions()]
	}
	m.mark = b.Mark
	must(tb, s.Commit(b))
}

// TestInputIsChecked wants a refusal that changes nothing.
func TestInputIsChecked(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []int{-64, 0, 1, 63, 65, DimensionsMax + 64} {
		if _, err := Create(dir, d, nil); !errors.Is(err, ErrInput) {
			t.Errorf("%d dimensions: %v", d, err)
		}
	}
	if _, err := Create(dir, 64, []float32{1}); !errors.Is(err, ErrInput) {
		t.Errorf("a short mean: %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrInput) {
		t.Errorf("an empty folder: %v", err)
	}
	s, err := Create(dir, 64, nil)
	must(t, err)
	if _, err := Open(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("opened twice: %v", err)
	}
	r := random(1)
	x := randomUnit(r, 64)
	must(t, s.Commit(Batch{IDs: []uint64{5}, Rows: x, Mark: 1}))
	nan := slices.Clone(x)
	nan[3] = float32(math.NaN())
	for name, b := range map[string]Batch{
		"an old name": {IDs: []uint64{5}, Rows: x}, "names that fall": {IDs: []uint64{8, 7}, Rows: append(slices.Clone(x), x...)},
		"too few numbers": {IDs: []uint64{9}, Rows: x[:63]}, "not a number": {IDs: []uint64{9}, Rows: nan},
		"zero": {IDs: []uint64{9}, Rows: make([]float32, 64)}, "the last name": {IDs: []uint64{math.MaxUint64}, Rows: x},
		"too many deletions": {Delete: make([]uint64, BatchDeletesMax+1)},
	} {
		if err := s.Commit(b); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	snap := snapshot(t, s)
	if snap.Rows() != 1 || snap.Mark() != 1 {
		t.Errorf("%d rows, mark %d", snap.Rows(), snap.Mark())
	}
	for _, k := range []int{-1, 0, ResultsMax + 1} {
		if _, err := snap.Search(x, k, nil); !errors.Is(err, ErrInput) {
			t.Errorf("%d results: %v", k, err)
		}
	}
	for _, q := range [][]float32{nil, x[:1], nan, make([]float32, 64)} {
		if _, err := snap.Search(q, 1, nil); !errors.Is(err, ErrInput) {
			t.Errorf("question %v: %v", q, err)
		}
	}
	must(t, s.Close())
	if err := s.Commit(Batch{}); !errors.Is(err, ErrClosed) {
		t.Errorf("commit to a closed store: %v", err)
	}
	if _, err := s.Snapshot(); !errors.Is(err, ErrClosed) {
		t.Errorf("snapshot of a closed store: %v", err)
	}
}
