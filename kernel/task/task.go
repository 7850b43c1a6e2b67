// Package task keeps the tasks of a node: their nesting, whether they live,
// their labels, and who sleeps on their behalf.
//
// A task is a protection domain: a CSpace, a budget, a label. Tasks nest. Each
// is made by another out of the maker's own budget and capabilities, and the
// maker can be the kernel of what it made: it hands out the capabilities,
// serves the faults and holds the right to kill. Killing a task stops, at
// once, every task below it.
//
// Whether a task lives is asked at every call. The answer is remembered until
// the next killing anywhere in the family, and only then are the ancestors
// looked at, at most [DepthMax] of them: killing costs the same whatever is
// below.
//
// Lock order:
//
//	Family.mu → Task.sleep.mu (leaf)
//
// Nothing is called out of the package under either but Sleeper.Unpark, which
// never blocks.
//
// Invariants:
//
//	T1  a task that is dead, or has a dead ancestor, never lives again
//	T2  after Kill returns no task below answers Alive with true
//	T3  a task's label only grows but by Lower
//	T4  whoever sleeps for a task that dies is woken, once the reaper has come by
//
// Ledger: S1 S10 S26.
//
// Seed name: Fractal microkernel.
package task

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/mutant"
)

// DepthMax is how deep tasks nest.
const DepthMax = 16

// State is what a task is doing.
type State uint32

// The states.
const (
	Ready State = iota
	Running
	Dead
)

var stateNames = [...]string{"ready", "running", "dead"}

// String returns the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Family is all tasks that descend from one root.
type Family struct {
	kills atomic.Uint64 // grows with each killing

	mu   sync.Mutex
	reap []*Task // killed, with children not yet seen to
	ids  uint64
}

// Task is one protection domain. The fields are set before the task can be
// reached and do not change.
type Task struct {
	family *Family
	parent *Task
	id     uint64
	depth  uint8

	state atomic.Uint32
	seen  atomic.Uint64 // Family.kills at which the task was found alive

	sources atomic.Uint64
	readers atomic.Uint64

	// Guarded by family.mu.

	first, next, prev *Task // children, and its place among its parent's
	reaping           bool

	sleep sleepers
}

// NewFamily returns a family without tasks.
func NewFamily() *Family {
	f := &Family{}
	f.kills.Store(1) // so that a task that was never asked about is looked at
	return f
}

// New makes a task under parent, nil for a root, with the parent's label.
//
// StatusKilled under a dead parent, StatusDepth when it would be too deep.
func (f *Family) New(parent *Task) (*Task, abi.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	t := &Task{family: f, parent: parent, id: f.ids}
	if parent == nil {
		t.setLabel(abi.LabelBottom())
		return t, abi.StatusOK
	}
	if !parent.Alive() {
		return nil, abi.StatusKilled
	}
	if parent.depth+1 >= DepthMax {
		return nil, abi.StatusDepth
	}
	t.depth = parent.depth + 1
	t.setLabel(parent.Label())
	t.next = parent.first
	if t.next != nil {
		t.next.prev = t
	}
	parent.first = t
	return t, abi.StatusOK
}

// ID returns the task's number, unique in its family and never used again.
func (t *Task) ID() uint64 { return t.id }

// Parent returns the maker, nil for a root.
func (t *Task) Parent() *Task { return t.parent }

// Depth returns how many tasks are above.
func (t *Task) Depth() uint8 { return t.depth }

// State returns what the task is doing; Dead also when an ancestor is.
func (t *Task) State() State {
	if !t.Alive() {
		return Dead
	}
	return State(t.state.Load())
}

// Start turns a ready task into a running one: StatusState for another.
func (t *Task) Start() abi.Status {
	if !t.Alive() {
		return abi.StatusPeerDead
	}
	if !t.state.CompareAndSwap(uint32(Ready), uint32(Running)) {
		return abi.StatusState
	}
	return abi.StatusOK
}

// Unstart undoes Start for a task that could not be launched.
func (t *Task) Unstart() { t.state.CompareAndSwap(uint32(Running), uint32(Ready)) }

