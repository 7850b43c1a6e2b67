//nolint:revive // kernels take their operands one by one, as many as there are
package simd

// useVectorsAVX2 takes the vector operations for AVX2 and F16C.
func useVectorsAVX2(k *Kernels) {
	v := &k.vectors
	v.quantize32 = vectorQuantize32
	v.quantize256 = vectorQuantize256
	v.rmsNorm = vectorRMSNorm
	v.add = vectorAdd
	v.siluMul = vectorSiluMul
	v.geluMul = vectorGeluMul
	v.softmax = vectorSoftmax
	v.toHalf = vectorToHalf
	v.scores = vectorScores
	v.mix = vectorMix
}

// Each of these does as many elements as fill registers, and leaves the rest
// to its plain twin.

func vectorQuantize32(codes []int8, scales []float32, sums []int32, x []float32, high int) {
	if len(x) == 0 {
		return
	}
	quantize32AVX2(&codes[0], &scales[0], &sums[0], &x[0], len(x)/32, high)
}

func vectorQuantize256(codes []int8, scales []float32, sums []int16, x []float32) {
	if len(x) > 0 {
		quantize256AVX2(&codes[0], &scales[0], &sums[0], &x[0], len(x)/superblock)
	}
}

func vectorRMSNorm(out, x, weight []float32, eps float32) {
	n := len(x) &^ 15
	if n == 0 {
		plainRMSNorm(out, x, weight, eps)
		return
	}
	var squares lanes
	squaresAVX2(&squares, &x[0], n)
	for i, v := range x[n:] {
		squares[i] += float32(v * v)
	}
	scale := rmsScale(squares.sum(), len(x), eps)
	scaleMulAVX2(&out[0], &x[0], &weight[0], n, scale)
	for i := n; i < len(x); i++ {
		out[i] = float32(x[i]*scale) * weight[i]
	}
}

func vectorAdd(x, y []float32) {
	n := len(x) &^ 7
	if n > 0 {
		addAVX2(&x[0], &y[0], n)
	}
	plainAdd(x[n:], y[n:])
}

func vectorSiluMul(gate, up []float32) {
	n := len(gate) &^ 7
	if n > 0 {
		siluMulAVX2(&gate[0], &up[0], n)
	}
	plainSiluMul(gate[n:], up[n:])
}

func vectorGeluMul(gate, up []float32) {
	n := len(gate) &^ 7
	if n > 0 {
		geluMulAVX2(&gate[0], &up[0], n)
	}
	plainGeluMul(gate[n:], up[n:])
}

func vectorSoftmax(x []float32) { softmaxWith(x, expAVX2) }

// softmaxWith is softmax with a kernel that sets x to e to the power of x-most.
func softmaxWith(x []float32, power func(x *float32, n int, most float32)) {
	n := len(x) &^ 15
	if n == 0 {
		plainSoftmax(x)
		return
	}
	most := mostAVX2(&x[0], n)
	for _, v := range x[n:] {
		most = max(most, v)
	}
	power(&x[0], n, most)
	var sums lanes
	sumAVX2(&sums, &x[0], n)
	for i, v := range x[n:] {
		x[n+i] = exp(v - most)
		sums[i] += x[n+i]
	}
	scale := 1 / sums.sum()
	scaleAVX2(&x[0], n, scale)
	plainScale(x[n:], scale)
}

func vectorToHalf(dst []uint16, src []float32) {
	n := len(src) &^ 7
	if n > 0 {
		toHalfAVX2(&dst[0], &src[0], n)
	}
	plainToHalf(dst[n:], src[n:])
}

// Heads are of a multiple of sixteen in every known model, so the others stay
// plain as a whole.

func vectorScores(out, q []float32, keys []uint16, stride int, scale float32) {
	if len(q)%16 != 0 {
		plainScores(out, q, keys, stride, scale)
		return
	}
	scoresAVX2(&out[0], len(out), &q[0], len(q), &keys[0], stride, scale)
}

func vectorMix(out, weights []float32, values []uint16, stride int) {
	if len(out)%16 != 0 {
		plainMix(out, weights, values, stride)
		return
	}
	mixAVX2(&out[0], len(out), &weights[0], len(weights), &values[0], stride)
}

//go:noescape
func quantize32AVX2(codes *int8, scales *float32, sums *int32, x *float32, blocks, high int)

//go:noescape
func quantize256AVX2(codes *int8, scales *float32, sums *int16, x *float32, blocks int)

//go:noescape
func addAVX2(x, y *float32, n int)

//go:noescape
func scaleAVX2(x *float32, n int, by float32)

//go:noescape
func scaleMulAVX2(out, x, weight *float32, n int, by float32)

//go:noescape
func squaresAVX2(sums *lanes, x *float32, n int)

//go:noescape
func sumAVX2(sums *lanes, x *float32, n int)

//go:noescape
func mostAVX2(x *float32, n int) float32

//go:noescape
func expAVX2(x *float32, n int, most float32)

//go:noescape
func siluMulAVX2(gate, up *float32, n int)

//go:noescape
func geluMulAVX2(gate, up *float32, n int)

//go:noescape
func toHalfAVX2(dst *uint16, src *float32, n int)

//go:noescape
func scoresAVX2(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)

//go:noescape
func mixAVX2(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
