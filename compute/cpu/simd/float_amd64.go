//nolint:revive // kernels take their operands one by one, as many as there are
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

// block multiplies tiles of rows by tiles of inputs. Three inputs stay near
// while 16 rows pass; what is left over of either goes row by row.
func (s kernelsFloat) block(m *Matrix, in *Input, out []float32, stride, lo, hi int) {
	for r := lo; r < hi; r += Grain {
		end := min(r+Grain, hi)
		whole := end - (end-r)%s.tileRows
		if in.rows < floatInputs {
			whole = r
		}
		for t := 0; t < in.rows && whole > r; t += floatInputs {
			// The last tile may overlap the one before it, with the same bits.
			s.tiles(m, in, out, stride, min(t, in.rows-floatInputs), r, whole)
		}
		if whole == end {
			continue
		}
		w := m.Data[whole*m.rowBytes : end*m.rowBytes]
		for t := range in.rows {
			s.rows(&out[t*stride+whole : t*stride+end][0], &w[0], end-whole, m.Columns, &in.floats[t*in.columns : (t+1)*in.columns][0])
		}
	}
}

// tiles multiplies whole tiles of rows by floatInputs inputs from t on.
func (s kernelsFloat) tiles(m *Matrix, in *Input, out []float32, stride, t, lo, hi int) {
	x := in.floats[t*in.columns : (t+floatInputs)*in.columns]
	for r := lo; r < hi; r += s.tileRows {
		w := m.Data[r*m.rowBytes : (r+s.tileRows)*m.rowBytes]
		s.tile(&out[t*stride+r : (t+floatInputs-1)*stride+r+s.tileRows][0], stride, &w[0], m.rowBytes, m.Columns, &x[0])
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
