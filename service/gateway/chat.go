package gateway

import (
	"context"
	"encoding/json"

	"phios/api/inference"
)

// asked is a request that was read, and how it is to be answered.
type asked struct {
	inference.Request
	n        int // answers to each prompt
	streamed bool
	counted  bool // with the usage at the end of the stream
	single   bool // at most one call of a tool
}

// readChat reads the body of chat completions.
func readChat(body []byte) (*asked, error) {
	f, err := open(body)
	if err != nil {
		return nil, err
	}
	a := &asked{}
	a.Model = f.text("model")
	for _, m := range f.forms("messages", inference.MessagesMax) {
		a.Messages = append(a.Messages, m.chatMessage())
	}
	if len(a.Messages) == 0 {
		f.refuse("messages", "there are no messages", "give at least one")
	}
	f.common(a)
	a.TokensMax = int(f.integer("max_tokens", span{1, tokensMax}, 0))
	a.TokensMax = int(f.integer("max_completion_tokens", span{1, tokensMax}, int64(a.TokensMax)))
	a.Logprobs = f.boolean("logprobs", false)
	a.TopLogprobs = int(f.integer("top_logprobs", span{0, inference.TopLogprobsMax}, 0))
	if a.TopLogprobs > 0 && !a.Logprobs {
		f.refuse("top_logprobs", "top_logprobs is given without logprobs", "set logprobs")
	}
	f.format(&a.Request, "response_format", "json_schema")
	for _, t := range f.forms("tools", inference.ToolsMax) {
		t.chatTool(&a.Request)
	}
	f.chatChoice(&a.Request)
	a.single = !f.boolean("parallel_tool_calls", true)
	f.only("modalities", "ask for text", `["text"]`)
	f.only("audio", "ask for text")
	f.only("reasoning_effort", "leave it out", `"none"`)
	f.only("verbosity", "leave it out", `"medium"`)
	f.only("web_search_options", "offer a tool that searches")
	f.only("functions", "use tools", `[]`)
	f.only("function_call", "use tool_choice", `"none"`, `"auto"`)
	f.ignore("store", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "prediction")
	f.end()
	return a, f.result()
}

// common are the fields that chat and completions share.
func (f *form) common(a *asked) {
	f.sampling(&a.Request, 2)
	f.extras(&a.Request)
	a.n = int(f.integer("n", span{1, inference.CompletionsMax}, 1))
	a.streamed = f.boolean("stream", false)
	if o := f.inner("stream_options"); o != nil {
		if !a.streamed {
			f.refuse("stream_options", "stream_options is given without stream", "set stream")
		}
		a.counted = o.boolean("include_usage", false)
		o.ignore("include_obfuscation")
		o.end()
	}
}

func (f *form) chatMessage() inference.Message {
	m := inference.Message{Name: f.text("name"), Role: f.required("role")}
	content := f.take("content")
	if content != nil {
		m.Content = f.parts(f.path("content"), content, "text")
	}
	for _, c := range f.forms("tool_calls", inference.ToolsMax) {
		m.ToolCalls = append(m.ToolCalls, c.chatCall())
	}
	m.ToolCallID = f.text("tool_call_id")
	switch m.Role {
	case "developer":
		m.Role = "system"
	case "system", "user", "assistant":
	case "tool":
		if m.ToolCallID == "" {
			f.refuse(f.path("tool_call_id"), "a tool's answer names no call", "give the tool_call_id of the call that it answers")
		}
	default:
		f.refuse(f.path("role"), f.path("role")+" is not known here", "give system, developer, user, assistant or tool")
	}
	if content == nil && (m.Role != "assistant" || len(m.ToolCalls) == 0) {
		f.refuse(f.path("content"), f.path("content")+" is missing", "give a string or a list of parts of text")
	}
	if m.Role != "assistant" && len(m.ToolCalls) > 0 {
		f.refuse(f.path("tool_calls"), "only an assistant calls tools", "give them in its message")
	}
	f.only("refusal", "leave it out", `""`)
	f.only("audio", "send its text")
	f.only("function_call", "use tool_calls")
	f.ignore("annotations")
	f.end()
	return m
}

