package native

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/remote"
	"phios/platform/host"
	"phios/platform/host/jail"
)

const (
	// meterInterval is how often a program's time is taken from its budget.
	meterInterval = 20 * time.Millisecond
	// endWait is how long a program that has let go of its connection has to
	// end by itself.
	endWait = time.Second
)

// Program is a native program. Run and Serve belong to one goroutine at a
// time, the rest to any.
type Program struct {
	spec    capsule.Spec
	process *jail.Process
	session *remote.Session
	guest   *guest
	conn    *conn
	tasks   sync.WaitGroup // what reads its output and meters it

	stopOnce sync.Once
	stopping chan struct{} // closed by the first end

	mu   sync.Mutex
	exit *capsule.Exit // guarded by mu: why the node ended it
	paid uint64        // the meter's: nanoseconds taken from the budget
}

// start starts the process and what looks after it.
func (p *Program) start(config *jail.Config, machine *host.Machine) error {
	ours, theirs, err := connect()
	if err != nil {
		return err
	}
	defer func() { _ = theirs.Close() }() // the program has a copy
	outputs, err := newOutputs()
	if err != nil {
		_ = ours.Close() // nothing was written
		return err
	}
	config.Files = []*os.File{theirs}
	config.Stdout, config.Stderr = outputs[0].w, outputs[1].w
	p.guest = &guest{machine: machine, windows: map[uint64]*window{}, die: p.revoked}
	p.process, err = jail.Start(*config)
	for _, o := range outputs {
		_ = o.w.Close() // the program has a copy
	}
	if err != nil {
		_ = ours.Close() // nothing was written
		for _, o := range outputs {
			_ = o.r.Close() // nothing comes
		}
		return err //nolint:wrapcheck // Start names the capsule
	}
	p.conn = &conn{UnixConn: ours, guest: p.guest}
	p.session = remote.NewSession(remote.NewStream(p.conn), p.spec)
	for i, o := range outputs {
		p.tasks.Go(func() { p.read(i+1, o.r) })
	}
	p.tasks.Go(p.meter)
	return nil
}

// Run runs the program until it serves or has ended.
func (p *Program) Run() capsule.Exit {
	if e := p.session.Run(); e != (capsule.Exit{}) || !p.session.Serves() {
		return p.over()
	}
	return capsule.Exit{}
}

// Serves reports whether the program serves.
func (p *Program) Serves() bool { return p.session.Serves() }

// Serve passes a message to the program's handler.
func (p *Program) Serve(door capsule.Door, m *abi.Message) abi.Status {
	status := p.session.Serve(door, m)
	if status == abi.StatusPeerDead {
		p.over()
	}
	return status
}

// Stop kills the program.
func (p *Program) Stop() { p.end(capsule.Exit{Cause: capsule.CauseStopped, Detail: "it was stopped"}) }

// Close kills the program when it lives, and waits for its end.
func (p *Program) Close() {
	p.Stop()
	p.process.Wait()
	p.tasks.Wait()
	p.guest.close()
}

// Ended returns how the program ended, and whether it has.
func (p *Program) Ended() (capsule.Exit, bool) {
	select {
	case <-p.process.Dead():
		return p.over(), true
	case <-p.stopping:
		return p.over(), true
	default:
		return capsule.Exit{}, false
	}
}

// Usage says what the program takes.
func (p *Program) Usage() capsule.Usage {
	u := p.process.Usage()
	return capsule.Usage{MemoryBytes: u.MemoryBytes, CPUNanoseconds: u.CPUNanoseconds, Calls: p.session.Calls()}
}

// Freeze cannot be done: the state of a process is Linux's as much as its own.
func (p *Program) Freeze(io.Writer) error {
	return fmt.Errorf("capsule %s: a native program cannot be frozen: %w", p.spec.Name, abi.StatusUnsupported)
}

// Walls returns those that stand.
func (p *Program) Walls() capsule.Walls { return capsule.Walls(p.process.Walls()) }

// Guest returns the program's address space, for host.Machine.NewGuest and
// gate.Port.AdoptOffered.
func (p *Program) Guest() host.Guest { return p.guest }

// end kills the program for a reason, unless it is at an end already.
func (p *Program) end(e capsule.Exit) {
	p.stopOnce.Do(func() {
		p.mu.Lock()
		p.exit = &e
		p.mu.Unlock()
		close(p.stopping)
	})
	p.process.Kill()
	p.session.End(e)
}

// revoked ends a program that has a window which has gone, and returns when
// nothing of the program runs.
func (p *Program) revoked() {
	p.end(capsule.Exit{Cause: capsule.CauseStopped, Detail: "a window of its memory was taken away: read and write by calls to live on"})
	<-p.process.Dead()
}

// over waits for the end of a process whose connection has ended, helps when
// it does not come, and says how it was.
func (p *Program) over() capsule.Exit {
	select {
	case <-p.process.Dead():
	case <-p.stopping:
	case <-time.After(endWait): //nolint:forbidigo // a real process takes real time
		p.process.Kill()
	}
	status := p.process.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit != nil {
		return *p.exit
	}
	said, known := p.session.Ended()
	if !known {
		said = p.session.End(capsule.Exit{Cause: capsule.CauseLost})
	}
	switch {
	case status.OutOfMemory:
		return capsule.Exit{Cause: capsule.CauseBudget, Detail: "its memory ran out: give it more, or let it take less"}
	case said.Cause != capsule.CauseLost || !p.conn.ended.Load():
		return said // it said so itself, or broke the protocol
	case status.Signal != 0:
		return capsule.Exit{Cause: capsule.CauseLost, Detail: "signal: " + status.Signal.String()}
	default:
		return capsule.Exit{Cause: capsule.CauseReturned, Code: uint32(status.Code)} //nolint:gosec // G115: 0 to 255
	}
}

// meter takes the time that the program uses from its budget, and ends it when
// that does not cover it or its task is dead.
func (p *Program) meter() {
	tick := time.NewTicker(meterInterval) //nolint:forbidigo // a real process takes real time
	defer tick.Stop()
	for {
		select {
		case <-p.process.Dead():
			return
		case <-tick.C:
		}
		if !p.spec.Door.Alive() {
			p.end(capsule.Exit{Cause: capsule.CauseStopped, Detail: "its task was killed"})
			return
		}
		used := p.process.Usage().CPUNanoseconds
		if used <= p.paid {
			continue
		}
		if p.spec.Door.Charge(abi.ResourceCPU, used-p.paid) != abi.StatusOK {
			p.end(capsule.Exit{Cause: capsule.CauseBudget, Detail: "its processor time ran out"})
			return
		}
		p.paid = used
	}
}
