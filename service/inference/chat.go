package inference

import (
	"errors"
	"strings"
	"time"

	"phios/api/inference"
	"phios/compute/gguf"
	"phios/compute/template"
)

// style is how a model was taught to talk: its template, and how it asks for
// tools.
type style struct {
	template *template.Template
	broken   error // why the model's own template cannot be used
	tools    toolStyle
}

// newStyle reads a model's template. A model without one talks as ChatML.
func newStyle(f *gguf.File) style {
	source, ok := f.Text("tokenizer.chat_template")
	if !ok {
		source = template.ChatML
	}
	s := style{tools: toolsHermes}
	switch {
	case strings.Contains(source, markMistral):
		s.tools = toolsMistral
	case strings.Contains(source, markHermes):
	case strings.Contains(source, `"parameters"`), strings.Contains(source, markLlama):
		s.tools = toolsLlama
	}
	s.template, s.broken = template.Parse(source)
	return s
}

// render makes the prompt of a conversation.
func (s *style) render(e *engine, r *inference.Request) (string, error) {
	if s.broken != nil {
		return "", &inference.Error{
			Code: inference.CodeUnsupported, Message: "the model's template cannot be used: " + s.broken.Error(),
			Remedy: "send a prompt instead of messages",
		}
	}
	in := template.Input{AddGenerationPrompt: true, Now: e.service.o.Now()}
	if r.Deterministic {
		// Today's date in a prompt would make another answer of each day.
		in.Now = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if id, ok := e.words.t.BOS(); ok {
		in.BOS = e.words.t.Text(id)
	}
	if id, ok := e.words.t.EOS(); ok {
		in.EOS = e.words.t.Text(id)
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		t := template.Message{Role: m.Role, Content: m.Content, Name: m.Name, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			t.ToolCalls = append(t.ToolCalls, template.ToolCall{ID: c.ID, Name: c.Name, Arguments: c.Arguments})
		}
		in.Messages = append(in.Messages, t)
	}
	if r.ToolChoice != "none" {
		for i := range r.Tools {
			t := &r.Tools[i]
			in.Tools = append(in.Tools, template.Tool{Name: t.Name, Description: t.Description, Parameters: parameters(t)})
		}
	}
	text, err := s.template.Render(in)
	if errors.Is(err, template.ErrRaised) {
		return "", bad(err.Error(), "change the messages as the model's template wants them")
	}
	if err != nil {
		return "", bad("the messages cannot be put into the model's template: "+err.Error(), "change them, or send a prompt")
	}
	return text, nil
}
