package llama

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"phios/compute"
	"phios/compute/llama/wire"
)

// Times that a helper is given. One that takes longer is killed.
const (
	helloTime  = 60 * time.Second // a GPU's driver may compile its kernels
	loadTime   = 30 * time.Minute
	stepTime   = 10 * time.Minute
	cancelTime = 10 * time.Second // from the flag to the end of a step
	otherTime  = 60 * time.Second
)

// messageBytesMax is how much of what a helper prints is kept.
const messageBytesMax = 16 << 10

// helper is a process that runs llama.cpp, and our end of it.
type helper struct {
	socket *os.File
	bulk   *bulk
	said   tail
	// ended is closed when the process is gone and waited for; then state is
	// how it ended.
	ended chan struct{}
	state *os.ProcessState
	pid   int
	// lost is set when no more can be asked.
	lost atomic.Bool

	mu     sync.Mutex // one request at a time
	number uint32
}

// start starts a helper. The model is one that it will be asked to load; nil
// for one that is only greeted.
func start(program, folder string, model *os.File) (*helper, error) {
	b, err := newBulk()
	if err != nil {
		return nil, err
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		b.close()
		return nil, fmt.Errorf("make a socket for the llama helper: %w", err)
	}
	h := &helper{socket: os.NewFile(uintptr(pair[0]), "llama"), bulk: b, ended: make(chan struct{})}
	theirs := os.NewFile(uintptr(pair[1]), "llama helper")
	defer func() { _ = theirs.Close() }()
	//nolint:noctx,gosec // It lives longer than any request, and end kills it; the program is the operator's setting.
	c := exec.Command(program, folder)
	c.Env = environment()
	c.Stderr = &h.said
	c.ExtraFiles = []*os.File{theirs, b.file}
	if model != nil {
		c.ExtraFiles = append(c.ExtraFiles, model)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = time.Second
	if err := h.launch(c); err != nil {
		_ = h.socket.Close()
		b.close()
		return nil, fmt.Errorf("start the llama helper: %w; build it with 'make llama' and give its path as the setting helper, or as PHI_LLAMA", err)
	}
	return h, nil
}

// launch starts the process and a goroutine that waits for it. Linux kills a
// child with the thread that made it, not with the process, so that goroutine
// keeps its thread until the child is gone.
func (h *helper) launch(c *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		if err == nil {
			h.pid = c.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = c.Wait() // How it ended is in its state.
		h.state = c.ProcessState
		h.lost.Store(true)
		close(h.ended)
	}()
	return <-started
}

// environment is what of ours a helper sees: what chooses devices and finds
// their drivers, and nothing else.
func environment() []string {
	env := []string{"GOTRACEBACK=none"} // Its goroutines say nothing to a user.
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case name == "LD_LIBRARY_PATH", name == "HOME", name == "TMPDIR",
			strings.HasPrefix(name, "CUDA_"), strings.HasPrefix(name, "GGML_"), strings.HasPrefix(name, "VK_"),
			strings.HasPrefix(name, "HIP_"), strings.HasPrefix(name, "ROCR_"):
			env = append(env, e)
		}
	}
	return env
}

// end kills the process, waits for it, and gives back what it had. It is
// called once, when nothing more is asked.
func (h *helper) end() {
	h.kill()
	<-h.ended
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.socket.Close()
	h.bulk.close()
}

// kill ends the process and returns at once.
func (h *helper) kill() {
	h.lost.Store(true)
	select {
	case <-h.ended: // The number may be another's by now.
	default:
		_ = syscall.Kill(h.pid, syscall.SIGKILL)
	}
}

// limits are the bounds of a request: its time, and whether it ends early by
// the flag rather than by killing the helper.
type limits struct {
	time time.Duration
	flag bool
}

// appender is a message that can be sent, and decoder one that can be read.
type (
	appender interface{ Append(b []byte) []byte }
	decoder  interface{ Decode(b []byte) error }
)

