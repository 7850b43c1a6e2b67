package capability

import (
	"fmt"
	"time"

	"phios/abi"
	"phios/internal/schedule"
	kernel "phios/kernel/capability"
	"phios/kernel/gate"
	"phios/platform/sim"
)

// Scenario is one check that is no search of states: a dialogue, or every
// schedule of a few threads.
type Scenario struct {
	Name      string  `json:"name"`
	Schedules int     `json:"schedules,omitempty"`
	Seconds   float64 `json:"seconds"`
	Violation string  `json:"violation,omitempty"`
}

// schedulesMax bounds the schedules of one scenario.
const schedulesMax = 20_000

// theatre is a simulated machine whose schedule is chosen by an enumeration. A
// thread that waits for another in a loop lets that one go on: else the first
// schedule would be that in which it waits for ever.
type theatre struct {
	*sim.Machine
	waits bool
}

func newTheatre(orders *sim.Schedules) *theatre {
	t := &theatre{}
	t.Machine = sim.New(sim.Config{StepsMax: 100_000, Chooser: func(n int) int {
		if !t.waits {
			return orders.Choose(n)
		}
		t.waits = false
		if n == 2 {
			return 1
		}
		return 1 + orders.Choose(n-1)
	}})
	return t
}

// Relax lets another thread go on.
func (t *theatre) Relax() {
	t.waits = true
	t.Yield()
	t.waits = false
}

// scene is a scenario before it runs. A dialogue makes its threads none.
type scene struct {
	name string
	// play sets the scene on a machine: the threads, and what to look at when
	// they have ended.
	play func(m *theatre) (threads []func(), judge func() string)
}

func scenes() []scene {
	return []scene{
		{"a refusal is recorded, and a right that lacks is missed", playRefusal},
		{"a reply is given once", playReply},
		{"an answer does not pass through a revoked capability", playHandler},
		{"whoever is below a dead task is dead", playFamily},
		{"an operation under way is waited for", playFence},
		{"lookup beside revoke", playLookup},
		{"mint beside revoke", playMint},
		{"grant beside delete", playGrant},
		{"lookup beside reclaim", playReclaim},
		{"send beside revoke", playSend},
		{"signal beside revoke", playSignal},
		{"creation beside revoke", playCreate},
		{"reply beside revoke", playReplyRevoke},
	}
}

// runScenarios plays each scene in every order of its threads. Where threads
// may be overtaken is marked in the kernel, but only builds with the tag
// invariants or mutants stop at the marks; the ordinary build switches where
// threads wait.
func runScenarios() []Scenario {
	var list []Scenario
	for _, s := range scenes() {
		list = append(list, s.run(schedulesMax))
	}
	return list
}

func (s scene) run(limit int) (result Scenario) {
	begun := time.Now()
	result.Name = s.name
	defer func() {
		schedule.Install(nil)
		if cause := recover(); cause != nil {
			result.Violation = "tree well-formed: " + panicText(cause)
		}
		result.Seconds = time.Since(begun).Seconds()
	}()
	var orders sim.Schedules
	for again := true; again && result.Schedules < limit; again = orders.Next() {
		result.Schedules++
		m := newTheatre(&orders)
		threads, judge := s.play(m)
		schedule.Install(m.Yield)
		for i, body := range threads {
			m.Go(fmt.Sprintf("thread %d", i), body)
		}
		if len(threads) > 0 {
			if r := m.Run(); !r.OK() {
				result.Violation = fmt.Sprintf("no end: waiting %v, running %v, panic %v %s", r.Deadlock, r.Running, r.Panic, r.PanicOf)
				return result
			}
		}
		schedule.Install(nil)
		if result.Violation = judge(); result.Violation != "" {
			return result
		}
	}
	return result
}

// quietly does something without stopping at the marks: some are passed with a
// lock held, and whoever was let in there could want it. The others stop at
// theirs, so it still comes at each of them.
func quietly(m *theatre, act func()) {
	schedule.Install(nil)
	act()
	schedule.Install(m.Yield)
}

// pair is a derivation tree with an original at one task and a copy of it at
// another.
type pair struct {
	tree     *kernel.Tree
	a, b     *kernel.Space
	object   *kernel.Object
	root     abi.Handle
	copy     abi.Handle
	revoked  bool
	violated string
}

