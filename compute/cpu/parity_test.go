package cpu

import (
	"bytes"
	"context"
	"math"
	"testing"

	"phios/compute"
	"phios/compute/cpu/parity"
	"phios/compute/cpu/simd"
	"phios/compute/tensor"
)

// openCase loads a model of parity.
func openCase(tb testing.TB, u *Unit, c *parity.Case, o compute.Options) *model {
	tb.Helper()
	var file bytes.Buffer
	if err := c.Write(&file); err != nil {
		tb.Fatal(err)
	}
	if o.ContextTokens == 0 {
		o.ContextTokens = c.Context
	}
	m, err := u.Load(context.Background(), compute.Weights{Name: c.Name, Bytes: file.Bytes()}, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m.(*model)
}

func newSequence(tb testing.TB, m *model) compute.Sequence {
	tb.Helper()
	s, err := m.Open()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// append steps one sequence and returns the logits of all tokens.
func appendTokens(tb testing.TB, m *model, s compute.Sequence, tokens []int32) []float32 {
	tb.Helper()
	logits := make([]float32, len(tokens)*m.config.vocabulary)
	if err := m.Step(context.Background(), []compute.Work{{Sequence: s, Tokens: tokens, Logits: logits}}); err != nil {
		tb.Fatal(err)
	}
	return logits
}

// tolerance is how far the logits may be off, over their length.
//
// The engines differ in what they round before they multiply. llama.cpp rounds
// queries and the weights of attention to half precision, this unit does not:
// 2⁻¹² of each number, some 1e-3 after two layers. (With that rounding put into
// this unit, for once, F32 models came within 2e-4.) For weights in F16 and BF16
// llama.cpp rounds the activations to these as well. In quantised models both
// round activations to 8 bits: what was 1e-3 before is a whole step of 2⁻⁷ where
// it falls on a boundary, and what follows differs by that.
//
// The first token sees only itself, and attention is exact whatever is rounded:
// there F32 agrees to the accuracy of its sums, or of llama.cpp's table of GELU.
func tolerance(f tensor.Format, position int) float64 {
	switch {
	case f == tensor.F32 && position == 0:
		return 1e-4
	case f == tensor.F32:
		return 2e-3
	case f == tensor.F16:
		return 4e-3
	case f == tensor.BF16:
		return 1.5e-2
	case position == 0:
		return 2e-2
	}
	return 6e-2
}

// All architectures, formats and rotations give llama.cpp's logits.
func TestLogitsAreThoseOfLlama(t *testing.T) {
	goldens, err := parity.Goldens()
	if err != nil {
		t.Fatal(err)
	}
	u := Open(Options{})
	defer u.Close() //nolint:errcheck // nothing is pinned
	for _, c := range parity.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			golden, ok := goldens[c.Name]
			if !ok {
				t.Fatal("there is no record of it; derive golden.json again")
			}
			m := openCase(t, u, &c, compute.Options{})
			defer m.Close() //nolint:errcheck // nothing is pinned
			got := parity.Record(&c, appendTokens(t, m, newSequence(t, m), c.Tokens))
			for i, want := range golden.Logits {
				d, most := got.Logits[i].Distance(&want), tolerance(c.Format, want.Position)
				if d > most {
					t.Errorf("position %d: the logits are %.1e off, and may be %.1e", want.Position, d, most)
				}
			}
		})
	}
}

// All sets of kernels run all formats to about the same logits.
func TestKernelsAgree(t *testing.T) {
	for _, c := range parity.Cases() {
		if c.Name != "llama-"+c.Format.String() {
			continue
		}
		var first []float32
		for _, k := range simd.All() {
			u := Open(Options{Kernels: k})
			m := openCase(t, u, &c, compute.Options{})
			logits := appendTokens(t, m, newSequence(t, m), c.Tokens[:4])
			if err := u.Close(); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = logits
			}
			var square, length float64
			for i, w := range first {
				square += math.Pow(float64(logits[i]-w), 2)
				length += math.Pow(float64(w), 2)
			}
			if d := math.Sqrt(square / length); d > 1e-5 {
				t.Errorf("%s: %s is %.1e off the plain kernels", c.Name, k.Name(), d)
			}
		}
	}
}
