package gateway

import (
	"context"
	"math"
	"time"
	"unicode/utf8"

	"phios/api/inference"
)

// Bounds of completions: how many prompts, and how many texts in all, one
// request may have.
const (
	promptsMax      = inference.BatchRequestsMax
	textsMax        = inference.BatchRequestsMax
	promptTokensMax = 1 << 20
	usualTokens     = 16 // as OpenAI has it
)

// deadline is when the gateway's patience with an answer ends.
func (x *exchange) deadline() time.Time { return x.g.now().Add(x.g.c.AnswerTime) }

// readCompletions reads the body of completions: a request for each text.
func readCompletions(body []byte) (*asked, []inference.Request, error) {
	f, err := open(body)
	if err != nil {
		return nil, nil, err
	}
	a := &asked{}
	a.Model = f.text("model")
	f.common(a)
	f.format(&a.Request, "response_format", "json_schema")
	a.TokensMax = int(f.integer("max_tokens", span{1, tokensMax}, usualTokens))
	a.Echo = f.boolean("echo", false)
	if a.Logprobs = f.has("logprobs"); a.Logprobs {
		a.TopLogprobs = int(f.integer("logprobs", span{0, inference.TopLogprobsMax}, 0))
	}
	if a.Echo && a.Logprobs {
		f.refuse("echo", "the log-probabilities of a prompt are not computed", "leave echo or logprobs out")
	}
	if best := f.integer("best_of", span{1, inference.CompletionsMax}, int64(a.n)); best != int64(a.n) {
		f.refuse("best_of", "best_of is not offered here", "ask for n texts and choose")
	}
	f.only("suffix", "leave it out: models here write on, and do not fill in", `""`)
	f.ignore("user", "metadata")
	var all []inference.Request
	for _, p := range f.prompts() {
		whole := a.Request
		whole.Prompt, whole.Tokens = p.Prompt, p.Tokens
		all = append(all, several(&whole, a.n)...)
		if len(all) > textsMax {
			f.refuse("n", "more texts are asked for than one request may have", "ask for fewer prompts at once, or a smaller n")
			break
		}
		if a.Echo && len(p.Tokens) > 0 {
			f.refuse("echo", "a prompt of tokens cannot be echoed", "give it as text")
		}
	}
	f.end()
	return a, all, f.result()
}

// prompts reads one prompt or several, as text or as tokens.
func (f *form) prompts() []inference.Request {
	v := f.take("prompt")
	if v == nil {
		f.refuse("prompt", "prompt is missing", "give a string, or a list of them")
		return nil
	}
	if v[0] == '"' {
		return []inference.Request{f.prompt(v)}
	}
	if v[0] != '[' {
		f.wrong("prompt", v, "a string, or a list of them")
		return nil
	}
	var all []inference.Request
	for e := range v.elements() {
		if e[0] != '"' && e[0] != '[' {
			return []inference.Request{f.prompt(v)} // one, of tokens
		}
		if len(all) == promptsMax {
			f.refuse("prompt", "there are too many prompts", "split the request")
			return nil
		}
		all = append(all, f.prompt(e))
	}
	if len(all) == 0 {
		f.refuse("prompt", "prompt is empty", "give a string, or a list of them")
	}
	return all
}

func (f *form) prompt(v value) inference.Request {
	if v[0] == '"' {
		if len(v) == len(`""`) {
			f.refuse("prompt", "a prompt is empty", "give at least one character")
		}
		return inference.Request{Prompt: v.text()}
	}
	var tokens []int32
	for e := range v.elements() {
		n, ok := e.integer()
		if !ok || n < 0 || n > math.MaxInt32 || len(tokens) == promptTokensMax {
			f.refuse("prompt", "a prompt is neither text nor a list of tokens", "give a string")
			break
		}
		tokens = append(tokens, int32(n))
	}
	if len(tokens) == 0 {
		f.refuse("prompt", "a prompt is empty", "give at least one token")
	}
	return inference.Request{Tokens: tokens}
}

// The answers of completions.
type (
	textAnswer struct {
		ID      string       `json:"id"`
		Object  string       `json:"object"`
		Created int64        `json:"created"`
		Model   string       `json:"model"`
		Choices []textChoice `json:"choices"`
		Usage   *usage       `json:"usage,omitempty"`
	}
	textChoice struct {
		Index    int           `json:"index"`
		Text     string        `json:"text"`
		Logprobs *textLogprobs `json:"logprobs"`
		Finish   *string       `json:"finish_reason"`
		Stop     *string       `json:"stop_reason,omitempty"` // An extension, as in chat.
	}
	textLogprobs struct {
		Tokens   []string             `json:"tokens"`
		Logprobs []float64            `json:"token_logprobs"`
		Top      []map[string]float64 `json:"top_logprobs"`
		Offsets  []int                `json:"text_offset"`
	}
)

// textLogprobs makes the old form of log-probabilities. Offsets count
// characters of the text.
func (a *asked) textLogprobs(all []inference.Logprob, offset *int) *textLogprobs {
	if !a.Logprobs || len(all) == 0 {
		return nil
	}
	out := &textLogprobs{}
	for _, l := range all {
		top := map[string]float64{}
		for _, t := range l.Top {
			top[readable(t.Text)] = finite(t.Logprob)
		}
		out.Tokens = append(out.Tokens, readable(l.Text))
		out.Logprobs = append(out.Logprobs, finite(l.Logprob))
		out.Top = append(out.Top, top)
		out.Offsets = append(out.Offsets, *offset)
		*offset += utf8.RuneCountInString(l.Text)
	}
	return out
}

// completions answers POST /v1/completions.
func (x *exchange) completions(body []byte) error {
	a, all, err := readCompletions(body)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Deadline = x.deadline()
	}
	out := textAnswer{ID: x.g.id("cmpl-"), Object: "text_completion", Created: x.g.now().Unix(), Model: a.Model}
	if a.streamed {
		return x.streaming(func(ctx context.Context, s *stream) error { return x.textStream(ctx, s, a, all, out) })
	}
	results, err := x.generate(x.r.Context(), all, nil)
	if err != nil {
		return err
	}
	out.Model = results[0].Model
	for i := range results {
		reason, detail := ended(&results[i])
		offset := 0
		out.Choices = append(out.Choices, textChoice{
			Index: i, Text: results[i].Text, Logprobs: a.textLogprobs(results[i].Logprobs, &offset), Finish: &reason, Stop: detail,
		})
	}
	out.Usage = used(results, a.n)
	return x.write(200, out)
}

func (x *exchange) textStream(ctx context.Context, s *stream, a *asked, all []inference.Request, out textAnswer) error {
	offsets := make([]int, len(all)) // each touched by one goroutine at a time
	send := func(c textChoice) error {
		chunk := out
		chunk.Choices = []textChoice{c}
		return s.event("", chunk)
	}
	results, err := x.generate(ctx, all, func(i int, d inference.Delta) error {
		return send(textChoice{Index: i, Text: d.Text, Logprobs: a.textLogprobs(d.Logprobs, &offsets[i])})
	})
	if err != nil {
		return err
	}
	for i := range results {
		reason, detail := ended(&results[i])
		if err := send(textChoice{Index: i, Finish: &reason, Stop: detail}); err != nil {
			return err
		}
	}
	if a.counted {
		out.Choices, out.Usage = []textChoice{}, used(results, a.n)
		if err := s.event("", out); err != nil {
			return err
		}
	}
	return s.write("", []byte("[DONE]"))
}
