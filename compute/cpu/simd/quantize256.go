package simd

import "math"

// plainQuantize256 makes blocks of 256 codes of x, as GGML's Q8_K does: the
// value of largest magnitude becomes −127.
func plainQuantize256(codes []int8, scales []float32, sums []int16, x []float32) {
	for b := range len(x) / 256 {
		values := x[b*256 : b*256+256]
		var most, magnitude float32
		for _, v := range values {
			if a := float32(math.Abs(float64(v))); a > magnitude {
				most, magnitude = v, a
			}
		}
		var inverse float32
		scales[b] = 0
		if magnitude > 0 {
			inverse = -127 / most
			scales[b] = 1 / inverse
		}
		clear(sums[b*16 : b*16+16])
		for i, v := range values {
			c := roundCode(v * inverse)
			codes[b*256+i] = c
			sums[b*16+i/16] += int16(c)
		}
	}
}
