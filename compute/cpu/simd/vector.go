package simd

import (
	"math"

	"phios/compute/tensor"
	"phios/internal/invariant"
)

// RMSNorm sets out to x divided by its root mean square, times weight, element
// by element. eps is added to the mean square. out may be x.
func (k *Kernels) RMSNorm(out, x, weight []float32, eps float32) {
	invariant.Always(len(out) == len(x) && len(weight) == len(x), "vectors of different length")
	k.vectors.rmsNorm(out, x, weight, eps)
}

// Add adds y to x, element by element.
func (k *Kernels) Add(x, y []float32) {
	invariant.Always(len(x) == len(y), "vectors of different length")
	k.vectors.add(x, y)
}

// SiluMul sets gate to silu(gate) times up, element by element, where silu(v)
// is v/(1+e⁻ᵛ).
func (k *Kernels) SiluMul(gate, up []float32) {
	invariant.Always(len(gate) == len(up), "vectors of different length")
	k.vectors.siluMul(gate, up)
}

// GeluMul sets gate to gelu(gate) times up, element by element, with the form
// of gelu that uses tanh.
func (k *Kernels) GeluMul(gate, up []float32) {
	invariant.Always(len(gate) == len(up), "vectors of different length")
	k.vectors.geluMul(gate, up)
}

// Softmax replaces x by e to the power of x, scaled to a sum of one.
func (k *Kernels) Softmax(x []float32) {
	if len(x) > 0 {
		k.vectors.softmax(x)
	}
}

// ToHalf converts src to half precision, rounding to the nearest, ties to even.
func (k *Kernels) ToHalf(dst []uint16, src []float32) {
	invariant.Always(len(dst) == len(src), "vectors of different length")
	k.vectors.toHalf(dst, src)
}

// Scores sets out[t] to scale times the dot product of q and
// keys[t*stride:t*stride+len(q)], which are halves, for t below tokens. Each
// score depends on nothing but its own key.
func (k *Kernels) Scores(out, q []float32, keys []uint16, tokens, stride int, scale float32) {
	if tokens == 0 {
		return
	}
	invariant.Always(tokens > 0 && len(out) >= tokens && len(q) > 0 && stride >= len(q) && len(keys) >= (tokens-1)*stride+len(q), "keys that are not there")
	k.vectors.scores(out[:tokens], q, keys, stride, scale)
}

// Mix adds to out the sum over t, below tokens and in this order, of weights[t]
// times values[t*stride:t*stride+len(out)], which are halves. A sum may be cut
// into several calls without changing its bits.
func (k *Kernels) Mix(out, weights []float32, values []uint16, tokens, stride int) {
	if tokens == 0 {
		return
	}
	invariant.Always(tokens > 0 && len(weights) >= tokens && len(out) > 0 && stride >= len(out) && len(values) >= (tokens-1)*stride+len(out), "values that are not there")
	k.vectors.mix(out, weights[:tokens], values, stride)
}

func plainRMSNorm(out, x, weight []float32, eps float32) {
	var lanes [16]float32
	for i, v := range x {
		lanes[i%16] += float32(v * v)
	}
	mean := sum16(&lanes) / float32(len(x))
	scale := 1 / float32(math.Sqrt(float64(mean+eps)))
	for i, v := range x {
		out[i] = float32(v*scale) * weight[i]
	}
}

// sum16 adds sixteen lanes as the vector kernels do: halves onto halves.
func sum16(lanes *[16]float32) float32 {
	for n := 8; n > 0; n /= 2 {
		for i := range n {
			lanes[i] += lanes[i+n]
		}
	}
	return lanes[0]
}

func plainAdd(x, y []float32) {
	for i, v := range y {
		x[i] += v
	}
}

func plainSiluMul(gate, up []float32) {
	for i, v := range gate {
		gate[i] = float32(float64(v)/(1+math.Exp(-float64(v)))) * up[i]
	}
}

func plainGeluMul(gate, up []float32) {
	for i, v := range gate {
		u := float64(v)
		const c = 0.7978845608028654 // √(2/π)
		gate[i] = float32(0.5*u*(1+math.Tanh(c*(u+0.044715*u*u*u)))) * up[i]
	}
}

func plainSoftmax(x []float32) {
	most := x[0]
	for _, v := range x {
		most = max(most, v)
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v - most))
		x[i] = float32(e)
		sum += e
	}
	scale := float32(1 / sum)
	for i := range x {
		x[i] *= scale
	}
}

func plainToHalf(dst []uint16, src []float32) {
	for i, v := range src {
		dst[i] = tensor.FloatToHalf(v)
	}
}

func plainScores(out, q []float32, keys []uint16, stride int, scale float32) {
	for t := range out {
		key := keys[t*stride:][:len(q)]
		var lanes [16]float32
		for i, v := range q {
			lanes[i%16] += float32(v * tensor.HalfToFloat(key[i]))
		}
		out[t] = sum16(&lanes) * scale
	}
}

func plainMix(out, weights []float32, values []uint16, stride int) {
	for t, w := range weights {
		value := values[t*stride:][:len(out)]
		for i, v := range value {
			out[i] += float32(w * tensor.HalfToFloat(v))
		}
	}
}
