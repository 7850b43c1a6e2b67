package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"phios/api/inference"
)

// generate runs the requests of one answer beside each other, a few at a time,
// and returns their results in order. The first that fails ends the others.
// emit is called by several goroutines, for one i by one.
func (x *exchange) generate(ctx context.Context, all []inference.Request, emit func(i int, d inference.Delta) error) ([]inference.Result, error) {
	results := make([]inference.Result, len(all))
	one := func(ctx context.Context, i int) error {
		var each func(inference.Delta) error
		if emit != nil {
			each = func(d inference.Delta) error { return emit(i, d) }
		}
		var err error
		results[i], err = x.g.c.Service.Generate(ctx, x.who, &all[i], each)
		if err == nil && results[i].Reason == inference.ReasonCancelled {
			err = x.cancelled(ctx)
		}
		return err
	}
	if len(all) == 1 {
		return results, one(ctx, 0)
	}
	under, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	var first error
	var once sync.Once
	places := make(chan struct{}, inference.CompletionsMax)
	for i := range all {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if err := guard(func() error { return one(under, i) }); err != nil {
				once.Do(func() { first = err })
				cancel()
			}
		})
	}
	group.Wait()
	return results, first
}

// cancelled says why a request ended before its time.
func (x *exchange) cancelled(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &refusal{status: http.StatusServiceUnavailable, code: "cancelled", message: "the node ended the request", remedy: "ask again", retry: retryBusy}
}

// several makes n requests of one, which differ by their seeds: at the same
// instant two requests without seeds could otherwise choose alike.
func several(r *inference.Request, n int) []inference.Request {
	all := make([]inference.Request, n)
	for i := range all {
		all[i] = *r
	}
	if n == 1 {
		return all
	}
	base := r.Sampling.Seed
	if !r.Sampling.Seeded {
		var b [8]byte
		_, _ = rand.Read(b[:]) // It never fails: the program ends first.
		base = binary.LittleEndian.Uint64(b[:])
	}
	for i := range all {
		all[i].Sampling.Seed, all[i].Sampling.Seeded = base+uint64(i), true
	}
	return all
}

// Ranges of parameters, as OpenAI has them where it has them.
const (
	penaltyMax = 2
	tokensMax  = math.MaxInt32
)

// sampling reads how tokens are chosen, and our extensions to it: top_k, min_p,
// repetition_penalty and deterministic.
func (f *form) sampling(r *inference.Request, heat float64) {
	p := &r.Sampling
	// Both interfaces choose at random when nothing is said.
	p.Temperature = f.number("temperature", span{0, heat}, 1)
	p.TopP = f.number("top_p", span{0, 1}, 1)
	// Some clients write -1 for all.
	p.TopK = int(max(f.integer("top_k", span{-1, math.MaxInt32}, 0), 0))
}

// extras are the parameters that OpenAI's interfaces share, and extensions.
func (f *form) extras(r *inference.Request) {
	p := &r.Sampling
	p.MinP = f.number("min_p", span{0, 1}, 0)
	p.RepetitionPenalty = f.number("repetition_penalty", span{0.01, 10}, 0)
	p.PresencePenalty = f.number("presence_penalty", span{-penaltyMax, penaltyMax}, 0)
	p.FrequencyPenalty = f.number("frequency_penalty", span{-penaltyMax, penaltyMax}, 0)
	if p.Seeded = f.has("seed"); p.Seeded {
		p.Seed = uint64(f.integer("seed", span{math.MinInt64, math.MaxInt64}, 0))
	}
	r.Deterministic = f.boolean("deterministic", false)
	r.Stop = f.stops("stop")
	p.Bias = f.bias()
	f.guided(r)
}

// stops are one string or several.
func (f *form) stops(name string) []string {
	var all []string
	v := f.fields[name]
	if v != nil && v[0] == '"' {
		all = []string{f.text(name)}
	} else {
		all = f.texts(name, inference.StopsMax)
	}
	for _, s := range all {
		if s == "" || len(s) > inference.StopBytesMax {
			f.refuse(f.path(name), "a stop string is empty or too long", "give strings of 1 to "+strconv.Itoa(inference.StopBytesMax)+" bytes")
		}
	}
	return all
}

