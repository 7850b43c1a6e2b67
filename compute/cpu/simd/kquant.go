//nolint:revive // kernels take their operands one by one, as many as there are
package simd

import (
	"encoding/binary"

	"phios/compute/tensor"
)

// The dot product of a row of Q4_K, Q5_K or Q6_K with an input of Q8_K.
//
// A superblock holds 256 weights in groups, each with an integer scale (and a
// least value), under one or two float scales. With integer inputs everything
// within a superblock is therefore an integer, at most 256·63·128·128 < 2²⁸:
// it has no rounding and may be added up in any order. What follows is defined
// as, superblock after superblock,
//
//	y += (d·dx)·float(Σ scale·q·x) − (dmin·dx)·float(Σ least·Σx)
//
// every operation rounded to float32 and none fused; Q6_K has no least values.
// All kernels, of one row or of many, of any processor, do just this, and so
// give the same bits. (GGML's differ between processors: each adds up lanes
// of float32 that are as many as its registers are wide.)

const (
	superblock = 256 // values in a superblock
	sumsEach   = 16  // sums of 16 values that a superblock of input has
)

// plainRowsK is the product of rows [lo, hi) and input row t.
func plainRowsK(m *Matrix, in *Input, t int, out []float32, lo, hi int, dot blockDot) {
	size, blocks := m.Format.Bytes(), m.Columns/superblock
	codes, scales, sums := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:], in.sums16[t*blocks*sumsEach:]
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var y float32
		for b := range blocks {
			x, n := (*[superblock]int8)(codes[b*superblock:]), (*[sumsEach]int16)(sums[b*sumsEach:])
			y += dot(row[b*size:(b+1)*size], x, n, scales[b])
		}
		out[r-lo] = y
	}
}

// blockDot is the term of one superblock.
type blockDot func(block []byte, x *[superblock]int8, sums *[sumsEach]int16, scale float32) float32

func plainRowsQ4K(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsK(m, in, t, out, lo, hi, dotQ4KPlain)
}

func plainRowsQ5K(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsK(m, in, t, out, lo, hi, dotQ5KPlain)
}

func plainRowsQ6K(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	plainRowsK(m, in, t, out, lo, hi, dotQ6KPlain)
}

// leastPlain is the term of a superblock of Q4_K or Q5_K with these scaled dots.
func leastPlain(block []byte, dots int32, sums *[sumsEach]int16, input float32) float32 {
	var least int32
	for g, n := range sums {
		_, m := sixBits(block[4:16], g/2)
		least += m * int32(n)
	}
	return leastTerm(block, dots, least, input)
}

// leastTerm is the float part of it, with these scaled sums.
func leastTerm(block []byte, dots, least int32, input float32) float32 {
	d := tensor.HalfToFloat(binary.LittleEndian.Uint16(block)) * input
	dmin := tensor.HalfToFloat(binary.LittleEndian.Uint16(block[2:])) * input
	return float32(d*float32(dots)) - float32(dmin*float32(least))
}

// sixBits returns the scale and the least value of group g of 8.
func sixBits(packed []byte, g int) (scale, least int32) {
	if g < 4 {
		return int32(packed[g] & 63), int32(packed[g+4] & 63)
	}
	return int32(packed[g+4]&15 | packed[g-4]>>6<<4), int32(packed[g+4]>>4 | packed[g]>>6<<4)
}

func dotQ4KPlain(block []byte, x *[superblock]int8, sums *[sumsEach]int16, input float32) float32 {
	var all int32
	for g := range 8 {
		var dot int32
		shift := g & 1 * 4
		for i, q := range block[16+g/2*32:][:32] {
			dot += int32(q>>shift&15) * int32(x[g*32+i])
		}
		scale, _ := sixBits(block[4:16], g)
		all += scale * dot
	}
	return leastPlain(block, all, sums, input)
}

func dotQ5KPlain(block []byte, x *[superblock]int8, sums *[sumsEach]int16, input float32) float32 {
	var all int32
	high := block[16:48]
	for g := range 8 {
		var dot int32
		shift := g & 1 * 4
		for i, q := range block[48+g/2*32:][:32] {
			dot += int32(q>>shift&15|high[i]>>g&1<<4) * int32(x[g*32+i])
		}
		scale, _ := sixBits(block[4:16], g)
		all += scale * dot
	}
	return leastPlain(block, all, sums, input)
}

func dotQ6KPlain(block []byte, x *[superblock]int8, sums *[sumsEach]int16, input float32) float32 {
	var all int32
	for g := range 16 {
		part, run := g/8, g/2%4
		low := block[64*part+run&1*32+g&1*16:][:16]
		high := block[128+32*part+g&1*16:][:16]
		var dot int32
		for i, q := range low {
			dot += int32(q>>(run/2*4)&15|high[i]>>(2*run)&3<<4) * int32(x[g*16+i])
		}
		all += int32(int8(block[192+g])) * (dot - 32*int32(sums[g]))
	}
	d := tensor.HalfToFloat(binary.LittleEndian.Uint16(block[208:])) * input
	return float32(d * float32(all))
}
