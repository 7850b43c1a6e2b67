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

// The formats that are known, by their usual names.
//
//nolint:revive,staticcheck // Q4_K is how the format is spelt everywhere.
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

// String returns the format's usual name, also of GGML's formats that are not
// known here otherwise, so that messages can name them.
func (f Format) String() string {
	if int64(f) < int64(len(namesTable)) && namesTable[f] != "" {
		return namesTable[f]
	}
	return "format " + strconv.FormatUint(uint64(f), 10)
}

// namesTable has the names of GGML's formats; gaps are numbers that it retired.
var namesTable = [...]string{
	F32: "F32", F16: "F16", Q4_0: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1",
	Q8_0: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", Q4_K: "Q4_K", Q5_K: "Q5_K",
	Q6_K: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
	19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8",
	25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", BF16: "BF16",
	34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}
