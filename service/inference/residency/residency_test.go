package residency_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/residency"
)

// place is a unit that is only described here: what runs on it is below.
type place struct{ about compute.Description }

func (p place) Describe() compute.Description { return p.about }
func (p place) Report() compute.Report        { return compute.Report{} }
func (p place) Close() error                  { return nil }
func (p place) Load(context.Context, compute.Weights, compute.Options) (compute.Model, error) {
	return nil, errors.New("the manager loads through its option")
}

// resident is a model that does one request after the other, each in a time.
type resident struct {
	key    residency.Key
	closed atomic.Bool
	sick   *atomic.Bool
	bytes  uint64 // zero is as estimated
	probes atomic.Int64
}

func (r *resident) Bytes() uint64 { return r.bytes }
func (r *resident) Close()        { r.closed.Store(true) }
func (r *resident) Probe(context.Context) error {
	r.probes.Add(1)
	if r.sick != nil && r.sick.Load() {
		return errors.New("no token")
	}
	return nil
}

func key(i int) residency.Key { return residency.Key{Digest: [32]byte{byte(i)}} }

func want(i int, bytes uint64) residency.Want {
	return residency.Want{Key: key(i), Name: fmt.Sprint("model", i), Bytes: bytes}
}

type manager = residency.Manager[*resident]

func begin(tb testing.TB, o residency.Options[*resident], load time.Duration, units ...compute.Description) *manager {
	tb.Helper()
	if len(units) == 0 {
		units = []compute.Description{{Name: "cpu", Kind: compute.KindCPU, MemoryBytes: 100}}
	}
	var list []compute.Unit
	for _, u := range units {
		list = append(list, place{u})
	}
	o.Now = time.Now
	if o.Load == nil {
		o.Load = func(ctx context.Context, w residency.Want, _ compute.Unit) (*resident, error) {
			select {
			case <-time.After(load):
				return &resident{key: w.Key}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	m := residency.New(list, o)
	tb.Cleanup(func() {
		m.Close()
		if got := m.Metrics(); got.Bytes != 0 || got.Loaded != 0 {
			tb.Errorf("%d bytes of %d models after Close", got.Bytes, got.Loaded)
		}
	})
	return m
}

func TestLoadedDoesNotWaitForALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		m := begin(t, residency.Options[*resident]{Load: func(ctx context.Context, w residency.Want, _ compute.Unit) (*resident, error) {
			loads.Add(1)
			if w.Key == key(2) {
				time.Sleep(time.Minute)
			}
			time.Sleep(time.Second)
			return &resident{key: w.Key}, nil
		}}, 0)
		first, err := m.Acquire(t.Context(), want(1, 10))
		if err != nil {
			t.Fatal(err)
		}
		first.Release()
		var wait sync.WaitGroup
		for range 20 { // one load for all
			wait.Go(func() {
				l, err := m.Acquire(t.Context(), want(2, 10))
				if err != nil || l.Model.key != key(2) {
					t.Error(err)
					return
				}
				l.Release()
			})
		}
		synctest.Wait()
		began := time.Now()
		again, err := m.Acquire(t.Context(), want(1, 10))
		if err != nil || time.Since(began) != 0 {
			t.Errorf("a loaded model took %v, %v", time.Since(began), err)
		}
		again.Release()
		wait.Wait()
		if loads.Load() != 2 {
			t.Errorf("%d loads, want 2", loads.Load())
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loaded, most atomic.Int64
		m := begin(t, residency.Options[*resident]{}, time.Second)
		_, err := m.Acquire(t.Context(), want(9, 101))
		var e *inference.Error
		if !errors.As(err, &e) || e.Code != inference.CodeMemory {
			t.Errorf("101 bytes in 100: %v", err)
		}
		var wait sync.WaitGroup
		for i := range 40 {
			wait.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				l, err := m.Acquire(t.Context(), want(i%5, 40))
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), loaded.Add(1)))
				if l.Model.closed.Load() {
					t.Error("a closed model was leased")
				}
				if b := m.Metrics().Bytes; b > 100 {
					t.Errorf("%d bytes of 100", b)
				}
				time.Sleep(50 * time.Millisecond)
				loaded.Add(-1)
				l.Release()
			})
		}
		wait.Wait()
		l, err := m.Acquire(t.Context(), want(1, 80))
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		m.Pin(key(1), true)
		_, err = m.Acquire(t.Context(), want(2, 40))
		if !errors.As(err, &e) || e.Code != inference.CodeMemory {
			t.Errorf("beside a pinned model: %v", err)
		}
	})
}

func TestOneCopyServesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, residency.Options[*resident]{}, time.Second,
			compute.Description{Name: "exact", Deterministic: true}, compute.Description{Name: "loose"})
		for _, unit := range []string{"exact", "loose"} {
			for _, deterministic := range []bool{false, true, false} {
				w := want(1, 10)
				w.Key.Deterministic = deterministic
				w.Constraints.Unit = unit
				l, err := m.Acquire(t.Context(), w)
				if err != nil || unit == "loose" && deterministic && !l.Model.key.Deterministic {
					t.Fatalf("%s: %v", unit, err)
				}
				l.Release()
			}
		}
		if n := m.Metrics().Loads; n != 3 { // one on exact; one of each way on loose
			t.Errorf("%d loads, want 3", n)
		}
	})
}

func TestSelect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, residency.Options[*resident]{}, time.Second,
			compute.Description{Name: "cpu", Kind: compute.KindCPU, BytesPerSecond: 30e9, Architectures: []string{"llama"}},
			compute.Description{Name: "gpu", Kind: compute.KindGPU, BytesPerSecond: 900e9, MemoryBytes: 8 << 30},
			compute.Description{Name: "cloud", Kind: compute.KindRemote, BytesPerSecond: 9000e9})
		for _, c := range []struct {
			want residency.Want
			unit string
		}{
			{residency.Want{Bytes: 1 << 30, Constraints: inference.Constraints{Local: true}}, "gpu"},
			{residency.Want{Bytes: 1 << 30}, "cloud"},
			{residency.Want{Bytes: 16 << 30, Constraints: inference.Constraints{Local: true}}, "cpu"},
			{residency.Want{Bytes: 1 << 30, Constraints: inference.Constraints{Kind: "cpu"}}, "cpu"},
			{residency.Want{Bytes: 1 << 30, Constraints: inference.Constraints{Unit: "gpu"}}, "gpu"},
			{residency.Want{Bytes: 1 << 30, Architecture: "mamba", Constraints: inference.Constraints{Kind: "cpu"}}, ""},
			{residency.Want{Bytes: 64 << 30, Constraints: inference.Constraints{Local: true, Latency: time.Second}}, ""},
		} {
			got, err := m.Select(c.want)
			if got.Unit.Name != c.unit || (err == nil) != (c.unit != "") {
				t.Errorf("%+v: %q %v, want %q", c.want.Constraints, got.Unit.Name, err, c.unit)
			}
		}
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		tries := map[string]int{}
		m := begin(t, residency.Options[*resident]{LoadMax: time.Minute, Load: func(ctx context.Context, w residency.Want, u compute.Unit) (*resident, error) {
			tries[u.Describe().Name]++
			switch {
			case w.Key == key(1) && u.Describe().Name == "fast":
				return nil, fmt.Errorf("no kernel: %w", compute.ErrUnsupported)
			case w.Key == key(2):
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &resident{key: w.Key, sick: &sick}, nil
		}}, 0, compute.Description{Name: "fast", BytesPerSecond: 1e12}, compute.Description{Name: "slow", BytesPerSecond: 1e9})
		l, err := m.Acquire(t.Context(), want(1, 1<<20))
		if err != nil || l.About.Name != "slow" {
			t.Fatalf("%v", err)
		}
		began := time.Now()
		_, err = m.Acquire(t.Context(), want(2, 1<<20))
		var e *inference.Error
		if !errors.As(err, &e) || e.Code != inference.CodeDeadline || time.Since(began) != time.Minute {
			t.Errorf("a load that hangs: %v after %v", err, time.Since(began))
		}
		l.Lost()
		l, err = m.Acquire(t.Context(), want(1, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		sick.Store(true)
		if m.Health(t.Context()) == nil {
			t.Error("a sick model is called healthy")
		}
		synctest.Wait()
		if n := m.Metrics().Loaded; n != 0 {
			t.Errorf("%d models are loaded after none could make a token", n)
		}
		_, err = m.Acquire(t.Context(), want(3, 1))
		if err == nil {
			t.Error("a model that makes no token was leased")
		}
	})
}

