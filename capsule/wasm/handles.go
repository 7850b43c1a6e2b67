package wasm

import "phios/abi"

// A program that goes on after it was frozen holds numbers of handles that
// name nothing now, or worse, something else. So a number says in its top byte
// how many times the program had been thawed when it got it, its epoch: the
// number that the program sees is the kernel's with the epoch in the top byte.
// In epoch 0 the two are the same, and nothing is translated.
//
// A number of an earlier epoch is looked up in a table: when it had been found
// by name, it now means what is granted under that name; all others are
// StatusBadHandle. The kernel's own use of the top byte begins after 2^32
// reuses of a slot; a program that has been given such a handle cannot be
// frozen, and a thawed program is never given one.
//
// Rejected: to keep a table of all handles, which costs every call a lookup.

const (
	epochShift = 56
	// EpochsMax is how many times a program can be thawed.
	EpochsMax = 255
	// NamesMax is the number of names that a program can look up and find
	// again after it was frozen.
	NamesMax = 256
)

// grant is a handle that was found by name: what the program knows it as.
type grant struct {
	name string
	// seen are the numbers by which the program knew it in earlier epochs, and
	// in this one.
	seen abi.Handle
	// now is the handle of this epoch, zero when it is not granted any more.
	now abi.Handle
}

// handleWordsIn returns which argument words of a call are handles.
func handleWordsIn(c abi.Call) uint8 {
	// All others have none.
	//exhaustive:ignore
	switch c {
	case abi.CapSeal, abi.CapUnseal, abi.TaskGrant, abi.TimerCreate, abi.InterruptBind, abi.EndpointReplyReceive:
		return 1 << 0
	case abi.TaskCreate:
		return 1 << 1
	default:
		return 0
	}
}

// handleWordsOut returns which result words of a call are handles of the
// caller.
func handleWordsOut(c abi.Call) uint8 {
	// All others have none; that of TaskGrant is the other task's.
	//exhaustive:ignore
	switch c {
	case abi.CapMint, abi.CapSeal, abi.CapUnseal, abi.TaskCreate, abi.BudgetCarve, abi.RegionCreate,
		abi.EndpointCreate, abi.NotificationCreate, abi.TimerCreate:
		return 1 << 0
	default:
		return 0
	}
}

// in turns a number of the program's into a handle of the kernel's.
func (i *Instance) in(h abi.Handle) (abi.Handle, abi.Status) {
	if i.epoch == 0 || h == 0 {
		return h, abi.StatusOK
	}
	if uint64(h)>>epochShift == uint64(i.epoch) {
		return h &^ (0xff << epochShift), abi.StatusOK
	}
	for n := range i.grants {
		if i.grants[n].seen == h && i.grants[n].now != 0 {
			return i.grants[n].now, abi.StatusOK
		}
	}
	return 0, abi.StatusBadHandle
}

// out turns a handle of the kernel's into a number for the program.
func (i *Instance) out(h abi.Handle) (abi.Handle, abi.Status) {
	if h == 0 {
		return 0, abi.StatusOK
	}
	if h>>epochShift != 0 {
		i.wide = true
		if i.epoch != 0 {
			_ = i.door.Invoke(h, abi.CapDelete, &abi.Args{})
			return 0, abi.StatusLimit
		}
		return h, abi.StatusOK
	}
	return h | abi.Handle(i.epoch)<<epochShift, abi.StatusOK
}

// translateIn turns all numbers in the arguments of a call into handles.
func (i *Instance) translateIn(p *plan, h *abi.Handle, a *abi.Args) abi.Status {
	if i.epoch == 0 {
		return abi.StatusOK
	}
	if a.Message != nil {
		if status := i.translateCall(h); status != abi.StatusOK {
			return status
		}
	} else {
		var status abi.Status
		if *h, status = i.in(*h); status != abi.StatusOK {
			return status
		}
	}
	for n := range a.W {
		if p.wordsIn&(1<<n) == 0 {
			continue
		}
		word, status := i.in(abi.Handle(a.W[n]))
		if status != abi.StatusOK {
			return status
		}
		a.W[n] = uint64(word)
	}
	if a.Mint != nil {
		var status abi.Status
		if a.Mint.Payer, status = i.in(a.Mint.Payer); status != abi.StatusOK {
			return status
		}
	}
	return abi.StatusOK
}

// translateCall turns the numbers in i.message, and the one that it is sent
// to, into handles.
func (i *Instance) translateCall(h *abi.Handle) abi.Status {
	var status abi.Status
	if *h, status = i.in(*h); status != abi.StatusOK {
		return status
	}
	return i.handlesIn(&i.message)
}

func (i *Instance) handlesIn(m *abi.Message) abi.Status {
	for n := range m.Handles[:m.HandleCount] {
		var status abi.Status
		if m.Handles[n], status = i.in(m.Handles[n]); status != abi.StatusOK {
			return status
		}
	}
	return abi.StatusOK
}

// translateOut turns all handles in the results of a call into numbers.
func (i *Instance) translateOut(p *plan, a *abi.Args) abi.Status {
	for n := range a.W {
		if p.wordsOut&(1<<n) == 0 {
			continue
		}
		word, status := i.out(abi.Handle(a.W[n]))
		if status != abi.StatusOK {
			return status
		}
		a.W[n] = uint64(word)
	}
	if a.Message != nil {
		return i.handlesOut(a.Message)
	}
	return abi.StatusOK
}

// handlesOut turns the handles that a message brought into numbers.
func (i *Instance) handlesOut(m *abi.Message) abi.Status {
	if m.HandleCount == 0 && m.Reply == 0 {
		return abi.StatusOK
	}
	var status abi.Status
	for n := range m.Handles[:m.HandleCount] {
		if m.Handles[n], status = i.out(m.Handles[n]); status != abi.StatusOK {
			return status
		}
	}
	m.Reply, status = i.out(m.Reply)
	return status
}

// named finds a capability by name and remembers it.
func (i *Instance) named(name string) (abi.Handle, abi.Status) {
	h, status := i.door.Named(name)
	if status != abi.StatusOK {
		return 0, status
	}
	seen, status := i.out(h)
	if status != abi.StatusOK {
		return 0, status
	}
	for n := range i.grants {
		if i.grants[n].seen == seen {
			return seen, abi.StatusOK
		}
	}
	if len(i.grants) == NamesMax {
		i.unnamed = true
		return seen, abi.StatusOK
	}
	i.grants = append(i.grants, grant{name: name, seen: seen, now: h})
	return seen, abi.StatusOK
}
