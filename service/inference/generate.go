package inference

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"phios/api/inference"
	"phios/compute"
	"phios/compute/sample"
	"phios/service/inference/residency"
	"phios/service/inference/schedule"
)

// How often a request is begun again: when its unit was lost, and when its
// model was unloaded in favour of another.
const (
	lostMax     = 1
	unloadedMax = 8
)

// Generate runs a model on a prompt.
func (s *Service) Generate(ctx context.Context, who inference.Account, r *inference.Request, emit func(inference.Delta) error) (inference.Result, error) {
	if err := check(r); err != nil {
		return inference.Result{}, err
	}
	came := s.o.Now()
	if !r.Deadline.IsZero() {
		limit, stop := context.WithTimeoutCause(ctx, r.Deadline.Sub(came), errDeadline)
		defer stop()
		ctx = limit
	}
	m, err := s.find(who, r.Model)
	if there, ok := s.beyond(ctx, r.Model, err); ok {
		return s.generateElsewhere(ctx, who, there, r, emit)
	}
	if err != nil {
		return inference.Result{}, err
	}
	w, err := s.want(&m, r)
	if err != nil {
		return inference.Result{}, err
	}
	g := &generation{service: s, who: who, r: r, emit: emit, want: w}
	g.request.Came = came
	err = g.run(ctx)
	return g.result(m.Name(), refusal(ctx, err))
}

var errDeadline = errors.New("the deadline passed")

// refusal makes an answer of an error that is none yet.
func refusal(ctx context.Context, err error) error {
	var e *inference.Error
	switch {
	case err == nil, errors.As(err, &e):
		return err
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errDeadline):
		return &inference.Error{
			Code: inference.CodeDeadline, Message: "the deadline passed before the model was ready",
			Remedy: "allow more time, or keep the model loaded",
		}
	case errors.Is(err, compute.ErrLost), errors.Is(err, schedule.ErrClosed):
		return &inference.Error{Code: inference.CodeUnit, Message: "the unit was lost: " + err.Error(), Remedy: "ask again"}
	}
	return err
}

// generation is one request under way.
type generation struct {
	service *Service
	who     inference.Account
	r       *inference.Request
	emit    func(inference.Delta) error
	want    residency.Want

	request schedule.Request
	task    *schedule.Task
	calls   *calls // nil when there are no tools
	echo    string
	unit    string
}

// run runs the request, again where that may help. What was generated stays.
func (g *generation) run(ctx context.Context) error {
	for lost, unloaded := 0, 0; ; {
		lease, err := g.service.place.Acquire(ctx, g.want)
		if err != nil {
			return err
		}
		g.unit = lease.About.Name
		if err = g.prepare(ctx, lease.Model); err == nil {
			err = lease.Model.run.Run(ctx, g.task, g.deliver())
		}
		switch {
		case errors.Is(err, compute.ErrLost):
			lease.Lost()
			if lost++; lost > lostMax {
				return err
			}
		case errors.Is(err, schedule.ErrClosed):
			lease.Release()
			if unloaded++; unloaded > unloadedMax {
				return err
			}
		default:
			lease.Release()
			return err
		}
	}
}

// prepare makes the task, the first time.
func (g *generation) prepare(ctx context.Context, e *engine) error {
	if g.task != nil {
		return nil
	}
	if e.run == nil {
		return &inference.Error{
			Code: inference.CodeUnsupported, Message: e.name + " does not generate text",
			Remedy: "use it for embeddings, or name another model",
		}
	}
	q, r := &g.request, g.r
	q.Account, q.TokensMax, q.Stop = g.who, r.TokensMax, r.Stop
	q.Priority, q.Deadline = r.Priority, r.Deadline
	q.Sampling = sampling(r, uint64(q.Came.UnixNano()))
	if err := q.Sampling.Check(); err != nil {
		return bad(err.Error(), "")
	}
	if err := g.prompt(e); err != nil {
		return err
	}
	if err := g.constrain(ctx, e); err != nil {
		return err
	}
	g.task = e.run.NewTask(q)
	return nil
}

