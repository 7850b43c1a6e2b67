package capsules

import (
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/capsule"
	"phios/kernel/gate"
	"phios/platform/host"
	"phios/platform/host/jail"
	"phios/system"
)

// programCapsule is what the kernel calls the program of every capsule.
const programCapsule = "capsule"

// retryNS is how long an instance waits for another to let go of the mailbox.
const retryNS = 1_000_000

// instance is one life of a capsule: a task, and the program in it.
type instance struct {
	cell  *cell
	image *image
	// task, budget and mail are the supervisor's capabilities to what the
	// instance has; mail is that from which its right to receive derives.
	task, budget abi.Handle
	taskID       uint64
	since        int64
	frozen       io.Reader

	port   *gate.Port // its own goroutine's
	direct door       // of whoever has the turn, and is not its own goroutine
	turn   turn
	served atomic.Uint64
	// hopeless says that another instance would fare no better. It is read when
	// the instance has ended.
	hopeless bool

	ready  chan struct{} // closed when the program serves, or has ended
	orders chan order    // one: whoever gives one waits for its answer
	gone   chan struct{} // closed when the instance is to end
	done   chan struct{} // closed when nothing of it is left

	mu       sync.Mutex
	program  capsule.Program       // guarded by mu: nil before it was started
	names    map[string]abi.Handle // guarded by mu: what was granted
	refusals map[string]bool       // guarded by mu: names asked for and not granted
	mail     abi.Handle            // guarded by mu
	endpoint abi.Handle            // guarded by mu: its own handle to receive by
	ended    bool                  // guarded by mu
	exit     capsule.Exit          // guarded by mu until done
	final    capsule.Usage         // guarded by mu: when the program is closed
}

// order tells an instance's goroutine what to do next.
type order struct {
	probe *abi.Message // answer this message; nil says: serve
	done  chan abi.Status
}

// runCapsule is the goroutine of a capsule's task.
func (m *Manager) runCapsule(t *system.Task) uint64 {
	v, ok := m.pending.LoadAndDelete(t.Port.TaskID())
	i, mine := v.(*instance)
	if !ok || !mine {
		return 1 // only the manager starts this program
	}
	exit := i.run(t)
	i.finish(exit)
	return uint64(exit.Code)
}

// run is the instance's life up to its end.
func (i *instance) run(t *system.Task) capsule.Exit {
	i.port, i.direct.instance = t.Port, i
	program, err := i.cell.m.tiers.ByName[i.image.manifest.Tier].Start(i.spec(t))
	if err != nil {
		_, missing := errors.AsType[*jail.WallError](err)
		i.hopeless = missing
		return capsule.Exit{Cause: capsule.CauseLost, Detail: "not started: " + err.Error()}
	}
	i.mu.Lock()
	i.program = program
	ended := i.ended
	i.mu.Unlock()
	if ended {
		program.Stop()
	}
	if status := i.adopt(program); status != abi.StatusOK {
		return capsule.Exit{Cause: capsule.CauseLost, Detail: "no address space: " + status.Error()}
	}
	exit := program.Run()
	if !exit.OK() || !program.Serves() || i.cell.endpoint == 0 {
		return exit
	}
	close(i.ready)
	i.obey(t)
	if exit, ended := program.Ended(); ended {
		return exit
	}
	return capsule.Exit{Cause: capsule.CauseStopped}
}

// adopt lets the program's memory be the task's.
func (i *instance) adopt(p capsule.Program) abi.Status {
	g, ok := p.(guested)
	if !ok || g.Guest() == nil {
		return abi.StatusOK
	}
	machine, ok := i.cell.m.node.Machine().(*host.Machine)
	if !ok {
		return abi.StatusUnsupported
	}
	space, status := machine.NewGuest(g.Guest())
	if status != abi.StatusOK {
		return status
	}
	if status = i.port.AdoptOffered(space); status != abi.StatusOK {
		machine.FreeSpace(space)
	}
	return status
}

// obey does what the cell says until the instance is to end.
func (i *instance) obey(t *system.Task) {
	for {
		select {
		case <-i.gone:
			return
		case o := <-i.orders:
			if o.probe != nil {
				o.done <- i.pass(&door{instance: i, port: t.Port}, o.probe)
				continue
			}
			i.listen(t, o.done)
		}
	}
}

// listen serves: calls run on their callers' goroutines, and what lies in the
// mailbox on this one. It returns when the instance has lost the mailbox.
func (i *instance) listen(t *system.Task, begun chan<- abi.Status) {
	i.mu.Lock()
	endpoint := i.endpoint
	i.mu.Unlock()
	status := t.ServeProgram(endpoint, i)
	begun <- status
	if status != abi.StatusOK {
		return
	}
	parker := i.cell.m.node.Machine().NewParker()
	if letter := i.cell.takeLetter(); letter != nil {
		i.answer(t.Port, letter)
	}
	for {
		var m abi.Message
		switch t.Port.Invoke(endpoint, abi.EndpointReceive, &abi.Args{Message: &m}) { //nolint:exhaustive // the others are waited out
		case abi.StatusOK:
			i.answer(t.Port, &m)
		case abi.StatusRevoked, abi.StatusBadHandle, abi.StatusKilled, abi.StatusPeerDead:
			return
		default: // the instance before lets go soon; a full table is made room in
			parker.Park(i.cell.m.node.Machine().Now() + retryNS)
		}
	}
}

