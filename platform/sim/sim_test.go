package sim

import (
	"bytes"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
	"phios/platform/platformtest"
)

func TestConformance(t *testing.T) {
	for seed := range uint64(20) {
		platformtest.Run(t, func(*testing.T) platform.Machine { return New(Config{Seed: seed}) })
	}
}

// rough is a machine on which everything goes wrong at times.
func rough(seed uint64) *Machine {
	return New(Config{Seed: seed, SwitchAtUnpark: seed%2 == 1, Faults: Faults{
		NoMemory: 100, SpuriousWake: 50, DelayedUnpark: 200, EarlyTimeout: 300, LogAppend: 100,
	}})
}

// queue is a small program over the machine's parkers: producers fill it and
// one consumer empties it, with deadlines, as kernel code does.
type queue struct {
	m     *Machine
	items []int
	wait  platform.Parker
	log   *Log
}

func (q *queue) put(item int) {
	q.items = append(q.items, item)
	q.wait.Unpark()
}

func (q *queue) get(deadline int64) (int, bool) {
	for len(q.items) == 0 {
		if !q.wait.Park(deadline) && len(q.items) == 0 {
			return 0, false
		}
	}
	item := q.items[0]
	q.items = q.items[1:]
	_ = q.log.Append([]byte{byte(item)}) // refused at times, as the faults say
	return item, true
}

// runQueue runs three producers and a consumer.
func runQueue(m *Machine) Report {
	q := &queue{m: m, wait: m.NewParker(), log: m.NewLog()}
	const each = 10
	for producer := range 3 {
		m.Go("producer", func() {
			for i := range each {
				q.put(producer*each + i)
				if i%3 == 0 {
					m.Relax()
				}
			}
		})
	}
	var got []int
	m.Go("consumer", func() {
		for len(got) < 3*each {
			if item, ok := q.get(m.Now() + 1000); ok {
				got = append(got, item)
			}
		}
	})
	return m.Run()
}

func TestSeedReplays(t *testing.T) {
	traces := map[string]bool{}
	for seed := range uint64(400) {
		first, second := rough(seed), rough(seed)
		a := runQueue(first)
		b := runQueue(second)
		if !a.OK() || !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: reports %+v and %+v", seed, a, b)
		}
		if !bytes.Equal(first.Trace(), second.Trace()) {
			t.Fatalf("seed %d: two traces:\n%s\nand\n%s", seed, first.Trace(), second.Trace())
		}
		traces[string(first.Trace())] = true
	}
	if len(traces) != 400 {
		t.Fatalf("400 seeds made %d schedules", len(traces))
	}
}

func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(300) {
		m := rough(seed)
		var got []int
		q := &queue{m: m, wait: m.NewParker(), log: m.NewLog()}
		m.Go("producer", func() {
			for i := range 20 {
				q.put(i)
			}
		})
		m.Go("consumer", func() {
			for range 20 {
				item, ok := q.get(0)
				if !ok {
					t.Errorf("seed %d: a wait for ever timed out", seed)
				}
				got = append(got, item)
			}
		})
		if report := m.Run(); !report.OK() {
			t.Fatalf("seed %d: %+v\n%s", seed, report, m.Trace())
		}
		for i, item := range got {
			if i != item {
				t.Fatalf("seed %d: item %d is %d", seed, i, item)
			}
		}
	}
}

func TestDeadlockIsNamed(t *testing.T) {
	before := runtime.NumGoroutine()
	m := New(Config{Seed: 3})
	unwound := 0
	a, b := m.NewParker(), m.NewParker()
	m.Go("alice", func() {
		defer func() { unwound++ }()
		a.Park(0)
		b.Unpark()
	})
	m.Go("bob", func() {
		// What runs while it unwinds must neither hang nor come back.
		defer func() { unwound++ }()
		defer m.Relax()
		defer a.Unpark()
		b.Park(0)
		a.Unpark()
	})
	m.Go("carol", func() { m.Relax() })
	report := m.Run()
	if want := []string{"alice", "bob"}; !reflect.DeepEqual(report.Deadlock, want) {
		t.Fatalf("deadlock of %v, want %v", report.Deadlock, want)
	}
	if unwound != 2 {
		t.Fatalf("%d programs were unwound, want 2", unwound)
	}
	expectGoroutines(t, before)
}

