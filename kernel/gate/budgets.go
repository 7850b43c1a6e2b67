package gate

import (
	"phios/abi"
	"phios/kernel/budget"
	"phios/kernel/capability"
	"phios/kernel/journal"
)

func accountOf(r *capability.Ref) *account { return r.Object.Self().(*account) } // the gate checked the type

// newAccount makes a budget into an object, with the caller's hold on it.
func (k *Kernel) newAccount(b *budget.Budget, holds holding) (*account, abi.Status) {
	a := &account{Budget: b, holds: holds}
	o, status := k.tree.NewObject(abi.ObjectBudget, a)
	if status != abi.StatusOK {
		return nil, status
	}
	a.object = o
	return a, abi.StatusOK
}

// budgetCarve makes a child budget. What the object takes is charged to the
// parent.
func (p *Port) budgetCarve(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	parent := accountOf(r)
	return p.create(r, a, terms, func() (*capability.Object, abi.Status) {
		holds, status := hold(parent, objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		child, status := parent.Carve(abi.Amounts(a.W))
		if status != abi.StatusOK {
			holds.release()
			return nil, status
		}
		made, status := p.kernel.newAccount(child, holds)
		if status != abi.StatusOK {
			child.Close()
			holds.release()
			return nil, status
		}
		return made.object, abi.StatusOK
	})
}

// create is what making any object has in common: the journal and the slot are
// made sure of first, then build makes the object with a hold on it, then its
// maker gets the first capability. On success the handle is in the first word.
func (p *Port) create(r *capability.Ref, a *abi.Args, terms *capability.Terms, build func() (*capability.Object, abi.Status)) abi.Status {
	k := p.kernel
	if status := k.ready(); status != abi.StatusOK {
		return status
	}
	if !p.domain.space.Room(1) {
		return abi.StatusTableFull
	}
	o, status := build()
	if status != abi.StatusOK {
		return status
	}
	first := firstOf(r, terms)
	if m, ok := o.Self().(*memory); ok && m.given {
		first.Rights &^= abi.RightWrite
	}
	made, status := k.tree.Original(p.domain.space, o, first)
	if status == abi.StatusOK {
		status = k.must(journal.Record{Kind: journal.KindCreate, Task: p.domain.ID(), Object: o.ID(), Type: o.Type()})
		if status != abi.StatusOK {
			k.undo(p.domain.space, made)
		}
	}
	k.tree.Drop(o)
	if status != abi.StatusOK {
		k.Tidy(tidySlice)
		return status
	}
	a.W[0] = uint64(made)
	k.Tidy(tidySlice)
	return abi.StatusOK
}

// budgetSpend spends from a budget.
func budgetSpend(b *account, a *abi.Args) abi.Status {
	kind := abi.Resource(min(a.W[0], uint64(abi.ResourceCount)))
	if int(kind) == abi.ResourceCount || kind.Held() {
		return abi.StatusBadArgument
	}
	return b.Spend(kind, a.W[1])
}

// charge is ReplyCharge: what is held is not the server's to take.
func charge(bill *account, a *abi.Args) abi.Status {
	if bill == nil {
		return abi.StatusState
	}
	return budgetSpend(bill, a)
}

// budgetInspect says what a budget has.
func budgetInspect(b *account, a *abi.Args) abi.Status {
	account := b.Account()
	switch a.W[0] {
	case 0:
		a.W = account.Available
	case 1:
		a.W = account.Held
	case 2:
		a.W = account.Spent
	default:
		return abi.StatusBadArgument
	}
	return abi.StatusOK
}
