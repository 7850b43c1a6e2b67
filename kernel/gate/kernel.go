package gate

import (
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/internal/invariant"
	"phios/kernel/budget"
	"phios/kernel/capability"
	"phios/kernel/hook"
	"phios/kernel/journal"
	"phios/kernel/notify"
	"phios/kernel/region"
	"phios/kernel/task"
	"phios/platform"
)

// Launcher starts programs. The kernel has no threads of its own: whoever
// makes the kernel says how a task gets one.
type Launcher interface {
	// Launch lets a new thread of control run the program with the port, and
	// returns without waiting for it. When the program has returned, whoever
	// ran it calls Done on the port.
	Launch(p *Port, program, argument uint64) abi.Status
}

// Config is what a kernel is made of. All of it is the caller's, and must last
// as long as the kernel.
type Config struct {
	Machine platform.Machine
	Journal *journal.Journal
	// Launcher may be nil: then no task can be started.
	Launcher Launcher
	Limits   capability.Limits
	// Node is this machine's number in its cluster.
	Node uint64
	// Endowment is everything that there is to be divided.
	Endowment abi.Amounts
	// Timers is how many timers there can be.
	Timers int
}

// Kernel is the trusted core of one node.
type Kernel struct {
	machine  platform.Machine
	tree     *capability.Tree
	arena    *region.Arena
	family   *task.Family
	root     *budget.Budget
	journal  *journal.Journal
	launcher Launcher
	timers   *notify.Timers
	lines    notify.Interrupts
	hooks    hook.Table
	node     uint64
	needs    [abi.CallCount]need

	recording atomic.Bool // every call goes to the journal
	wounded   atomic.Bool // the journal refused a record

	labels sync.Mutex // held while a label rises through mappings

	mu      sync.Mutex // guards the rest
	domains map[uint64]*Domain
	ids     uint64 // of threads
}

// need is what the table of calls says about one, in the gate's own form.
type need struct {
	rights abi.Rights
	typ    abi.ObjectType
	self   bool
	use    bool // exercises the capability, and so costs a use
	short  bool // done between Enter and Leave
}

// shortCalls are those that change something, do not wait, and are not fenced
// by the tree's lock, a region's or a tag.
func shortCalls() []abi.Call {
	return []abi.Call{
		abi.TaskCreate, abi.TaskGrant, abi.TaskStart, abi.TaskKill, abi.BudgetCarve, abi.BudgetSpend,
		abi.RegionCreate, abi.RegionPin, abi.RegionUnpin, abi.RegionSettle, abi.EndpointCreate,
		abi.NotificationCreate, abi.NotificationPoll, abi.TimerCreate, abi.TimerArm, abi.TimerCancel,
		abi.InterruptBind, abi.InterruptAck, abi.LabelEndorse, abi.LabelDeclassify,
	}
}

// fits reports whether a call may be made on an object of type t.
func (n *need) fits(t abi.ObjectType) bool {
	return n.typ == abi.ObjectNone || n.typ == t || n.typ == abi.ObjectEndpoint && t.Service()
}

// New makes a kernel without tasks.
//
// Preconditions:
//   - Machine and Journal are not nil
//   - Timers is from 1 to notify.TimersMax
func New(c Config) *Kernel {
	invariant.Always(c.Machine != nil && c.Journal != nil, "gate: a kernel without a machine or a journal")
	timers, status := notify.NewTimers(c.Timers)
	invariant.Always(status == abi.StatusOK, "gate: the number of timers is out of range")
	k := &Kernel{
		machine:  c.Machine,
		tree:     capability.New(c.Machine, c.Limits),
		arena:    region.NewArena(c.Machine, c.Node),
		family:   task.NewFamily(),
		root:     budget.NewRoot(c.Endowment),
		journal:  c.Journal,
		launcher: c.Launcher,
		timers:   timers,
		node:     c.Node,
		domains:  map[uint64]*Domain{},
	}
	for call := range abi.Call(abi.CallCount) {
		d, ok := abi.Describe(call)
		if ok {
			k.needs[call] = need{rights: d.Need, typ: d.Type, self: d.Self, use: d.Need.Has(abi.RightInvoke)}
		}
	}
	for _, call := range shortCalls() {
		k.needs[call].short = true
	}
	return k
}

// Hooks returns the five hook points.
func (k *Kernel) Hooks() *hook.Table { return &k.hooks }

// Record switches record mode: while it is on, every call and its result goes
// to the journal.
func (k *Kernel) Record(on bool) { k.recording.Store(on) }

// Journal returns the kernel's journal.
func (k *Kernel) Journal() *journal.Journal { return k.journal }

// Endowment returns the account of the root budget: what is left undivided.
func (k *Kernel) Endowment() budget.Account { return k.root.Account() }

// Interrupt is the platform's: the line has fired. StatusState when nobody is
// bound to it.
func (k *Kernel) Interrupt(line uint32) abi.Status { return k.lines.Raise(line) }

// Tick is the platform's: it fires at most limit timers that are due, and
// returns when the next is, zero for none.
func (k *Kernel) Tick(limit int) (next int64) {
	_, next = k.timers.Fire(k.machine.Now(), limit)
	return next
}

// NextTimer returns when the earliest timer is due, zero for none.
func (k *Kernel) NextTimer() int64 { return k.timers.Next() }
