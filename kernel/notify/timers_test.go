package notify

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"phios/abi"
)

func mustTimers(tb testing.TB, capacity int) *Timers {
	tb.Helper()
	t, s := NewTimers(capacity)
	if s != abi.StatusOK {
		tb.Fatalf("NewTimers(%d) = %v", capacity, s)
	}
	return t
}

func mustAdd(tb testing.TB, t *Timers, n *Notification, bits uint64) TimerID {
	tb.Helper()
	id, s := t.Add(n, bits)
	if s != abi.StatusOK {
		tb.Fatalf("Add = %v", s)
	}
	return id
}

func TestTimersTable(t *testing.T) {
	for _, capacity := range []int{-1, 0, TimersMax + 1} {
		if _, s := NewTimers(capacity); s != abi.StatusBadArgument {
			t.Errorf("NewTimers(%d) = %v", capacity, s)
		}
	}
	var n Notification
	table := mustTimers(t, TimersMax)
	ids := make([]TimerID, TimersMax)
	for i := range ids {
		ids[i] = mustAdd(t, table, &n, 1)
		if s := table.Arm(ids[i], int64(TimersMax-i), 0); s != abi.StatusOK {
			t.Fatalf("Arm = %v", s)
		}
	}
	if _, s := table.Add(&n, 1); s != abi.StatusLimit {
		t.Errorf("one too many = %v", s)
	}
	if fired, next := table.Fire(TimersMax, TimersMax); fired != TimersMax || next != 0 {
		t.Errorf("Fire = %d, %d", fired, next)
	}
	if s := table.Remove(ids[7]); s != abi.StatusOK {
		t.Errorf("Remove = %v", s)
	}
	again := mustAdd(t, table, &n, 1)
	if again == ids[7] {
		t.Error("a timer's number came back")
	}
	for _, id := range []TimerID{0, ids[7], again + 1<<timerIndexBits, ^TimerID(0)} {
		_, overruns := table.Overruns(id)
		for name, s := range map[string]abi.Status{
			"Arm": table.Arm(id, 1, 0), "Cancel": table.Cancel(id), "Remove": table.Remove(id), "Overruns": overruns,
		} {
			if s != abi.StatusBadArgument {
				t.Errorf("%s of a timer that is not there (%#x) = %v", name, id, s)
			}
		}
	}
}

func TestArm(t *testing.T) {
	var n Notification
	table := mustTimers(t, 4)
	if _, s := table.Add(nil, 1); s != abi.StatusBadArgument {
		t.Errorf("Add without a notification = %v", s)
	}
	if _, s := table.Add(&n, 0); s != abi.StatusBadArgument {
		t.Errorf("Add without bits = %v", s)
	}
	a, b := mustAdd(t, table, &n, 1), mustAdd(t, table, &n, 2)
	if table.Arm(a, 0, 0) != abi.StatusBadArgument || table.Arm(a, 1, -1) != abi.StatusBadArgument || table.Next() != 0 {
		t.Error("a refused Arm left a trace")
	}
	if s := table.Cancel(a); s != abi.StatusState {
		t.Errorf("Cancel of what is not armed = %v", s)
	}
	_ = table.Arm(a, 100, 0)
	_ = table.Arm(b, 50, 0)
	if table.Next() != 50 {
		t.Errorf("Next = %d", table.Next())
	}
	_ = table.Arm(b, 200, 0)
	if fired, next := table.Fire(99, 9); fired != 0 || next != 100 || n.Pending() != 0 {
		t.Errorf("a timer fired before its time: %d, %d", fired, next)
	}
	if fired, next := table.Fire(100, 9); fired != 1 || next != 200 || n.Poll(3) != 1 {
		t.Errorf("Fire = %d, %d", fired, next)
	}
	if s := table.Cancel(b); s != abi.StatusOK {
		t.Errorf("Cancel = %v", s)
	}
	if fired, next := table.Fire(math.MaxInt64, 9); fired != 0 || next != 0 || n.Pending() != 0 {
		t.Errorf("a cancelled timer fired: %d, %d", fired, next)
	}
	_ = table.Arm(a, 1, 1)
	_ = table.Remove(a)
	if fired, _ := table.Fire(10, 9); fired != 0 {
		t.Error("a removed timer fired")
	}
}

func TestFireIsBounded(t *testing.T) {
	var n Notification
	table := mustTimers(t, 8)
	for i := range 8 {
		_ = table.Arm(mustAdd(t, table, &n, 1<<i), int64(8-i), 0)
	}
	fired, next := table.Fire(100, 3)
	if fired != 3 || next != 4 || n.Poll(255) != 0b11100000 {
		t.Errorf("Fire of three = %d, %d", fired, next)
	}
	if fired, next = table.Fire(100, 100); fired != 5 || next != 0 || n.Poll(255) != 0b11111 {
		t.Errorf("Fire of the rest = %d, %d", fired, next)
	}
}

