package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/schedule"
)

// begin makes a scheduler of a model, for a test in a bubble.
func begin(tb testing.TB, m *arithmetic, o schedule.Options) *schedule.Scheduler {
	tb.Helper()
	o.Now = time.Now
	s := schedule.New(m, letters{}, o)
	tb.Cleanup(func() {
		s.Close()
		if got := m.FreePages(); got != len(m.pages) || m.open != 0 {
			tb.Errorf("%d of %d pages are free and %d texts open after Close", got, len(m.pages), m.open)
		}
	})
	return s
}

func prompt(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 7))
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(1 + r.IntN(vocabulary-1))
	}
	return p
}

// run runs one request to its end.
func run(s *schedule.Scheduler, r *schedule.Request) (inference.Result, error) {
	t := s.NewTask(r)
	err := s.Run(context.Background(), t, nil)
	return t.Result(), err
}

func TestOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(64)
		m.base = time.Millisecond
		s := begin(t, m, schedule.Options{})
		who := rich("a")
		p := prompt(1, 10)
		var streamed strings.Builder
		task := s.NewTask(&schedule.Request{Account: who, Prompt: p, TokensMax: 20})
		err := s.Run(t.Context(), task, func(d inference.Delta) error { streamed.WriteString(d.Text); return nil })
		got := task.Result()
		want := spell(alone(p, 20))
		if err != nil || got.Text != want || streamed.String() != want {
			t.Fatalf("%q, streamed %q, %v; want %q", got.Text, streamed.String(), err, want)
		}
		if n := len(want); got.Usage.CompletionTokens != n || got.Usage.PromptTokens != 10 {
			t.Errorf("usage %+v", got.Usage)
		}
		ended := uint64(0) // the token that says the end is paid as well
		if got.Reason == inference.ReasonStop {
			ended = 1
		}
		if want := uint64(10+len(want)) + ended; who.spent.Tokens != want {
			t.Errorf("paid %d tokens, want %d", who.spent.Tokens, want)
		}
		again, err := run(s, &schedule.Request{Account: who, Prompt: p, TokensMax: 20})
		if err != nil || again.Text != want || again.Usage.CachedTokens != 8 {
			t.Errorf("again %q %+v %v", again.Text, again.Usage, err)
		}
		other := rich("b")
		other.label = abi.Label{Sources: 1}
		apart, err := run(s, &schedule.Request{Account: other, Prompt: p, TokensMax: 20})
		if err != nil || apart.Text != want || apart.Usage.CachedTokens != 0 {
			t.Errorf("another label %q %+v %v", apart.Text, apart.Usage, err)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, newArithmetic(64), schedule.Options{})
		p := prompt(3, 9)
		whole := spell(alone(p, 50))
		if len(whole) < 6 {
			t.Fatalf("the text %q is too short for this test", whole)
		}
		got, err := run(s, &schedule.Request{Account: rich("a"), Prompt: p, TokensMax: 50, Stop: []string{whole[3:5]}})
		if err != nil || got.Text != whole[:strings.Index(whole, whole[3:5])] || got.StopText != whole[3:5] || got.Reason != inference.ReasonStop {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(8)
		m.base = time.Millisecond
		s := begin(t, m, schedule.Options{QueuedMax: 3, SequencesMax: 1})
		who := rich("a")
		for _, c := range []struct {
			code   string
			prompt []int32
		}{
			{inference.CodeRequest, nil},
			{inference.CodeRequest, []int32{vocabulary}},
			{inference.CodeContext, prompt(1, 256)},
			{inference.CodeMemory, prompt(1, 40)},
		} {
			_, err := run(s, &schedule.Request{Account: who, Prompt: c.prompt})
			var e *inference.Error
			if !errors.As(err, &e) || e.Code != c.code || e.Remedy == "" {
				t.Errorf("%d tokens: %v, want %s", len(c.prompt), err, c.code)
			}
		}
		if _, err := run(s, &schedule.Request{Account: &purse{name: "poor"}, Prompt: prompt(1, 4)}); err == nil || m.steps.Load() != 0 {
			t.Errorf("a prompt that cannot be paid: %v after %d steps", err, m.steps.Load())
		}
		busy := 0
		var wait sync.WaitGroup
		var mu sync.Mutex
		for i := range 10 {
			wait.Go(func() {
				_, err := run(s, &schedule.Request{Account: who, Prompt: prompt(uint64(i), 4), TokensMax: 4})
				var e *inference.Error
				mu.Lock()
				defer mu.Unlock()
				if errors.As(err, &e) && e.Code == inference.CodeBusy {
					busy++
				}
			})
		}
		wait.Wait()
		if busy == 0 {
			t.Error("ten requests fit a queue of three")
		}
		// A text that alone fills the cache ends there.
		got, err := run(s, &schedule.Request{Account: who, Prompt: prompt(2, 31)})
		if err != nil || (got.Reason != inference.ReasonLength && got.Reason != inference.ReasonStop) {
			t.Errorf("%+v %v", got, err)
		}
	})
}

