package phi

// Argument returns what the program was started with; zero without one.
func Argument() uint64 {
	var r uint64
	_ = sysArgument(&r)
	return r
}

// Exit ends the program with a code, zero for success. It returns only when
// the node refuses.
func Exit(code uint64) error { return sysExit(code).err() }

// Fault reports a fault of the program to its supervisor and waits for the
// answer's words. Codes from FaultProgram on are the program's own.
func Fault(code uint64, words [3]uint64) (answer [ArgWords]uint64, err error) {
	s := sysFault(code, words[0], words[1], words[2], &answer)
	return answer, s.err()
}

// Task is a protection domain with one thread of control.
type Task struct{ Capability }

// Grant copies c into the task's table, made less as m says; it returns the
// handle there. A nil m moves c instead.
func (t Task) Grant(c Capability, m *Mint) (Capability, error) {
	var r uint64
	mode, whole := uint64(GrantCopy), Mint{}
	if m == nil {
		mode, m = GrantMove, &whole
	}
	s := sysTaskGrant(t.Capability, uint64(c), mode, m, &r)
	return Capability(r), s.err()
}

// Start lets the task run a program with an argument.
func (t Task) Start(program, argument uint64) error {
	return sysTaskStart(t.Capability, program, argument).err()
}

// Kill stops the task and every task below it.
func (t Task) Kill() error { return sysTaskKill(t.Capability).err() }

// TaskState is how a task is.
type TaskState struct {
	ID, State, Parent, Depth uint64
	SlotsUsed, Slots         uint64
	Label                    Label
}

// State says how the task is.
func (t Task) State() (TaskState, error) {
	var w [ArgWords]uint64
	var l Label
	s := sysTaskInspect(t.Capability, &w, &l)
	return TaskState{ID: w[0], State: w[1], Parent: w[2], Depth: w[3], SlotsUsed: w[4], Slots: w[5], Label: l}, s.err()
}

// Budget is what a task may take; what is made, is made out of one.
type Budget struct{ Capability }

// Amounts is a quantity of each Resource.
type Amounts [ArgWords]uint64

// Carve makes a child budget out of what is available.
func (b Budget) Carve(a *Amounts) (Budget, error) {
	var r uint64
	s := sysBudgetCarve(b.Capability, (*[ArgWords]uint64)(a), &r)
	return Budget{Capability(r)}, s.err()
}

// Spend takes an amount; StatusBudget, and nothing taken, when it is not
// covered.
func (b Budget) Spend(of Resource, amount uint64) error {
	return sysBudgetSpend(b.Capability, uint64(of), amount).err()
}

// Available returns what can be spent.
func (b Budget) Available() (Amounts, error) { return b.inspect(0) }

// Held returns what is taken now and comes back.
func (b Budget) Held() (Amounts, error) { return b.inspect(1) }

// Spent returns what is gone.
func (b Budget) Spent() (Amounts, error) { return b.inspect(2) }

func (b Budget) inspect(which uint64) (Amounts, error) {
	var a Amounts
	s := sysBudgetInspect(b.Capability, which, (*[ArgWords]uint64)(&a))
	return a, s.err()
}

// NewTask makes a task with so many slots; its faults go to an endpoint, when
// not zero, with the badge. It returns the task and its number.
func (b Budget) NewTask(slots uint64, faults Endpoint, badge uint64) (task Task, id uint64, err error) {
	var r uint64
	s := sysTaskCreate(b.Capability, slots, uint64(faults.Capability), badge, &r, &id)
	return Task{Capability(r)}, id, s.err()
}

// NewEndpoint makes an endpoint whose mailbox holds so many messages and which
// accepts data up to the ceiling; service is the type of object that it looks
// like, ObjectNone for a plain endpoint.
func (b Budget) NewEndpoint(messages uint64, service ObjectType, ceiling *Label) (Endpoint, error) {
	var r uint64
	s := ipcEndpointCreate(b.Capability, messages, uint64(service), ceiling, &r)
	return Endpoint{Capability(r)}, s.err()
}

// NewNotification makes a notification.
func (b Budget) NewNotification() (Notification, error) {
	var r uint64
	s := ipcNotificationCreate(b.Capability, &r)
	return Notification{Capability(r)}, s.err()
}

// NewTimer makes a timer that signals bits of n.
func (b Budget) NewTimer(n Notification, bits uint32) (Timer, error) {
	var r uint64
	s := ipcTimerCreate(b.Capability, uint64(n.Capability), uint64(bits), &r)
	return Timer{Capability(r)}, s.err()
}

// NewRegion makes zeroed memory of at least so many bytes.
func (b Budget) NewRegion(bytes uint64) (Region, error) {
	var r, address uint64
	s := memCreate(b.Capability, bytes, 0, &r, &address)
	return Region{Capability(r)}, s.err()
}