func newPair(m *theatre) *pair {
	p := &pair{tree: kernel.New(m, kernel.Limits{Nodes: 16, Objects: 2, Spaces: 2, Generations: 8})}
	p.a, _ = p.tree.NewSpace(1, 4)
	p.b, _ = p.tree.NewSpace(2, 4)
	p.object, _ = p.tree.NewObject(abi.ObjectNotification, nil)
	p.root, _ = p.tree.Original(p.a, p.object, kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()})
	m1 := abi.Whole(wide)
	p.copy, _ = p.tree.Derive(p.a, p.root, &m1, p.b, nil)
	return p
}

func (p *pair) revoke() {
	_ = p.tree.Revoke(p.a, p.root)
	p.revoked = true
}

// dead judges that a handle of task b means nothing, and the tree.
func (p *pair) dead(h abi.Handle) string {
	if _, status := p.b.Lookup(h, 0); status == abi.StatusOK {
		return "no effect after revoke: a capability outlived what it came from"
	}
	return first(p.violated, p.tree.Check())
}

// playFence: between Enter and Leave a thread lets others run, as a processor
// would that is interrupted.
func playFence(m *theatre) ([]func(), func() string) {
	p := newPair(m)
	act := func() {
		r, status := p.b.Lookup(p.copy, 0)
		if status != abi.StatusOK {
			return
		}
		m.Yield()
		if !r.Enter() {
			return
		}
		m.Yield()
		if p.revoked {
			p.violated = "no effect after revoke: an operation under way took effect"
		}
		r.Leave()
	}
	return []func(){act, p.revoke}, func() string { return p.dead(p.copy) }
}

func playLookup(m *theatre) ([]func(), func() string) {
	p := newPair(m)
	look := func() {
		for range 2 {
			late := p.revoked
			if _, status := p.b.Lookup(p.copy, 0); late && status == abi.StatusOK {
				p.violated = "no effect after revoke: a dead handle was accepted"
			}
			m.Yield()
		}
	}
	return []func(){look, p.revoke}, func() string { return p.dead(p.copy) }
}

func playMint(m *theatre) ([]func(), func() string) {
	p := newPair(m)
	var made abi.Handle
	mint := func() {
		_, _ = p.b.Lookup(p.copy, abi.RightDerive)
		m.Yield()
		w := abi.Whole(wide)
		made, _ = p.tree.Derive(p.b, p.copy, &w, p.b, nil)
	}
	return []func(){mint, p.revoke}, func() string { return first(p.dead(made), p.dead(p.copy)) }
}

func playGrant(m *theatre) ([]func(), func() string) {
	p := newPair(m)
	var made abi.Handle
	grant := func() {
		_, _ = p.a.Lookup(p.root, abi.RightGrant)
		m.Yield()
		w := abi.Whole(wide)
		made, _ = p.tree.Derive(p.a, p.root, &w, p.b, nil)
	}
	remove := func() { m.Yield(); _ = p.tree.Delete(p.a, p.root) }
	return []func(){grant, remove}, func() string { return first(p.dead(made), p.dead(p.copy)) }
}

func playReclaim(m *theatre) ([]func(), func() string) {
	p := newPair(m)
	look := func() {
		for range 3 {
			if _, status := p.a.Lookup(p.root, 0); status != abi.StatusOK {
				p.violated = "reclaim is silent: a live handle was refused"
			}
			late := p.revoked
			if _, status := p.b.Lookup(p.copy, 0); late && status == abi.StatusOK {
				p.violated = "reclaim is silent: a dead handle was accepted"
			}
		}
	}
	reclaim := func() {
		p.revoke()
		p.tree.Reclaim(1)
		m.Yield()
		w := abi.Whole(wide) // the slot and the node are used again
		_, _ = p.tree.Derive(p.a, p.root, &w, p.b, nil)
	}
	return []func(){look, reclaim}, func() string { return p.dead(p.copy) }
}

// stage is a gate world for threads: an endpoint and a notification of task 0,
// and task 1's ways to them.
type stage struct {
	*gateWorld
	endpoint, signal   abi.Handle
	door, bell         abi.Handle
	revoked            bool
	violated           string
	sent, rung, called abi.Status
}

