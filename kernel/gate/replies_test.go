package gate_test

import (
	"testing"

	"phios/abi"
)

// TestEveryReplyCall makes the calls on replies through every kind of handle
// that must not do, while a caller waits. A reply cannot be minted, so that
// rights cannot be missing.
func TestEveryReplyCall(t *testing.T) {
	p := newPair(t, 8)
	wrong := p.root.notification()
	stale := p.stale(p.root)
	foreign := p.client.mint(p.client.budget, abi.Whole(0))
	p.run(func() {
		m := p.client.call(p.h, abi.Message{}, abi.StatusOK)
		if m.Words[0] != 5 {
			t.Errorf("answer %d", m.Words[0])
		}
	}, func() {
		m := p.root.receive(p.e)
		for foreign == m.Reply || p.root.holds(foreign) {
			foreign += 1 << abi.HandleIndexBits
		}
		tokens := uint64(abi.ResourceTokens)
		for _, call := range []abi.Call{abi.EndpointReply, abi.ReplyCharge, abi.ReplyCheck} {
			args := func() *abi.Args { return &abi.Args{W: [6]uint64{tokens, 1}, Message: &abi.Message{}} }
			for _, h := range []abi.Handle{0, stale, foreign, ^abi.Handle(0), m.Reply + 1<<abi.HandleIndexBits, m.Reply - 1<<abi.HandleIndexBits} {
				p.refused(p.root, h, call, args(), abi.StatusBadHandle)
			}
			p.refused(p.root, wrong, call, args(), abi.StatusType)
			p.refused(p.root, p.root.budget, call, args(), abi.StatusType)
			p.refused(p.client, p.client.budget, call, args(), abi.StatusType)
		}
		whole := abi.Whole(0)
		p.refused(p.root, m.Reply, abi.CapMint, &abi.Args{Mint: &whole}, abi.StatusRights)
		p.refused(p.root, m.Reply, abi.CapSeal, &abi.Args{W: [6]uint64{uint64(p.root.budget)}}, abi.StatusRights)
		p.refused(p.root, m.Reply, abi.EndpointReply, &abi.Args{}, abi.StatusBadArgument)
		p.refused(p.root, m.Reply, abi.ReplyCharge, &abi.Args{W: [6]uint64{tokens, 1 << 40}}, abi.StatusBudget)
		p.refused(p.root, m.Reply, abi.ReplyCharge, &abi.Args{W: [6]uint64{uint64(abi.ResourceMemory), 1}}, abi.StatusBadArgument)
		p.root.do(m.Reply, abi.ReplyCharge, &abi.Args{W: [6]uint64{tokens, 1}}, abi.StatusOK)
		p.root.do(m.Reply, abi.ReplyCheck, &abi.Args{}, abi.StatusOK)
		p.root.reply(m.Reply, abi.Message{Words: [4]uint64{5}}, abi.StatusOK)
		p.refused(p.root, m.Reply, abi.EndpointReply, &abi.Args{Message: &abi.Message{}}, abi.StatusBadHandle)
	})
	p.killAll(p.root.port, p.client.port)
}
