package ipc

import (
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/schedule"
	"phios/platform"
)

// Ticket names one call of a [Call] record. Tickets of a record are never used
// twice, so that one of an earlier call fits no later one. Zero is none.
type Ticket uint64

// word is the whole state of a call in one place, so that every change of it
// is one compare and swap:
//
//	bits 0–1   phase
//	bit  2     parked: the caller sleeps or is about to, and must be unparked
//	bits 3–9   status: how the call ended; while claimed, how it is to end if
//	           the claim is abandoned
//	bits 10–63 ticket
type word uint64

const (
	phaseMask   word = 3
	parkedBit   word = 1 << 2
	statusShift      = 3
	statusMask  word = 127 << statusShift
	ticketShift      = 10
)

// TicketMax is the greatest ticket: at ten million calls a second a record
// reaches it in 57 years.
const TicketMax = 1<<(64-ticketShift) - 1

// Every status fits its field.
const _ = uint(127 - abi.StatusCount)

// The phases of a call. It goes from idle or done to waiting, from there to
// done either at once or through claimed; an abandoned claim goes back.
const (
	phaseIdle word = iota
	phaseWaiting
	phaseClaimed
	phaseDone
)

func (w word) phase() word        { return w & phaseMask }
func (w word) ticket() Ticket     { return Ticket(w >> ticketShift) }
func (w word) status() abi.Status { return abi.Status(w & statusMask >> statusShift) }

func (w word) with(phase word, s abi.Status) word {
	return w&^(phaseMask|statusMask) | phase | word(s)<<statusShift
}

// Call is the record of a caller that waits for one answer. A thread has one
// and uses it for all its calls, one at a time; nothing is allocated.
//
// The owner, the calling thread, uses Init, Begin, Wait, Answer and Take.
// Anyone who holds a ticket may reply, fence, or report a death; exactly one
// of them, or the timeout, ends the call, and the rest are told.
type Call struct {
	parker platform.Parker // set by Init, then only read
	word   atomic.Uint64
	answer Envelope // guarded by the claim while claimed, by the owner while done
}

// Init ties the record to the parker of its owner, once, before anybody else
// can see it.
//
// Preconditions:
//   - the record was not initialised before.
func (c *Call) Init(p platform.Parker) {
	invariant.Always(c.parker == nil && p != nil, "a call is initialised once")
	c.parker = p
}

// Begin starts a call and returns its ticket.
//
// Preconditions:
//   - the caller is the owner.
//   - the earlier call has ended.
func (c *Call) Begin() Ticket {
	w := word(c.word.Load())
	invariant.Check(c.parker != nil, "a call is initialised before it begins")
	invariant.Always(w.phase() == phaseIdle || w.phase() == phaseDone, "a thread makes one call at a time")
	t := w.ticket() + 1
	invariant.Always(t <= TicketMax, "tickets are never used twice")
	c.word.Store(uint64(word(t)<<ticketShift | phaseWaiting))
	return t
}

// Claim reserves the answer of the call for the caller of Claim, who must then
// either Complete or Abandon it, within bounded time: the owner waits for that
// even past its deadline. It reports false, and changes nothing, when that
// call is over or claimed by another. Between the two, the gate moves
// capabilities, knowing that nobody else answers and the owner stays.
func (c *Call) Claim(t Ticket) bool {
	for {
		w := word(c.word.Load())
		if w.ticket() != t || w.phase() != phaseWaiting {
			return false
		}
		schedule.Point()
		// The swap fails at most twice with this phase: when the owner marks
		// itself parked, and not again.
		if c.swap(w, w.with(phaseClaimed, abi.StatusOK)) {
			return true
		}
	}
}

// Fill writes the answer: a copy of m under the given stamp.
//
// Preconditions:
//   - the caller holds the claim.
//   - m.Check is StatusOK.
func (c *Call) Fill(m *abi.Message, s Stamp) {
	invariant.Check(word(c.word.Load()).phase() == phaseClaimed, "an answer is written under a claim")
	invariant.Check(m.Check() == abi.StatusOK, "a message is checked before it is sent")
	c.answer.fill(m, &s)
}

// Complete ends the claimed call: the owner's Wait returns status, which is
// StatusOK when an answer was filled in. A fence or a death that came during
// the claim came too late.
//
// Preconditions:
//   - the caller holds the claim.
func (c *Call) Complete(status abi.Status) {
	if status != abi.StatusOK {
		c.answer.wipe()
	}
	for {
		w := word(c.word.Load())
		invariant.Always(w.phase() == phaseClaimed, "only a claimed call is completed")
		schedule.Point()
		if c.end(w, status) {
			return
		}
	}
}

