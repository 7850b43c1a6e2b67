package simd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"phios/compute/tensor"
)

func halves(r *rand.Rand, n int) []uint16 {
	h := make([]uint16, n)
	for i := range h {
		h[i] = tensor.FloatToHalf(float32(r.NormFloat64()))
	}
	return h
}

// awkward is numbers of every size, with zeros, infinities and such.
func awkward(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20)))
		if r.IntN(8) == 0 {
			x[i] = [...]float32{0, float32(math.Copysign(0, -1)), 1e-45, -87.3, 88.4, -90, 200, 65520, 3e38}[r.IntN(9)]
		}
	}
	return x
}

// vectorRun does every vector operation on the same random operands and returns
// all results, one after the other.
func vectorRun(k *Kernels, r *rand.Rand, n int, awkwardly bool) []float32 {
	numbers := normal
	if awkwardly {
		numbers = awkward
	}
	x, y, z := numbers(r, n), numbers(r, n), numbers(r, n)
	var all []float32
	again := func() []float32 { return append([]float32(nil), x...) }
	a := again()
	k.RMSNorm(a, a, z, 1e-5)
	all = append(all, a...)
	a = again()
	k.Add(a, y)
	all = append(all, a...)
	a = again()
	k.SiluMul(a, y)
	all = append(all, a...)
	a = again()
	k.GeluMul(a, y)
	all = append(all, a...)
	a = again()
	k.Softmax(a)
	all = append(all, a...)
	h := make([]uint16, n)
	k.ToHalf(h, x)
	for _, v := range h {
		all = append(all, float32(v))
	}
	tokens, stride := 1+r.IntN(20), n+r.IntN(9)
	keys := halves(r, tokens*stride)
	out := make([]float32, tokens)
	k.Scores(out, x, keys, tokens, stride, 0.125)
	all = append(all, out...)
	a = again()
	k.Mix(a, normal(r, tokens), keys, tokens, stride)
	return append(append(all, a...), sentenceRun(k, r, x, y, z)...)
}

// sentenceRun is vectorRun for the operations of sentence encoders.
func sentenceRun(k *Kernels, r *rand.Rand, x, y, z []float32) []float32 {
	n := len(x)
	var all []float32
	a := append([]float32(nil), x...)
	a[0] = float32(math.NaN())
	k.Relu(a)
	all = append(all, a...)
	k.LayerNorm(a, x, y, z, 1e-6)
	all = append(all, a...)
	tokens, stride := 1+r.IntN(20), n+r.IntN(9)
	keys, out := normal(r, tokens*stride), make([]float32, tokens)
	k.ScoresFloat(out, x, keys, tokens, stride, 0.125)
	all = append(all, out...)
	k.MixFloat(a, out, keys, tokens, stride)
	return append(all, a...)
}

// TestVectorSetsAgree compares every set with plain Go, bit by bit.
func TestVectorSetsAgree(t *testing.T) {
	for n := 1; n < 300; n += 1 + n/20 {
		for _, awkwardly := range []bool{false, true} {
			want := vectorRun(Plain(), random(uint64(n)), n, awkwardly)
			for _, k := range All()[1:] {
				got := vectorRun(k, random(uint64(n)), n, awkwardly)
				for i := range want {
					if !same(got[i], want[i]) {
						t.Fatalf("%s: length %d, place %d: %g (%x), want %g (%x)", k.Name(), n, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
					}
				}
			}
		}
	}
}

// TestQuantizeAgrees compares codes, scales and sums, bit by bit, and wants
// padding of zeros.
func TestQuantizeAgrees(t *testing.T) {
	r := random(3)
	for round := range 200 {
		rows, columns := 1+r.IntN(8), 32*(1+r.IntN(30))
		x := normal(r, rows*columns)
		if round%2 == 1 {
			x = extremeInput(r, rows, columns)
		}
		for _, f := range quantTable {
			want := NewInput(rows, columns)
			Plain().Quantize(want, f, x, rows, columns)
			for _, k := range All()[1:] {
				got := NewInput(rows, columns)
				for i := range got.codes {
					got.codes[i] = 99
				}
				got.Reset(f, rows, columns)
				k.QuantizeRows(got, x, rows/2, rows)
				k.QuantizeRows(got, x, 0, rows/2)
				used := roundUp(rows, tileRows) * want.codeStride
				for i := range used {
					if got.codes[i] != want.codes[i] {
						t.Fatalf("%s %v %d×%d: code %d: %d, want %d", k.Name(), f, rows, columns, i, got.codes[i], want.codes[i])
					}
				}
				for i := range used / 32 {
					if !same(got.scales[i], want.scales[i]) || got.sums32[i] != want.sums32[i] {
						t.Fatalf("%s %v: block %d: %g %d, want %g %d", k.Name(), f, i, got.scales[i], got.sums32[i], want.scales[i], want.sums32[i])
					}
				}
			}
		}
	}
}

// TestQuantize256Agrees does the same for superblocks, with what is no number
// and what is no finite one among them.
func TestQuantize256Agrees(t *testing.T) {
	r := random(7)
	for round := range 200 {
		columns := superblock * (1 + r.IntN(5))
		x := extremeInput(r, 1, columns)
		if round%3 == 0 {
			x = awkward(r, columns)
			x[r.IntN(columns)] = [...]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-45}[r.IntN(4)]
		}
		if round%3 == 1 { // The sign of the first of two largest counts.
			x[r.IntN(columns)], x[r.IntN(columns)] = 1e7, -1e7
		}
		want := NewInput(1, columns)
		Plain().Quantize(want, tensor.Q4_K, x, 1, columns)
		for _, k := range All()[1:] {
			got := NewInput(1, columns)
			k.Quantize(got, tensor.Q4_K, x, 1, columns)
			if !slices.Equal(got.codes, want.codes) || !slices.Equal(got.sums16, want.sums16) {
				t.Fatalf("%s: round %d: other codes or sums", k.Name(), round)
			}
			for i, scale := range want.scales {
				if !same(got.scales[i], scale) {
					t.Fatalf("%s: round %d: scale %d: %g, want %g", k.Name(), round, i, got.scales[i], scale)
				}
			}
		}
	}
}

