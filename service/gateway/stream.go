package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// stream is an answer as server-sent events. Nothing is held back: each event
// is on its way when event returns. It begins with the first event, or with the
// first heartbeat while the request waits; before that an error can still have
// a status.
type stream struct {
	x    *exchange
	c    *http.ResponseController
	stop context.CancelCauseFunc

	mu   sync.Mutex
	last time.Time // when something was written, guarded by mu
	over bool      // guarded by mu
	err  error     // why nothing more can be written, guarded by mu
}

// streaming runs do with a stream and a context that also ends when the client
// does not read. An error of do is written as the last event when the stream
// has begun.
func (x *exchange) streaming(do func(ctx context.Context, s *stream) error) error {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	s := &stream{x: x, c: http.NewResponseController(x.w), stop: cancel, last: x.g.now()}
	done := make(chan struct{})
	go s.beat(ctx, done)
	// The heartbeat touches the answer; it must be over before the answer is.
	err := guard(func() error { return do(ctx, s) })
	s.mu.Lock()
	s.over = true
	begun := x.w.status != 0
	s.mu.Unlock()
	var r *refusal
	if err != nil {
		r = refused(ctx, err) // Before the context ends for another reason.
	}
	cancel(nil)
	<-done
	var knows *told
	if err == nil || !begun || errors.As(err, &knows) {
		return err
	}
	if r.status == statusClosed {
		return err
	}
	name := ""
	if b, encodes := encode(x.dialect(r, x.id)); encodes == nil {
		if x.r.URL.Path == "/v1/messages" || x.r.URL.Path == "/v1/responses" {
			name = "error"
		}
		// Who does not read it does not miss it.
		_ = s.write(name, b)
	}
	return err
}

// beat writes a comment whenever nothing was written for a while: proxies and
// clients then see that the request lives, and the server that the client does.
func (s *stream) beat(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	timer := time.NewTicker(s.x.g.c.Heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			s.comment()
		}
	}
}

func (s *stream) comment() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A tick may come a little early.
	if s.over || s.x.g.now().Sub(s.last) < s.x.g.c.Heartbeat*9/10 {
		return
	}
	_ = s.sendLocked([]byte(": waiting\n\n")) // The error is kept.
}

// event sends an event; the name may be empty.
func (s *stream) event(name string, data any) error {
	b, err := encode(data)
	if err != nil {
		return err
	}
	return s.write(name, b)
}

// write sends an event whose data is JSON, or OpenAI's word for the end.
func (s *stream) write(name string, data []byte) error {
	b := make([]byte, 0, len(data)+len(name)+len("event: \ndata: \n\n"))
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	b = append(append(append(b, "data: "...), data...), "\n\n"...)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(b)
}

func (s *stream) sendLocked(b []byte) error {
	if s.err != nil {
		return s.err
	}
	s.last = s.x.g.now()
	if s.x.w.status == 0 {
		h := s.x.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("X-Accel-Buffering", "no")
		s.x.w.WriteHeader(http.StatusOK)
	}
	_ = s.c.SetWriteDeadline(s.last.Add(s.x.g.c.WriteTime)) // Not supported without a connection.
	_, err := s.x.w.Write(b)
	if err == nil {
		err = s.c.Flush()
	}
	if err != nil {
		s.err = errVanished
		s.stop(errVanished)
	}
	return s.err
}
