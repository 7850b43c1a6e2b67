// Package simd multiplies quantised weights by activations and does the small
// vector work of a transformer, with the widest instructions that this
// processor has.
//
// A [Kernels] is one set of implementations; [Best] is the fastest that the
// processor can run and [Plain] is the same in plain Go, which every other set
// is tested against.
//
// # Order of sums
//
// The bits of a dot product depend on nothing but its two operands: not on how
// many input rows are multiplied at once, not on the range of rows, not on the
// set. So a sequence gets the same numbers alone and in any batch. It holds
// because the products within a block are integers, exact in any order, and the
// floats above them are added in one fixed order, written at each format's
// plain twin. Multiplication and addition are rounded apart there (no fused
// multiply-add), so that plain Go can say the same thing.
package simd

import (
	"errors"
	"fmt"
	"sync"

	"phios/compute/tensor"
	"phios/internal/invariant"
)

// Grain is what the bounds of a range of rows given to [Kernels.Multiply] are
// multiples of, but for the end of the matrix.
const Grain = 16

// rowsTogether is how many rows of weights are multiplied with one input row
// after the other where there is nothing better.
const rowsTogether = Grain

// The largest matrix.
const (
	columnsMax = 1 << 18
	rowsMax    = 1 << 24
)

// ErrShape is for a matrix that cannot be used. The text says why and what to do.
var ErrShape = errors.New("unusable matrix")

// Kernels is one set of implementations of everything in this package. It is
// never changed once made: any number of goroutines may use it at once.
type Kernels struct {
	name     string
	features []string
	products products
	vectors  vectors
	search   search
	sentence sentence
	// scratch holds *[]byte: room for panels of weights, one per Multiply that
	// runs at this moment.
	scratch *sync.Pool
}

// products is a product per format.
type products struct {
	q8_0, q4_0, q4_K, q5_K, q6_K, f16, bf16, f32 product //nolint:revive,staticcheck // the formats' own names
}

// product multiplies the rows of a matrix of one format.
type product struct {
	// rows sets out[r-lo] for r in [lo, hi) to the product of row r and input
	// row t. It streams the weights once, in order.
	rows func(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int)
	// block sets out[t*stride+r] for every input row, giving the same bits as
	// rows. It is nil where there is nothing better than rows for each.
	block func(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int)
	// blockRows is from how many input rows on block is the faster one.
	blockRows int
}

// vectors are the vector operations; see the methods of [Kernels].
type vectors struct {
	quantize32  func(codes []int8, scales []float32, sums []int32, x []float32, high int)
	quantize256 func(codes []int8, scales []float32, sums []int16, x []float32)
	rmsNorm     func(out, x, weight []float32, eps float32)
	add         func(x, y []float32)
	siluMul     func(gate, up []float32)
	geluMul     func(gate, up []float32)
	softmax     func(x []float32)
	toHalf      func(dst []uint16, src []float32)
	scores      func(out, q []float32, keys []uint16, stride int, scale float32)
	mix         func(out, weights []float32, values []uint16, stride int)
}

// Best returns the fastest set that this processor can run.
func Best() *Kernels {
	all := All()
	return all[len(all)-1]
}

// All returns every set that this processor can run, slowest first; the first
// is [Plain].
func All() []*Kernels {
	return append([]*Kernels{Plain()}, sets()...)
}

// Plain returns the set in plain Go: the definition of all others.
func Plain() *Kernels {
	return &Kernels{
		name: "plain",
		products: products{
			q8_0: product{rows: plainRowsQ8},
			q4_0: product{rows: plainRowsQ4},
			q4_K: product{rows: plainRowsQ4K},
			q5_K: product{rows: plainRowsQ5K},
			q6_K: product{rows: plainRowsQ6K},
			f16:  product{rows: plainRowsFloat},
			bf16: product{rows: plainRowsFloat},
			f32:  product{rows: plainRowsFloat},
		},
		vectors: vectors{
			quantize32:  plainQuantize32,
			quantize256: plainQuantize256,
			rmsNorm:     plainRMSNorm,
			add:         plainAdd,
			siluMul:     plainSiluMul,
			geluMul:     plainGeluMul,
			softmax:     plainSoftmax,
			toHalf:      plainToHalf,
			scores:      plainScores,
			mix:         plainMix,
		},
		search:   plainSearch(),
		sentence: plainSentence(),
		scratch:  &sync.Pool{New: func() any { return new([]byte) }},
	}
}

