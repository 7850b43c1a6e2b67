// Package unittest is what a unit of compute must pass. Whoever writes one
// calls [Run] from a test, with a small model that the unit can run.
//
// The suite asks only what package compute promises: it never looks inside, and
// a unit that cannot do something says so in [Capabilities] and must then
// refuse it, rather than do it by halves.
package unittest

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"phios/compute"
)

// Capabilities are what a unit promises beyond the least.
type Capabilities struct {
	// Deterministic: Options.Deterministic is taken, and with it logits do not
	// depend on the batch, to the bit. Otherwise it must be refused.
	Deterministic bool
	// Export: pages can be exported and imported. Otherwise it must be refused.
	Export bool
	// Tolerance is how much logits may differ between ways to compute the same
	// without Deterministic, as a fraction of the largest.
	Tolerance float64
}

// suite is one run: the unit as it is opened, and the model.
type suite struct {
	open    func() (compute.Unit, error)
	weights compute.Weights
	able    Capabilities
}

// Run runs the suite on units that open makes, each of which is closed. The
// weights are of a small text model with a context of 128 tokens or more and a
// vocabulary of 64 or more, that all of the units can load.
func Run(t *testing.T, open func() (compute.Unit, error), weights compute.Weights, able Capabilities) {
	t.Helper()
	s := &suite{open: open, weights: weights, able: able}
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"describe", describe},
		{"bad weights", badWeights},
		{"close while loaded", closeWhileLoaded},
		{"closed", useClosed},
		{"greedy twice", greedyTwice},
		{"chunked prefill", chunkedPrefill},
		{"rows of logits", rowsOfLogits},
		{"batch and single", batchAndSingle},
		{"deterministic", deterministic},
		{"share and adopt", shareAndAdopt},
		{"trim", trim},
		{"trim what is shared", trimShared},
		{"export and import", exportAndImport},
		{"hostile pages", hostilePages},
		{"bad steps", badSteps},
		{"context", contextEnds},
		{"full and recovery", fullAndRecovery},
		{"sequences", sequencesEnd},
		{"cancel", cancel},
		{"report grows", reportGrows},
		{"watched", watched},
		{"random", random},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// unit opens a unit that is closed with the test.
func (s *suite) unit(tb testing.TB) compute.Unit {
	tb.Helper()
	u, err := s.open()
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := u.Close(); err != nil {
			tb.Errorf("close the unit: %v", err)
		}
	})
	return u
}

// stepper loads the model, with a small cache unless options say otherwise.
func (s *suite) stepper(tb testing.TB, o compute.Options) compute.Stepper {
	tb.Helper()
	return s.load(tb, s.unit(tb), o)
}

// load loads the model on a unit.
func (s *suite) load(tb testing.TB, u compute.Unit, o compute.Options) compute.Stepper {
	tb.Helper()
	if o.CacheTokens == 0 {
		o.CacheTokens = 1024
	}
	m, err := u.Load(tb.Context(), s.weights, o)
	if err != nil {
		tb.Fatalf("load %s: %v", s.weights.Name, err)
	}
	p, ok := m.(compute.Stepper)
	if !ok {
		tb.Fatalf("a %T does not step", m)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("close the model: %v", err)
		}
	})
	return p
}

// text is n tokens that look like no other text's.
func text(m compute.Stepper, seed, n int) []int32 {
	v := m.Describe().Vocabulary
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(5 + (i*i*7+seed*31+i*13)%(v-5))
	}
	tokens[0] = 1
	return tokens
}

// begin opens a sequence that is closed with the test.
func begin(tb testing.TB, m compute.Stepper) compute.Sequence {
	tb.Helper()
	q, err := m.Open()
	if err != nil {
		tb.Fatalf("open a sequence: %v", err)
	}
	tb.Cleanup(q.Close)
	return q
}

// step appends tokens to a sequence and returns the logits of the last.
func step(tb testing.TB, m compute.Stepper, q compute.Sequence, tokens []int32) []float32 {
	tb.Helper()
	logits := make([]float32, m.Describe().Vocabulary)
	before := q.Len()
	if err := m.Step(tb.Context(), []compute.Work{{Sequence: q, Tokens: tokens, Logits: logits}}); err != nil {
		tb.Fatalf("step %d tokens after %d: %v", len(tokens), before, err)
	}
	if q.Len() != before+len(tokens) {
		tb.Fatalf("a sequence of %d tokens has %d after %d more", before, q.Len(), len(tokens))
	}
	return logits
}

// fresh computes a text anew and returns the logits of its last token.
func fresh(tb testing.TB, m compute.Stepper, tokens []int32) []float32 {
	tb.Helper()
	q := begin(tb, m)
	defer q.Close()
	return step(tb, m, q, tokens)
}

// greedy appends n tokens, each the likeliest, and returns them.
func greedy(tb testing.TB, m compute.Stepper, q compute.Sequence, logits []float32, n int) []int32 {
	tb.Helper()
	var tokens []int32
	for range n {
		next := int32(0)
		for i, v := range logits {
			if v > logits[next] {
				next = int32(i)
			}
		}
		tokens = append(tokens, next)
		logits = step(tb, m, q, []int32{next})
	}
	return tokens
}

