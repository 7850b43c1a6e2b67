package gateway

import (
	"context"

	"phios/api/inference"
)

// responseWriter writes a response as events: each is numbered, and names the
// item that it is about.
type responseWriter struct {
	x   *exchange
	s   *stream
	a   *response
	out *responseAnswer

	number int
	item   *responseItem // the message under way; nil when there is none
	text   []byte        // of it
	logs   []logprob     // of it
	calls  int
}

// responseEvent is any event; what it does not have is left out.
type responseEvent struct {
	Type      string          `json:"type"`
	Number    int             `json:"sequence_number"`
	Response  *responseAnswer `json:"response,omitempty"`
	Index     *int            `json:"output_index,omitempty"`
	ItemID    string          `json:"item_id,omitempty"`
	PartIndex *int            `json:"content_index,omitempty"`
	Item      *responseItem   `json:"item,omitempty"`
	Part      *responsePart   `json:"part,omitempty"`
	Delta     *string         `json:"delta,omitempty"`
	Text      *string         `json:"text,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments *string         `json:"arguments,omitempty"`
	Logprobs  *[]logprob      `json:"logprobs,omitempty"`
}

func (w *responseWriter) send(e responseEvent) error {
	e.Number = w.number
	w.number++
	return w.s.event(e.Type, e)
}

// about is an event about the item that is next in the output.
func (w *responseWriter) about(kind string) responseEvent {
	n := len(w.out.Output)
	return responseEvent{Type: kind, Index: &n}
}

// inMessage is an event about the text of the message under way.
func (w *responseWriter) inMessage(kind string) responseEvent {
	e, zero := w.about(kind), 0
	e.ItemID, e.PartIndex = w.item.ID, &zero
	return e
}

func (w *responseWriter) run(ctx context.Context) error {
	results, err := w.x.generate(ctx, []inference.Request{w.a.Request}, func(_ int, d inference.Delta) error { return w.delta(d) })
	if err != nil {
		return w.failed(ctx, err)
	}
	w.out.finish(&results[0])
	if err := w.begin(); err != nil {
		return err
	}
	if w.item == nil && len(w.out.Output) == 0 {
		if err := w.open(); err != nil { // An answer has at least an empty text.
			return err
		}
	}
	if err := w.closeMessage(w.out.Status); err != nil {
		return err
	}
	return w.send(responseEvent{Type: "response." + w.out.Status, Response: w.out})
}

// failed ends a response that has begun; before that the error is HTTP's.
func (w *responseWriter) failed(ctx context.Context, err error) error {
	r := refused(ctx, err)
	if w.number == 0 || r.status == statusClosed {
		return err
	}
	w.out.Status, w.out.Error = "failed", &responseError{r.code, r.Error()}
	if sent := w.send(responseEvent{Type: "response.failed", Response: w.out}); sent != nil {
		return sent
	}
	return &told{err}
}

// told is an error that the client has been told of.
type told struct{ error }

// Unwrap is the error.
func (t *told) Unwrap() error { return t.error }

// begin sends what comes first.
func (w *responseWriter) begin() error {
	if w.number > 0 {
		return nil
	}
	now := *w.out
	now.Status, now.Usage, now.Incomplete = "in_progress", nil, nil
	if err := w.send(responseEvent{Type: "response.created", Response: &now}); err != nil {
		return err
	}
	return w.send(responseEvent{Type: "response.in_progress", Response: &now})
}

// open begins a message.
func (w *responseWriter) open() error {
	item := messageItem(w.x.g.id("msg_"), "in_progress", []responsePart{})
	w.item = &item
	e := w.about("response.output_item.added")
	e.Item = &item
	if err := w.send(e); err != nil {
		return err
	}
	e = w.inMessage("response.content_part.added")
	part := textPart("", nil)
	e.Part = &part
	return w.send(e)
}

func (w *responseWriter) delta(d inference.Delta) error {
	if err := w.begin(); err != nil {
		return err
	}
	if d.ToolCall != nil {
		return w.call(d.ToolCall)
	}
	if w.item == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	e := w.inMessage("response.output_text.delta")
	l := []logprob{}
	if w.a.Logprobs {
		l = logprobs(d.Logprobs)
	}
	e.Delta, e.Logprobs = &d.Text, &l
	w.text, w.logs = append(w.text, d.Text...), append(w.logs, l...)
	return w.send(e)
}

// closeMessage ends the message under way, if there is one.
func (w *responseWriter) closeMessage(status string) error {
	if w.item == nil {
		return nil
	}
	text := string(w.text)
	part := textPart(text, w.logs)
	e := w.inMessage("response.output_text.done")
	e.Text, e.Logprobs = &text, &part.Logprobs
	if err := w.send(e); err != nil {
		return err
	}
	e = w.inMessage("response.content_part.done")
	e.Part = &part
	if err := w.send(e); err != nil {
		return err
	}
	item := messageItem(w.item.ID, status, []responsePart{part})
	e = w.about("response.output_item.done")
	e.Item = &item
	w.item, w.text, w.logs = nil, nil, nil
	w.out.Output = append(w.out.Output, item)
	return w.send(e)
}

// call sends a call of a tool, which is whole when it comes.
func (w *responseWriter) call(c *inference.ToolCall) error {
	if w.calls++; w.a.single && w.calls > 1 {
		return nil
	}
	if err := w.closeMessage("completed"); err != nil {
		return err
	}
	id := w.x.g.id("fc_")
	begun, done := callItem(id, "in_progress", c, ""), callItem(id, "completed", c, c.Arguments)
	added := w.about("response.output_item.added")
	added.Item = &begun
	delta := w.about("response.function_call_arguments.delta")
	delta.ItemID, delta.Delta = id, &c.Arguments
	whole := w.about("response.function_call_arguments.done")
	whole.ItemID, whole.Name, whole.Arguments = id, c.Name, &c.Arguments
	end := w.about("response.output_item.done")
	end.Item = &done
	for _, e := range []responseEvent{added, delta, whole, end} {
		if err := w.send(e); err != nil {
			return err
		}
	}
	w.out.Output = append(w.out.Output, done)
	return nil
}
