package hook

import (
	"sync"
	"sync/atomic"
	"testing"

	"phios/abi"
	"phios/internal/invariant"
)

// check puts hooks into a point and asks it, both ways.
func check[C comparable](t *testing.T, name string, context C, install func(func(C) abi.Status), hook func() Func[C], ask func(C) abi.Status) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if hook() != nil || ask(context) != abi.StatusOK {
			t.Error("an empty point has a hook, or refuses")
		}
		for s := range abi.Status(abi.StatusCount) {
			var seen C
			install(func(c C) abi.Status {
				seen = c
				return s
			})
			want := abi.StatusDenied
			if s == abi.StatusOK {
				want = abi.StatusOK
			}
			if got := ask(context); got != want || seen != context {
				t.Errorf("a hook that says %v: got %v, and it saw %+v", s, got, seen)
			}
			if got := hook()(context); got != want {
				t.Errorf("a hook that says %v, loaded first: got %v", s, got)
			}
		}
		install(nil)
		if hook() != nil || ask(context) != abi.StatusOK {
			t.Error("nil does not empty the point")
		}
	})
}

func TestPoints(t *testing.T) {
	var table Table
	check(t, "gate", Gate{Task: 1, Object: 2, Badge: 3, Rights: 4, Call: 5, Type: 6},
		table.InstallGate, table.GateHook, table.Gate)
	check(t, "ipc", IPC{Task: 1, Object: 2, Badge: 3, Label: abi.LabelTop(), Bytes: 5, Handles: 6, Type: 7, Call: true},
		table.InstallIPC, table.IPCHook, table.IPC)
	check(t, "scheduler", Scheduler{Task: 1, NowNS: 2, WaitNS: 3, Event: SchedulerWake},
		table.InstallScheduler, table.SchedulerHook, table.Scheduler)
	check(t, "inference", Inference{Task: 1, Model: 2, Label: abi.LabelTop(), Prompt: 4, Limit: 5},
		table.InstallInference, table.InferenceHook, table.Inference)
	check(t, "network", Network{Task: 1, Socket: 2, Label: abi.LabelTop(), Operation: 4, Bytes: 5},
		table.InstallNetwork, table.NetworkHook, table.Network)
}

// TestPointsAreApart fills one point and asks the others.
func TestPointsAreApart(t *testing.T) {
	var table Table
	table.InstallGate(func(Gate) abi.Status { return abi.StatusDenied })
	for name, s := range map[string]abi.Status{
		"ipc": table.IPC(IPC{}), "scheduler": table.Scheduler(Scheduler{}),
		"inference": table.Inference(Inference{}), "network": table.Network(Network{}),
	} {
		if s != abi.StatusOK {
			t.Errorf("the %s point answers %v for the gate's", name, s)
		}
	}
}

// TestPanicIsNotRefusal proves what the package says of hooks that panic.
func TestPanicIsNotRefusal(t *testing.T) {
	var table Table
	table.InstallIPC(func(IPC) abi.Status {
		invariant.Always(false, "seen by the caller")
		return abi.StatusOK
	})
	defer func() {
		if f, is := recover().(invariant.Failure); !is || f != "seen by the caller" {
			t.Errorf("the broken invariant was swallowed: %v", f)
		}
	}()
	_ = table.IPC(IPC{})
}

func TestSchedulerEventString(t *testing.T) {
	for e, want := range []string{"unknown", "start", "park", "wake", "stop", "unknown"} {
		if got := SchedulerEvent(e).String(); got != want {
			t.Errorf("event %d is %q, want %q", e, got, want)
		}
	}
}

// TestHammerTable replaces hooks under callers: each answer is that of a hook
// which was in the point.
func TestHammerTable(t *testing.T) {
	var table Table
	var stop atomic.Bool
	var callers, installer sync.WaitGroup
	installer.Go(func() {
		for i := uint64(0); !stop.Load(); i++ {
			switch i % 3 {
			case 0:
				table.InstallIPC(nil)
			case 1:
				table.InstallIPC(func(IPC) abi.Status { return abi.StatusOK })
			case 2:
				// Refuses odd tasks only.
				table.InstallIPC(func(c IPC) abi.Status { return abi.Status(c.Task & 1) })
			}
		}
	})
	for range 3 {
		callers.Go(func() {
			for i := range uint64(20000) {
				s := table.IPC(IPC{Task: i})
				if s != abi.StatusOK && (s != abi.StatusDenied || i&1 == 0) {
					t.Errorf("task %d got %v", i, s)
				}
			}
		})
	}
	callers.Wait()
	stop.Store(true)
	installer.Wait()
}

func TestAllocs(t *testing.T) {
	var table Table
	call := func() {
		if h := table.IPCHook(); h != nil {
			_ = h(IPC{Task: 1})
		}
		_ = table.Gate(Gate{Task: 1})
	}
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("empty points allocate %v times", n)
	}
	table.InstallIPC(func(c IPC) abi.Status { return abi.Status(c.Bytes) })
	table.InstallGate(func(c Gate) abi.Status { return abi.Status(c.Call) })
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("hooks allocate %v times", n)
	}
}

// BenchmarkEmpty is the cost of a point without a hook, as the kernel asks it,
// beside the loop alone.
func BenchmarkEmpty(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		n := uint64(0)
		for b.Loop() {
			n++
		}
	})
	b.Run("hook", func(b *testing.B) {
		table, n := &Table{}, uint64(0)
		for b.Loop() {
			n++
			if h := table.IPCHook(); h != nil {
				if h(IPC{Task: n, Label: abi.LabelTop(), Bytes: 64}) != abi.StatusOK {
					b.Fatal("refused")
				}
			}
		}
	})
	b.Run("ask", func(b *testing.B) {
		table, n := &Table{}, uint64(0)
		for b.Loop() {
			n++
			if table.IPC(IPC{Task: n, Label: abi.LabelTop(), Bytes: 64}) != abi.StatusOK {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkInstalled(b *testing.B) {
	var table Table
	table.InstallIPC(func(c IPC) abi.Status { return abi.Status(c.Handles) })
	for b.Loop() {
		if h := table.IPCHook(); h != nil {
			_ = h(IPC{Task: 1, Label: abi.LabelTop(), Bytes: 64})
		}
	}
}
