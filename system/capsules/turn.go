package capsules

import "sync/atomic"

// turn lets one goroutine at a time into a program. Taking a free one is one
// atomic addition.
type turn struct {
	wanted atomic.Int64 // who has it, and who wants it
	handed chan struct{}
}

func newTurn() turn { return turn{handed: make(chan struct{}, 1)} } // one: it is handed to one at a time

// take waits for the turn, and returns false when gone comes first. A nil gone
// never comes.
//
// Whoever gave up is still counted, so that the turn is handed to them: that is
// right because after gone only the last taker of all remains, who then finds
// it handed.
func (t *turn) take(gone <-chan struct{}) bool {
	if t.wanted.Add(1) == 1 {
		return true
	}
	select {
	case <-t.handed:
		return true
	case <-gone:
		return false
	}
}

// pass gives the turn to somebody who waits, if anybody does.
func (t *turn) pass() {
	if t.wanted.Add(-1) > 0 {
		t.handed <- struct{}{}
	}
}
