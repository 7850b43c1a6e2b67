package platformtest

import (
	"fmt"
	"testing"

	"phios/internal/schedule"
	"phios/platform"
)

// explorer drives a few threads through every order of their steps, from one
// schedule.Point to the next, with at most switchesMax switches away from a
// thread that could have gone on (the bound of M. Musuvathi and S. Qadeer,
// "Iterative Context Bounding for Systematic Testing of Multithreaded
// Programs", PLDI 2007). One thread runs at a time; each is a goroutine that
// waits for its turn.
type explorer struct {
	threads  []*thread
	current  *thread
	switches int
	stepped  chan struct{}
	// trail is the choice at each step of this run, and how many there were.
	trail []choice
}

type choice struct{ taken, of int }

// thread is one thread of a run, and its own parker.
type thread struct {
	ex       *explorer
	turn     chan struct{}
	done     bool
	parked   bool
	deadline int64
	token    bool
}

const (
	stepsMax    = 500
	switchesMax = 4
)

// Park hands the turn on. With a deadline the thread may be chosen without
// having been unparked: then the deadline has passed.
func (t *thread) Park(deadline int64) bool {
	t.parked, t.deadline = true, deadline
	if !t.token {
		t.yield()
	}
	t.parked = false
	woken := t.token
	t.token = false
	return woken
}

// Unpark lets the thread be chosen again.
func (t *thread) Unpark() { t.token = true }

func (t *thread) yield() {
	t.ex.stepped <- struct{}{}
	<-t.turn
}

func (t *thread) ready() bool {
	return !t.done && (!t.parked || t.token || t.deadline != 0)
}

// Scenario makes the bodies of the threads, which get their parkers, and a
// check for when all are done.
type Scenario func(parkers []*platform.Parker) (bodies []func(), check func() error)

// Explore runs the scenario with so many threads in every order of their steps,
// from one schedule.Point to the next, and returns how many orders there were.
// The points are there only in builds with the tag "invariants" or "mutants".
func Explore(t *testing.T, count int, s Scenario) int {
	t.Helper()
	var trail []choice
	for runs := 1; ; runs++ {
		ex := &explorer{stepped: make(chan struct{}), trail: trail}
		if err := ex.run(count, s); err != nil {
			t.Fatalf("run %d, choices %v: %v", runs, ex.trail, err)
		}
		trail = ex.trail
		for len(trail) > 0 && trail[len(trail)-1].taken+1 == trail[len(trail)-1].of {
			trail = trail[:len(trail)-1]
		}
		if len(trail) == 0 {
			return runs
		}
		trail[len(trail)-1].taken++
	}
}

func (ex *explorer) run(count int, s Scenario) error {
	parkers := make([]*platform.Parker, count)
	for i := range parkers {
		th := &thread{ex: ex, turn: make(chan struct{})}
		ex.threads = append(ex.threads, th)
		var p platform.Parker = th
		parkers[i] = &p
	}
	bodies, check := s(parkers)
	for i, th := range ex.threads {
		go func() {
			<-th.turn
			bodies[i]()
			th.done = true
			ex.stepped <- struct{}{}
		}()
	}
	schedule.Install(func() { ex.current.yield() })
	defer schedule.Install(nil)
	for step := 0; ; step++ {
		th, finished := ex.choose(step)
		switch {
		case finished:
			schedule.Install(nil)
			return check()
		case th == nil:
			return fmt.Errorf("deadlock after %d steps: a wake-up was lost", step)
		case step == stepsMax:
			return fmt.Errorf("no end after %d steps", step)
		}
		if ex.current != nil && th != ex.current && ex.current.ready() {
			ex.switches++
		}
		ex.current = th
		th.turn <- struct{}{}
		<-ex.stepped
	}
}

// choose picks the thread of the next step: as the trail says, and the first
// choice beyond its end. To go on with the current thread is choice zero.
func (ex *explorer) choose(step int) (th *thread, finished bool) {
	var choices []*thread
	if ex.current != nil && ex.current.ready() {
		choices = append(choices, ex.current)
	}
	finished = true
	for _, th := range ex.threads {
		finished = finished && th.done
		if th != ex.current && th.ready() && (len(choices) == 0 || ex.current == nil || !ex.current.ready() || ex.switches < switchesMax) {
			choices = append(choices, th)
		}
	}
	if len(choices) == 0 {
		return nil, finished
	}
	if step == len(ex.trail) {
		ex.trail = append(ex.trail, choice{0, len(choices)})
	}
	return choices[ex.trail[step].taken], false
}
