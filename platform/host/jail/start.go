package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a jailed process. All methods may be called from any goroutine.
type Process struct {
	name  string
	child *os.Process
	group *group
	// reasons say why walls of the parent's making do not stand.
	reasons []string
	walls   Walls
	// together says that all of it ends with its first process.
	together bool
	dead     chan struct{} // closed when nothing of it runs any more
	done     chan struct{} // closed when status stands

	mu     sync.Mutex
	status Status // guarded by mu
}

// Status is how a process ended.
type Status struct {
	// Code is the exit code of a process that exited, -1 of one that a signal
	// ended.
	Code int
	// Signal is what ended it, zero when it exited.
	Signal syscall.Signal
	// OutOfMemory says that it met its limit on memory and was killed for it.
	OutOfMemory bool
	// CPUNanoseconds is how long it and its own children ran.
	CPUNanoseconds uint64
}

// Usage is what a process takes now.
type Usage struct {
	MemoryBytes    uint64
	CPUNanoseconds uint64
}

// Start starts a process behind the walls that the configuration asks for and
// returns when they stand and it is on its way. A *WallError says that a wall
// which was required does not stand; then nothing is left running. It waits at
// most StartSecondsMax.
func Start(c Config) (*Process, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("jail %s: %w", c.Name, err)
	}
	if c.Walls == 0 {
		c.Walls = WallsAll
	}
	c.Walls |= c.Require
	p, control, err := launch(&c)
	if err != nil {
		return nil, fmt.Errorf("jail %s: %w", c.Name, err)
	}
	defer closeFile(control)
	if err := p.begin(&c, control); err != nil {
		p.Kill()
		p.Wait()
		return nil, err
	}
	return p, nil
}

// begin tells the child what to do, hears what stands, and lets it go on.
func (p *Process) begin(c *Config, control *os.File) error {
	if err := control.SetDeadline(time.Now().Add(StartSecondsMax * time.Second)); err != nil {
		return fmt.Errorf("jail %s: %w", c.Name, err)
	}
	if err := writeValue(control, c.setup(p.group)); err != nil {
		return fmt.Errorf("jail %s: tell it what to do: %w", c.Name, err)
	}
	var said report
	if err := readValue(control, &said); err != nil {
		return fmt.Errorf("jail %s: it ended before its walls stood; does main call jail.Main first? %w", c.Name, err)
	}
	if said.Error != "" {
		return fmt.Errorf("jail %s: %s", c.Name, said.Error)
	}
	p.walls = said.Walls&^wallsLimits | p.group.walls
	if missing := c.Require &^ p.walls; missing != 0 {
		return &WallError{Name: c.Name, Missing: missing, Reasons: append(said.Reasons, p.reasons...)}
	}
	if _, err := control.Write([]byte{goOn}); err != nil {
		return fmt.Errorf("jail %s: let it go on: %w", c.Name, err)
	}
	var failed report
	switch err := readValue(control, &failed); {
	case errors.Is(err, io.EOF): // closed by the exec, or by Main
		return nil
	case err != nil:
		return fmt.Errorf("jail %s: hear whether it went on: %w", c.Name, err)
	default:
		return fmt.Errorf("jail %s: %s", c.Name, failed.Error)
	}
}

// Name returns what the process is called.
func (p *Process) Name() string { return p.name }

// PID returns the process's number here.
func (p *Process) PID() int { return p.child.Pid }

// Walls returns those that stand, as found out and not as asked for.
func (p *Process) Walls() Walls { return p.walls }

