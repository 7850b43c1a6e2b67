package gate

import (
	"sync"
	"sync/atomic"

	"phios/abi"
)

// turn lets one caller at a time into a handler, in the order of their coming.
// Taking a free turn is one compare-and-swap.
type turn struct {
	state atomic.Uint32 // 0 free, 1 taken, 2 taken and waited for
	mu    sync.Mutex
	queue []*Thread
}

// take waits for the turn: StatusTimeout, StatusKilled.
func (u *turn) take(p *Port, deadline int64) abi.Status {
	if u.state.CompareAndSwap(0, 1) {
		return abi.StatusOK
	}
	t := p.thread
	u.mu.Lock()
	if u.state.Swap(2) == 0 {
		u.settle()
		u.mu.Unlock()
		return abi.StatusOK
	}
	t.turned, t.onto = false, p.domain
	u.queue = append(u.queue, t)
	u.mu.Unlock()
	for {
		inTime := t.Park(deadline)
		u.mu.Lock()
		if t.turned {
			u.mu.Unlock()
			return abi.StatusOK
		}
		if !inTime {
			u.leave(t)
			u.mu.Unlock()
			return p.wakened(abi.StatusTimeout)
		}
		u.mu.Unlock()
	}
}

// settle sets the state to taken, and whether someone waits.
//
// Preconditions:
//   - u.mu is held, and the turn is taken
func (u *turn) settle() {
	if len(u.queue) > 0 {
		u.state.Store(2)
		return
	}
	u.state.Store(1)
}

func (u *turn) leave(t *Thread) {
	for i, other := range u.queue {
		if other == t {
			u.queue = append(u.queue[:i], u.queue[i+1:]...)
			return
		}
	}
}

// pass gives the turn to the first that waits, or frees it.
func (u *turn) pass() {
	if u.state.CompareAndSwap(1, 0) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		u.state.Store(0)
		return
	}
	t := u.queue[0]
	u.queue = u.queue[:copy(u.queue, u.queue[1:])]
	t.turned = true
	u.settle()
	t.Unpark()
}
