//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// floatAVX2 takes the kernels of AVX2 for floats. They have no masks for the
// end of a row: rows of no whole 32 columns, which no model has in its large
// matrices, are left to plain Go.
func (p *products) floatAVX2() {
	p.f32 = kernelsFloat{rows: f32RowsAVX2, tile: f32TileAVX2, tileRows: 1}.product().whole(p.f32)
	p.f16 = kernelsFloat{rows: f16RowsAVX2, tile: f16TileAVX2, tileRows: 1}.product().whole(p.f16)
	p.bf16 = kernelsFloat{rows: bf16RowsAVX2, tile: bf16TileAVX2, tileRows: 1}.product().whole(p.bf16)
}

// whole is p for rows of whole 32 columns and other for the rest.
func (p product) whole(other product) product {
	rows, block := p.rows, p.block
	p.rows = func(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
		if m.Columns%floatLanes != 0 {
			other.rows(k, m, in, t, out, lo, hi)
			return
		}
		rows(k, m, in, t, out, lo, hi)
	}
	p.block = func(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
		if m.Columns%floatLanes != 0 {
			for t := range in.rows {
				other.rows(k, m, in, t, out[t*stride+lo:t*stride+hi], lo, hi)
			}
			return
		}
		block(k, m, in, out, stride, lo, hi)
	}
	return p
}

//go:noescape
func f32RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func f16RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func bf16RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)

//go:noescape
func f32TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)

//go:noescape
func f16TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)

//go:noescape
func bf16TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