// Alive reports whether neither the task nor one above it is dead. It is on
// the fast path: two loads unless someone was killed since the last time.
func (t *Task) Alive() bool {
	kills := t.family.kills.Load()
	if t.seen.Load() == kills {
		return true
	}
	return t.aliveSlow(kills)
}

func (t *Task) aliveSlow(kills uint64) bool {
	for a := t; a != nil; a = a.parent {
		if State(a.state.Load()) == Dead {
			return false
		}
		if mutant.On(mutant.KilledStillRuns) {
			break
		}
	}
	t.seen.Store(kills)
	return true
}

// Kill stops the task and all below it. When it returns, Alive is false for
// every one of them; waking those that sleep is left to [Family.Reap]. It
// reports whether the task was not dead before.
func (t *Task) Kill() bool {
	if State(t.state.Swap(uint32(Dead))) == Dead {
		return false
	}
	t.family.kills.Add(1)
	t.family.mu.Lock()
	defer t.family.mu.Unlock()
	t.family.bury(t)
	return true
}

// bury queues a task for the reaper.
//
// Preconditions:
//   - f.mu is held
func (f *Family) bury(t *Task) {
	if t.reaping {
		return
	}
	t.reaping = true
	f.reap = append(f.reap, t)
}

// Reap takes one killed task off the queue, wakes those who sleep for it,
// queues its children, and returns it so that what it owns can be released,
// exactly once; nil when nobody is left.
func (f *Family) Reap() *Task {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reap) == 0 {
		return nil
	}
	t := f.reap[len(f.reap)-1]
	f.reap[len(f.reap)-1] = nil
	f.reap = f.reap[:len(f.reap)-1]
	for c := t.first; c != nil; c = c.next {
		c.state.Store(uint32(Dead))
		f.bury(c)
	}
	t.unlink()
	t.sleep.wake()
	return t
}

// unlink takes a task out of its parent's children.
func (t *Task) unlink() {
	if t.parent == nil {
		return
	}
	switch {
	case t.prev != nil:
		t.prev.next = t.next
	case t.parent.first == t:
		t.parent.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
}

// Label returns the label of everything that the task sends or writes.
func (t *Task) Label() abi.Label {
	return abi.Label{Sources: t.sources.Load(), Readers: t.readers.Load()}
}

func (t *Task) setLabel(l abi.Label) {
	t.sources.Store(l.Sources)
	t.readers.Store(l.Readers)
}

// Raise joins the task's label with l and reports whether that changed it.
func (t *Task) Raise(l abi.Label) bool {
	if mutant.On(mutant.LabelNotJoined) || l.FlowsTo(t.Label()) {
		return false
	}
	t.sources.Or(l.Sources)
	t.readers.And(l.Readers)
	return true
}

// Lower removes sources from the label, and adds readers.
func (t *Task) Lower(sources, readers uint64) {
	t.sources.And(^sources)
	t.readers.Or(readers)
}

// Sleeper is a thread that can be woken.
type Sleeper interface{ Unpark() }

// sleepers is the set of threads that sleep for one task.
type sleepers struct {
	mu   sync.Mutex
	list []Sleeper
}

// sleepersMax bounds the threads that sleep for one task: its own, and those
// of callers that it serves.
const sleepersMax = 1 << 16

// Sleep registers a thread that is about to sleep for the task. It reports
// false when the task is dead, and then the thread must not sleep.
func (t *Task) Sleep(s Sleeper) bool {
	t.sleep.mu.Lock()
	defer t.sleep.mu.Unlock()
	if !t.Alive() || len(t.sleep.list) >= sleepersMax {
		return false
	}
	t.sleep.list = append(t.sleep.list, s)
	return true
}

// Wake takes a thread off that Sleep registered.
func (t *Task) Wake(s Sleeper) {
	t.sleep.mu.Lock()
	defer t.sleep.mu.Unlock()
	for i, other := range t.sleep.list {
		if other == s {
			last := len(t.sleep.list) - 1
			t.sleep.list[i], t.sleep.list[last] = t.sleep.list[last], nil
			t.sleep.list = t.sleep.list[:last]
			return
		}
	}
	invariant.Always(false, "task: woke a thread that does not sleep")
}

func (s *sleepers) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sleeper := range s.list {
		sleeper.Unpark()
	}
}
