// Package inference is the contract of the inference service: what is asked of
// it, what it answers, and how a request is laid out in a message when a capsule
// asks. Whoever calls is known by an [Account]: a capability with its label and
// its budget.
package inference

import (
	"context"
	"encoding/json"
	"time"

	"phios/abi"
)

// Limits of a request. What is larger is refused before anything is computed.
const (
	RequestBytesMax   = 16 << 20
	MessagesMax       = 4096
	ToolsMax          = 128
	StopsMax          = 16
	StopBytesMax      = 256
	ConstraintBytes   = 256 << 10
	EmbedTextsMax     = 2048
	TopLogprobsMax    = 20
	BiasMax           = 1024
	CompletionsMax    = 16
	NameBytesMax      = 256
	BatchRequestsMax  = 256
	OpenBatchesMax    = 16
	ResultTextBytes   = 16 << 20
	TokensPerStepMax  = 2048
	DeadlineMax       = 24 * time.Hour
	RequestsQueuedMax = 4096
)

// Service is what the doors (capsules, HTTP, the command line) call.
type Service interface {
	// Generate runs a model on a prompt. It hands over each piece as it comes;
	// emit may be nil, and an error of it ends the request within a step. The
	// result is also returned with an error when something was generated.
	Generate(ctx context.Context, who Account, r *Request, emit func(Delta) error) (Result, error)
	// Embed turns texts into vectors of unit length.
	Embed(ctx context.Context, who Account, r *EmbedRequest) (Embeddings, error)
	// Models lists the models that who may run.
	Models(ctx context.Context, who Account) ([]Model, error)
}

// Account is who asks: the capability's label, and what may be spent by it.
type Account interface {
	// Name is for logs and fair shares: requests of one name share.
	Name() string
	// Label is the label of what is asked. Only requests of equal label share a
	// prefix.
	Label() abi.Label
	// May reports whether it holds the rights to a model.
	May(model string, rights abi.Rights) bool
	// Charge spends. It takes all of it or nothing, and reports false when there
	// is not so much left.
	Charge(c Cost) bool
}

// Cost is what a step costs.
type Cost struct {
	Tokens      uint64
	Nanoseconds uint64
	Microjoules uint64
}

// Request asks for text. Exactly one of Messages, Prompt and Tokens is set.
//
// Where it crosses a wire it is JSON, by the names in its tags; so are what it
// is made of, and a [Result]. Durations are in nanoseconds, as ..._ns.
type Request struct {
	// Model is a name, a digest or a unique beginning of one; empty is the
	// default model.
	Model    string    `json:"model,omitempty"`
	Messages []Message `json:"messages,omitempty"`
	// Prompt is text as it is: no template is put around it.
	Prompt string  `json:"prompt,omitempty"`
	Tokens []int32 `json:"tokens,omitempty"`

	// TokensMax bounds what is generated; zero is until the context is full.
	TokensMax int      `json:"tokens_max,omitempty"`
	Sampling  Sampling `json:"sampling,omitzero"`
	Stop      []string `json:"stop,omitempty"`
	// Constraint is what the text must be; nil is anything.
	Constraint *Constraint `json:"constraint,omitempty"`
	Tools      []Tool      `json:"tools,omitempty"`
	// ToolChoice is auto, none, required, or the name of a tool; empty is auto.
	ToolChoice string `json:"tool_choice,omitempty"`
	// Logprobs asks for log-probabilities, with TopLogprobs others beside.
	Logprobs    bool `json:"logprobs,omitempty"`
	TopLogprobs int  `json:"top_logprobs,omitempty"`
	// Echo puts the prompt before the text.
	Echo bool `json:"echo,omitempty"`

	// Priority orders what waits; higher first, zero is usual.
	Priority int `json:"priority,omitempty"`
	// Deadline is when the answer is of no use any more; zero is never.
	Deadline time.Time `json:"deadline,omitzero"`
	// Deterministic asks for the same bytes each time, whatever runs beside.
	Deterministic bool `json:"deterministic,omitempty"`
	// Device constrains where it runs.
	Device Constraints `json:"device,omitzero"`
}

// Message is a turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant, tool
	Content string `json:"content"`
	Name    string `json:"name,omitempty"`
	// ToolCalls are what the assistant asked for, and ToolCallID which of them a
	// tool answers.
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

// Tool is a function that the model may ask for.
type Tool struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Parameters is a JSON Schema.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Strict makes its arguments valid by that schema always.
	Strict bool `json:"strict,omitempty"`
}

