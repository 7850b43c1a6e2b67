package capsules

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule"
	capsulemanifest "phios/capsule/manifest"
	"phios/capsule/supervisor"
)

// The names under which every capsule finds what is its own.
const (
	nameSelf   = "self"   // its endpoint, of one that serves
	nameBudget = "budget" // what it may take
)

// The slots of a capsule's capability table, by default and at most.
const (
	slotsDefault = 128
	slotsMax     = 4096
	slotsOwn     = 16 // beside those that it asks for
)

// cell is a capsule: what stays when its instances come and go.
type cell struct {
	m       *Manager
	name    string
	id      uint64 // the badge of what it sends
	options options
	logs    *logs
	denials *denials
	// endpoint is the supervisor's capability to where the capsule serves, zero
	// for one that does not.
	endpoint abi.Handle

	// closed says that it has ended for good.
	closed atomic.Bool

	mu       sync.Mutex
	image    *image                 // guarded by mu: what runs
	policy   *supervisor.Supervisor // guarded by mu
	grants   map[string]*grant      // guarded by mu
	instance *instance              // guarded by mu: nil while none runs
	state    string                 // guarded by mu
	restarts int                    // guarded by mu
	exit     *capsule.Exit          // guarded by mu: of the last instance
	live     map[*instance]struct{} // guarded by mu: all that are not done
	swapping bool                   // guarded by mu: a reload decides what serves
	letter   *abi.Message           // guarded by mu: what a lost instance had in hand
	changed  chan struct{}          // guarded by mu: closed with the next state
}

// options are what a run was asked with, beside grants.
type options struct {
	Argument  uint64   `json:"argument,omitempty"`
	Arguments []string `json:"arguments,omitempty"`
}

// newCell makes a capsule that does not run yet.
func (m *Manager) newCell(name string, img *image, o options) (*cell, error) {
	c := &cell{
		m: m, name: name, id: m.launches.Add(1), options: o, image: img, logs: newLogs(m.config.Wall),
		denials: &denials{wall: m.config.Wall}, policy: supervisor.New(img.manifest.Restart),
		grants: map[string]*grant{}, live: map[*instance]struct{}{}, state: control.StateStarting, changed: make(chan struct{}),
	}
	if img.manifest.Serves > 0 {
		var status abi.Status
		if c.endpoint, status = m.root.endpoint(img.manifest.Serves); status != abi.StatusOK {
			return nil, refused("make the endpoint of "+name, status)
		}
		m.noteObject(c.endpoint, name)
	}
	return c, nil
}

// budget is what an instance may take, with defaults for what the manifest
// leaves open.
func (i *image) budget() abi.Amounts {
	b := i.manifest.Budget
	defaults := abi.Amounts{abi.ResourceMemory: 64 << 20, abi.ResourceSlots: slotsDefault, abi.ResourceCPU: uint64(time.Hour)}
	for r, amount := range defaults {
		if b[r] == 0 {
			b[r] = amount
		}
	}
	b[abi.ResourceSlots] = max(b[abi.ResourceSlots], uint64(i.tableSlots()))
	return b
}

// tableSlots is the size of an instance's capability table.
func (i *image) tableSlots() uint32 {
	asked := i.manifest.Budget[abi.ResourceSlots]
	if asked == 0 {
		asked = slotsDefault
	}
	return uint32(min(asked/2+slotsOwn+uint64(len(i.manifest.Requests)), slotsMax))
}

// launch starts an instance of the capsule: it does not serve before it is
// told to.
//
// Preconditions:
//   - c.mu is held
func (c *cell) launch(img *image, frozen *thawed) (*instance, error) {
	m := c.m
	i := &instance{
		cell: c, image: img, since: m.node.Machine().Now(), turn: newTurn(),
		ready: make(chan struct{}), orders: make(chan order), gone: make(chan struct{}), done: make(chan struct{}),
		names: map[string]abi.Handle{}, refusals: map[string]bool{},
	}
	if frozen != nil {
		i.frozen = frozen.program
	}
	var status abi.Status
	if i.budget, status = m.root.carve(img.budget()); status != abi.StatusOK {
		return nil, refused("carve the budget of "+c.name, status)
	}
	i.task, i.taskID, status = m.root.task(i.budget, img.tableSlots(), m.faults)
	if status != abi.StatusOK {
		m.root.drop(i.budget)
		return nil, refused("make the task of "+c.name, status)
	}
	if status = c.equip(i); status == abi.StatusOK {
		m.noteTask(i.taskID, c.name)
		status = m.begin(i.task, i.taskID, programCapsule, i)
	}
	if status != abi.StatusOK {
		m.root.drop(i.mail, i.task, i.budget)
		return nil, refused("start "+c.name, status)
	}
	c.policy.Started(m.time())
	c.live[i] = struct{}{}
	return i, nil
}

