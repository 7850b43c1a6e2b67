package models

import (
	"context"
	"sync"

	"phios/abi"
	"phios/api/inference"
	"phios/kernel/gate"
)

// streamBytesMax is how much text waits to be asked for; then the generation
// waits.
const streamBytesMax = 1 << 20

// stream is a text under way.
type stream struct {
	label abi.Label // of what is in it
	bill  gate.Bill
	fresh chan struct{} // text came, or the end
	room  chan struct{} // text was taken

	mu      sync.Mutex
	text    []byte           // guarded by mu
	over    bool             // guarded by mu
	ended   bool             // by the holder; guarded by mu
	lastUse int64            // guarded by mu
	result  inference.Result // once over; guarded by mu
	err     error            // once over; guarded by mu
}

// nudge lets whoever waits for one of the two look again.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// stream begins one, and answers with its number. The tools of a conversation
// need the whole answer: they and streams exclude each other.
func (c *call) stream(r *inference.Request) abi.Status {
	if len(r.Tools) > 0 {
		return abi.StatusUnsupported
	}
	now := c.s.c.Machine.Now()
	s := &stream{
		label: c.port.Label(), bill: c.port.Bill(), fresh: make(chan struct{}, 1), room: make(chan struct{}, 1), lastUse: now,
	}
	h := c.holder
	h.mu.Lock()
	for number, old := range h.streams {
		if !old.bill.Check().OK() || old.idle(now) { // a program before this one began it, or it was forgotten
			delete(h.streams, number)
		}
	}
	if h.gone || len(h.streams) >= StreamsMax {
		h.mu.Unlock()
		return abi.StatusLimit
	}
	number := h.number()
	h.streams[number] = s
	h.mu.Unlock()
	who := c.account()
	ctx, done := c.s.attend(who.bill, 0, func() bool { return s.idle(c.s.c.Machine.Now()) })
	c.s.work.Go(func() {
		defer done()
		result, err := c.s.c.Service.Generate(ctx, who, r, func(d inference.Delta) error { return s.add(ctx, d.Text) })
		s.finish(result, err)
		if ctx.Err() != nil { // nobody will ask for the rest
			h.mu.Lock()
			delete(h.streams, number)
			h.mu.Unlock()
		}
	})
	m := c.message
	m.Words = [abi.MessageWords]uint64{uint64(number)}
	m.Length, m.HandleCount, m.Moves = 0, 0, 0
	return abi.StatusOK
}

// number is a new one for a stream or a batch.
//
// Preconditions:
//   - h.mu is held
//   - the limits of both are kept, so that there is one
func (h *holder) number() uint16 {
	for {
		h.last++
		_, streams := h.streams[h.last]
		_, batches := h.batches[h.last]
		if h.last != 0 && !streams && !batches {
			return h.last
		}
	}
}

// idle reports whether the stream was ended or forgotten.
func (s *stream) idle(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended || now-s.lastUse > streamIdleNS
}

// add takes a piece of text, as soon as there is room.
func (s *stream) add(ctx context.Context, text string) error {
	for {
		s.mu.Lock()
		room := len(s.text) < streamBytesMax
		if room {
			s.text = append(s.text, text...)
		}
		s.mu.Unlock()
		if room {
			nudge(s.fresh)
			return nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *stream) finish(r inference.Result, err error) {
	s.mu.Lock()
	s.over, s.result, s.err = true, r, err
	s.mu.Unlock()
	nudge(s.fresh)
}

// next answers with the next piece of a stream, once there is one.
func (c *call) next() abi.Status {
	h := c.holder
	h.mu.Lock()
	s := h.streams[c.number]
	h.mu.Unlock()
	switch {
	case s == nil:
		return abi.StatusState
	case !s.label.FlowsTo(c.port.Label()):
		return abi.StatusLabel
	}
	ctx, done := c.s.attend(c.port.Bill(), c.deadline, nil)
	defer done()
	for {
		piece, last, err := s.take(c.s.c.Machine.Now())
		switch {
		case last:
			h.mu.Lock()
			delete(h.streams, c.number)
			h.mu.Unlock()
			if err != nil {
				return c.refuse(context.Background(), err)
			}
			return c.answer(piece, reasonOf(s.result.Reason), tokensOf(&s.result.Usage))
		case len(piece) > 0:
			nudge(s.room)
			return c.answer(piece, 0, 0)
		}
		select {
		case <-s.fresh:
		case <-ctx.Done():
			return c.refuse(ctx, context.Cause(ctx))
		}
	}
}

// take takes at most a message's worth of text. last says that nothing is left;
// err why it could not be otherwise.
func (s *stream) take(now int64) (piece []byte, last bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastUse = now
	n := whole(s.text, min(len(s.text), abi.MessageBytesMax))
	piece = append(piece, s.text[:n]...)
	s.text = append(s.text[:0], s.text[n:]...)
	last = s.over && len(s.text) == 0
	if last && len(piece) == 0 {
		err = s.err
	}
	if s.err != nil && len(piece) > 0 {
		last = false // the text first
	}
	return piece, last, err
}

// stop ends a stream, or forgets a batch.
func (c *call) stop() abi.Status {
	h := c.holder
	h.mu.Lock()
	s, b := h.streams[c.number], h.batches[c.number]
	delete(h.streams, c.number)
	if b != nil {
		h.forget(c.number, b)
	}
	h.mu.Unlock()
	if s == nil && b == nil {
		return abi.StatusState
	}
	if s != nil {
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
	}
	return c.answer(nil, 0, 0)
}
