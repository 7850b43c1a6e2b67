package residency_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/residency"
)

// TestProbes: idle models are probed each minute, busy ones are not, and one
// that makes no token is taken out and named.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		m := begin(t, residency.Options[*resident]{Load: func(_ context.Context, w residency.Want, _ compute.Unit) (*resident, error) {
			return &resident{key: w.Key, sick: &sick}, nil
		}}, 0)
		l, err := m.Acquire(t.Context(), want(1, 10))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := l.Model.probes.Load(); n != 1 {
			t.Errorf("a busy model was probed %d times", n)
		}
		l.Release()
		time.Sleep(5*time.Minute + time.Second)
		if n := l.Model.probes.Load(); n != 6 {
			t.Errorf("%d probes in five idle minutes, and one when it was loaded", n)
		}
		if err := m.Healthy(); err != nil {
			t.Error(err)
		}
		sick.Store(true)
		time.Sleep(2 * time.Minute)
		if got := m.Metrics(); got.Loaded != 0 || got.ProbeFaults != 1 || got.Sick != 1 || m.Healthy() == nil || !l.Model.closed.Load() {
			t.Errorf("%+v %v", got, m.Healthy())
		}
		sick.Store(false)
		if l, err = m.Acquire(t.Context(), want(1, 10)); err != nil || m.Healthy() != nil {
			t.Errorf("%v %v", err, m.Healthy())
		} else {
			l.Release()
		}
	})
}

// TestMeasuredAfterLoad: what a model takes replaces what was guessed, and idle
// ones make room for the difference.
func TestMeasuredAfterLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, residency.Options[*resident]{Load: func(_ context.Context, w residency.Want, _ compute.Unit) (*resident, error) {
			return &resident{key: w.Key, bytes: 2 * w.Bytes}, nil
		}}, 0)
		for i := range 3 {
			l, err := m.Acquire(t.Context(), want(i, 30))
			if err != nil {
				t.Fatal(err)
			}
			l.Release()
			synctest.Wait()
			if b := m.Metrics().Bytes; b != 60 {
				t.Errorf("%d bytes after load %d, want 60 of 100", b, i)
			}
		}
		l, err := m.Acquire(t.Context(), want(7, 80)) // takes 160 of 100: the unit gave it
		if err != nil || m.Metrics().Bytes < 160 {
			t.Fatalf("%v %+v", err, m.Metrics())
		}
		l.Release()
		// With more in use than there is, others are still served.
		next, err := m.Acquire(t.Context(), want(8, 10))
		if err != nil {
			t.Fatal(err)
		}
		next.Release()
	})
}

// TestLoadThatHangs answers who waits, begins no second load beside it, and
// takes the model when it comes after all.
func TestLoadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		m := begin(t, residency.Options[*resident]{LoadMax: time.Minute, Load: func(_ context.Context, w residency.Want, _ compute.Unit) (*resident, error) {
			loads.Add(1)
			time.Sleep(time.Hour) // and does not look at its context
			return &resident{key: w.Key}, nil
		}}, 0)
		var e *inference.Error
		began := time.Now()
		if _, err := m.Acquire(t.Context(), want(1, 10)); !errors.As(err, &e) || e.Code != inference.CodeDeadline || time.Since(began) > 63*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := m.Acquire(t.Context(), want(1, 10)); !errors.As(err, &e) || e.Code != inference.CodeDeadline || loads.Load() != 1 || m.Healthy() == nil {
			t.Errorf("again: %v, %d loads, %v", err, loads.Load(), m.Healthy())
		}
		time.Sleep(time.Hour)
		l, err := m.Acquire(t.Context(), want(1, 10))
		if err != nil || loads.Load() != 1 || m.Healthy() != nil {
			t.Fatalf("after all: %v, %d loads, %v", err, loads.Load(), m.Healthy())
		}
		l.Release()
	})
}

// TestDeadlineTakesNoBusyModel: only patience does.
func TestDeadlineTakesNoBusyModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := begin(t, residency.Options[*resident]{Patience: 20 * time.Second}, time.Second)
		l, err := m.Acquire(t.Context(), want(1, 80))
		if err != nil {
			t.Fatal(err)
		}
		hasty := want(2, 80)
		hasty.Deadline = time.Now().Add(time.Second)
		ctx, stop := context.WithDeadline(t.Context(), hasty.Deadline)
		defer stop()
		if _, err := m.Acquire(ctx, hasty); !errors.Is(err, context.DeadlineExceeded) || l.Model.closed.Load() {
			t.Errorf("%v, closed %v", err, l.Model.closed.Load())
		}
		began := time.Now()
		if other, err := m.Acquire(t.Context(), want(1, 80)); err != nil || time.Since(began) > 0 {
			t.Errorf("the loaded model: %v after %v", err, time.Since(began))
		} else {
			other.Release()
		}
		l.Release()
	})
}