// prompt makes the tokens.
func (g *generation) prompt(e *engine) error {
	r, text, special := g.r, g.r.Prompt, false
	if len(r.Messages) > 0 {
		var err error
		if text, err = e.style.render(e, r); err != nil {
			return err
		}
		special = true
		if len(r.Tools) > 0 && r.ToolChoice != "none" {
			g.calls = e.style.calls(r)
			text += g.calls.opener
		}
	}
	if r.Echo {
		g.echo = r.Prompt
	}
	if len(r.Tokens) > 0 {
		g.request.Prompt = r.Tokens
		return nil
	}
	var tokens []int32
	bos, ok := e.words.t.BOS()
	if ok && e.words.t.AddBOS() {
		tokens = append(tokens, bos)
	}
	tokens = e.words.t.Encode(tokens, text, special)
	if len(tokens) > 1 && ok && tokens[0] == bos && tokens[1] == bos {
		tokens = tokens[1:] // The template wrote it as well.
	}
	if len(tokens) == 0 && ok {
		tokens = append(tokens, bos)
	}
	g.request.Prompt = tokens
	return nil
}

// constrain compiles what the text must be.
func (g *generation) constrain(ctx context.Context, e *engine) error {
	var kind, text string
	switch c := g.r.Constraint; {
	case g.calls != nil && g.calls.schema != nil:
		kind, text = inference.ConstraintSchema, string(g.calls.schema)
	case c == nil && g.calls != nil:
		s, err := g.calls.strictly(ctx, e, g.r)
		if s != nil && err == nil {
			g.request.Constraint = s
		}
		return err
	case c == nil:
		return nil
	default:
		kind, text = c.Kind, c.Text
	}
	must, err := g.service.grammars.get(ctx, kind, text)
	if err != nil {
		return err
	}
	state, err := must.Start(e.vocabulary())
	if err != nil {
		return &inference.Error{Code: inference.CodeUnsupported, Message: "the constraint cannot be kept by this model: " + err.Error(), Remedy: "use another model"}
	}
	g.request.Constraint = state
	return nil
}

// deliver is what is done with each piece: calls of tools are taken out.
func (g *generation) deliver() func(inference.Delta) error {
	if g.emit == nil {
		return nil
	}
	if g.echo != "" {
		first := inference.Delta{Text: g.echo}
		rest := g.emit
		g.emit = func(d inference.Delta) error {
			if first.Text != "" {
				d.Text, first.Text = first.Text+d.Text, ""
			}
			return rest(d)
		}
	}
	if g.calls == nil {
		return g.emit
	}
	return func(d inference.Delta) error {
		d.Text = g.calls.show(d.Text)
		if d.Text == "" && len(d.Logprobs) == 0 {
			return nil
		}
		return g.emit(d)
	}
}

// result makes the answer, and emits the calls of tools.
func (g *generation) result(model string, err error) (inference.Result, error) {
	if g.task == nil {
		return inference.Result{}, err
	}
	out := g.task.Result()
	out.Model, out.Unit = model, g.unit
	if g.calls != nil {
		text, found := g.calls.parse(out.Text)
		out.ToolCalls = found
		rest := text[min(len(text), g.calls.shown):]
		out.Text = text
		if len(found) > 0 && out.Reason == inference.ReasonStop {
			out.Reason = inference.ReasonTools
		}
		if g.emit != nil && err == nil {
			if rest != "" {
				err = g.emit(inference.Delta{Text: rest})
			}
			for i := range found {
				err = errors.Join(err, g.emit(inference.Delta{ToolCall: &found[i]}))
			}
		}
	}
	out.Text = g.echo + out.Text
	return out, err
}

// sampling translates how tokens are chosen. A request that is to be
// deterministic, or whose choices are greedy, needs no seed.
func sampling(r *inference.Request, seed uint64) sample.Params {
	p := &r.Sampling
	if p.Seeded || r.Deterministic {
		seed = p.Seed
	}
	return sample.Params{
		Temperature: p.Temperature, TopK: p.TopK, TopP: p.TopP, MinP: p.MinP, RepetitionPenalty: p.RepetitionPenalty,
		PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty, Seed: seed, Bias: p.Bias,
		Logprobs: r.Logprobs, TopLogprobs: r.TopLogprobs,
	}
}