func newStage(m *theatre) *stage {
	s := &stage{gateWorld: newGateWorldOn(m, 32, 64, 8, 8, 8)}
	a := abi.Args{W: [6]uint64{4}, Label: abi.LabelTop()}
	s.must(0, s.budgets[0], abi.EndpointCreate, &a)
	s.endpoint = abi.Handle(a.W[0])
	a = abi.Args{}
	s.must(0, s.budgets[0], abi.NotificationCreate, &a)
	s.signal = abi.Handle(a.W[0])
	w := abi.Whole(abi.RightInvoke | abi.RightSend)
	s.door, _ = s.kernel.BootGrant(s.tasks[0], s.endpoint, s.tasks[1], &w)
	s.bell, _ = s.kernel.BootGrant(s.tasks[0], s.signal, s.tasks[1], &w)
	return s
}

// drain counts the messages that are there.
func (s *stage) drain() (n int) {
	for s.call(0, s.endpoint, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: 1}}) == abi.StatusOK {
		n++
	}
	return n
}

func playSend(m *theatre) ([]func(), func() string) {
	s := newStage(m)
	send := func() {
		for range 2 {
			s.sent = s.call(1, s.door, abi.EndpointSend, &abi.Args{Message: &abi.Message{}})
		}
	}
	revoke := func() {
		quietly(m, func() {
			_ = s.call(0, s.endpoint, abi.CapRevoke, &abi.Args{})
			s.drain()
		})
	}
	return []func(){send, revoke}, func() string {
		if s.drain() > 0 || s.call(1, s.door, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}) == abi.StatusOK {
			return "no effect after revoke: a message arrived"
		}
		return s.sound()
	}
}

func playSignal(m *theatre) ([]func(), func() string) {
	s := newStage(m)
	poll := func() uint64 {
		a := abi.Args{W: [6]uint64{1}}
		_ = s.call(0, s.signal, abi.NotificationPoll, &a)
		return a.W[0]
	}
	ring := func() { s.rung = s.call(1, s.bell, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}) }
	revoke := func() {
		quietly(m, func() { _ = s.call(0, s.signal, abi.CapRevoke, &abi.Args{}); poll() })
	}
	return []func(){ring, revoke}, func() string {
		if poll() != 0 {
			return "no effect after revoke: a signal arrived"
		}
		return s.sound()
	}
}

// playCreate lets task 1 make something on a budget that is being taken from
// it: what is held when the revocation has returned does not grow any more.
func playCreate(m *theatre) ([]func(), func() string) {
	s := newStage(m)
	w := abi.Whole(abi.RightInvoke | abi.RightWrite)
	purse, _ := s.kernel.BootGrant(s.tasks[0], s.budgets[0], s.tasks[1], &w)
	held := func() uint64 {
		a := abi.Args{W: [6]uint64{1}}
		_ = s.call(0, s.budgets[0], abi.BudgetInspect, &a)
		return a.W[abi.ResourceMemory]
	}
	before := held()
	after, created := before, abi.StatusEmpty
	create := func() { created = s.call(1, purse, abi.NotificationCreate, &abi.Args{}) }
	revoke := func() {
		quietly(m, func() { _ = s.call(0, s.budgets[0], abi.CapRevoke, &abi.Args{}); after = held() })
	}
	return []func(){create, revoke}, func() string {
		switch {
		case held() != after:
			return "no effect after revoke: something was created"
		case created == abi.StatusOK && after == before:
			return "answers: what was created is not held"
		}
		return s.sound()
	}
}

func playReplyRevoke(m *theatre) ([]func(), func() string) {
	s := newStage(m)
	replied := abi.StatusEmpty
	call := func() { s.called = s.call(1, s.door, abi.EndpointCall, &abi.Args{Message: &abi.Message{}}) }
	serve := func() {
		msg := abi.Message{Deadline: 1 << 40}
		if s.call(0, s.endpoint, abi.EndpointReceive, &abi.Args{Message: &msg}) != abi.StatusOK {
			return
		}
		late := s.revoked
		replied = s.call(0, msg.Reply, abi.EndpointReply, &abi.Args{Message: &abi.Message{}})
		if late && replied == abi.StatusOK {
			s.violated = "no effect after revoke: a call was answered"
		}
	}
	revoke := func() {
		quietly(m, func() { _ = s.call(0, s.endpoint, abi.CapRevoke, &abi.Args{}) })
		s.revoked = true
	}
	return []func(){call, serve, revoke}, func() string {
		if s.called == abi.StatusOK && replied != abi.StatusOK {
			return "answers: a call was answered by nobody"
		}
		return first(s.violated, s.sound())
	}
}