func (f *form) chatCall() inference.ToolCall {
	c := inference.ToolCall{ID: f.required("id")}
	f.oneOf("type", "function")
	f.ignore("index")
	if g := f.inner("function"); g != nil {
		c.Name, c.Arguments = g.required("name"), g.text("arguments")
		g.arguments(c.Arguments)
		g.end()
	} else {
		f.refuse(f.path("function"), f.path("function")+" is missing", "give the name and the arguments of the call")
	}
	f.end()
	return c
}

// arguments sees that the arguments of a call are JSON: templates put them into
// the prompt as an object.
func (f *form) arguments(text string) {
	if text != "" && !json.Valid([]byte(text)) {
		f.refuse(f.path("arguments"), f.path("arguments")+" is not JSON", "send the call as it was answered")
	}
}

func (f *form) chatTool(r *inference.Request) {
	f.oneOf("type", "function")
	g := f.inner("function")
	if g == nil {
		f.refuse(f.path("function"), f.path("function")+" is missing", "give the name and the parameters of the function")
		return
	}
	g.function(r, "parameters")
	f.end()
}

// function reads a function that is offered, with its schema under a name.
func (f *form) function(r *inference.Request, schema string) {
	t := inference.Tool{Name: f.required("name"), Description: f.text("description"), Strict: f.boolean("strict", false)}
	t.Parameters = []byte(f.object(schema))
	f.addTool(r, t)
	f.end()
}

func (f *form) chatChoice(r *inference.Request) {
	v := f.fields["tool_choice"]
	if v == nil || v[0] == '"' {
		f.choose(r, f.oneOf("tool_choice", "auto", "none", "required"))
		return
	}
	g := f.inner("tool_choice")
	g.oneOf("type", "function")
	if h := g.inner("function"); h != nil {
		f.choose(r, h.required("name"))
		h.end()
	} else {
		g.refuse(g.path("function"), g.path("function")+" is missing", "name the function")
	}
	g.end()
}

// The answers of chat completions.
type (
	chatAnswer struct {
		ID      string       `json:"id"`
		Object  string       `json:"object"`
		Created int64        `json:"created"`
		Model   string       `json:"model"`
		Choices []chatChoice `json:"choices"`
		Usage   *usage       `json:"usage,omitempty"`
	}
	chatChoice struct {
		Index    int           `json:"index"`
		Message  *chatMessage  `json:"message,omitempty"`
		Delta    *chatMessage  `json:"delta,omitempty"`
		Logprobs *chatLogprobs `json:"logprobs"`
		Finish   *string       `json:"finish_reason"`
		Stop     *string       `json:"stop_reason,omitempty"` // An extension: the stop string, or what ran out.
	}
	chatLogprobs struct {
		Content []logprob `json:"content"`
		Refusal []logprob `json:"refusal"`
	}
	chatMessage struct {
		Role    string          `json:"role,omitempty"`
		Content json.RawMessage `json:"content,omitempty"` // a string, or null
		Refusal json.RawMessage `json:"refusal,omitempty"`
		Calls   []chatCall      `json:"tool_calls,omitempty"`
	}
	chatCall struct {
		Index    *int         `json:"index,omitempty"`
		ID       string       `json:"id"`
		Type     string       `json:"type"`
		Function chatFunction `json:"function"`
	}
	chatFunction struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
)

func null() json.RawMessage { return json.RawMessage("null") }

// quoted is a string of JSON.
func quoted(s string) json.RawMessage {
	b, err := encode(s)
	if err != nil {
		return null() // A string can be encoded.
	}
	return b
}

