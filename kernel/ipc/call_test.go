package ipc

import (
	"bytes"
	"sync"
	"testing"

	"phios/abi"
	"phios/platform/platformtest"
)

func newCall() *Call {
	c := &Call{}
	c.Init(*platformtest.NewParker())
	return c
}

func TestCallReply(t *testing.T) {
	c := newCall()
	ticket := c.Begin()
	if c.Over(ticket) {
		t.Error("a call is over that has just begun")
	}
	m := message(1, 77)
	s := Stamp{Badge: 3, Transit: [abi.MessageHandleMax]uint32{5}, TransitCount: 1}
	if got := c.Reply(ticket, m, s); got != abi.StatusOK {
		t.Fatalf("Reply = %v", got)
	}
	if got := c.Reply(ticket, m, s); got != abi.StatusState {
		t.Errorf("a second Reply = %v", got)
	}
	if got := c.Wait(1); got != abi.StatusOK {
		t.Errorf("Wait = %v", got)
	}
	if a := c.Answer(); a.TransitCount != 1 || a.Transit[0] != 5 {
		t.Errorf("the capabilities did not arrive: %+v", a.Transit)
	}
	var into abi.Message
	c.Take(&into)
	if into.Badge != 3 || into.Words != m.Words || !bytes.Equal(into.Payload(), m.Payload()) {
		t.Errorf("the answer did not arrive: %+v", into)
	}
	if c.answer.Data != [abi.MessageBytesMax]byte{} {
		t.Error("the answer's bytes are still in the record")
	}
	if !c.Over(ticket) {
		t.Error("an answered call is not over")
	}
}

// TestCallEndings runs every way to end a call against every way to come too
// late.
func TestCallEndings(t *testing.T) {
	type ending struct {
		name   string
		do     func(*Call, Ticket) abi.Status
		status abi.Status
	}
	endings := []ending{
		{"reply", func(c *Call, k Ticket) abi.Status { return c.Reply(k, message(1, 1), Stamp{}) }, abi.StatusOK},
		{"fence", (*Call).Fence, abi.StatusRevoked},
		{"death", (*Call).PeerDied, abi.StatusPeerDead},
		{"cancel", (*Call).Cancel, abi.StatusKilled},
		{"timeout", func(c *Call, k Ticket) abi.Status {
			if c.Over(k) || c.Wait(1) != abi.StatusTimeout {
				return abi.StatusState
			}
			return abi.StatusOK
		}, abi.StatusTimeout},
	}
	for _, first := range endings {
		for _, second := range endings {
			c := newCall()
			old := c.Begin()
			_ = c.Fence(old)
			ticket := c.Begin()
			if second.do(c, old) != abi.StatusState {
				t.Errorf("%s with an old ticket touched the call", second.name)
			}
			if got := first.do(c, ticket); got != abi.StatusOK {
				t.Errorf("%s = %v", first.name, got)
			}
			if got := second.do(c, ticket); got != abi.StatusState {
				t.Errorf("%s after %s = %v", second.name, first.name, got)
			}
			if got := c.Wait(0); got != first.status {
				t.Errorf("%s, then %s: Wait = %v, want %v", first.name, second.name, got, first.status)
			}
		}
	}
}

func TestClaim(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Call, Ticket)
		want abi.Status
	}{
		{"complete", func(c *Call, _ Ticket) { c.Complete(abi.StatusOK) }, abi.StatusOK},
		{"complete with a status", func(c *Call, _ Ticket) { c.Complete(abi.StatusTableFull) }, abi.StatusTableFull},
		{"fence comes too late", func(c *Call, k Ticket) {
			if s := c.Fence(k); s != abi.StatusBusy {
				t.Errorf("Fence of a claimed call = %v", s)
			}
			c.Complete(abi.StatusOK)
		}, abi.StatusOK},
		{"abandon, then time out", func(c *Call, _ Ticket) { c.Abandon() }, abi.StatusTimeout},
		{"abandon after a fence and a death", func(c *Call, k Ticket) {
			_ = c.Fence(k)
			if s := c.PeerDied(k); s != abi.StatusBusy {
				t.Errorf("PeerDied of a claimed call = %v", s)
			}
			c.Abandon()
		}, abi.StatusRevoked},
		{"abandon, then reply", func(c *Call, k Ticket) {
			c.Abandon()
			_ = c.Reply(k, message(1, 1), Stamp{})
		}, abi.StatusOK},
	} {
		call := newCall()
		ticket := call.Begin()
		if call.Claim(ticket + 1) {
			t.Error("a claim with a ticket that was never given")
		}
		if !call.Claim(ticket) || call.Claim(ticket) {
			t.Error("not exactly one claim")
		}
		if s := call.Reply(ticket, message(1, 1), Stamp{}); s != abi.StatusState {
			t.Errorf("%s: Reply to a claimed call = %v", c.name, s)
		}
		call.Fill(message(2, 8), Stamp{})
		c.do(call, ticket)
		if got := call.Wait(1); got != c.want {
			t.Errorf("%s: Wait = %v, want %v", c.name, got, c.want)
		}
		if c.want != abi.StatusOK && call.answer.Data != [abi.MessageBytesMax]byte{} {
			t.Errorf("%s: the record keeps an answer that was not given", c.name)
		}
	}
}

