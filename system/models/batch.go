package models

import (
	"encoding/binary"
	"sync"

	"phios/abi"
	"phios/api/inference"
	"phios/kernel/gate"
)

// batchHeadBytes is the head of an answer in that of a batch.
const batchHeadBytes = 16

// batch is the requests of a holder that will run together.
type batch struct {
	bill  gate.Bill // of who opened it; to forget it when he is gone
	label abi.Label
	list  []kept
	bytes int64
}

// kept is a request in a batch, and whether it and its answer are JSON.
type kept struct {
	r     *inference.Request
	flags uint64
}

// forget takes a batch away.
//
// Preconditions:
//   - h.mu is held
func (h *holder) forget(number uint16, b *batch) {
	delete(h.batches, number)
	h.model.models.kept.Add(-b.bytes)
}

// startBatch answers AIBatchStart.
func (c *call) startBatch() abi.Status {
	h := c.holder
	h.mu.Lock()
	defer h.mu.Unlock()
	for number, b := range h.batches {
		if !b.bill.Check().OK() { // a program before this one opened it
			h.forget(number, b)
		}
	}
	if h.gone || len(h.batches) >= inference.OpenBatchesMax {
		return abi.StatusLimit
	}
	number := h.number()
	h.batches[number] = &batch{bill: c.port.Bill(), label: c.port.Label()}
	m := c.message
	m.Words = [abi.MessageWords]uint64{uint64(number)}
	m.Length, m.HandleCount, m.Moves = 0, 0, 0
	return abi.StatusOK
}

// keep puts a request into a batch, and answers with its place.
func (c *call) keep(r *inference.Request) abi.Status {
	h := c.holder
	bytes := int64(len(c.body))
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.batches[c.number]
	switch {
	case b == nil:
		return abi.StatusState
	case len(b.list) >= inference.BatchRequestsMax, b.bytes+bytes > inference.RequestBytesMax:
		return abi.StatusLimit
	}
	if c.s.kept.Add(bytes) > keptBytesMax {
		c.s.kept.Add(-bytes)
		return abi.StatusLimit
	}
	b.list, b.bytes, b.label = append(b.list, kept{r, c.flags}), b.bytes+bytes, b.label.Join(c.port.Label())
	m := c.message
	m.Words = [abi.MessageWords]uint64{uint64(len(b.list) - 1)}
	m.Length, m.HandleCount, m.Moves = 0, 0, 0
	return abi.StatusOK
}

// endBatch answers AIBatchEnd: it runs all requests at once, so that they meet
// in the same steps, and waits for the last.
func (c *call) endBatch() abi.Status {
	h := c.holder
	h.mu.Lock()
	b := h.batches[c.number]
	if b != nil && b.label.FlowsTo(c.port.Label()) {
		h.forget(c.number, b)
	}
	h.mu.Unlock()
	switch {
	case b == nil:
		return abi.StatusState
	case !b.label.FlowsTo(c.port.Label()):
		return abi.StatusLabel
	}
	ctx, done := c.s.attend(c.port.Bill(), c.deadline, nil)
	defer done()
	who := c.account()
	answers := make([][]byte, len(b.list))
	totals := make([]inference.Usage, len(b.list))
	var all sync.WaitGroup
	for i, k := range b.list {
		all.Go(func() {
			result, err := c.s.c.Service.Generate(ctx, who, k.r, nil)
			part := call{holder: h, flags: k.flags}
			var body []byte
			var status abi.Status
			if err != nil {
				status = part.refuse(ctx, err)
			} else {
				body, status = part.text(&result)
			}
			answers[i] = entry(status, &result, body)
			totals[i] = result.Usage
		})
	}
	all.Wait()
	var body []byte
	var total inference.Usage
	for i, a := range answers {
		body = append(body, a...)
		total.PromptTokens += totals[i].PromptTokens
		total.CompletionTokens += totals[i].CompletionTokens
	}
	return c.answer(body, uint32(len(answers)), tokensOf(&total))
}

// entry is one answer in that of a batch.
func entry(status abi.Status, r *inference.Result, body []byte) []byte {
	reason := uint32(0)
	if status.OK() {
		reason = reasonOf(r.Reason)
	}
	b := make([]byte, 0, batchHeadBytes+len(body))
	b = binary.LittleEndian.AppendUint16(b, uint16(status))
	b = binary.LittleEndian.AppendUint16(b, uint16(reason))
	b = binary.LittleEndian.AppendUint32(b, uint32(count(r.Usage.PromptTokens)))
	b = binary.LittleEndian.AppendUint32(b, uint32(count(r.Usage.CompletionTokens)))
	b = binary.LittleEndian.AppendUint32(b, uint32(count(len(body))))
	return append(b, body...)
}
