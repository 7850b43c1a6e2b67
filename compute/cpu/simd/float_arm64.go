//nolint:revive // kernels take their operands one by one, as many as there are
package simd

import (
	"math"

	"phios/compute/tensor"
)

// useFloatsNEON takes the rows of floats and the vector operations for NEON.
func useFloatsNEON(k *Kernels) {
	p, v := &k.products, &k.vectors
	p.f32 = product{rows: rowsF32NEON}
	p.f16 = product{rows: rowsF16NEON}
	p.bf16 = product{rows: rowsBF16NEON}
	v.quantize32, v.quantize256 = quantize32NEON, quantize256NEON
	v.rmsNorm, v.add = neonRMSNorm, neonAdd
	v.scores, v.mix = neonScores, neonMix
}

// Rows of no whole 32 columns, which no model has in its large matrices, are
// left to plain Go.

func rowsF32NEON(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	if m.Columns%floatLanes != 0 {
		plainRowsFloat(k, m, in, t, out, lo, hi)
		return
	}
	for r := lo; r < hi; r++ {
		out[r-lo] = f32RowNEON(&m.row(r)[0], &in.floats[t*in.columns], m.Columns)
	}
}

func rowsF16NEON(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	if m.Columns%floatLanes != 0 {
		plainRowsFloat(k, m, in, t, out, lo, hi)
		return
	}
	for r := lo; r < hi; r++ {
		out[r-lo] = f16RowNEON(&m.row(r)[0], &in.floats[t*in.columns], m.Columns)
	}
}

func rowsBF16NEON(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	if m.Columns%floatLanes != 0 {
		plainRowsFloat(k, m, in, t, out, lo, hi)
		return
	}
	for r := lo; r < hi; r++ {
		out[r-lo] = bf16RowNEON(&m.row(r)[0], &in.floats[t*in.columns], m.Columns)
	}
}

func quantize32NEON(codes []int8, scales []float32, sums []int32, x []float32, high int) {
	for b := range len(x) / 32 {
		most := mostNEON(&x[b*32], 32)
		scale := tensor.HalfToFloat(tensor.FloatToHalf(min(most/127, halfMax)))
		var inverse float32
		if scale > 0 {
			inverse = 127 / most
		}
		sum := codesNEON(&codes[codeAt(b, 0, high)], &x[b*32], inverse)
		sum += codesNEON(&codes[codeAt(b, 16, high)], &x[b*32+16], inverse)
		scales[b] = scale
		sums[b] = -128 * sum
	}
}

func quantize256NEON(codes []int8, scales []float32, sums []int16, x []float32) {
	for b := range len(x) / superblock {
		values := x[b*superblock : (b+1)*superblock]
		most := mostNEON(&values[0], superblock)
		if most != most || most == 0 {
			plainQuantize256(codes[b*superblock:], scales[b:], sums[b*sumsEach:], values)
			continue
		}
		first := 0
		for float32(math.Abs(float64(values[first]))) != most {
			first++
		}
		inverse := -127 / values[first]
		scales[b] = 1 / inverse
		for i := range sumsEach {
			sums[b*sumsEach+i] = int16(codesNEON(&codes[b*superblock+i*16], &values[i*16], inverse))
		}
	}
}

func neonRMSNorm(out, x, weight []float32, eps float32) {
	n := len(x)
	if n%16 != 0 || n == 0 {
		plainRMSNorm(out, x, weight, eps)
		return
	}
	var squares lanes
	squaresNEON(&squares, &x[0], n)
	scaleMulNEON(&out[0], &x[0], &weight[0], n, rmsScale(squares.sum(), n, eps))
}

func neonAdd(x, y []float32) {
	n := len(x) &^ 15
	if n > 0 {
		addNEON(&x[0], &y[0], n)
	}
	plainAdd(x[n:], y[n:])
}

func neonScores(out, q []float32, keys []uint16, stride int, scale float32) {
	if len(q)%16 != 0 {
		plainScores(out, q, keys, stride, scale)
		return
	}
	scoresNEON(&out[0], len(out), &q[0], len(q), &keys[0], stride, scale)
}

func neonMix(out, weights []float32, values []uint16, stride int) {
	if len(out)%16 != 0 {
		plainMix(out, weights, values, stride)
		return
	}
	mixNEON(&out[0], len(out), &weights[0], len(weights), &values[0], stride)
}

//go:noescape
func f32RowNEON(w *byte, x *float32, n int) float32

//go:noescape
func f16RowNEON(w *byte, x *float32, n int) float32

//go:noescape
func bf16RowNEON(w *byte, x *float32, n int) float32

//go:noescape
func mostNEON(x *float32, n int) float32

//go:noescape
func codesNEON(codes *int8, x *float32, inverse float32) int32

//go:noescape
func squaresNEON(sums *lanes, x *float32, n int)

//go:noescape
func scaleMulNEON(out, x, weight *float32, n int, by float32)

//go:noescape
func addNEON(x, y *float32, n int)

//go:noescape
func scoresNEON(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)

//go:noescape
func mixNEON(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