// Dead is closed as soon as nothing of the process runs any more, a little
// before Ended: Linux may still be taking its cgroups apart.
func (p *Process) Dead() <-chan struct{} { return p.dead }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Wait waits for the end of the process and says how it was.
func (p *Process) Wait() Status {
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Kill ends the process and all that it started. It does not wait.
func (p *Process) Kill() {
	_ = p.child.Kill() // an ended process is what was wanted
	if !p.together {
		p.group.kill()
	}
}

// Usage says what the process takes now, zero of what cannot be told.
func (p *Process) Usage() Usage { return p.group.usage(p.child.Pid) }

// setup is what the child is told.
func (c *Config) setup(g *group) *setup {
	s := &setup{
		Walls: c.Walls, Folders: c.Folders, Devices: c.Devices, Temporary: c.TemporaryBytes,
		Command: c.Command, Args: c.Args, Folder: c.Folder, Env: c.Env,
		Descriptors: uint64(c.Descriptors), //nolint:gosec // G115: checked above zero
		UID:         -1,
		Outside:     namespaces(),
	}
	if s.Descriptors == 0 {
		s.Descriptors = DescriptorsDefault
	}
	if privileged() {
		s.UID = nobody
	}
	if !g.walls.Has(WallMemory) && c.MemoryBytes > 0 {
		s.DataBytes = c.MemoryBytes + reservedBytes
	}
	if !g.walls.Has(WallProcesses) && c.ProcessesMax > 0 {
		s.Processes = uint64(c.ProcessesMax)
	}
	return s
}

// reservedBytes is what a process may have on top where a limit of data stands
// in for one of memory: runtimes reserve more than they use, Go by 64 MiB.
const reservedBytes = 256 << 20

// launch makes the cgroup and the child, which waits for its setup.
func launch(c *Config) (*Process, *os.File, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, nil, err
	}
	defer closeFile(theirs)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		closeFile(ours)
		return nil, nil, fmt.Errorf("open the null device: %w", err)
	}
	defer closeFile(null)
	p := &Process{name: c.Name, dead: make(chan struct{}), done: make(chan struct{})}
	p.group, p.reasons = newGroup(c)
	attr := &os.ProcAttr{Dir: "/", Env: []string{}, Files: []*os.File{null, null, null}}
	if c.Stdout != nil {
		attr.Files[1] = c.Stdout
	}
	if c.Stderr != nil {
		attr.Files[2] = c.Stderr
	}
	if len(c.Command) == 0 && c.Env != nil {
		attr.Env = c.Env
	}
	attr.Files = append(append(attr.Files, c.Files...), theirs)
	started := make(chan error, 1)
	go p.keep(c, attr, started)
	if err := <-started; err != nil {
		closeFile(ours)
		return nil, nil, err
	}
	return p, ours, nil
}

// keep forks the child and waits for it, on a thread that does nothing else
// and ends afterwards: Linux takes the thread for the child's parent, and what
// the thread went into to fork it may have kept.
func (p *Process) keep(c *Config, attr *os.ProcAttr, started chan<- error) {
	runtime.LockOSThread() // for ever
	leave, err := p.group.enter()
	if err != nil {
		p.reasons = append(p.reasons, err.Error())
	}
	p.child, err = p.fork(c, attr)
	leave()
	if err != nil {
		p.group.remove()
		started <- err
		return
	}
	started <- nil
	state, err := p.child.Wait()
	status := Status{Code: -1}
	if err == nil {
		status.CPUNanoseconds = uint64(state.SystemTime() + state.UserTime()) //nolint:gosec // G115: not negative
		if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			status.Signal = w.Signal()
		} else {
			status.Code = state.ExitCode()
		}
	}
	status.OutOfMemory = p.group.outOfMemory()
	if !p.together {
		p.group.kill()
	}
	close(p.dead)
	p.group.remove()
	p.mu.Lock()
	p.status = status
	p.mu.Unlock()
	close(p.done)
}

// fork starts the child in as many namespaces as the walls ask for and Linux
// gives: all, those that root can have without a user namespace, or none.
func (p *Process) fork(c *Config, attr *os.ProcAttr) (*os.Process, error) {
	args := []string{argument, strconv.Itoa(len(attr.Files) - 1)}
	flags := cloneFlags(c.Walls)
	tries := []uintptr{flags}
	if without := flags &^ unix.CLONE_NEWUSER; flags&unix.CLONE_NEWUSER != 0 && privileged() {
		tries = append(tries, without)
	}
	if flags != 0 {
		tries = append(tries, 0)
	}
	child, err := p.try(tries, args, attr)
	if err != nil && p.group.detach() {
		child, err = p.try(tries, args, attr)
	}
	return child, err
}

// try starts the child with the first of the flags that Linux accepts.
func (p *Process) try(tries []uintptr, args []string, attr *os.ProcAttr) (*os.Process, error) {
	var last error
	for _, flags := range tries {
		attr.Sys = attributes(flags)
		p.group.attach(attr.Sys)
		child, err := os.StartProcess("/proc/self/exe", args, attr)
		if err == nil {
			p.together = flags&unix.CLONE_NEWPID != 0
			return child, nil
		}
		p.reasons = append(p.reasons, err.Error())
		last = err
	}
	return nil, fmt.Errorf("start this program again: %w", last)
}

// controlPair returns both ends of what a child is told its setup through.
func controlPair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "jail control"), os.NewFile(uintptr(pair[1]), "jail control"), nil
}

// closeFile closes what nothing was written to that could be lost.
func closeFile(f *os.File) { _ = f.Close() }
