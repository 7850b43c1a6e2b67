package inference

import (
	"encoding/json"
	"strconv"

	"phios/api/inference"
)

// What is sent to a server: OpenAI's chat completions, in the fields that such
// servers share, and some that only local ones know where the request sets them.
type chatBody struct {
	Messages         []chatMessage      `json:"messages"`
	Stream           bool               `json:"stream"`
	StreamOptions    map[string]bool    `json:"stream_options"`
	TokensMax        int                `json:"max_tokens,omitempty"`
	Temperature      float64            `json:"temperature"`
	TopP             float64            `json:"top_p,omitempty"`
	TopK             int                `json:"top_k,omitempty"`
	MinP             float64            `json:"min_p,omitempty"`
	PresencePenalty  float64            `json:"presence_penalty,omitempty"`
	FrequencyPenalty float64            `json:"frequency_penalty,omitempty"`
	Seed             *uint64            `json:"seed,omitempty"`
	Bias             map[string]float32 `json:"logit_bias,omitempty"`
	Stop             []string           `json:"stop,omitempty"`
	Logprobs         bool               `json:"logprobs,omitempty"`
	TopLogprobs      int                `json:"top_logprobs,omitempty"`
	Format           any                `json:"response_format,omitempty"`
	Tools            []chatTool         `json:"tools,omitempty"`
	ToolChoice       any                `json:"tool_choice,omitempty"`
}

type chatMessage struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Name       string     `json:"name,omitempty"`
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type chatCall struct {
	Index    int      `json:"index,omitempty"`
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function chatName `json:"function"`
}

type chatName struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      bool            `json:"strict,omitempty"`
}

// remoteBody translates a request. What a server cannot keep is refused rather
// than left out.
func remoteBody(r *inference.Request) ([]byte, error) {
	if err := remoteFits(r); err != nil {
		return nil, err
	}
	p := &r.Sampling
	b := chatBody{
		Stream: true, StreamOptions: map[string]bool{"include_usage": true}, TokensMax: r.TokensMax,
		Temperature: p.Temperature, TopP: p.TopP, TopK: p.TopK, MinP: p.MinP, PresencePenalty: p.PresencePenalty,
		FrequencyPenalty: p.FrequencyPenalty, Stop: r.Stop, Logprobs: r.Logprobs, TopLogprobs: r.TopLogprobs,
	}
	if p.Seeded {
		b.Seed = &p.Seed
	}
	for id, bias := range p.Bias {
		if b.Bias == nil {
			b.Bias = make(map[string]float32)
		}
		b.Bias[strconv.Itoa(int(id))] = bias
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		out := chatMessage{Role: m.Role, Content: m.Content, Name: m.Name, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, chatCall{ID: c.ID, Type: "function", Function: chatName{c.Name, c.Arguments}})
		}
		b.Messages = append(b.Messages, out)
	}
	b.tools(r)
	switch c := r.Constraint; {
	case c == nil:
	case c.Kind == inference.ConstraintJSON:
		b.Format = map[string]string{"type": "json_object"}
	default:
		b.Format = map[string]any{
			"type":        "json_schema",
			"json_schema": map[string]any{"name": "answer", "strict": true, "schema": json.RawMessage(c.Text)},
		}
	}
	out, err := json.Marshal(&b)
	if err != nil {
		return nil, bad("the request cannot be written as JSON: "+err.Error(), "correct its schemas and numbers")
	}
	return out, nil
}

func (b *chatBody) tools(r *inference.Request) {
	for i := range r.Tools {
		t := &r.Tools[i]
		b.Tools = append(b.Tools, chatTool{Type: "function", Function: chatFunction{t.Name, t.Description, parameters(t), t.Strict}})
	}
	switch {
	case len(r.Tools) == 0 || r.ToolChoice == "":
	case r.ToolChoice == "auto" || r.ToolChoice == "none" || r.ToolChoice == "required":
		b.ToolChoice = r.ToolChoice
	default:
		b.ToolChoice = map[string]any{"type": "function", "function": map[string]string{"name": r.ToolChoice}}
	}
}

// remoteFits refuses what servers have no way to do.
func remoteFits(r *inference.Request) error {
	unsupported := func(message, remedy string) error {
		return &inference.Error{Code: inference.CodeUnsupported, Message: message, Remedy: remedy}
	}
	const here = "name a model of this node"
	switch c := r.Constraint; {
	case len(r.Messages) == 0:
		return unsupported("a remote model answers messages only", "send messages, or "+here)
	case c != nil && c.Kind != inference.ConstraintJSON && c.Kind != inference.ConstraintSchema:
		return unsupported("a remote model cannot be held to a constraint of the kind "+strconv.Quote(c.Kind), "use json or json_schema, or "+here)
	case r.Sampling.RepetitionPenalty != 0 && r.Sampling.RepetitionPenalty != 1:
		return unsupported("servers have no repetition penalty in common", "use a presence or frequency penalty, or "+here)
	}
	return nil
}