// TestPlainVectorsAreRight compares the plain twins with float64.
func TestPlainVectorsAreRight(t *testing.T) {
	near := func(what string, got float32, want float64) {
		t.Helper()
		if d := math.Abs(float64(got) - want); d > 1e-6*max(math.Abs(want), 1e-3) {
			t.Fatalf("%s: %g, want %g", what, got, want)
		}
	}
	for x := float32(-87); x < 88; x += 0.0371 {
		near("exp", exp(x), math.Exp(float64(x)))
	}
	r := random(4)
	x, y := normal(r, 333), normal(r, 333)
	silu, gelu, soft, norm := append([]float32(nil), x...), append([]float32(nil), x...), append([]float32(nil), x...), make([]float32, 333)
	layer := make([]float32, 333)
	plainLayerNorm(layer, x, y, silu, 1e-5)
	plainSiluMul(silu, y)
	plainGeluMul(gelu, y)
	plainSoftmax(soft)
	plainRMSNorm(norm, x, y, 1e-5)
	var all, sum, squares float64
	for _, v := range x {
		all += float64(v)
		sum += math.Exp(float64(v))
		squares += float64(v) * float64(v)
	}
	for i := range x {
		v, u := float64(x[i]), float64(y[i])
		near("silu", silu[i], v/(1+math.Exp(-v))*u)
		near("gelu", gelu[i], 0.5*v*(1+math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))*u)
		near("softmax", soft[i], math.Exp(v)/sum)
		near("norm", norm[i], v/math.Sqrt(squares/333+1e-5)*u)
		mean := all / 333
		if want := (v-mean)/math.Sqrt(squares/333-mean*mean+1e-5)*u + v; math.Abs(float64(layer[i])-want) > 1e-6*(1+math.Abs(v)) {
			t.Fatalf("layer norm: %g, want %g", layer[i], want)
		}
	}
}

// TestMixMayBeCut wants the same bits of a sum over tokens in one call and in
// several, as pages of a cache make them.
func TestMixMayBeCut(t *testing.T) {
	r := random(5)
	const n, tokens = 128, 50
	values, w, start := halves(r, n*tokens), normal(r, tokens), normal(r, n)
	for _, k := range All() {
		whole, cut := append([]float32(nil), start...), append([]float32(nil), start...)
		k.Mix(whole, w, values, tokens, n)
		for at := 0; at < tokens; at += 16 {
			k.Mix(cut, w[at:], values[at*n:], min(16, tokens-at), n)
		}
		for i := range whole {
			if !same(whole[i], cut[i]) {
				t.Fatalf("%s: element %d: %g, cut %g", k.Name(), i, whole[i], cut[i])
			}
		}
	}
}

func BenchmarkVectors(b *testing.B) {
	r := random(6)
	x, y, z := normal(r, 2048), normal(r, 2048), normal(r, 2048)
	keys, scores := halves(r, 1024*64), make([]float32, 1024)
	in := NewInput(1, 2048)
	for _, k := range All() {
		for name, f := range map[string]func(){
			"RMSNorm/2048":   func() { k.RMSNorm(z, x, y, 1e-5) },
			"SiluMul/2048":   func() { copy(z, x); k.SiluMul(z, y) },
			"Softmax/1024":   func() { copy(z, x); k.Softmax(z[:1024]) },
			"Quant32/2048":   func() { k.Quantize(in, tensor.Q8_0, x, 1, 2048) },
			"Quant256/2048":  func() { k.Quantize(in, tensor.Q4_K, x, 1, 2048) },
			"Scores/1024x64": func() { k.Scores(scores, x[:64], keys, 1024, 64, 1) },
			"Mix/1024x64":    func() { k.Mix(z[:64], scores, keys, 1024, 64) },
		} {
			b.Run(name+"/"+k.Name(), func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}
