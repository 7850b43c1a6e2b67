package models

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"phios/abi"
	"phios/api/inference"
)

// infer answers AIInfer.
func (c *call) infer() abi.Status {
	switch {
	case c.has(abi.AINext):
		return c.next()
	case c.has(abi.AIStop):
		return c.stop()
	}
	r, status := c.request()
	if !status.OK() {
		return status
	}
	switch {
	case c.has(abi.AIBatch):
		return c.keep(r)
	case c.has(abi.AIStream):
		return c.stream(r)
	}
	ctx, done := c.s.attend(c.port.Bill(), 0, nil) // the service keeps the deadline
	defer done()
	result, err := c.s.c.Service.Generate(ctx, c.account(), r, nil)
	if err != nil {
		return c.refuse(ctx, err)
	}
	body, status := c.text(&result)
	if !status.OK() {
		return status
	}
	return c.answer(body, reasonOf(result.Reason), tokensOf(&result.Usage))
}

// request makes a request of the body. Which model it is, is the capability's
// to say; a capsule does not come before others.
func (c *call) request() (*inference.Request, abi.Status) {
	r := &inference.Request{}
	if c.has(abi.AIJSON) {
		if status := c.parse(r); !status.OK() {
			return nil, status
		}
	} else {
		r.Prompt = string(c.body)
	}
	r.Model, r.Priority = c.model.name, min(r.Priority, 0)
	r.Sampling.Seeded = r.Sampling.Seeded || r.Sampling.Seed != 0
	if limit := int(min(c.limit, math.MaxInt32)); limit > 0 && (r.TokensMax == 0 || limit < r.TokensMax) {
		r.TokensMax = limit
	}
	if c.deadline > 0 {
		at := c.s.c.Now().Add(time.Duration(c.deadline - c.s.c.Machine.Now()))
		if r.Deadline.IsZero() || at.Before(r.Deadline) {
			r.Deadline = at
		}
	}
	return r, c.loadable()
}

// loadable refuses a model that is not loaded to a caller without LOAD.
func (c *call) loadable() abi.Status {
	if c.port.CallerRights().Has(abi.RightLoad) {
		return abi.StatusOK
	}
	list, err := c.s.c.Service.Models(context.Background(), c.account())
	if err != nil {
		return c.refuse(context.Background(), err)
	}
	if !slices.ContainsFunc(list, func(m inference.Model) bool { return m.Loaded }) {
		return abi.StatusRights
	}
	return abi.StatusOK
}

// text is a result as the caller wants it.
func (c *call) text(r *inference.Result) ([]byte, abi.Status) {
	if !c.has(abi.AIJSON) {
		return []byte(r.Text), abi.StatusOK
	}
	body, err := json.Marshal(r)
	if err != nil { // a number that JSON does not have
		c.tell(err)
		return nil, abi.StatusUnsupported
	}
	return body, abi.StatusOK
}

// reasonOf is a reason as a word.
func reasonOf(r inference.Reason) uint32 {
	switch r {
	case inference.ReasonStop:
		return abi.AIReasonStop
	case inference.ReasonLength:
		return abi.AIReasonLength
	case inference.ReasonTools:
		return abi.AIReasonTools
	case inference.ReasonBudget:
		return abi.AIReasonBudget
	case inference.ReasonDeadline:
		return abi.AIReasonDeadline
	case inference.ReasonCancelled:
		return abi.AIReasonCancelled
	default:
		return abi.AIReasonStop
	}
}

// tokensOf is a usage as a word.
func tokensOf(u *inference.Usage) uint64 {
	return count(u.PromptTokens) | count(u.CompletionTokens)<<32
}

func count(n int) uint64 { return uint64(min(max(n, 0), math.MaxUint32)) }

// refuse tells why the service refused, to whoever wants to know, and returns
// the status for the caller.
func (c *call) refuse(ctx context.Context, err error) abi.Status {
	if errors.Is(context.Cause(ctx), abi.StatusTimeout) {
		return abi.StatusTimeout
	}
	c.tell(err)
	return statusOf(err)
}

func (c *call) tell(err error) {
	if c.refused != nil {
		c.refused(err)
	}
}

// statusOf says in the kernel's words why the service refused.
func statusOf(err error) abi.Status {
	var e *inference.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			return abi.StatusKilled
		}
		return abi.StatusState
	}
	switch e.Code {
	case inference.CodeRequest:
		return abi.StatusBadArgument
	case inference.CodeNoModel:
		return abi.StatusEmpty
	case inference.CodeDenied:
		return abi.StatusDenied
	case inference.CodeBudget:
		return abi.StatusBudget
	case inference.CodeBusy:
		return abi.StatusBusy
	case inference.CodeMemory:
		return abi.StatusNoMemory
	case inference.CodeContext:
		return abi.StatusRange
	case inference.CodeUnsupported:
		return abi.StatusUnsupported
	case inference.CodeDeadline:
		return abi.StatusTimeout
	case inference.CodeUnit:
		return abi.StatusPeerDead
	default:
		return abi.StatusState
	}
}
