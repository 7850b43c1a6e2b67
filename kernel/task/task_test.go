package task

import (
	"sync"
	"testing"

	"phios/abi"
)

func grow(tb testing.TB, f *Family, parent *Task) *Task {
	tb.Helper()
	made, status := f.New(parent)
	if status != abi.StatusOK {
		tb.Fatal(status)
	}
	return made
}

// reapAll returns the numbers of all that the reaper finds.
func reapAll(f *Family) map[uint64]bool {
	reaped := map[uint64]bool{}
	for t := f.Reap(); t != nil; t = f.Reap() {
		if reaped[t.ID()] {
			panic("reaped twice")
		}
		reaped[t.ID()] = true
	}
	return reaped
}

func TestNesting(t *testing.T) {
	f := NewFamily()
	at := grow(t, f, nil)
	if at.Parent() != nil || at.Depth() != 0 || at.State() != Ready || !at.Alive() {
		t.Errorf("root %+v", at.State())
	}
	ids := map[uint64]bool{at.ID(): true}
	for depth := 1; depth < DepthMax; depth++ {
		child := grow(t, f, at)
		if child.Parent() != at || int(child.Depth()) != depth || ids[child.ID()] {
			t.Errorf("depth %d is %d", depth, child.Depth())
		}
		ids[child.ID()] = true
		at = child
	}
	if _, status := f.New(at); status != abi.StatusDepth {
		t.Errorf("too deep: %v", status)
	}
}

func TestStart(t *testing.T) {
	f := NewFamily()
	at := grow(t, f, nil)
	at.Unstart() // what was not started stays ready
	if at.Start() != abi.StatusOK || at.State() != Running || at.Start() != abi.StatusState {
		t.Error("Start")
	}
	at.Unstart()
	if at.State() != Ready || at.Start() != abi.StatusOK {
		t.Error("Unstart")
	}
	at.Kill()
	at.Unstart()
	if at.State() != Dead || at.Start() != abi.StatusPeerDead {
		t.Error("the dead start")
	}
	for s, want := range map[State]string{Ready: "ready", Running: "running", Dead: "dead", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}

// TestKill kills the middle of a tree: it and all below are dead at once,
// before the reaper has come by, and nobody else.
func TestKill(t *testing.T) {
	f := NewFamily()
	root := grow(t, f, nil)
	var below, others []*Task
	middle := grow(t, f, root)
	for range 3 {
		c := grow(t, f, middle)
		below = append(below, c, grow(t, f, c), grow(t, f, c))
		others = append(others, grow(t, f, root), grow(t, f, nil))
	}
	for _, x := range below { // so that the answer is remembered
		if !x.Alive() {
			t.Error("not yet")
		}
	}
	if !middle.Kill() || middle.Kill() {
		t.Error("Kill says whether it was the first")
	}
	for _, x := range append(below, middle) {
		if x.Alive() || x.State() != Dead {
			t.Errorf("task %d lives", x.ID())
		}
		if _, status := f.New(x); status != abi.StatusKilled {
			t.Errorf("a child of the dead: %v", status)
		}
	}
	for _, x := range append(others, root) {
		if !x.Alive() {
			t.Errorf("task %d is dead", x.ID())
		}
	}
	below[4].Kill() // by itself, below a dead one
	reaped := reapAll(f)
	if len(reaped) != len(below)+1 {
		t.Errorf("reaped %d of %d", len(reaped), len(below)+1)
	}
	for _, x := range append(below, middle) {
		if !reaped[x.ID()] || x.Alive() {
			t.Errorf("task %d was not reaped", x.ID())
		}
	}
	root.Kill()
	if reaped := reapAll(f); len(reaped) != 4 {
		t.Errorf("reaped %d of 4", len(reaped))
	}
}

// BenchmarkKill kills a task with as many below as the name says.
func BenchmarkKill(b *testing.B) {
	for name, n := range map[string]int{"one": 1, "ten thousand": 10_000} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := NewFamily()
				root := grow(b, f, nil)
				for range n {
					grow(b, f, root)
				}
				b.StartTimer()
				root.Kill()
			}
		})
	}
}

