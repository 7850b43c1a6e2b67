package gate

import (
	"sync"

	"phios/abi"
	"phios/kernel/budget"
	"phios/kernel/capability"
	"phios/kernel/hook"
	"phios/kernel/ipc"
	"phios/kernel/task"
	"phios/platform"
)

// Limits of a task. mappingsMax is how many windows it can have open.
const (
	callDepthMax   = 16
	mappingsMax    = 1024
	slotBytes      = 64  // what a slot takes of memory
	objectBytes    = 512 // what an object takes that has no size of its own
	denialsPerUnit = 64  // how many refusals a task may have recorded in one denialUnit
	denialUnitNS   = 1_000_000_000
)

// Domain is a task as the gate sees it: the task proper, its CSpace, its
// budget and its address space.
type Domain struct {
	*task.Task

	kernel *Kernel
	object *capability.Object
	space  *capability.Space
	payer  *account // pays for the task, and for its calls
	slots  uint32
	paid   abi.Amounts
	faults abi.Handle // where faults go, zero for nowhere

	// mu guards what follows.
	mu      sync.Mutex
	memory  platform.Space // made with the first mapping, zero before
	offers  bool           // a mapping says where in memory it goes
	windows []window
	buried  bool   // what it owned is released
	running bool   // it holds itself
	dirty   uint64 // private pages charged by RegionSettle
	denials denials
}

// window is one mapping of a task.
type window struct {
	memory  *memory
	address uint64
	ceiling abi.Label // of the capability that it was made with
	shared  bool
}

// account is a budget as an object.
type account struct {
	*budget.Budget

	object *capability.Object
	holds  holding
}

// holding is what an object has taken and from whom, to be given back when it
// is released.
type holding struct {
	from    *budget.Budget
	amounts abi.Amounts
}

// hold takes memory for an object.
func hold(from *account, bytes uint64) (holding, abi.Status) {
	var a abi.Amounts
	a[abi.ResourceMemory] = bytes
	if status := from.TakeAll(a); status != abi.StatusOK {
		return holding{}, status
	}
	return holding{from: from.Budget, amounts: a}, abi.StatusOK
}

func (h *holding) release() {
	if h.from == nil {
		return
	}
	h.from.GiveAll(h.amounts)
	h.from = nil
}

// Thread is one thread of control. Only that thread uses it, but for what
// wakes it.
type Thread struct {
	kernel *Kernel
	id     uint64
	parker platform.Parker
	self   platform.Parker // the thread, as what it parks on
	call   ipc.Call
	onto   *Domain // for whom it parks

	// through is the handle that it waits by, zero when that can be lost
	// without ending the wait, and waited what it named.
	through abi.Handle
	waited  capability.Ref

	ports [callDepthMax]Port

	// granted are the handles that the answer brought, written by the
	// answerer between claim and completion.
	granted      [abi.MessageHandleMax]abi.Handle
	grantedCount uint8
	turned       bool // it was handed a server's turn; guarded by turn.mu
}

// pendingCall is what the other side needs to know of a caller that waits. It
// is copied, because the caller's thread is on its next call as soon as this
// one is over.
type pendingCall struct {
	thread *Thread
	ticket ipc.Ticket
	key    capability.Key
	caller *Domain
	payer  *account
	nested bool // made while serving: then the caller's label is the call's
}

// newThread makes a thread whose first port is that of d.
func (k *Kernel) newThread(d *Domain) *Thread {
	t := &Thread{kernel: k, parker: k.machine.NewParker()}
	t.self = t
	t.call.Init(t)
	t.ports[0] = Port{kernel: k, domain: d, thread: t}
	k.mu.Lock()
	k.ids++
	t.id = k.ids
	k.mu.Unlock()
	return t
}

// Park makes the thread sleep for the task on whose behalf it waits. It
// returns false at the deadline, and when that task is dead.
func (t *Thread) Park(deadline int64) bool {
	d := t.onto
	if !d.Sleep(t) {
		t.kernel.machine.Relax()
		return false
	}
	if t.lost() {
		d.Wake(t)
		return false
	}
	since := t.kernel.schedule(d, hook.SchedulerPark, 0)
	inTime := t.parker.Park(deadline)
	t.kernel.schedule(d, hook.SchedulerWake, since)
	d.Wake(t)
	return inTime && d.Alive() && !t.lost()
}

// lost reports whether the capability that the thread waits by is gone. Whoever
// revoked it changed the object's epoch before nudging the sleeper, and the
// sleeper shows itself before it asks here: one of the two sees the other.
func (t *Thread) lost() bool {
	if t.through == 0 || t.waited.Current() {
		return false
	}
	_, status := t.onto.space.Lookup(t.through, t.waited.Rights())
	return status != abi.StatusOK
}

// waitBy begins a wait of p's task that ends when the capability goes, and
// waited ends it and says why: StatusRevoked, StatusKilled, or the status.
func (p *Port) waitBy(r *capability.Ref, h abi.Handle) {
	p.thread.onto, p.thread.through, p.thread.waited = p.domain, h, *r
}

func (p *Port) waited(status abi.Status) abi.Status {
	t := p.thread
	if status != abi.StatusOK && p.domain.Alive() && t.lost() {
		status = abi.StatusRevoked
	}
	t.through = 0
	return p.wakened(status)
}

// Unpark wakes the thread.
func (t *Thread) Unpark() { t.parker.Unpark() }

// schedule tells the hook of the scheduler, if there is one, and returns the
// time; zero without a hook.
func (k *Kernel) schedule(d *Domain, event hook.SchedulerEvent, since int64) int64 {
	h := k.hooks.SchedulerHook()
	if h == nil {
		return 0
	}
	now := k.machine.Now()
	c := hook.Scheduler{Task: d.ID(), Event: event, NowNS: now}
	if since != 0 {
		c.WaitNS = now - since
	}
	_ = h(c) // to a park and a wake a hook can only look on
	return now
}

// wakened translates the end of a wait: one that ended because the waiter is
// dead says so.
func (p *Port) wakened(status abi.Status) abi.Status {
	if status != abi.StatusOK && !p.domain.Alive() {
		return abi.StatusKilled
	}
	return status
}
