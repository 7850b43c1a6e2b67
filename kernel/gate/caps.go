package gate

import (
	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/journal"
)

// slices of reclamation that calls which make or unmake capabilities take
// along, so that a node whose idle loop is starved still makes progress.
const tidySlice = 16

// capMint derives a lesser capability for the caller itself.
func (p *Port) capMint(r *capability.Ref, h abi.Handle, a *abi.Args) abi.Status {
	if a.Mint == nil {
		return abi.StatusBadArgument
	}
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	payer, status := p.payerFor(a.Mint)
	if status != abi.StatusOK {
		return status
	}
	if status := fitsWindow(r, a.Mint); status != abi.StatusOK {
		return status
	}
	minted, status := p.kernel.tree.Derive(p.domain.space, h, a.Mint, p.domain.space, payer)
	if status != abi.StatusOK {
		return status
	}
	if status := p.kernel.noteDerive(p, r, a.Mint, journal.KindDerive, p.domain); status != abi.StatusOK {
		p.kernel.undo(p.domain.space, minted)
		return status
	}
	a.W[0] = uint64(minted)
	p.kernel.Tidy(tidySlice)
	return abi.StatusOK
}

// undo takes back a capability that was just made and that nobody knows of, and
// gives back what its parent gave for it.
func (k *Kernel) undo(s *capability.Space, h abi.Handle) { k.tree.Undo(s, h) }

// payerFor finds the budget that a mint names: the minter must be able to
// spend from it.
func (p *Port) payerFor(m *abi.Mint) (*capability.Ref, abi.Status) {
	if m.Payer == 0 {
		return nil, abi.StatusOK
	}
	r, status := p.lasting(m.Payer, abi.RightInvoke|abi.RightWrite, abi.ObjectBudget)
	return &r, status
}

// lasting finds what a second handle of a call names, to be used from then on
// without being looked up again: a payer, what a timer signals. So it can
// neither be sealed nor be limited in time or uses, which nobody would count.
//
// StatusType, StatusSealed, StatusExpired, StatusExhausted, and those of Lookup.
func (p *Port) lasting(h abi.Handle, need abi.Rights, typ abi.ObjectType) (capability.Ref, abi.Status) {
	r, status := p.domain.space.Lookup(h, need)
	if status != abi.StatusOK {
		return capability.Ref{}, status
	}
	if r.Object.Type() != typ {
		return capability.Ref{}, abi.StatusType
	}
	if !r.Marked() {
		return r, abi.StatusOK
	}
	r, terms, status := p.kernel.tree.Inspect(p.domain.space, h)
	switch {
	case status != abi.StatusOK:
	case terms.Seal != 0:
		status = abi.StatusSealed
	case terms.Expires != 0:
		status = abi.StatusExpired
	case terms.Uses != abi.Unlimited:
		status = abi.StatusExhausted
	}
	return r, status
}

// sealerOf finds the object that seals: any that the caller manages.
func (p *Port) sealerOf(h abi.Handle) (*capability.Object, abi.Status) {
	if _, status := p.domain.space.Lookup(h, abi.RightManage); status != abi.StatusOK {
		return nil, status
	}
	r, terms, status := p.kernel.tree.Inspect(p.domain.space, h)
	switch {
	case status != abi.StatusOK:
		return nil, status
	case terms.Seal != 0:
		return nil, abi.StatusSealed
	case terms.Expires != 0 && p.kernel.machine.Now() >= terms.Expires:
		return nil, abi.StatusExpired
	}
	return r.Object, abi.StatusOK
}

// fitsWindow checks a mint's window against the object itself: only regions
// have windows, and none reaches past the end.
func fitsWindow(r *capability.Ref, m *abi.Mint) abi.Status {
	if m.Bytes == 0 && m.Base == 0 {
		return abi.StatusOK
	}
	memory, ok := r.Object.Self().(*memory)
	if !ok {
		return abi.StatusBadArgument
	}
	whole := capability.Bounds{Length: memory.Bytes()}
	_, status := whole.Narrow(capability.Bounds{Base: m.Base, Length: m.Bytes})
	return status
}

// capDelete empties a slot.
func (p *Port) capDelete(r *capability.Ref, h abi.Handle) abi.Status {
	if status := p.kernel.tree.Delete(p.domain.space, h); status != abi.StatusOK {
		return status
	}
	p.kernel.fence(r.Object)
	p.kernel.note(journal.Record{Kind: journal.KindDelete, Task: p.domain.ID(), Object: r.Object.ID(), Type: r.Object.Type()})
	p.kernel.Tidy(tidySlice)
	return abi.StatusOK
}

// capRevoke kills everything derived from a capability. It takes no slice of
// the reclamation along: its own time must not depend on the tree.
func (p *Port) capRevoke(r *capability.Ref, h abi.Handle) abi.Status {
	if status := p.kernel.tree.Revoke(p.domain.space, h); status != abi.StatusOK {
		return status
	}
	p.kernel.fence(r.Object)
	p.kernel.note(journal.Record{Kind: journal.KindRevoke, Task: p.domain.ID(), Object: r.Object.ID(), Type: r.Object.Type(), Badge: r.Badge})
	return abi.StatusOK
}

// fence ends what was begun with capabilities that are dead now: mappings show
// zero pages, and callers that wait are answered. Its cost is that of the
// mappings and callers of this one object, both limited.
func (k *Kernel) fence(o *capability.Object) {
	switch self := o.Self().(type) {
	case *memory:
		self.ZeroWhere(func(key uint64) bool { return !k.tree.Alive(capability.Key(key)) })
	case *endpoint:
		self.fenceServer(k)
		self.fenceCalls(k)
		self.mailbox.Nudge()
	case *signal:
		k.tree.Retag(o, self.Retag)
		self.sever(k)
		self.Nudge()
	}
}

// capInspect says what a capability is.
func (p *Port) capInspect(h abi.Handle, a *abi.Args) abi.Status {
	r, terms, status := p.kernel.tree.Inspect(p.domain.space, h)
	if status != abi.StatusOK {
		return status
	}
	a.W = [abi.ArgWords]uint64{
		uint64(r.Object.Type()), uint64(r.Rights()) | uint64(r.Pass())<<32, r.Badge,
		r.Object.ID(), terms.Window.Base, terms.Window.Length,
	}
	a.Label = terms.Ceiling
	return abi.StatusOK
}

// capSeal seals or unseals with a sealer, any object that the caller manages.
func (p *Port) capSeal(r *capability.Ref, h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	sealer, status := p.sealerOf(abi.Handle(a.W[0]))
	if status != abi.StatusOK {
		return status
	}
	change := p.kernel.tree.Seal
	if c == abi.CapUnseal {
		change = p.kernel.tree.Unseal
	}
	made, status := change(p.domain.space, h, sealer)
	if status != abi.StatusOK {
		return status
	}
	mint := abi.Mint{Rights: r.Rights(), Pass: r.Pass()}
	if status := p.kernel.noteDerive(p, r, &mint, journal.KindDerive, p.domain); status != abi.StatusOK {
		p.kernel.undo(p.domain.space, made)
		return status
	}
	a.W[0] = uint64(made)
	return abi.StatusOK
}
