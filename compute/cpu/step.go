package cpu

import (
	"context"
	"fmt"
	"slices"
	"time"

	"phios/compute"
)

// row is one token on its way through the layers.
type row struct {
	sequence *sequence
	position int
	token    int32
	logits   []float32 // where its logits go; nil when nobody wants them
}

// Step appends the tokens of each work to its sequence and writes the logits
// that it wants. It does all or nothing.
func (m *model) Step(ctx context.Context, batch []compute.Work) error {
	if m.closed {
		return fmt.Errorf("step: %w", errClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("step: %w", err)
	}
	if err := m.checkBatch(batch); err != nil {
		return fmt.Errorf("step: %w", err)
	}
	undos := make([]func(), 0, len(batch))
	undo := func() {
		for _, u := range slices.Backward(undos) {
			u()
		}
	}
	for i := range batch {
		u, err := batch[i].Sequence.(*sequence).reserve(len(batch[i].Tokens))
		undos = append(undos, u)
		if err != nil {
			undo()
			return fmt.Errorf("step: %w", err)
		}
	}
	if err := m.run(ctx, batch); err != nil {
		undo()
		return fmt.Errorf("step: %w", err)
	}
	for i := range batch {
		batch[i].Sequence.(*sequence).length += len(batch[i].Tokens)
	}
	return nil
}

// checkBatch is what must hold before anything is done.
func (m *model) checkBatch(batch []compute.Work) error {
	m.steps++
	for i := range batch {
		w := &batch[i]
		s, ok := w.Sequence.(*sequence)
		switch {
		case !ok || s.model != m:
			return fmt.Errorf("work %d: its sequence is not of this model; open one of it", i)
		case s.closed:
			return fmt.Errorf("work %d: %w", i, errClosed)
		case s.step == m.steps:
			return fmt.Errorf("work %d: an earlier work names the same sequence; join their tokens", i)
		case len(w.Tokens) == 0:
			return fmt.Errorf("work %d: no tokens; give at least one", i)
		case len(w.Tokens) > m.context-s.length:
			return fmt.Errorf("work %d: %d tokens after %d: %w of %d tokens; trim the sequence, or load with more ContextTokens",
				i, len(w.Tokens), s.length, compute.ErrContext, m.context)
		case len(w.Logits)%m.config.vocabulary != 0 || len(w.Logits)/m.config.vocabulary > len(w.Tokens):
			return fmt.Errorf("work %d: room for %d logits; give rows of %d, at most one for each of %d tokens",
				i, len(w.Logits), m.config.vocabulary, len(w.Tokens))
		}
		s.step = m.steps
		for _, t := range w.Tokens {
			if t < 0 || int(t) >= m.config.vocabulary {
				return fmt.Errorf("work %d: token %d; the vocabulary is 0 to %d", i, t, m.config.vocabulary-1)
			}
		}
	}
	return nil
}

// run takes the tokens through the layers, as many together as the buffers hold.
func (m *model) run(ctx context.Context, batch []compute.Work) error {
	begin := time.Now()
	if m.unit.running.Add(1) == 1 {
		m.unit.meter.begin()
	}
	defer func() {
		m.unit.busy.Add(int64(time.Since(begin)))
		if m.unit.running.Add(-1) == 0 {
			m.unit.meter.end()
		}
	}()
	b := m.buffers
	b.rows = b.rows[:0]
	for i := range batch {
		w, v := &batch[i], m.config.vocabulary
		s := w.Sequence.(*sequence)
		skip := len(w.Tokens) - len(w.Logits)/v
		for j, t := range w.Tokens {
			r := row{sequence: s, position: s.length + j, token: t}
			if j >= skip {
				r.logits = w.Logits[(j-skip)*v : (j-skip+1)*v]
			}
			b.rows = append(b.rows, r)
			if len(b.rows) == cap(b.rows) {
				if err := m.forward(ctx, b.rows); err != nil {
					return err
				}
				b.rows = b.rows[:0]
			}
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	alone := len(batch) == 1 && len(batch[0].Tokens) == 1 && batch[0].Logits != nil
	if err := m.forward(ctx, b.rows); err != nil {
		return err
	}
	if alone {
		m.unit.speed.seen(m.weights.streamed, time.Since(begin))
	}
	return nil
}
