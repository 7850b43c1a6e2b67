package simd

const (
	// turnedBytes is how many bytes a superblock of a panel takes.
	turnedBytes = 5760
	// turnedRows is how many rows a panel has.
	turnedRows = 16
	// tileLeast is how many rows of input the smallest tile has.
	tileLeast = 4
	// accBytes are the float32 sums of a tile of up to 12 rows of input.
	accBytes = 12 * turnedRows * 4
	// scratchLeast makes scratch start on a page, as large objects do.
	scratchLeast = 64 << 10
)

// kernelPanel turns turnedRows rows of blocks superblocks over; rows are rowBytes
// apart.
type kernelPanel func(panel, w *byte, rowBytes, blocks int)

// kernelTile sets out[t*stride+r] to the product of row r of a panel and input
// t, for 12, 8 or 4 inputs codeStride apart. acc is room for 16 floats an input.
type kernelTile func(out *float32, stride int, acc, panel *byte, blocks int,
	codes *int8, codeStride int, scales *float32, sums *int16)

// kernelsK are the kernels of a format.
type kernelsK struct {
	rows          kernelRowsK
	panel         kernelPanel
	tile12, tile8 kernelTile
	tile4         kernelTile
}

// product makes a product of the kernels.
func (s kernelsK) product() product {
	rows := rowsK(s.rows)
	return product{rows: rows, blockRows: 2, block: func(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
		if in.rows < tileLeast {
			// Too few for a tile: one after the other while the weights are near.
			for r := lo; r < hi; r += turnedRows {
				end := min(r+turnedRows, hi)
				for t := range in.rows {
					rows(k, m, in, t, out[t*stride+r:t*stride+end], r, end)
				}
			}
			return
		}
		blocks := m.Columns / superblock
		held := k.scratch.Get().(*[]byte)
		if need := max(accBytes+blocks*turnedBytes, scratchLeast); cap(*held) < need {
			*held = make([]byte, need)
		}
		acc, panel := (*held)[:accBytes], (*held)[accBytes:accBytes+blocks*turnedBytes]
		r := lo
		for ; r+turnedRows <= hi; r += turnedRows {
			s.panel(&panel[0], &m.Data[r*m.rowBytes : (r+turnedRows)*m.rowBytes][0], m.rowBytes, blocks)
			s.tiles(in, out[r:], stride, acc, panel, blocks)
		}
		k.scratch.Put(held)
		for t := range in.rows {
			rows(k, m, in, t, out[t*stride+r:t*stride+hi], r, hi)
		}
	}}
}

// tiles multiplies a panel by at least tileLeast rows of input. The last tile may
// overlap the one before it: that writes the same bits again.
func (s kernelsK) tiles(in *Input, out []float32, stride int, acc, panel []byte, blocks int) {
	for t := 0; t < in.rows; {
		kernel, n := s.tile12, 12
		switch left := in.rows - t; {
		case left >= 12:
		case left >= 8:
			kernel, n = s.tile8, 8
		default:
			kernel, n = s.tile4, tileLeast
			t = min(t, in.rows-tileLeast)
		}
		kernel(&out[t*stride : (t+n-1)*stride+turnedRows][0], stride, &acc[0], &panel[0], blocks,
			&in.codes[t*in.codeStride : (t+n)*in.codeStride][0], in.codeStride, &in.scales[t*in.scaleStride], &in.sums16[t*blocks*sumsEach])
		t += n
	}
}

//go:noescape
func panelQ4KVNNI(panel, w *byte, rowBytes, blocks int)

//go:noescape
func panelQ5KVNNI(panel, w *byte, rowBytes, blocks int)

//go:noescape
func panelQ6KVNNI(panel, w *byte, rowBytes, blocks int)

//go:noescape
func leastTile12VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func leastTile8VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func leastTile4VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func signedTile12VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func signedTile8VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)

//go:noescape
func signedTile4VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
