package inference

import (
	"context"
	"errors"
	"slices"

	"phios/api/control"
	api "phios/api/inference"
	"phios/system/capsules"
)

// errStopped means that the asker has had enough.
var errStopped = errors.New("the asker has had enough")

// generate answers with pieces of text, and then with what it was. An asker that
// sends a second line has had enough, and still hears what was used.
func (n *Inference) generate(x capsules.Exchange) (any, error) {
	x.Both()
	var q control.GenerateRequest
	if err := x.Read(&q); err != nil {
		return nil, err
	}
	who, err := n.owner(x.Context())
	if err != nil {
		return nil, refuse(err)
	}
	ctx, cancel := context.WithCancelCause(x.Context())
	defer cancel(nil)
	go func() {
		// It ends with the request at the latest.
		if _, err := x.Ask(); err == nil {
			cancel(errStopped)
		}
	}()
	r := n.request(&q)
	out, err := n.Generate(ctx, who, r, func(d api.Delta) error {
		if d.Text != "" {
			x.Show(control.GeneratePiece{Text: d.Text})
		}
		return nil
	})
	answer := &control.Generate{Model: out.Model, Unit: out.Unit, Text: out.Text, Reason: string(out.Reason), Spent: spentOf(out.Usage)}
	switch {
	case err == nil, out.Reason != "" && errors.Is(context.Cause(ctx), errStopped):
		return control.GeneratePiece{Answer: answer}, nil
	case errors.Is(context.Cause(ctx), errStopped):
		answer.Reason = string(api.ReasonCancelled)
		return control.GeneratePiece{Answer: answer}, nil
	case out.Text != "":
		refusal, _ := errors.AsType[*control.Error](refuse(err))
		return control.GeneratePiece{Answer: answer, Error: refusal}, nil
	}
	return nil, refuse(err)
}

// request translates what was asked.
func (n *Inference) request(q *control.GenerateRequest) *api.Request {
	r := &api.Request{
		Model: q.Model, Prompt: q.Prompt, TokensMax: q.TokensMax, Stop: q.Stop, Priority: q.Priority,
		Deterministic: q.Deterministic, Device: constraints(q.Device),
		Sampling: api.Sampling{
			Temperature: q.Temperature, TopK: q.TopK, TopP: q.TopP, MinP: q.MinP, RepetitionPenalty: q.Repetition,
		},
	}
	for _, m := range q.Messages {
		r.Messages = append(r.Messages, api.Message{Role: m.Role, Content: m.Content})
	}
	if q.Constraint != "" {
		r.Constraint = &api.Constraint{Kind: q.Constraint, Text: q.ConstraintText}
	}
	if q.Seed != nil {
		r.Sampling.Seed, r.Sampling.Seeded = *q.Seed, true
	}
	if q.Within > 0 {
		r.Deadline = n.c.Now().Add(min(q.Within, api.DeadlineMax))
	}
	return r
}

func constraints(d control.Device) api.Constraints {
	return api.Constraints{Kind: d.Kind, Unit: d.Unit, Local: d.Local, Latency: d.Latency}
}

func spentOf(u api.Usage) control.Spent {
	return control.Spent{
		PromptTokens: u.PromptTokens, CachedTokens: u.CachedTokens, CompletionTokens: u.CompletionTokens, Joules: u.Joules,
		Queue: u.Queue, First: u.FirstToken, Total: u.Total,
	}
}

func (n *Inference) embed(ctx context.Context, q control.EmbedRequest) (control.Embedded, error) {
	who, err := n.owner(ctx)
	if err != nil {
		return control.Embedded{}, err
	}
	out, err := n.Embed(ctx, who, &api.EmbedRequest{Model: q.Model, Texts: q.Texts})
	return control.Embedded{Model: out.Model, Vectors: out.Vectors, Cut: out.Cut, Spent: spentOf(out.Usage)}, err
}

func (n *Inference) modelSelect(_ context.Context, q control.ModelSelectRequest) (control.ModelChoice, error) {
	e, done, err := n.use()
	if err != nil {
		return control.ModelChoice{}, err
	}
	defer done()
	c, err := e.service.Select(&operator{}, q.Model, constraints(q.Device))
	return control.ModelChoice{Unit: c.Unit.Name, Kind: string(c.Unit.Kind), Device: c.Unit.Device, Loaded: c.Loaded, First: c.First}, err
}

// health looks at all that is loaded; a node that runs nothing is well.
func (n *Inference) health(ctx context.Context, _ control.Empty) (control.Health, error) {
	n.mu.Lock()
	running := n.engine != nil
	n.mu.Unlock()
	if !running {
		return control.Health{}, nil
	}
	e, done, err := n.use()
	if err != nil {
		return control.Health{}, err
	}
	defer done()
	h := control.Health{Models: e.service.Metrics().Residency.Loaded}
	if err := e.service.Health(ctx); err != nil {
		h.Problem = err.Error()
	}
	return h, ctx.Err()
}

// keyNew makes a key for models that there are.
func (n *Inference) keyNew(_ context.Context, q control.KeyNewRequest) (control.KeyMade, error) {
	if q.Name != "" && !nameTable.MatchString(q.Name) {
		return control.KeyMade{}, bad(q.Name+" is no name for a key", "use lower-case letters, digits and . _ -")
	}
	if q.Seconds < 0 || q.Joules < 0 || q.Expires < 0 || len(q.Models) > control.KeyModelsMax {
		return control.KeyMade{}, bad("a limit is below zero, or the models are too many", "give limits above zero, and at most 64 models")
	}
	for _, right := range q.Rights {
		if right != runs.String() {
			return control.KeyMade{}, bad("a key cannot have the right "+right, "keys have RUN")
		}
	}
	var models []opens
	for _, name := range q.Models {
		if name == resident().Names[0] {
			models = append(models, opens{Name: name})
			continue
		}
		_, m, err := n.find(name)
		if err != nil {
			return control.KeyMade{}, err
		}
		if one := (opens{Name: m.Name(), Digest: m.Digest}); !slices.Contains(models, one) {
			models = append(models, one)
		}
	}
	return n.keys.make(q, models, []string{runs.String()})
}
