//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// kquantVNNI takes the kernels of AVX-512 with VNNI for the K formats.
func (p *products) kquantVNNI() {
	least := []tileK{{12, leastTile12VNNI}, {8, leastTile8VNNI}, {4, leastTile4VNNI}}
	signed := []tileK{{12, signedTile12VNNI}, {8, signedTile8VNNI}, {4, signedTile4VNNI}}
	p.q4_K = kernelsK{rows: q4kRowsVNNI, panel: panelQ4KVNNI, lanes: 16, tiles: least}.product()
	p.q5_K = kernelsK{rows: q5kRowsVNNI, panel: panelQ5KVNNI, lanes: 16, tiles: least}.product()
	p.q6_K = kernelsK{rows: q6kRowsVNNI, panel: panelQ6KVNNI, lanes: 16, tiles: signed}.product()
}

// kernelRowsK sets out[r] to the product of row r and one input row, for rows
// whole rows of blocks superblocks at w, one after the other; values, scales and
// sums are the input row's. rows and blocks are at least 1.
type kernelRowsK func(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

// rowsK makes the rows of a product of a kernel.
func rowsK(kernel kernelRowsK) func(*Kernels, *Matrix, *Input, int, []float32, int, int) {
	return func(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
		if lo >= hi {
			return
		}
		w := m.Data[lo*m.rowBytes : hi*m.rowBytes]
		blocks := m.Columns / superblock
		kernel(&out[:hi-lo][0], &w[0], hi-lo, blocks, &in.codes[t*in.codeStride],
			&in.scales[t*in.scaleStride], &in.sums16[t*blocks*sumsEach])
	}
}

//go:noescape
func q4kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q5kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)

//go:noescape
func q6kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
