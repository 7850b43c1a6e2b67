//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// kquantAVX2 takes the kernels of AVX2 for the K formats.
func (p *products) kquantAVX2() {
	p.q4_K = kernelsK{rows: q4kRowsAVX2, panel: halfPanelQ4KAVX2, lanes: 8, tiles: []tileK{{6, q4kTile6AVX2}}}.product()
	p.q5_K = kernelsK{rows: q5kRowsAVX2, panel: halfPanelQ5KAVX2, lanes: 8, tiles: []tileK{{6, q5kTile6AVX2}}}.product()
	p.q6_K = kernelsK{rows: q6kRowsAVX2, panel: halfPanelQ6KAVX2, lanes: 8, tiles: []tileK{{6, q6kTile6AVX2}}}.product()
}

//go:noescape
func q4kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q5kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q6kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func halfPanelQ4KAVX2(panel, w *byte, rowBytes, blocks int)

//go:noescape
func q4kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func halfPanelQ5KAVX2(panel, w *byte, rowBytes, blocks int)

//go:noescape
func q5kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func halfPanelQ6KAVX2(panel, w *byte, rowBytes, blocks int)

//go:noescape
func q6kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
