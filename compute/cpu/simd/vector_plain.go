package simd

import (
	"math"

	"phios/compute/tensor"
)

// The plain twins of the vector operations. They define every bit of the
// result: sums go over sixteen lanes, element i to lane i%16, which are then
// added halves onto halves; nothing is fused.

// lanes are sums of every sixteenth element.
type lanes [16]float32

func (l *lanes) sum() float32 {
	for n := len(l) / 2; n > 0; n /= 2 {
		for i := range n {
			l[i] += l[i+n]
		}
	}
	return l[0]
}

// What exp is made of: the range reduction and the polynomial are those of
// expf in Moshier's Cephes library, whose relative error is 2⁻²³ or so.
const (
	expLeast = -87.33654 // below, the result would be subnormal: it is zero
	expMost  = 88.37626  // above, it would be infinite: it is as here
	log2e    = 1.44269504088896341
	ln2High  = 0.693359375
	ln2Low   = -2.12194440e-4
	exp0     = 1.9875691500e-4
	exp1     = 1.3981999507e-3
	exp2     = 8.3334519073e-3
	exp3     = 4.1665795894e-2
	exp4     = 1.6666665459e-1
	exp5     = 5.0000001201e-1
)

// exp is e to the power of x, finite for all numbers.
func exp(x float32) float32 {
	if x < expLeast {
		return 0
	}
	x = min(x, expMost)
	n := float32(math.RoundToEven(float64(float32(x * log2e))))
	r := x - float32(n*ln2High)
	r -= float32(n * ln2Low)
	p := float32(exp0*r) + exp1
	p = float32(p*r) + exp2
	p = float32(p*r) + exp3
	p = float32(p*r) + exp4
	p = float32(p*r) + exp5
	p = float32(float32(p*r)*r) + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

func plainRMSNorm(out, x, weight []float32, eps float32) {
	var squares lanes
	for i, v := range x {
		squares[i%16] += float32(v * v)
	}
	scale := rmsScale(squares.sum(), len(x), eps)
	for i, v := range x {
		out[i] = float32(v*scale) * weight[i]
	}
}

// rmsScale is one over the root mean square.
func rmsScale(squares float32, n int, eps float32) float32 {
	mean := squares / float32(n)
	return 1 / float32(math.Sqrt(float64(mean+eps)))
}

func plainAdd(x, y []float32) {
	for i, v := range y {
		x[i] += v
	}
}

func plainSiluMul(gate, up []float32) {
	for i, v := range gate {
		gate[i] = float32(v/(1+exp(0-v))) * up[i]
	}
}

// √(8/π) and the cubic term: ½(1+tanh(y)) is 1/(1+e⁻²ʸ), so that gelu needs no
// more than exp.
const (
	geluScale = -1.5957691216057308
	geluCube  = 0.044715
)

func plainGeluMul(gate, up []float32) {
	for i, v := range gate {
		cube := float32(float32(float32(v*v)*geluCube) * v)
		gate[i] = float32(v/(1+exp(float32((v+cube)*geluScale)))) * up[i]
	}
}

func plainSoftmax(x []float32) {
	most := x[0]
	for _, v := range x {
		most = max(most, v)
	}
	var sums lanes
	for i, v := range x {
		x[i] = exp(v - most)
		sums[i%16] += x[i]
	}
	plainScale(x, 1/sums.sum())
}

func plainScale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
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
		var dots lanes
		for i, v := range q {
			dots[i%16] += float32(v * tensor.HalfToFloat(key[i]))
		}
		out[t] = dots.sum() * scale
	}
}

func plainMix(out, weights []float32, values []uint16, stride int) {
	for t, w := range weights {
		for i, v := range values[t*stride:][:len(out)] {
			out[i] += float32(w * tensor.HalfToFloat(v))
		}
	}
}
