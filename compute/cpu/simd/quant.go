package simd

import (
	"encoding/binary"
	"math"

	"phios/compute/tensor"
)

// The plain twin of everything about blocks of 32: Q8_0 and Q4_0.
//
// The order of sums: the 32 products of a block are added as integers. Block b
// is then one float, float32(sum) times (weight scale times input scale), each
// rounded, and is added to lane b%8 of eight lanes that start from zero. The
// lanes are added at the end, from the first to the last.

// groupLanes are the lanes into which the blocks of a row are added.
type groupLanes [groupBlocks]float32

func (l *groupLanes) add(block int, sum int32, weight, input float32) {
	l[block%groupBlocks] += float32(float32(sum) * float32(weight*input))
}

func (l *groupLanes) sum() float32 {
	s := l[0]
	for _, v := range l[1:] {
		s += v
	}
	return s
}

func plainRowsQ8(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) { //nolint:revive // the operands of one product
	codes, scales := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:]
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var lanes groupLanes
		for b := range m.Columns / 32 {
			block, x := row[b*34:b*34+34], codes[b*32:b*32+32]
			var sum int32
			for i, w := range block[2:] {
				sum += int32(int8(w)) * int32(x[i])
			}
			lanes.add(b, sum, tensor.HalfToFloat(binary.LittleEndian.Uint16(block)), scales[b])
		}
		out[r-lo] = lanes.sum()
	}
}

func plainRowsQ4(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) { //nolint:revive // the operands of one product
	codes, scales := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:]
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var lanes groupLanes
		for b := range m.Columns / 32 {
			block := row[b*18 : b*18+18]
			low, high := codes[codeAt(b, 0, highSplit):], codes[codeAt(b, 16, highSplit):]
			var sum int32
			for i, w := range block[2:] {
				sum += (int32(w&15)-8)*int32(low[i]) + (int32(w>>4)-8)*int32(high[i])
			}
			lanes.add(b, sum, tensor.HalfToFloat(binary.LittleEndian.Uint16(block)), scales[b])
		}
		out[r-lo] = lanes.sum()
	}
}

// halfMax is the largest number of half precision.
const halfMax = 65504

// plainQuantize32 makes blocks of 32 codes of x, as GGML's Q8_0 does on
// processors with vectors: the largest magnitude becomes 127, codes are rounded
// to the nearest, ties to even, and the scale is rounded to half precision.
func plainQuantize32(codes []int8, scales []float32, sums []int32, x []float32, high int) {
	for b := range len(x) / 32 {
		values := x[b*32 : b*32+32]
		var most float32
		for _, v := range values {
			most = max(most, max(v, -v))
		}
		// A scale that is zero as a half makes the block zero, and one that
		// would be infinite stops at the largest half.
		scale := tensor.HalfToFloat(tensor.FloatToHalf(min(most/127, halfMax)))
		var inverse float32
		if scale > 0 {
			inverse = 127 / most
		}
		var sum int32
		for i, v := range values {
			c := roundCode(v * inverse)
			codes[codeAt(b, i, high)] = c
			sum += int32(c)
		}
		scales[b] = scale
		sums[b] = -128 * sum
	}
}

// roundCode rounds to the nearest code from −127 to 127; what is no number
// becomes 0.
func roundCode(v float32) int8 {
	r := math.RoundToEven(float64(v))
	if r >= -127 && r <= 127 {
		return int8(r)
	}
	if r != r {
		return 0
	}
	return int8(math.Copysign(127, r))
}
