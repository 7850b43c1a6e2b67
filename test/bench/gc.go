package bench

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"

	"phios/abi"
)

const (
	collectionsCount = 5
	pauseMetric      = "/sched/pauses/total/gc:seconds"
)

var errNoMetric = errors.New("this Go does not say how long its collector pauses")

// gcRows measures what thousands of tasks cost the collector: the longest of a
// few pauses, and the memory of one task.
func gcRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	t := w.boot(1 << 15)
	if w.err != nil {
		return nil, w.err
	}
	before, alive := heapBytes(), 0
	var rows []Row
	for _, tasks := range []int{1000, 10_000} {
		for ; alive < tasks && w.err == nil; alive++ {
			w.do(t, t.budget, abi.TaskCreate, &abi.Args{W: [abi.ArgWords]uint64{taskSlots}})
		}
		if w.err != nil {
			return nil, w.err
		}
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		pause, err := longestPause()
		if err != nil {
			return nil, err
		}
		rows = append(rows, inform(fmt.Sprintf("gc: longest pause of %d collections, %d tasks", collectionsCount, tasks), pause*1e6, unitUS))
	}
	each := float64(heapBytes()-before) / float64(alive)
	runtime.KeepAlive(w)
	return append(rows, inform("gc: memory of a task with 16 slots", each, unitBytes)), nil
}

// heapBytes returns what is alive on the heap.
func heapBytes() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// longestPause collects a few times and returns the upper end of the bucket of
// the longest pause, in seconds.
func longestPause() (float64, error) {
	sample := []metrics.Sample{{Name: pauseMetric}}
	read := func() ([]uint64, []float64, error) {
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
			return nil, nil, errNoMetric
		}
		h := sample[0].Value.Float64Histogram()
		return append([]uint64(nil), h.Counts...), h.Buckets, nil
	}
	before, _, err := read()
	if err != nil {
		return 0, err
	}
	for range collectionsCount {
		runtime.GC()
	}
	after, buckets, err := read()
	if err != nil {
		return 0, err
	}
	for i, count := range slices.Backward(after) {
		if count > before[i] {
			return buckets[i+1], nil
		}
	}
	return 0, nil
}
