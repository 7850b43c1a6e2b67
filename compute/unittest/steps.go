package unittest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"phios/compute"
)

func greedyTwice(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	var texts [2][]int32
	for i := range texts {
		q := begin(t, m)
		texts[i] = greedy(t, m, q, step(t, m, q, text(m, 2, 9)), 40)
		q.Close()
	}
	if !slices.Equal(texts[0], texts[1]) {
		t.Errorf("the same prompt gave %v and %v", texts[0], texts[1])
	}
}

// chunkedPrefill: a text in pieces of any size is the text in one.
func chunkedPrefill(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	tokens := text(m, 3, 90)
	want := fresh(t, m, tokens)
	for _, chunk := range []int{1, 7, 32, 33, 64, 89} {
		q := begin(t, m)
		var got []float32
		for piece := range slices.Chunk(tokens, chunk) {
			got = step(t, m, q, piece)
		}
		alike(t, "in chunks", got, want, s.able.Tolerance)
		q.Close()
	}
}

// rowsOfLogits: several rows are those of the last tokens, in order, and none
// is wanted of a nil.
func rowsOfLogits(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	tokens, v := text(m, 4, 40), m.Describe().Vocabulary
	rows := make([]float32, 3*v)
	q := begin(t, m)
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: tokens[:20]}}); err != nil {
		t.Fatalf("a step without logits: %v", err)
	}
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: tokens[20:], Logits: rows}}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		alike(t, "a row of three", rows[i*v:(i+1)*v], fresh(t, m, tokens[:38+i]), s.able.Tolerance)
	}
}

// batchAndSingle: texts of different lengths, prefilled and continued together,
// are what they are alone.
func batchAndSingle(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	compareBatch(t, m, s.able.Tolerance)
}

func compareBatch(tb testing.TB, m compute.Stepper, tolerance float64) {
	tb.Helper()
	v := m.Describe().Vocabulary
	var batch []compute.Work
	for i, n := range []int{1, 17, 40, 64, 5} {
		batch = append(batch, compute.Work{Sequence: begin(tb, m), Tokens: text(m, 10+i, n), Logits: make([]float32, v)})
	}
	all := make([][]int32, len(batch))
	for range 4 {
		if err := m.Step(tb.Context(), batch); err != nil {
			tb.Fatal(err)
		}
		for i := range batch {
			all[i] = append(all[i], batch[i].Tokens...)
			alike(tb, "in a batch", batch[i].Logits, fresh(tb, m, all[i]), tolerance)
			batch[i].Tokens = text(m, 20+i, 1+i%2)
		}
	}
}

// deterministic: to the bit, in any batch and with any number of threads.
func deterministic(t *testing.T, s *suite) {
	t.Helper()
	if !s.able.Deterministic {
		m, err := s.unit(t).Load(t.Context(), s.weights, compute.Options{Deterministic: true})
		if err == nil {
			_ = m.Close()
		}
		if !errors.Is(err, compute.ErrUnsupported) {
			t.Errorf("a unit that cannot be deterministic says %v", err)
		}
		return
	}
	one := s.stepper(t, compute.Options{Deterministic: true, Threads: 1})
	two := s.stepper(t, compute.Options{Deterministic: true, Threads: 2})
	compareBatch(t, one, 0)
	compareBatch(t, two, 0)
	tokens := text(one, 5, 70)
	alike(t, "with two threads", fresh(t, two, tokens), fresh(t, one, tokens), 0)
}

// badSteps: works that cannot be done are refused, and leave no trace.
func badSteps(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{})
	leavesNothing(t, m)
	v := m.Describe().Vocabulary
	q, other := begin(t, m), begin(t, m)
	prompt := text(m, 6, 10)
	step(t, m, q, prompt)
	foreign := begin(t, s.stepper(t, compute.Options{}))
	for name, batch := range map[string][]compute.Work{
		"no tokens":          {{Sequence: q}},
		"no sequence":        {{Tokens: []int32{1}}},
		"a negative token":   {{Sequence: q, Tokens: []int32{1, -1}}},
		"a token too large":  {{Sequence: q, Tokens: []int32{int32(v)}}},
		"half a row":         {{Sequence: q, Tokens: []int32{1}, Logits: make([]float32, v/2)}},
		"too many rows":      {{Sequence: q, Tokens: []int32{1}, Logits: make([]float32, 2*v)}},
		"the same twice":     {{Sequence: q, Tokens: []int32{1}}, {Sequence: q, Tokens: []int32{2}}},
		"another model's":    {{Sequence: foreign, Tokens: []int32{1}}},
		"good and then bad":  {{Sequence: other, Tokens: []int32{1}}, {Sequence: q, Tokens: []int32{-5}}},
		"longer than itself": {{Sequence: other, Tokens: []int32{1}}, {Sequence: q, Tokens: make([]int32, m.Describe().ContextTokens)}},
	} {
		if err := m.Step(t.Context(), batch); err == nil {
			t.Errorf("%s: taken", name)
		}
		if q.Len() != 10 || other.Len() != 0 {
			t.Fatalf("%s: the sequences have %d and %d tokens, want 10 and 0", name, q.Len(), other.Len())
		}
	}
	alike(t, "after bad steps", step(t, m, q, []int32{7}), fresh(t, m, append(prompt, 7)), s.able.Tolerance)
	q.Close()
	other.Close()
}

