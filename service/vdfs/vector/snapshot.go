package vector

import (
	"fmt"
	"math"

	"phios/internal/invariant"
)

// Snapshot is one committed state, which stays as it is until it is closed,
// whatever is committed or compacted meanwhile. Any number of goroutines may
// search it at once.
type Snapshot struct{ *view }

// Snapshot returns the last committed state. It fails only with [ErrClosed].
func (s *Store) Snapshot() (Snapshot, error) {
	for {
		v := s.current.Load()
		if v == nil {
			return Snapshot{}, fmt.Errorf("%w: open it again", ErrClosed)
		}
		if v.acquire() {
			return Snapshot{v}, nil
		}
	}
}

// Close lets the snapshot go. It must be called once.
func (s Snapshot) Close() error { return s.release() }

// Rows is how many rows there are, deleted ones included: their numbers are
// below it.
func (s Snapshot) Rows() int { return s.rows }

// Live is how many rows are not deleted.
func (s Snapshot) Live() int { return s.rows - s.dead }

// Generation changes when rows are numbered anew.
func (s Snapshot) Generation() uint64 { return s.generation }

// Mark is that of the last batch.
func (s Snapshot) Mark() uint64 { return s.mark }

// LastID is the highest name that was ever given, 0 before the first.
func (s Snapshot) LastID() uint64 { return s.lastID }

// ID is the name of a row.
func (s Snapshot) ID(row uint32) uint64 {
	invariant.Always(int(row) < s.rows, "a row that is not in the snapshot")
	return s.id(int(row))
}

// Row returns the row of a name, and false when there is none or it is deleted.
func (s Snapshot) Row(id uint64) (uint32, bool) {
	row, ok := s.find(id)
	return row, ok && s.live.Has(row)
}

// Vector writes the vector of a row into out, which has the store's dimensions.
func (s Snapshot) Vector(row uint32, out []float32) {
	invariant.Always(int(row) < s.rows && len(out) == len(s.mean), "a row that is not in the snapshot")
	decodeFloats(out, s.mapping.rows(slabFloats, len(out), int(row), int(row)+1))
}

// question is a query in the forms that are compared with rows.
type question struct {
	floats []float32
	bits   []byte
	codes  []int8
	bias   int32
}

// ask makes q the question that query is; its length does not matter.
func (v *view) ask(q *question, query []float32, k int) error {
	if len(query) != len(v.mean) {
		return fmt.Errorf("%w: a question of %d dimensions: ask with %d", ErrInput, len(query), len(v.mean))
	}
	if k < 1 || k > ResultsMax {
		return fmt.Errorf("%w: %d results: ask for 1 to %d", ErrInput, k, ResultsMax)
	}
	sum := squaredLength(query)
	if !(sum > 0) || math.IsInf(sum, 0) {
		return fmt.Errorf("%w: a question that is zero or not finite: ask with a vector", ErrInput)
	}
	scale := 1 / math.Sqrt(sum)
	for i, value := range query {
		q.floats[i] = float32(float64(value) * scale)
	}
	signs(q.bits, q.floats, v.mean)
	reciprocal := inverse(quantum(q.floats))
	q.bias = 0
	for i, value := range q.floats {
		q.codes[i] = int8(code(value, reciprocal))
		q.bias -= codesZero * int32(q.codes[i])
	}
	return nil
}
