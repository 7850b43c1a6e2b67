package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"phios/compute"
)

// model is a model of the server.
type model struct {
	unit    *unit
	name    string
	closing context.Context //nolint:containedctx // The life of the model, which ends its requests.
	end     context.CancelFunc
	once    sync.Once

	mu          sync.Mutex
	description compute.ModelDescription // guarded by mu
}

var (
	_ compute.Completer = (*model)(nil)
	_ compute.Embedder  = (*model)(nil)
)

// Describe says what is known: the width is, after the first embedding.
func (m *model) Describe() compute.ModelDescription {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.description
}

// String names it.
func (m *model) String() string { return m.name + " at " + m.unit.base.Host }

// Pin is refused: the weights are elsewhere.
func (m *model) Pin(bool) error {
	return fmt.Errorf("%w: the weights are the server's", compute.ErrUnsupported)
}

// Close ends the model's requests.
func (m *model) Close() error {
	m.once.Do(func() {
		m.end()
		m.unit.mu.Lock()
		m.unit.models--
		m.unit.mu.Unlock()
	})
	return nil
}

// run counts a request.
func (m *model) run() (done func(), err error) {
	if m.closing.Err() != nil {
		return nil, errClosed
	}
	m.unit.running.Add(1)
	return func() { m.unit.running.Add(-1) }, nil
}

// Complete sends the body, with the model's name in it, and hands over each
// chunk of a stream, or the whole answer as the only one. A chunk is the JSON
// alone, and emit owns it during the call.
func (m *model) Complete(ctx context.Context, body []byte, emit func(chunk []byte) error) error {
	done, err := m.run()
	if err != nil {
		return err
	}
	defer done()
	body, stream, err := m.named(body)
	if err != nil {
		return err
	}
	ctx, cancel := m.bound(ctx)
	defer cancel()
	answer, err := m.post(ctx, "chat/completions", body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // It was only read.
	if !stream {
		if err := kind(answer, "application/json"); err != nil {
			return err
		}
		whole, err := bounded(answer.Body)
		if err != nil {
			return m.explain(ctx, err)
		}
		if !json.Valid(whole) {
			return fmt.Errorf("%w: it is not JSON", errAnswer)
		}
		return emit(whole)
	}
	if err := kind(answer, "text/event-stream"); err != nil {
		return err
	}
	err = events(answer.Body, emit)
	var own *emitError
	switch {
	case err == nil, errors.Is(err, errAnswer):
		return err
	case errors.As(err, &own):
		return own.err
	default:
		return m.explain(ctx, err)
	}
}

// named puts the model's name into a body, and says whether it asks for a
// stream. All else is left as it is.
func (m *model) named(body []byte) (out []byte, stream bool, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, false, errors.New("the body of a completion is not a JSON object; see OpenAI's chat completions")
	}
	if s, ok := fields["stream"]; ok {
		if err := json.Unmarshal(s, &stream); err != nil {
			return nil, false, errors.New("the field stream of a completion is neither true nor false")
		}
	}
	name, err := json.Marshal(m.name)
	if err != nil {
		return nil, false, err
	}
	fields["model"] = name
	out, err = json.Marshal(fields)
	return out, stream, err
}

// emitError is an error of the caller, told from those of the connection.
type emitError struct{ err error }

func (e *emitError) Error() string { return e.err.Error() }

// events reads a stream of server-sent events (WHATWG HTML, section 9.2) and
// hands over the data of each, until [DONE]. Of the format it takes what such
// servers send: events of one or more data lines; names, comments and numbers
// are passed over.
func events(r io.Reader, emit func(chunk []byte) error) error {
	lines := bufio.NewScanner(io.LimitReader(r, AnswerBytesMax+1))
	lines.Buffer(make([]byte, 0, 4096), LineBytesMax)
	var data []byte
	total := 0
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if total += len(line) + 1; total > AnswerBytesMax {
			return fmt.Errorf("%w: the stream is longer than %d bytes", errAnswer, AnswerBytesMax)
		}
		if len(line) > 0 {
			var err error
			if data, err = join(data, line); err != nil {
				return err
			}
			continue
		}
		if len(data) == 0 {
			continue
		}
		if string(data) == "[DONE]" {
			return nil
		}
		if !json.Valid(data) {
			return fmt.Errorf("%w: an event is not JSON", errAnswer)
		}
		if err := emit(data); err != nil {
			return &emitError{err}
		}
		data = data[:0]
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: a line is longer than %d bytes", errAnswer, LineBytesMax)
	} else if err != nil {
		return err
	}
	if string(data) == "[DONE]" {
		return nil // Some leave the last blank line away.
	}
	return fmt.Errorf("%w: the stream ended before its [DONE]", errAnswer)
}