// Abandon gives the claim back without an answer, so that a reply which failed
// leaves no trace: the call waits on, or ends as a fence or a death that came
// during the claim wanted.
//
// Preconditions:
//   - the caller holds the claim.
func (c *Call) Abandon() {
	c.answer.wipe()
	for {
		w := word(c.word.Load())
		invariant.Always(w.phase() == phaseClaimed, "only a claimed call is abandoned")
		schedule.Point()
		if s := w.status(); s != abi.StatusOK {
			if c.end(w, s) {
				return
			}
			continue
		}
		if c.swap(w, w.with(phaseWaiting, abi.StatusOK)) {
			// The owner may have found the call claimed when its deadline
			// passed, and now sleeps without one: let it look again.
			if w&parkedBit != 0 {
				c.parker.Unpark()
			}
			return
		}
	}
}

// Reply answers the call with a copy of m under the given stamp, and wakes the
// owner if it sleeps. It never blocks. It returns StatusState when that call is
// over already, or another is about to answer it.
//
// Preconditions:
//   - m.Check is StatusOK.
func (c *Call) Reply(t Ticket, m *abi.Message, s Stamp) abi.Status {
	if !c.Claim(t) {
		return abi.StatusState
	}
	schedule.Point()
	c.Fill(m, s)
	c.Complete(abi.StatusOK)
	return abi.StatusOK
}

// Fence ends the call with StatusRevoked: the capability that it was made
// through is gone. It never blocks. It returns StatusOK when it has ended the
// call; StatusState when that call was over, which changes nothing; and
// StatusBusy when an answer is being written at this moment: the answer wins,
// or if it is abandoned the call ends with the first status that was so left
// behind. Whoever must know which may relax until [Call.Over].
func (c *Call) Fence(t Ticket) abi.Status { return c.stop(t, abi.StatusRevoked) }

// PeerDied ends the call with StatusPeerDead: nobody is left to answer. It
// returns what Fence returns.
func (c *Call) PeerDied(t Ticket) abi.Status { return c.stop(t, abi.StatusPeerDead) }

// Cancel ends the call with StatusKilled: its owner is to stop. It returns what
// Fence returns.
func (c *Call) Cancel(t Ticket) abi.Status { return c.stop(t, abi.StatusKilled) }

// stop ends the call with status unless it is over: see Fence.
func (c *Call) stop(t Ticket, status abi.Status) abi.Status {
	for {
		w := word(c.word.Load())
		if w.ticket() != t || w.phase() == phaseDone || w.phase() == phaseIdle {
			return abi.StatusState
		}
		schedule.Point()
		switch {
		case w.phase() == phaseWaiting:
			if c.end(w, status) {
				return abi.StatusOK
			}
		case w.status() != abi.StatusOK, c.swap(w, w.with(phaseClaimed, status)):
			return abi.StatusBusy
		}
	}
}

// Over reports whether the call of that ticket has ended.
func (c *Call) Over(t Ticket) bool {
	w := word(c.word.Load())
	return w.ticket() != t || w.phase() == phaseDone
}

// Wait blocks until the call has ended, and says how: StatusOK with an answer
// to take, StatusRevoked, StatusPeerDead, StatusKilled, StatusTimeout when the
// deadline, an absolute time of the machine's clock, passed first (zero waits
// for ever), or what the answerer completed it with. It does not park when the
// call has ended already, as in a call that ran on the caller's own thread.
//
// Preconditions:
//   - the caller is the owner.
func (c *Call) Wait(deadline int64) abi.Status {
	for {
		w := word(c.word.Load())
		schedule.Point()
		switch {
		case w.phase() == phaseDone:
			return w.status()
		case w&parkedBit == 0:
			// Fails only when the call has moved on: look again.
			c.swap(w, w|parkedBit)
		case w.phase() == phaseClaimed:
			c.parker.Park(0)
		case !c.parker.Park(deadline):
			c.swap(w, w.with(phaseDone, abi.StatusTimeout))
		}
	}
}

// Answer returns the answer that was filled in, so that the gate can see what
// travels along before the owner takes it. It is the record's: the owner may
// read it until Take or the next Begin.
//
// Preconditions:
//   - the caller is the owner.
//   - the call ended with StatusOK.
func (c *Call) Answer() *Envelope {
	invariant.Check(word(c.word.Load()).phase() == phaseDone, "an answer is read after the call")
	return &c.answer
}

// Take copies the answer out and clears it in the record.
//
// Preconditions:
//   - the caller is the owner.
//   - the call ended with StatusOK.
func (c *Call) Take(into *abi.Message) {
	c.Answer().Open(into)
	c.answer.wipe()
}

func (c *Call) swap(from, to word) bool {
	return c.word.CompareAndSwap(uint64(from), uint64(to))
}

// end moves the call from w to done and wakes its owner if it sleeps. The
// parker never changes, so that it may be used after the owner has gone its
// way; it then has one unpark too many, which every loop around Park tolerates.
func (c *Call) end(w word, status abi.Status) bool {
	if !c.swap(w, w.with(phaseDone, status)) {
		return false
	}
	schedule.Point()
	if w&parkedBit != 0 {
		c.parker.Unpark()
	}
	return true
}
