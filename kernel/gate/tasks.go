package gate

import (
	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/hook"
	"phios/kernel/journal"
	"phios/platform"
)

// rightsOfMaker are what whoever makes an object may do with it. Vouching and
// declassifying come only from a budget that carries them: see firstOf.
const rightsOfMaker = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)

// firstOf says what the maker's capability to a new object is. ENDORSE and
// DECLASSIFY are handed out by the boot manifest, on budgets: who could take
// them by making an object could launder any label through it.
func firstOf(budget *capability.Ref, terms *capability.Terms) capability.Origin {
	lowering := budget.Pass() & (abi.RightEndorse | abi.RightDeclassify)
	return capability.Origin{Rights: rightsOfMaker | lowering, Ceiling: ceiling(terms)}
}

func domainOf(r *capability.Ref) *Domain { return r.Object.Self().(*Domain) } // the gate checked the type

// taskCreate makes a task on a budget.
func (p *Port) taskCreate(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	slots := a.W[0]
	if slots == 0 || slots > capability.SlotsMax {
		return abi.StatusBadArgument
	}
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	if !p.domain.space.Room(1) {
		return abi.StatusTableFull
	}
	d, status := p.kernel.newDomain(p.domain, accountOf(r), uint32(slots))
	if status != abi.StatusOK {
		return status
	}
	status = p.faultHandler(d, a)
	var made abi.Handle
	if status == abi.StatusOK {
		made, status = p.kernel.tree.Original(p.domain.space, d.object, firstOf(r, terms))
	}
	if status == abi.StatusOK {
		status = p.kernel.must(journal.Record{Kind: journal.KindCreate, Task: p.domain.ID(), Object: d.object.ID(), Type: abi.ObjectTask, Peer: d.ID()})
		if status != abi.StatusOK {
			p.kernel.undo(p.domain.space, made)
		}
	}
	p.kernel.tree.Drop(d.object)
	if status != abi.StatusOK {
		p.kernel.Tidy(tidySlice)
		return status
	}
	a.W[0], a.W[1] = uint64(made), d.ID()
	return abi.StatusOK
}

// faultHandler gives a new task the capability by which it reports faults. It
// is in the task's own CSpace, so that whoever gave it can revoke it; all that
// the task can do with it is report.
func (p *Port) faultHandler(d *Domain, a *abi.Args) abi.Status {
	if a.W[1] == 0 {
		return abi.StatusOK
	}
	h := abi.Handle(a.W[1])
	r, status := p.domain.space.Lookup(h, abi.RightGrant)
	if status != abi.StatusOK {
		return status
	}
	if t := r.Object.Type(); t != abi.ObjectEndpoint && !t.Service() {
		return abi.StatusType
	}
	mint := abi.Whole(abi.RightInvoke | abi.RightSend)
	mint.Pass, mint.Badge, mint.Copies = 0, a.W[2], 0
	made, status := p.kernel.tree.Derive(p.domain.space, h, &mint, d.space, nil)
	if status != abi.StatusOK {
		return status
	}
	if status := p.kernel.noteDerive(p, &r, &mint, journal.KindGrant, d); status != abi.StatusOK {
		p.kernel.undo(d.space, made)
		return status
	}
	d.faults = made
	return abi.StatusOK
}

// newDomain makes a task with everything it has, charged to the account.
func (k *Kernel) newDomain(parent *Domain, payer *account, slots uint32) (*Domain, abi.Status) {
	d := &Domain{kernel: k, payer: payer, slots: slots}
	d.paid[abi.ResourceSlots] = uint64(slots)
	d.paid[abi.ResourceMemory] = uint64(slots)*slotBytes + objectBytes
	if status := payer.TakeAll(d.paid); status != abi.StatusOK {
		return nil, status
	}
	var status abi.Status
	if parent != nil {
		d.Task, status = k.family.New(parent.Task)
	} else {
		d.Task, status = k.family.New(nil)
	}
	if status == abi.StatusOK {
		d.space, status = k.tree.NewSpace(d.ID(), slots)
	}
	if status == abi.StatusOK {
		d.object, status = k.tree.NewObject(abi.ObjectTask, d)
	}
	if status == abi.StatusOK && !k.tree.Hold(payer.object) {
		status = abi.StatusRevoked
	}
	if status != abi.StatusOK {
		if d.object != nil {
			k.tree.Drop(d.object)
		}
		if d.space != nil {
			k.tree.Close(d.space)
		}
		if d.Task != nil {
			d.Kill() // nobody has seen it: the reaper finds no domain to release
		}
		payer.GiveAll(d.paid)
		return nil, status
	}
	k.mu.Lock()
	k.domains[d.ID()] = d
	k.mu.Unlock()
	return d, abi.StatusOK
}

