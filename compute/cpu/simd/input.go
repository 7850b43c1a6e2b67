package simd

import (
	"phios/compute/tensor"
	"phios/internal/invariant"
)

// kind is a form of activations. Formats whose kernels want the same form
// share an input.
type kind uint8

const (
	kindNone kind = iota
	// kindBlocks32 is what Q8_0 is multiplied with: blocks of 32 codes.
	kindBlocks32
	// kindSplit32 is what Q4_0 is multiplied with: the same, but four blocks
	// at a time lie as their four first halves and then their four second ones,
	// as the nibbles of four blocks do once they are unpacked.
	kindSplit32
	// kindBlocks256 is what Q4_K, Q5_K and Q6_K are multiplied with.
	kindBlocks256
	// kindFloats is what F16, BF16 and F32 are multiplied with.
	kindFloats
)

func kindOf(f tensor.Format) kind {
	switch f {
	case tensor.Q8_0:
		return kindBlocks32
	case tensor.Q4_0:
		return kindSplit32
	case tensor.Q4_K, tensor.Q5_K, tensor.Q6_K:
		return kindBlocks256
	case tensor.F16, tensor.BF16, tensor.F32:
		return kindFloats
	}
	return kindNone
}

// The kernels of blocks of 32 take blocks by groupBlocks, and many input rows
// by tileRows; inputs are padded with zeros to whole groups, and to whole tiles
// of rows, whose results are dropped.
const (
	groupBlocks = 8
	tileRows    = 6
)

// Input is rows of activations, in the form that some format of weights is
// multiplied with. It is written by [Kernels.Quantize] and then only read, by
// any number of goroutines.
type Input struct {
	rowsMax, columnsMax int

	rows, columns int
	kind          kind

	// codes are the int8 codes, row after row, each of codeStride.
	codes      []int8
	codeStride int
	// scales are the scale of each block, row after row, each of scaleStride.
	scales      []float32
	scaleStride int
	// sums32 goes with blocks of 32 codes: −128 times the sum of the codes
	// of each block, row after row, each of scaleStride. It is what kernels
	// start from that read weights as unsigned, 128 too large.
	sums32 []int32
	// sums16 goes with blocks of 256: the sum of each 16 codes, row after row,
	// each of columns/16.
	sums16 []int16
	// floats are the activations themselves, row after row, each of columns.
	floats []float32
}

// NewInput makes an input that can hold up to rowsMax rows of up to columnsMax
// columns, in any form. It takes about seven bytes an element.
func NewInput(rowsMax, columnsMax int) *Input {
	rows := roundUp(max(rowsMax, 1), tileRows)
	columns := roundUp(max(columnsMax, 1), groupBlocks*32)
	return &Input{
		rowsMax: rowsMax, columnsMax: columnsMax,
		codes:  make([]int8, rows*columns),
		scales: make([]float32, rows*columns/32),
		sums32: make([]int32, rows*columns/32),
		sums16: make([]int16, rows*columns/16),
		floats: make([]float32, rows*columns),
	}
}

// Rows is how many rows were quantised last.
func (in *Input) Rows() int { return in.rows }

// Columns is of how many columns they are.
func (in *Input) Columns() int { return in.columns }

// Quantize fills the input with rows of activations from x, row after row, for
// weights of format f: for Q8_0 and Q4_0 as GGML's Q8_0, for the K-quants as
// its Q8_K, for floats as they are. What was in the input is gone. The columns
// are a multiple of the format's block.
func (k *Kernels) Quantize(in *Input, f tensor.Format, x []float32, rows, columns int) {
	in.Reset(f, rows, columns)
	k.QuantizeRows(in, x, 0, rows)
}

// Reset empties the input and sets what it will hold, so that several
// goroutines can fill it, each some rows, with [Kernels.QuantizeRows].
func (in *Input) Reset(f tensor.Format, rows, columns int) {
	invariant.Always(rows >= 0 && rows <= in.rowsMax, "more rows than the input was made for")
	invariant.Always(columns > 0 && columns <= in.columnsMax, "more columns than the input was made for")
	in.rows, in.columns, in.kind = rows, columns, kindOf(f)
	//exhaustive:ignore
	switch in.kind {
	case kindBlocks32, kindSplit32:
		invariant.Always(columns%32 == 0, "columns that are no whole number of blocks")
		in.scaleStride = roundUp(columns/32, groupBlocks)
		in.codeStride = in.scaleStride * 32
		// The rows that fill the last tile are zeros.
		end := roundUp(rows, tileRows)
		clear(in.codes[rows*in.codeStride : end*in.codeStride])
		clear(in.scales[rows*in.scaleStride : end*in.scaleStride])
		clear(in.sums32[rows*in.scaleStride : end*in.scaleStride])
	case kindBlocks256:
		invariant.Always(columns%256 == 0, "columns that are no whole number of blocks")
		in.codeStride, in.scaleStride = columns, columns/256
	case kindFloats:
	default:
		invariant.Always(false, "an input is made for a format without kernels")
	}
}

// QuantizeRows fills rows lo to hi of the input, which was reset, from x, where
// row t starts at t times the columns. Other goroutines may fill other rows at
// the same time.
func (k *Kernels) QuantizeRows(in *Input, x []float32, lo, hi int) {
	invariant.Always(lo >= 0 && lo <= hi && hi <= in.rows, "rows that the input does not have")
	invariant.Always(len(x) >= hi*in.columns, "fewer activations than rows and columns say")
	for t := lo; t < hi; t++ {
		k.quantizeRow(in, x[t*in.columns:(t+1)*in.columns], t)
	}
}

func (k *Kernels) quantizeRow(in *Input, x []float32, t int) {
	if in.kind == kindFloats {
		copy(in.floats[t*in.columns:], x)
		return
	}
	codes := in.codes[t*in.codeStride : (t+1)*in.codeStride]
	scales := in.scales[t*in.scaleStride : (t+1)*in.scaleStride]
	if in.kind == kindBlocks256 {
		k.vectors.quantize256(codes, scales, in.sums16[t*in.columns/16:(t+1)*in.columns/16], x)
		return
	}
	// The last group first as zeros, for a split block lies in two places.
	sums, blocks := in.sums32[t*in.scaleStride:(t+1)*in.scaleStride], in.columns/32
	clear(codes[(in.scaleStride-groupBlocks)*32:])
	clear(scales[blocks:])
	clear(sums[blocks:])
	k.vectors.quantize32(codes, scales, sums, x, in.high())
}

// fits says whether the input can be multiplied with m.
func (in *Input) fits(m *Matrix) bool {
	return in.kind != kindNone && in.kind == kindOf(m.Format) && in.columns == m.Columns
}

// highPlain and highSplit are how far the second half of a block's codes lies
// from its first, in the two layouts.
const (
	highPlain = 16
	highSplit = 64
)

// high is that of the input's layout.
func (in *Input) high() int {
	if in.kind == kindSplit32 {
		return highSplit
	}
	return highPlain
}

// codeAt returns where code i of block b lies in a row of codes.
func codeAt(b, i, high int) int {
	if high == highPlain {
		return b*32 + i
	}
	return b/4*128 + i/16*high + b%4*16 + i%16
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
