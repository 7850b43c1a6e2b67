package simd

// useExpAVX512 takes the gates of a feed-forward layer for AVX-512.
func useExpAVX512(k *Kernels) {
	k.vectors.siluMul = wideSiluMul
	k.vectors.geluMul = wideGeluMul
	k.vectors.softmax = wideSoftmax
}

func wideSiluMul(gate, up []float32) {
	n := len(gate) &^ 15
	if n > 0 {
		siluMulAVX512(&gate[0], &up[0], n)
	}
	plainSiluMul(gate[n:], up[n:])
}

func wideGeluMul(gate, up []float32) {
	n := len(gate) &^ 15
	if n > 0 {
		geluMulAVX512(&gate[0], &up[0], n)
	}
	plainGeluMul(gate[n:], up[n:])
}

func wideSoftmax(x []float32) { softmaxWith(x, expAVX512) }

//go:noescape
func expAVX512(x *float32, n int, most float32)

//go:noescape
func siluMulAVX512(gate, up *float32, n int)

//go:noescape
func geluMulAVX512(gate, up *float32, n int)
