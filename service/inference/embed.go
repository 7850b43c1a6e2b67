package inference

import (
	"context"
	"fmt"

	"phios/abi"
	"phios/api/inference"
	"phios/compute"
)

// Embed turns texts into vectors of unit length.
func (s *Service) Embed(ctx context.Context, who inference.Account, r *inference.EmbedRequest) (inference.Embeddings, error) {
	out := inference.Embeddings{}
	bytes := 0
	for _, t := range r.Texts {
		bytes += len(t)
	}
	if len(r.Texts) == 0 || len(r.Texts) > inference.EmbedTextsMax || bytes > inference.RequestBytesMax {
		return out, bad(fmt.Sprintf("%d texts of %d bytes; from 1 to %d texts of at most %d bytes are read",
			len(r.Texts), bytes, inference.EmbedTextsMax, inference.RequestBytesMax), "split the request")
	}
	began := s.o.Now()
	e, err := s.encoder(ctx, who, r.Model)
	if err != nil {
		return out, err
	}
	defer e.release()
	model, unit := e.model, e.unit
	out.Model = e.name
	tokens := uint64(0)
	for _, t := range r.Texts {
		tokens += uint64(count(model, t))
	}
	if !who.Charge(inference.Cost{Tokens: tokens}) {
		return out, &inference.Error{
			Code: inference.CodeBudget, Message: fmt.Sprintf("the budget is not enough for %d tokens", tokens),
			Remedy: "ask whoever gave the capability for a larger budget, or embed less",
		}
	}
	out.Usage.Queue = s.o.Now().Sub(began)
	out.Vectors, out.Cut = make([][]float32, len(r.Texts)), make([]bool, len(r.Texts))
	if !e.far { // Far away the width is known by the answer, and rows are made.
		width := model.Describe().Width
		all := make([]float32, len(r.Texts)*width)
		for i := range out.Vectors {
			out.Vectors[i] = all[i*width:][:width:width]
		}
	}
	started, joules := s.o.Now(), energy(unit)
	if err := model.Embed(ctx, r.Texts, out.Vectors, out.Cut); err != nil {
		if e.far && ctx.Err() == nil {
			return inference.Embeddings{}, remoteError(err)
		}
		return inference.Embeddings{}, fmt.Errorf("embed: %w", err)
	}
	u := &out.Usage
	u.PromptTokens, u.Joules = int(tokens), max(energy(unit)-joules, 0)
	u.Total = s.o.Now().Sub(began)
	// What was computed is paid even when the purse is too small for it, then
	// nothing more is.
	if !who.Charge(inference.Cost{Nanoseconds: uint64(max(s.o.Now().Sub(started), 0)), Microjoules: uint64(u.Joules * 1e6)}) {
		return inference.Embeddings{Model: out.Model, Usage: *u}, &inference.Error{
			Code: inference.CodeBudget, Message: "the budget of time or energy is spent",
			Remedy: "ask whoever gave the capability for a larger budget, or embed less",
		}
	}
	return out, nil
}

// encoder is an encoder in use.
type encoder struct {
	name    string
	model   compute.Embedder
	unit    compute.Unit // nil for a resident one
	release func()
	far     bool // on another machine
}

// encoder finds the encoder that a request means.
func (s *Service) encoder(ctx context.Context, who inference.Account, name string) (encoder, error) {
	for _, e := range s.o.Embedders {
		if name != "" && name != e.Name {
			continue
		}
		if !who.May(e.Name, abi.RightInvoke) {
			return encoder{}, denied()
		}
		return encoder{name: e.Name, model: e.Model, release: func() {}}, nil
	}
	m, err := s.find(who, name)
	if there, ok := s.beyond(ctx, name, err); ok {
		return there.encoder(ctx, who)
	}
	if err != nil {
		return encoder{}, err
	}
	w, err := s.want(&m, &inference.Request{})
	if err != nil {
		return encoder{}, err
	}
	lease, err := s.place.Acquire(ctx, w)
	if err != nil {
		return encoder{}, err
	}
	if lease.Model.embeds == nil {
		lease.Release()
		return encoder{}, &inference.Error{
			Code: inference.CodeUnsupported, Message: m.Name() + " makes no embeddings",
			Remedy: "leave the model out to use the resident encoder, or name one that does",
		}
	}
	return encoder{name: m.Name(), model: lease.Model.embeds, unit: lease.Unit, release: lease.Release}, nil
}

// encoder is a remote model as an encoder.
func (m remoteModel) encoder(ctx context.Context, who inference.Account) (encoder, error) {
	if err := m.permit(who, &inference.Constraints{}, false); err != nil {
		return encoder{}, err
	}
	model, err := m.load(ctx)
	if err != nil {
		return encoder{}, err
	}
	embeds, ok := model.(compute.Embedder)
	if !ok {
		_ = model.Close() // It holds nothing but its place.
		return encoder{}, &inference.Error{
			Code: inference.CodeUnsupported, Message: m.full() + " makes no embeddings",
			Remedy: "leave the model out to use the resident encoder, or name one that does",
		}
	}
	m.on.count(func(c *RemoteMetrics) { c.Requests++ })
	return encoder{name: m.full(), model: embeds, unit: m.on.unit, release: func() { _ = model.Close() }, far: true}, nil
}

func denied() error {
	return &inference.Error{
		Code: inference.CodeDenied, Message: "the capability does not hold for this model",
		Remedy: "ask for a capability with the right INVOKE on it",
	}
}

func energy(u compute.Unit) float64 {
	if u == nil {
		return 0
	}
	return u.Report().Joules
}

// count is how many tokens a text costs: those of the model where it can tell.
func count(model compute.Embedder, text string) int {
	if c, ok := model.(interface{ Count(text string) int }); ok {
		return c.Count(text)
	}
	return len(text)/4 + 1
}
