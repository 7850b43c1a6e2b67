package notify

import (
	"math/bits"
	"sync"
	"testing"

	"phios/abi"
	"phios/platform/platformtest"
)

func TestNotification(t *testing.T) {
	var n Notification
	p := platformtest.NewParker()
	if got := n.Poll(^uint64(0)); got != 0 {
		t.Errorf("Poll of nothing = %#x", got)
	}
	n.Signal(0b0110)
	n.Signal(0b0011)
	if n.Pending() != 0b0111 {
		t.Errorf("Pending = %#b", n.Pending())
	}
	for _, c := range []struct {
		mask, want uint64
		status     abi.Status
	}{
		{0b0000, 0b0000, abi.StatusBadArgument},
		{0b1000, 0b0000, abi.StatusTimeout},
		{0b1010, 0b0010, abi.StatusOK},
		{0b0010, 0b0000, abi.StatusTimeout},
		{0b1111, 0b0101, abi.StatusOK},
		{0b1111, 0b0000, abi.StatusTimeout},
	} {
		if got, s := n.Wait(p, c.mask, 1); got != c.want || s != c.status {
			t.Errorf("Wait(%#b) = %#b, %v, want %#b, %v", c.mask, got, s, c.want, c.status)
		}
	}
	n.Signal(1)
	if got := n.Poll(3); got != 1 || n.Pending() != 0 {
		t.Errorf("Poll = %#b, %#b left", got, n.Pending())
	}
}

func TestOneWaiter(t *testing.T) {
	var n Notification
	ended := make(chan uint64)
	go func() {
		got, _ := n.Wait(platformtest.NewParker(), 1, 0)
		ended <- got
	}()
	for n.sleeper.Load() == nil {
	}
	if _, s := n.Wait(platformtest.NewParker(), 2, 1); s != abi.StatusBusy {
		t.Errorf("a second waiter = %v", s)
	}
	n.Signal(2)
	if n.sleeper.Load() == nil {
		t.Error("a signal under another mask woke the waiter")
	}
	n.Signal(1)
	if got := <-ended; got != 1 || n.Pending() != 2 {
		t.Errorf("Wait took %#b and left %#b", got, n.Pending())
	}
}

func TestNotificationClose(t *testing.T) {
	var n Notification
	ended := make(chan abi.Status)
	go func() {
		_, s := n.Wait(platformtest.NewParker(), 1, 0)
		ended <- s
	}()
	for n.sleeper.Load() == nil {
	}
	if !n.Close() || n.Close() || !n.Closed() {
		t.Error("Close is not idempotent")
	}
	if s := <-ended; s != abi.StatusPeerDead {
		t.Errorf("the waiter got %v", s)
	}
	n.Signal(4)
	if got, s := n.Wait(platformtest.NewParker(), 5, 0); got != 4 || s != abi.StatusOK {
		t.Errorf("a bit that is there = %#b, %v", got, s)
	}
	if _, s := n.Wait(platformtest.NewParker(), 5, 0); s != abi.StatusPeerDead {
		t.Errorf("Wait on a closed notification = %v", s)
	}
}

// TestHammerNotification has each signaller own a bit and set it again only
// after it was taken, so that each taking answers one signal, and a waiter that
// sleeps in between: a lost wake-up hangs it, a lost bit miscounts.
func TestHammerNotification(t *testing.T) {
	const signallers, each = 4, 5000
	var n Notification
	taken := make([]chan struct{}, signallers)
	var group sync.WaitGroup
	for i := range signallers {
		taken[i] = make(chan struct{}, 1)
		group.Go(func() {
			for range each {
				n.Signal(1 << i)
				<-taken[i]
			}
		})
	}
	p := platformtest.NewParker()
	counts := [signallers]int{}
	for total := 0; total < signallers*each; {
		// Every other mask leaves someone out, so that bits wait their turn.
		mask := uint64(1<<signallers - 1)
		if total%2 == 1 {
			mask = 1<<(total%signallers) | 1
		}
		got, s := n.Wait(p, mask, platformtest.Now()+1e6)
		if s == abi.StatusTimeout {
			got = n.Poll(^uint64(0))
		}
		for got != 0 {
			i := bits.TrailingZeros64(got)
			got &^= 1 << i
			counts[i]++
			total++
			taken[i] <- struct{}{}
		}
	}
	group.Wait()
	for i, c := range counts {
		if c != each {
			t.Errorf("signaller %d signalled %d times, %d taken", i, each, c)
		}
	}
}

// TestHammerWakeUp has no deadline at all: one lost wake-up and it hangs.
func TestHammerWakeUp(t *testing.T) {
	const rounds = 20000
	var there, back Notification
	go func() {
		p := platformtest.NewParker()
		for range rounds {
			_, _ = there.Wait(p, 1, 0)
			back.Signal(1)
		}
	}()
	p := platformtest.NewParker()
	for range rounds {
		there.Signal(1)
		if got, s := back.Wait(p, 1, 0); got != 1 || s != abi.StatusOK {
			t.Fatalf("Wait = %d, %v", got, s)
		}
	}
}

func TestNotificationAllocs(t *testing.T) {
	var n Notification
	p := platformtest.NewParker()
	if got := testing.AllocsPerRun(1000, func() {
		n.Signal(3)
		_, _ = n.Wait(p, 1, 0)
		n.Poll(2)
		_, _ = n.Wait(p, 1, 1)
	}); got != 0 {
		t.Errorf("a signal and a wait allocate %v times", got)
	}
}

func BenchmarkSignal(b *testing.B) {
	var n Notification
	for b.Loop() {
		n.Signal(1)
	}
}

func BenchmarkSignalAndWait(b *testing.B) {
	var n Notification
	p := platformtest.NewParker()
	for b.Loop() {
		n.Signal(1)
		_, _ = n.Wait(p, 1, 0)
	}
}
