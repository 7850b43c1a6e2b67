package gateway

import (
	"context"

	"phios/api/inference"
)

// messageWriter writes a message as events.
type messageWriter struct {
	s   *stream
	a   *asked
	out messageAnswer

	begun  bool
	inText bool // a block of text is open
	index  int  // of the block that is open, or comes next
	calls  int
}

// messageEvent is any event; what it does not have is left out.
type messageEvent struct {
	Type    string         `json:"type"`
	Message *messageAnswer `json:"message,omitempty"`
	Index   *int           `json:"index,omitempty"`
	Block   *block         `json:"content_block,omitempty"`
	Delta   any            `json:"delta,omitempty"`
	Usage   *messageUsage  `json:"usage,omitempty"`
}

type (
	textDelta struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	inputDelta struct {
		Type string `json:"type"`
		JSON string `json:"partial_json"`
	}
	stopDelta struct {
		Reason string  `json:"stop_reason"`
		Stop   *string `json:"stop_sequence"`
	}
)

func (w *messageWriter) send(e messageEvent) error { return w.s.event(e.Type, e) }

// block sends an event about the block at hand.
func (w *messageWriter) block(e messageEvent) error {
	n := w.index
	e.Index = &n
	return w.send(e)
}

func (w *messageWriter) run(ctx context.Context, x *exchange) error {
	results, err := x.generate(ctx, []inference.Request{w.a.Request}, func(_ int, d inference.Delta) error { return w.delta(d) })
	if err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.closeText(); err != nil {
		return err
	}
	reason, stop := stopped(&results[0])
	u := messageUsed(&results[0].Usage)
	if err := w.send(messageEvent{Type: "message_delta", Delta: stopDelta{reason, stop}, Usage: &u}); err != nil {
		return err
	}
	return w.send(messageEvent{Type: "message_stop"})
}

// begin sends what comes first. How long the prompt was is not known yet; the
// last usage has it.
func (w *messageWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.send(messageEvent{Type: "message_start", Message: &w.out})
}

func (w *messageWriter) closeText() error {
	if !w.inText {
		return nil
	}
	w.inText = false
	err := w.block(messageEvent{Type: "content_block_stop"})
	w.index++
	return err
}

func (w *messageWriter) delta(d inference.Delta) error {
	if err := w.begin(); err != nil {
		return err
	}
	if d.ToolCall != nil {
		return w.call(d.ToolCall)
	}
	if d.Text == "" {
		return nil
	}
	if !w.inText {
		w.inText = true
		empty := textBlock("")
		if err := w.block(messageEvent{Type: "content_block_start", Block: &empty}); err != nil {
			return err
		}
	}
	return w.block(messageEvent{Type: "content_block_delta", Delta: textDelta{"text_delta", d.Text}})
}

// call sends a call of a tool, which is whole when it comes.
func (w *messageWriter) call(c *inference.ToolCall) error {
	if w.calls++; w.a.single && w.calls > 1 {
		return nil
	}
	if err := w.closeText(); err != nil {
		return err
	}
	empty := callBlock(c, "{}")
	for _, e := range []messageEvent{
		{Type: "content_block_start", Block: &empty},
		{Type: "content_block_delta", Delta: inputDelta{"input_json_delta", string(callBlock(c, c.Arguments).Input)}},
		{Type: "content_block_stop"},
	} {
		if err := w.block(e); err != nil {
			return err
		}
	}
	w.index++
	return nil
}
