package host

import (
	"runtime"
	"sync/atomic"
	"time"

	"phios/internal/invariant"
	"phios/platform"
)

// How long Park looks before it sleeps: about two microseconds when nobody
// else wants the processor, and a share of what others do when they do. It is
// worth a sleep and a wake-up, which cost more.
const (
	parkRoundsMax = 8  // each begins with a turn for others
	parkLooksMax  = 64 // in each round
)

// The states of a parker.
const (
	parkerIdle    uint32 = iota // nobody waits and nothing is owed
	parkerToken                 // the next Park returns at once
	parkerWaiting               // somebody sleeps until something comes to wake
)

// parker lets a goroutine wait. An Unpark that finds nobody asleep is one
// atomic operation.
type parker struct {
	machine *Machine
	state   atomic.Uint32
	// wake has room for the one token that can be under way: only the Unpark
	// that ends parkerWaiting sends, and that Park receives before another.
	wake chan struct{}
	// timer belongs to the one who parks; made at the first deadline.
	timer *time.Timer
}

// NewParker makes a parker for one thread of control.
func (m *Machine) NewParker() platform.Parker {
	return &parker{machine: m, wake: make(chan struct{}, 1)}
}

// Relax lets other goroutines run for a moment.
func (m *Machine) Relax() { runtime.Gosched() }

// Park waits until Unpark or until the deadline, see [platform.Parker].
func (p *parker) Park(deadline int64) bool {
	if p.state.CompareAndSwap(parkerToken, parkerIdle) {
		return true
	}
	if deadline != 0 && p.machine.Now() >= deadline {
		return p.state.CompareAndSwap(parkerToken, parkerIdle)
	}
	if p.look() {
		return true
	}
	if !p.state.CompareAndSwap(parkerIdle, parkerWaiting) {
		// Only Unpark changes the state beside us, and only to a token.
		taken := p.state.CompareAndSwap(parkerToken, parkerIdle)
		invariant.Check(taken, "platform/host: two threads park on one parker")
		return true
	}
	if deadline == 0 {
		p.receive()
		return true
	}
	return p.sleep(deadline)
}

// look spins for a moment and reports whether it took a token.
func (p *parker) look() bool {
	for range parkRoundsMax {
		runtime.Gosched()
		for range parkLooksMax {
			if p.state.Load() == parkerToken {
				return p.state.CompareAndSwap(parkerToken, parkerIdle)
			}
		}
	}
	return false
}

// sleep waits for the token or the deadline, the state being parkerWaiting.
func (p *parker) sleep(deadline int64) bool {
	left := time.Duration(deadline - p.machine.Now())
	if p.timer == nil {
		p.timer = time.NewTimer(left)
	} else {
		p.timer.Reset(left)
	}
	select {
	case <-p.wake:
		p.timer.Stop()
		p.state.Swap(parkerIdle) // as in receive
		return true
	case <-p.timer.C:
	}
	if p.state.CompareAndSwap(parkerWaiting, parkerIdle) {
		return false
	}
	// An Unpark came between: its token is in the channel or about to be.
	p.receive()
	return true
}

// receive takes the token that an Unpark sent or is about to send. A second
// Unpark may have come since; it meant the Park that now returns, and the swap,
// other than a store, makes what that caller wrote before visible.
func (p *parker) receive() {
	<-p.wake
	p.state.Swap(parkerIdle)
}

// Unpark lets the present or the next Park return, see [platform.Parker].
func (p *parker) Unpark() {
	if p.state.Swap(parkerToken) == parkerWaiting {
		p.wake <- struct{}{}
	}
}
