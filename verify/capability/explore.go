package capability

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
)

// step is one operation of a world: what to do and to which of the things that
// the world counts up. It means the same after every replay of the same path.
type step struct{ kind, a, b, c uint8 }

// world is a small real system beside its reference. A fresh one is made for
// each path; check may spoil it.
type world interface {
	// steps appends what can be tried now.
	steps([]step) []step
	// do does one step on both sides. It returns the real one's status, and
	// what is broken, "" for nothing.
	do(step) (status abi.Status, broken string)
	// slack reports whether a call that is refused may clear something away
	// that was dead, and so leave a trace after all.
	slack() bool
	// shape appends everything that decides what the world does from now on.
	// Its last eight bytes may change in a call that fails.
	shape([]byte) []byte
	// check tries every handle ever issued from every task.
	check() (broken string)
	// say describes a step.
	say(step) string
}

// Facet is one row of the report: one world, explored to its end.
type Facet struct {
	Name        string  `json:"name"`
	World       string  `json:"world"`
	States      int     `json:"states"`
	Transitions int     `json:"transitions"`
	Depth       int     `json:"depth"` // steps to the farthest state
	Seconds     float64 `json:"seconds"`
	// Complete is false when a limit ended the search before it was through.
	Complete bool `json:"complete"`
	// Violation names the invariant broken, "" for none, and Trace is a
	// shortest way there.
	Violation string   `json:"violation,omitempty"`
	Trace     []string `json:"trace,omitempty"`
}

// key is the hash of a shape.
type key [16]byte

func keyOf(shape []byte) key {
	sum := sha256.Sum256(shape)
	return key(sum[:16])
}

// visit is one state that was met, and the way to it.
type visit struct {
	parent int32
	by     step
}

// search is one breadth-first search.
type search struct {
	fresh    func() world
	limit    int       // of states
	deadline time.Time // zero for none
	workers  int

	mu     sync.Mutex
	seen   map[key]struct{} // guarded by mu
	visits []visit          // guarded by mu while workers run
	broken string           // guarded by mu
	trace  []step           // guarded by mu

	transitions atomic.Int64
	stopped     atomic.Bool
	full        atomic.Bool
}

// explore runs the search to its end, and fills in the facet.
func (s *search) explore(f *Facet) {
	begun := time.Now()
	s.seen = map[key]struct{}{}
	s.visits = []visit{{parent: -1}}
	first := s.fresh()
	s.seen[keyOf(first.shape(nil))] = struct{}{}
	for from := 0; from < len(s.visits) && !s.stopped.Load() && !s.full.Load(); {
		until := len(s.visits)
		s.level(from, until)
		from = until
		f.Depth++
	}
	f.States, f.Transitions = len(s.visits), int(s.transitions.Load())
	f.Seconds = time.Since(begun).Seconds()
	f.Complete = !s.full.Load() && s.broken == ""
	f.Violation = s.broken
	if s.broken != "" {
		w := s.fresh()
		for _, st := range s.trace {
			f.Trace = append(f.Trace, w.say(st))
		}
	}
}

// level follows every step from each of the states from..until.
func (s *search) level(from, until int) {
	var next atomic.Int64
	next.Store(int64(from))
	var wait sync.WaitGroup
	for range max(1, s.workers) {
		wait.Go(func() {
			e := expander{search: s}
			for !s.stopped.Load() {
				i := int(next.Add(1)) - 1
				if i >= until {
					return
				}
				e.guarded(i)
			}
		})
	}
	wait.Wait()
}

// add remembers a state, and reports whether it is new.
func (s *search) add(k key, parent int, by step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[k]; ok {
		return
	}
	s.seen[k] = struct{}{}
	s.visits = append(s.visits, visit{parent: int32(parent), by: by})
	if len(s.visits) >= s.limit || !s.deadline.IsZero() && time.Now().After(s.deadline) {
		s.full.Store(true)
		s.stopped.Store(true)
	}
}

// fail ends the search. Of several violations of one level the first in order
// of states is kept by chance only; all are equally near.
func (s *search) fail(path []step, broken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == "" {
		s.broken, s.trace = broken, append([]step(nil), path...)
	}
	s.stopped.Store(true)
}

// path returns the steps to a state.
func (s *search) path(i int, buffer []step) []step {
	s.mu.Lock()
	defer s.mu.Unlock()
	buffer = buffer[:0]
	for n := i; s.visits[n].parent >= 0; n = int(s.visits[n].parent) {
		buffer = append(buffer, s.visits[n].by)
	}
	for a, b := 0, len(buffer)-1; a < b; a, b = a+1, b-1 {
		buffer[a], buffer[b] = buffer[b], buffer[a]
	}
	return buffer
}

// expander is what one worker needs.
type expander struct {
	search *search
	path   []step
	steps  []step
	before []byte
	after  []byte
}

// guarded expands one state and takes a panic for a violation: a broken
// invariant of the kernel ends in one.
func (e *expander) guarded(i int) {
	defer func() {
		if cause := recover(); cause != nil {
			e.search.fail(e.path, "tree well-formed: "+panicText(cause))
		}
	}()
	e.expand(i)
}

func panicText(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return "panic: " + err.Error()
	}
	text, _, _ := strings.Cut(fmt.Sprint(cause), "\n")
	return text
}

// expand tries every step from one state.
func (e *expander) expand(i int) {
	s := e.search
	e.path = s.path(i, e.path)
	w := e.replay()
	e.before = w.shape(e.before[:0])
	e.steps = w.steps(e.steps[:0])
	base := len(e.path)
	for _, st := range e.steps {
		if s.stopped.Load() {
			return
		}
		if w == nil {
			e.path = e.path[:base]
			w = e.replay()
		}
		e.path = append(e.path[:base], st)
		status, broken := w.do(st)
		s.transitions.Add(1)
		if broken == "" {
			e.after = w.shape(e.after[:0])
			if status != abi.StatusOK && !w.slack() {
				broken = traces(status, e.before, e.after)
			}
		}
		same := string(e.before) == string(e.after)
		if broken == "" && (!same || status == abi.StatusOK) {
			broken = w.check()
			w = nil
		}
		if broken != "" {
			s.fail(e.path, broken)
			return
		}
		if !same {
			s.add(keyOf(e.after), i, st)
		}
	}
}

// traces says whether a call that failed left one.
func traces(status abi.Status, before, after []byte) string {
	if len(before) == len(after) && string(before[:len(before)-8]) == string(after[:len(after)-8]) {
		return ""
	}
	return "transfer atomicity: a call that failed (" + status.Name() + ") left a trace"
}

// replay makes a world and takes it along the path.
func (e *expander) replay() world {
	w := e.search.fresh()
	for _, st := range e.path {
		_, _ = w.do(st)
	}
	return w
}
