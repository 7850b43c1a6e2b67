package inference

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"phios/api/inference"
	"phios/compute"
	"phios/compute/gguf"
	"phios/compute/grammar"
	"phios/compute/sample"
	"phios/compute/token"
	"phios/service/inference/registry"
	"phios/service/inference/residency"
	"phios/service/inference/schedule"
)

// engine is a loaded model and what the service needs beside it.
type engine struct {
	service *Service
	name    string
	model   compute.Model
	about   compute.ModelDescription
	release func()              // lets the weights go
	mapped  uint64              // bytes of the weights
	run     *schedule.Scheduler // nil when it does not generate
	embeds  compute.Embedder    // nil when it does not embed
	words   *words
	style   style

	vocabulary func() *grammar.Vocabulary // made when first needed
}

// want says what a request wants of residency.
func (s *Service) want(m *registry.Model, r *inference.Request) (residency.Want, error) {
	w := residency.Want{
		Name: m.Name(), Architecture: m.Architecture, Constraints: r.Device, Deadline: r.Deadline,
		// The cache is sized when the model is loaded; an eighth of the weights
		// is a guess that errs upwards for all but tiny models.
		Bytes: uint64(m.Bytes) + uint64(m.Bytes)/8,
	}
	w.Key.Deterministic = r.Deterministic
	if n, err := hex.Decode(w.Key.Digest[:], []byte(m.Digest)); err != nil || n != len(w.Key.Digest) {
		return w, &inference.Error{Code: inference.CodeInternal, Message: "the registry has a digest that is none", Remedy: "add the model again"}
	}
	return w, nil
}

// load makes a model ready on a unit, for residency.
func (s *Service) load(ctx context.Context, w residency.Want, u compute.Unit) (_ *engine, err error) {
	m, err := s.o.Models.Find(hex.EncodeToString(w.Key.Digest[:]))
	if err != nil {
		return nil, err
	}
	weights, release, err := s.o.Models.Open(m)
	if err != nil {
		return nil, err
	}
	e := &engine{service: s, name: w.Name, release: release, mapped: uint64(len(weights.Bytes))}
	defer func() {
		if err != nil {
			e.Close()
		}
	}()
	o := s.o.Load
	o.Deterministic = w.Key.Deterministic
	if e.model, err = u.Load(ctx, weights, o); err != nil {
		return nil, err
	}
	e.about = e.model.Describe()
	e.embeds, _ = e.model.(compute.Embedder)
	stepper, ok := e.model.(compute.Stepper)
	if !ok {
		return e, nil
	}
	f, err := gguf.Parse(weights.Bytes)
	if err != nil {
		return nil, err
	}
	tokenizer, err := token.FromGGUF(f)
	if err != nil {
		return nil, err
	}
	if tokenizer.Size() != e.about.Vocabulary {
		return nil, fmt.Errorf("%w: the tokenizer has %d tokens and the model %d", compute.ErrUnsupported, tokenizer.Size(), e.about.Vocabulary)
	}
	e.words = newWords(tokenizer)
	e.style = newStyle(f)
	e.vocabulary = sync.OnceValue(e.words.vocabulary)
	so := s.o.Schedule
	so.Now, so.Joules = s.o.Now, func() float64 { return u.Report().Joules }
	if s.parking != nil {
		so.Park = s.parking.For(e.about.CacheDigest)
	}
	e.run = schedule.New(stepper, e.words, so)
	return e, nil
}

// Close ends what runs, unloads the model and lets the weights go.
func (e *engine) Close() {
	if e.run != nil {
		e.run.Close()
		e.service.keep(e.name, e.run.Metrics())
	}
	if e.model != nil {
		// A unit that cannot unload was lost, with the memory.
		_ = e.model.Close()
	}
	e.release()
}

// Bytes is the memory that the model may take: its weights, and all pages of its
// cache.
func (e *engine) Bytes() uint64 { return e.mapped + e.about.PageBytes*uint64(max(e.about.Pages, 0)) }

// Probe generates a token.
func (e *engine) Probe(ctx context.Context) error {
	if e.run == nil {
		return nil
	}
	first, ok := e.words.t.BOS()
	if !ok {
		first = 0
	}
	task := e.run.NewTask(&schedule.Request{
		Account: prober{}, Prompt: []int32{first}, TokensMax: 1, Sampling: sample.Params{}, Priority: probePriority,
	})
	if err := e.run.Run(ctx, task, nil); err != nil {
		return err
	}
	if task.Result().Reason == inference.ReasonCancelled {
		return errors.Join(errors.New("it made no token in time"), ctx.Err())
	}
	return nil
}

// words is what the scheduler needs to know of tokens. Tokens that mark a call
// of a tool are text here, although a tokenizer may keep them apart.
type words struct {
	t     *token.Tokenizer
	marks map[int32]string
}

func newWords(t *token.Tokenizer) *words {
	w := &words{t: t, marks: make(map[int32]string)}
	for _, mark := range marksTable {
		if id, ok := t.ID(mark); ok && len(t.Piece(id)) == 0 && !t.End(id) {
			w.marks[id] = mark
		}
	}
	return w
}

// Piece is what a token adds to a text.
func (w *words) Piece(id int32) []byte {
	if mark, ok := w.marks[id]; ok {
		return []byte(mark)
	}
	return w.t.Piece(id)
}

// End reports whether a token ends a text.
func (w *words) End(id int32) bool { return w.t.End(id) }

// Stream makes a decoder of one text.
func (w *words) Stream() schedule.Text { return &written{words: w, s: token.NewStream(w.t, false)} }

// vocabulary makes what constraints need. Marks are left out: a constrained text
// has none.
func (w *words) vocabulary() *grammar.Vocabulary {
	pieces := make([][]byte, w.t.Size())
	for i := range pieces {
		pieces[i] = w.t.Piece(int32(i))
	}
	return grammar.NewVocabulary(pieces, w.t.Ends())
}

// written decodes one text, with marks.
type written struct {
	words *words
	s     *token.Stream
}

// Add appends a token and returns what became readable.
func (w *written) Add(id int32) string {
	if mark, ok := w.words.marks[id]; ok {
		return w.s.Flush() + mark
	}
	return w.s.Add(id)
}

// Flush returns what was held back.
func (w *written) Flush() string { return w.s.Flush() }
