package platformtest

import (
	"time"

	"phios/platform"
)

// channelParker parks on a channel of one token, by a clock that starts with the
// test program.
type channelParker struct {
	token chan struct{}
}

var started = time.Now()

// Now returns the time by which the parkers of NewParker count.
func Now() int64 { return int64(time.Since(started)) + 1 }

// NewParker makes a parker that needs no machine, for tests on real threads.
func NewParker() *platform.Parker {
	var p platform.Parker = &channelParker{token: make(chan struct{}, 1)}
	return &p
}

func (p *channelParker) Park(deadline int64) bool {
	if deadline == 0 {
		<-p.token
		return true
	}
	select {
	case <-p.token:
		return true
	default:
	}
	left := deadline - Now()
	if left <= 0 {
		return false
	}
	t := time.NewTimer(time.Duration(left))
	defer t.Stop()
	select {
	case <-p.token:
		return true
	case <-t.C:
		return false
	}
}

func (p *channelParker) Unpark() {
	select {
	case p.token <- struct{}{}:
	default:
	}
}
