// Package tensor names the formats in which weights are stored and converts
// between them and float32, in plain Go: it is the definition that faster
// kernels are tested against.
//
// The formats and their numbers are those of GGML, as described by its GGUF
// specification: blocks of 32 or 256 elements of a row, each with its scale.
package tensor

import "strconv"

// Format is a format of weights. The numbers are those in GGUF files.
type Format uint32

// The formats that are known.
const (
	F32  Format = 0
	F16  Format = 1
	Q4_0 Format = 2
	Q8_0 Format = 8
	Q4_K Format = 12
	Q5_K Format = 13
	Q6_K Format = 14
	BF16 Format = 30
)

// BlockMax is the largest number of elements in a block.
const BlockMax = 256

// Elements is how many elements a block holds; zero for an unknown format.
func (f Format) Elements() int {
	switch f {
	case F32, F16, BF16:
		return 1
	case Q4_0, Q8_0:
		return 32
	case Q4_K, Q5_K, Q6_K:
		return 256
	default:
		return 0
	}
}

// Bytes is how many bytes a block takes; zero for an unknown format.
func (f Format) Bytes() int {
	switch f {
	case F32:
		return 4
	case F16, BF16:
		return 2
	case Q4_0:
		return 18
	case Q8_0:
		return 34
	case Q4_K:
		return 144
	case Q5_K:
		return 176
	case Q6_K:
		return 210
	default:
		return 0
	}
}

// RowBytes is how many bytes a row of n elements takes, and false when n is not
// a whole number of blocks or the format is unknown.
func (f Format) RowBytes(n int) (int, bool) {
	e := f.Elements()
	if e == 0 || n < 0 || n%e != 0 || n/e > int(^uint(0)>>1)/f.Bytes() {
		return 0, false
	}
	return n / e * f.Bytes(), true
}

// String returns the format's usual name.
func (f Format) String() string {
	switch f {
	case F32:
		return "F32"
	case F16:
		return "F16"
	case BF16:
		return "BF16"
	case Q4_0:
		return "Q4_0"
	case Q8_0:
		return "Q8_0"
	case Q4_K:
		return "Q4_K"
	case Q5_K:
		return "Q5_K"
	case Q6_K:
		return "Q6_K"
	default:
		return "format " + strconv.FormatUint(uint64(f), 10)
	}
}
