package capsules

import (
	"sync"

	"phios/abi"
	"phios/kernel/gate"
)

// root is the supervisor's door. Nothing that waits is done through it, so the
// lock is never held for long.
type root struct {
	mu     sync.Mutex
	port   *gate.Port // guarded by mu
	budget abi.Handle
}

// do is one operation of the supervisor's.
func (r *root) do(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.port.Invoke(h, c, a)
}

// carve makes a budget out of the supervisor's.
func (r *root) carve(amounts abi.Amounts) (abi.Handle, abi.Status) {
	a := abi.Args{W: amounts}
	status := r.do(r.budget, abi.BudgetCarve, &a)
	return abi.Handle(a.W[0]), status
}

// endpoint makes an endpoint on the supervisor's budget.
func (r *root) endpoint(capacity int) (abi.Handle, abi.Status) {
	a := abi.Args{W: [abi.ArgWords]uint64{uint64(capacity)}, Label: abi.LabelTop()}
	status := r.do(r.budget, abi.EndpointCreate, &a)
	return abi.Handle(a.W[0]), status
}

// mint derives a capability of the supervisor's own from another.
func (r *root) mint(h abi.Handle, m abi.Mint) (abi.Handle, abi.Status) {
	a := abi.Args{Mint: &m}
	status := r.do(h, abi.CapMint, &a)
	return abi.Handle(a.W[0]), status
}

// give gives a task a capability, and returns its handle there.
func (r *root) give(task, h abi.Handle, m abi.Mint) (abi.Handle, abi.Status) {
	a := abi.Args{W: [abi.ArgWords]uint64{uint64(h), abi.GrantCopy}, Mint: &m}
	status := r.do(task, abi.TaskGrant, &a)
	return abi.Handle(a.W[0]), status
}

// drop deletes capabilities, and with each what was derived from it.
func (r *root) drop(handles ...abi.Handle) {
	for _, h := range handles {
		if h != 0 {
			_ = r.do(h, abi.CapDelete, &abi.Args{}) // it may be gone with its object
		}
	}
}

// task makes a task on a budget; its faults go to the warden.
func (r *root) task(budget abi.Handle, slots uint32, faults abi.Handle) (h abi.Handle, id uint64, status abi.Status) {
	a := abi.Args{W: [abi.ArgWords]uint64{uint64(slots), uint64(faults)}}
	status = r.do(budget, abi.TaskCreate, &a)
	return abi.Handle(a.W[0]), a.W[1], status
}

// serve makes the supervisor answer at an endpoint.
func (r *root) serve(endpoint abi.Handle, h gate.Handler) abi.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.port.Serve(endpoint, h, true)
}