// texts is a list of strings.
func (f *form) texts(name string, elements int) []string {
	var all []string
	for _, v := range f.list(name, elements) {
		if v[0] != '"' {
			f.wrong(f.path(name), v, "a list of strings")
		}
		all = append(all, v.text())
	}
	return all
}

// bias is logit_bias: numbers of tokens and what is added to them.
func (f *form) bias() map[int32]float32 {
	v := f.object("logit_bias")
	if v == nil {
		return nil
	}
	bias := map[int32]float32{}
	for key, add := range v.members() {
		token, err := strconv.ParseInt(key, 10, 32)
		by, ok := add.number()
		if err != nil || token < 0 || !ok || by < -100 || by > 100 || len(bias) == inference.BiasMax {
			f.refuse(f.path("logit_bias"), "logit_bias does not map tokens to numbers", "give at most "+strconv.Itoa(inference.BiasMax)+" tokens, each with a number from -100 to 100")
			return nil
		}
		bias[int32(token)] = float32(by)
		if by == -100 {
			bias[int32(token)] = float32(math.Inf(-1)) // Documented as a ban.
		}
	}
	return bias
}

// guided reads the constraints that are extensions.
func (f *form) guided(r *inference.Request) {
	for _, c := range []struct{ name, kind string }{
		{"guided_regex", inference.ConstraintRegex}, {"grammar", inference.ConstraintGBNF},
	} {
		if s := f.text(c.name); s != "" {
			f.constrain(r, c.name, c.kind, s)
		}
	}
}

func (f *form) constrain(r *inference.Request, name, kind, text string) {
	switch {
	case r.Constraint != nil:
		f.refuse(f.path(name), "there is more than one constraint", "give one of response_format, guided_regex and grammar")
	case len(text) > inference.ConstraintBytes:
		f.refuse(f.path(name), "the constraint is too large", "give one of at most "+strconv.Itoa(inference.ConstraintBytes)+" bytes")
	default:
		r.Constraint = &inference.Constraint{Kind: kind, Text: text}
	}
}

// anyObject is what OpenAI's mode json_object promises: an object, where plain
// JSON could be a number.
const anyObject = `{"type":"object"}`

// format reads what the text must be: the response_format of chat, or, where
// the schema is not in a form of its own, the text.format of responses.
func (f *form) format(r *inference.Request, name, nested string) value {
	raw := f.fields[name]
	g := f.inner(name)
	if g == nil {
		return nil
	}
	switch g.oneOf("type", "text", "json_object", "json_schema") {
	case "json_object":
		f.constrain(r, name, inference.ConstraintSchema, anyObject)
	case "json_schema":
		h := g
		if nested != "" {
			if h = g.inner(nested); h == nil {
				g.refuse(g.path(nested), g.path(nested)+" is missing", "give the schema there")
				return raw
			}
		}
		h.ignore("name", "description")
		h.boolean("strict", false) // It is kept in any case.
		schema := h.object("schema")
		if schema == nil {
			h.refuse(h.path("schema"), h.path("schema")+" is missing", "give a JSON Schema, an object")
			return raw
		}
		f.constrain(r, h.path("schema"), inference.ConstraintSchema, string(schema))
		h.end()
	case "text":
	default:
		g.refuse(g.path("type"), g.path("type")+" is missing", "give text, json_object or json_schema")
	}
	g.end()
	return raw
}

// addTool checks a tool and adds it.
func (f *form) addTool(r *inference.Request, t inference.Tool) {
	for i := range r.Tools {
		if r.Tools[i].Name == t.Name {
			f.refuse(f.path("name"), "two tools have one name", "name them apart")
		}
	}
	if t.Name == "auto" || t.Name == "none" || t.Name == "required" || len(t.Name) > 128 {
		f.refuse(f.path("name"), "a tool cannot have this name", "choose a name of at most 128 bytes that is not auto, none or required")
	}
	r.Tools = append(r.Tools, t)
}

