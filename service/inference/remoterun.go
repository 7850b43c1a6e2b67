package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"phios/api/inference"
	"phios/compute"
	"phios/compute/grammar"
)

// generateElsewhere runs a request on another machine. It is not begun again
// when the connection is lost: what the server did until then costs as well.
func (s *Service) generateElsewhere(ctx context.Context, who inference.Account, m remoteModel, r *inference.Request, emit func(inference.Delta) error) (inference.Result, error) {
	err := m.permit(who, &r.Device, r.Deterministic)
	var body []byte
	if err == nil {
		body, err = remoteBody(r)
	}
	var keep *keeper
	if err == nil {
		keep, err = s.keeper(ctx, r.Constraint)
	}
	a := &remoteAnswer{r: r, who: who, emit: emit, now: s.o.Now, held: keep != nil, began: s.o.Now(), asked: len(body)}
	if err == nil && !a.chargeTo(uint64(len(body)/bytesPerTokenHigh+1)) {
		err = &inference.Error{
			Code: inference.CodeBudget, Message: "the budget is spent",
			Remedy: "ask whoever gave the capability for a larger budget, or shorten the prompt",
		}
	}
	if err != nil {
		m.on.count(func(c *RemoteMetrics) { c.Refused++ })
		return inference.Result{}, err
	}
	err = m.complete(ctx, body, a.chunk)
	out, err := s.finishElsewhere(ctx, m, a, keep, err)
	out.Model, out.Unit = m.full(), m.on.about.Name
	m.on.count(func(c *RemoteMetrics) {
		c.Requests++
		c.PromptTokens += uint64(out.Usage.PromptTokens)
		c.CompletionTokens += uint64(out.Usage.CompletionTokens)
		if !a.told {
			c.Estimated++
		}
		if err != nil {
			c.Failed++
		}
	})
	return out, err
}

// complete asks the server.
func (m remoteModel) complete(ctx context.Context, body []byte, chunk func([]byte) error) error {
	model, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = model.Close() }() // It holds nothing but its place.
	c, ok := model.(compute.Completer)
	if !ok {
		return &inference.Error{
			Code: inference.CodeUnsupported, Message: m.full() + " does not generate text",
			Remedy: "use it for embeddings, or name another model",
		}
	}
	return c.Complete(ctx, body, chunk)
}

// reasonsTable translates why a server ended a text.
var reasonsTable = map[string]inference.Reason{
	"": inference.ReasonStop, "stop": inference.ReasonStop, "length": inference.ReasonLength,
	"tool_calls": inference.ReasonTools, "function_call": inference.ReasonTools,
}

// ended says why an answer ended, and with which error.
func (a *remoteAnswer) ended(ctx context.Context, err error) (inference.Reason, error) {
	reason, known := reasonsTable[a.reason]
	switch {
	case errors.Is(err, errSpent):
		return inference.ReasonBudget, nil
	case a.refused != nil:
		return inference.ReasonCancelled, a.refused
	case err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errDeadline):
		return inference.ReasonCancelled, nil
	case err != nil && ctx.Err() != nil && a.text.Len()+a.callBytes > 0:
		return inference.ReasonDeadline, nil
	case err != nil && ctx.Err() != nil:
		return inference.ReasonDeadline, &inference.Error{
			Code: inference.CodeDeadline, Message: "the deadline passed before anything was generated", Remedy: "allow more time",
		}
	case err != nil:
		return reason, remoteError(err)
	case !known:
		return reason, &inference.Error{
			Code: inference.CodeUnit, Message: "the server ended the text as " + harmless(a.reason),
			Remedy: "change the request, or name another model",
		}
	}
	return reason, nil
}

// finishElsewhere makes a result of what came, and of how it ended.
func (s *Service) finishElsewhere(ctx context.Context, m remoteModel, a *remoteAnswer, keep *keeper, err error) (inference.Result, error) {
	out := inference.Result{Logprobs: a.logprobs}
	reason, err := a.ended(ctx, err)
	if !a.settle() && err == nil && reason != inference.ReasonCancelled {
		reason = inference.ReasonBudget
	}
	out.Usage, out.Reason = a.usage, reason
	if reason == inference.ReasonCancelled || err != nil {
		if keep == nil {
			out.Text = a.text.String()
		}
		return out, err
	}
	if err := s.kept(ctx, a, keep, &out); err != nil {
		m.on.count(func(c *RemoteMetrics) { c.Unkept++ })
		return inference.Result{Reason: reason, Usage: a.usage}, err
	}
	return out, a.refused
}

