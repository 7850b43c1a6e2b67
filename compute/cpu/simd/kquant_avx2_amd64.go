package simd

// kquantAVX2 takes the kernels of AVX2 for the K formats.
func (p *products) kquantAVX2() {
	p.q4_K = product{rows: rowsK(q4kRowsAVX2)}
	p.q5_K = product{rows: rowsK(q5kRowsAVX2)}
	p.q6_K = product{rows: rowsK(q6kRowsAVX2)}
}

//go:noescape
func q4kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q5kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q6kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
