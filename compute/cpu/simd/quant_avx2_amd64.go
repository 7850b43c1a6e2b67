//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// useQuantAVX2 takes the kernels of Q8_0 and Q4_0 for AVX2. Many input rows are
// multiplied one by one, some rows of weights at a time.
func useQuantAVX2(k *Kernels) {
	k.products.q8_0 = product{rows: rowsQ8AVX2}
	k.products.q4_0 = product{rows: rowsQ4AVX2}
}

func rowsQ8AVX2(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q8RowsAVX2(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

func rowsQ4AVX2(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q4RowsAVX2(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

// q8RowsAVX2 is q8Rows512 for AVX2.
//
//go:noescape
func q8RowsAVX2(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)

// q4RowsAVX2 is q4Rows512 for AVX2.
//
//go:noescape
func q4RowsAVX2(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
