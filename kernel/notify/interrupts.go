package notify

import (
	"sync"
	"sync/atomic"

	"phios/abi"
)

// LinesMax is the number of interrupt lines of a table.
const LinesMax = 256

// Interrupts is a table of interrupt lines, each bound to at most one
// notification. The zero value has every line unbound. It must not be copied
// once it is in use.
//
// A raised line is masked until its handler has acknowledged it, so that a
// device which shouts cannot do more than one signal at a time. A raise of a
// masked line is kept, as one, and signalled by the acknowledgement.
type Interrupts struct {
	lines [LinesMax]line
	// dropped counts the raises of lines that nobody had bound.
	dropped atomic.Uint64
}

// line is one interrupt line.
type line struct {
	mu sync.Mutex
	// notification is nil when the line is unbound. Guarded by mu, as are all
	// the others.
	notification *Notification
	bits         uint64
	masked       bool
	pending      bool // raised while masked
}

// Bind lets a line signal bits of n. It returns StatusRange when there is no
// such line, StatusBadArgument when bits is zero, StatusBusy when the line is
// bound already.
func (t *Interrupts) Bind(number uint32, n *Notification, bits uint64) abi.Status {
	if number >= LinesMax {
		return abi.StatusRange
	}
	if n == nil || bits == 0 {
		return abi.StatusBadArgument
	}
	l := &t.lines[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notification != nil {
		return abi.StatusBusy
	}
	l.notification, l.bits, l.masked, l.pending = n, bits, false, false
	return abi.StatusOK
}

// Unbind takes a line away from its notification; when it returns, the line
// signals nothing any more, and a raise that was pending is gone. It returns
// StatusRange when there is no such line, StatusState when it is not bound.
func (t *Interrupts) Unbind(number uint32) abi.Status {
	if number >= LinesMax {
		return abi.StatusRange
	}
	l := &t.lines[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notification == nil {
		return abi.StatusState
	}
	l.notification, l.bits, l.masked, l.pending = nil, 0, false, false
	return abi.StatusOK
}

// Raise is the platform's: the line has fired. It masks the line and signals
// its notification; a line already masked is signalled when it is
// acknowledged. It returns StatusRange when there is no such line, and
// StatusState when nobody has bound it: the raise is then counted and dropped.
func (t *Interrupts) Raise(number uint32) abi.Status {
	if number >= LinesMax {
		return abi.StatusRange
	}
	l := &t.lines[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.notification == nil:
		t.dropped.Add(1)
		return abi.StatusState
	case l.masked:
		l.pending = true
	default:
		l.masked = true
		l.notification.Signal(l.bits)
	}
	return abi.StatusOK
}

// Acknowledge unmasks a line whose interrupt has been handled. If the line was
// raised meanwhile, it is signalled once more instead and stays masked. It
// returns StatusRange when there is no such line, StatusState when it is not
// bound or not masked.
func (t *Interrupts) Acknowledge(number uint32) abi.Status {
	if number >= LinesMax {
		return abi.StatusRange
	}
	l := &t.lines[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.notification == nil || !l.masked:
		return abi.StatusState
	case l.pending:
		l.pending = false
		l.notification.Signal(l.bits)
	default:
		l.masked = false
	}
	return abi.StatusOK
}

// Masked reports whether a line is masked, for a platform whose hardware has to
// be told.
func (t *Interrupts) Masked(number uint32) bool {
	if number >= LinesMax {
		return false
	}
	l := &t.lines[number]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.masked
}

// Dropped returns how many raises found no notification.
func (t *Interrupts) Dropped() uint64 { return t.dropped.Load() }