// Name is the set's name, such as "avx512-vnni".
func (k *Kernels) Name() string { return k.name }

// Features are the features of the processor that the set uses.
func (k *Kernels) Features() []string { return append([]string(nil), k.features...) }

// Matrix is a matrix of weights, row after row in the format of GGML. It does
// not own the data, which may be mapped from a file.
type Matrix struct {
	Format        tensor.Format
	Rows, Columns int
	Data          []byte
	// rowBytes is how far rows lie apart in Data.
	rowBytes int
}

// Matrix makes a matrix of data, which it keeps: data must stay as long as the
// matrix is used. It fails with [ErrShape] when the shape is too large, the
// columns are no whole number of blocks, or the data is of another length.
func (k *Kernels) Matrix(f tensor.Format, rows, columns int, data []byte) (Matrix, error) {
	rowBytes, ok := f.RowBytes(columns)
	switch {
	case !ok:
		return Matrix{}, fmt.Errorf("%w: %d columns of %v: use a supported format and a multiple of %d columns", ErrShape, columns, f, max(f.Elements(), 1))
	case rows < 1 || columns < 1 || rows > rowsMax || columns > columnsMax:
		return Matrix{}, fmt.Errorf("%w: %d rows of %d: use 1 to %d rows of 1 to %d", ErrShape, rows, columns, rowsMax, columnsMax)
	case len(data) != rows*rowBytes:
		return Matrix{}, fmt.Errorf("%w: %d bytes for %d rows of %d bytes: give exactly %d", ErrShape, len(data), rows, rowBytes, rows*rowBytes)
	}
	return Matrix{Format: f, Rows: rows, Columns: columns, Data: data, rowBytes: rowBytes}, nil
}

// Row writes row r as float32; out holds as many as the matrix has columns.
func (m *Matrix) Row(r int, out []float32) {
	tensor.Dequantize(m.Format, m.row(r), out[:m.Columns])
}

// row is the bytes of row r.
func (m *Matrix) row(r int) []byte {
	return m.Data[r*m.rowBytes : (r+1)*m.rowBytes]
}

// Multiply sets out[t*stride+r] to the dot product of row r of the matrix and
// row t of the input, for r in [lo, hi) and every row of the input. lo and hi
// are multiples of [Grain], but hi may be the number of rows. Ranges of one
// matrix may be multiplied by several goroutines at once.
//
// The input must have been quantised for the matrix's format and have its
// columns. Multiply allocates nothing once it is warm.
func (k *Kernels) Multiply(m *Matrix, in *Input, out []float32, stride, lo, hi int) { //nolint:revive // the operands of one product
	invariant.Always(in.fits(m), "the input was not quantised for this matrix")
	invariant.Always(lo >= 0 && hi <= m.Rows && lo%Grain == 0 && (hi%Grain == 0 || hi == m.Rows), "a range of rows is off the grain")
	if lo >= hi || in.rows == 0 {
		return
	}
	invariant.Always(stride >= hi && len(out) >= (in.rows-1)*stride+hi, "the output is too small")
	p := k.products.of(m.Format)
	if p.block != nil && in.rows >= p.blockRows {
		p.block(k, m, in, out, stride, lo, hi)
		return
	}
	// With many input rows, some rows of weights stay in the cache meanwhile.
	step := hi - lo
	if in.rows > 1 {
		step = rowsTogether
	}
	for ; lo < hi; lo += step {
		end := min(lo+step, hi)
		for t := range in.rows {
			p.rows(k, m, in, t, out[t*stride+lo:t*stride+end], lo, end)
		}
	}
}

// of returns the product of a format that [Kernels.Matrix] has accepted.
func (p *products) of(f tensor.Format) *product {
	switch f {
	case tensor.Q8_0:
		return &p.q8_0
	case tensor.Q4_0:
		return &p.q4_0
	case tensor.Q4_K:
		return &p.q4_K
	case tensor.Q5_K:
		return &p.q5_K
	case tensor.Q6_K:
		return &p.q6_K
	case tensor.F16:
		return &p.f16
	case tensor.BF16:
		return &p.bf16
	case tensor.F32:
		return &p.f32
	}
	invariant.Always(false, "a matrix has a format without kernels")
	return nil
}
