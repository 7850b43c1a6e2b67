// Package schedule runs the requests of one loaded model.
//
// One goroutine owns the model, its sequences and its pages, and works in
// rounds: take what has come, end what is over, admit, plan a batch, step, and
// hand out what came of it. A batch holds one token of each text that is being
// written, and fills the rest of its budget with chunks of prompts ("chunked
// prefill": Agrawal et al., "Taming Throughput-Latency Tradeoff in LLM Inference
// with Sarathi-Serve", 2024), so that a long prompt never stops the others. Texts
// join and leave between steps ("continuous batching": Yu et al., "Orca",
// 2022).
//
// Who runs next: higher priority first; among equals the account that has had
// the least time of the model (start-time fair queueing: Goyal, Vin, Cheng,
// 1996); then who came first. One admission in [agedShare] goes to whoever has
// waited longest, so that nothing starves. When pages run out, the least
// important text gives its pages back and is computed again later: what survives
// of it in the prefix tree is not.
//
// What a request yields depends on nothing of this: the same tokens come out
// under any load, if the model's steps do not depend on batch mates.
//
// Lock order: Scheduler.mu before Task.mu. Neither is held over a call of the
// model, an account or a caller.
//
// Seed name: Intelligent batching.
package schedule

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"phios/api/inference"
	"phios/compute"
	"phios/service/inference/prefix"
)

// Text turns the tokens of one text into valid UTF-8 as they come.
type Text interface {
	Add(token int32) string
	Flush() string
}

// Tokens is what a scheduler needs to know of a model's tokens. Its methods may
// be called by many goroutines at once.
type Tokens interface {
	// Piece is what a token adds to a text.
	Piece(token int32) []byte
	// End reports whether a token ends a text.
	End(token int32) bool
	// Stream makes a decoder of one text.
	Stream() Text
}

// Park keeps pages that leave the cache. Its methods are called by the
// scheduler's goroutine.
type Park interface {
	// Save offers a page that is about to leave, and does not wait for a disk.
	// write, called at most once and before Save returns, writes what it holds.
	Save(v prefix.Victim, write func(to io.Writer) error)
	// Open finds the saved page of a chain whose tokens are these. It returns
	// nil when there is none. It may read a file.
	Open(c prefix.Chain, tokens []int32) io.Reader
	// Wait waits until what was saved is where it stays.
	Wait()
}

// Options are the bounds of a scheduler. Zero values stand for the usual.
type Options struct {
	// StepTokens bounds the tokens of a step: inference.TokensPerStepMax.
	StepTokens int
	// StepGoal is how long a step should take while texts are being written: a
	// chunk of a prompt is cut to what was measured to fit. 200 ms.
	StepGoal time.Duration
	// SequencesMax is how many texts run at once: 64, as many as a model opens.
	SequencesMax int
	// QueuedMax is how many requests wait: inference.RequestsQueuedMax.
	QueuedMax int
	// PrefixPages bounds the pages kept for equal beginnings: all of the model's.
	PrefixPages int
	// WindowMax bounds how long a step waits for company: 5 ms. Negative never
	// waits.
	WindowMax time.Duration
	// Joules is the energy that the unit has spent; nil when it is not known.
	Joules func() float64
	// Now is the clock: required.
	Now func() time.Time
	// Park keeps what leaves the cache; nil forgets it.
	Park Park
}

const (
	stepGoal     = 200 * time.Millisecond
	sequencesMax = 64
	windowMax    = 5 * time.Millisecond
	windowMin    = time.Millisecond
	chunkMin     = 16 // tokens of a prompt that a step takes at least
	agedShare    = 8
	accountsMax  = inference.RequestsQueuedMax + sequencesMax
	parkStep     = 16 // pages that are parked at once when a model is unloaded
	faultsMax    = 3  // how often a step may fail in a row before its texts are ended
)

func (o Options) filled(d compute.ModelDescription) Options {
	orElse := func(v, usual int) int {
		if v > 0 {
			return v
		}
		return usual
	}
	o.StepTokens = min(orElse(o.StepTokens, inference.TokensPerStepMax), inference.TokensPerStepMax)
	o.SequencesMax = orElse(o.SequencesMax, sequencesMax)
	o.QueuedMax = orElse(o.QueuedMax, inference.RequestsQueuedMax)
	o.PrefixPages = orElse(o.PrefixPages, d.Pages)
	if o.StepGoal <= 0 {
		o.StepGoal = stepGoal
	}
	if o.WindowMax == 0 {
		o.WindowMax = windowMax
	}
	return o
}

