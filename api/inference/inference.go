// Package inference is the contract of the inference service: what is asked of
// it, what it answers, and how a request is laid out in a message when a capsule
// asks. Whoever calls is known by an [Account]: a capability with its label and
// its budget.
package inference

import (
	"context"
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
type Request struct {
	// Model is a name, a digest or a unique beginning of one; empty is the
	// default model.
	Model    string
	Messages []Message
	// Prompt is text as it is: no template is put around it.
	Prompt string
	Tokens []int32

	// TokensMax bounds what is generated; zero is until the context is full.
	TokensMax int
	Sampling  Sampling
	Stop      []string
	// Constraint is what the text must be; nil is anything.
	Constraint *Constraint
	Tools      []Tool
	// ToolChoice is auto, none, required, or the name of a tool; empty is auto.
	ToolChoice string
	// Logprobs asks for log-probabilities, with TopLogprobs others beside.
	Logprobs    bool
	TopLogprobs int
	// Echo puts the prompt before the text.
	Echo bool

	// Priority orders what waits; higher first, zero is usual.
	Priority int
	// Deadline is when the answer is of no use any more; zero is never.
	Deadline time.Time
	// Deterministic asks for the same bytes each time, whatever runs beside.
	Deterministic bool
	// Device constrains where it runs.
	Device Constraints
	// Batch is the batch of the caller that it belongs to; zero is none.
	Batch uint64
}

// Message is a turn of a conversation.
type Message struct {
	Role    string // system, user, assistant, tool
	Content string
	Name    string
	// ToolCalls are what the assistant asked for, and ToolCallID which of them a
	// tool answers.
	ToolCalls  []ToolCall
	ToolCallID string
}

// Tool is a function that the model may ask for.
type Tool struct {
	Name, Description string
	// Parameters is a JSON Schema.
	Parameters []byte
	// Strict makes its arguments valid by that schema always.
	Strict bool
}

// ToolCall is a call that the model asks for. Arguments is JSON.
type ToolCall struct {
	ID, Name, Arguments string
}

// Sampling is how tokens are chosen. The zero value is greedy.
type Sampling struct {
	Temperature       float64
	TopK              int     // zero is all
	TopP              float64 // zero is all
	MinP              float64
	RepetitionPenalty float64 // zero and one are none
	PresencePenalty   float64
	FrequencyPenalty  float64
	// Seed makes choices repeatable; Seeded says that it was set.
	Seed   uint64
	Seeded bool
	// Bias is added to the logits of tokens.
	Bias map[int32]float32
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
	Kind string
	Text string
}

// Constraints say on which unit a model may run.
type Constraints struct {
	// Kind is a kind of unit, empty for any; Unit a unit's name.
	Kind, Unit string
	// Latency is how soon the first token must come; zero does not matter.
	Latency time.Duration
	// Local refuses units that send data away.
	Local bool
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
	Token   int32
	Text    string
	Logprob float64
	Top     []Logprob
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
	Model     string
	Unit      string
	Text      string
	ToolCalls []ToolCall
	Logprobs  []Logprob
	Reason    Reason
	// StopText is the stop string that ended it, when one did.
	StopText string
	Usage    Usage
}

// Usage is what a request used.
type Usage struct {
	// PromptTokens are all of the prompt, CachedTokens those of it that were
	// not computed because their keys and values were there.
	PromptTokens, CachedTokens, CompletionTokens int
	Joules                                       float64
	// Queue is the time until it ran, FirstToken until the first token, Total
	// until the end, all from the moment it came.
	Queue, FirstToken, Total time.Duration
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