// agents is a load of agents that ask one of two models after the other, think,
// and ask again. It returns the swaps and the times to the first token.
func agents(t *testing.T, o residency.Options[*resident]) (swaps uint64, first []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const load, answer = 3 * time.Second, 80 * time.Millisecond
		m := begin(t, o, load)
		var mu sync.Mutex
		busy := map[residency.Key]chan struct{}{key(1): make(chan struct{}, 4), key(2): make(chan struct{}, 4)}
		var wait sync.WaitGroup
		for agent := range 16 {
			r := rand.New(rand.NewPCG(uint64(agent), 3))
			wait.Go(func() {
				for range 40 {
					time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
					k := 1 + r.IntN(2)
					began := time.Now()
					l, err := m.Acquire(t.Context(), want(k, 80))
					if err != nil {
						t.Error(err)
						return
					}
					busy[key(k)] <- struct{}{} // four run at once
					mu.Lock()
					first = append(first, time.Since(began))
					mu.Unlock()
					time.Sleep(answer)
					<-busy[key(k)]
					l.Release()
				}
			})
		}
		wait.Wait()
		swaps = m.Metrics().Swaps
	})
	slices.Sort(first)
	return swaps, first
}

// TestSwaps: two models, memory for one, interleaved agents.
func TestSwaps(t *testing.T) {
	fifo, before := agents(t, residency.Options[*resident]{FIFO: true})
	ours, after := agents(t, residency.Options[*resident]{})
	at := func(d []time.Duration, q float64) time.Duration {
		return d[int(q*float64(len(d)-1))].Round(time.Millisecond)
	}
	t.Logf("in order of arrival: %d swaps, time to first token p50 %v p99 %v max %v", fifo, at(before, 0.5), at(before, 0.99), at(before, 1))
	t.Logf("by model:            %d swaps, time to first token p50 %v p99 %v max %v", ours, at(after, 0.5), at(after, 0.99), at(after, 1))
	if ours*5 > fifo {
		t.Errorf("%d swaps, want at most a fifth of the %d in order of arrival", ours, fifo)
	}
	if at(after, 1) > at(before, 1) {
		t.Errorf("the longest wait grew from %v to %v", at(before, 1), at(after, 1))
	}
}

// TestNobodyStarves: a model that is never idle gives way in bounded time, also
// when what it does would never end.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, residency.Options[*resident]{Patience: 5 * time.Second}, time.Second)
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for i := range 4 {
			wait.Go(func() {
				for ctx.Err() == nil {
					l, err := m.Acquire(ctx, want(1, 80))
					if err != nil {
						return
					}
					for range 20 { // each answer takes 20 s, one never ends
						time.Sleep(time.Second)
						if l.Model.closed.Load() {
							break
						}
					}
					for i == 0 && ctx.Err() == nil && !l.Model.closed.Load() {
						time.Sleep(time.Second)
					}
					l.Release()
				}
			})
		}
		time.Sleep(3 * time.Second)
		began := time.Now()
		l, err := m.Acquire(ctx, want(2, 80))
		if took := time.Since(began); err != nil || took > 12*time.Second {
			t.Errorf("%v after %v; patience is 5 s twice, a load 1 s", err, took)
		} else {
			l.Release()
		}
		stop()
		wait.Wait()
	})
}