// kept checks what must be checked of an answer, and shows what was held.
func (s *Service) kept(ctx context.Context, a *remoteAnswer, keep *keeper, out *inference.Result) error {
	out.Text = a.text.String()
	cut := out.Reason == inference.ReasonLength || out.Reason == inference.ReasonBudget || out.Reason == inference.ReasonDeadline
	if !cut {
		if err := s.checkCalls(ctx, a); err != nil {
			return err
		}
		if out.ToolCalls = a.calls; len(a.calls) > 0 {
			out.Reason = inference.ReasonTools
		}
	}
	if keep != nil && len(out.ToolCalls) == 0 {
		text, ok := keep.keep(out.Text, cut)
		if !ok {
			return unkept("the text is not what the constraint says")
		}
		out.Text, a.held = text, false
		_ = a.show(inference.Delta{Text: text, Logprobs: a.logprobs}) // kept in a.refused
	}
	for i := range out.ToolCalls {
		if a.refused == nil {
			a.held = false
			_ = a.show(inference.Delta{ToolCall: &out.ToolCalls[i]})
		}
	}
	return nil
}

func unkept(what string) error {
	return &inference.Error{
		Code: inference.CodeUnit, Message: "the server's answer was not kept: " + what,
		Remedy: "ask again, or name a model of this node, which always keeps it",
	}
}

// checkCalls holds calls of tools to what was offered. The names by which
// answers refer to them are made where the server gave none.
func (s *Service) checkCalls(ctx context.Context, a *remoteAnswer) error {
	chosen := a.r.ToolChoice
	if required(a.r) && len(a.calls) == 0 {
		return unkept("it calls no tool, and it must")
	}
	if chosen == "none" && len(a.calls) > 0 {
		return unkept("it calls a tool, and it must not")
	}
	for i := range a.calls {
		c := &a.calls[i]
		if c.ID == "" {
			c.ID = fmt.Sprintf("call_%d", i+1)
		}
		if c.Arguments == "" {
			c.Arguments = "{}"
		}
		tool := offered(a.r, c.Name)
		if tool == nil {
			return unkept("it calls a tool that was not offered")
		}
		if !json.Valid([]byte(c.Arguments)) {
			return unkept("it calls " + c.Name + " with what is no JSON")
		}
		if !tool.Strict {
			continue
		}
		k, err := s.keeper(ctx, &inference.Constraint{Kind: inference.ConstraintSchema, Text: string(parameters(tool))})
		if err != nil {
			return err
		}
		text, ok := k.keep(c.Arguments, false)
		if !ok {
			return unkept("it calls " + c.Name + " with arguments that are not of its schema")
		}
		c.Arguments = text
	}
	return nil
}

// offered finds a tool of a request that may be called.
func offered(r *inference.Request, name string) *inference.Tool {
	if required(r) && r.ToolChoice != "required" && r.ToolChoice != name {
		return nil
	}
	for i := range r.Tools {
		if r.Tools[i].Name == name {
			return &r.Tools[i]
		}
	}
	return nil
}

// keeper makes what holds a stranger's text to a constraint; nil for none.
func (s *Service) keeper(ctx context.Context, c *inference.Constraint) (*keeper, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // No constraint is a constraint, too.
	}
	must, err := s.grammars.get(ctx, c.Kind, c.Text)
	if err != nil {
		return nil, err
	}
	return &keeper{must: must, bytes: s.bytes(), source: c.Text}, nil
}

// compileConstraint compiles a constraint of any kind.
func compileConstraint(kind, text string) (*grammar.Grammar, error) {
	switch kind {
	case inference.ConstraintJSON:
		return grammar.JSON()
	case inference.ConstraintSchema:
		return grammar.FromSchema([]byte(text))
	case inference.ConstraintRegex:
		return grammar.FromRegex(text)
	case inference.ConstraintGBNF:
		return grammar.FromGBNF(text)
	}
	return nil, fmt.Errorf("a constraint of the kind %.40q is not known; give json, json_schema, regex or gbnf", kind)
}
