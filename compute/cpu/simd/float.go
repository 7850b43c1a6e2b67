//nolint:revive // kernels take their operands one by one, as many as there are
package simd

import (
	"encoding/binary"
	"math"

	"phios/compute/tensor"
)

// Rows of floats: F32, F16 and BF16, widened exactly to float32.
//
// The order of sums: 32 lanes that start from zero; element i is multiplied and
// added to lane i%32 with one rounding (a fused multiply-add, which halves the
// work where it matters most). At the end lane i+16 is added to lane i, then i+8,
// i+4, i+2 and i+1. A row that is no multiple of 32 is followed by zeros.

const floatLanes = 32

// fuse returns a·b+c with one rounding. The product of two float32 is exact in
// float64; if the sum is not, its last bit is made odd on the side of the error,
// so that the second rounding cannot undo the first (rounding to odd; Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
func fuse(a, b, c float32) float32 {
	p, q := float64(a)*float64(b), float64(c)
	s := p + q
	t := s - p
	e := (p - (s - t)) + (q - t)
	if bits := math.Float64bits(s); e != 0 && bits&1 == 0 && !math.IsInf(s, 0) && s == s {
		if (e > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}

// sumLanes adds up the lanes of a row.
func sumLanes(lanes *[floatLanes]float32) float32 {
	for n := floatLanes / 2; n > 0; n /= 2 {
		for i := range n {
			lanes[i] += lanes[i+n]
		}
	}
	return lanes[0]
}

// plainRowsFloat is the product of rows [lo, hi) and input row t.
func plainRowsFloat(m *Matrix, in *Input, t int, out []float32, lo, hi int, at func(row []byte, i int) float32) {
	x := in.floats[t*in.columns:][:in.columns]
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var lanes [floatLanes]float32
		for i, v := range x {
			lanes[i%floatLanes] = fuse(at(row, i), v, lanes[i%floatLanes])
		}
		if rest := len(x) % floatLanes; rest > 0 {
			for i := rest; i < floatLanes; i++ {
				lanes[i] += 0 // A lane may be −0.
			}
		}
		out[r-lo] = sumLanes(&lanes)
	}
}

func plainRowsF32(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsFloat(m, in, t, out, lo, hi, func(row []byte, i int) float32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
	})
}

func plainRowsF16(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsFloat(m, in, t, out, lo, hi, func(row []byte, i int) float32 {
		return tensor.HalfToFloat(binary.LittleEndian.Uint16(row[2*i:]))
	})
}

func plainRowsBF16(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsFloat(m, in, t, out, lo, hi, func(row []byte, i int) float32 {
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(row[2*i:])) << 16)
	})
}
