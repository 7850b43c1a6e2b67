package ipc

import (
	"math/bits"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/schedule"
	"phios/platform"
)

// CapacityMax is the most messages that a mailbox can hold.
const CapacityMax = 4096

// sendAttemptsMax bounds how often one Send competes for a place. Each lost
// attempt is another sender's success, so that the bound is out of reach
// unless a thread is starved.
const sendAttemptsMax = 1 << 16

// closedBit, in the tail, marks a mailbox that takes no more messages. As it
// shares the word by which places are reserved, no place can be reserved after
// it is set, and the number of accepted messages is exact from then on.
const closedBit = 1 << 63

// Mailbox is a bounded queue of messages from many senders to one receiver at
// a time. Make one with [New].
//
// Senders take no lock, but a sender that is preempted between reserving its
// place and filling it holds up the receiver, though not other senders: that
// is the price of keeping order without a lock.
//
// The receiver's methods, Head, Drop, Wait and Drain, need the consumer flag:
// see [Mailbox.AcquireConsumer].
//
// The words are kept on cache lines by who writes them.
type Mailbox struct {
	cells []cell
	mask  uint64
	batch uint64 // drops between two publications of the head
	_     [lineBytes - 40]byte

	// tail counts the places that senders have reserved; its top bit is
	// closedBit. Senders write it.
	tail atomic.Uint64
	// headSeen is a head that some sender has read from consumer: it may be
	// old, and then is read again before a mailbox is said to be full.
	headSeen atomic.Uint64
	_        [lineBytes - 16]byte

	// head counts the messages dropped, and shown what of it senders can see.
	// Guarded by the consumer flag.
	head  uint64
	shown uint64
	_     [lineBytes - 16]byte

	// consumer is the head that senders can see, times two, and the consumer
	// flag in the lowest bit, so that giving up the flag publishes the head.
	// The receiver writes it; senders read it when the mailbox seems full.
	consumer atomic.Uint64
	_        [lineBytes - 8]byte

	// sleeper is the parker of a receiver that sleeps or is about to. Senders
	// load it after each message; the receiver writes it only to sleep.
	sleeper atomic.Pointer[platform.Parker]
	_       [lineBytes - 8]byte
}

// lineBytes is the size of a cache line on the machines that ΦOS runs on.
const lineBytes = 64

// batchMax is the most messages that a receiver drops, keeping the consumer
// flag, before senders can use their places.
const batchMax = 32

// cell is one place of the queue. The sequence is p+1 once the message of
// position p is there. Vyukov's cell is also marked free again, by the
// receiver; with one receiver its head says the same of all cells at once, and
// the cells' lines pass from sender to receiver but not back.
type cell struct {
	sequence atomic.Uint64
	envelope Envelope
}

// cellBytes is the size of a cell; a test compares it.
const cellBytes = 640

// Bytes returns how much memory a mailbox of the given capacity takes, for
// whoever is charged for it.
func Bytes(capacity int) uint64 {
	return uint64(rounded(capacity))*cellBytes + 5*lineBytes //nolint:gosec // G115: rounded is never negative
}

func rounded(capacity int) int {
	if capacity < 1 || capacity > CapacityMax {
		return 0
	}
	return 1 << bits.Len(uint(capacity-1))
}

// New makes an empty mailbox for at least capacity messages: the next power of
// two. It returns StatusBadArgument when capacity is not from 1 to CapacityMax.
func New(capacity int) (*Mailbox, abi.Status) {
	n := rounded(capacity)
	if n == 0 {
		return nil, abi.StatusBadArgument
	}
	return &Mailbox{
		cells: make([]cell, n),
		mask:  uint64(n - 1), //nolint:gosec // G115: n is at least 1
		batch: uint64(min(max(n/4, 1), batchMax)),
	}, abi.StatusOK
}

// Capacity returns how many messages the mailbox can hold.
func (b *Mailbox) Capacity() int { return len(b.cells) }

// Send puts a copy of the message into the mailbox, under the given stamp, and
// wakes a receiver that sleeps. It never blocks. It returns StatusMailboxFull
// when there is no place, StatusPeerDead when the mailbox is closed, and
// StatusBusy when other senders were faster for an absurdly long time; the
// message has then left no trace.
//
// Preconditions:
//   - m.Check is StatusOK.
//   - the mailbox was made by New.
func (b *Mailbox) Send(m *abi.Message, s Stamp) abi.Status { return b.send(m, &s) }

// send is apart so that Send is small enough to be inlined, and the stamp is
// built where it is read.
func (b *Mailbox) send(m *abi.Message, s *Stamp) abi.Status {
	invariant.Check(m.Check() == abi.StatusOK, "a message is checked before it is sent")
	invariant.Check(int(s.TransitCount) <= len(s.Transit), "a stamp carries at most MessageHandleMax capabilities")
	for range sendAttemptsMax {
		position := b.tail.Load()
		if position&closedBit != 0 {
			return abi.StatusPeerDead
		}
		schedule.Point()
		if position-b.headSeen.Load() > b.mask && !b.free(position) {
			// With an old position the answer says nothing: the tail has moved
			// on. With the present one, the head cannot be beyond it.
			if b.tail.Load() == position {
				return abi.StatusMailboxFull
			}
			continue
		}
		schedule.Point()
		if !b.tail.CompareAndSwap(position, position+1) {
			continue
		}
		schedule.Point()
		c := &b.cells[position&b.mask]
		c.envelope.fill(m, s)
		c.sequence.Store(position + 1)
		schedule.Point()
		b.wake()
		return abi.StatusOK
	}
	return abi.StatusBusy
}

// free reads the receiver's head anew, and reports whether it leaves a place
// for position.
func (b *Mailbox) free(position uint64) bool {
	head := b.consumer.Load() >> 1
	schedule.Point()
	b.headSeen.Store(head)
	return position-head <= b.mask
}

// wake unparks the receiver if it sleeps. The caller has already made what it
// has to tell visible: either the receiver's second look sees that, or this
// load sees the sleeper.
func (b *Mailbox) wake() {
	if p := b.sleeper.Load(); p != nil {
		b.rouse(p)
	}
}

// rouse is apart so that wake is small enough to be inlined. Of many senders
// one unparks. The receiver may have gone its way already: then its thread has
// one unpark too many, which every loop around Park tolerates.
func (b *Mailbox) rouse(p *platform.Parker) {
	schedule.Point()
	if b.sleeper.CompareAndSwap(p, nil) {
		(*p).Unpark()
	}
}

// Close ends the acceptance of messages and wakes the receiver; those already
// accepted stay to be received. It reports whether this was the first Close.
// It never blocks.
func (b *Mailbox) Close() bool {
	first := b.tail.Or(closedBit)&closedBit == 0
	schedule.Point()
	b.wake()
	return first
}

// Nudge lets a receiver that sleeps look again whether it may go on waiting,
// which only its parker knows: when that says no, the Wait ends as at a
// deadline. It never blocks.
func (b *Mailbox) Nudge() { b.wake() }

// Closed reports whether the mailbox is closed.
func (b *Mailbox) Closed() bool { return b.tail.Load()&closedBit != 0 }
