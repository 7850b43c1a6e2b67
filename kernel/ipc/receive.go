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
	if !b.consumer.CompareAndSwap(0, 1) {
		return abi.StatusBusy
	}
	return abi.StatusOK
}

// ReleaseConsumer lets another be the receiver.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) ReleaseConsumer() {
	invariant.Check(b.consumer.Load() == 1, "only the receiver gives up the mailbox")
	b.consumer.Store(0)
}

// Head returns the oldest message without taking it, nil when there is none or
// when its sender has not finished writing it. The envelope is the mailbox's:
// the receiver may read it until it calls Drop. Looking apart from taking lets
// the receiver refuse, for want of slots for the capabilities that come along,
// and leave the message where it is.
//
// Preconditions:
//   - the caller is the receiver.
func (b *Mailbox) Head() *Envelope {
	invariant.Check(b.consumer.Load() == 1, "only the receiver looks at the head")
	c := &b.cells[b.head&b.mask]
	if c.sequence.Load() != 2*b.head+1 {
		return nil
	}
	return &c.envelope
}

// Drop takes the oldest message away and gives its place back to senders. Its
// bytes are cleared first.
//
// Preconditions:
//   - the caller is the receiver.
//   - Head is not nil.
func (b *Mailbox) Drop() {
	c := &b.cells[b.head&b.mask]
	invariant.Check(c.sequence.Load() == 2*b.head+1, "there is a message to drop")
	c.envelope.wipe()
	schedule.Point()
	c.sequence.Store(2 * (b.head + uint64(len(b.cells))))
	b.head++
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
	return b.settled() == abi.StatusPeerDead
}
