package sim

import (
	"runtime"
	"runtime/debug"

	"phios/internal/invariant"
	"phios/platform"
)

// program is one thread of control of a Run.
type program struct {
	name   string
	body   func()
	turn   chan struct{} // passes the token to this program; nobody closes it
	number int

	started  bool
	ended    bool
	parked   *parker // what it waits on, nil when it can run
	deadline int64   // while parked: zero is none
	woken    bool    // while parked: a spurious wake-up is due
}

// Report says how a Run ended.
type Report struct {
	// Steps is the number of times that the schedule was decided.
	Steps uint64
	// Time is the virtual time at the end, in nanoseconds.
	Time int64
	// Deadlock names the programs that waited without a deadline when nobody
	// was left to wake them; nil when all ended.
	Deadlock []string
	// Running names the programs that were still running when Run gave up
	// after StepsMax steps; nil when it did not.
	Running []string
	// Panic is what a program panicked with, nil for none, and PanicOf which
	// program it was and where.
	Panic   any
	PanicOf string
}

// OK reports whether all programs ended by themselves.
func (r Report) OK() bool {
	return r.Deadlock == nil && r.Running == nil && r.Panic == nil
}

// Go adds a program. It begins to run when the schedule first picks it, in
// this Run when one is under way and in the next otherwise.
func (m *Machine) Go(name string, body func()) {
	invariant.Always(len(m.programs) < ProgramsMax, "platform/sim: too many programs")
	m.programs = append(m.programs, &program{
		name: name, body: body, turn: make(chan struct{}), number: len(m.programs),
	})
}

// Together runs the programs to their ends and stops the test program when
// they do not come to them. Programs are named by number.
func (m *Machine) Together(programs ...func()) {
	for i, body := range programs {
		m.Go("program "+decimal(uint64(i)), body)
	}
	report := m.Run()
	invariant.Always(report.Panic == nil, "platform/sim: panic in "+report.PanicOf)
	invariant.Always(report.OK(), "platform/sim: the programs did not end")
}

// Run runs all programs until each has ended, until those that have not wait
// for nothing, until one panics or until StepsMax. Programs that have not
// ended are then ended where they wait: their deferred calls run, in which
// Park and Yield end them again.
func (m *Machine) Run() Report {
	invariant.Always(m.current == nil, "platform/sim: Run within Run")
	m.report = Report{}
	m.ending = false
	m.done = make(chan struct{})
	if next := m.pick(nil); next != nil {
		m.resume(next)
		<-m.done
	}
	m.endAll()
	m.current = nil
	m.programs = nil
	m.report.Time = m.now
	return m.report
}

// endAll lets each program that is left unwind, one after the other.
func (m *Machine) endAll() {
	m.ending = true
	for _, p := range m.programs { // unwinding may add some, which never start
		if p.started && !p.ended {
			m.resume(p)
			<-m.done
		}
	}
}

// Yield lets the schedule pick who goes on. Outside Run it only takes time.
func (m *Machine) Yield() {
	if m.current == nil {
		m.step()
		return
	}
	m.pass("yield")
}

// Relax is Yield under the name that the kernel knows.
func (m *Machine) Relax() { m.Yield() }

// pass ends a step of the current program, and returns when it is picked
// again.
func (m *Machine) pass(event string) {
	self := m.current
	if m.ending {
		runtime.Goexit()
	}
	m.trace.add(m.now, self, event)
	next := m.pick(self)
	if next == self {
		return
	}
	if next == nil {
		m.finish()
	} else {
		m.resume(next)
	}
	<-self.turn
	if m.ending {
		runtime.Goexit()
	}
}

// resume gives the token to a program.
func (m *Machine) resume(p *program) {
	m.current = p
	if p.started {
		p.turn <- struct{}{}
		return
	}
	p.started = true
	go m.live(p)
}

// live is the life of a program's goroutine.
func (m *Machine) live(p *program) {
	defer m.leave(p)
	p.body()
}

// leave ends a program and passes the token on. A panic is kept for the report
// and not passed on, because the report must reach the test, with the seed.
func (m *Machine) leave(p *program) {
	//nolint:revive // defer: leave is deferred, by live and by nobody else
	if cause := recover(); cause != nil && m.report.Panic == nil {
		m.report.Panic = cause
		m.report.PanicOf = p.name + "\n" + string(debug.Stack())
	}
	p.ended = true
	p.parked = nil
	if m.ending {
		m.finish()
		return
	}
	m.trace.add(m.now, p, "end")
	if m.report.Panic != nil {
		m.finish()
		return
	}
	if next := m.pick(nil); next != nil {
		m.resume(next)
		return
	}
	m.finish()
}

// finish gives the token back to Run.
func (m *Machine) finish() { m.done <- struct{}{} }

// pick decides who runs next, self being the one that runs now; nil means that
// the run is over, and the report says why.
func (m *Machine) pick(self *program) *program {
	m.step()
	m.report.Steps++
	if m.report.Steps > m.config.StepsMax {
		m.report.Running = m.names(func(p *program) bool { return !p.ended })
		return nil
	}
	m.wakeSpuriously()
	if !m.collect(self) && !m.advance(self) {
		m.report.Deadlock = m.names(func(p *program) bool { return !p.ended })
		return nil
	}
	i := 0
	if n := len(m.ready); n > 1 {
		i = m.choose(n)
	}
	next := m.ready[i]
	m.ready = m.ready[:0]
	return next
}

