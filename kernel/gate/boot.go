package gate

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/kernel/capability"
	"phios/kernel/journal"
	"phios/kernel/notify"
)

// The boot calls hand out the first authorities. Only whoever holds the Kernel
// can make them, and the composition root drops it after the manifest is read:
// after that nothing comes into being but out of a budget.

// BootTask makes a root task of the given number of slots, with a budget of
// its own carved out of the endowment, and returns its port and the handle of
// that budget in it.
//
// StatusBudget when the endowment does not cover it, StatusBadArgument for no
// or too many slots, StatusLimit.
func (k *Kernel) BootTask(slots uint32, amounts abi.Amounts) (*Port, abi.Handle, abi.Status) {
	b, status := k.root.Carve(amounts)
	if status != abi.StatusOK {
		return nil, 0, status
	}
	purse, status := k.newAccount(b, holding{})
	if status != abi.StatusOK {
		b.Close()
		return nil, 0, status
	}
	defer k.tree.Drop(purse.object)
	if slots == 0 || slots > capability.SlotsMax {
		return nil, 0, abi.StatusBadArgument
	}
	d, status := k.newDomain(nil, purse, slots)
	if status != abi.StatusOK {
		return nil, 0, status
	}
	h, status := k.tree.Original(d.space, purse.object, capability.Origin{Rights: rightsOfMaker, Ceiling: abi.LabelTop()})
	if status == abi.StatusOK {
		status = k.must(journal.Record{Kind: journal.KindBoot, Task: d.ID(), Object: d.object.ID(), Type: abi.ObjectTask})
	}
	if status != abi.StatusOK {
		d.Kill()
		k.Tidy(tidySlice)
		return nil, 0, status
	}
	status = d.Start()
	invariant.Always(status == abi.StatusOK, "gate: a new task does not start")
	d.begin()
	k.tree.Drop(d.object) // from now on it holds itself
	return &k.newThread(d).ports[0], h, abi.StatusOK
}

// BootGrant gives a root task a capability of another, made less by m, as
// TaskGrant would if anyone held the tasks.
func (k *Kernel) BootGrant(from *Port, h abi.Handle, to *Port, m *abi.Mint) (abi.Handle, abi.Status) {
	given, status := from.domain.space.Lookup(h, abi.RightGrant)
	if status != abi.StatusOK {
		return 0, status
	}
	made, status := k.tree.Derive(from.domain.space, h, m, to.domain.space, nil)
	if status != abi.StatusOK {
		return 0, status
	}
	return made, k.noteDerive(from, &given, m, journal.KindGrant, to.domain)
}

// BootLowering gives a root task a budget capability that carries ENDORSE,
// DECLASSIFY or both: with it the task makes what it can also vouch for. reach
// is how far: the sources that can be forgotten, and the readers that cannot be
// admitted.
func (k *Kernel) BootLowering(p *Port, budget abi.Handle, rights abi.Rights, reach abi.Label) (abi.Handle, abi.Status) {
	if rights == 0 || rights&^(abi.RightEndorse|abi.RightDeclassify) != 0 {
		return 0, abi.StatusBadArgument
	}
	r, status := p.domain.space.Lookup(budget, abi.RightManage)
	if status != abi.StatusOK {
		return 0, status
	}
	if r.Object.Type() != abi.ObjectBudget {
		return 0, abi.StatusType
	}
	h, status := k.tree.Original(p.domain.space, r.Object, capability.Origin{Rights: r.Pass() | rights, Ceiling: reach})
	if status != abi.StatusOK {
		return 0, status
	}
	return h, k.must(journal.Record{
		Kind: journal.KindBoot, Task: p.TaskID(), Object: r.Object.ID(), Type: abi.ObjectBudget, Rights: rights, After: reach,
	})
}

// BootTaskCapability gives a root task a capability to another root task, or
// to itself.
func (k *Kernel) BootTaskCapability(holder, of *Port, rights abi.Rights) (abi.Handle, abi.Status) {
	h, status := k.tree.Original(holder.domain.space, of.domain.object, capability.Origin{Rights: rights, Ceiling: abi.LabelTop()})
	if status != abi.StatusOK {
		return 0, status
	}
	return h, k.must(journal.Record{
		Kind: journal.KindBoot, Task: holder.TaskID(), Object: of.domain.object.ID(), Type: abi.ObjectTask, Rights: rights, Peer: of.TaskID(),
	})
}

// BootInterrupt gives a root task the capability to an interrupt line.
func (k *Kernel) BootInterrupt(p *Port, number uint32) (abi.Handle, abi.Status) {
	if number >= notify.LinesMax {
		return 0, abi.StatusRange
	}
	l := &line{number: number}
	o, status := k.tree.NewObject(abi.ObjectInterrupt, l)
	if status != abi.StatusOK {
		return 0, status
	}
	l.object = o
	defer k.tree.Drop(o)
	rights := abi.RightInvoke | abi.RightReceive | abi.RightGrant | abi.RightDerive | abi.RightRevoke | abi.RightInspect
	h, status := k.tree.Original(p.domain.space, o, capability.Origin{Rights: rights, Ceiling: abi.LabelTop()})
	if status != abi.StatusOK {
		return 0, status
	}
	return h, k.must(journal.Record{Kind: journal.KindBoot, Task: p.TaskID(), Object: o.ID(), Type: abi.ObjectInterrupt, Words: [abi.MessageWords]uint64{uint64(number)}})
}