// join adds what a line says to the data of an event: lines of data are joined,
// all others say nothing.
func join(data, line []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return data, nil
	}
	if len(data)+len(rest) > LineBytesMax {
		return nil, fmt.Errorf("%w: an event is longer than %d bytes", errAnswer, LineBytesMax)
	}
	if len(data) > 0 {
		data = append(data, '\n')
	}
	return append(data, bytes.TrimPrefix(rest, []byte(" "))...), nil
}

// Embed asks for the vectors of texts, and makes them of unit length. A row that
// is nil is made: the width is not known before the server has answered.
func (m *model) Embed(ctx context.Context, texts []string, rows [][]float32, cut []bool) error {
	if len(rows) != len(texts) || len(cut) != len(texts) {
		return fmt.Errorf("embed %d texts into %d rows and %d cuts; give as many", len(texts), len(rows), len(cut))
	}
	done, err := m.run()
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := m.bound(ctx)
	defer cancel()
	clear(cut) // Servers refuse what is too long rather than cut it.
	for len(texts) > 0 {
		n := min(len(texts), TextsMax)
		if err := m.embed(ctx, texts[:n], rows[:n]); err != nil {
			return err
		}
		texts, rows = texts[n:], rows[n:]
	}
	return nil
}

// embed asks for the vectors of up to TextsMax texts.
func (m *model) embed(ctx context.Context, texts []string, rows [][]float32) error {
	body, err := json.Marshal(map[string]any{"model": m.name, "input": texts, "encoding_format": "float"})
	if err != nil {
		return err
	}
	answer, err := m.post(ctx, "embeddings", body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // It was only read.
	if err := kind(answer, "application/json"); err != nil {
		return err
	}
	whole, err := bounded(answer.Body)
	if err != nil {
		return m.explain(ctx, err)
	}
	vectors, err := vectorsOf(whole, len(texts))
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.description.Width = len(vectors[0])
	m.mu.Unlock()
	for i, v := range vectors {
		if rows[i] == nil {
			rows[i] = v
			continue
		}
		if len(rows[i]) != len(v) {
			return fmt.Errorf("a row of %d numbers for a vector of %d; the width is in the model's description after the first request", len(rows[i]), len(v))
		}
		copy(rows[i], v)
	}
	return nil
}

// vectorsOf reads the vectors of an answer: each index once, all of one width,
// of unit length after.
func vectorsOf(whole []byte, n int) ([][]float32, error) {
	var answer struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(whole, &answer); err != nil {
		return nil, fmt.Errorf("%w: the embeddings are not JSON of the right kind", errAnswer)
	}
	if len(answer.Data) != n {
		return nil, fmt.Errorf("%w: %d vectors of %d texts", errAnswer, len(answer.Data), n)
	}
	vectors := make([][]float32, n)
	for _, d := range answer.Data {
		width := len(answer.Data[0].Embedding)
		if d.Index < 0 || d.Index >= n || vectors[d.Index] != nil || width == 0 || width > WidthMax || len(d.Embedding) != width {
			return nil, fmt.Errorf("%w: the vectors are not one of the same width for each text", errAnswer)
		}
		sum := 0.0
		for _, v := range d.Embedding {
			sum += float64(v) * float64(v)
		}
		if sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, fmt.Errorf("%w: a vector has no direction", errAnswer)
		}
		for i := range d.Embedding {
			d.Embedding[i] = float32(float64(d.Embedding[i]) / math.Sqrt(sum))
		}
		vectors[d.Index] = d.Embedding
	}
	return vectors, nil
}
