package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"phios/compute"
)

// Retries of a server that is busy: the wait doubles, unless the server names
// one, up to a bound.
const (
	attemptsMax = 4
	waitFirst   = 250 * time.Millisecond
	waitMax     = 20 * time.Second
)

// StatusError is a refusal of the server.
type StatusError struct {
	Status int
	// Text is what the server said, printable and bounded.
	Text string
}

// Error says what the server said and what can be done.
func (e *StatusError) Error() string {
	remedy := "check the request"
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		remedy = "check the setting key"
	case e.Status == http.StatusNotFound:
		remedy = "check the setting url and the model's name"
	case busy(e.Status) || e.Status >= http.StatusInternalServerError:
		remedy = "try again later"
	}
	return fmt.Sprintf("the server answered %d: %s; %s", e.Status, e.Text, remedy)
}

// busy says whether a server asks to come again.
func busy(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// bound makes the context of a request: the caller's, ended also by the end of
// the model and by the timeout.
func (m *model) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, m.unit.timeout)
	stop := context.AfterFunc(m.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// post sends a body, again when the server is busy, and returns an answer that
// is 200. The caller closes its body.
func (m *model) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	if len(body) > RequestBytesMax {
		return nil, fmt.Errorf("a request of %d bytes; %d can be sent, make it shorter", len(body), RequestBytesMax)
	}
	return m.ask(ctx, http.MethodPost, path, body)
}

// ask makes a request, again when the server is busy.
func (m *model) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	wait := waitFirst
	for attempt := 1; ; attempt++ {
		answer, err := m.send(ctx, method, path, body)
		if err != nil {
			return nil, m.explain(ctx, err)
		}
		if answer.StatusCode == http.StatusOK {
			return answer, nil
		}
		refusal := &StatusError{Status: answer.StatusCode, Text: m.refusal(answer.Body)}
		_ = answer.Body.Close() // It was only read.
		if !busy(answer.StatusCode) || attempt == attemptsMax {
			return nil, refusal
		}
		asked := retryAfter(answer.Header.Get("Retry-After"))
		if err := pause(ctx, min(max(wait, asked), waitMax)); err != nil {
			return nil, fmt.Errorf("%w, while waiting for a server that is busy: %w", m.explain(ctx, err), refusal)
		}
		wait *= 2
	}
}

func (m *model) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, m.unit.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	m.unit.key.sign(r.Header)
	return m.unit.client.Do(r)
}

// explain says why a request failed. The client's own error has the address,
// which a redirect may have chosen, so only its cause is kept.
func (m *model) explain(ctx context.Context, err error) error {
	if m.closing.Err() != nil {
		return errClosed
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("ask %s: %w", m.unit.base.Host, cause)
	}
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	if errors.Is(err, errRedirect) {
		return fmt.Errorf("ask %s: %w", m.unit.base.Host, errRedirect)
	}
	return fmt.Errorf("ask %s: %w: %s; check the setting url and the network", m.unit.base.Host, compute.ErrLost, m.printable(err.Error()))
}

// refusal reads what a server says with an error.
func (m *model) refusal(r io.Reader) string {
	b, err := io.ReadAll(io.LimitReader(r, ErrorBytesMax))
	if err != nil && len(b) == 0 {
		return "nothing"
	}
	if len(b) == ErrorBytesMax {
		// A key that the end cuts in two would not be found.
		b = b[:max(0, len(b)-len(m.unit.key()))]
	}
	return m.printable(string(b))
}

// printable makes a stranger's text fit for a terminal, without the key.
func (m *model) printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, m.unit.key.cover(s))
	return strings.TrimSpace(s[:min(len(s), ErrorBytesMax)])
}

// retryAfter reads the header, in seconds; dates are not worth a clock here.
func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 1<<20)) * time.Second
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-timer.Done()
	return ctx.Err()
}

// errAnswer means that the server does not speak as it should.
var errAnswer = errors.New("the server's answer is not one of OpenAI's interface; check the setting url")

// kind checks the type of an answer.
func kind(answer *http.Response, want string) error {
	got, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || got != want {
		return fmt.Errorf("%w: it is not %s", errAnswer, want)
	}
	return nil
}

// bounded reads a whole answer.
func bounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, AnswerBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(b) > AnswerBytesMax {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", errAnswer, AnswerBytesMax)
	}
	return b, nil
}
