package simd

// useQuantAVX512 takes the kernels of Q8_0 and Q4_0 for AVX-512 with VNNI.
func useQuantAVX512(k *Kernels) {
	k.products.q8_0 = product{rows: rowsQ8AVX512}
	k.products.q4_0 = product{rows: rowsQ4AVX512}
}

func rowsQ8AVX512(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q8Rows512(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

func rowsQ4AVX512(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q4Rows512(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

// q8Rows512 sets out to the products of rows of Q8_0, each of blocks, which
// follow one another from w, and one input row padded to whole groups.
//
//go:noescape
func q8Rows512(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)

// q4Rows512 is q8Rows512 for Q4_0 and a split input.
//
//go:noescape
func q4Rows512(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