func TestPeriodic(t *testing.T) {
	var n Notification
	table := mustTimers(t, 1)
	id := mustAdd(t, table, &n, 1)
	_ = table.Arm(id, 100, 10)
	for _, c := range []struct {
		now      int64
		fired    int
		next     int64
		overruns uint64
	}{
		{99, 0, 100, 0},
		{100, 1, 110, 0},
		{113, 1, 120, 0}, // late, but the next is not shifted
		{119, 0, 120, 0},
		{1_000_005, 1, 1_000_010, 99_988}, // a long sleep: one signal
		{1_000_005, 0, 1_000_010, 99_988},
		{1_000_010, 1, 1_000_020, 99_988},
	} {
		fired, next := table.Fire(c.now, 100)
		overruns, _ := table.Overruns(id)
		if fired != c.fired || next != c.next || overruns != c.overruns {
			t.Errorf("at %d: fired %d, next %d, overruns %d; want %+v", c.now, fired, next, overruns, c)
		}
	}
	_ = table.Arm(id, 1, math.MaxInt64)
	if overruns, _ := table.Overruns(id); overruns != 0 {
		t.Error("Arm keeps old overruns")
	}
	if fired, next := table.Fire(1, 1); fired != 1 || next != 0 {
		t.Errorf("a time beyond the clock: fired %d, next %d", fired, next)
	}
}

// TestTimersModel runs random operations against a list that is searched from
// end to end.
func TestTimersModel(t *testing.T) {
	type entry struct {
		id         TimerID
		bits       uint64
		at, period int64
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var n Notification
		table := mustTimers(t, 16)
		var model []entry
		for i := range 16 {
			model = append(model, entry{id: mustAdd(t, table, &n, 1<<i), bits: 1 << i})
		}
		now := int64(0)
		for range 300 {
			e := &model[r.IntN(len(model))]
			switch r.IntN(4) {
			case 0, 1:
				e.at, e.period = now+1+r.Int64N(50), r.Int64N(2)*(1+r.Int64N(20))
				_ = table.Arm(e.id, e.at, e.period)
			case 2:
				if want := e.at != 0; (table.Cancel(e.id) == abi.StatusOK) != want {
					t.Fatalf("Cancel disagrees: want %t", want)
				}
				e.at = 0
			case 3:
				now += r.Int64N(40)
				limit := 1 + r.IntN(16)
				var want uint64
				due := 0
				order := slices.Clone(model)
				slices.SortStableFunc(order, func(a, b entry) int { return int(a.at - b.at) })
				for _, o := range order {
					if o.at == 0 || o.at > now || due == limit {
						continue
					}
					due++
					want |= o.bits
					m := &model[slices.IndexFunc(model, func(x entry) bool { return x.id == o.id })]
					for m.at <= now && m.period != 0 {
						m.at += m.period
					}
					if m.period == 0 {
						m.at = 0
					}
				}
				next := int64(0)
				for _, m := range model {
					if m.at != 0 && (next == 0 || m.at < next) {
						next = m.at
					}
				}
				fired, gotNext := table.Fire(now, limit)
				if got := n.Poll(^uint64(0)); fired != due || got != want || gotNext != next {
					t.Fatalf("Fire(%d, %d) = %d, %d with bits %#x; want %d, %d, %#x", now, limit, fired, gotNext, got, due, next, want)
				}
			}
		}
	}
}

// TestHammerTimers arms and cancels while the platform fires: after Cancel has
// returned, nothing is signalled any more.
func TestHammerTimers(t *testing.T) {
	table := mustTimers(t, 8)
	stop := make(chan struct{})
	var platform, users sync.WaitGroup
	platform.Go(func() {
		for now := int64(1); ; now++ {
			select {
			case <-stop:
				return
			default:
				table.Fire(now, 4)
			}
		}
	})
	for range 4 {
		users.Go(func() {
			var n Notification
			for i := range int64(2000) {
				id, s := table.Add(&n, 1)
				if s != abi.StatusOK {
					t.Errorf("Add = %v", s)
					return
				}
				_ = table.Arm(id, 1, 1+i%3)
				table.Next()
				if i%2 == 0 {
					_ = table.Cancel(id)
				} else {
					_ = table.Remove(id)
				}
				n.Poll(1)
				if n.Pending() != 0 {
					t.Error("a signal came after the timer's end")
				}
				_ = table.Remove(id)
			}
		})
	}
	users.Wait()
	close(stop)
	platform.Wait()
	if next := table.Next(); next != 0 {
		t.Errorf("a timer is left at %d", next)
	}
}

func TestTimersAllocs(t *testing.T) {
	var n Notification
	table := mustTimers(t, 8)
	id, now := mustAdd(t, table, &n, 1), int64(0)
	if got := testing.AllocsPerRun(1000, func() {
		now += 100
		_ = table.Arm(id, now, 1)
		table.Fire(now, 8)
		_ = table.Cancel(id)
		_ = table.Remove(id)
		id, _ = table.Add(&n, 1)
	}); got != 0 {
		t.Errorf("a timer allocates %v times", got)
	}
}

func BenchmarkFire(b *testing.B) {
	var n Notification
	table := mustTimers(b, 1024)
	for i := range int64(1024) {
		_ = table.Arm(mustAdd(b, table, &n, 1), 1+i, 1024)
	}
	now := int64(0)
	for b.Loop() {
		now++
		table.Fire(now, 1)
	}
}