// ToolCall is a call that the model asks for. Arguments is JSON.
type ToolCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Sampling is how tokens are chosen. The zero value is greedy.
type Sampling struct {
	Temperature       float64 `json:"temperature,omitempty"`
	TopK              int     `json:"top_k,omitempty"` // zero is all
	TopP              float64 `json:"top_p,omitempty"` // zero is all
	MinP              float64 `json:"min_p,omitempty"`
	RepetitionPenalty float64 `json:"repetition_penalty,omitempty"` // zero and one are none
	PresencePenalty   float64 `json:"presence_penalty,omitempty"`
	FrequencyPenalty  float64 `json:"frequency_penalty,omitempty"`
	// Seed makes choices repeatable; Seeded says that it was set.
	Seed   uint64 `json:"seed,omitempty"`
	Seeded bool   `json:"seeded,omitempty"`
	// Bias is added to the logits of tokens.
	Bias map[int32]float32 `json:"bias,omitempty"`
}

// The kinds of constraints.
const (
	ConstraintJSON   = "json"        // any JSON value
	ConstraintSchema = "json_schema" // a JSON Schema
	ConstraintRegex  = "regex"       // a regular expression of RE2 syntax
	ConstraintGBNF   = "gbnf"        // a grammar in llama.cpp's notation
)

// Constraint is what generated text must be. It always is, for any model.
type Constraint struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Constraints say on which unit a model may run.
type Constraints struct {
	// Kind is a kind of unit, empty for any; Unit a unit's name.
	Kind string `json:"kind,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Latency is how soon the first token must come; zero does not matter.
	Latency time.Duration `json:"latency_ns,omitempty"`
	// Local refuses units that send data away.
	Local bool `json:"local,omitempty"`
}

// Delta is a piece of an answer.
type Delta struct {
	Text     string
	Logprobs []Logprob
	// ToolCall is a call that the model asks for, once it is whole.
	ToolCall *ToolCall
}

// Logprob is the log-probability of a token.
type Logprob struct {
	Token   int32     `json:"token"`
	Text    string    `json:"text"`
	Logprob float64   `json:"logprob"`
	Top     []Logprob `json:"top,omitempty"`
}

// Reason is why an answer ended.
type Reason string

// The reasons.
const (
	ReasonStop      Reason = "stop"   // the model's own end, or a stop string
	ReasonLength    Reason = "length" // TokensMax, or the context is full
	ReasonTools     Reason = "tool_calls"
	ReasonBudget    Reason = "budget" // the caller's budget is spent
	ReasonDeadline  Reason = "deadline"
	ReasonCancelled Reason = "cancelled"
)

// Result is a whole answer.
type Result struct {
	Model     string     `json:"model,omitempty"`
	Unit      string     `json:"unit,omitempty"`
	Text      string     `json:"text"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	Logprobs  []Logprob  `json:"logprobs,omitempty"`
	Reason    Reason     `json:"reason"`
	// StopText is the stop string that ended it, when one did.
	StopText string `json:"stop_text,omitempty"`
	Usage    Usage  `json:"usage,omitzero"`
}

// Usage is what a request used.
type Usage struct {
	// PromptTokens are all of the prompt, CachedTokens those of it that were
	// not computed because their keys and values were there.
	PromptTokens     int     `json:"prompt_tokens"`
	CachedTokens     int     `json:"cached_tokens,omitempty"`
	CompletionTokens int     `json:"completion_tokens"`
	Joules           float64 `json:"joules,omitempty"`
	// Queue is the time until it ran, FirstToken until the first token, Total
	// until the end, all from the moment it came.
	Queue      time.Duration `json:"queue_ns,omitempty"`
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	Total      time.Duration `json:"total_ns,omitempty"`
}

// EmbedRequest asks for vectors. An empty Model is the resident encoder.
type EmbedRequest struct {
	Model string
	Texts []string
}

// Embeddings are vectors of unit length, by the index of the text.
type Embeddings struct {
	Model   string
	Vectors [][]float32
	// Cut says which texts were longer than the model reads.
	Cut   []bool
	Usage Usage
}

// Model is what a caller sees of a model.
type Model struct {
	Name         string
	Digest       string
	Architecture string
	Format       string
	Parameters   int64
	Bytes        int64
	Context      int
	Embeds       bool
	Resident     bool
	Loaded       bool
	Unit         string
	Added        time.Time
}

// Codes of errors.
const (
	CodeRequest     = "bad-request"
	CodeNoModel     = "no-model"
	CodeDenied      = "denied"
	CodeBudget      = "budget"
	CodeBusy        = "busy"
	CodeMemory      = "memory"
	CodeContext     = "context-length"
	CodeUnsupported = "unsupported"
	CodeDeadline    = "deadline"
	CodeUnit        = "unit"
	CodeInternal    = "internal"
)

// Error is a refusal, and what to do about it.
type Error struct {
	Code    string
	Message string
	Remedy  string
}

// Error returns the message and the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; " + e.Remedy
}