// expectGoroutines fails when goroutines are left; the last needs a moment to
// be gone after it has said so.
func expectGoroutines(t *testing.T, want int) {
	t.Helper()
	for range 1000 {
		if runtime.NumGoroutine() <= want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d goroutines, want %d", runtime.NumGoroutine(), want)
}

func TestPanicIsReported(t *testing.T) {
	m := New(Config{Seed: 4})
	m.Go("waits", func() { m.NewParker().Park(0) })
	m.Go("breaks", func() { invariant.Always(false, "test: broken on purpose") })
	report := m.Run()
	if report.OK() || report.Panic != invariant.Failure("test: broken on purpose") {
		t.Fatalf("%+v", report)
	}
	if !bytes.HasPrefix([]byte(report.PanicOf), []byte("breaks\n")) {
		t.Fatalf("panic of %q", report.PanicOf)
	}
}

// TestUnparkUnderLock wakes a program with a mutex locked that it wants at
// once, which must not stop the machine.
func TestUnparkUnderLock(t *testing.T) {
	for seed := range uint64(50) {
		m := New(Config{Seed: seed})
		p := m.NewParker()
		var mu sync.Mutex
		woken := false
		m.Go("waits", func() {
			p.Park(0)
			mu.Lock()
			defer mu.Unlock()
			woken = true
		})
		m.Go("wakes", func() {
			mu.Lock()
			defer mu.Unlock()
			p.Unpark()
			p.Unpark()
		})
		if report := m.Run(); !report.OK() || !woken {
			t.Fatalf("seed %d: %+v", seed, report)
		}
	}
}

func TestStepsAreBounded(t *testing.T) {
	m := New(Config{Seed: 5, StepsMax: 1000})
	m.Go("spins", func() {
		for {
			m.Relax()
		}
	})
	m.Go("ends", func() {})
	report := m.Run()
	if want := []string{"spins"}; !reflect.DeepEqual(report.Running, want) || report.Steps != 1001 {
		t.Fatalf("%+v", report)
	}
}

func TestProgramsStartPrograms(t *testing.T) {
	m := New(Config{Seed: 6})
	sum := 0
	m.Go("first", func() {
		for i := range 10 {
			m.Go("child", func() { sum += i })
		}
	})
	if report := m.Run(); !report.OK() || sum != 45 {
		t.Fatalf("sum %d, %+v", sum, report)
	}
	m.Go("second run", func() { sum++ })
	if report := m.Run(); !report.OK() || sum != 46 {
		t.Fatalf("sum %d, %+v", sum, report)
	}
	if report := m.Run(); !report.OK() {
		t.Fatalf("a run of nothing: %+v", report)
	}
}

// TestTimeWaitsForAll lets sleepers end in the order of their deadlines, and
// the time jump over what nobody waits for.
func TestTimeWaitsForAll(t *testing.T) {
	m := New(Config{Seed: 7})
	var order []int64
	for _, hours := range []int64{3, 1, 2} {
		m.Go("sleeper", func() {
			deadline := hours * int64(time.Hour)
			for m.NewParker().Park(deadline) {
			}
			if late := m.Now() - deadline; late < 0 || late > 3*lateNSMax {
				t.Errorf("%d ns late", late)
			}
			order = append(order, hours)
		})
	}
	report := m.Run()
	if want := []int64{1, 2, 3}; !reflect.DeepEqual(order, want) || report.Time > 4*int64(time.Hour) {
		t.Fatalf("order %v, %+v", order, report)
	}
}

// TestSchedulesAreAll counts the interleavings of two programs of three steps
// each, of which there are 6 over 3, and finds the lost update.
func TestSchedulesAreAll(t *testing.T) {
	var s Schedules
	orders := map[string]bool{}
	lost := 0
	for again := true; again; again = s.Next() {
		m := New(Config{Chooser: s.Choose})
		var order []byte
		counter := 0
		step := func(name byte) {
			order = append(order, name)
			m.Yield()
		}
		for _, name := range []byte("ab") {
			m.Go(string(name), func() {
				step(name)
				seen := counter
				step(name)
				counter = seen + 1
				order = append(order, name)
			})
		}
		if report := m.Run(); !report.OK() {
			t.Fatalf("%+v", report)
		}
		orders[string(order)] = true
		if counter == 1 {
			lost++
		}
	}
	if len(orders) != 20 {
		t.Fatalf("%d interleavings, want 20", len(orders))
	}
	if lost == 0 || lost == len(orders) {
		t.Fatalf("the lost update shows in %d of %d", lost, len(orders))
	}
}

func TestAlone(t *testing.T) {
	m := New(Config{Seed: 8})
	p := m.NewParker()
	p.Unpark()
	if !p.Park(0) {
		t.Fatal("the token was lost")
	}
	if p.Park(int64(time.Hour)) || m.Now() != int64(time.Hour) {
		t.Fatalf("Park did not move the time to its deadline but to %d", m.Now())
	}
	defer func() {
		if _, broken := recover().(invariant.Failure); !broken {
			t.Fatal("waiting for ever for nobody is no broken invariant")
		}
	}()
	p.Park(0)
}

// TestFaultsHappen asks for each fault and sees that it comes, and that none
// comes without being asked for.
func TestFaultsHappen(t *testing.T) {
	const n = 300
	count := func(faults Faults) (created, appended, spurious int) {
		m := New(Config{Seed: 9, Faults: faults})
		log := m.NewLog()
		base, _ := m.Arena()
		for range n {
			if b, status := m.Create(base, platform.PageBytes, false); status == abi.StatusNoMemory {
				created++
			} else {
				m.Destroy(b, base, platform.PageBytes)
			}
			if log.Append([]byte{1}) == abi.StatusJournal {
				appended++
			}
			if m.NewParker().Park(m.Now() + 10_000) {
				spurious++
			}
		}
		if len(log.Records()) != n-appended {
			t.Fatalf("%d records and %d refused of %d", len(log.Records()), appended, n)
		}
		return created, appended, spurious
	}
	if created, appended, spurious := count(Faults{}); created+appended+spurious != 0 {
		t.Fatalf("faults without chance: %d %d %d", created, appended, spurious)
	}
	created, appended, spurious := count(Faults{NoMemory: 200, LogAppend: 200, SpuriousWake: 200})
	for _, got := range []int{created, appended, spurious} {
		if got < n/10 || got > n/2 {
			t.Fatalf("faults %d %d %d of %d at a chance of one in five", created, appended, spurious, n)
		}
	}
}

// TestTimingFaults sees, over seeds, delayed Unparks lose against deadlines
// and deadlines that are met to the nanosecond, neither of which happens
// without the fault.
func TestTimingFaults(t *testing.T) {
	run := func(seed uint64, faults Faults) (late, exact bool) {
		m := New(Config{Seed: seed, Faults: faults})
		p := m.NewParker()
		m.Go("waits", func() {
			deadline := m.Now() + 5000
			late = !p.Park(deadline)
			if late && !p.Park(0) {
				t.Error("the delayed Unpark was lost")
			}
			deadline = m.Now() + 5000
			p.Park(deadline)
			exact = m.Now() == deadline
		})
		m.Go("wakes", func() { p.Unpark() })
		if report := m.Run(); !report.OK() {
			t.Fatalf("seed %d: %+v", seed, report)
		}
		return late, exact
	}
	lates, exacts := 0, 0
	for seed := range uint64(200) {
		if late, _ := run(seed, Faults{}); late {
			t.Fatalf("seed %d: an Unpark came late without the fault", seed)
		}
		late, exact := run(seed, Faults{DelayedUnpark: 500, EarlyTimeout: 500})
		if late {
			lates++
		}
		if exact {
			exacts++
		}
	}
	if lates < 20 || exacts < 50 {
		t.Fatalf("%d late and %d exact of 200", lates, exacts)
	}
}

func TestMemoryLimits(t *testing.T) {
	m := New(Config{MemoryBytes: 3 * platform.PageBytes, PinBytes: 2 * platform.PageBytes})
	base, _ := m.Arena()
	if _, status := m.Create(base, 4*platform.PageBytes, false); status != abi.StatusNoMemory {
		t.Fatalf("Create over the limit: %v", status)
	}
	if _, status := m.Create(base, 3*platform.PageBytes, false); !status.OK() {
		t.Fatalf("Create at the limit: %v", status)
	}
	if status := m.Pin(base, 3*platform.PageBytes); status != abi.StatusPinLimit {
		t.Fatalf("Pin over the limit: %v", status)
	}
	if status := m.Pin(base, 2*platform.PageBytes); !status.OK() {
		t.Fatalf("Pin at the limit: %v", status)
	}
}

func TestTraceIsBounded(t *testing.T) {
	m := New(Config{Seed: 10})
	m.Go("a program with quite a long name, so that the trace fills up soon", func() {
		for range 20_000 {
			m.Yield()
		}
	})
	m.Run()
	if n := len(m.Trace()); n > TraceBytesMax+64 {
		t.Fatalf("a trace of %d bytes", n)
	}
}

// BenchmarkStep measures a step of the schedule between two programs.
func BenchmarkStep(b *testing.B) {
	m := New(Config{Seed: 11, StepsMax: 1 << 40})
	for range 2 {
		m.Go("p", func() {
			for range b.N / 2 {
				m.Yield()
			}
		})
	}
	m.Run()
}