func TestLabels(t *testing.T) {
	f := NewFamily()
	root := grow(t, f, nil)
	if root.Label() != abi.LabelBottom() {
		t.Errorf("a root's label is %v", root.Label())
	}
	web := abi.Label{Sources: 2, Readers: 7}
	if !root.Raise(web) || root.Raise(web) || root.Raise(abi.LabelBottom()) || root.Label() != web {
		t.Errorf("raised to %v", root.Label())
	}
	if child := grow(t, f, root); child.Label() != web {
		t.Errorf("a child's label is %v", child.Label())
	}
	root.Raise(abi.Label{Sources: 4, Readers: 1})
	root.Lower(2, 2)
	if got := root.Label(); got != (abi.Label{Sources: 4, Readers: 3}) {
		t.Errorf("lowered to %v", got)
	}
}

type sleeper struct{ woken int }

func (s *sleeper) Unpark() { s.woken++ }

func TestSleepers(t *testing.T) {
	f := NewFamily()
	root := grow(t, f, nil)
	child := grow(t, f, root)
	a, b, c := &sleeper{}, &sleeper{}, &sleeper{}
	if !child.Sleep(a) || !child.Sleep(b) || !child.Sleep(c) {
		t.Fatal("Sleep")
	}
	child.Wake(b)
	root.Kill()
	if child.Sleep(b) {
		t.Error("sleeps for the dead")
	}
	if a.woken != 0 {
		t.Error("woken before the reaper came by")
	}
	reapAll(f)
	if a.woken != 1 || b.woken != 0 || c.woken != 1 {
		t.Errorf("woken %d %d %d", a.woken, b.woken, c.woken)
	}
	child.Wake(a)
	child.Wake(c)
	defer func() {
		if recover() == nil {
			t.Error("woke whoever does not sleep")
		}
	}()
	child.Wake(c)
}

func TestAllocations(t *testing.T) {
	f := NewFamily()
	root := grow(t, f, nil)
	child := grow(t, f, root)
	other := grow(t, f, root)
	child.Alive()
	s := &sleeper{}
	child.Sleep(s)
	child.Wake(s)
	if n := testing.AllocsPerRun(100, func() {
		other.family.kills.Add(1) // as if somebody was killed
		child.Alive()
		child.Label()
		child.Sleep(s)
		child.Wake(s)
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

// TestHammerFamily makes, kills, asks and sleeps from many threads. Each task
// is reaped exactly once, whoever was seen dead stays dead, and a sleeper of
// one that dies is woken.
func TestHammerFamily(t *testing.T) {
	const threads, rounds = 4, 400
	f := NewFamily()
	root := grow(t, f, nil)
	var mu sync.Mutex
	reaped := map[uint64]bool{}
	made := map[uint64]*Task{}
	reap := func() {
		for x := f.Reap(); x != nil; x = f.Reap() {
			mu.Lock()
			if reaped[x.ID()] {
				t.Errorf("task %d reaped twice", x.ID())
			}
			reaped[x.ID()] = true
			mu.Unlock()
		}
	}
	var group sync.WaitGroup
	for i := range threads {
		group.Go(func() {
			for range rounds {
				top := grow(t, f, root)
				mu.Lock()
				made[top.ID()] = top
				mu.Unlock()
				var inner sync.WaitGroup
				inner.Go(func() {
					for at := top; ; {
						child, status := f.New(at)
						if status != abi.StatusOK {
							return // dead, or deep enough
						}
						mu.Lock()
						made[child.ID()] = child
						mu.Unlock()
						at = child
					}
				})
				wake := make(chan struct{}, 8) // one unpark is enough, more are dropped
				inner.Go(func() {
					s := parking{wake}
					if top.Sleep(s) {
						for top.Alive() {
							<-wake
						}
						top.Wake(s)
					}
				})
				top.Kill()
				if top.Alive() {
					t.Error("lives after Kill")
				}
				if i%2 == 0 {
					reap()
				}
				for !isReaped(&mu, reaped, top.ID()) {
					reap()
				}
				inner.Wait()
			}
		})
	}
	group.Wait()
	reap()
	for id, x := range made {
		if x.Alive() || !reaped[id] {
			t.Errorf("task %d: alive %v, reaped %v", id, x.Alive(), reaped[id])
		}
	}
	if root.first != nil {
		t.Error("the root has children left")
	}
}

func isReaped(mu *sync.Mutex, reaped map[uint64]bool, id uint64) bool {
	mu.Lock()
	defer mu.Unlock()
	return reaped[id]
}

type parking struct{ wake chan struct{} }

func (p parking) Unpark() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
