package inference_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	api "phios/api/inference"
	"phios/compute"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/service/inference"
	"phios/service/inference/registry"
)

// BenchmarkStreams measures tokens a second of one and of sixteen streams at
// once, through the whole service, of a model with the shapes of SmolLM-135M.
func BenchmarkStreams(b *testing.B) {
	spec, err := generate.Preset("135m", tensor.Q8_0, 1)
	if err != nil {
		b.Fatal(err)
	}
	at := filepath.Join(b.TempDir(), "135m.gguf")
	f, err := os.Create(at)
	if err != nil {
		b.Fatal(err)
	}
	if err := generate.Model(f, spec); err != nil {
		b.Fatal(err)
	}
	_ = f.Close()
	r := models(b)
	if _, err := r.Add(b.Context(), at, registry.Adding{}); err != nil {
		b.Fatal(err)
	}
	s := begin(b, r, inference.Options{Load: compute.Options{ContextTokens: 512, CacheTokens: 8192}})
	ask := func(i int) int {
		got, err := s.Generate(b.Context(), rich(), &api.Request{
			Prompt: fmt.Sprintf("Stream %d.", i), TokensMax: 32, Sampling: api.Sampling{Temperature: 0.8, Seed: uint64(i), Seeded: true},
		}, nil)
		if err != nil {
			b.Error(err)
		}
		return got.Usage.CompletionTokens
	}
	ask(0)
	for _, streams := range []int{1, 16} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			tokens, began := 0, time.Now()
			var mu sync.Mutex
			for b.Loop() {
				var wait sync.WaitGroup
				for i := range streams {
					wait.Go(func() {
						n := ask(i)
						mu.Lock()
						tokens += n
						mu.Unlock()
					})
				}
				wait.Wait()
			}
			b.ReportMetric(float64(tokens)/time.Since(began).Seconds(), "tokens/s")
		})
	}
	for name, m := range s.Metrics().Models {
		b.Logf("%s: %d steps, %.1f texts a step, first token p50 %v p99 %v", name, m.Steps, float64(m.Works)/float64(m.Steps),
			m.FirstToken.Quantile(0.5), m.FirstToken.Quantile(0.99))
	}
}
