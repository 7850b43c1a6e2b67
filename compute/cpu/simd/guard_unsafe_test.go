//go:build unix

package simd

import (
	"syscall"
	"testing"
	"unsafe"

	"phios/compute/tensor"
)

// guarded returns n bytes whose end is the end of a page that is followed by
// one which nobody may read.
func guarded(tb testing.TB, n int) []byte {
	tb.Helper()
	page := syscall.Getpagesize()
	size := roundUp(n, page) + page
	all, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			tb.Error(err)
		}
	})
	if err := syscall.Mprotect(all[size-page:], syscall.PROT_NONE); err != nil {
		tb.Fatal(err)
	}
	return all[size-page-n : size-page]
}

// guardedCopy returns a copy of x at the end of a page.
func guardedCopy[T int8 | int16 | int32 | uint16 | float32](tb testing.TB, x []T) []T {
	tb.Helper()
	if len(x) == 0 {
		return nil
	}
	b := guarded(tb, len(x)*int(unsafe.Sizeof(x[0])))
	// Safety: b has the bytes of as many T as x, aligned because its end is
	// that of a page, and lives until the test ends.
	c := unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(x))
	copy(c, x)
	return c
}

// TestNothingIsReadBeyondTheEnd places every operand before a page that must
// not be touched: weights, the used part of the input, and the output.
func TestNothingIsReadBeyondTheEnd(t *testing.T) {
	r := random(8)
	for range 8 {
		for _, f := range formatTable {
			rows, columns, inputs := 1+r.IntN(40), max(f.Elements(), 8)*(1+r.IntN(9)), 1+r.IntN(14)
			for _, k := range All() {
				m := weights(t, k, r, f, rows, columns)
				data := guarded(t, len(m.Data))
				copy(data, m.Data)
				m.Data = data
				in := NewInput(inputs, columns)
				in.codes, in.scales = guardedCopy(t, in.codes), guardedCopy(t, in.scales)
				in.sums32, in.sums16, in.floats = guardedCopy(t, in.sums32), guardedCopy(t, in.sums16), guardedCopy(t, in.floats)
				k.Quantize(in, f, guardedCopy(t, normal(r, inputs*columns)), inputs, columns)
				out := guardedCopy(t, make([]float32, inputs*rows))
				k.Multiply(&m, in, out, rows, 0, rows)
			}
		}
	}
}

// TestVectorsKeepToTheirOperands does the same for the vector operations.
func TestVectorsKeepToTheirOperands(t *testing.T) {
	r := random(9)
	for _, n := range []int{1, 7, 8, 15, 16, 33, 64, 80, 128, 200} {
		x, y, z := guardedCopy(t, normal(r, n)), guardedCopy(t, normal(r, n)), guardedCopy(t, make([]float32, n))
		keys, floats := guardedCopy(t, halves(r, 5*n)), guardedCopy(t, normal(r, 5*n))
		h := guardedCopy(t, make([]uint16, n))
		out := guardedCopy(t, normal(r, 5))
		for _, k := range All() {
			k.RMSNorm(z, x, y, 1e-6)
			k.Add(x, y)
			k.SiluMul(x, y)
			k.GeluMul(x, y)
			k.Softmax(x)
			k.ToHalf(h, x)
			k.Scores(out, x, keys, 5, n, 1)
			k.Mix(x, out, keys, 5, n)
			k.Relu(x)
			k.LayerNorm(z, x, y, z, 1e-6)
			k.ScoresFloat(out, x, floats, 5, n, 1)
			k.MixFloat(x, out, floats, 5, n)
		}
	}
}

// TestNoAllocations multiplies and works on vectors without allocating.
func TestNoAllocations(t *testing.T) {
	r := random(10)
	const rows, columns, inputs = 40, 512, 9
	for _, k := range All() {
		for _, f := range []tensor.Format{tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.F16} {
			m := weights(t, k, r, f, rows, columns)
			x, in, out := normal(r, inputs*columns), NewInput(inputs, columns), make([]float32, inputs*rows)
			y := normal(r, columns)
			// Under the race detector a pool loses a quarter of what it is given,
			// which over many runs is below one each.
			if n := testing.AllocsPerRun(100, func() {
				k.Quantize(in, f, x, inputs, columns)
				k.Multiply(&m, in, out, rows, 0, rows)
				k.Quantize(in, f, x, 1, columns)
				k.Multiply(&m, in, out, rows, 0, rows)
				k.RMSNorm(y, x[:columns], y, 1)
				k.SiluMul(y, x[:columns])
				k.Softmax(y)
			}); n >= 1 {
				t.Errorf("%s %v: %v allocations", k.Name(), f, n)
			}
		}
	}
}
