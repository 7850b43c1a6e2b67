package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/platform/host"
	"phios/platform/host/jail"
)

// requestsMax is the number of requests to one process that wait at once.
const requestsMax = 4096

var (
	errDead   = errors.New("the worker has died")
	errLate   = errors.New("the worker did not answer in time, and was killed for it")
	errBusy   = fmt.Errorf("%d requests wait for the worker: ask later", requestsMax)
	errSilent = errors.New("the worker did not become ready: look at its standard error")
)

// process is one worker as the node sees it.
type process struct {
	jail    *jail.Process
	conn    *net.UnixConn
	machine *host.Machine
	ready   chan struct{} // closed when it has said hello
	gone    chan struct{} // closed when it is dead and its capsules have ended

	domain string // guarded by Pool.mu
	places int    // guarded by Pool.mu: capsules that are, or are about to be

	writing sync.Mutex // one writer at a time
	buffer  []byte     // guarded by writing

	greeted  atomic.Bool
	mu       sync.Mutex
	dead     bool                     // guarded by mu
	number   uint32                   // guarded by mu: of the last request
	capsules map[uint32]*program      // guarded by mu
	waiting  map[uint32]chan<- packet // guarded by mu: by number of the request
}

// newProcess starts a process in its jail.
func newProcess(c *Config) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("worker: make a socket: %w", err)
	}
	defer func() { _ = theirs.Close() }() // the process has its own copy
	self, err := os.Executable()
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("worker: find this program: %w", err)
	}
	// A worker of the jail's own kind may not open files, and so not the
	// cache: a command may, and finds nothing else to open or to run.
	j, err := jail.Start(jail.Config{
		Name: "worker", Walls: jail.Walls(c.Walls &^ capsule.WallSandbox), Require: jail.Walls(c.Require &^ capsule.WallSandbox),
		Folders: append(linked(), jail.Bind{From: c.CacheDir, To: cacheInside}, jail.Bind{From: self, To: selfInside}),
		Command: append([]string{selfInside}, c.args...), Files: []*os.File{theirs}, Stderr: c.Stderr,
		// One processor more than there are, so that programs that spin on all
		// of them do not keep the socket waiting.
		Env:         []string{"GOMAXPROCS=" + strconv.Itoa(runtime.NumCPU()+1), "GODEBUG=madvdontneed=1"},
		MemoryBytes: c.MemoryBytes, ProcessesMax: c.ProcessesMax, CPUPercent: c.CPUPercent,
		Descriptors: descriptorsMax,
	})
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("worker: %w", err)
	}
	return &process{
		jail: j, conn: ours, machine: c.Machine,
		ready: make(chan struct{}), gone: make(chan struct{}),
		capsules: map[uint32]*program{}, waiting: map[uint32]chan<- packet{},
	}, nil
}

// socketPair returns two ends of a socket that keeps packets apart.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker socket")
	ours, err := connection(os.NewFile(uintptr(fds[0]), "worker socket"))
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// connection turns a socket's file into a connection, and closes the file.
func connection(f *os.File) (*net.UnixConn, error) {
	defer func() { _ = f.Close() }() // the connection has its own copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("socket: not a Unix socket")
	}
	return u, nil
}

// walls returns those around programs in the process.
func (w *process) walls() capsule.Walls {
	return capsule.Walls(w.jail.Walls()) | capsule.WallSandbox
}

// kill ends the process. It does not wait; gone does.
func (w *process) kill() { w.jail.Kill() }

// destroy kills the process and waits for its end.
func (w *process) destroy() {
	w.kill()
	<-w.gone
}

// wait waits for the end of the process and lets everybody know.
func (w *process) wait() {
	status := w.jail.Wait()
	w.mu.Lock()
	w.dead = true
	ended := make([]*program, 0, len(w.capsules))
	for _, p := range w.capsules {
		ended = append(ended, p)
	}
	w.mu.Unlock()
	_ = w.conn.Close() // nobody is at the other end
	for _, p := range ended {
		p.session.End(capsule.Exit{Cause: capsule.CauseLost, Detail: describe(status)})
	}
	close(w.gone)
}

