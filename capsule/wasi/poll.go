package wasi

import (
	"encoding/binary"

	"phios/abi"
)

// The kinds of what is waited for, and the layouts.
const (
	eventClock = 0
	eventRead  = 1
	eventWrite = 2

	subscriptionBytes = 48
	eventBytes        = 32
	clockAbsolute     = 1 << 0

	// turnNS is how long one of several notifications is waited for before
	// the next has its turn: a wait is on one of them.
	turnNS = 2_000_000
	never  = 1<<63 - 1
)

// subscription is one thing that is waited for.
type subscription struct {
	user  uint64
	kind  uint8
	due   uint64 // of a clock: monotonic
	file  *descriptor
	errno Errno // it cannot be waited for
	ready bool
}

// poll is a poll_oneoff while it is done.
type poll struct {
	layer *Layer
	list  []subscription
	real  bool // the program has the clock
	now   uint64
	due   uint64 // the earliest of the clocks, never for none
}

// pollOneoff is poll_oneoff.
//
// What is a file is always ready, as is an output; an input is at its end,
// which can be read. A notification is ready to be read when a bit is set,
// which is taken from it and kept for fd_read.
//
// Without the clock, time passes only for the program, see clockTime: it jumps
// to the earliest deadline unless something is ready. Then a loop that waits
// with a timeout for a notification looks at it as fast as its processor time
// lasts; whoever wants to wait waits without one, or asks for the clock.
func pollOneoff(l *Layer, c *call) Errno {
	count := c.u32(2)
	if count == 0 || count > EventsMax {
		return errnoInval
	}
	if !c.writable(c.u32(1), count*eventBytes) || !c.writable(c.u32(3), 4) {
		return errnoFault
	}
	raw, ok := c.memory.Slice(c.u32(0), count*subscriptionBytes)
	if !ok {
		return errnoFault
	}
	// Copied: the program chooses where the events go, also over these.
	p := poll{layer: l, list: make([]subscription, count), due: never}
	raw = append([]byte(nil), raw...)
	if errno := p.begin(raw); errno != errnoOK {
		return errno
	}
	if errno := p.wait(); errno != errnoOK {
		return errno
	}
	return p.tell(c)
}

// begin reads the subscriptions and finds what is ready without waiting.
func (p *poll) begin(raw []byte) Errno {
	_, p.real = p.layer.named(NameClock)
	for i := range p.list {
		s, b := &p.list[i], raw[i*subscriptionBytes:]
		s.user, s.kind = binary.LittleEndian.Uint64(b), b[8]
		switch s.kind {
		case eventClock:
			if errno := p.beginClock(s, b[16:]); errno != errnoOK {
				return errno
			}
		case eventRead, eventWrite:
			s.file, s.errno = p.layer.at(binary.LittleEndian.Uint32(b[16:]))
			if s.errno == errnoOK && s.kind == eventWrite && s.file.kind == kindNotification {
				s.errno = errnoBadf
			}
			s.ready = s.errno != errnoOK || s.file.kind != kindNotification
		default:
			return errnoInval
		}
	}
	return errnoOK
}

// beginClock reads a subscription to a clock. Deadlines of the day's clock are
// turned into monotonic ones here, and do not follow when that clock is set.
func (p *poll) beginClock(s *subscription, b []byte) Errno {
	id, timeout, flags := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint16(b[24:])
	if id != clockRealtime && id != clockMonotonic || flags&^clockAbsolute != 0 {
		s.errno, s.ready = errnoInval, true
		return errnoOK
	}
	if errno := p.look(); errno != errnoOK {
		return errno
	}
	if flags&clockAbsolute != 0 {
		now := p.now
		if p.real && id == clockRealtime {
			var errno Errno
			if now, errno = p.layer.now(clockRealtime); errno != errnoOK {
				return errno
			}
		}
		timeout -= min(now, timeout)
	}
	s.due = min(p.now+min(timeout, never-p.now), never-1)
	p.due = min(p.due, s.due)
	return errnoOK
}

