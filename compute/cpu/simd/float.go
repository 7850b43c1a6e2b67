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

// A fused multiply-add is emulated in float64, where the product of two float32
// is exact and so only the sum is rounded before it becomes a float32 again.
// Being rounded twice matters only to a sum that came to lie halfway between two
// float32; there, [fuseOdd] is right. math.FMA would not help: its result has
// been rounded to float64 too.

// halfway says whether a sum may lie halfway between two float32. Where these
// are subnormal it always says so.
func halfway(s float64) bool {
	const lost, half = 1<<29 - 1, 1 << 28 // bits of a float64 below those of a float32
	bits := math.Float64bits(s)
	return bits&lost == half || bits<<1 < 897<<53 // 2⁻¹²⁶ without its sign
}

// fuseOdd returns a·b+c with one rounding, for all numbers. If the sum is not
// exact in float64, its last bit is made odd on the side of the error, so that
// the second rounding cannot undo the first (rounding to odd; Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
func fuseOdd(a, b, c float32) float32 {
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
func plainRowsFloat(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	x, size := in.floats[t*in.columns:][:in.columns], m.Format.Bytes()
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var lanes, w [floatLanes]float32
		for i := 0; i < len(x); i += floatLanes {
			n := min(floatLanes, len(x)-i)
			widen(m.Format, w[:n], row[i*size:])
			fuseLanes(&lanes, w[:n], x[i:])
		}
		out[r-lo] = sumLanes(&lanes)
	}
}

// fuseLanes multiplies w and x onto the lanes, of which the last may be without.
func fuseLanes(lanes *[floatLanes]float32, w, x []float32) {
	x = x[:len(w)]
	for i, v := range w {
		s := float64(v)*float64(x[i]) + float64(lanes[i])
		if halfway(s) {
			lanes[i] = fuseOdd(v, x[i], lanes[i])
		} else {
			lanes[i] = float32(s)
		}
	}
	for i := len(w); i < floatLanes; i++ {
		lanes[i] += 0 // It may be −0.
	}
}

// widen writes the values of a format of floats as float32.
func widen(f tensor.Format, to []float32, from []byte) {
	//exhaustive:ignore
	switch f {
	case tensor.F32:
		for i := range to {
			to[i] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:]))
		}
	case tensor.F16:
		for i := range to {
			to[i] = tensor.HalfToFloat(binary.LittleEndian.Uint16(from[2*i:]))
		}
	default: // BF16
		for i := range to {
			to[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[2*i:])) << 16)
		}
	}
}