// taskGrant puts a capability of the caller into another task's CSpace.
func (p *Port) taskGrant(r *capability.Ref, a *abi.Args) abi.Status {
	d, h := domainOf(r), abi.Handle(a.W[0])
	if d == p.domain {
		return abi.StatusSelf
	}
	if !d.Alive() {
		return abi.StatusPeerDead
	}
	if a.W[1] > abi.GrantMove || (a.W[1] == abi.GrantCopy) != (a.Mint != nil) {
		return abi.StatusBadArgument
	}
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	given, status := p.domain.space.Lookup(h, abi.RightGrant)
	if status != abi.StatusOK {
		return status
	}
	return p.give(d, &given, h, a)
}

// give does what taskGrant has checked. The receiver's label rises with the
// giver's: a choice of capabilities is a message too.
func (p *Port) give(d *Domain, given *capability.Ref, h abi.Handle, a *abi.Args) abi.Status {
	if status := p.canGive(d, given, h, a); status != abi.StatusOK {
		return status
	}
	if status := p.kernel.raise(d, p.Label()); status != abi.StatusOK {
		return status
	}
	kind, mint := journal.KindMove, &abi.Mint{Rights: given.Rights(), Pass: given.Pass()}
	var made abi.Handle
	var status abi.Status
	if a.W[1] == abi.GrantMove {
		made, status = p.kernel.tree.Move(p.domain.space, h, d.space)
		p.kernel.fence(given.Object)
	} else {
		kind, mint = journal.KindGrant, a.Mint
		made, status = p.giveCopy(d, h, a.Mint)
	}
	if status != abi.StatusOK {
		return status
	}
	if status := p.kernel.noteDerive(p, given, mint, kind, d); status != abi.StatusOK && kind == journal.KindGrant {
		p.kernel.undo(d.space, made)
		return status
	}
	a.W[0] = uint64(made)
	return abi.StatusOK
}

// canGive finds out what a grant would be refused for, before the receiver's
// label rises.
func (p *Port) canGive(d *Domain, given *capability.Ref, h abi.Handle, a *abi.Args) abi.Status {
	if a.W[1] == abi.GrantMove {
		if !d.space.Room(1) {
			return abi.StatusPeerFull
		}
		return abi.StatusOK
	}
	if _, status := p.payerFor(a.Mint); status != abi.StatusOK {
		return status
	}
	if status := fitsWindow(given, a.Mint); status != abi.StatusOK {
		return status
	}
	return p.kernel.tree.Derivable(p.domain.space, h, a.Mint, d.space)
}

func (p *Port) giveCopy(d *Domain, h abi.Handle, m *abi.Mint) (abi.Handle, abi.Status) {
	payer, status := p.payerFor(m)
	if status != abi.StatusOK {
		return 0, status
	}
	return p.kernel.tree.Derive(p.domain.space, h, m, d.space, payer)
}

// taskStart lets a task run.
func (p *Port) taskStart(r *capability.Ref, a *abi.Args) abi.Status {
	d := domainOf(r)
	if p.kernel.launcher == nil {
		return abi.StatusUnsupported
	}
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	if h := p.kernel.hooks.SchedulerHook(); h != nil {
		if h(hook.Scheduler{Task: d.ID(), Event: hook.SchedulerStart, NowNS: p.kernel.machine.Now()}) != abi.StatusOK {
			return abi.StatusDenied
		}
	}
	if status := d.Start(); status != abi.StatusOK {
		return status
	}
	if status := p.kernel.must(journal.Record{Kind: journal.KindSpawn, Task: p.domain.ID(), Peer: d.ID(), Object: d.object.ID(), Type: abi.ObjectTask, Words: [4]uint64{a.W[0], a.W[1]}}); status != abi.StatusOK {
		d.Unstart()
		return status
	}
	return p.kernel.launch(d, p.Label(), a)
}

// launch gives a started task its thread, and the label of whoever chose the
// program and its argument. A running task holds itself.
//
// A task that could not be launched is ready again: the journal says that it
// ended, and that its label rose.
func (k *Kernel) launch(d *Domain, label abi.Label, a *abi.Args) abi.Status {
	if !d.begin() {
		return abi.StatusPeerDead
	}
	status := k.raise(d, label)
	if status == abi.StatusOK {
		status = k.launcher.Launch(&k.newThread(d).ports[0], a.W[0], a.W[1])
	}
	if status != abi.StatusOK {
		d.Unstart()
		k.note(journal.Record{Kind: journal.KindExit, Task: d.ID(), Status: status})
		d.cease()
	}
	return status
}