// ask sends a request and waits for its answer, which is decoded into out
// unless that is nil. The caller holds mu.
func (h *helper) ask(ctx context.Context, o wire.Operation, l limits, in appender, out decoder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.lost.Load() {
		return h.gone(nil)
	}
	h.number++
	request := wire.Frame{Operation: o, Number: h.number}
	if in != nil {
		request.Payload = in.Append(nil)
	}
	release := h.watch(ctx, l)
	answer, err := h.exchange(request)
	release()
	if err != nil {
		h.kill()
		if ctx.Err() != nil && !l.flag {
			return ctx.Err()
		}
		return h.gone(err)
	}
	if answer.Operation == wire.Failed {
		return h.failed(ctx, answer.Payload)
	}
	if out != nil {
		if err := out.Decode(answer.Payload); err != nil {
			h.kill()
			return h.gone(err)
		}
	} else if len(answer.Payload) != 0 {
		h.kill()
		return h.gone(wire.ErrMalformed)
	}
	return nil
}

// past is a deadline that is over, which wakes a reader.
func past() time.Time { return time.Unix(1, 0) }

// watch bounds an exchange in time. What it returns ends the watch, and returns
// when it is over, so that a late flag cannot end the next step.
func (h *helper) watch(ctx context.Context, l limits) (release func()) {
	done, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		timer, cancel := context.WithTimeout(done, l.time)
		defer cancel()
		select {
		case <-timer.Done():
		case <-ctx.Done():
			if !l.flag {
				break
			}
			h.bulk.setCancel(1)
			grace, cancel := context.WithTimeout(done, cancelTime)
			defer cancel()
			<-grace.Done()
		}
		if done.Err() == nil {
			_ = h.socket.SetDeadline(past()) // The reader kills the process.
		}
	}()
	return func() {
		stop()
		<-over
		if l.flag {
			h.bulk.setCancel(0)
		}
	}
}

// exchange sends a frame and reads the one that answers it.
func (h *helper) exchange(request wire.Frame) (wire.Frame, error) {
	if err := wire.Write(h.socket, request); err != nil {
		return wire.Frame{}, err
	}
	answer, err := wire.Read(h.socket)
	if err != nil {
		return wire.Frame{}, err
	}
	if answer.Number != request.Number || answer.Operation != request.Operation && answer.Operation != wire.Failed {
		return wire.Frame{}, wire.ErrMalformed
	}
	return answer, nil
}

// failed turns a failure into an error.
func (h *helper) failed(ctx context.Context, payload []byte) error {
	var f wire.Failure
	if err := f.Decode(payload); err != nil {
		h.kill()
		return h.gone(err)
	}
	switch f.Code {
	case wire.Full:
		return fmt.Errorf("%w: %s; end sequences or release pages", compute.ErrFull, f.Text)
	case wire.Memory:
		return fmt.Errorf("%w: %s; ask for a smaller cache", compute.ErrMemory, f.Text)
	case wire.Cancelled:
		if err := ctx.Err(); err != nil {
			return err
		}
		return errors.New("the llama helper ended a step that nobody cancelled; try it again")
	case wire.Refused:
		return fmt.Errorf("%w: %s%s", errRefused, f.Text, h.said.text())
	default:
		h.kill()
		return h.gone(wire.ErrMalformed)
	}
}

// gone says that the helper is lost and why, as far as is known. It was killed
// or has died, so its end is near.
func (h *helper) gone(why error) error {
	<-h.ended
	reason := h.state.String()
	if why != nil && errors.Is(why, wire.ErrMalformed) {
		reason = why.Error()
	} else if errors.Is(why, os.ErrDeadlineExceeded) {
		reason = "it did not answer in time and was killed"
	}
	return fmt.Errorf("%w: the llama helper ended (%s)%s; load the model again", compute.ErrLost, reason, h.said.text())
}

// tail keeps the last of what a helper prints.
type tail struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

// Write keeps what fits.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-messageBytesMax):]...)
	if over := len(t.b) - messageBytesMax; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

// text is the last lines that say something, printable, as the end of a
// message.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(t.b))
	// A library that aborts says why, and then Go dumps the processor's
	// registers, from a line such as "SIGABRT: abort" on.
	s, _, _ = strings.Cut(s, "\nSIG")
	lines := strings.Split(strings.TrimSpace(s), "\n")
	s = strings.Join(lines[max(0, len(lines)-3):], " | ")
	s = s[max(0, len(s)-wire.TextBytesMax):]
	if s == "" {
		return ""
	}
	return "; it printed: " + s
}
