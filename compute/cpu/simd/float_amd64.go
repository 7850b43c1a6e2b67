package simd

// floatAVX512 takes the kernels of AVX-512 for floats.
func (p *products) floatAVX512() {
	p.f32 = kernelsFloat{rows: f32RowsAVX512, tile: f32TileAVX512, tileRows: 4}.product()
	p.f16 = kernelsFloat{rows: f16RowsAVX512, tile: f16TileAVX512, tileRows: 4}.product()
	p.bf16 = kernelsFloat{rows: bf16RowsAVX512, tile: bf16TileAVX512, tileRows: 4}.product()
}

// floatInputs is how many rows of input a tile has.
const floatInputs = 3

// kernelsFloat are the kernels of a format of floats.
type kernelsFloat struct {
	// rows sets out[r] to the product of row r at w and x, of columns each.
	rows func(out *float32, w *byte, rows, columns int, x *float32)
	// tile sets out[t*stride+r] for tileRows rows, rowBytes apart, and
	// floatInputs inputs, columns apart.
	tile     func(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
	tileRows int
}

// product makes a product of the kernels.
func (s kernelsFloat) product() product {
	return product{
		blockRows: 2,
		rows: func(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
			if lo < hi {
				s.rows(&out[:hi-lo][0], &m.Data[lo*m.rowBytes : hi*m.rowBytes][0], hi-lo, m.Columns, &in.floats[t*in.columns : (t+1)*in.columns][0])
			}
		},
		block: func(_ *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
			s.block(m, in, out, stride, lo, hi)
		},
	}
}

// block multiplies tiles of rows by tiles of inputs; what is left over of
// either goes row by row, while it is near.
func (s kernelsFloat) block(m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	for r := lo; r < hi; r += s.tileRows {
		end := min(r+s.tileRows, hi)
		w := m.Data[r*m.rowBytes : end*m.rowBytes]
		if end-r < s.tileRows || in.rows < floatInputs {
			for t := range in.rows {
				s.rows(&out[t*stride+r : t*stride+end][0], &w[0], end-r, m.Columns, &in.floats[t*in.columns : (t+1)*in.columns][0])
			}
			continue
		}
		for t := 0; t < in.rows; t += floatInputs {
			// The last tile may overlap the one before it, with the same bits.
			first := min(t, in.rows-floatInputs)
			s.tile(&out[first*stride+r : (first+floatInputs-1)*stride+end][0], stride, &w[0], m.rowBytes, m.Columns,
				&in.floats[first*in.columns : (first+floatInputs)*in.columns][0])
		}
	}
}

//go:noescape
func f32RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func f16RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func bf16RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func f32TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)

//go:noescape
func f16TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)

//go:noescape
func bf16TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
