package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"phios/api/inference"
	"phios/compute"
	"phios/compute/remote"
)

// chatChunk is a piece of a server's answer.
type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content   string     `json:"content"`
			ToolCalls []chatCall `json:"tool_calls"`
		} `json:"delta"`
		Logprobs struct {
			Content []chatLogprob `json:"content"`
		} `json:"logprobs"`
		Reason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type chatLogprob struct {
	Token   string        `json:"token"`
	Logprob float64       `json:"logprob"`
	Top     []chatLogprob `json:"top_logprobs"`
}

const (
	remoteTokensMax = 1 << 24 // that a server may say it used
	// A token has about four bytes. What is charged on the way must not be more
	// than what is true in the end, for nothing is paid back; what is charged
	// instead of the truth must not be less.
	bytesPerTokenLow  = 3
	bytesPerTokenHigh = 8
)

// Ways in which an answer ends early.
var (
	errSpent  = errors.New("the budget is spent")
	errAnswer = errors.New("the server's answer is not one of OpenAI's interface")
)

// remoteAnswer collects an answer and charges for it.
type remoteAnswer struct {
	r    *inference.Request
	who  inference.Account
	emit func(inference.Delta) error
	now  func() time.Time
	held bool // nothing is shown before all of it was checked

	began, first time.Time
	text         strings.Builder
	calls        []inference.ToolCall
	callBytes    int
	logprobs     []inference.Logprob
	reason       string
	told         bool // the server said what was used
	usage        inference.Usage
	asked        int // bytes of the request
	charged      uint64
	refused      error // of emit
}

// chunk takes a piece.
func (a *remoteAnswer) chunk(b []byte) error {
	var c chatChunk
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("%w: a chunk is not one", errAnswer)
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return fmt.Errorf("the server gave up: %s", harmless(string(c.Error)))
	}
	if u := c.Usage; u != nil && u.Prompt > 0 {
		a.told = true
		bound := func(n int64) int { return int(min(max(n, 0), remoteTokensMax)) }
		a.usage.PromptTokens, a.usage.CompletionTokens = bound(u.Prompt), bound(u.Completion)
		a.usage.CachedTokens = min(bound(u.Details.Cached), a.usage.PromptTokens)
	}
	if len(c.Choices) == 0 {
		return nil
	}
	choice := &c.Choices[0]
	if choice.Reason != "" {
		a.reason = choice.Reason
	}
	if err := a.addCalls(choice.Delta.ToolCalls); err != nil {
		return err
	}
	d := inference.Delta{Text: choice.Delta.Content}
	if a.r.Logprobs {
		d.Logprobs = logprobs(choice.Logprobs.Content)
	}
	if a.text.Len()+len(d.Text)+a.callBytes > inference.ResultTextBytes {
		return fmt.Errorf("%w: it is longer than %d bytes", errAnswer, inference.ResultTextBytes)
	}
	a.text.WriteString(d.Text)
	a.logprobs = append(a.logprobs, d.Logprobs...)
	if a.first.IsZero() && (d.Text != "" || len(choice.Delta.ToolCalls) > 0) {
		a.first = a.now()
	}
	if !a.chargeTo(uint64((a.asked + a.text.Len() + a.callBytes) / bytesPerTokenHigh)) {
		return errSpent
	}
	return a.show(d)
}

func (a *remoteAnswer) show(d inference.Delta) error {
	if a.held || a.emit == nil || d.Text == "" && len(d.Logprobs) == 0 && d.ToolCall == nil {
		return nil
	}
	a.refused = a.emit(d)
	return a.refused
}

// addCalls puts pieces of calls together.
func (a *remoteAnswer) addCalls(pieces []chatCall) error {
	for i := range pieces {
		p := &pieces[i]
		if p.Index < 0 || p.Index > len(a.calls) || p.Index >= callsMax {
			return fmt.Errorf("%w: calls of tools are not in order", errAnswer)
		}
		if p.Index == len(a.calls) {
			a.calls = append(a.calls, inference.ToolCall{})
		}
		c := &a.calls[p.Index]
		c.Name += p.Function.Name
		c.Arguments += p.Function.Arguments
		if p.ID != "" {
			c.ID = p.ID
		}
		a.callBytes += len(p.Function.Name) + len(p.Function.Arguments) + len(p.ID)
		if len(c.ID) > inference.NameBytesMax || a.callBytes > inference.ResultTextBytes {
			return fmt.Errorf("%w: calls of tools are too long", errAnswer)
		}
	}
	return nil
}

func logprobs(list []chatLogprob) (out []inference.Logprob) {
	for i := range list {
		l := inference.Logprob{Token: -1, Text: list[i].Token, Logprob: list[i].Logprob}
		l.Top = logprobs(list[i].Top[:min(len(list[i].Top), inference.TopLogprobsMax)])
		out = append(out, l)
	}
	return out
}

// chargeTo charges what is missing to so many tokens.
func (a *remoteAnswer) chargeTo(tokens uint64) bool {
	if tokens <= a.charged {
		return true
	}
	if !a.who.Charge(inference.Cost{Tokens: tokens - a.charged}) {
		return false
	}
	a.charged = tokens
	return true
}

// settle charges what the answer cost in the end, with the time that it took,
// and takes what there is when that is less. It reports whether there was
// enough. Where the server does not say what it used, bytes are counted: an
// answer is never free.
func (a *remoteAnswer) settle() bool {
	took := max(a.now().Sub(a.began), 0)
	u := &a.usage
	u.Total = took
	if !a.first.IsZero() {
		u.FirstToken = a.first.Sub(a.began)
	}
	if bytes := a.text.Len() + a.callBytes; !a.told || bytes > 0 && u.CompletionTokens == 0 {
		u.PromptTokens = max(u.PromptTokens, a.asked/bytesPerTokenLow+1)
		u.CompletionTokens = (bytes + bytesPerTokenLow - 1) / bytesPerTokenLow
	}
	enough := a.chargeTo(uint64(u.PromptTokens + u.CompletionTokens))
	if !enough {
		for rest := uint64(u.PromptTokens+u.CompletionTokens) - a.charged; rest > 0; rest /= 2 {
			_ = a.who.Charge(inference.Cost{Tokens: rest})
		}
	}
	return a.who.Charge(inference.Cost{Nanoseconds: uint64(took)}) && enough
}

// remoteError makes an answer of what a remote unit says.
func remoteError(err error) error {
	var status *remote.StatusError
	if e, ok := errors.AsType[*inference.Error](err); ok {
		return e
	}
	out := &inference.Error{Code: inference.CodeUnit, Message: err.Error(), Remedy: "ask again, or name another model"}
	switch {
	case errors.Is(err, compute.ErrMemory):
		out.Code, out.Remedy = inference.CodeBusy, "ask again later"
	case errors.Is(err, compute.ErrUnsupported):
		out.Code = inference.CodeUnsupported
	case errors.As(err, &status):
		out.Message = fmt.Sprintf("the server answered %d: %s", status.Status, status.Text)
		switch status.Status {
		case http.StatusNotFound:
			out.Code, out.Remedy = inference.CodeNoModel, "name another model, or check the address of the unit"
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
			out.Code, out.Remedy = inference.CodeRequest, "change the request as the server wants it"
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			out.Code, out.Remedy = inference.CodeBusy, "ask again later"
		}
	}
	return out
}

// harmless makes a stranger's text fit for an error: short, and of characters
// that do nothing.
func harmless(s string) string {
	s = s[:min(len(s), 512)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
