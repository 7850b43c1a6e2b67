package ipc

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"phios/abi"
	"phios/platform/platformtest"
)

func mustNew(tb testing.TB, capacity int) *Mailbox {
	tb.Helper()
	b, s := New(capacity)
	if s != abi.StatusOK {
		tb.Fatalf("New(%d) = %v", capacity, s)
	}
	return b
}

func consume(tb testing.TB, b *Mailbox) {
	tb.Helper()
	if s := b.AcquireConsumer(); s != abi.StatusOK {
		tb.Fatalf("AcquireConsumer = %v", s)
	}
}

// message returns a message of n bytes that all depend on seed.
func message(seed uint64, n int) *abi.Message {
	m := &abi.Message{Words: [abi.MessageWords]uint64{seed, ^seed}, Length: uint16(n)}
	for i := range n {
		m.Data[i] = byte(seed + uint64(i) | 1)
	}
	return m
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		capacity, want int
		status         abi.Status
	}{
		{-1, 0, abi.StatusBadArgument},
		{0, 0, abi.StatusBadArgument},
		{1, 1, abi.StatusOK},
		{2, 2, abi.StatusOK},
		{3, 4, abi.StatusOK},
		{64, 64, abi.StatusOK},
		{65, 128, abi.StatusOK},
		{CapacityMax, CapacityMax, abi.StatusOK},
		{CapacityMax + 1, 0, abi.StatusBadArgument},
	} {
		b, s := New(c.capacity)
		if s != c.status {
			t.Errorf("New(%d) = %v, want %v", c.capacity, s, c.status)
			continue
		}
		if s == abi.StatusOK && b.Capacity() != c.want {
			t.Errorf("New(%d) holds %d, want %d", c.capacity, b.Capacity(), c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	if got := reflect.TypeFor[cell]().Size(); got != cellBytes {
		t.Errorf("a cell takes %d bytes, cellBytes says %d", got, cellBytes)
	}
	if got, least := Bytes(65), uint64(128*cellBytes)+uint64(reflect.TypeFor[Mailbox]().Size()); got < least {
		t.Errorf("Bytes(65) = %d, want at least %d", got, least)
	}
}

func TestSendReceive(t *testing.T) {
	b := mustNew(t, 4)
	consume(t, b)
	var call Call
	s := Stamp{
		Label: abi.Label{Sources: 5, Readers: 9}, Badge: 7, Sender: 11, Call: &call, Ticket: 13,
		Transit: [abi.MessageHandleMax]uint32{17, 19}, TransitCount: 2,
	}
	m := message(3, 100)
	m.Handles, m.HandleCount, m.Moves = [abi.MessageHandleMax]abi.Handle{1, 2}, 2, 1
	if got := b.Send(m, s); got != abi.StatusOK {
		t.Fatalf("Send = %v", got)
	}
	e := b.Head()
	if e == nil {
		t.Fatal("Head is nil after Send")
	}
	if e.Label != s.Label || e.Badge != 7 || e.Sender != 11 || e.Call != &call || e.Ticket != 13 ||
		e.Transit != s.Transit || e.TransitCount != 2 {
		t.Errorf("the stamp did not survive: %+v", e)
	}
	into := abi.Message{Deadline: 23, Reply: 29, HandleCount: 3, Moves: 1}
	into.Data[100] = 0xAA
	e.Open(&into)
	if into.Label != s.Label || into.Badge != 7 || into.Words != m.Words || !bytes.Equal(into.Payload(), m.Payload()) {
		t.Errorf("the message did not survive: %+v", into)
	}
	if into.Reply != 0 || into.HandleCount != 0 || into.Moves != 0 || into.Deadline != 23 {
		t.Errorf("Open left reply %d, handles %d, moves %d, deadline %d", into.Reply, into.HandleCount, into.Moves, into.Deadline)
	}
	if into.Data[100] != 0xAA {
		t.Error("Open wrote beyond the message")
	}
	if b.Head() != e {
		t.Error("looking twice shows two messages")
	}
	b.Drop()
	if b.Head() != nil {
		t.Error("a message is there after Drop")
	}
}

// TestNothingLeaks looks into the cells: after a long message was dropped, and
// a short one was sent into its place, nothing of the first is there.
func TestNothingLeaks(t *testing.T) {
	b := mustNew(t, 1)
	consume(t, b)
	m := message(0xFF, abi.MessageBytesMax)
	_ = b.Send(m, Stamp{})
	b.Drop()
	if b.cells[0].envelope.Data != [abi.MessageBytesMax]byte{} {
		t.Error("bytes of a dropped message are in the cell")
	}
	// What stands behind the bytes in use is the sender's own.
	m.Length = 1
	_ = b.Send(m, Stamp{})
	if got := b.Head().Data[1:]; !bytes.Equal(got, make([]byte, len(got))) {
		t.Error("bytes that were not sent are in the cell")
	}
}

func TestFull(t *testing.T) {
	for _, capacity := range []int{1, 2, 8, CapacityMax} {
		b := mustNew(t, capacity)
		consume(t, b)
		for lap := range uint64(3) {
			for i := range uint64(capacity) {
				if s := b.Send(message(lap<<32|i, 8), Stamp{}); s != abi.StatusOK {
					t.Fatalf("capacity %d, lap %d, message %d: %v", capacity, lap, i, s)
				}
			}
			before := b.tail.Load()
			if s := b.Send(message(99, 8), Stamp{}); s != abi.StatusMailboxFull {
				t.Fatalf("capacity %d: one too many = %v", capacity, s)
			}
			if b.tail.Load() != before {
				t.Error("a refused message left a trace")
			}
			for i := range uint64(capacity) {
				if e := b.Head(); e == nil || e.Words[0] != lap<<32|i {
					t.Fatalf("capacity %d, lap %d: message %d is %+v", capacity, lap, i, e)
				}
				b.Drop()
			}
		}
	}
}

func TestClose(t *testing.T) {
	b := mustNew(t, 4)
	consume(t, b)
	p := platformtest.NewParker()
	_ = b.Send(message(1, 1), Stamp{})
	_ = b.Send(message(2, 1), Stamp{})
	if !b.Close() || b.Close() || !b.Closed() {
		t.Error("Close is not idempotent")
	}
	if s := b.Send(message(3, 1), Stamp{}); s != abi.StatusPeerDead {
		t.Errorf("Send after Close = %v", s)
	}
	if s := b.Wait(p, 0); s != abi.StatusOK || b.Head().Words[0] != 1 {
		t.Errorf("an accepted message is lost: %v", s)
	}
	b.Drop()
	var seen []uint64
	if !b.Drain(func(e *Envelope) { seen = append(seen, e.Words[0]) }) {
		t.Error("Drain says that more is to come")
	}
	if !reflect.DeepEqual(seen, []uint64{2}) {
		t.Errorf("Drain showed %v", seen)
	}
	if s := b.Wait(p, 0); s != abi.StatusPeerDead {
		t.Errorf("Wait, closed and empty = %v", s)
	}
}

// TestDrainUnfinished drains while a sender has reserved a place and not
// filled it.
func TestDrainUnfinished(t *testing.T) {
	b := mustNew(t, 2)
	consume(t, b)
	position := b.tail.Add(1) - 1
	b.Close()
	none := func(*Envelope) { t.Error("there is nothing to dispose of yet") }
	if b.Drain(none) {
		t.Error("Drain overlooked a sender at work")
	}
	b.cells[position].envelope.fill(message(5, 1), &Stamp{})
	b.cells[position].sequence.Store(position + 1)
	count := 0
	if !b.Drain(func(*Envelope) { count++ }) || count != 1 {
		t.Errorf("Drain showed %d messages", count)
	}
	if open := mustNew(t, 1); open.AcquireConsumer() == abi.StatusOK && open.Drain(none) {
		t.Error("an open mailbox is never empty for good")
	}
}

func TestConsumerBusy(t *testing.T) {
	b := mustNew(t, 1)
	consume(t, b)
	if s := b.AcquireConsumer(); s != abi.StatusBusy {
		t.Errorf("a second receiver = %v", s)
	}
	b.ReleaseConsumer()
	consume(t, b)
}

func TestWaitTimeout(t *testing.T) {
	b := mustNew(t, 1)
	consume(t, b)
	p := platformtest.NewParker()
	for _, deadline := range []int64{-1, 1, platformtest.Now() + 1e6} {
		if s := b.Wait(p, deadline); s != abi.StatusTimeout {
			t.Errorf("Wait until %d = %v", deadline, s)
		}
		if b.sleeper.Load() != nil {
			t.Error("a receiver that went away is still asleep")
		}
	}
	(*p).Unpark()
	if s := b.Wait(p, platformtest.Now()+1e6); s != abi.StatusTimeout {
		t.Errorf("a spurious wake-up ended a Wait: %v", s)
	}
	_ = b.Send(message(1, 1), Stamp{})
	if s := b.Wait(p, 1); s != abi.StatusOK {
		t.Errorf("a message that is there, deadline past = %v", s)
	}
}

// TestPlacesComeBack counts the places that senders find after one message was
// dropped: at once where each drop is published, and at the latest when the
// receiver waits or gives up its flag.
func TestPlacesComeBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		give     func(*Mailbox)
		want     int
	}{
		{"single place", 1, func(*Mailbox) {}, 1},
		{"kept", 16, func(*Mailbox) {}, 15},
		{"wait", 16, func(b *Mailbox) { _ = b.Wait(platformtest.NewParker(), 1) }, 16},
		{"release", 16, func(b *Mailbox) { b.ReleaseConsumer() }, 16},
		{"drain", 16, func(b *Mailbox) { b.Drain(func(*Envelope) {}) }, 16},
	} {
		b := mustNew(t, c.capacity)
		consume(t, b)
		_ = b.Send(message(1, 1), Stamp{})
		b.Drop()
		c.give(b)
		places := 0
		for places <= c.capacity && b.Send(message(2, 1), Stamp{}) == abi.StatusOK {
			places++
		}
		if places != c.want {
			t.Errorf("%s: %d places, want %d", c.name, places, c.want)
		}
	}
}

