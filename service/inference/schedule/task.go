package schedule

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
	"phios/compute/sample"
	"phios/service/inference/prefix"
)

// Constraint is what a text must be, as a state that follows it.
type Constraint interface {
	// Mask sets the bit of each token that may come next, and clears others.
	Mask(bits []uint64)
	// Accept follows a token.
	Accept(token int32) error
	// Done reports that nothing may follow.
	Done() bool
	// Finish returns what makes the text valid when nothing more is generated.
	Finish() []byte
}

// Request is what a task runs.
type Request struct {
	Account inference.Account
	Prompt  []int32
	// TokensMax bounds what is generated; zero is until the context is full.
	TokensMax  int
	Sampling   sample.Params
	Stop       []string
	Constraint Constraint
	Priority   int
	Deadline   time.Time
	// Came is when it was asked; zero is when it is first run.
	Came time.Time
}

// Task is a request under way. It outlives the scheduler that runs it, so that
// another may go on with it.
type Task struct {
	r     *Request
	label abi.Label

	// What was generated, and what generates it. Owned by the loop that runs it.
	tokens   []int32 // the prompt, then what was generated
	sampler  *sample.Sampler
	stops    *sample.Stops
	text     Text
	written  strings.Builder
	entries  []inference.Logprob
	reason   inference.Reason
	stop     string
	failed   error
	paid     int // tokens of the prompt that were charged or free
	choice   sample.Choice
	cost     inference.Cost // of the last step
	raw      []byte         // the bytes of a constrained text
	streamed int            // how many of them the decoder has given out
	usage    inference.Usage
	timing   timing

	place // where it is in a scheduler, owned by its loop

	signal chan struct{} // one place, as Scheduler.wake

	mu        sync.Mutex
	deltas    []inference.Delta // not yet taken, guarded by mu
	ended     bool              // guarded by mu
	cancelled inference.Reason  // why the caller wants it to end, guarded by mu
}

type timing struct {
	came, ran, first, end time.Time
	put                   time.Time // into the scheduler that runs it
}

// place is a task's place in a scheduler.
type place struct {
	seq      compute.Sequence
	lease    prefix.Lease
	shared   int  // pages of it that were put into the tree
	twice    int  // of them that were not taken: another of the same text was there
	private  bool // the tree had no room: no more are put
	number   uint64
	rank     int // how important it is among those that run
	account  *account
	promised int // pages that this step will take
	chunk    int // tokens that this step computes
	old      int // tokens that were computed before and are again
}

// NewTask makes a task of a request for a model. The request stays unchanged
// while the task lives.
func (s *Scheduler) NewTask(r *Request) *Task {
	t := &Task{
		r: r, label: r.Account.Label(),
		tokens:  append(make([]int32, 0, len(r.Prompt)+64), r.Prompt...),
		sampler: sample.New(r.Sampling, s.about.Vocabulary),
		stops:   sample.NewStops(r.Stop),
		text:    s.tokens.Stream(),
		signal:  make(chan struct{}, 1),
		timing:  timing{came: r.Came},
	}
	t.sampler.Prompt(r.Prompt)
	t.usage.PromptTokens = len(r.Prompt)
	return t
}

// Result is what has come of a task that has ended.
func (t *Task) Result() inference.Result {
	u := t.usage
	if !t.timing.ran.IsZero() {
		u.Queue = t.timing.ran.Sub(t.timing.came)
	}
	if !t.timing.first.IsZero() {
		u.FirstToken = t.timing.first.Sub(t.timing.came)
	}
	u.Total = t.timing.end.Sub(t.timing.came)
	return inference.Result{
		Text: t.written.String(), Logprobs: t.entries, Reason: t.reason, StopText: t.stop, Usage: u,
	}
}

// Generated are the tokens that were generated.
func (t *Task) Generated() []int32 { return t.tokens[len(t.r.Prompt):] }

// begin makes the task ready to be run by a scheduler, the first or another.
func (t *Task) begin(now time.Time) {
	if t.timing.came.IsZero() {
		t.timing.came = now
	}
	t.timing.put = now
	t.place = place{}
	t.failed = nil
	t.mu.Lock()
	t.ended = false
	t.mu.Unlock()
}

// asked is why the caller wants it to end; empty when he does not.
func (t *Task) asked() inference.Reason {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cancelled
}

// give hands a piece to the caller's goroutine.
func (t *Task) give(d inference.Delta) {
	if d.Text == "" && len(d.Logprobs) == 0 {
		return
	}
	t.written.WriteString(d.Text)
	t.entries = append(t.entries, d.Logprobs...)
	t.mu.Lock()
	t.deltas = append(t.deltas, d)
	t.mu.Unlock()
	t.notify()
}

func (t *Task) take() (deltas []inference.Delta, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	deltas, t.deltas = t.deltas, nil
	return deltas, t.ended
}

func (t *Task) notify() {
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

// outcome is the error of a task that has ended.
func (t *Task) outcome() error {
	if t.failed != nil {
		return t.failed
	}
	if len(t.Generated()) > 0 {
		return nil
	}
	//exhaustive:ignore
	switch t.reason {
	case inference.ReasonBudget:
		return &inference.Error{
			Code: inference.CodeBudget, Message: "the budget is spent",
			Remedy: "ask whoever gave the capability for a larger budget, or shorten the prompt",
		}
	case inference.ReasonDeadline:
		return &inference.Error{
			Code: inference.CodeDeadline, Message: "the deadline passed before anything was generated",
			Remedy: "allow more time, or raise the priority",
		}
	}
	return nil
}

// fits refuses what this model can never run.
func (s *Scheduler) fits(t *Task) error {
	n := len(t.tokens)
	if n == 0 {
		return &inference.Error{Code: inference.CodeRequest, Message: "the prompt is empty", Remedy: "give at least one token"}
	}
	for _, token := range t.tokens {
		if token < 0 || int(token) >= s.about.Vocabulary {
			return &inference.Error{
				Code:    inference.CodeRequest,
				Message: fmt.Sprintf("token %d is not one of the model's %d", token, s.about.Vocabulary),
				Remedy:  "encode the text with this model's tokenizer",
			}
		}
	}
	if n >= s.about.ContextTokens && len(t.Generated()) == 0 {
		return &inference.Error{
			Code:    inference.CodeContext,
			Message: fmt.Sprintf("the prompt has %d tokens and the context holds %d, the answer included", n, s.about.ContextTokens),
			Remedy:  "shorten the prompt, or use a model of a longer context",
		}
	}
	if need := s.pagesFor(n); need > s.about.Pages {
		return &inference.Error{
			Code: inference.CodeMemory,
			Message: fmt.Sprintf("the prompt of %d tokens needs %d pages of %d bytes (%d MiB) and the cache has %d (%d MiB)",
				n, need, s.about.PageBytes, uint64(need)*s.about.PageBytes>>20,
				s.about.Pages, uint64(s.about.Pages)*s.about.PageBytes>>20),
			Remedy: "shorten the prompt, or load the model with a larger cache",
		}
	}
	return nil
}

func busy(waiting int) error {
	return &inference.Error{
		Code:    inference.CodeBusy,
		Message: fmt.Sprintf("%d requests are waiting for this model already", waiting),
		Remedy:  "ask again later",
	}
}

// pagesFor is how many pages n tokens take.
func (s *Scheduler) pagesFor(n int) int { return (n + s.about.PageTokens - 1) / s.about.PageTokens }