// answer serves one message of the mailbox.
func (i *instance) answer(p *gate.Port, m *abi.Message) {
	sent := *m
	reply := m.Reply
	status := i.pass(&door{instance: i, port: p}, m)
	if status == abi.StatusPeerDead && reply == 0 && sent.HandleCount == 0 {
		i.cell.keepLetter(i, &sent)
	}
	if reply == 0 {
		return
	}
	if status == abi.StatusOK {
		m.Reply, m.Deadline, m.Label = 0, 0, abi.Label{}
		status = p.Invoke(reply, abi.EndpointReply, &abi.Args{Message: m})
	}
	if status != abi.StatusOK {
		_ = p.Refuse(reply, status) // a caller that left is not the server's trouble
	}
}

// Serve answers a call on its caller's goroutine.
func (i *instance) Serve(q *gate.Port, m *abi.Message) abi.Status {
	if !i.turn.take(i.gone) {
		return abi.StatusPeerDead
	}
	defer i.turn.pass()
	i.direct.port = q
	return i.serve(&i.direct, m)
}

// pass takes a turn and serves.
func (i *instance) pass(d *door, m *abi.Message) abi.Status {
	if !i.turn.take(i.gone) {
		return abi.StatusPeerDead
	}
	defer i.turn.pass()
	return i.serve(d, m)
}

// serve passes a message to the program. Whoever calls it has the turn.
func (i *instance) serve(d *door, m *abi.Message) abi.Status {
	status := i.program.Serve(d, m)
	i.served.Add(1)
	if status != abi.StatusPeerDead {
		return status
	}
	if exit, ended := i.program.Ended(); ended {
		i.end(exit)
	}
	return status
}

// end begins the end of the instance, for the reason that comes first. It does
// not wait, and may be called from anywhere.
func (i *instance) end(exit capsule.Exit) {
	i.mu.Lock()
	if i.ended {
		i.mu.Unlock()
		return
	}
	i.ended, i.exit = true, exit
	program := i.program
	i.mu.Unlock()
	close(i.gone)
	if program != nil {
		program.Stop()
	}
	_ = i.cell.m.root.do(i.task, abi.TaskKill, &abi.Args{}) // it may be dead already
}

// finish gives back what the instance had, when its goroutine has left the
// program, and tells the cell.
func (i *instance) finish(exit capsule.Exit) {
	i.end(exit)
	i.turn.take(nil) // kept: nobody enters again
	i.mu.Lock()
	program, mail := i.program, i.mail
	if program != nil {
		i.final = program.Usage()
	}
	i.mu.Unlock()
	if program != nil {
		program.Close()
	}
	m := i.cell.m
	m.root.drop(mail)
	m.root.drop(i.task, i.budget)
	m.forgetTask(i.taskID)
	i.cell.ended(i)
	close(i.done)
	select {
	case <-i.ready:
	default:
		close(i.ready)
	}
}

// order gives the instance's goroutine an order and returns how it went:
// StatusPeerDead when the instance ends first, StatusTimeout.
func (i *instance) order(probe *abi.Message, within <-chan struct{}) abi.Status {
	o := order{probe: probe, done: make(chan abi.Status, 1)} // one: the answer to one order
	select {
	case i.orders <- o:
	case <-i.gone:
		return abi.StatusPeerDead
	case <-within:
		return abi.StatusTimeout
	}
	select {
	case status := <-o.done:
		return status
	case <-i.gone:
		return abi.StatusPeerDead
	case <-within:
		return abi.StatusTimeout
	}
}

// usage says what the instance takes now, or took.
func (i *instance) usage() capsule.Usage {
	select {
	case <-i.done:
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.final
	default:
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.program == nil {
		return capsule.Usage{}
	}
	if i.ended {
		return i.final
	}
	return i.program.Usage()
}

// spec is what the instance's tier is told.
func (i *instance) spec(t *system.Task) capsule.Spec {
	c, man := i.cell, i.image.manifest
	arguments := man.Arguments
	if c.options.Arguments != nil {
		arguments = c.options.Arguments
	}
	var environment []string
	for _, name := range slices.Sorted(maps.Keys(man.Environment)) {
		environment = append(environment, name+"="+man.Environment[name])
	}
	domain := man.Domain
	if domain == "" {
		domain = "capsule/" + c.name
	}
	return capsule.Spec{
		Name: c.name, Image: i.image.module, Command: man.Command, Folder: i.image.folder,
		Door: &door{instance: i, port: t.Port}, Argument: c.options.Argument,
		Args: append([]string{c.name}, arguments...), Env: environment,
		MemoryBytesMax: i.image.budget()[abi.ResourceMemory], Output: c.logs.write,
		Domain: domain, Require: i.image.require(), Frozen: i.frozen,
	}
}

// require are the walls without which the program does not start.
func (i *image) require() capsule.Walls {
	if i.manifest.Tier == capsule.TierInline {
		return capsule.WallSandbox
	}
	walls := capsule.WallsProcess
	for _, name := range i.manifest.WallsMissing {
		wall, _ := capsule.ParseWall(name) // the manifest was checked
		walls &^= wall
	}
	return walls
}