// TestModel runs random operations against a slice.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := mustNew(t, 1+r.IntN(9))
		consume(t, b)
		var model []*abi.Message
		closed := false
		for step := range uint64(300) {
			switch k := r.IntN(100); {
			case k < 55:
				m := message(step, r.IntN(abi.MessageBytesMax+1))
				want := abi.StatusOK
				if closed {
					want = abi.StatusPeerDead
				} else if len(model) == b.Capacity() {
					want = abi.StatusMailboxFull
				}
				if got := b.Send(m, Stamp{Badge: step}); got != want {
					t.Fatalf("Send = %v, want %v", got, want)
				}
				if want == abi.StatusOK {
					model = append(model, m)
				}
			case k < 99:
				e := b.Head()
				if (e == nil) != (len(model) == 0) {
					t.Fatalf("Head is nil: %t, with %d messages", e == nil, len(model))
				}
				if e == nil {
					continue
				}
				var got abi.Message
				e.Open(&got)
				if got.Words != model[0].Words || !bytes.Equal(got.Payload(), model[0].Payload()) {
					t.Fatal("another message came out")
				}
				b.Drop()
				b.ReleaseConsumer()
				consume(t, b)
				model = model[1:]
			default:
				if b.Close() == closed {
					t.Fatal("Close says the wrong thing")
				}
				closed = true
			}
		}
	}
}

