package notify

import (
	"math"
	"sync"

	"phios/abi"
	"phios/internal/invariant"
)

// TimersMax is the most timers that a table can have.
const TimersMax = 1 << 16

// TimerID names a timer of a table: its place in the low 16 bits and the
// place's generation above, so that the number of a timer that was freed is an
// error and never another timer. Zero is never a timer.
type TimerID uint64

const timerIndexBits = 16

// Timers is a table of timers ordered by the time at which they are due: a
// binary heap of places, sized once. Make one with [NewTimers].
//
// Rejected: a hierarchical wheel, which arms in constant time but rounds to
// its tick, and whose owner must come by at every tick; the heap says exactly
// when to come back.
type Timers struct {
	mu sync.Mutex
	// timers are the places. Guarded by mu.
	timers []timer
	// heap holds the places of the armed timers, the earliest first. Its
	// capacity is that of timers, so that it never grows. Guarded by mu.
	heap []uint32
	// free is the head of the list of places not in use, through timer.heap;
	// -1 ends it. Guarded by mu.
	free int32
}

// timer is one place.
type timer struct {
	notification *Notification // nil when the place is free
	bits         uint64
	at           int64 // when it is due, in nanoseconds of the machine's clock
	periodNS     int64 // zero fires once
	overruns     uint64
	generation   uint64
	heap         int32 // position in the heap, or next free place; -1 for none
}

// NewTimers makes a table for the given number of timers. It returns
// StatusBadArgument when that is not from 1 to TimersMax.
func NewTimers(capacity int) (*Timers, abi.Status) {
	if capacity < 1 || capacity > TimersMax {
		return nil, abi.StatusBadArgument
	}
	t := &Timers{timers: make([]timer, capacity), heap: make([]uint32, 0, capacity)}
	for i := range t.timers {
		t.timers[i].generation = 1
		t.timers[i].heap = int32(i + 1)
	}
	t.timers[capacity-1].heap = -1
	return t, abi.StatusOK
}

// Add makes a timer that signals bits of n; it is not armed. It returns
// StatusLimit when the table is full and StatusBadArgument when bits is zero.
// What arming needs is reserved here, so that arming cannot fail for want of
// it.
func (t *Timers) Add(n *Notification, bits uint64) (TimerID, abi.Status) {
	if n == nil || bits == 0 {
		return 0, abi.StatusBadArgument
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.free
	if i < 0 {
		return 0, abi.StatusLimit
	}
	e := &t.timers[i]
	t.free = e.heap
	*e = timer{notification: n, bits: bits, generation: e.generation, heap: -1}
	return TimerID(e.generation<<timerIndexBits | uint64(i)), abi.StatusOK
}

// Remove ends a timer; when it returns, the timer signals nothing any more and
// its number is dead. It returns StatusBadArgument when there is no such timer.
func (t *Timers) Remove(id TimerID) abi.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, i := t.find(id)
	if e == nil {
		return abi.StatusBadArgument
	}
	t.disarm(e)
	*e = timer{generation: e.generation + 1, heap: t.free}
	t.free = i
	return abi.StatusOK
}

// Arm sets a timer to fire at an absolute time of the machine's clock, and
// then, when periodNS is not zero, every periodNS from that time on: a timer
// that fires late does not shift those after. It replaces what the timer was
// armed with and forgets its overruns. A time in the past fires with the next
// Fire. It returns StatusBadArgument when at is below 1, periodNS is negative,
// or there is no such timer.
//
// The platform may have to come earlier than it meant to: ask [Timers.Next]
// afterwards.
func (t *Timers) Arm(id TimerID, at, periodNS int64) abi.Status {
	if at < 1 || periodNS < 0 {
		return abi.StatusBadArgument
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e, i := t.find(id)
	if e == nil {
		return abi.StatusBadArgument
	}
	t.disarm(e)
	e.at, e.periodNS, e.overruns = at, periodNS, 0
	invariant.Always(len(t.heap) < cap(t.heap), "every timer has a place in the heap")
	e.heap = int32(len(t.heap))        //nolint:gosec // G115: at most TimersMax
	t.heap = append(t.heap, uint32(i)) //nolint:gosec // G115: i is a place
	t.up(len(t.heap) - 1)
	return abi.StatusOK
}

// Cancel disarms a timer; when it returns, the timer signals nothing any more.
// It returns StatusState when the timer is not armed, because it has fired or
// was never armed, and StatusBadArgument when there is no such timer.
func (t *Timers) Cancel(id TimerID) abi.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, _ := t.find(id)
	switch {
	case e == nil:
		return abi.StatusBadArgument
	case e.heap < 0:
		return abi.StatusState
	}
	t.disarm(e)
	return abi.StatusOK
}

// Overruns returns how many periods have passed unsignalled since the timer
// was armed, because Fire came late and signalled once for several. It returns
// StatusBadArgument when there is no such timer.
func (t *Timers) Overruns(id TimerID) (uint64, abi.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, _ := t.find(id)
	if e == nil {
		return 0, abi.StatusBadArgument
	}
	return e.overruns, abi.StatusOK
}

// Next returns when the earliest timer is due, zero when none is armed.
func (t *Timers) Next() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next()
}

// Fire signals the timers that are due at now, the earliest first and those of
// the same time in the order of their places, but no more than limit of them.
// It returns how many it signalled and when the earliest of the others is due,
// zero when none is armed; that is not after now when limit was reached with
// more to do.
//
// Preconditions:
//   - limit is above zero.
func (t *Timers) Fire(now int64, limit int) (fired int, next int64) {
	invariant.Check(limit > 0, "Fire is allowed at least one timer")
	t.mu.Lock()
	defer t.mu.Unlock()
	for fired < limit && len(t.heap) > 0 {
		e := &t.timers[t.heap[0]]
		if e.at > now {
			break
		}
		e.notification.Signal(e.bits)
		fired++
		if e.periodNS == 0 || !e.advance(now) {
			t.disarm(e)
			continue
		}
		t.down(0)
	}
	return fired, t.next()
}

// advance moves a periodic timer to its first time after now. Times that have
// passed meanwhile count as overruns: after a long sleep there is one signal
// and no storm. It reports false when that time is beyond the clock's range.
func (e *timer) advance(now int64) bool {
	invariant.Check(e.at <= now && e.periodNS > 0, "only a periodic timer that is due advances")
	missed := (now - e.at) / e.periodNS
	e.overruns += uint64(missed) //nolint:gosec // G115: now is not before at
	last := e.at + missed*e.periodNS
	if last > math.MaxInt64-e.periodNS {
		return false
	}
	e.at = last + e.periodNS
	return true
}

// find returns the timer of that number and its place, nil when there is none.
// mu is held.
func (t *Timers) find(id TimerID) (*timer, int32) {
	i := int(id & (TimersMax - 1))
	if i >= len(t.timers) {
		return nil, -1
	}
	e := &t.timers[i]
	if e.notification == nil || e.generation != uint64(id)>>timerIndexBits {
		return nil, -1
	}
	return e, int32(i)
}

// next returns when the earliest timer is due. mu is held.
func (t *Timers) next() int64 {
	if len(t.heap) == 0 {
		return 0
	}
	return t.timers[t.heap[0]].at
}
