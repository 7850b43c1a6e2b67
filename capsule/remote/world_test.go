package remote

import (
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform/host"
)

// nowhere is a log that keeps nothing.
type nowhere struct{}

func (nowhere) Append([]byte) abi.Status { return abi.StatusOK }

// portDoor is the real door: a task's port, and the names it was given.
type portDoor struct {
	*gate.Port

	names map[string]abi.Handle
}

func (d portDoor) Named(name string) (abi.Handle, abi.Status) {
	h, ok := d.names[name]
	switch {
	case !ok:
		return 0, abi.StatusBadHandle
	case h == 0:
		return 0, abi.StatusDenied
	}
	return h, abi.StatusOK
}

// newDoor boots a task on a kernel on the real machine.
func newDoor(tb testing.TB) (portDoor, abi.Handle) {
	tb.Helper()
	machine, err := host.New(host.Config{ArenaBytes: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(machine.Close)
	j, status := journal.New(nowhere{}, machine, 1, journal.Options{})
	if status != abi.StatusOK {
		tb.Fatal(status)
	}
	kernel := gate.New(gate.Config{
		Machine: machine, Journal: j, Limits: capability.DefaultLimits(), Timers: 64,
		Endowment: abi.Amounts{1 << 46, 1 << 30, 1 << 60, 1 << 60, 1 << 60, 1 << 60},
	})
	port, budget, status := kernel.BootTask(64, abi.Amounts{1 << 30, 1 << 10, 1 << 30, 1 << 30, 1 << 30, 1 << 30})
	if status != abi.StatusOK {
		tb.Fatal(status)
	}
	return portDoor{port, map[string]abi.Handle{"budget": budget, "refused": 0}}, budget
}

// links are the ways to connect two sides, within this process.
var links = map[string]func(tb testing.TB) (node, program Link){
	"rings":  ringLinks,
	"stream": streamLinks,
}

func ringLinks(tb testing.TB) (Link, Link) {
	tb.Helper()
	memory := make([]byte, RingsBytes+64)
	var node, program *Rings
	for at := 0; ; at++ { // an array of bytes is aligned to nothing
		var err error
		if node, err = NewRings(memory[at:], SideNode); err != nil {
			if at == 64 {
				tb.Fatal(err)
			}
			continue
		}
		if program, err = NewRings(memory[at:], SideProgram); err != nil {
			tb.Fatal(err)
		}
		return node, program
	}
}

func streamLinks(tb testing.TB) (Link, Link) {
	tb.Helper()
	a, b := socketPair(tb)
	return NewStream(a), NewStream(b)
}

func socketPair(tb testing.TB) (net.Conn, net.Conn) {
	tb.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "pair")
		if conns[i], err = net.FileConn(file); err != nil {
			tb.Fatal(err)
		}
		_ = file.Close()
		tb.Cleanup(func() { _ = conns[i].Close() })
	}
	return conns[0], conns[1]
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex
	text string
}

func (o *output) write(stream int, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text += string(rune('0'+stream)) + string(text)
}

// program runs f as a program at the other end of a link, and returns the
// session of it.
func program(tb testing.TB, node, link Link, spec capsule.Spec, f func(*Door)) *Session {
	tb.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(NewDoor(link))
	}()
	s := NewSession(node, spec)
	tb.Cleanup(func() {
		s.End(capsule.Exit{Cause: capsule.CauseStopped})
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			tb.Error("the program's side did not notice the end")
		}
	})
	return s
}