// look reads the time, and bounds it: a server could answer anything.
func (p *poll) look() Errno {
	now, errno := p.layer.now(clockMonotonic)
	p.now = min(now, never-1)
	return errno
}

// wait waits until something is ready.
func (p *poll) wait() Errno {
	for {
		bells, errno := p.check()
		if errno != errnoOK {
			return errno
		}
		if p.anyReady() {
			return errnoOK
		}
		switch {
		case !p.layer.door.Alive():
			return errnoIntr
		case p.due != never && !p.real:
			p.layer.virtual = max(p.layer.virtual, p.due)
		case len(bells) == 0:
			errno = p.layer.sleep(p.due)
		default:
			errno = p.waitFor(bells)
		}
		if errno != errnoOK {
			return errno
		}
		if p.due != never {
			if errno := p.look(); errno != errnoOK {
				return errno
			}
		}
	}
}

// check marks what has become ready, and returns the notifications that have
// not.
func (p *poll) check() ([]*descriptor, Errno) {
	var bells []*descriptor
	for i := range p.list {
		s := &p.list[i]
		switch {
		case s.ready:
		case s.kind == eventClock:
			s.ready = s.due <= p.now
		default:
			if s.errno = p.layer.takeBits(s.file); s.errno != errnoOK || s.file.bits != 0 {
				s.ready = true
				continue
			}
			bells = append(bells, s.file)
		}
	}
	return bells, errnoOK
}

func (p *poll) anyReady() bool {
	for i := range p.list {
		if p.list[i].ready {
			return true
		}
	}
	return false
}

// waitFor waits for notifications, in turns when there are several. Turns need
// the time: without the clock, several cannot be waited for.
func (p *poll) waitFor(bells []*descriptor) Errno {
	switch {
	case len(bells) == 1:
		return p.layer.waitBits(bells[0], p.due)
	case !p.real:
		return errnoNotcapable
	}
	for _, d := range bells {
		if errno := p.look(); errno != errnoOK {
			return errno
		}
		if errno := p.layer.waitBits(d, min(p.due, p.now+turnNS)); errno != errnoOK || d.bits != 0 {
			return errno
		}
	}
	return errnoOK
}

// tell writes the events of what is ready.
func (p *poll) tell(c *call) Errno {
	at, n := c.u32(1), uint32(0)
	for i := range p.list {
		s := &p.list[i]
		if !s.ready {
			continue
		}
		var b [eventBytes]byte
		binary.LittleEndian.PutUint64(b[0:], s.user)
		binary.LittleEndian.PutUint16(b[8:], uint16(s.errno))
		b[10] = s.kind
		if s.kind != eventClock && s.errno == errnoOK && s.file.kind == kindNotification {
			binary.LittleEndian.PutUint64(b[16:], 8) // bytes that fd_read has
		}
		if errno := c.store(at+n*eventBytes, b[:]); errno != errnoOK {
			return errno
		}
		n++
	}
	return c.put32(c.u32(3), n)
}

// takeBits takes what a notification has signalled, without waiting.
func (l *Layer) takeBits(d *descriptor) Errno {
	a := abi.Args{W: [abi.ArgWords]uint64{notificationBits}}
	if status := l.invoke(d.handle, abi.NotificationPoll, &a); !status.OK() {
		return errnoOf(status)
	}
	d.bits |= a.W[0]
	return errnoOK
}

// notificationBits are all that a notification has.
const notificationBits = 1<<32 - 1

// waitBits is takeBits that waits until a monotonic deadline.
func (l *Layer) waitBits(d *descriptor, due uint64) Errno {
	if due == never {
		due = 0 // for ever
	}
	a := abi.Args{W: [abi.ArgWords]uint64{notificationBits, due}}
	status := l.invoke(d.handle, abi.NotificationWait, &a)
	if status.OK() {
		d.bits |= a.W[0]
	}
	if status == abi.StatusTimeout {
		return errnoOK
	}
	return errnoOf(status)
}

// schedYield is sched_yield: who shares the processor is the node's business,
// and a call is where it decides.
func schedYield(*Layer, *call) Errno { return errnoOK }