// dialogue wraps what needs no threads.
func dialogue(judge func() string) ([]func(), func() string) { return nil, judge }

func playRefusal(m *theatre) ([]func(), func() string) {
	return dialogue(func() string {
		s := newStage(m)
		before := s.log.records
		if s.call(1, s.door, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: 1}}) != abi.StatusRights {
			return "monotone rights: a call succeeded without the right that it needs"
		}
		if s.log.records == before {
			return "answers: a refusal is not in the journal"
		}
		return ""
	})
}

func playReply(m *theatre) ([]func(), func() string) {
	s := newStage(m)
	serve := func() {
		msg := abi.Message{}
		_ = s.call(0, s.endpoint, abi.EndpointReceive, &abi.Args{Message: &msg})
		_ = s.call(0, msg.Reply, abi.EndpointReply, &abi.Args{Message: &abi.Message{}})
		if status := s.call(0, msg.Reply, abi.EndpointReply, &abi.Args{Message: &abi.Message{}}); bit(status)&gone == 0 {
			s.violated = "no resurrection: a reply capability was used twice (" + status.Name() + ")"
		}
	}
	call := func() { s.called = s.call(1, s.door, abi.EndpointCall, &abi.Args{Message: &abi.Message{}}) }
	return []func(){call, serve}, func() string {
		if s.called != abi.StatusOK {
			return "answers: a call was not answered (" + s.called.Name() + ")"
		}
		return s.violated
	}
}

// betrayer is a server that revokes its caller's capability while it serves.
type betrayer struct{ stage *stage }

func (b betrayer) Serve(p *gate.Port, m *abi.Message) abi.Status {
	_ = p.Invoke(b.stage.endpoint, abi.CapRevoke, &abi.Args{})
	m.Words[0] = 99
	return abi.StatusOK
}

func playHandler(m *theatre) ([]func(), func() string) {
	return dialogue(func() string {
		s := newStage(m)
		_ = s.tasks[0].Serve(s.endpoint, betrayer{s}, false)
		msg := abi.Message{}
		if s.call(1, s.door, abi.EndpointCall, &abi.Args{Message: &msg}) != abi.StatusRevoked || msg.Words[0] == 99 {
			return "no effect after revoke: an answer passed through a dead capability"
		}
		return ""
	})
}

// playFamily makes more tasks below one than a slice of tidying sees to, and
// one below each of them.
func playFamily(m *theatre) ([]func(), func() string) {
	return dialogue(func() string {
		const below = 20
		w := newGateWorldOn(m, 256, 64, 8, 8)
		child, h, budget := w.spawn(w.tasks[0], w.budgets[0], below+8)
		var family []*gate.Port
		for range below {
			second, _, purse := w.spawn(child, budget, 4)
			third, _, _ := w.spawn(second, purse, 2)
			family = append(family, second, third)
		}
		_ = w.tasks[0].Invoke(h, abi.TaskKill, &abi.Args{})
		for _, p := range family {
			if p.Invoke(abi.MakeHandle(0, 1), abi.CapInspect, &abi.Args{}) != abi.StatusKilled {
				return "no effect after revoke: a task runs below a dead one"
			}
		}
		return ""
	})
}

// spawn lets a task make another, give it the budget and start it.
func (w *gateWorld) spawn(p *gate.Port, budget abi.Handle, slots uint64) (made *gate.Port, task, purse abi.Handle) {
	all := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
	a := abi.Args{W: [6]uint64{slots}}
	_ = p.Invoke(budget, abi.TaskCreate, &a)
	task = abi.Handle(a.W[0])
	a = abi.Args{W: [6]uint64{uint64(budget)}, Mint: &all}
	_ = p.Invoke(task, abi.TaskGrant, &a)
	purse = abi.Handle(a.W[0])
	_ = p.Invoke(task, abi.TaskStart, &abi.Args{})
	return w.started.started[len(w.started.started)-1], task, purse
}
