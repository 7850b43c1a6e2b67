package simd

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"phios/compute/tensor"
)

// same compares bits, but for those of NaNs.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// randomBlocks is a matrix of any bytes. Extreme ones are all −128 or 127, or
// 0 and 15, with scales from the whole of half precision.
func randomBlocks(tb testing.TB, k *Kernels, r *rand.Rand, f tensor.Format, rows, columns int, extreme bool) Matrix {
	tb.Helper()
	n, _ := f.RowBytes(columns)
	data := make([]byte, n*rows)
	for i := range data {
		data[i] = byte(r.Uint32())
		if extreme {
			data[i] = [...]byte{0x80, 0x7f, 0x00, 0xff}[r.IntN(4)]
		}
	}
	for i := 0; i < len(data); i += f.Bytes() {
		d := tensor.FloatToHalf(float32(r.NormFloat64()))
		if extreme {
			d = uint16(r.Uint32())
		}
		binary.LittleEndian.PutUint16(data[i:], d)
	}
	m, err := k.Matrix(f, rows, columns, data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// extremeInput is rows that quantise to all 127, to subnormal scales, to huge
// ones and to zeros, as well as common ones.
func extremeInput(r *rand.Rand, rows, columns int) []float32 {
	x := normal(r, rows*columns)
	for i := 0; i < len(x); i += 32 {
		scale := [...]float32{1, 0, 1e-6, 1e-38, 1e6}[r.IntN(5)]
		flat := r.IntN(3) == 0
		for j := i; j < i+32; j++ {
			x[j] *= scale
			if flat {
				x[j] = scale
			}
		}
	}
	return x
}

// TestQuantSetsAgree compares every set with plain Go, bit by bit, over shapes
// that are no multiple of anything, and each input row alone with all at once.
func TestQuantSetsAgree(t *testing.T) {
	r := random(1)
	plain := Plain()
	for round := range 60 {
		rows, columns, inputs := 1+r.IntN(70), 32*(1+r.IntN(40)), 1+r.IntN(20)
		extreme := round%2 == 1
		for _, f := range quantTable {
			m := randomBlocks(t, plain, r, f, rows, columns, extreme)
			x := normal(r, inputs*columns)
			if extreme {
				x = extremeInput(r, inputs, columns)
			}
			want := make([]float32, inputs*rows)
			in := NewInput(inputs, columns)
			plain.Quantize(in, f, x, inputs, columns)
			plain.Multiply(&m, in, want, rows, 0, rows)
			for _, k := range All() {
				compareProducts(t, k, &m, x, want, inputs)
			}
		}
	}
}

// compareProducts multiplies all inputs at once in two ranges, and then one by
// one, and wants the same bits.
func compareProducts(t *testing.T, k *Kernels, m *Matrix, x, want []float32, inputs int) {
	t.Helper()
	check := func(what string, got, want []float32) {
		t.Helper()
		for i := range want {
			if !same(got[i], want[i]) {
				t.Fatalf("%s %v %d×%d, %d inputs %s: place %d: %x, want %x", k.Name(), m.Format, m.Rows, m.Columns, inputs, what,
					i, math.Float32bits(got[i]), math.Float32bits(want[i]))
			}
		}
	}
	in := NewInput(inputs, m.Columns)
	k.Quantize(in, m.Format, x, inputs, m.Columns)
	out := make([]float32, inputs*m.Rows)
	cut := min(m.Rows, m.Rows/2/Grain*Grain)
	k.Multiply(m, in, out, m.Rows, 0, cut)
	k.Multiply(m, in, out, m.Rows, cut, m.Rows)
	check("together", out, want)
	for i := range inputs {
		k.Quantize(in, m.Format, x[i*m.Columns:], 1, m.Columns)
		k.Multiply(m, in, out, m.Rows, 0, m.Rows)
		check("alone", out[:m.Rows], want[i*m.Rows:(i+1)*m.Rows])
	}
}
