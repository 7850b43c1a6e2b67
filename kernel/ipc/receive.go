package ipc

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/schedule"
	"phios/platform"
)

// AcquireConsumer makes the caller the mailbox's receiver until
// ReleaseConsumer. It never blocks; it returns StatusBusy when another is.
func (b *Mailbox) AcquireConsumer() abi.Status {
	w := b.consumer.Load()
	if w&1 != 0 || !b.consumer.CompareAndSwap(w, w|1) {
		return abi.StatusBusy
	}
	return abi.StatusOK
}

// ReleaseConsumer lets another be the receiver, and senders use the places of
// all messages dropped.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) ReleaseConsumer() {
	invariant.Check(b.held(), "only the receiver gives up the mailbox")
	b.shown = b.head
	b.consumer.Store(b.head << 1)
}

// publish lets senders use the places of all messages dropped, without giving
// up the flag.
func (b *Mailbox) publish() {
	if b.shown != b.head {
		b.shown = b.head
		b.consumer.Store(b.head<<1 | 1)
	}
}

// held reports whether there is a receiver.
func (b *Mailbox) held() bool { return b.consumer.Load()&1 != 0 }

// Head returns the oldest message without taking it, nil when there is none or
// when its sender has not finished writing it. The envelope is the mailbox's:
// the receiver may read it until it calls Drop. Looking apart from taking lets
// the receiver refuse, for want of slots for the capabilities that come along,
// and leave the message where it is.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) Head() *Envelope {
	invariant.Check(b.held(), "only the receiver looks at the head")
	c := &b.cells[b.head&b.mask]
	if c.sequence.Load() != b.head+1 {
		return nil
	}
	return &c.envelope
}

// Drop takes the oldest message away and clears its bytes. Its place goes back
// to senders with the flag, or earlier: when the receiver waits, and after
// every few drops, at most batchMax or a quarter of the capacity. To publish
// each drop would cost a locked store where the flag is kept over many.
//
// Preconditions:
//   - the caller is the receiver.
//   - Head is not nil.
func (b *Mailbox) Drop() {
	c := &b.cells[b.head&b.mask]
	invariant.Check(c.sequence.Load() == b.head+1, "there is a message to drop")
	c.envelope.wipe()
	schedule.Point()
	b.head++
	if b.head-b.shown >= b.batch {
		b.publish()
	}
}

// Wait blocks on p until there is a message to look at. It returns StatusOK
// then, StatusPeerDead when the mailbox is closed and every message that it
// accepted has been dropped, and StatusTimeout when the deadline, an absolute
// time of the machine's clock, has passed first; zero waits for ever.
//
// The parker is passed by address because senders keep the address for as long
// as they may still unpark it: it must be the waiting thread's own, and must
// not change while the thread lives.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) Wait(p *platform.Parker, deadline int64) abi.Status {
	for {
		if status := b.settled(); status != abi.StatusEmpty {
			return status
		}
		// Senders that find the mailbox full send nothing, and so wake nobody:
		// they must see the places before the receiver sleeps.
		b.publish()
		schedule.Point()
		b.sleeper.Store(p)
		schedule.Point()
		// The second look, after the sleeper can be seen, is what makes a lost
		// wake-up impossible: see wake.
		status := b.settled()
		if status == abi.StatusEmpty && !(*p).Park(deadline) {
			if status = b.settled(); status == abi.StatusEmpty {
				status = abi.StatusTimeout
			}
		}
		b.sleeper.Store(nil)
		if status != abi.StatusEmpty {
			return status
		}
	}
}

// settled says how a Wait would end now: StatusOK, StatusPeerDead, or
// StatusEmpty when it would not.
func (b *Mailbox) settled() abi.Status {
	switch {
	case b.Head() != nil:
		return abi.StatusOK
	case b.tail.Load() == b.head|closedBit:
		return abi.StatusPeerDead
	default:
		return abi.StatusEmpty
	}
}

// Drain drops every message, showing each to dispose before, so that the last
// owner can undo what travels along and end the calls that wait. It reports
// whether the mailbox is empty for good: false when it is not closed, or when a
// sender has reserved a place and not filled it yet. In the second case the
// caller relaxes and drains again; the sender is a few instructions from done.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) Drain(dispose func(*Envelope)) bool {
	for range CapacityMax {
		e := b.Head()
		if e == nil {
			break
		}
		dispose(e)
		b.Drop()
	}
	b.publish()
	return b.settled() == abi.StatusPeerDead
}
