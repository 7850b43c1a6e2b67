//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// useAttentionAVX512 takes Scores and Mix for AVX-512; what fills no registers
// goes to those for AVX2.
func useAttentionAVX512(k *Kernels) {
	k.vectors.scores = wideScores
	k.vectors.mix = wideMix
}

func wideScores(out, q []float32, keys []uint16, stride int, scale float32) {
	n := len(out) &^ 3
	if len(q)%16 != 0 {
		n = 0
	}
	if n > 0 {
		scores512(&out[0], n, &q[0], len(q), &keys[0], stride, scale)
	}
	if n < len(out) {
		vectorScores(out[n:], q, keys[n*stride:], stride, scale)
	}
}

func wideMix(out, weights []float32, values []uint16, stride int) {
	n := len(out) &^ 63
	if n > 0 {
		mix512(&out[0], n, &weights[0], len(weights), &values[0], stride)
	}
	if n < len(out) {
		vectorMix(out[n:], weights, values[n:], stride)
	}
}

//go:noescape
func scores512(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)

//go:noescape
func mix512(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
