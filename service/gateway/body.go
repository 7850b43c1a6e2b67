package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"phios/api/inference"
)

// withBody reads the body and hands it over. The bytes of all bodies under way
// are counted, so that many large ones are refused before memory is short.
func (x *exchange) withBody(do func(body []byte) error) error {
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		// A page can send any other kind without asking its browser first.
		return &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "the body is not said to be JSON", remedy: "send it with 'Content-Type: application/json'", final: true}
	}
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "compressed bodies are not read", remedy: "send it as it is", final: true}
	}
	size := x.r.ContentLength
	if size > inference.RequestBytesMax {
		return tooLarge()
	}
	if size < 0 {
		size = inference.RequestBytesMax
	}
	defer x.g.bodies.Add(-size)
	if x.g.bodies.Add(size) > x.g.c.BodiesBytesMax {
		return &refusal{status: http.StatusServiceUnavailable, code: "overloaded", message: "the bodies of the requests under way fill the memory that is set aside for them", remedy: "ask again a little later", retry: retryBusy}
	}
	body, err := x.read()
	if err != nil {
		return err
	}
	return do(body)
}

func tooLarge() error {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, code: "request_too_large",
		message: fmt.Sprintf("the body has more than %d bytes", inference.RequestBytesMax), remedy: "send less", final: true,
	}
}

func (x *exchange) read() ([]byte, error) {
	c := http.NewResponseController(x.w)
	// Where there is no connection, as in tests, there is no deadline either.
	if err := c.SetReadDeadline(x.g.now().Add(x.g.c.BodyTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	var b bytes.Buffer
	if x.r.ContentLength > 0 {
		b.Grow(int(x.r.ContentLength) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, inference.RequestBytesMax))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{status: http.StatusRequestTimeout, code: "timeout", message: fmt.Sprintf("the body did not come within %v", x.g.c.BodyTime), remedy: "send it faster, or send less"}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, code: "invalid_json", message: "the body broke off", remedy: "send all of it"}
	}
	// From here on the server reads only to see whether the client leaves; a
	// deadline would look like that.
	if err := c.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	return b.Bytes(), nil
}

// encode is JSON as all answers are written: without HTML's escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// write sends a whole answer.
func (x *exchange) write(status int, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	c := http.NewResponseController(x.w)
	_ = c.SetWriteDeadline(x.g.now().Add(x.g.c.WriteTime)) // Not supported without a connection.
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(status)
	_, err = io.Copy(x.w, bytes.NewReader(append(b, '\n')))
	return err
}
