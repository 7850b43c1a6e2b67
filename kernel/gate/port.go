package gate

import (
	"phios/abi"
	"phios/internal/mutant"
	"phios/internal/schedule"
	"phios/kernel/capability"
	"phios/kernel/hook"
	"phios/platform"
)

// Port is the door as one task sees it, on one thread.
type Port struct {
	kernel *Kernel
	domain *Domain
	thread *Thread
	up     *Port // the caller's port, while serving a call
	depth  uint8

	keeps bool      // while serving: for a program that remembers
	label abi.Label // while serving: the label of what is being served
	bill  *account  // while serving: who pays
	from  capability.Key
	may   abi.Rights // while serving: what the caller's capability allows
	terms capability.Terms
}

// Invoke does one operation. It is the only door. It returns StatusOK, or why
// nothing was done.
//
// The handle is zero for the calls on the caller itself, and for ReplyCharge
// and ReplyCheck of the call that a handler is serving.
func (p *Port) Invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	if p.kernel.recording.Load() {
		return p.invokeRecorded(h, c, a)
	}
	return p.invoke(h, c, a)
}

// invoke is Invoke but for the recording.
func (p *Port) invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status { //nolint:revive // cyclomatic: the one way that every call goes
	if int(c) >= abi.CallCount || c == abi.CallNone {
		return p.refuse(nil, c, abi.StatusBadCall)
	}
	if !p.domain.Alive() {
		return abi.StatusKilled
	}
	n := &p.kernel.needs[c]
	if n.self || h == 0 && p.up != nil && n.typ == abi.ObjectReply {
		return p.invokeSelf(c, a)
	}
	rights := n.rights
	if mutant.On(mutant.CallRightsSkipped) {
		rights = 0
	}
	var r capability.Ref
	status := p.domain.space.LookupInto(&r, h, rights)
	if status != abi.StatusOK {
		return p.refuse(nil, c, status)
	}
	if !n.fits(r.Object.Type()) {
		return p.refuse(&r, c, abi.StatusType)
	}
	var terms *capability.Terms
	if r.Marked() {
		if terms, status = p.useTerms(h, n); status != abi.StatusOK {
			return p.refuse(&r, c, status)
		}
	}
	if status := p.look(&r, c); status != abi.StatusOK {
		p.unuse(h, n, terms)
		return p.refuse(&r, c, status)
	}
	schedule.Point()
	if n.short && !mutant.On(mutant.ActUnfenced) {
		status = p.actFenced(&r, h, c, a, terms)
	} else {
		status = p.act(&r, h, c, a, terms)
	}
	if status != abi.StatusOK {
		p.unuse(h, n, terms)
		_ = p.refuse(&r, c, status)
	}
	return status
}

// actFenced is act for calls that are short and neither wait nor fence
// themselves: a revocation that comes between the lookup and the act either
// stops it or waits for it.
func (p *Port) actFenced(r *capability.Ref, h abi.Handle, c abi.Call, a *abi.Args, terms *capability.Terms) abi.Status {
	if status := p.enter(r, h); status != abi.StatusOK {
		return status
	}
	inside := *r
	status := p.act(r, h, c, a, terms)
	inside.Leave()
	return status
}

// look asks the hook at the gate.
func (p *Port) look(r *capability.Ref, c abi.Call) abi.Status {
	if h := p.kernel.hooks.GateHook(); h != nil {
		context := hook.Gate{
			Task: p.domain.ID(), Object: r.Object.ID(), Badge: r.Badge, Rights: r.Rights(),
			Call: uint16(c), Type: r.Object.Type(),
		}
		if h(context) != abi.StatusOK {
			return abi.StatusDenied
		}
	}
	return abi.StatusOK
}

// useTerms asks the tree what a marked capability carries, and charges a use
// when the call exercises it.
func (p *Port) useTerms(h abi.Handle, n *need) (*capability.Terms, abi.Status) {
	var status abi.Status
	if n.use {
		p.terms, status = p.kernel.tree.Use(p.domain.space, h, p.kernel.machine.Now())
	} else {
		_, p.terms, status = p.kernel.tree.Inspect(p.domain.space, h)
	}
	return &p.terms, status
}

func (p *Port) unuse(h abi.Handle, n *need, terms *capability.Terms) {
	if terms != nil && n.use && terms.Uses != abi.Unlimited {
		p.kernel.tree.Unuse(p.domain.space, h)
	}
}

