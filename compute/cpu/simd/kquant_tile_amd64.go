//nolint:revive // kernels take their operands one by one, as many as there are
package simd

const (
	// turnedBytes is how many bytes a superblock of a panel takes.
	turnedBytes = 5760
	// turnedRows is how many rows a panel has.
	turnedRows = 16
	// accBytes are the float32 sums of a tile of up to 12 rows of input.
	accBytes = 12 * turnedRows * 4
	// scratchLeast makes scratch start on a page, as large objects do.
	scratchLeast = 64 << 10
)

// kernelPanel turns as many rows over as it has lanes, of blocks superblocks
// each and rowBytes apart.
type kernelPanel func(panel, w *byte, rowBytes, blocks int)

// kernelTile sets out[t*stride+r] to the product of row r of a panel, one a lane,
// and input t, for its number of inputs, codeStride apart. acc is room for a
// float32 a row and input.
type kernelTile func(out *float32, stride int, acc, panel *byte, blocks int,
	codes *int8, codeStride int, scales *float32, sums *int16)

// tileK is a kernel with the number of inputs that it takes.
type tileK struct {
	inputs int
	kernel kernelTile
}

// kernelsK are the kernels of a format.
type kernelsK struct {
	rows  kernelRowsK
	panel kernelPanel
	// lanes is how many rows panel and tiles take: a whole panel or half of one.
	lanes int
	// tiles are the tiles, the largest first.
	tiles []tileK
}

// product makes a product of the kernels.
func (s kernelsK) product() product {
	return product{rows: rowsK(s.rows), blockRows: 2, block: s.block}
}

// block multiplies panel after panel. The rows that fill no panel, and inputs
// that fill no tile, go row by row, 16 rows at a time while they are near.
func (s kernelsK) block(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	blocks := m.Columns / superblock
	r := lo
	if in.rows >= s.tiles[len(s.tiles)-1].inputs {
		held := k.scratch.Get().(*[]byte)
		if need := max(accBytes+blocks*turnedBytes, scratchLeast); cap(*held) < need {
			*held = make([]byte, need)
		}
		acc, panel := (*held)[:accBytes], (*held)[accBytes:accBytes+blocks*turnedBytes]
		for ; r+turnedRows <= hi; r += turnedRows {
			for lane := 0; lane < turnedRows; lane += s.lanes {
				w := m.Data[(r+lane)*m.rowBytes : (r+lane+s.lanes)*m.rowBytes]
				s.panel(&panel[4*lane], &w[0], m.rowBytes, blocks)
				s.inputs(in, out[r+lane:], stride, acc, panel[4*lane:], blocks)
			}
		}
		k.scratch.Put(held)
	}
	for ; r < hi; r += turnedRows {
		end := min(r+turnedRows, hi)
		w := m.Data[r*m.rowBytes : end*m.rowBytes]
		for t := range in.rows {
			s.rows(&out[t*stride+r : t*stride+end][0], &w[0], end-r, blocks, &in.codes[t*in.codeStride],
				&in.scales[t*in.scaleStride], &in.sums16[t*blocks*sumsEach])
		}
	}
}

// inputs multiplies a panel by all inputs, of which there are enough for a tile.
// The last tile may overlap the one before it: that writes the same bits again.
func (s kernelsK) inputs(in *Input, out []float32, stride int, acc, panel []byte, blocks int) {
	tiles := s.tiles
	for t := 0; t < in.rows; {
		for len(tiles) > 1 && tiles[0].inputs > in.rows-t {
			tiles = tiles[1:]
		}
		n := tiles[0].inputs
		t = min(t, in.rows-n)
		tiles[0].kernel(&out[t*stride : (t+n-1)*stride+s.lanes][0], stride, &acc[0], &panel[0], blocks,
			&in.codes[t*in.codeStride : (t+n)*in.codeStride][0], in.codeStride,
			&in.scales[t*in.scaleStride], &in.sums16[t*blocks*sumsEach])
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
