package notify

import (
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/schedule"
	"phios/platform"
)

// Bits is the bits that a notification has.
const Bits = 1<<32 - 1

// Notification is a word of 32 bits. Signalling sets bits; waiting takes them.
// The zero value is ready. It must not be copied once it is in use.
//
// The word has a tag beside the bits, in the same 64, so that one
// compare-and-swap both sets bits and finds out whether the signaller's
// authority was revoked meanwhile. Counting signallers in and out, as a
// mailbox's senders are, took two more locked instructions: 23 ns for a
// signal through the gate, against 15.
type Notification struct {
	// word holds the bits signalled and not taken, and the tag above them.
	word atomic.Uint64
	// sleeper is the parker of a waiter that sleeps or is about to, and mask
	// what it waits for. Both are written by the holder of waiting.
	sleeper atomic.Pointer[platform.Parker]
	mask    atomic.Uint64
	// waiting is the try-lock of the one waiter.
	waiting atomic.Uint32
	closed  atomic.Bool
}

// Signal sets bits, and wakes the waiter if it waits for one of them. It never
// blocks, and costs one atomic OR and one load when nobody waits. On a closed
// notification it has no effect that anyone can see.
//
// Preconditions:
//   - bits are among Bits
func (n *Notification) Signal(bits uint64) {
	invariant.Check(bits&^Bits == 0, "notify: a signal of bits that a notification does not have")
	n.word.Or(bits)
	n.wake(bits)
}

// SignalTagged is Signal for whom a revocation may overtake: it reports false,
// and has done nothing, when the notification does not have that tag any more.
//
// Preconditions:
//   - bits are among Bits
func (n *Notification) SignalTagged(bits uint64, tag uint32) bool {
	invariant.Check(bits&^Bits == 0, "notify: a signal of bits that a notification does not have")
	for {
		w := n.word.Load()
		if uint32(w>>32) != tag {
			return false
		}
		schedule.Point()
		if n.word.CompareAndSwap(w, w|bits) {
			n.wake(bits)
			return true
		}
	}
}

// Tag returns the notification's tag.
func (n *Notification) Tag() uint32 { return uint32(n.word.Load() >> 32) }

// Retag gives the notification another tag. When it returns, no SignalTagged
// under an earlier one has any effect any more.
func (n *Notification) Retag(tag uint32) {
	for {
		w := n.word.Load()
		if n.word.CompareAndSwap(w, w&Bits|uint64(tag)<<32) {
			return
		}
	}
}

func (n *Notification) wake(bits uint64) {
	schedule.Point()
	if p := n.sleeper.Load(); p != nil {
		n.rouse(p, bits)
	}
}

// rouse unparks the waiter if bits concern it. A waiter that came after p was
// loaded shows its mask before it looks at the word, so that either the mask
// read here is its own or it has seen the bits.
func (n *Notification) rouse(p *platform.Parker, bits uint64) {
	schedule.Point()
	if bits&n.mask.Load() != 0 && n.sleeper.CompareAndSwap(p, nil) {
		(*p).Unpark()
	}
}

// Poll takes the bits under mask that are set, without waiting: zero when there
// are none.
func (n *Notification) Poll(mask uint64) uint64 {
	mask &= Bits
	if n.word.Load()&mask == 0 {
		return 0
	}
	return n.word.And(^mask) & mask
}

// Pending returns the bits that are set, and leaves them.
func (n *Notification) Pending() uint64 { return n.word.Load() & Bits }

// Wait blocks on p until a bit under mask is set, then takes those that are,
// and returns them. Bits that are set are taken even when the notification is
// closed or the deadline has passed. Otherwise it returns no bits and
// StatusPeerDead when the notification is closed, StatusTimeout when the
// deadline, an absolute time of the machine's clock, has passed (zero waits for
// ever), StatusBusy when another waits, StatusBadArgument for a mask without Bits.
//
// The parker is passed by address because a signaller keeps the address for as
// long as it may still unpark it: it must be the waiting thread's own, and must
// not change while the thread lives.
func (n *Notification) Wait(p *platform.Parker, mask uint64, deadline int64) (uint64, abi.Status) {
	if mask&Bits == 0 {
		return 0, abi.StatusBadArgument
	}
	if !n.waiting.CompareAndSwap(0, 1) {
		return 0, abi.StatusBusy
	}
	bits, status := n.look(mask)
	for status == abi.StatusEmpty {
		n.mask.Store(mask)
		schedule.Point()
		n.sleeper.Store(p)
		schedule.Point()
		// The second look, after the sleeper can be seen, is what makes a lost
		// wake-up impossible: a signal sets its bits before it looks for a
		// sleeper.
		bits, status = n.look(mask)
		if status == abi.StatusEmpty {
			inTime := (*p).Park(deadline)
			bits, status = n.look(mask)
			if status == abi.StatusEmpty && !inTime {
				status = abi.StatusTimeout
			}
		}
		n.sleeper.Store(nil)
	}
	n.waiting.Store(0)
	return bits, status
}

// look takes what a waiter may have now; StatusEmpty when it has to wait.
func (n *Notification) look(mask uint64) (uint64, abi.Status) {
	// Closed is read first: bits that were signalled before the close are set
	// by then, and go out before StatusPeerDead does.
	closed := n.closed.Load()
	if bits := n.Poll(mask); bits != 0 {
		return bits, abi.StatusOK
	}
	if closed {
		return 0, abi.StatusPeerDead
	}
	return 0, abi.StatusEmpty
}

// Close ends the notification: the waiter, and all who wait later, get
// StatusPeerDead once the bits they wait for are taken. It reports whether
// this was the first Close. It never blocks.
func (n *Notification) Close() bool {
	first := n.closed.CompareAndSwap(false, true)
	schedule.Point()
	if p := n.sleeper.Load(); p != nil && n.sleeper.CompareAndSwap(p, nil) {
		(*p).Unpark()
	}
	return first
}

// Nudge lets a waiter that sleeps look again whether it may go on waiting, which
// only its parker knows: when that says no, the Wait ends as at a deadline. It
// never blocks.
func (n *Notification) Nudge() {
	if p := n.sleeper.Load(); p != nil && n.sleeper.CompareAndSwap(p, nil) {
		(*p).Unpark()
	}
}

// Closed reports whether the notification is closed.
func (n *Notification) Closed() bool { return n.closed.Load() }
