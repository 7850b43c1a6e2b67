package gate

import (
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/ipc"
)

// reply is the right to answer one call, as an object. It goes when it is
// used; when it goes unused, the caller is told that the server is gone.
type reply struct {
	pendingCall

	spent atomic.Bool
}

func replyOf(r *capability.Ref) *reply { return r.Object.Self().(*reply) } // the gate checked the type

// newReply makes the reply capability of a call for its server. It can be
// passed on, never copied.
func (p *Port) newReply(c pendingCall) (abi.Handle, abi.Status) {
	_, h, status := p.kernel.tree.Issue(p.domain.space, abi.ObjectReply, &reply{pendingCall: c}, capability.Origin{
		Rights:  abi.RightInvoke | abi.RightSend | abi.RightGrant | abi.RightInspect,
		Ceiling: abi.LabelTop(), MoveOnly: true,
	})
	return h, status
}

// dropReply takes back a reply capability that was never given out, if there
// is one.
func (p *Port) dropReply(h abi.Handle) {
	if h == 0 {
		return
	}
	if r, status := p.domain.space.Lookup(h, 0); status == abi.StatusOK {
		replyOf(&r).spent.Store(true)
		p.kernel.undo(p.domain.space, h)
	}
}

// reply answers one call.
func (p *Port) reply(r *capability.Ref, h abi.Handle, m *abi.Message) abi.Status {
	answer := replyOf(r)
	if m == nil {
		return abi.StatusBadArgument
	}
	if status := m.Check(); status != abi.StatusOK {
		return status
	}
	call := &answer.thread.call
	if !call.Claim(answer.ticket) {
		p.spend(answer, h)
		return abi.StatusPeerDead
	}
	if !p.kernel.tree.Alive(answer.key) && !mutant.On(mutant.ReplyUnfenced) {
		call.Abandon()
		_ = call.Fence(answer.ticket) // over already, it needs no fence
		p.spend(answer, h)
		return abi.StatusRevoked
	}
	label := p.Label()
	if m.Label != (abi.Label{}) {
		label = label.Join(m.Label)
	}
	if status := p.acceptable(answer, m, label); status != abi.StatusOK {
		call.Complete(status)
		p.spend(answer, h)
		return status
	}
	if status := p.carryAnswer(answer, m); status != abi.StatusOK {
		call.Abandon()
		return status
	}
	call.Fill(m, ipc.Stamp{Label: label, Sender: p.domain.ID()})
	// Completed first: what goes with the reply capability may be a fence, and
	// that would wait for this very answer.
	call.Complete(abi.StatusOK)
	p.spend(answer, h)
	return abi.StatusOK
}

// Refuse is the launcher's: the program has refused the call that a reply
// capability answers, and the caller's call returns the status, as that of a
// caller on its own thread does. The reply capability is used up. The status
// tells the caller something, so its label rises; one in the middle of another's
// call, whose label only an answer can raise, is told that the server is gone.
//
// StatusPeerDead when the caller waits no longer, StatusBadArgument when the
// status is StatusOK.
func (p *Port) Refuse(h abi.Handle, status abi.Status) abi.Status {
	r, found := p.domain.space.Lookup(h, abi.RightInvoke)
	switch {
	case found != abi.StatusOK:
		return found
	case r.Object.Type() != abi.ObjectReply:
		return abi.StatusType
	case status == abi.StatusOK:
		return abi.StatusBadArgument
	}
	answer := replyOf(&r)
	call := &answer.thread.call
	claimed := call.Claim(answer.ticket)
	if claimed {
		if answer.nested {
			status = abi.StatusPeerDead
		} else if risen := p.kernel.raise(answer.caller, p.Label()); risen != abi.StatusOK {
			status = risen
		}
		call.Complete(status)
	}
	p.spend(answer, h)
	if !claimed {
		return abi.StatusPeerDead
	}
	return abi.StatusOK
}

// acceptable raises the caller's label before capabilities go over: an answer
// that the caller cannot take, because it shares a window that the label may not
// go through, leaves them with the server. Otherwise the caller does so itself.
func (p *Port) acceptable(answer *reply, m *abi.Message, label abi.Label) abi.Status {
	if m.HandleCount == 0 || answer.nested {
		return abi.StatusOK
	}
	return p.kernel.raise(answer.caller, label)
}

// carryAnswer puts the answer's capabilities into the caller's CSpace, while
// the caller is known to wait.
func (p *Port) carryAnswer(answer *reply, m *abi.Message) abi.Status {
	t := answer.thread
	t.grantedCount = 0
	if m.HandleCount == 0 {
		return abi.StatusOK
	}
	copied := *m
	if status := p.kernel.carry(p.domain, answer.caller, &copied); status != abi.StatusOK {
		return status
	}
	t.granted, t.grantedCount = copied.Handles, copied.HandleCount
	return abi.StatusOK
}

// spend uses a reply capability up.
func (p *Port) spend(answer *reply, h abi.Handle) {
	answer.spent.Store(true)
	if !mutant.On(mutant.ReplyKept) && !p.kernel.tree.Spend(p.domain.space, h) {
		p.kernel.settle()
	}
}

// replyReceive answers one call and takes the next message. When the answer
// fails nothing is received.
func (p *Port) replyReceive(r *capability.Ref, h abi.Handle, a *abi.Args) abi.Status {
	if a.Message == nil {
		return abi.StatusBadArgument
	}
	if answer := abi.Handle(a.W[0]); answer != 0 {
		args := abi.Args{Message: a.Message}
		status := p.Invoke(answer, abi.EndpointReply, &args)
		// A caller that is gone is not the server's trouble.
		if status != abi.StatusOK && status != abi.StatusPeerDead && status != abi.StatusRevoked {
			return status
		}
	}
	return p.receive(r, h, a.Message)
}

// charge is ReplyCharge: of one who no longer waits, nothing is taken.
func (answer *reply) charge(k *Kernel, a *abi.Args) abi.Status {
	if status := answer.check(k); status != abi.StatusOK {
		return status
	}
	return charge(answer.payer, a)
}

// check is ReplyCheck.
func (answer *reply) check(k *Kernel) abi.Status {
	if answer.thread.call.Over(answer.ticket) {
		return abi.StatusPeerDead
	}
	if !k.tree.Alive(answer.key) {
		return abi.StatusRevoked
	}
	return abi.StatusOK
}

// release ends a reply object whose last reference went.
func (answer *reply) release() {
	if !answer.spent.Swap(true) {
		_ = answer.thread.call.PeerDied(answer.ticket) // over already, it needs no telling
	}
}
