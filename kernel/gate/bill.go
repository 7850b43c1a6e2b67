package gate

import (
	"phios/abi"
	"phios/kernel/capability"
)

// Bill is whoever pays for a call, for a server that works for it on other
// threads than the caller's, or longer than the call lasts. A copy is as good,
// and its methods may be called from any goroutine. The zero value pays
// nothing.
type Bill struct {
	kernel *Kernel
	pays   *account
	from   capability.Key
	caller *Domain
}

// Bill returns who pays for the call that p is serving; the zero value while it
// serves none.
func (p *Port) Bill() Bill {
	if p.up == nil {
		return Bill{}
	}
	return Bill{kernel: p.kernel, pays: p.bill, from: p.from, caller: p.up.domain}
}

// Check returns StatusOK while there is somebody to work for: StatusKilled when
// the caller's task is dead, StatusRevoked when the capability is that it
// called through.
func (b Bill) Check() abi.Status {
	switch {
	case b.kernel == nil:
		return abi.StatusState
	case !b.caller.Alive():
		return abi.StatusKilled
	case !b.kernel.tree.Alive(b.from):
		return abi.StatusRevoked
	default:
		return abi.StatusOK
	}
}

// Spend takes all of the amounts from the caller's budget, or nothing:
// StatusBudget when it does not cover them, StatusBadArgument for resources
// that are held, which are not a server's to take, and those of Check.
func (b Bill) Spend(amounts abi.Amounts) abi.Status {
	if status := b.Check(); status != abi.StatusOK {
		return status
	}
	for r := range abi.Resource(abi.ResourceCount) {
		if r.Held() && amounts[r] != 0 {
			return abi.StatusBadArgument
		}
	}
	return b.pays.TakeAll(amounts)
}

// CallerRights returns the rights of the capability that the call came through
// which p is serving: those of services, such as RUN, are theirs to check.
func (p *Port) CallerRights() abi.Rights {
	if p.up == nil {
		return 0
	}
	return p.may
}