// TestHammerMailbox has senders, a receiver that sleeps between messages, and
// a close in the middle: what was accepted arrives, once, whole, each sender's
// in order.
func TestHammerMailbox(t *testing.T) {
	const senders, each = 4, 3000
	for _, capacity := range []int{1, 2, 64} {
		b := mustNew(t, capacity)
		consume(t, b)
		var accepted [senders]atomic.Uint64
		var group sync.WaitGroup
		for sender := range uint64(senders) {
			group.Go(func() {
				for i := uint64(0); i < each; {
					s := b.Send(message(sender<<32|i, int(i%513)), Stamp{Sender: sender})
					if s == abi.StatusPeerDead {
						return
					}
					if s != abi.StatusOK {
						runtime.Gosched()
						continue
					}
					i++
					accepted[sender].Store(i)
				}
			})
		}
		var next [senders]uint64
		p := platformtest.NewParker()
		for total := 0; b.Wait(p, 0) == abi.StatusOK; total++ {
			e := b.Head()
			want := message(e.Sender<<32|next[e.Sender], int(next[e.Sender]%513))
			if e.Words != want.Words || int(e.Length) != len(want.Payload()) || !bytes.Equal(e.Data[:e.Length], want.Payload()) {
				t.Fatalf("sender %d: a message is torn or out of order", e.Sender)
			}
			next[e.Sender]++
			b.Drop()
			if total == senders*each/2 {
				b.Close()
			}
		}
		group.Wait()
		for i := range next {
			if next[i] != accepted[i].Load() {
				t.Errorf("capacity %d, sender %d: accepted %d, received %d", capacity, i, accepted[i].Load(), next[i])
			}
		}
	}
}

func TestMailboxAllocs(t *testing.T) {
	b := mustNew(t, 8)
	consume(t, b)
	p := platformtest.NewParker()
	m, into := message(1, 64), &abi.Message{}
	if n := testing.AllocsPerRun(1000, func() {
		_ = b.Send(m, Stamp{Badge: 1})
		_ = b.Wait(p, 0)
		b.Head().Open(into)
		b.Drop()
		_ = b.Wait(p, 1)
	}); n != 0 {
		t.Errorf("a message allocates %v times", n)
	}
}