// choose sets the choice of tools and sees that it can be kept.
func (f *form) choose(r *inference.Request, choice string) {
	r.ToolChoice = choice
	if choice == "" || choice == "auto" || choice == "none" {
		return
	}
	known := choice == "required" && len(r.Tools) > 0
	for i := range r.Tools {
		known = known || r.Tools[i].Name == choice
	}
	if !known {
		f.refuse(f.path("tool_choice"), "tool_choice names no tool of this request", "offer the tool, or choose auto")
	}
	if r.Constraint != nil {
		f.refuse(f.path("tool_choice"), "a required tool and a format of the text exclude each other", "leave one out")
	}
}

// parts is text given as a string or as a list of parts, of which only those of
// the types in kinds are text.
func (d *reading) parts(at string, v value, kinds ...string) string {
	if v[0] == '"' {
		return v.text()
	}
	if v[0] != '[' {
		d.wrong(at, v, "a string or a list of parts")
		return ""
	}
	var all []byte
	i := 0
	for e := range v.elements() {
		p := d.form(at+"["+strconv.Itoa(i)+"]", e)
		kind := p.required("type")
		known := false
		for _, k := range kinds {
			known = known || k == kind
		}
		if !known && d.err == nil {
			d.refuse(p.path("type"), "a part of the type "+strconv.Quote(kind)+" is not read: models here read text", "send text, or leave the part out")
		}
		all = append(all, p.text("text")...)
		p.ignore("cache_control", "annotations", "logprobs", "citations")
		p.end()
		if i++; d.err != nil {
			return ""
		}
	}
	return string(all)
}

// logprob is a log-probability as chat and responses show it.
type logprob struct {
	Token   string     `json:"token"`
	Logprob float64    `json:"logprob"`
	Bytes   []int      `json:"bytes"`
	Top     *[]logprob `json:"top_logprobs,omitempty"`
}

func logprobs(all []inference.Logprob) []logprob {
	out := make([]logprob, 0, len(all))
	for i := range all {
		one := shown(&all[i])
		top := make([]logprob, 0, len(all[i].Top))
		for j := range all[i].Top {
			top = append(top, shown(&all[i].Top[j]))
		}
		one.Top = &top
		out = append(out, one)
	}
	return out
}

func shown(l *inference.Logprob) logprob {
	bytes := make([]int, len(l.Text))
	for i := range bytes {
		bytes[i] = int(l.Text[i])
	}
	return logprob{Token: readable(l.Text), Logprob: finite(l.Logprob), Bytes: bytes}
}

// readable is a token as a string of JSON can hold it; its bytes stand beside.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// finite is a number that JSON has; -9999 is OpenAI's for what cannot be.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return -9999
	}
	return f
}

// ended is why a text ended, as OpenAI's interfaces say it, and beside it what
// they have no word for: the stop string, or what ran out.
func ended(r *inference.Result) (reason string, detail *string) {
	switch r.Reason {
	case inference.ReasonTools:
		return "tool_calls", nil
	case inference.ReasonStop:
		if r.StopText != "" {
			detail = &r.StopText
		}
		return "stop", detail
	case inference.ReasonBudget, inference.ReasonDeadline:
		s := string(r.Reason)
		return "length", &s
	case inference.ReasonLength, inference.ReasonCancelled:
	}
	return "length", nil
}

// usage is what an answer used, as chat and completions show it.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// used sums up the results of prompts, each of which was answered n times: a
// prompt counts once, as at OpenAI.
func used(all []inference.Result, n int) *usage {
	u := &usage{}
	for i := range all {
		if i%n == 0 {
			u.Prompt += all[i].Usage.PromptTokens
			u.Details.Cached += all[i].Usage.CachedTokens
		}
		u.Completion += all[i].Usage.CompletionTokens
	}
	u.Total = u.Prompt + u.Completion
	return u
}
