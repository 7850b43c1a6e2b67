//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// rowKernel adds the products of a row's groups of eight blocks, or of its
// superblocks, and some inputs to results: eight lanes or one sum an input.
type rowKernel func(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

// nearInputs is how many inputs meet a row while it is unpacked. More would
// leave the first-level cache.
const nearInputs = 8

// blocks32 makes a product of a kernel of groups of blocks of 32.
func blocks32(kernel rowKernel) product {
	return nearRows(func(m *Matrix, in *Input, t, inputs int, out []float32, stride, r int) {
		row, blocks, size := m.row(r), m.Columns/32, m.Format.Bytes()
		groups := blocks / groupBlocks
		codes, scales := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:]
		var lanes [nearInputs]groupLanes
		if groups > 0 {
			kernel(&lanes[0][0], &row[0], groups, inputs, &codes[0], in.codeStride, &scales[0], in.scaleStride, nil, 0)
		}
		if blocks%groupBlocks > 0 {
			// The blocks left over make one more group, with zeros behind them.
			var tail [groupBlocks * 34]byte
			copy(tail[:], row[groups*groupBlocks*size:])
			kernel(&lanes[0][0], &tail[0], 1, inputs, &codes[groups*groupBlocks*32], in.codeStride, &scales[groups*groupBlocks], in.scaleStride, nil, 0)
		}
		for i := range inputs {
			out[i*stride] = lanes[i].sum()
		}
	})
}

// blocks256 makes a product of a kernel of superblocks.
func blocks256(kernel rowKernel) product {
	return nearRows(func(m *Matrix, in *Input, t, inputs int, out []float32, stride, r int) {
		row, blocks := m.row(r), m.Columns/superblock
		var results [nearInputs]float32
		kernel(&results[0], &row[0], blocks, inputs, &in.codes[t*in.codeStride], in.codeStride,
			&in.scales[t*in.scaleStride], in.scaleStride, &in.sums16[t*blocks*sumsEach], blocks*sumsEach)
		for i := range inputs {
			out[i*stride] = results[i]
		}
	})
}

// nearRows makes a product of one that sets out[i*stride] to the product of row
// r and input t+i. Many inputs meet 16 rows of weights while these are near.
func nearRows(row func(m *Matrix, in *Input, t, inputs int, out []float32, stride, r int)) product {
	return product{
		rows: func(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
			for r := lo; r < hi; r++ {
				row(m, in, t, 1, out[r-lo:], 0, r)
			}
		},
		blockRows: 2,
		block: func(_ *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
			for begin := lo; begin < hi; begin += Grain {
				for t := 0; t < in.rows; t += nearInputs {
					for r := begin; r < min(begin+Grain, hi); r++ {
						row(m, in, t, min(nearInputs, in.rows-t), out[t*stride+r:], stride, r)
					}
				}
			}
		},
	}
}

//go:noescape
func q8GroupsNEON(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q4GroupsNEON(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q4kBlocksNEON(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q5kBlocksNEON(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q6kBlocksNEON(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q8GroupsDot(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q4GroupsDot(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q4kBlocksDot(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q5kBlocksDot(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)

//go:noescape
func q6kBlocksDot(results *float32, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