// act does what the call says: first the calls that pass messages and signals,
// whose cost counts, then the rest. A table of functions would cost the fast
// path an indirect call.
func (p *Port) act(r *capability.Ref, h abi.Handle, c abi.Call, a *abi.Args, terms *capability.Terms) abi.Status { //nolint:revive // cyclomatic: one line a call
	// The rest is in manage.
	//exhaustive:ignore
	switch c {
	case abi.EndpointCall:
		return p.call(r, h, a.Message, terms)
	case abi.EndpointSend:
		return p.send(r, h, a.Message, terms)
	case abi.EndpointReceive:
		return p.receive(r, h, a.Message)
	case abi.EndpointReply:
		return p.reply(r, h, a.Message)
	case abi.EndpointReplyReceive:
		return p.replyReceive(r, h, a)
	case abi.ReplyCharge:
		return replyOf(r).charge(p.kernel, a)
	case abi.ReplyCheck:
		return replyOf(r).check(p.kernel)
	case abi.NotificationSignal:
		return p.signal(r, h, a, terms)
	case abi.NotificationWait:
		return p.wait(r, h, a)
	case abi.NotificationPoll:
		return p.poll(r, a)
	case abi.EndpointCreate:
		return p.endpointCreate(r, a, terms)
	case abi.NotificationCreate:
		return p.notificationCreate(r, a, terms)
	case abi.RegionCreate:
		return p.regionCreate(r, a, terms)
	case abi.RegionMap:
		return p.regionMap(r, a, terms)
	case abi.RegionRead, abi.RegionWrite:
		return p.regionCopy(r, h, c, a, terms)
	case abi.RegionPin:
		return memoryOf(r).Pin(1)
	case abi.RegionUnpin:
		return memoryOf(r).Unpin(1)
	case abi.RegionSettle:
		return p.regionSettle(r, a)
	case abi.RegionInspect:
		return p.regionInspect(r, a)
	default:
		return p.manage(r, h, c, a, terms)
	}
}

// manage does the calls that arrange who holds what.
func (p *Port) manage(r *capability.Ref, h abi.Handle, c abi.Call, a *abi.Args, terms *capability.Terms) abi.Status { //nolint:revive // cyclomatic: one line a call
	// The rest is in act.
	//exhaustive:ignore
	switch c {
	case abi.CapMint:
		return p.capMint(r, h, a)
	case abi.CapDelete:
		return p.capDelete(r, h)
	case abi.CapRevoke:
		return p.capRevoke(r, h)
	case abi.CapInspect:
		return p.capInspect(h, a)
	case abi.CapSeal, abi.CapUnseal:
		return p.capSeal(r, h, c, a)
	case abi.TaskCreate:
		return p.taskCreate(r, a, terms)
	case abi.TaskGrant:
		return p.taskGrant(r, a)
	case abi.TaskStart:
		return p.taskStart(r, a)
	case abi.TaskKill:
		return p.taskKill(r)
	case abi.TaskInspect:
		return taskInspect(domainOf(r), a)
	case abi.BudgetCarve:
		return p.budgetCarve(r, a, terms)
	case abi.BudgetSpend:
		return budgetSpend(accountOf(r), a)
	case abi.BudgetInspect:
		return budgetInspect(accountOf(r), a)
	case abi.TimerCreate:
		return p.timerCreate(r, a, terms)
	case abi.TimerArm:
		return p.timerArm(r, a, terms)
	case abi.TimerCancel:
		return p.timerCancel(r)
	case abi.InterruptBind:
		return p.interruptBind(r, a)
	case abi.InterruptAck:
		return p.kernel.lines.Acknowledge(lineOf(r).number)
	case abi.LabelEndorse, abi.LabelDeclassify:
		return p.labelLower(r, c, a, terms)
	case abi.LabelInspect:
		return labelInspect(r, a)
	default:
		return abi.StatusBadCall
	}
}

// invokeSelf does the calls that need no capability, because they act on
// nothing but the caller.
func (p *Port) invokeSelf(c abi.Call, a *abi.Args) abi.Status {
	// All others take a handle.
	//exhaustive:ignore
	switch c {
	case abi.TaskFault:
		return p.fault(a)
	case abi.TaskExit:
		return p.exit(a)
	case abi.RegionUnmap:
		return p.regionUnmap(a)
	case abi.ReplyCharge:
		if !p.kernel.tree.Alive(p.from) {
			return abi.StatusRevoked
		}
		return charge(p.bill, a)
	case abi.ReplyCheck:
		if !p.kernel.tree.Alive(p.from) {
			return abi.StatusRevoked
		}
		return abi.StatusOK
	default:
		return abi.StatusBadHandle
	}
}

// Label returns the label of what the port's task sends and writes now.
func (p *Port) Label() abi.Label {
	if p.floats() {
		return p.label
	}
	return p.domain.Label()
}

// floats reports whether what the port does carries the label of the call that
// it serves, and not its task's: a handler that keeps nothing.
func (p *Port) floats() bool { return p.up != nil && !p.keeps }

// TaskID returns the number of the port's task.
func (p *Port) TaskID() uint64 { return p.domain.ID() }

// Alive reports whether the port's task lives. A program that computes for
// long without a call asks, and stops when it does not.
func (p *Port) Alive() bool { return p.domain.Alive() }

// Memory returns the address space in which the task's mappings are, for
// programs in this process; SpaceKernel while it has mapped nothing.
func (p *Port) Memory() platform.Space {
	p.domain.mu.Lock()
	defer p.domain.mu.Unlock()
	return p.domain.memory
}

// ceiling returns that of a capability's terms.
func ceiling(terms *capability.Terms) abi.Label {
	if terms == nil {
		return abi.LabelTop()
	}
	return terms.Ceiling
}
