package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"phios/api/inference"
)

// Counter is a service that can say how many tokens a prompt has without
// running it. Where the service is one, /v1/messages/count_tokens is there.
type Counter interface {
	Count(ctx context.Context, who inference.Account, r *inference.Request) (int, error)
}

// readMessages reads the body of messages; counting needs no bound.
func readMessages(body []byte, counting bool) (*asked, error) { //nolint:revive // flag-parameter: the two bodies differ by one field
	f, err := open(body)
	if err != nil {
		return nil, err
	}
	a := &asked{n: 1}
	a.Model = f.text("model")
	if v := f.take("system"); v != nil {
		a.Messages = append(a.Messages, inference.Message{Role: "system", Content: f.parts("system", v, "text")})
	}
	f.turns(&a.Request)
	a.TokensMax = int(f.integer("max_tokens", span{1, tokensMax}, 0))
	if a.TokensMax == 0 && !counting {
		f.refuse("max_tokens", "max_tokens is missing", "give a whole number")
	}
	f.sampling(&a.Request, 1)
	a.Stop = f.stops("stop_sequences")
	a.streamed = f.boolean("stream", false)
	f.format(&a.Request, "output_format", "")
	if o := f.inner("output_config"); o != nil {
		o.format(&a.Request, "format", "")
		o.only("effort", "leave it out", `"high"`)
		o.end()
	}
	for _, t := range f.forms("tools", inference.ToolsMax) {
		t.oneOf("type", "custom")
		t.ignore("cache_control", "eager_input_streaming", "input_examples")
		t.function(&a.Request, "input_schema")
	}
	f.messagesChoice(a)
	if t := f.inner("thinking"); t != nil {
		t.only("type", "leave thinking out", `"disabled"`)
		t.end()
	}
	f.only("container", "offer tools of your own")
	f.only("mcp_servers", "offer their tools as your own", "[]")
	f.only("context_management", "leave messages out yourself")
	f.ignore("metadata", "service_tier", "cache_control", "inference_geo")
	f.end()
	return a, f.result()
}

func (f *form) messagesChoice(a *asked) {
	g := f.inner("tool_choice")
	if g == nil {
		return
	}
	switch kind := g.oneOf("type", "auto", "any", "tool", "none"); kind {
	case "any":
		f.choose(&a.Request, "required")
	case "tool":
		f.choose(&a.Request, g.required("name"))
	default:
		f.choose(&a.Request, kind)
	}
	a.single = g.boolean("disable_parallel_tool_use", false)
	g.end()
}

// turns reads the conversation. A turn of blocks may become several messages:
// answers of tools are messages of their own here.
func (f *form) turns(r *inference.Request) {
	turns := f.forms("messages", inference.MessagesMax)
	for _, t := range turns {
		m := inference.Message{Role: t.oneOf("role", "user", "assistant", "system")}
		content := t.take("content")
		switch {
		case content == nil || m.Role == "":
			t.refuse(t.at, t.at+" has no role or no content", "give both")
			return
		case content[0] == '[':
			t.blocks(r, m, content)
		default:
			m.Content = t.parts(t.path("content"), content)
			r.Messages = append(r.Messages, m)
		}
		t.end()
	}
	switch {
	case f.err != nil:
	case len(turns) == 0:
		f.refuse("messages", "there are no messages", "give at least one")
	case len(r.Messages) > inference.MessagesMax:
		f.refuse("messages", "there are too many messages", "leave the oldest out")
	case r.Messages[len(r.Messages)-1].Role == "assistant":
		f.refuse("messages", "the last message is the assistant's; to go on with it is not offered here", "end with a message of the user")
	}
}

func (f *form) blocks(r *inference.Request, m inference.Message, content value) {
	i, answers := 0, 0
	for e := range content.elements() {
		b := f.form(f.path("content")+"["+strconv.Itoa(i)+"]", e)
		b.ignore("cache_control", "citations", "caller")
		switch kind := b.required("type"); kind {
		case "text":
			m.Content += b.text("text")
		case "tool_use":
			c := inference.ToolCall{ID: b.required("id"), Name: b.required("name"), Arguments: string(orElse(b.object("input"), "{}"))}
			if m.ToolCalls = append(m.ToolCalls, c); m.Role != "assistant" {
				b.refuse(b.at, "only an assistant calls tools", "give it in its message")
			}
		case "tool_result":
			if answers++; m.Role != "user" {
				b.refuse(b.at, "an answer of a tool is in a message of the user", "give it there")
			}
			r.Messages = append(r.Messages, b.toolResult())
		default:
			b.refuse(b.path("type"), "a block of this type is not read: models here read text", "send text, tool_use and tool_result")
		}
		b.end()
		if i++; f.err != nil {
			return
		}
	}
	if m.Content != "" || len(m.ToolCalls) > 0 || answers == 0 {
		r.Messages = append(r.Messages, m)
	}
}

