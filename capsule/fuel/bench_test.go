package fuel_test

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"phios/capsule/fuel"
)

func kernelNames() []string {
	return []string{
		"fib", "sort", "bytes", "bulk", "bits", "mandelbrot", "indirect", "hash",
		"queens", "machine", "sha256", "matrix", "sieve", "lists",
	}
}

func kernels(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/kernels.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkOverhead reports how many times as long each kernel takes when
// metered, by the best of interleaved runs, and the geometric mean of that.
func BenchmarkOverhead(b *testing.B) {
	h := newHost(b)
	h.quantum = 10_000_000
	plain, err := h.plain(b, kernels(b))
	if err != nil {
		b.Fatal(err)
	}
	metered, _, err := h.metered(b, kernels(b))
	if err != nil {
		b.Fatal(err)
	}
	product, n := 0.0, 0
	for _, name := range kernelNames() {
		b.Run(name, func(b *testing.B) {
			fs := [2]api.Function{plain.ExportedFunction(name), metered.ExportedFunction(name)}
			best := [2]time.Duration{math.MaxInt64, math.MaxInt64}
			for b.Loop() {
				for range 5 {
					for i, f := range fs {
						start := time.Now()
						if _, err := f.Call(b.Context()); err != nil {
							b.Fatal(err)
						}
						best[i] = min(best[i], time.Since(start))
					}
				}
			}
			ratio := float64(best[1]) / float64(best[0])
			product, n = product+math.Log(ratio), n+1
			b.ReportMetric(float64(best[0].Microseconds()), "µs-plain")
			b.ReportMetric(ratio, "ratio")
		})
	}
	b.Logf("geometric mean %.3f", math.Exp(product/float64(n)))
}

// BenchmarkRewrite is how long the rewriting itself takes.
func BenchmarkRewrite(b *testing.B) {
	module := goGuest(b)
	b.SetBytes(int64(len(module)))
	for b.Loop() {
		if _, err := fuel.Rewrite(module, fuel.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