func contextEnds(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{ContextTokens: 48})
	q := begin(t, m)
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: text(m, 7, 49)}}); !errors.Is(err, compute.ErrContext) {
		t.Errorf("49 tokens in a context of 48: %v", err)
	}
	step(t, m, q, text(m, 7, 48))
	if err := m.Step(t.Context(), []compute.Work{{Sequence: q, Tokens: []int32{9}}}); !errors.Is(err, compute.ErrContext) {
		t.Errorf("a token behind a full context: %v", err)
	}
	if q.Len() != 48 {
		t.Errorf("%d tokens after a refusal, want 48", q.Len())
	}
}

// fullAndRecovery: a full cache refuses without a trace, and takes again what
// is given up.
func fullAndRecovery(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{ContextTokens: 128, CacheTokens: 192})
	leavesNothing(t, m)
	p := m.Describe().PageTokens
	first, second := begin(t, m), begin(t, m)
	room := min(128, m.Describe().Pages*p)
	step(t, m, first, text(m, 8, room))
	rest := m.FreePages() * p
	if rest+p > 128 {
		t.Fatalf("%d tokens are free of a cache of 192, with %d in it", rest, room)
	}
	long := text(m, 9, rest+p)
	if err := m.Step(t.Context(), []compute.Work{{Sequence: second, Tokens: long}}); !errors.Is(err, compute.ErrFull) {
		t.Errorf("%d tokens into %d: %v", len(long), rest, err)
	}
	if first.Len() != room || second.Len() != 0 {
		t.Errorf("%d and %d tokens after a refusal, want %d and 0", first.Len(), second.Len(), room)
	}
	if err := first.Trim(room - 2*p); err != nil {
		t.Fatalf("trim: %v", err)
	}
	got := step(t, m, second, long)
	first.Close()
	third := begin(t, m)
	alike(t, "beside another", step(t, m, third, long[:min(len(long), m.FreePages()*p)]), fullWant(t, s, long[:third.Len()]), s.able.Tolerance)
	alike(t, "after the cache was full", got, fullWant(t, s, long), s.able.Tolerance)
	second.Close()
	third.Close()
}

// fullWant computes a text on a model with room.
func fullWant(tb testing.TB, s *suite, tokens []int32) []float32 {
	tb.Helper()
	return fresh(tb, s.stepper(tb, compute.Options{}), tokens)
}

func sequencesEnd(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{SequencesMax: 3})
	a, _, c := begin(t, m), begin(t, m), begin(t, m)
	if q, err := m.Open(); !errors.Is(err, compute.ErrFull) {
		t.Errorf("a fourth sequence of three: %v %v", q, err)
	}
	step(t, m, c, text(m, 1, 3))
	a.Close()
	a.Close() // Again is nothing.
	q := begin(t, m)
	if q.Len() != 0 {
		t.Errorf("a new sequence has %d tokens", q.Len())
	}
}

// cancel: a step that is cancelled leaves the lengths as they were, whether it
// was cancelled before or in the middle.
func cancel(t *testing.T, s *suite) {
	t.Helper()
	m := s.stepper(t, compute.Options{CacheTokens: 4096})
	leavesNothing(t, m)
	a, b := begin(t, m), begin(t, m)
	prompt := text(m, 11, 10)
	step(t, m, a, prompt)
	n := min(m.Describe().ContextTokens-10, 500)
	batch := []compute.Work{{Sequence: a, Tokens: text(m, 12, n)}, {Sequence: b, Tokens: text(m, 13, n)}}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	isCancelled(t, m.Step(ctx, batch))
	for range 20 {
		ctx, stop := context.WithCancel(t.Context())
		go stop()
		err := m.Step(ctx, batch)
		if err == nil { // It was faster.
			if a.Len() != 10+n || b.Len() != n {
				t.Fatalf("%d and %d tokens after a step, want %d and %d", a.Len(), b.Len(), 10+n, n)
			}
			if err := errors.Join(a.Trim(10), b.Trim(0)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		isCancelled(t, err)
		if a.Len() != 10 || b.Len() != 0 {
			t.Fatalf("%d and %d tokens after a step that was cancelled, want 10 and 0", a.Len(), b.Len())
		}
	}
	alike(t, "after cancelled steps", step(t, m, a, []int32{8}), fresh(t, m, append(prompt, 8)), s.able.Tolerance)
	a.Close()
	b.Close()
}

func reportGrows(t *testing.T, s *suite) {
	t.Helper()
	u := s.unit(t)
	m := s.load(t, u, compute.Options{})
	before := u.Report()
	q := begin(t, m)
	step(t, m, q, text(m, 14, 60))
	for i := 0; i < 2000 && u.Report().Busy <= before.Busy; i++ {
		if err := q.Trim(1); err != nil {
			t.Fatal(err)
		}
		step(t, m, q, text(m, 15, 60))
	}
	after := u.Report()
	if after.Busy <= before.Busy || after.Joules <= before.Joules || after.ResidentBytes == 0 || after.Running != 0 {
		t.Errorf("work made %+v of %+v", after, before)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if end := u.Report(); end.Busy < after.Busy || end.Joules < after.Joules {
		t.Errorf("the end of a model made %+v of %+v", end, after)
	}
}

// watched: a unit is described and reported by others while it works.
func watched(t *testing.T, s *suite) {
	t.Helper()
	u := s.unit(t)
	m := s.load(t, u, compute.Options{})
	done := make(chan struct{})
	var watchers sync.WaitGroup
	for range 2 {
		watchers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if u.Describe().Name == "" || m.Describe().Vocabulary == 0 || u.Report().Running < 0 {
						t.Error("a description got lost")
						return
					}
				}
			}
		})
	}
	q := begin(t, m)
	greedy(t, m, q, step(t, m, q, text(m, 16, 5)), 20)
	close(done)
	watchers.Wait()
}
