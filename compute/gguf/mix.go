package gguf

import (
	"strings"

	"phios/compute/tensor"
)

// Mixed returns the format that a tensor has in a file whose format is f on the
// whole, as files of llama.cpp's "mostly" types do:
//
//   - what has one dimension, and norms, are F32: small, and errors in them hurt
//   - with Q4_0, Q4_K and Q5_K, token_embd.weight and output.weight are Q6_K, as
//     an error there is an error in every logit
//   - rows that are no whole blocks of a K format, such as those of SmolLM-135M
//     of 576, are Q8_0; rows that are no whole blocks of 32 are F16
func Mixed(name string, shape []int, f tensor.Format) tensor.Format {
	if len(shape) < 2 || strings.HasSuffix(name, "norm.weight") {
		return tensor.F32
	}
	switch f {
	case tensor.Q4_0, tensor.Q4_K, tensor.Q5_K:
		if name == "token_embd.weight" || name == "output.weight" {
			f = tensor.Q6_K
		}
	case tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q6_K:
	}
	for _, candidate := range []tensor.Format{f, tensor.Q8_0} {
		if _, ok := candidate.RowBytes(shape[0]); ok {
			return candidate
		}
	}
	return tensor.F16
}

// FileType is the number for the key general.file_type of a file of format f on
// the whole; false for a format that no file is made of here.
func FileType(f tensor.Format) (uint32, bool) {
	switch f {
	case tensor.F32:
		return 0, true
	case tensor.F16:
		return 1, true
	case tensor.Q4_0:
		return 2, true
	case tensor.Q8_0:
		return 7, true
	case tensor.Q4_K:
		return 14, true // "small": no tensor of a layer gets more bits
	case tensor.Q5_K:
		return 16, true
	case tensor.Q6_K:
		return 18, true
	case tensor.BF16:
		return 32, true
	default:
		return 0, false
	}
}
