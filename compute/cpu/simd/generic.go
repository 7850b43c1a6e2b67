package simd

import (
	"math"

	"phios/compute/tensor"
)

// genericRows is a product for any format: it widens each block and multiplies
// floats. It is where a format starts that has no kernels of its own yet.
func genericRows(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	n, size := m.Format.Elements(), m.Format.Bytes()
	var w [tensor.BlockMax]float32
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var sum float32
		for b := range m.Columns / n {
			tensor.Dequantize(m.Format, row[b*size:(b+1)*size], w[:n])
			for i, v := range w[:n] {
				sum += float32(v * in.at(t, b*n+i))
			}
		}
		out[r-lo] = sum
	}
}

// at is element i of row t, widened.
func (in *Input) at(t, i int) float32 {
	//exhaustive:ignore
	switch in.kind {
	case kindFloats:
		return in.floats[t*in.columns+i]
	case kindBlocks256:
		return float32(in.codes[t*in.codeStride+i]) * in.scales[t*in.scaleStride+i/256]
	default:
		b := i / 32
		return float32(in.codes[t*in.codeStride+codeAt(b, i%32, in.kind == kindSplit32)]) * in.scales[t*in.scaleStride+b]
	}
}

// plainQuantize256 makes blocks of 256 codes of x, as GGML's Q8_K does: the
// value of largest magnitude becomes −127.
func plainQuantize256(codes []int8, scales []float32, sums []int16, x []float32) {
	for b := range len(x) / 256 {
		values := x[b*256 : b*256+256]
		var most, magnitude float32
		for _, v := range values {
			if a := float32(math.Abs(float64(v))); a > magnitude {
				most, magnitude = v, a
			}
		}
		var inverse float32
		scales[b] = 0
		if magnitude > 0 {
			inverse = -127 / most
			scales[b] = 1 / inverse
		}
		clear(sums[b*16 : b*16+16])
		for i, v := range values {
			c := roundCode(v * inverse)
			codes[b*256+i] = c
			sums[b*16+i/16] += int16(c)
		}
	}
}