// Scheduler runs the requests of one model.
type Scheduler struct {
	model  compute.Stepper
	about  compute.ModelDescription
	tokens Tokens
	o      Options
	wake   chan struct{} // one place: a wake-up is not lost, and two are one
	ended  chan struct{} // closed by the loop when it has ended

	mu      sync.Mutex
	come    []*Task            // requests that the loop has not seen, guarded by mu
	waiting int                // requests that were not admitted, guarded by mu
	over    error              // why no more are taken, guarded by mu
	stop    context.CancelFunc // ends the step that runs, guarded by mu
	batch   []*Task            // the step that runs, guarded by mu
	stepped time.Time          // since when it runs; zero when none does; guarded by mu
	shown   Metrics            // guarded by mu

	loop // owned by the goroutine of run
}

// loop is what only the scheduler's goroutine touches.
type loop struct {
	tree     *prefix.Tree
	queue    queue
	running  []*Task
	works    []compute.Work
	members  []*Task
	order    []*Task
	suspects []*Task // that ran in a step that failed: each runs alone once
	reserved int     // pages that the batch being planned will take
	logits   []float32
	pages    []compute.Page
	masks    []uint64
	pace     pace
	faults   int
	counts   Metrics
}

// New starts a scheduler. The model is its own until Close returns.
func New(model compute.Stepper, tokens Tokens, o Options) *Scheduler {
	about := model.Describe()
	s := &Scheduler{
		model: model, about: about, tokens: tokens, o: o.filled(about),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	s.tree = prefix.New(prefix.Options{PageTokens: about.PageTokens, PagesMax: s.o.PrefixPages, Evict: s.evicted})
	s.queue.accounts = make(map[string]*account)
	s.masks = make([]uint64, (about.Vocabulary+63)/64)
	go s.run()
	return s
}

// ErrClosed is what requests get that come after Close, or did not finish
// before it.
var ErrClosed = errors.New("the model is being unloaded; ask again")

// Close ends what runs and waits with ErrClosed, gives all pages back, and
// returns when the model is no longer touched.
func (s *Scheduler) Close() {
	s.end(ErrClosed)
	<-s.ended
}

// end takes no more requests, for that reason, and stops the step that runs.
func (s *Scheduler) end(why error) {
	s.mu.Lock()
	if s.over == nil {
		s.over = why
	}
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.rouse()
}

// Load is how many requests run or wait, and whether the scheduler still takes
// any.
func (s *Scheduler) Load() (requests int, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting + s.shown.Running, s.over == nil
}

// Stepping is for how long the step that runs has done so; zero when none does.
func (s *Scheduler) Stepping() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stepped.IsZero() {
		return 0
	}
	return s.o.Now().Sub(s.stepped)
}

func (s *Scheduler) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run runs a task to its end, or until this scheduler ends: then it returns
// ErrClosed or an error that wraps compute.ErrLost, and the task may be run on
// by another scheduler of the same model. What comes is handed to emit by the
// caller's goroutine; an error of emit ends the task.
func (s *Scheduler) Run(ctx context.Context, t *Task, emit func(inference.Delta) error) error {
	if err := s.submit(t); err != nil {
		return err
	}
	gone := ctx.Done()
	var limit <-chan struct{}
	if !t.r.Deadline.IsZero() {
		deadline, stop := context.WithTimeout(context.WithoutCancel(ctx), t.r.Deadline.Sub(s.o.Now()))
		defer stop()
		limit = deadline.Done()
	}
	var refused error
	for {
		select {
		case <-t.signal:
			deltas, ended := t.take()
			for i := range deltas {
				if refused != nil || emit == nil {
					break
				}
				if refused = emit(deltas[i]); refused != nil {
					s.cancel(t, inference.ReasonCancelled)
				}
			}
			if ended {
				return errors.Join(t.outcome(), refused)
			}
		case <-gone:
			gone = nil
			why := inference.ReasonCancelled
			if d := t.r.Deadline; !d.IsZero() && !s.o.Now().Before(d) {
				why = inference.ReasonDeadline // The caller's context may keep the same time.
			}
			s.cancel(t, why)
		case <-limit:
			limit = nil
			s.cancel(t, inference.ReasonDeadline)
		}
	}
}

// submit puts a task into the loop's hands, or refuses it.
func (s *Scheduler) submit(t *Task) error {
	if err := s.fits(t); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return s.over
	}
	if s.waiting >= s.o.QueuedMax {
		s.shown.Refused++
		return busy(s.waiting)
	}
	t.begin(s.o.Now())
	s.waiting++
	s.come = append(s.come, t)
	s.rouse()
	return nil
}

// cancel asks the loop to end a task. When all of the step that runs is
// cancelled, the step is stopped.
func (s *Scheduler) cancel(t *Task, why inference.Reason) {
	t.mu.Lock()
	if t.cancelled == "" {
		t.cancelled = why
	}
	t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	live := 0
	for _, m := range s.batch {
		if m.asked() == "" {
			live++
		}
	}
	if s.stop != nil && live == 0 {
		s.stop()
	}
	s.rouse()
}
