package notify

import (
	"time"

	"phios/platform"
)

// testParker parks on a channel of one token, by a clock that starts with the
// test program.
type testParker struct {
	token chan struct{}
}

var testStart = time.Now()

func testNow() int64 { return int64(time.Since(testStart)) + 1 }

func newParker() *platform.Parker {
	var p platform.Parker = &testParker{token: make(chan struct{}, 1)}
	return &p
}

func (p *testParker) Park(deadline int64) bool {
	if deadline == 0 {
		<-p.token
		return true
	}
	select {
	case <-p.token:
		return true
	default:
	}
	left := deadline - testNow()
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

func (p *testParker) Unpark() {
	select {
	case p.token <- struct{}{}:
	default:
	}
}