// toolResult is an answer of a tool. That it failed is said in its text: the
// templates of models have no other place for it.
func (f *form) toolResult() inference.Message {
	m := inference.Message{Role: "tool", ToolCallID: f.required("tool_use_id")}
	if v := f.take("content"); v != nil {
		m.Content = f.parts(f.path("content"), v, "text")
	}
	if f.boolean("is_error", false) {
		m.Content = "Error: " + m.Content
	}
	return m
}

// The answers of messages.
type (
	messageAnswer struct {
		ID      string       `json:"id"`
		Type    string       `json:"type"`
		Role    string       `json:"role"`
		Model   string       `json:"model"`
		Content []block      `json:"content"`
		Reason  *string      `json:"stop_reason"`
		Stop    *string      `json:"stop_sequence"`
		Usage   messageUsage `json:"usage"`
	}
	block struct {
		Type  string          `json:"type"`
		Text  *string         `json:"text,omitempty"`
		ID    string          `json:"id,omitempty"`
		Name  string          `json:"name,omitempty"`
		Input json.RawMessage `json:"input,omitempty"`
	}
	messageUsage struct {
		Input   int `json:"input_tokens"`
		Created int `json:"cache_creation_input_tokens"`
		Cached  int `json:"cache_read_input_tokens"`
		Output  int `json:"output_tokens"`
	}
)

func textBlock(s string) block { return block{Type: "text", Text: &s} }

func callBlock(c *inference.ToolCall, input string) block {
	if !json.Valid([]byte(input)) {
		input = "{}" // A call without arguments.
	}
	return block{Type: "tool_use", ID: c.ID, Name: c.Name, Input: json.RawMessage(input)}
}

// stopped is why a message ended, in Anthropic's words.
func stopped(r *inference.Result) (reason string, stop *string) {
	reason, stop = ended(r)
	switch {
	case reason == "tool_calls":
		return "tool_use", nil
	case reason == "length":
		return "max_tokens", nil
	case stop != nil:
		return "stop_sequence", stop
	}
	return "end_turn", nil
}

// messageUsed counts as Anthropic does: what was in the cache is not in the
// input.
func messageUsed(u *inference.Usage) messageUsage {
	return messageUsage{Input: u.PromptTokens - u.CachedTokens, Cached: u.CachedTokens, Output: u.CompletionTokens}
}

// messages answers POST /v1/messages.
func (x *exchange) messages(body []byte) error {
	a, err := readMessages(body, false)
	if err != nil {
		return err
	}
	a.Deadline = x.deadline()
	out := messageAnswer{ID: x.g.id("msg_"), Type: "message", Role: "assistant", Model: a.Model, Content: []block{}}
	if a.streamed {
		return x.streaming(func(ctx context.Context, s *stream) error {
			w := &messageWriter{s: s, a: a, out: out}
			return w.run(ctx, x)
		})
	}
	results, err := x.generate(x.r.Context(), []inference.Request{a.Request}, nil)
	if err != nil {
		return err
	}
	r := &results[0]
	out.Model = r.Model
	if r.Text != "" {
		out.Content = append(out.Content, textBlock(r.Text))
	}
	calls := a.kept(r.ToolCalls)
	for i := range calls {
		out.Content = append(out.Content, callBlock(&calls[i], calls[i].Arguments))
	}
	reason, stop := stopped(r)
	out.Reason, out.Stop, out.Usage = &reason, stop, messageUsed(&r.Usage)
	return x.write(200, out)
}

// countTokens answers POST /v1/messages/count_tokens.
func (x *exchange) countTokens(body []byte) error {
	c, ok := x.g.c.Service.(Counter)
	if !ok {
		return &refusal{status: http.StatusNotFound, code: "not_found", message: "tokens are not counted here", remedy: "read the usage of an answer", final: true}
	}
	a, err := readMessages(body, true)
	if err != nil {
		return err
	}
	n, err := c.Count(x.r.Context(), x.who, &a.Request)
	if err != nil {
		return err
	}
	return x.write(200, struct {
		Tokens int `json:"input_tokens"`
	}{n})
}