// begin lets a task run one of the manager's programs for v. The program finds
// v by the number of its own task: a capsule can start these programs in tasks
// that it makes, with any argument, and must find nothing there.
func (m *Manager) begin(task abi.Handle, id uint64, program string, v any) abi.Status {
	number, ok := m.node.Program(program)
	if !ok {
		return abi.StatusUnsupported
	}
	m.pending.Store(id, v)
	status := m.root.do(task, abi.TaskStart, &abi.Args{W: [abi.ArgWords]uint64{number}})
	if status != abi.StatusOK {
		m.pending.Delete(id)
	}
	return status
}

// equip gives a new instance what is its own and what was granted.
//
// Preconditions:
//   - c.mu is held, and the instance does not run yet
func (c *cell) equip(i *instance) abi.Status {
	if c.endpoint != 0 {
		if status := i.restore(); status != abi.StatusOK {
			return status
		}
	}
	own := abi.Whole(abi.RightInvoke | abi.RightWrite | abi.RightManage | abi.RightInspect | abi.RightDerive)
	h, status := c.m.root.give(i.task, i.budget, own)
	if status != abi.StatusOK {
		return status
	}
	i.names[nameBudget] = h
	for _, g := range c.grants {
		if err := c.apply(i, g); err != nil {
			c.logs.remark("the grant " + g.Name + " could not be given again: " + err.Error())
			i.refusals[g.Name] = true
		}
	}
	for _, r := range i.image.manifest.Requests {
		if _, granted := i.names[r.Name]; !granted {
			c.withhold(i, &r)
		}
	}
	return abi.StatusOK
}

// withhold gives a capability without rights for what was asked for and not
// granted, so that what the program tries with it is refused by the kernel and
// on record. Where there is no such object, the name itself is refused.
func (c *cell) withhold(i *instance, r *capsulemanifest.Request) {
	i.refusals[r.Name] = true
	if r.Kind != capsulemanifest.KindEndpoint && r.Kind != capsulemanifest.KindRegion {
		return // there is one way to use it: the name says all, and programs can do without
	}
	base, status := c.m.source(c, &target{kind: r.Kind, of: r.Of})
	if status != abi.StatusOK {
		return
	}
	none := abi.Whole(0)
	if h, status := c.m.root.give(i.task, base, none); status == abi.StatusOK {
		i.names[r.Name] = h
	}
}

// restore gives an instance the right to serve at the capsule's endpoint, from
// a capability that can be revoked alone. The names of an instance that runs
// are changed under its lock.
func (i *instance) restore() abi.Status {
	root := i.cell.m.root
	const rights = abi.RightInvoke | abi.RightSend | abi.RightReceive | abi.RightInspect | abi.RightDerive | abi.RightGrant
	mail, status := root.mint(i.cell.endpoint, abi.Whole(rights))
	if status != abi.StatusOK {
		return status
	}
	h, status := root.give(i.task, mail, abi.Whole(rights))
	if status != abi.StatusOK {
		root.drop(mail)
		return status
	}
	i.mu.Lock()
	i.mail, i.endpoint = mail, h
	i.names[nameSelf] = h
	i.mu.Unlock()
	return abi.StatusOK
}

// retire takes from an instance the right to serve. What it is serving it
// finishes.
func (i *instance) retire() {
	i.mu.Lock()
	mail := i.mail
	i.mail = 0
	i.mu.Unlock()
	i.cell.m.root.drop(mail)
}

// start starts the capsule's instance and lets it serve when it can.
func (c *cell) start(frozen *thawed) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startLocked(frozen)
}

// startLocked is start.
//
// Preconditions:
//   - c.mu is held
func (c *cell) startLocked(frozen *thawed) error {
	if c.instance != nil || c.over() {
		return nil
	}
	i, err := c.launch(c.image, frozen)
	if err != nil {
		return err
	}
	c.instance = i
	c.set(control.StateStarting)
	go c.admit(i)
	return nil
}

