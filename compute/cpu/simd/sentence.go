package simd

import "phios/internal/invariant"

// What sentence encoders need beside the rest: they normalise by mean and
// variance, cut negative numbers off, and attend to float32 that no cache keeps.
// The sums go over sixteen lanes as in vector_plain.go.

// sentence are these operations; see the methods of [Kernels].
type sentence struct {
	relu        func(x []float32)
	layerNorm   func(out, x, weight, bias []float32, eps float32)
	scoresFloat func(out, q, keys []float32, stride int, scale float32)
	mixFloat    func(out, weights, values []float32, stride int)
}

func plainSentence() sentence {
	return sentence{relu: plainRelu, layerNorm: plainLayerNorm, scoresFloat: plainScoresFloat, mixFloat: plainMixFloat}
}

// Relu replaces every element that is not above zero by zero.
func (k *Kernels) Relu(x []float32) { k.sentence.relu(x) }

// LayerNorm sets out to x less its mean, divided by its standard deviation,
// times weight, plus bias, element by element. eps is added to the variance.
// out may be x.
func (k *Kernels) LayerNorm(out, x, weight, bias []float32, eps float32) {
	invariant.Always(len(out) == len(x) && len(weight) == len(x) && len(bias) == len(x), "vectors of different length")
	k.sentence.layerNorm(out, x, weight, bias, eps)
}

// ScoresFloat is [Kernels.Scores] for keys of float32.
func (k *Kernels) ScoresFloat(out, q, keys []float32, tokens, stride int, scale float32) { //nolint:revive // the operands of one operation
	if tokens == 0 {
		return
	}
	invariant.Always(tokens > 0 && len(out) >= tokens && len(q) > 0 && stride >= len(q) && len(keys) >= (tokens-1)*stride+len(q), "keys that are not there")
	k.sentence.scoresFloat(out[:tokens], q, keys, stride, scale)
}

// MixFloat is [Kernels.Mix] for values of float32.
func (k *Kernels) MixFloat(out, weights, values []float32, tokens, stride int) {
	if tokens == 0 {
		return
	}
	invariant.Always(tokens > 0 && len(weights) >= tokens && len(out) > 0 && stride >= len(out) && len(values) >= (tokens-1)*stride+len(out), "values that are not there")
	k.sentence.mixFloat(out, weights[:tokens], values, stride)
}

func plainRelu(x []float32) {
	for i, v := range x {
		if !(v > 0) { // What is no number becomes zero too.
			x[i] = 0
		}
	}
}

func plainLayerNorm(out, x, weight, bias []float32, eps float32) {
	var sums, squares lanes
	for i, v := range x {
		sums[i%16] += v
	}
	mean := sums.sum() / float32(len(x))
	for i, v := range x {
		d := v - mean
		squares[i%16] += float32(d * d)
	}
	plainAffine(out, x, weight, bias, mean, rmsScale(squares.sum(), len(x), eps))
}

// plainAffine is the last step of a layer normalisation.
func plainAffine(out, x, weight, bias []float32, mean, scale float32) { //nolint:revive // the operands of one operation
	for i, v := range x {
		out[i] = float32(float32((v-mean)*scale)*weight[i]) + bias[i]
	}
}

func plainScoresFloat(out, q, keys []float32, stride int, scale float32) {
	for t := range out {
		key := keys[t*stride:][:len(q)]
		var dots lanes
		for i, v := range q {
			dots[i%16] += float32(v * key[i])
		}
		out[t] = dots.sum() * scale
	}
}

func plainMixFloat(out, weights, values []float32, stride int) {
	for t, w := range weights {
		for i, v := range values[t*stride:][:len(out)] {
			out[i] += float32(w * v)
		}
	}
}