// alike fails unless two rows of logits are of the same text: to the bit with
// zero tolerance.
func alike(tb testing.TB, what string, got, want []float32, tolerance float64) {
	tb.Helper()
	most, difference := 0.0, 0.0
	for i := range want {
		if math.IsNaN(float64(got[i])) || math.IsNaN(float64(want[i])) {
			tb.Fatalf("%s: logit %d is %v, want %v", what, i, got[i], want[i])
		}
		most = max(most, math.Abs(float64(want[i])))
		difference = max(difference, math.Abs(float64(got[i])-float64(want[i])))
	}
	if most == 0 {
		tb.Fatalf("%s: all logits are zero", what)
	}
	if difference > tolerance*most {
		tb.Errorf("%s: logits differ by %.3g of %.3g, %.3g are allowed", what, difference, most, tolerance*most)
	}
}

// pages are how many a model has free, which a test must leave as they were.
func leavesNothing(tb testing.TB, m compute.Stepper) {
	tb.Helper()
	before := m.FreePages()
	tb.Cleanup(func() {
		if after := m.FreePages(); after != before {
			tb.Errorf("%d pages were free before, %d after", before, after)
		}
	})
}

func describe(t *testing.T, s *suite) {
	t.Helper()
	u := s.unit(t)
	if d := u.Describe(); d.Name == "" || d.Kind == "" || d.Device == "" {
		t.Errorf("the unit does not say what it is: %+v", d)
	}
	m := s.load(t, u, compute.Options{ContextTokens: 96, CacheTokens: 256})
	d := m.Describe()
	if d.Architecture == "" || d.Parameters <= 0 || d.Vocabulary < 64 || d.Width <= 0 {
		t.Errorf("the model does not say what it is: %+v", d)
	}
	if d.ContextTokens != 96 {
		t.Errorf("a context of %d tokens, 96 were asked for", d.ContextTokens)
	}
	if d.PageTokens <= 0 || d.Pages*d.PageTokens > 256+d.PageTokens || d.Pages*d.PageTokens < 256-d.PageTokens || d.PageBytes == 0 {
		t.Errorf("%d pages of %d tokens and %d bytes; a cache of 256 tokens was asked for", d.Pages, d.PageTokens, d.PageBytes)
	}
	if m.FreePages() != d.Pages {
		t.Errorf("%d of %d pages are free at the start", m.FreePages(), d.Pages)
	}
	if again := s.load(t, u, compute.Options{ContextTokens: 96, CacheTokens: 256}).Describe(); again != d {
		t.Errorf("the same model is described as %+v and %+v", d, again)
	}
}

// badWeights: what is not a model is refused, and the unit lives.
func badWeights(t *testing.T, s *suite) {
	t.Helper()
	u := s.unit(t)
	whole := s.weights.Bytes
	for name, b := range map[string][]byte{
		"empty":     {},
		"text":      []byte("this is not a model"),
		"header":    whole[:min(8, len(whole))],
		"metadata":  whole[:min(600, len(whole))],
		"truncated": whole[:len(whole)/2],
		"counts":    slices.Concat(whole[:8], slices.Repeat([]byte{0xff}, 16), whole[24:min(4096, len(whole))]),
	} {
		w := file(t, b)
		m, err := u.Load(t.Context(), w, compute.Options{})
		if err == nil {
			_ = m.Close()
			t.Errorf("weights that are %s were loaded", name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if m, err := u.Load(ctx, s.weights, compute.Options{}); err == nil {
		_ = m.Close()
		t.Error("a load that was cancelled before loaded")
	}
	fresh(t, s.load(t, u, compute.Options{}), []int32{1, 2, 3})
}

func closeWhileLoaded(t *testing.T, s *suite) {
	t.Helper()
	u, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.load(t, u, compute.Options{}), s.load(t, u, compute.Options{})
	want := fresh(t, second, text(second, 1, 20))
	if err := first.Close(); err != nil {
		t.Errorf("close one model of two: %v", err)
	}
	alike(t, "after the other was closed", fresh(t, second, text(second, 1, 20)), want, s.able.Tolerance)
	if err := u.Close(); err != nil {
		t.Errorf("close the unit with a model: %v", err)
	}
	if m, err := u.Load(t.Context(), s.weights, compute.Options{}); err == nil {
		_ = m.Close()
		t.Error("a unit that was closed has loaded")
	}
	_, _ = u.Describe(), u.Report()
}

// useClosed: what was closed refuses, and does not crash.
func useClosed(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	q := begin(t, m)
	step(t, m, q, text(m, 1, 3))
	other := begin(t, m)
	other.Close()
	if err := m.Step(t.Context(), []compute.Work{{Sequence: other, Tokens: []int32{1}}}); err == nil {
		t.Error("a sequence that was closed took a token")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{1}}}); err == nil {
		t.Error("a model that was closed has stepped")
	}
	if _, err := m.Open(); err == nil {
		t.Error("a model that was closed opened a sequence")
	}
	if err := m.Export(0, io.Discard); err == nil {
		t.Error("a model that was closed exported a page")
	}
	q.Close()
	if err := m.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// isCancelled fails unless an error is that of a context.
func isCancelled(tb testing.TB, err error) {
	tb.Helper()
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		tb.Errorf("a step that was cancelled says %v", err)
	}
}