// begin lets a task hold itself, because it has a thread; false when it is
// buried or about to be. cease ends that, for whoever comes first of a launch
// that failed and the burial.
func (d *Domain) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.buried || !d.kernel.tree.Hold(d.object) {
		return false
	}
	d.running = true
	return true
}

func (d *Domain) cease() {
	d.mu.Lock()
	running := d.running
	d.running = false
	d.mu.Unlock()
	if running {
		d.kernel.tree.Drop(d.object)
	}
}

// taskKill stops a task and all below it.
func (p *Port) taskKill(r *capability.Ref) abi.Status {
	d := domainOf(r)
	if !d.Kill() {
		return abi.StatusState
	}
	p.kernel.note(journal.Record{Kind: journal.KindKill, Task: d.ID(), Actor: p.domain.ID(), Object: d.object.ID(), Type: abi.ObjectTask})
	p.kernel.Tidy(tidySlice)
	return abi.StatusOK
}

// taskInspect says how a task is.
func taskInspect(d *Domain, a *abi.Args) abi.Status {
	used, size := d.space.Slots()
	parent := uint64(0)
	if d.Parent() != nil {
		parent = d.Parent().ID()
	}
	a.W = [abi.ArgWords]uint64{d.ID(), uint64(d.State()), parent, uint64(d.Depth()), uint64(used), uint64(size)}
	a.Label = d.Label()
	return abi.StatusOK
}

// fault reports a fault of the caller and waits for what its supervisor says.
func (p *Port) fault(a *abi.Args) abi.Status {
	p.kernel.note(journal.Record{Kind: journal.KindFault, Task: p.domain.ID(), Words: [4]uint64{a.W[0], a.W[1], a.W[2], a.W[3]}})
	message := abi.Message{Words: [abi.MessageWords]uint64{a.W[0], a.W[1], a.W[2], a.W[3]}}
	args := abi.Args{Message: &message}
	status := abi.StatusPeerDead
	if p.domain.faults != 0 {
		status = p.Invoke(p.domain.faults, abi.EndpointCall, &args)
	}
	if status != abi.StatusOK || message.Words[0] == abi.FaultKill {
		p.kernel.end(p.domain)
		return abi.StatusKilled
	}
	copy(a.W[:], message.Words[:])
	return abi.StatusOK
}

// exit ends the calling task. Its supervisor is told, if the mailbox has room.
func (p *Port) exit(a *abi.Args) abi.Status {
	if p.up != nil {
		return abi.StatusState // a handler runs on its caller's thread
	}
	if p.domain.faults != 0 {
		message := abi.Message{Words: [abi.MessageWords]uint64{abi.FaultExit, a.W[0], p.domain.ID()}}
		_ = p.Invoke(p.domain.faults, abi.EndpointSend, &abi.Args{Message: &message}) // a full mailbox does not keep it alive
	}
	p.kernel.note(journal.Record{Kind: journal.KindExit, Task: p.domain.ID(), Words: [4]uint64{a.W[0]}})
	p.kernel.end(p.domain)
	return abi.StatusOK
}

// end kills a task that stops by itself, with all below it.
func (k *Kernel) end(d *Domain) {
	d.Kill()
	k.Tidy(tidySlice)
}

// Adopt is the launcher's: what the task maps appears in s from now on, at the
// same addresses as everywhere. The kernel frees s with the task.
//
// StatusState when the task has an address space already, StatusKilled; then s
// stays the caller's.
func (p *Port) Adopt(s platform.Space) abi.Status { return p.domain.adopt(s, false) }

// AdoptOffered is Adopt for a space whose addresses the task chooses for each
// mapping, because its memory does not reach the arena.
func (p *Port) AdoptOffered(s platform.Space) abi.Status { return p.domain.adopt(s, true) }

func (d *Domain) adopt(s platform.Space, offers bool) abi.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.buried:
		return abi.StatusKilled
	case d.memory != platform.SpaceKernel:
		return abi.StatusState
	}
	d.memory, d.offers = s, offers
	return abi.StatusOK
}

// Charge is the launcher's: the task has used something, such as time on a
// processor, and its budget pays. StatusBudget when that does not cover it,
// and then nothing is taken.
func (p *Port) Charge(resource abi.Resource, amount uint64) abi.Status {
	return budgetSpend(p.domain.payer, &abi.Args{W: [abi.ArgWords]uint64{uint64(resource), amount}})
}

// Done is the launcher's: the program that it ran with the port has returned,
// with a code. A task that has not exited by itself does so now.
//
// Preconditions:
//   - the port is one that Launch was given
func (p *Port) Done(code uint64) {
	_ = p.Invoke(0, abi.TaskExit, &abi.Args{W: [abi.ArgWords]uint64{code}}) // a dead task has exited
}