func bad(message, remedy string) error {
	return &inference.Error{Code: inference.CodeRequest, Message: message, Remedy: remedy}
}

// size is how many bytes a request has, and whether its texts are texts.
func size(r *inference.Request) (bytes int, text bool) {
	bytes, text = len(r.Prompt)+4*len(r.Tokens), utf8.ValidString(r.Prompt)
	for i := range r.Messages {
		m := &r.Messages[i]
		bytes += len(m.Content) + len(m.Name) + len(m.Role)
		text = text && utf8.ValidString(m.Content)
		for j := range m.ToolCalls {
			bytes += len(m.ToolCalls[j].Arguments) + len(m.ToolCalls[j].Name)
		}
	}
	for i := range r.Tools {
		bytes += len(r.Tools[i].Parameters) + len(r.Tools[i].Description)
	}
	return bytes, text
}

// stopsFit reports whether stop strings are within their limits.
func stopsFit(stops []string) bool {
	return len(stops) <= inference.StopsMax && !slices.ContainsFunc(stops, func(s string) bool {
		return s == "" || len(s) > inference.StopBytesMax
	})
}

// constraintFits reports whether a constraint is within its limit.
func constraintFits(c *inference.Constraint) bool {
	return c == nil || len(c.Text) <= inference.ConstraintBytes
}

// required reports whether a tool must be called.
func required(r *inference.Request) bool {
	return r.ToolChoice != "" && r.ToolChoice != "auto" && r.ToolChoice != "none"
}

// choiceFits reports whether the tool that must be called is offered.
func choiceFits(r *inference.Request) bool {
	return !required(r) || slices.ContainsFunc(r.Tools, func(t inference.Tool) bool {
		return r.ToolChoice == "required" || r.ToolChoice == t.Name
	})
}

// check keeps the limits of a request.
func check(r *inference.Request) error {
	given := 0
	bytes, text := size(r)
	for _, is := range []bool{len(r.Messages) > 0, r.Prompt != "", len(r.Tokens) > 0} {
		if is {
			given++
		}
	}
	for _, c := range []struct {
		ok     bool
		what   string
		remedy string
	}{
		{given == 1, "one of messages, prompt and tokens must be given", "give exactly one"},
		{bytes <= inference.RequestBytesMax, fmt.Sprintf("the request has %d bytes, at most %d are read", bytes, inference.RequestBytesMax), "shorten it"},
		{text, "a text is not valid UTF-8", "encode it as UTF-8"},
		{len(r.Model) <= inference.NameBytesMax, "the model's name is too long", "name a model of the list"},
		{len(r.Messages) <= inference.MessagesMax, fmt.Sprintf("%d messages, at most %d are read", len(r.Messages), inference.MessagesMax), "leave the oldest out"},
		{len(r.Tools) <= inference.ToolsMax, fmt.Sprintf("%d tools, at most %d are read", len(r.Tools), inference.ToolsMax), "offer fewer"},
		{stopsFit(r.Stop), fmt.Sprintf("stop strings are at most %d, of 1 to %d bytes", inference.StopsMax, inference.StopBytesMax), "give fewer or shorter ones"},
		{constraintFits(r.Constraint), fmt.Sprintf("a constraint has at most %d bytes", inference.ConstraintBytes), "give a smaller one"},
		{choiceFits(r), "the tool that must be called is not offered", "name a tool of the request, or leave the choice out"},
		{r.Constraint == nil || !required(r), "a constraint and a required tool exclude each other", "leave one out"},
		{r.TokensMax >= 0 && r.TokensMax <= math.MaxInt32, "the number of tokens is negative or too large", "give a positive number, or zero for as many as fit"},
		{r.TopLogprobs >= 0 && r.TopLogprobs <= inference.TopLogprobsMax, fmt.Sprintf("at most %d log-probabilities are given", inference.TopLogprobsMax), "ask for fewer"},
		{len(r.Sampling.Bias) <= inference.BiasMax, fmt.Sprintf("at most %d biases are taken", inference.BiasMax), "give fewer"},
	} {
		if !c.ok {
			return bad(c.what, c.remedy)
		}
	}
	return nil
}
