package inference_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	api "phios/api/inference"
	"phios/compute"
	"phios/service/inference"
)

// TestClientsThatVanish: whoever goes, at whatever stage, leaves no page, no
// lease and no goroutine behind; nor does one whose money ends.
func TestClientsThatVanish(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			b := make([]byte, 1<<20)
			t.Errorf("%d goroutines, %d before:\n%s", n, before, b[:runtime.Stack(b, true)])
		}
	})
	s := begin(t, models(t, "one", "two"), inference.Options{Load: compute.Options{ContextTokens: 256, CacheTokens: 1024}})
	gone := errors.New("gone")
	var wait sync.WaitGroup
	for i := range uint64(120) {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(i, 1))
			who := rich()
			if r.IntN(4) == 0 {
				who.left = api.Cost{Tokens: uint64(r.IntN(60)), Nanoseconds: uint64(r.IntN(1e7)), Microjoules: 1 << 40}
			}
			ask := &api.Request{Model: []string{"one", "two"}[r.IntN(2)], Prompt: fmt.Sprint("Number ", i%5, " of a story."), TokensMax: 1 + r.IntN(30)}
			if r.IntN(3) == 0 {
				ask.Constraint = &api.Constraint{Kind: api.ConstraintSchema, Text: fmt.Sprintf(`{"type":"array","maxItems":%d,"items":{"type":"integer"}}`, i%4)}
			}
			if r.IntN(4) == 0 {
				ask.Deadline = time.Now().Add(time.Duration(r.IntN(200)) * time.Millisecond)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Duration(1+r.IntN(400))*time.Millisecond)
			defer stop()
			left := r.IntN(20)
			_, err := s.Generate(ctx, who, ask, func(api.Delta) error {
				if left--; left < 0 {
					return gone
				}
				return nil
			})
			var e *api.Error
			if err != nil && !errors.Is(err, gone) && !errors.As(err, &e) && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	got, err := s.Generate(t.Context(), rich(), &api.Request{Model: "one", Prompt: "And then", TokensMax: 3}, nil)
	if err != nil || got.Usage.CompletionTokens == 0 {
		t.Errorf("after all: %+v %v", got, err)
	}
	for name, m := range s.Metrics().Models {
		if m.Running != 0 || m.Waiting != 0 || m.FreePages+m.IdlePages != 1024/32 {
			t.Errorf("%s: %d run, %d wait, %d pages are free and %d idle", name, m.Running, m.Waiting, m.FreePages, m.IdlePages)
		}
	}
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}