// TestCancel: when a client goes, its work stops within a step, and so does that
// of one whose answers cannot be handed over.
func TestCancel(t *testing.T) {
	for _, stop := range []string{"context", "emit"} {
		t.Run(stop, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newArithmetic(64)
				m.base = time.Millisecond
				s := begin(t, m, schedule.Options{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := prompt(5, 9)
				for len(alone(p, 100)) < 60 { // one that does not end by itself
					p[0]++
				}
				before := int64(0)
				task := s.NewTask(&schedule.Request{Account: rich("a"), Prompt: p, TokensMax: 100})
				err := s.Run(ctx, task, func(inference.Delta) error {
					if before == 0 && m.steps.Load() > 10 {
						before = m.steps.Load()
						if stop == "emit" {
							return errors.New("nobody listens")
						}
						cancel()
					}
					return nil
				})
				after := m.steps.Load()
				time.Sleep(time.Second)
				if stop == "emit" && err == nil || before == 0 || after > before+1 || m.steps.Load() != after {
					t.Errorf("%v; %d steps when the client went, %d when Run returned, %d a second later", err, before, after, m.steps.Load())
				}
				if got := task.Result(); got.Text == "" || got.Usage.CompletionTokens > int(before)+1 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestHammer lets random requests come, be cancelled, run out of time and of
// money, with too few pages for all: what each got is what it would have got
// alone, or a beginning of it.
func TestHammer(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hammer(t, seed) })
		})
	}
}

func hammer(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := newArithmetic([]int{24, 64, 256}[seed%3])
	m.base, m.each = 2*time.Millisecond, 100*time.Microsecond
	m.sequences = 5 + int(seed)
	chance := rand.New(rand.NewPCG(seed, 2)) // the loop's own
	m.before = func([]compute.Work) error {
		if chance.IntN(200) == 0 {
			return compute.ErrFull // as a unit that must copy a page
		}
		return nil
	}
	s := begin(t, m, schedule.Options{StepTokens: 32, SequencesMax: 8, StepGoal: 10 * time.Millisecond})
	accounts := []*purse{rich("a"), rich("b"), rich("c")}
	accounts[1].label = abi.Label{Sources: 2}
	var wait sync.WaitGroup
	var mu sync.Mutex
	reasons := map[inference.Reason]int{}
	for i := range uint64(150) {
		who := accounts[r.IntN(3)]
		if r.IntN(10) == 0 {
			who = &purse{name: "poor", left: inference.Cost{Tokens: uint64(r.IntN(80)), Nanoseconds: 1 << 60, Microjoules: 1}}
		}
		p := append(prompt(uint64(r.IntN(3)), r.IntN(30)), prompt(i, 1+r.IntN(30))...)
		request := &schedule.Request{Account: who, Prompt: p, TokensMax: 1 + r.IntN(30), Priority: r.IntN(3)}
		if r.IntN(8) == 0 {
			request.Deadline = time.Now().Add(time.Duration(r.IntN(400)) * time.Millisecond)
		}
		patience := time.Hour
		if r.IntN(8) == 0 {
			patience = time.Duration(r.IntN(300)) * time.Millisecond
		}
		time.Sleep(time.Duration(r.IntN(8)) * time.Millisecond)
		wait.Go(func() {
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			task := s.NewTask(request)
			err := s.Run(ctx, task, nil)
			got, want := task.Generated(), alone(p, request.TokensMax)
			res := task.Result()
			whole := res.Reason == inference.ReasonStop || res.Reason == inference.ReasonLength && len(p)+request.TokensMax < 4*len(m.pages)
			if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || whole && len(got) != len(want) {
				t.Errorf("request %d (%s): %v, alone %v", i, res.Reason, got, want)
			}
			if spell(got) != res.Text {
				t.Errorf("request %d: %q was given, %q generated", i, res.Text, spell(got))
			}
			var e *inference.Error
			if err != nil && (!errors.As(err, &e) || e.Code == inference.CodeUnit || e.Code == inference.CodeInternal) {
				t.Errorf("request %d: %v", i, err)
			}
			mu.Lock()
			reasons[res.Reason]++
			mu.Unlock()
		})
	}
	wait.Wait()
	got := s.Metrics()
	t.Logf("%v; %d steps, %.1f texts a step, %d preempted, %d aged, cached %d, prefill %d, again %d, decode %d, windows %d, first token p99 %v",
		reasons, got.Steps, float64(got.Works)/float64(got.Steps), got.Preempted, got.Aged, got.CachedTokens,
		got.PrefillTokens, got.RecomputedTokens, got.DecodeTokens, got.Windows, got.FirstToken.Quantile(0.99))
	if seed%3 == 0 && got.Preempted == 0 {
		t.Error("24 pages were enough for all: the test does not press")
	}
	if got.Running != 0 || got.Waiting != 0 {
		t.Errorf("%d run and %d wait after all have ended", got.Running, got.Waiting)
	}
}
