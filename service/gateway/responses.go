package gateway

import (
	"context"
	"encoding/json"
	"strconv"

	"phios/api/inference"
)

// response is a request for a response, and what of it is repeated in answers.
type response struct {
	asked
	instructions string
	format       value
	tools        []value
	choice       value
	metadata     value
}

// readResponse reads the body of responses. The interface is stateless here:
// whoever asks sends the whole conversation.
func readResponse(body []byte) (*response, error) {
	f, err := open(body)
	if err != nil {
		return nil, err
	}
	a := &response{asked: asked{n: 1}}
	a.Model = f.text("model")
	if a.instructions = f.text("instructions"); a.instructions != "" {
		a.Messages = append(a.Messages, inference.Message{Role: "system", Content: a.instructions})
	}
	f.input(&a.Request)
	f.sampling(&a.Request, 2)
	f.extras(&a.Request)
	a.TokensMax = int(f.integer("max_output_tokens", span{1, tokensMax}, 0))
	a.streamed = f.boolean("stream", false)
	if o := f.inner("stream_options"); o != nil {
		o.ignore("include_obfuscation")
		o.end()
	}
	a.TopLogprobs = int(f.integer("top_logprobs", span{0, inference.TopLogprobsMax}, 0))
	for _, s := range f.texts("include", membersMax) {
		// Others are of tools and reasoning, which answers here do not have.
		a.Logprobs = a.Logprobs || s == "message.output_text.logprobs"
	}
	if t := f.inner("text"); t != nil {
		a.format = t.format(&a.Request, "format", "")
		t.only("verbosity", "leave it out", `"medium"`)
		t.end()
	}
	a.metadata = f.object("metadata")
	f.responseTools(a)
	f.stateless()
	f.ignore("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "max_tool_calls")
	f.end()
	return a, f.result()
}

// stateless refuses what needs a memory that the gateway does not have.
func (f *form) stateless() {
	const whole = "send the whole conversation as input: nothing is kept between requests"
	f.only("store", whole+"; set store to false or leave it out", "false")
	f.only("previous_response_id", whole)
	f.only("conversation", whole)
	f.only("background", "stream the response", "false")
	f.only("prompt", "send instructions and input")
	f.only("truncation", "leave messages out yourself", `"disabled"`)
	f.only("context_management", "leave messages out yourself", "[]")
	if r := f.inner("reasoning"); r != nil {
		r.only("effort", "leave it out", `"none"`)
		r.ignore("summary", "generate_summary")
		r.end()
	}
}

func (f *form) responseTools(a *response) {
	a.tools = f.list("tools", inference.ToolsMax)
	for i, v := range a.tools {
		t := f.form(f.path("tools")+"["+strconv.Itoa(i)+"]", v)
		t.oneOf("type", "function")
		t.function(&a.Request, "parameters")
	}
	a.choice = f.fields["tool_choice"]
	if v := a.choice; v == nil || v[0] == '"' {
		f.choose(&a.Request, f.oneOf("tool_choice", "auto", "none", "required"))
	} else {
		g := f.inner("tool_choice")
		g.oneOf("type", "function")
		f.choose(&a.Request, g.required("name"))
		g.end()
	}
	a.single = !f.boolean("parallel_tool_calls", true)
}

// input reads the conversation: a text, or items.
func (f *form) input(r *inference.Request) {
	v := f.fields["input"]
	if v == nil {
		f.refuse("input", "input is missing", "give a string, or a list of items")
		return
	}
	if v[0] == '"' {
		r.Messages = append(r.Messages, inference.Message{Role: "user", Content: f.text("input")})
		return
	}
	for _, item := range f.forms("input", inference.MessagesMax) {
		item.ignore("id", "status", "phase", "caller")
		switch kind := item.text("type"); kind {
		case "", "message":
			m := inference.Message{Role: item.oneOf("role", "user", "assistant", "system", "developer")}
			if m.Role == "developer" {
				m.Role = "system"
			}
			content := item.take("content")
			if m.Role == "" || content == nil {
				item.refuse(item.at, item.at+" has no role or no content", "give both")
				return
			}
			m.Content = item.parts(item.path("content"), content, "input_text", "output_text", "text")
			r.Messages = append(r.Messages, m)
		case "function_call":
			c := inference.ToolCall{ID: item.required("call_id"), Name: item.required("name"), Arguments: item.text("arguments")}
			item.arguments(c.Arguments)
			// Calls that follow each other, or a text, are of one turn.
			if n := len(r.Messages); n == 0 || r.Messages[n-1].Role != "assistant" {
				r.Messages = append(r.Messages, inference.Message{Role: "assistant"})
			}
			last := &r.Messages[len(r.Messages)-1]
			last.ToolCalls = append(last.ToolCalls, c)
		case "function_call_output":
			m := inference.Message{Role: "tool", ToolCallID: item.required("call_id"), Name: item.text("name")}
			if out := item.take("output"); out != nil {
				m.Content = item.parts(item.path("output"), out, "input_text", "output_text", "text")
			}
			r.Messages = append(r.Messages, m)
		default:
			item.refuse(item.path("type"), "an item of this type is not read here", "give message, function_call or function_call_output")
		}
		item.end()
	}
	if len(r.Messages) == 0 {
		f.refuse("input", "input is empty", "give a string, or a list of items")
	}
}

// The answers of responses.
type (
	responseAnswer struct {
		ID           string          `json:"id"`
		Object       string          `json:"object"`
		Created      int64           `json:"created_at"`
		Status       string          `json:"status"`
		Background   bool            `json:"background"`
		Error        *responseError  `json:"error"`
		Incomplete   *incomplete     `json:"incomplete_details"`
		Instructions *string         `json:"instructions"`
		TokensMax    *int            `json:"max_output_tokens"`
		Model        string          `json:"model"`
		Output       []responseItem  `json:"output"`
		Parallel     bool            `json:"parallel_tool_calls"`
		Previous     *string         `json:"previous_response_id"`
		Store        bool            `json:"store"`
		Temperature  float64         `json:"temperature"`
		Text         responseText    `json:"text"`
		ToolChoice   json.RawMessage `json:"tool_choice"`
		Tools        []value         `json:"tools"`
		TopP         float64         `json:"top_p"`
		Truncation   string          `json:"truncation"`
		Usage        *responseUsage  `json:"usage"`
		Metadata     json.RawMessage `json:"metadata"`
	}
	responseError struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	incomplete struct {
		Reason string `json:"reason"`
	}
	responseText struct {
		Format json.RawMessage `json:"format"`
	}
	responseItem struct {
		Type      string          `json:"type"`
		ID        string          `json:"id"`
		Status    string          `json:"status"`
		Role      string          `json:"role,omitempty"`
		Content   *[]responsePart `json:"content,omitempty"`
		CallID    string          `json:"call_id,omitempty"`
		Name      string          `json:"name,omitempty"`
		Arguments *string         `json:"arguments,omitempty"`
	}
	responsePart struct {
		Type        string     `json:"type"`
		Text        string     `json:"text"`
		Annotations []struct{} `json:"annotations"`
		Logprobs    []logprob  `json:"logprobs"`
	}
	responseUsage struct {
		Input        int `json:"input_tokens"`
		InputDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Output        int `json:"output_tokens"`
		OutputDetails struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
		Total int `json:"total_tokens"`
	}
)

// MarshalJSON writes a value as it came.
func (v value) MarshalJSON() ([]byte, error) { return v, nil }

// orElse is a value as it came, or another where there was none.
func orElse(v value, usual string) json.RawMessage {
	if v == nil {
		return json.RawMessage(usual)
	}
	return json.RawMessage(v)
}

// answer is the response before anything was generated.
func (x *exchange) response(a *response) *responseAnswer {
	out := &responseAnswer{
		ID: x.g.id("resp_"), Object: "response", Created: x.g.now().Unix(), Status: "in_progress", Model: a.Model,
		Output: []responseItem{}, Parallel: !a.single, Temperature: a.Sampling.Temperature, TopP: a.Sampling.TopP,
		Text: responseText{orElse(a.format, `{"type":"text"}`)}, ToolChoice: orElse(a.choice, `"auto"`), Tools: a.tools,
		Truncation: "disabled", Metadata: orElse(a.metadata, "{}"),
	}
	if out.Tools == nil {
		out.Tools = []value{}
	}
	if a.instructions != "" {
		out.Instructions = &a.instructions
	}
	if a.TokensMax > 0 {
		out.TokensMax = &a.TokensMax
	}
	return out
}

// finish fills in what came of it.
func (out *responseAnswer) finish(r *inference.Result) {
	out.Status, out.Model = "completed", r.Model
	reason, detail := ended(r)
	if reason == "length" {
		out.Status, out.Incomplete = "incomplete", &incomplete{"max_output_tokens"}
		if detail != nil {
			out.Incomplete.Reason = *detail
		}
	}
	u := &responseUsage{Input: r.Usage.PromptTokens, Output: r.Usage.CompletionTokens, Total: r.Usage.PromptTokens + r.Usage.CompletionTokens}
	u.InputDetails.Cached = r.Usage.CachedTokens
	out.Usage = u
}

func messageItem(id, status string, content []responsePart) responseItem {
	return responseItem{Type: "message", ID: id, Status: status, Role: "assistant", Content: &content}
}

func callItem(id, status string, c *inference.ToolCall, arguments string) responseItem {
	return responseItem{Type: "function_call", ID: id, Status: status, CallID: c.ID, Name: c.Name, Arguments: &arguments}
}

func textPart(text string, l []logprob) responsePart {
	if l == nil {
		l = []logprob{}
	}
	return responsePart{Type: "output_text", Text: text, Annotations: []struct{}{}, Logprobs: l}
}

// responses answers POST /v1/responses.
func (x *exchange) responses(body []byte) error {
	a, err := readResponse(body)
	if err != nil {
		return err
	}
	a.Deadline = x.deadline()
	out := x.response(a)
	if a.streamed {
		return x.streaming(func(ctx context.Context, s *stream) error {
			w := &responseWriter{x: x, s: s, a: a, out: out}
			return w.run(ctx)
		})
	}
	results, err := x.generate(x.r.Context(), []inference.Request{a.Request}, nil)
	if err != nil {
		return err
	}
	r := &results[0]
	out.finish(r)
	calls := a.kept(r.ToolCalls)
	if r.Text != "" || len(calls) == 0 {
		var l []logprob
		if a.Logprobs {
			l = logprobs(r.Logprobs)
		}
		out.Output = append(out.Output, messageItem(x.g.id("msg_"), out.Status, []responsePart{textPart(r.Text, l)}))
	}
	for i := range calls {
		out.Output = append(out.Output, callItem(x.g.id("fc_"), "completed", &calls[i], calls[i].Arguments))
	}
	return x.write(200, out)
}
