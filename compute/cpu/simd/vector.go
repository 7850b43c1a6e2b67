package simd

import "phios/internal/invariant"

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
func (k *Kernels) Scores(out, q []float32, keys []uint16, tokens, stride int, scale float32) { //nolint:revive // the operands of one operation
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
