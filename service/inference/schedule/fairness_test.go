package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/schedule"
)

// endless returns a prompt whose text does not end by itself for n tokens.
func endless(seed uint64, length, n int) []int32 {
	for ; ; seed += 1000 {
		if p := prompt(seed, length); len(alone(p, n)) == n {
			return p
		}
	}
}

func TestLongPromptDoesNotFreezeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(2048)
		m.context = 4096
		m.base, m.each = 10*time.Millisecond, time.Millisecond
		s := begin(t, m, schedule.Options{})
		var worst time.Duration
		last := time.Now()
		tokens := 0
		emit := func(inference.Delta) error {
			if tokens++; tokens > 1 {
				worst = max(worst, time.Since(last))
			}
			last = time.Now()
			return nil
		}
		var wait sync.WaitGroup
		wait.Go(func() {
			task := s.NewTask(&schedule.Request{Account: rich("a"), Prompt: endless(1, 4, 40), TokensMax: 40})
			if err := s.Run(t.Context(), task, emit); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(30 * time.Millisecond)
		wait.Go(func() {
			// Alone this prompt takes three seconds.
			if _, err := run(s, &schedule.Request{Account: rich("b"), Prompt: prompt(2, 3000), TokensMax: 1}); err != nil {
				t.Error(err)
			}
		})
		wait.Wait()
		t.Logf("worst gap between tokens %v", worst)
		if worst > 300*time.Millisecond {
			t.Errorf("a text stood still for %v while a prompt was read", worst)
		}
	})
}

// flood starts n requests of an account, and tells when each has ended.
func flood(s *schedule.Scheduler, wait *sync.WaitGroup, who *purse, n, priority int, ended func(i int, at time.Time)) {
	for i := range n {
		p := endless(uint64(i), 8, 10)
		wait.Go(func() {
			_, _ = run(s, &schedule.Request{Account: who, Prompt: p, TokensMax: 10, Priority: priority})
			ended(i, time.Now())
		})
	}
	synctest.Wait()
}

func TestFairShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(256)
		m.base = 10 * time.Millisecond
		s := begin(t, m, schedule.Options{SequencesMax: 4})
		began := time.Now()
		var wait sync.WaitGroup
		var mu sync.Mutex
		var many, few time.Duration
		flood(s, &wait, rich("many"), 200, 0, func(_ int, at time.Time) { mu.Lock(); many = max(many, at.Sub(began)); mu.Unlock() })
		time.Sleep(50 * time.Millisecond)
		flood(s, &wait, rich("few"), 5, 0, func(_ int, at time.Time) { mu.Lock(); few = max(few, at.Sub(began)); mu.Unlock() })
		wait.Wait()
		t.Logf("200 of one account ended after %v, 5 of another after %v", many, few)
		if few > many/5 {
			t.Errorf("five requests waited %v behind the two hundred of another account, which took %v", few, many)
		}
	})
}

func TestPriorityAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(256)
		m.base = 10 * time.Millisecond
		s := begin(t, m, schedule.Options{SequencesMax: 2})
		began := time.Now()
		var wait sync.WaitGroup
		var mu sync.Mutex
		var high, low []time.Duration
		flood(s, &wait, rich("a"), 4, 0, func(_ int, at time.Time) { mu.Lock(); low = append(low, at.Sub(began)); mu.Unlock() })
		flood(s, &wait, rich("a"), 100, 5, func(_ int, at time.Time) { mu.Lock(); high = append(high, at.Sub(began)); mu.Unlock() })
		wait.Wait()
		t.Logf("high: first %v, last %v; low: first %v, last %v; preempted %d",
			slices.Min(high), slices.Max(high), slices.Min(low), slices.Max(low), s.Metrics().Preempted)
		if slices.Min(high) > slices.Min(low) {
			t.Error("what is urgent did not go before what ran")
		}
		if slices.Max(low) > slices.Max(high)*3/4 {
			t.Error("what is not urgent starved until all else was done")
		}
	})
}

func TestCancelWithinAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(256)
		m.base = time.Hour // a step that would never end
		s := begin(t, m, schedule.Options{})
		began := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		task := s.NewTask(&schedule.Request{Account: rich("a"), Prompt: prompt(1, 5)})
		if err := s.Run(ctx, task, nil); err != nil || task.Result().Reason != inference.ReasonCancelled {
			t.Errorf("%v %+v", err, task.Result())
		}
		if time.Since(began) > 2*time.Second {
			t.Errorf("it took %v to end a step that nobody wanted", time.Since(began))
		}

		m.base = 10 * time.Millisecond
		broken := errors.New("the pipe is broken")
		task = s.NewTask(&schedule.Request{Account: rich("a"), Prompt: endless(1, 5, 50), TokensMax: 50})
		err := s.Run(t.Context(), task, func(inference.Delta) error { return broken })
		if n := len(task.Generated()); !errors.Is(err, broken) || n > 3 {
			t.Errorf("%v after %d tokens", err, n)
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(256)
		m.base = 10 * time.Millisecond
		joules := 0.0
		m.before = func([]compute.Work) error { joules += 0.5; return nil }
		s := begin(t, m, schedule.Options{Joules: func() float64 { return joules }})
		p := endless(1, 5, 50)
		want := spell(alone(p, 50))
		for _, c := range []struct {
			name string
			left inference.Cost
			text string
		}{
			{"tokens", inference.Cost{Tokens: 5 + 7, Nanoseconds: 1 << 60, Microjoules: 1 << 60}, want[:7]},
			{"time", inference.Cost{Tokens: 1 << 40, Nanoseconds: 90e6, Microjoules: 1 << 60}, want[:9]},
			{"energy", inference.Cost{Tokens: 1 << 40, Nanoseconds: 1 << 60, Microjoules: 2e6}, want[:4]},
		} {
			who := &purse{name: c.name, left: c.left}
			got, err := run(s, &schedule.Request{Account: who, Prompt: p, TokensMax: 50})
			if err != nil || got.Reason != inference.ReasonBudget || got.Text != c.text {
				t.Errorf("%s: %+v %v, want %q", c.name, got, err, c.text)
			}
		}
	})
}

func TestLostUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, steps := newArithmetic(256), 0
		m.base = time.Millisecond
		m.before = func([]compute.Work) error {
			if steps++; steps > 10 {
				return fmt.Errorf("helper: %w", compute.ErrLost)
			}
			return nil
		}
		first := begin(t, m, schedule.Options{})
		p := endless(1, 5, 30)
		task := first.NewTask(&schedule.Request{Account: rich("a"), Prompt: p, TokensMax: 30})
		if err := first.Run(t.Context(), task, nil); !errors.Is(err, compute.ErrLost) || len(task.Generated()) != 10 {
			t.Fatalf("%v after %d tokens", err, len(task.Generated()))
		}
		if _, open := first.Load(); open {
			t.Error("a scheduler of a lost unit takes requests")
		}
		second := begin(t, newArithmetic(256), schedule.Options{})
		if err := second.Run(t.Context(), task, nil); err != nil || task.Result().Text != spell(alone(p, 30)) {
			t.Errorf("%+v %v", task.Result(), err)
		}
	})
}

func TestOneBadTextDoesNotSpoilABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newArithmetic(256)
		m.base = time.Millisecond
		bad := int32(63)
		m.before = func(batch []compute.Work) error {
			for _, w := range batch {
				if slices.Contains(w.Tokens, bad) && len(w.Tokens) > 1 {
					return errors.New("cannot")
				}
			}
			return nil
		}
		s := begin(t, m, schedule.Options{})
		var wait sync.WaitGroup
		for i := range 6 {
			p := slices.DeleteFunc(endless(uint64(i), 8, 12), func(t int32) bool { return t == bad })
			if i == 3 {
				p = append(p, bad, 1)
			}
			wait.Go(func() {
				got, err := run(s, &schedule.Request{Account: rich("a"), Prompt: p, TokensMax: 12})
				if i == 3 && err == nil || i != 3 && (err != nil || got.Text != spell(alone(p, 12))) {
					t.Errorf("request %d: %q %v", i, got.Text, err)
				}
			})
		}
		wait.Wait()
	})
}

// TestWindow measures what the window gains: requests that come half a
// millisecond apart, at a model of long steps, when it is not idle.
func TestWindow(t *testing.T) {
	mean := func(window time.Duration) (first time.Duration, m schedule.Metrics) {
		synctest.Test(t, func(t *testing.T) {
			model := newArithmetic(4096)
			model.base, model.each = 30*time.Millisecond, 10*time.Microsecond
			s := begin(t, model, schedule.Options{WindowMax: window})
			var wait sync.WaitGroup
			var mu sync.Mutex
			for burst := range 30 {
				wait.Go(func() {
					_, _ = run(s, &schedule.Request{Account: rich("a"), Prompt: prompt(uint64(burst), 3), TokensMax: 1})
				})
				time.Sleep(29 * time.Millisecond)
				for i := range 8 {
					time.Sleep(500 * time.Microsecond)
					wait.Go(func() {
						got, _ := run(s, &schedule.Request{Account: rich("a"), Prompt: prompt(uint64(100*burst+i), 8), TokensMax: 1})
						mu.Lock()
						first += got.Usage.FirstToken / 240
						mu.Unlock()
					})
				}
				time.Sleep(200 * time.Millisecond)
			}
			wait.Wait()
			m = s.Metrics()
		})
		return first, m
	}
	without, _ := mean(-1)
	with, m := mean(0)
	t.Logf("mean time to the first token %v without a window, %v with one (%d windows, %d joined)", without, with, m.Windows, m.Joined)
	if with >= without {
		t.Errorf("the window gains nothing: %v with, %v without", with, without)
	}

	synctest.Test(t, func(t *testing.T) {
		model := newArithmetic(64)
		model.base = 30 * time.Millisecond
		s := begin(t, model, schedule.Options{})
		for i := range 5 {
			got, err := run(s, &schedule.Request{Account: rich("a"), Prompt: prompt(uint64(i), 3), TokensMax: 1})
			if err != nil || got.Usage.FirstToken != 30*time.Millisecond {
				t.Errorf("request %d after idleness took %v, a step is 30 ms", i, got.Usage.FirstToken)
			}
			time.Sleep(time.Millisecond)
		}
	})
}
