package wasi

import (
	"phios/abi"
	"phios/capsule/ambient/ops"
)

// The clocks that programs name.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// tickNS is how far the time of a program without a clock goes on each time
// that it looks.
const tickNS = 1000

// clockTime is clock_time_get.
//
// A program without the capability is not refused. Runtimes read the clocks
// before main and end the program when that fails: Go's does. What it is given
// is no time: a counter that begins at zero, goes on by tickNS when it is
// read, and jumps ahead when the program sleeps. It tells nothing of the
// machine, of other programs, or of how long anything took, and it is the same
// in every run. The clock of the day is the same counter, so that such a
// program finds itself in 1970, where nobody takes it for the time.
func clockTime(l *Layer, c *call) Errno {
	if !c.writable(c.u32(2), 8) {
		return errnoFault
	}
	now, errno := l.now(c.u32(0))
	if errno != errnoOK {
		return errno
	}
	return c.put64(c.u32(2), now)
}

// now reads one of the clocks.
func (l *Layer) now(id uint32) (uint64, Errno) {
	if id != clockRealtime && id != clockMonotonic {
		return 0, errnoNotsup // the processor's time is the engine's to count
	}
	clock, ok := l.named(NameClock)
	if !ok {
		l.virtual += tickNS
		return l.virtual, errnoOK
	}
	m, errno := l.ask(clock, ops.Request{Operation: ops.ClockNow})
	if errno != errnoOK {
		return 0, errno
	}
	if id == clockRealtime {
		return m.Words[ops.WordB], errnoOK
	}
	return m.Words[ops.WordA], errnoOK
}

// clockRes is clock_res_get. No runtime needs it to begin, so it tells nothing
// without the capability.
func clockRes(l *Layer, c *call) Errno {
	id := c.u32(0)
	if id != clockRealtime && id != clockMonotonic {
		return errnoNotsup
	}
	clock, ok := l.named(NameClock)
	if !ok {
		return errnoNotcapable
	}
	m, errno := l.ask(clock, ops.Request{Operation: ops.ClockResolution})
	if errno != errnoOK {
		return errno
	}
	if id == clockRealtime {
		return c.put64(c.u32(1), m.Words[ops.WordB])
	}
	return c.put64(c.u32(1), m.Words[ops.WordA])
}

// sleep waits until a monotonic deadline; the program has the clock.
func (l *Layer) sleep(deadline uint64) Errno {
	if l.ring() {
		a := abi.Args{W: [abi.ArgWords]uint64{1, deadline}}
		status := l.invoke(l.bell, abi.NotificationWait, &a)
		if status == abi.StatusTimeout {
			return errnoOK
		}
		return errnoOf(status)
	}
	clock, ok := l.named(NameClock)
	for ok && l.door.Alive() {
		m, errno := l.ask(clock, ops.Request{Operation: ops.ClockSleep, A: deadline})
		if errno != errnoOK {
			return errno
		}
		if m.Words[ops.WordA] >= deadline {
			return errnoOK
		}
	}
	return errnoIntr
}

// ring reports whether there is a notification to sleep on, which nobody
// signals. One wait on it is one call, and ends at once when the task is
// killed. It is made of the budget that the program was granted, when it was.
func (l *Layer) ring() bool {
	if l.bell == 0 && !l.silent {
		l.silent = true
		if budget, ok := l.named(NameBudget); ok {
			var a abi.Args
			if l.invoke(budget, abi.NotificationCreate, &a).OK() {
				l.bell, l.silent = abi.Handle(a.W[0]), false
			}
		}
	}
	return l.bell != 0
}

// randomGet is random_get.
//
// A program without the capability is refused, always. It was considered to
// answer the first small request with bytes that are not random, because
// runtimes seed their hash tables before main; but nobody can tell such a
// request from one for a key, and Go's runtime goes on without: it makes a
// seed of the time, while crypto/rand ends the program. So does whatever else
// needs secrets, which is right: a key that others can guess is worse than
// none.
func randomGet(l *Layer, c *call) Errno {
	at, n := c.u32(0), c.u32(1)
	if !c.writable(at, n) {
		return errnoFault
	}
	if n > TransferBytesMax {
		return errnoInval // a call answers in full or not at all
	}
	source, ok := l.named(NameRandom)
	if !ok {
		return errnoNotcapable
	}
	for n > 0 {
		part := min(n, abi.MessageBytesMax)
		m, errno := l.ask(source, ops.Request{Operation: ops.RandomBytes, A: uint64(part)})
		if errno != errnoOK {
			return errno
		}
		if m.Length != uint16(part) {
			return errnoIO
		}
		if errno := c.store(at, m.Payload()); errno != errnoOK {
			return errno
		}
		clear(m.Data[:]) // it may become a key
		at, n = at+part, n-part
	}
	return errnoOK
}