func (m *Machine) choose(n int) int {
	if m.config.Chooser == nil {
		return int(m.picks.Below(uint64(n))) //nolint:gosec // G115: below n
	}
	i := m.config.Chooser(n)
	invariant.Always(i >= 0 && i < n, "platform/sim: the chooser chose nobody")
	return i
}

// collect lists who can run, self first, and reports whether anyone can.
func (m *Machine) collect(self *program) bool {
	m.ready = m.ready[:0]
	if self != nil && m.canRun(self) {
		m.ready = append(m.ready, self)
	}
	for _, p := range m.programs {
		if p != self && m.canRun(p) {
			m.ready = append(m.ready, p)
		}
	}
	return len(m.ready) > 0
}

func (m *Machine) canRun(p *program) bool {
	return !p.ended && (p.parked == nil || p.woken || m.due(p))
}

// due reports whether a parked program has a reason to go on by now.
func (m *Machine) due(p *program) bool {
	return p.parked.token && p.parked.visible <= m.now || p.deadline != 0 && p.deadline <= m.now
}

// advance moves the time on to when somebody can run and lists who, or reports
// that nobody ever will.
func (m *Machine) advance(self *program) bool {
	next := int64(0)
	for _, p := range m.programs {
		if p.ended {
			continue
		}
		if p.parked.token {
			next = earlier(next, p.parked.visible)
		}
		next = earlier(next, p.deadline)
	}
	if next == 0 {
		return false
	}
	late := int64(m.costs.Below(lateNSMax)) //nolint:gosec // G115: below lateNSMax
	if m.fault(m.config.Faults.EarlyTimeout) {
		late = 0
	}
	m.now = next + late
	return m.collect(self)
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// step takes a little virtual time.
func (m *Machine) step() {
	m.now += 1 + int64(m.costs.Below(stepNSMax)) //nolint:gosec // G115: below stepNSMax
}

// fault reports whether something goes wrong this time.
func (m *Machine) fault(perThousand uint16) bool { return m.faults.Chance(perThousand) }

// wakeSpuriously may make one waiting program go on without reason.
func (m *Machine) wakeSpuriously() {
	if !m.fault(m.config.Faults.SpuriousWake) || len(m.programs) == 0 {
		return
	}
	victim := m.programs[m.faults.Below(uint64(len(m.programs)))]
	victim.woken = victim.parked != nil
}

// names lists the programs for which want holds, in the order they came.
func (m *Machine) names(want func(*program) bool) []string {
	var names []string
	for _, p := range m.programs {
		if want(p) {
			names = append(names, p.name)
		}
	}
	return names
}

// parker lets a program wait. It belongs to nobody: who parks, waits.
type parker struct {
	machine *Machine
	waiter  *program
	token   bool
	visible int64 // when the token reaches one who waits already
}

// NewParker makes a parker for one thread of control.
func (m *Machine) NewParker() platform.Parker { return &parker{machine: m} }

// Park waits until Unpark or until the deadline, see [platform.Parker].
func (p *parker) Park(deadline int64) bool {
	m := p.machine
	if m.current == nil {
		return p.parkAlone(deadline)
	}
	if m.ending {
		runtime.Goexit()
	}
	if p.token {
		p.token = false
		m.pass("park, owed")
		return true
	}
	if deadline != 0 && deadline <= m.now {
		m.pass("park, late")
		token := p.token
		p.token = false
		return token
	}
	invariant.Always(p.waiter == nil, "platform/sim: two programs park on one parker")
	self := m.current
	p.waiter = self
	self.parked, self.deadline, self.woken = p, deadline, false
	m.pass("park")
	p.waiter, self.parked = nil, nil
	return p.wakeUp(self)
}

// wakeUp says why a program that was parked goes on.
func (p *parker) wakeUp(self *program) bool {
	m := p.machine
	late := self.deadline != 0 && self.deadline <= m.now
	if late && self.deadline == m.now && m.fault(m.config.Faults.EarlyTimeout) {
		return false // and the token, if any, is there for the next Park
	}
	if p.token && p.visible <= m.now {
		p.token = false
		return true
	}
	return !late
}

// parkAlone is Park of a test that runs no programs.
func (p *parker) parkAlone(deadline int64) bool {
	m := p.machine
	m.step()
	if p.token {
		p.token = false
		return true
	}
	if m.fault(m.config.Faults.SpuriousWake) {
		return true
	}
	invariant.Always(deadline != 0, "platform/sim: deadlock: parked for ever with nobody to wake it")
	m.now = max(m.now, deadline)
	return false
}

// Unpark lets the present or the next Park return, see [platform.Parker].
func (p *parker) Unpark() {
	m := p.machine
	if !p.token {
		p.token, p.visible = true, m.now
		if delayed := m.fault(m.config.Faults.DelayedUnpark); delayed && p.waiter != nil {
			p.visible += int64(m.faults.Below(delayNSMax)) //nolint:gosec // G115: below delayNSMax
		}
	}
	if m.current != nil && !m.ending && m.config.SwitchAtUnpark {
		m.pass("unpark")
		return
	}
	// The token stays: the kernel unparks with a mutex locked, and whoever ran
	// instead could want it and never pass the token on.
	m.step()
	if m.current != nil {
		m.trace.add(m.now, m.current, "unpark")
	}
}