// TestClaimOutlastsDeadline lets the deadline pass while the answer is being
// written: the caller waits for it.
func TestClaimOutlastsDeadline(t *testing.T) {
	c := newCall()
	ticket := c.Begin()
	c.Claim(ticket)
	ended := make(chan abi.Status)
	go func() { ended <- c.Wait(1) }()
	for word(c.word.Load())&parkedBit == 0 {
		select {
		case s := <-ended:
			t.Fatalf("Wait did not wait for the claim: %v", s)
		default:
		}
	}
	c.Fill(message(1, 1), Stamp{})
	c.Complete(abi.StatusOK)
	if s := <-ended; s != abi.StatusOK {
		t.Errorf("Wait = %v", s)
	}
}

// TestHammerCall has one caller and, for each of its calls, three that try to
// end it at once, with tickets of now and of before: one wins, and the caller
// gets what the winner meant.
func TestHammerCall(t *testing.T) {
	const calls = 3000
	c := newCall()
	tickets := [3]chan Ticket{make(chan Ticket, 1), make(chan Ticket, 1), make(chan Ticket, 1)}
	won := make(chan abi.Status, 3)
	var group sync.WaitGroup
	for i, ch := range tickets {
		group.Go(func() {
			for k := range ch {
				if k > 1 && c.Claim(k-1) {
					t.Error("an old ticket claimed a later call")
				}
				s, mine := abi.StatusOK, abi.StatusOK
				switch i {
				case 0:
					s = c.Reply(k, message(uint64(k), int(k%513)), Stamp{Badge: uint64(k)})
				case 1:
					s, mine = c.Fence(k), abi.StatusRevoked
				case 2:
					if !c.Claim(k) {
						s = abi.StatusState
						break
					}
					c.Fill(message(^uint64(0), 512), Stamp{})
					c.Abandon()
					s = abi.StatusBusy
				}
				if s == abi.StatusOK {
					won <- mine
				} else {
					won <- abi.StatusEmpty
				}
			}
		})
	}
	for i := range calls {
		k := c.Begin()
		for _, ch := range tickets {
			ch <- k
		}
		got := c.Wait(platformtest.Now() + int64(i%8)*2000)
		var into abi.Message
		if got == abi.StatusOK {
			c.Take(&into)
			want := message(uint64(k), int(k%513))
			if into.Badge != uint64(k) || into.Words != want.Words || !bytes.Equal(into.Payload(), want.Payload()) {
				t.Fatal("the answer is torn or another's")
			}
		}
		winners := 0
		for range 3 {
			if s := <-won; s != abi.StatusEmpty {
				winners++
				if s != got {
					t.Fatalf("the winner meant %v, the caller got %v", s, got)
				}
			}
		}
		// Nobody wins against the timeout, and against an abandoned claim that
		// carries out a fence in its stead.
		if winners > 1 || winners == 0 && got != abi.StatusTimeout && got != abi.StatusRevoked {
			t.Fatalf("%d won, the caller got %v", winners, got)
		}
	}
	for _, ch := range tickets {
		close(ch)
	}
	group.Wait()
}

func TestCallAllocs(t *testing.T) {
	c := newCall()
	m, into := message(1, 64), &abi.Message{}
	if n := testing.AllocsPerRun(1000, func() {
		_ = c.Reply(c.Begin(), m, Stamp{Badge: 1})
		_ = c.Wait(0)
		c.Take(into)
		c.Begin()
		_ = c.Wait(1)
	}); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}
