//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// A panel for AVX-512 is 32 rows of weights, unpacked; panel_avx512_amd64.s
// draws it.
const (
	panel32Rows       = 32
	panel32BlockBytes = panel32Rows*32 + panel32Rows*4
	// panel32Inputs is from how many input rows panels pay.
	panel32Inputs = 3
)

// useQuantAVX512 takes the kernels of Q8_0 and Q4_0 for AVX-512 with VNNI.
func useQuantAVX512(k *Kernels) {
	k.products.q8_0 = product{rows: rowsQ8AVX512, block: blockQ8AVX512, blockRows: panel32Inputs}
	k.products.q4_0 = product{rows: rowsQ4AVX512, block: blockQ4AVX512, blockRows: panel32Inputs}
}

func rowsQ8AVX512(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q8Rows512(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

func rowsQ4AVX512(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	q4Rows512(&out[0], &m.Data[lo*m.rowBytes], hi-lo, m.Columns/32, &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride])
}

func blockQ8AVX512(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	room := k.scratch.Get().(*[]byte)
	p := panel(room, m)
	blocks := m.Columns / 32
	for ; lo+Grain <= hi; lo += panel32Rows {
		packQ8x16(&p.bytes[0], panel32Rows*32, p.pitch, &m.Data[lo*m.rowBytes], m.rowBytes, blocks)
		if lo+panel32Rows <= hi {
			packQ8x16(&p.bytes[512], 512+Grain*4, p.pitch, &m.Data[(lo+Grain)*m.rowBytes], m.rowBytes, blocks)
		}
		p.multiply(m, in, out, stride, lo, hi)
	}
	k.scratch.Put(room)
	remainder(k, m, in, out, stride, hi, rowsQ8AVX512)
}

func blockQ4AVX512(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	room := k.scratch.Get().(*[]byte)
	p := panel(room, m)
	blocks := m.Columns / 32
	for ; lo+Grain <= hi; lo += panel32Rows {
		packQ4x16(&p.bytes[0], panel32Rows*32, p.pitch, &m.Data[lo*m.rowBytes], m.rowBytes, blocks)
		if lo+panel32Rows <= hi {
			packQ4x16(&p.bytes[512], 512+Grain*4, p.pitch, &m.Data[(lo+Grain)*m.rowBytes], m.rowBytes, blocks)
		}
		p.multiply(m, in, out, stride, lo, hi)
	}
	k.scratch.Put(room)
	remainder(k, m, in, out, stride, hi, rowsQ4AVX512)
}

// remainder multiplies the rows at the end of a matrix that are no whole grain.
func remainder(k *Kernels, m *Matrix, in *Input, out []float32, stride, hi int, rows func(*Kernels, *Matrix, *Input, int, []float32, int, int)) {
	lo := hi / Grain * Grain
	if lo == hi {
		return
	}
	for t := range in.rows {
		rows(k, m, in, t, out[t*stride+lo:t*stride+hi], lo, hi)
	}
}

// panel512 is room for a panel and its layout.
type panel512 struct {
	bytes []byte
	// pitch is from one lane to the next.
	pitch, blocks int
}

// panel returns a panel for rows of m in room, which grows when it must.
func panel(room *[]byte, m *Matrix) panel512 {
	blocks := m.Columns / 32
	pitch := (blocks + groupBlocks - 1) / groupBlocks * panel32BlockBytes
	if cap(*room) < pitch*groupBlocks {
		*room = make([]byte, pitch*groupBlocks)
	}
	return panel512{bytes: (*room)[:pitch*groupBlocks], pitch: pitch, blocks: blocks}
}

// multiply multiplies the panel, whose first row is lo, with every input row.
// Tiles that would write beyond the rows or the range are written aside, and
// what is wanted is copied.
func (p *panel512) multiply(m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	width := min(panel32Rows, (hi-lo)/Grain*Grain)
	next := fetch{data: m.Data[min(lo+panel32Rows, hi)*m.rowBytes : min(lo+2*panel32Rows, hi)*m.rowBytes]}
	next.lines = len(next.data) / 64 / (roundUp(in.rows, tileRows) / tileRows * p.blocks)
	for t := 0; t < in.rows; t += tileRows {
		codes, scales, sums := &in.codes[t*in.codeStride], &in.scales[t*in.scaleStride], &in.sums32[t*in.scaleStride]
		ahead, lines := next.take(p.blocks)
		if width == panel32Rows && t+tileRows <= in.rows {
			tile512(&out[t*stride+lo], stride, &p.bytes[0], p.pitch, p.blocks, codes, in.codeStride, in.high(), scales, sums, in.scaleStride, ahead, lines)
			continue
		}
		var tile [tileRows * panel32Rows]float32
		tile512(&tile[0], panel32Rows, &p.bytes[0], p.pitch, p.blocks, codes, in.codeStride, in.high(), scales, sums, in.scaleStride, ahead, lines)
		for i := range min(tileRows, in.rows-t) {
			copy(out[(t+i)*stride+lo:][:width], tile[i*panel32Rows:])
		}
	}
}

// fetch is what remains to be fetched of the weights of the next panel.
type fetch struct {
	data []byte
	// lines is how many lines of the cache are fetched per block, less one.
	lines int
}

// take returns from where a tile of some blocks fetches, and how many lines a
// block.
func (f *fetch) take(blocks int) (*byte, int) {
	if len(f.data) == 0 {
		return nil, 0
	}
	from := &f.data[0]
	f.data = f.data[min(blocks*(f.lines+1)*64, len(f.data)):]
	return from, f.lines + 1
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

// packQ8x16 writes 16 rows of Q8_0 into a panel; their scales go scales bytes
// after their codes.
//
//go:noescape
func packQ8x16(panel *byte, scales, pitch int, w *byte, rowBytes, blocks int)

// packQ4x16 is packQ8x16 for Q4_0.
//
//go:noescape
func packQ4x16(panel *byte, scales, pitch int, w *byte, rowBytes, blocks int)

// tile512 sets a tile of out, six rows outStride apart of 32, to the products
// of a panel with six rows of input, and fetches lines per block from ahead.
//
//go:noescape
func tile512(out *float32, outStride int, panel *byte, pitch, blocks int, x *int8, codeStride, high int, scales *float32, sums *int32, scaleStride int, ahead *byte, lines int)