// admit lets an instance serve as soon as it can.
func (c *cell) admit(i *instance) {
	<-i.ready
	if i.order(nil, nil) != abi.StatusOK {
		return // it has ended
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.instance == i {
		c.set(control.StateServing)
	}
}

// set changes the state.
//
// Preconditions:
//   - c.mu is held
func (c *cell) set(state string) {
	c.state = state
	close(c.changed)
	c.changed = make(chan struct{})
}

// over reports whether the capsule has ended for good.
//
// Preconditions:
//   - c.mu is held
func (c *cell) over() bool {
	return c.state == control.StateDone || c.state == control.StateFailed || c.state == control.StateKilled
}

// ended is told by an instance that nothing of it runs any more.
func (c *cell) ended(i *instance) {
	i.mu.Lock()
	exit := i.exit
	i.mu.Unlock()
	c.logs.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, i)
	if c.instance != i || c.swapping {
		return
	}
	c.instance, c.exit = nil, &exit
	c.expireOnce()
	if c.over() {
		return
	}
	d := c.policy.Ended(c.m.time(), exit)
	if i.hopeless {
		d = supervisor.Decision{Act: supervisor.Failed, Why: "it would fare no better again"}
	}
	c.restarts = c.policy.Restarts()
	switch d.Act {
	case supervisor.Restart:
		c.logs.remark(fmt.Sprintf("ended (%v%s), starts again in %v", exit.Cause, detail(exit), d.At.Sub(c.m.time()).Round(time.Millisecond)))
		c.set(control.StateWaiting)
		c.m.keeper.at(d.At.UnixNano(), c.restart)
	case supervisor.Failed:
		c.logs.remark(fmt.Sprintf("ended (%v%s) and is given up: %s", exit.Cause, detail(exit), d.Why))
		c.close(control.StateFailed)
	case supervisor.Done:
		c.close(control.StateDone)
	}
}

// close ends the capsule for good: callers find nobody.
//
// Preconditions:
//   - c.mu is held, and no instance runs
func (c *cell) close(state string) {
	c.m.forgetObject(c.endpoint)
	c.m.root.drop(c.endpoint)
	for _, g := range c.grants {
		c.withdraw(g)
	}
	c.set(state)
	c.closed.Store(true)
	c.m.saveSoon() // the running set has changed
}

// restart is called by the keeper.
func (c *cell) restart() {
	if err := c.start(nil); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.logs.remark("not started again: " + err.Error())
		c.close(control.StateFailed)
	}
}

// halt ends the capsule without saying that it was killed.
func (c *cell) halt() {
	c.mu.Lock()
	if c.instance == nil && !c.over() {
		c.set(control.StateDone)
	}
	live := slices.Collect(maps.Keys(c.live))
	c.mu.Unlock()
	for _, i := range live {
		i.end(capsule.Exit{Cause: capsule.CauseStopped})
	}
}

// kill ends the capsule for good, and waits until nothing of it runs.
func (c *cell) kill(ctx context.Context) error {
	c.mu.Lock()
	i := c.instance
	if c.swapping {
		c.mu.Unlock()
		return refused("kill "+c.name+" while it is reloaded or frozen", abi.StatusBusy)
	}
	if c.over() {
		c.mu.Unlock()
		return &control.Error{Code: abi.StatusState.Name(), Message: c.name + " does not run", Remedy: "'phi ps' shows what does"}
	}
	if i == nil {
		c.close(control.StateKilled)
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	c.logs.remark("killed")
	i.end(capsule.Exit{Cause: capsule.CauseStopped})
	select {
	case <-i.done:
	case <-ctx.Done():
		return cancelled()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == control.StateDone {
		c.set(control.StateKilled)
	}
	return nil
}

// wait waits until no instance is left, or the machine's clock shows the
// deadline.
func (c *cell) wait(deadline int64) {
	machine := c.m.node.Machine()
	parker := machine.NewParker()
	for machine.Now() < deadline {
		c.mu.Lock()
		left := len(c.live)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		parker.Park(machine.Now() + retryNS)
	}
}

// settled waits until the capsule serves or has ended for good.
func (c *cell) settled(ctx context.Context) error {
	for {
		c.mu.Lock()
		done, changed := c.over() || c.state == control.StateServing, c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cancelled()
		}
	}
}

// keepLetter keeps the message that an instance had in hand when it was lost,
// for the next one. One that ended by its own doing may have done so for the
// message, which would end the next one too: it is dropped, and that is said.
func (c *cell) keepLetter(i *instance, m *abi.Message) {
	i.mu.Lock()
	cause := i.exit.Cause
	i.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.swapping {
		cause = capsule.CauseLost // another program serves it: the old one
	}
	if cause != capsule.CauseLost && cause != capsule.CauseStopped {
		c.logs.remark("the message that it ended with is dropped")
		return
	}
	kept := *m
	c.letter = &kept
}

func (c *cell) takeLetter() *abi.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.letter
	c.letter = nil
	return m
}

// time is the machine's clock as a time that the supervisor's policy counts.
func (m *Manager) time() time.Time { return time.Unix(0, m.node.Machine().Now()) }

// detail is how an exit is told of.
func detail(e capsule.Exit) string {
	switch {
	case e.Detail != "":
		return ": " + e.Detail
	case e.Cause == capsule.CauseReturned:
		return fmt.Sprintf(" with code %d", e.Code)
	default:
		return ""
	}
}

func cancelled() error {
	return &control.Error{Code: control.CodeCancelled, Message: "the asker went away"}
}
