package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Every part of every job is done once, whoever does it, and all of it before do
// returns; with more threads than processors, too.
func TestPoolDoesEachPartOnce(t *testing.T) {
	var busy atomic.Int64
	for _, threads := range []int{1, 2, 3, 8} {
		p := newPool(threads, &busy)
		done := make([]int, 1000) // no atomics: the race detector sees parts done twice
		for round := range 300 {
			n, grain := round*7%len(done), 1+round%5
			clear(done)
			p.do(n, grain, func(_, lo, hi int) {
				if lo%grain != 0 || hi%grain != 0 && hi != n {
					t.Errorf("a piece [%d, %d) of %d is off the grain %d", lo, hi, n, grain)
				}
				for i := lo; i < hi; i++ {
					done[i]++
				}
			})
			for i, times := range done {
				if want := min(1, max(0, n-i)); times != want {
					t.Fatalf("%d threads: part %d of %d was done %d times", threads, i, n, times)
				}
			}
		}
		p.close()
		p.close()
	}
}

// Threads sleep between jobs that are far apart, wake for the next, and end.
func TestPoolSleepsAndEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	var busy atomic.Int64
	p := newPool(4, &busy)
	asleep := func() (n int) {
		for i := range p.threads {
			if p.threads[i].asleep.Load() {
				n++
			}
		}
		return n
	}
	for range 3 {
		var parts atomic.Int64
		p.do(64, 1, func(_, lo, hi int) { parts.Add(int64(hi - lo)) })
		if parts.Load() != 64 {
			t.Fatalf("%d of 64 parts were done", parts.Load())
		}
		for limit := time.Now().Add(10 * time.Second); asleep() != 3; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d of 3 threads sleep long after the last job", asleep())
			}
		}
	}
	spent := busy.Load()
	time.Sleep(20 * time.Millisecond)
	if now := busy.Load(); now != spent {
		t.Errorf("sleeping threads took %v", time.Duration(now-spent))
	}
	p.close()
	for limit := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines were left behind", runtime.NumGoroutine()-before)
		}
	}
}

// With one processor for all threads, a job ends about as soon as without a
// pool: who waits lets the others run.
func TestPoolSharesOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var busy atomic.Int64
	p := newPool(4, &busy)
	defer p.close()
	begin := time.Now()
	for range 200 {
		p.do(64, 1, func(_, _, _ int) {})
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("200 empty jobs took %v on one processor", took)
	}
}

func BenchmarkPoolJob(b *testing.B) {
	var busy atomic.Int64
	p := newPool(2, &busy)
	defer p.close()
	for b.Loop() {
		p.do(64, 1, func(_, _, _ int) {})
	}
}
