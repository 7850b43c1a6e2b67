package capsules

import (
	"phios/abi"
	"phios/kernel/gate"
)

// door is a program's way to the kernel: its task's port on some goroutine,
// with the names under which things were granted.
type door struct {
	instance *instance
	port     *gate.Port
}

// Invoke does one operation, and keeps in mind what was refused.
func (d *door) Invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	status := d.port.Invoke(h, c, a)
	if status != abi.StatusOK {
		d.instance.refused(h, c, status)
	}
	return status
}

// Named returns what was granted under a name.
func (d *door) Named(name string) (abi.Handle, abi.Status) {
	i := d.instance
	i.mu.Lock()
	h, granted := i.names[name]
	asked := i.refusals[name]
	i.mu.Unlock()
	switch {
	case granted:
		return h, abi.StatusOK
	case asked:
		i.cell.denials.add(denial{name: name, call: callNamed, status: abi.StatusDenied})
		return 0, abi.StatusDenied
	default:
		return 0, abi.StatusBadHandle
	}
}

// Charge takes what the program has used from its budget.
func (d *door) Charge(r abi.Resource, amount uint64) abi.Status {
	return d.port.Charge(r, amount)
}

// Alive reports whether the task lives.
func (d *door) Alive() bool { return d.port.Alive() }

// refused keeps a refusal of authority in mind. That something is full, late
// or not there yet is none.
func (i *instance) refused(h abi.Handle, c abi.Call, status abi.Status) {
	switch status { //nolint:exhaustive // the others are no refusals
	case abi.StatusRights, abi.StatusRevoked, abi.StatusDenied, abi.StatusExpired, abi.StatusExhausted,
		abi.StatusBudget, abi.StatusLabel, abi.StatusSealed, abi.StatusCopies, abi.StatusAuthority, abi.StatusBadHandle:
	default:
		return
	}
	d := denial{call: c, status: status, handle: h}
	i.mu.Lock()
	for name, granted := range i.names {
		if granted == h {
			d.name = name
			break
		}
	}
	i.mu.Unlock()
	if call, ok := abi.Describe(c); ok {
		d.need = call.Need
	}
	i.cell.denials.add(d)
}
