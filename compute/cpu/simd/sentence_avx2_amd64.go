//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// useSentenceAVX2 takes the operations of sentence encoders for AVX2. Their
// vectors are of a multiple of sixteen, so the others stay plain as a whole.
func useSentenceAVX2(k *Kernels) {
	k.sentence = sentence{relu: vectorRelu, layerNorm: vectorLayerNorm, scoresFloat: vectorScoresFloat, mixFloat: vectorMixFloat}
}

func vectorRelu(x []float32) {
	n := len(x) &^ 15
	if n > 0 {
		reluAVX2(&x[0], n)
	}
	plainRelu(x[n:])
}

func vectorLayerNorm(out, x, weight, bias []float32, eps float32) {
	n := len(x)
	if n%16 != 0 || n == 0 {
		plainLayerNorm(out, x, weight, bias, eps)
		return
	}
	var sums lanes
	sumAVX2(&sums, &x[0], n)
	mean := sums.sum() / float32(n)
	variancesAVX2(&sums, &x[0], n, mean)
	affineAVX2(&out[0], &x[0], &weight[0], &bias[0], n, mean, rmsScale(sums.sum(), n, eps))
}

func vectorScoresFloat(out, q, keys []float32, stride int, scale float32) {
	if len(q)%16 != 0 {
		plainScoresFloat(out, q, keys, stride, scale)
		return
	}
	scoresFloatAVX2(&out[0], len(out), &q[0], len(q), &keys[0], stride, scale)
}

func vectorMixFloat(out, weights, values []float32, stride int) {
	if len(out)%16 != 0 {
		plainMixFloat(out, weights, values, stride)
		return
	}
	mixFloatAVX2(&out[0], len(out), &weights[0], len(weights), &values[0], stride)
}

//go:noescape
func reluAVX2(x *float32, n int)

//go:noescape
func variancesAVX2(sums *lanes, x *float32, n int, mean float32)

//go:noescape
func affineAVX2(out, x, weight, bias *float32, n int, mean, scale float32)

//go:noescape
func scoresFloatAVX2(out *float32, tokens int, q *float32, n int, keys *float32, stride int, scale float32)

//go:noescape
func mixFloatAVX2(out *float32, n int, weights *float32, tokens int, values *float32, stride int)