// describe says for people how a worker ended.
func describe(s jail.Status) string {
	switch {
	case s.OutOfMemory:
		return "its worker met its limit on memory"
	case s.Signal != 0:
		return "its worker was ended by a signal: " + s.Signal.String()
	default:
		return "its worker exited with code " + strconv.Itoa(s.Code)
	}
}

// greet waits until the process can take capsules.
func (w *process) greet() error {
	timer := newTimer(startNSMax)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-w.gone:
		return fmt.Errorf("worker: %w: %s", errSilent, describe(w.jail.Wait()))
	case <-timer.C:
		return fmt.Errorf("worker: %w", errSilent)
	}
}

// listen passes answers to those who wait for them. A process that says
// anything else is killed.
func (w *process) listen() {
	buffer := make([]byte, packetBytesMax+1)
	for {
		// Without room for them, descriptors that come along are closed.
		n, _, _, _, err := w.conn.ReadMsgUnix(buffer, nil)
		if err != nil {
			break // it has closed the socket, or is dead
		}
		var p packet
		if !p.decode(buffer[:n]) || !w.deliver(&p) {
			break
		}
	}
	w.kill()
}

// deliver takes one packet and reports whether it may be said now.
func (w *process) deliver(p *packet) bool {
	if p.operation == opHello {
		if w.greeted.Swap(true) {
			return false
		}
		close(w.ready)
		return true
	}
	w.mu.Lock()
	waiter := w.waiting[p.number]
	delete(w.waiting, p.number)
	w.mu.Unlock()
	if waiter == nil {
		return false
	}
	answer := *p
	answer.payload = append([]byte(nil), p.payload...)
	waiter <- answer // it has room for the one answer that it gets
	return true
}

// request asks the process for something and waits for the answer, at most for
// the given time. Late answers are taken when they come.
func (w *process) request(p *packet, files []int, patience time.Duration) (packet, error) {
	answer := make(chan packet, 1)
	w.mu.Lock()
	switch {
	case w.dead:
		w.mu.Unlock()
		return packet{}, errDead
	case len(w.waiting) >= requestsMax:
		w.mu.Unlock()
		return packet{}, errBusy
	}
	w.number++
	p.number = w.number
	w.waiting[p.number] = answer
	w.mu.Unlock()

	timer := newTimer(patience)
	defer timer.Stop()
	if err := w.write(p, files, patience); err != nil {
		return packet{}, err
	}
	select {
	case a := <-answer:
		if a.operation != p.operation {
			w.kill()
			return packet{}, errDead
		}
		return a, nil
	case <-w.gone:
		return packet{}, errDead
	case <-timer.C:
		return packet{}, errLate
	}
}

// demand is request for what a process must do: it answers in time, or it is
// dead when demand returns.
func (w *process) demand(p *packet, files []int, patience time.Duration) (packet, error) {
	a, err := w.request(p, files, patience)
	if err != nil {
		w.destroy()
	}
	return a, err
}

// write sends a packet with descriptors, which stay the caller's.
func (w *process) write(p *packet, files []int, patience time.Duration) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.buffer = p.encode(w.buffer[:0])
	if len(w.buffer) > packetBytesMax {
		return fmt.Errorf("%d bytes of arguments and variables: at most %d", len(p.payload), payloadBytesMax)
	}
	var rights []byte
	if len(files) > 0 {
		rights = syscall.UnixRights(files...)
	}
	if err := w.conn.SetWriteDeadline(deadline(patience)); err != nil {
		return errDead
	}
	switch _, _, err := w.conn.WriteMsgUnix(w.buffer, rights, nil); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLate
	case err != nil:
		return errDead
	}
	return nil
}

// newTimer and deadline bound waits for a process, which no clock of the
// kernel's can end.
func newTimer(d time.Duration) *time.Timer { return time.NewTimer(d) }  //nolint:forbidigo // see above
func deadline(d time.Duration) time.Time   { return time.Now().Add(d) } //nolint:forbidigo // see above

// statusOf returns what an answer says, StatusPeerDead for none.
func statusOf(a *packet, err error) abi.Status {
	if err != nil {
		return abi.StatusPeerDead
	}
	return a.status
}
