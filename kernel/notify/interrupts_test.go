package notify

import (
	"sync"
	"sync/atomic"
	"testing"

	"phios/abi"
	"phios/platform/platformtest"
)

func TestInterrupts(t *testing.T) {
	var table Interrupts
	var n Notification
	const line = LinesMax - 1
	bind := func() abi.Status { return table.Bind(line, &n, 2) }
	raise := func() abi.Status { return table.Raise(line) }
	acknowledge := func() abi.Status { return table.Acknowledge(line) }
	unbind := func() abi.Status { return table.Unbind(line) }
	for i, c := range []struct {
		do     func() abi.Status
		status abi.Status
		bits   uint64
		masked bool
	}{
		{raise, abi.StatusState, 0, false},
		{acknowledge, abi.StatusState, 0, false},
		{unbind, abi.StatusState, 0, false},
		{bind, abi.StatusOK, 0, false},
		{bind, abi.StatusBusy, 0, false},
		{acknowledge, abi.StatusState, 0, false},
		{raise, abi.StatusOK, 2, true},
		{raise, abi.StatusOK, 0, true}, // masked: kept
		{raise, abi.StatusOK, 0, true}, // as one
		{acknowledge, abi.StatusOK, 2, true},
		{acknowledge, abi.StatusOK, 0, false},
		{acknowledge, abi.StatusState, 0, false},
		{raise, abi.StatusOK, 2, true},
		{raise, abi.StatusOK, 0, true},
		{unbind, abi.StatusOK, 0, false}, // with its pending raise
		{raise, abi.StatusState, 0, false},
		{bind, abi.StatusOK, 0, false},
		{acknowledge, abi.StatusState, 0, false},
		{raise, abi.StatusOK, 2, true},
	} {
		s := c.do()
		if bits := n.Poll(^uint64(0)); s != c.status || bits != c.bits || table.Masked(line) != c.masked {
			t.Errorf("step %d: %v, bits %d, masked %t; want %v, %d, %t", i, s, bits, table.Masked(line), c.status, c.bits, c.masked)
		}
	}
	if table.Dropped() != 2 {
		t.Errorf("Dropped = %d", table.Dropped())
	}
}

func TestInterruptArguments(t *testing.T) {
	var table Interrupts
	var n Notification
	for _, c := range []struct {
		name      string
		got, want abi.Status
	}{
		{"bind line", table.Bind(LinesMax, &n, 1), abi.StatusRange},
		{"bind nothing", table.Bind(0, nil, 1), abi.StatusBadArgument},
		{"bind no bits", table.Bind(0, &n, 0), abi.StatusBadArgument},
		{"unbind", table.Unbind(LinesMax), abi.StatusRange},
		{"raise", table.Raise(LinesMax), abi.StatusRange},
		{"acknowledge", table.Acknowledge(^uint32(0)), abi.StatusRange},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	if table.Masked(LinesMax) || table.Dropped() != 0 {
		t.Error("a refused call left a trace")
	}
}

// TestHammerInterrupts has a device that fills a counter before it raises, and
// a handler that empties it between signal and acknowledgement: nothing stays
// behind.
func TestHammerInterrupts(t *testing.T) {
	const raisers, each = 3, 3000
	var table Interrupts
	var n Notification
	var device atomic.Int64
	_ = table.Bind(9, &n, 1)
	var group sync.WaitGroup
	for range raisers {
		group.Go(func() {
			for range each {
				device.Add(1)
				_ = table.Raise(9)
			}
		})
	}
	p := platformtest.NewParker()
	for handled := int64(0); handled < raisers*each; {
		if _, s := n.Wait(p, 1, platformtest.Now()+5e9); s != abi.StatusOK {
			t.Fatalf("after %d: %v", handled, s)
		}
		handled += device.Swap(0)
		if s := table.Acknowledge(9); s != abi.StatusOK {
			t.Fatalf("Acknowledge = %v", s)
		}
	}
	group.Wait()
}

func TestInterruptAllocs(t *testing.T) {
	var table Interrupts
	var n Notification
	if got := testing.AllocsPerRun(1000, func() {
		_ = table.Bind(1, &n, 1)
		_ = table.Raise(1)
		_ = table.Acknowledge(1)
		_ = table.Unbind(1)
	}); got != 0 {
		t.Errorf("an interrupt allocates %v times", got)
	}
}

func BenchmarkRaise(b *testing.B) {
	var table Interrupts
	var n Notification
	_ = table.Bind(1, &n, 1)
	for b.Loop() {
		_ = table.Raise(1)
		_ = table.Acknowledge(1)
	}
}