// chat answers POST /v1/chat/completions.
func (x *exchange) chat(body []byte) error {
	a, err := readChat(body)
	if err != nil {
		return err
	}
	a.Deadline = x.deadline()
	out := chatAnswer{ID: x.g.id("chatcmpl-"), Object: "chat.completion", Created: x.g.now().Unix(), Model: a.Model}
	if a.streamed {
		out.Object = "chat.completion.chunk"
		return x.streaming(func(ctx context.Context, s *stream) error { return (&chatWriter{s: s, a: a, out: out}).run(ctx, x) })
	}
	results, err := x.generate(x.r.Context(), several(&a.Request, a.n), nil)
	if err != nil {
		return err
	}
	out.Model = results[0].Model
	for i := range results {
		out.Choices = append(out.Choices, a.chatChoice(i, &results[i]))
	}
	out.Usage = used(results, a.n)
	return x.write(200, out)
}

// kept are the calls that an answer shows.
func (a *asked) kept(calls []inference.ToolCall) []inference.ToolCall {
	if a.single && len(calls) > 1 {
		return calls[:1]
	}
	return calls
}

func (a *asked) chatChoice(i int, r *inference.Result) chatChoice {
	m := &chatMessage{Role: "assistant", Content: quoted(r.Text), Refusal: null()}
	for _, c := range a.kept(r.ToolCalls) {
		m.Calls = append(m.Calls, chatCall{ID: c.ID, Type: "function", Function: chatFunction{c.Name, c.Arguments}})
	}
	if r.Text == "" && len(m.Calls) > 0 {
		m.Content = null()
	}
	out := chatChoice{Index: i, Message: m}
	if a.Logprobs {
		out.Logprobs = &chatLogprobs{Content: logprobs(r.Logprobs)}
	}
	reason, detail := ended(r)
	out.Finish, out.Stop = &reason, detail
	return out
}

// chatWriter writes chat completions in pieces.
type chatWriter struct {
	s   *stream
	a   *asked
	out chatAnswer
	// choices are what was sent of each, touched by one goroutine at a time.
	choices []struct {
		begun bool
		calls int
	}
}

func (w *chatWriter) send(c chatChoice) error {
	chunk := w.out
	chunk.Choices = []chatChoice{c}
	return w.s.event("", chunk)
}

// begin says who speaks, once for each choice.
func (w *chatWriter) begin(i int) error {
	if w.choices[i].begun {
		return nil
	}
	w.choices[i].begun = true
	return w.send(chatChoice{Index: i, Delta: &chatMessage{Role: "assistant", Content: quoted(""), Refusal: null()}})
}

func (w *chatWriter) delta(i int, d inference.Delta) error {
	if err := w.begin(i); err != nil {
		return err
	}
	c := chatChoice{Index: i, Delta: &chatMessage{}}
	if d.Text != "" || d.ToolCall == nil {
		c.Delta.Content = quoted(d.Text)
	}
	if len(d.Logprobs) > 0 && w.a.Logprobs {
		c.Logprobs = &chatLogprobs{Content: logprobs(d.Logprobs)}
	}
	if d.ToolCall != nil {
		n := w.choices[i].calls
		if w.a.single && n > 0 {
			return nil
		}
		w.choices[i].calls++
		c.Delta.Calls = []chatCall{{Index: &n, ID: d.ToolCall.ID, Type: "function", Function: chatFunction{d.ToolCall.Name, d.ToolCall.Arguments}}}
	}
	return w.send(c)
}

func (w *chatWriter) run(ctx context.Context, x *exchange) error {
	w.choices = make([]struct {
		begun bool
		calls int
	}, w.a.n)
	results, err := x.generate(ctx, several(&w.a.Request, w.a.n), w.delta)
	if err != nil {
		return err
	}
	for i := range results {
		if err := w.begin(i); err != nil {
			return err
		}
		reason, detail := ended(&results[i])
		if err := w.send(chatChoice{Index: i, Delta: &chatMessage{}, Finish: &reason, Stop: detail}); err != nil {
			return err
		}
	}
	if w.a.counted {
		w.out.Choices, w.out.Usage = []chatChoice{}, used(results, w.a.n)
		if err := w.s.event("", w.out); err != nil {
			return err
		}
	}
	return w.s.write("", []byte("[DONE]"))
}
