package host

import (
	"sync"
	"testing"
	"time"
)

// TestHammerParker lets several goroutines unpark one that waits, with and
// without deadlines, and sees that no item is ever left with nobody awake.
func TestHammerParker(t *testing.T) {
	m := open(t, Config{})
	const producers, each = 4, 3000
	p := m.NewParker()
	var mu sync.Mutex
	items := 0
	for range producers {
		go func() {
			for range each {
				mu.Lock()
				items++
				mu.Unlock()
				p.Unpark()
			}
		}()
	}
	for taken, round := 0, 0; taken < producers*each; round++ {
		mu.Lock()
		taken += items
		items = 0
		mu.Unlock()
		if taken == producers*each {
			break
		}
		deadline := int64(0)
		if round%2 == 1 {
			deadline = m.Now() + int64(round%50)*1000
		}
		p.Park(deadline)
	}
}

// TestParkSleeps sees that a Park which waits long is woken from its sleep.
func TestParkSleeps(t *testing.T) {
	m := open(t, Config{})
	p := m.NewParker()
	for _, deadline := range []int64{0, m.Now() + int64(time.Hour)} {
		time.AfterFunc(5*time.Millisecond, p.Unpark)
		before := m.Now()
		if !p.Park(deadline) {
			t.Fatal("timed out")
		}
		if took := m.Now() - before; took < int64(time.Millisecond) {
			t.Fatalf("slept %d ns of some 5 ms", took)
		}
	}
}

func TestParkerAllocs(t *testing.T) {
	m := open(t, Config{})
	p := m.NewParker()
	p.Park(m.Now() + 1000) // makes the timer
	if n := testing.AllocsPerRun(200, func() {
		p.Unpark()
		p.Park(0)
		p.Park(m.Now() + 100_000)
		m.Relax()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkUnparkNobody(b *testing.B) {
	p := open(b, Config{}).NewParker()
	for b.Loop() {
		p.Unpark()
	}
}

func BenchmarkUnparkPark(b *testing.B) {
	p := open(b, Config{}).NewParker()
	for b.Loop() {
		p.Unpark()
		p.Park(0)
	}
}

// BenchmarkHandOver measures a round trip between two goroutines.
func BenchmarkHandOver(b *testing.B) {
	m := open(b, Config{})
	here, there := m.NewParker(), m.NewParker()
	go func() {
		for there.Park(0) {
			here.Unpark()
		}
	}()
	for b.Loop() {
		there.Unpark()
		here.Park(0)
	}
}

func BenchmarkNow(b *testing.B) {
	m := open(b, Config{})
	for b.Loop() {
		m.Now()
	}
}
