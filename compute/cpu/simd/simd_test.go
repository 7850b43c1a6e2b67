package simd

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"phios/compute/tensor"
)

// quantTable are the formats of blocks of 32.
var quantTable = [...]tensor.Format{tensor.Q8_0, tensor.Q4_0}

// formatTable are all formats.
var formatTable = [...]tensor.Format{
	tensor.F32, tensor.F16, tensor.BF16, tensor.Q4_0, tensor.Q8_0, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

func normal(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// weights quantises random numbers.
func weights(tb testing.TB, k *Kernels, r *rand.Rand, f tensor.Format, rows, columns int) Matrix {
	tb.Helper()
	n, _ := f.RowBytes(columns)
	data := make([]byte, n*rows)
	tensor.Quantize(f, normal(r, rows*columns), data)
	m, err := k.Matrix(f, rows, columns, data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestShapesAreChecked(t *testing.T) {
	k := Plain()
	for _, c := range []struct {
		f                    tensor.Format
		rows, columns, bytes int
	}{
		{tensor.Q8_0, 1, 31, 34},
		{tensor.Q8_0, 1, 32, 33},
		{tensor.Q8_0, 0, 32, 0},
		{tensor.Q8_0, 1, 0, 0},
		{tensor.Format(99), 1, 32, 34},
		{tensor.Q4_0, 2, 32, 18},
		{tensor.F32, 1, columnsMax + 1, 4 * (columnsMax + 1)},
	} {
		if _, err := k.Matrix(c.f, c.rows, c.columns, make([]byte, c.bytes)); !errors.Is(err, ErrShape) {
			t.Errorf("%v %d×%d of %d bytes: %v", c.f, c.rows, c.columns, c.bytes, err)
		}
	}
}

// TestProductsAreClose compares every format of every set with float64 over
// the widened weights and the activations as they were.
func TestProductsAreClose(t *testing.T) {
	const rows, columns, inputs = 37, 512, 3
	for _, k := range All() {
		for _, f := range formatTable {
			r := random(uint64(f))
			m := weights(t, k, r, f, rows, columns)
			x := normal(r, inputs*columns)
			in := NewInput(inputs, columns)
			k.Quantize(in, f, x, inputs, columns)
			out := make([]float32, inputs*rows)
			k.Multiply(&m, in, out, rows, 0, rows)
			w := make([]float32, columns)
			for row := range rows {
				m.Row(row, w)
				for i := range inputs {
					var want float64
					for c, v := range w {
						want += float64(v) * float64(x[i*columns+c])
					}
					if got := float64(out[i*rows+row]); math.Abs(got-want) > 0.04*math.Sqrt(columns) {
						t.Errorf("%s %v row %d input %d: %g, want about %g", k.Name(), f, row, i, got, want)
					}
				}
			}
		}
	}
}
