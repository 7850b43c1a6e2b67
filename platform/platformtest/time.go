package platformtest

import (
	"phios/platform"
)

// moment is long for a machine and short for a test, in nanoseconds.
const moment = 2_000_000

func clockGoesOn(t *trial) {
	before := t.m.Now()
	if before <= 0 {
		t.Fatalf("the time is %d; zero is taken by \"no deadline\"", before)
	}
	for range 100 {
		t.m.Relax()
		now := t.m.Now()
		if now < before {
			t.Fatalf("the time went back from %d to %d", before, now)
		}
		before = now
	}
}

func unparkIsKept(t *trial) {
	p := t.m.NewParker()
	p.Unpark()
	if !p.Park(0) {
		t.Fatal("Park after Unpark reports a timeout")
	}
	p.Unpark()
	if !p.Park(1) {
		t.Fatal("Park after Unpark prefers a deadline that has passed")
	}
}

func unparksDoNotAddUp(t *trial) {
	p := t.m.NewParker()
	p.Unpark()
	p.Unpark()
	p.Park(0)
	if p.Park(t.m.Now() + moment) {
		t.Fatal("two Unparks let two Parks return")
	}
}

func parkEnds(t *trial) {
	p := t.m.NewParker()
	for range 3 {
		deadline := t.m.Now() + moment
		if p.Park(deadline) {
			t.Fatal("Park returned true and nobody called Unpark")
		}
		if now := t.m.Now(); now < deadline {
			t.Fatalf("Park reported a timeout at %d, before its deadline %d", now, deadline)
		}
	}
}

func parkDoesNotWaitForThePast(t *trial) {
	if t.m.NewParker().Park(1) || t.m.NewParker().Park(-1) {
		t.Fatal("Park returned true at a deadline that has passed")
	}
}

// parkersHandOver lets two programs take turns. Each turn is one Unpark; a
// lost one would let both wait for ever.
func parkersHandOver(t *trial) {
	const turns = 2000
	a, b := t.m.NewParker(), t.m.NewParker()
	turn := 0 // guarded by whose turn it is
	play := func(mine, other platform.Parker, first int) func() {
		return func() {
			for i := first; i < turns; i += 2 {
				if i > 0 {
					mine.Park(0)
				}
				if turn != i {
					t.Errorf("turn %d comes when %d is due", turn, i)
				}
				turn++
				other.Unpark()
			}
		}
	}
	runTogether(t.m, play(a, b, 0), play(b, a, 1))
	if turn != turns {
		t.Fatalf("%d turns of %d", turn, turns)
	}
}

// parkersLoseNothing lets Unpark meet Park at its deadline again and again:
// whichever wins, the next Park sees the token, or this one did.
func parkersLoseNothing(t *trial) {
	const rounds = 500
	p, ready := t.m.NewParker(), t.m.NewParker()
	waiter := func() {
		for i := range rounds {
			ready.Unpark()
			if !p.Park(t.m.Now()+int64(i%7)*1000) && !p.Park(0) {
				t.Error("Park without a deadline reports a timeout")
			}
		}
	}
	waker := func() {
		for i := range rounds {
			ready.Park(0)
			for until := t.m.Now() + int64(i%5)*1000; t.m.Now() < until; {
				t.m.Relax()
			}
			p.Unpark()
		}
	}
	runTogether(t.m, waiter, waker)
}
