package worker

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/kernel/gate"
)

// pongVariable makes this test program answer what comes over its standard
// input, as the peer to compare with.
const pongVariable = "PHIOS_WORKER_TEST_PONG"

const pongBytes = 64

// pong answers each message with itself, without the runtime's poller: nothing
// is faster over a socket.
func pong() {
	message := make([]byte, pongBytes)
	for {
		n, err := syscall.Read(0, message)
		if err != nil || n == 0 {
			return
		}
		if _, err := syscall.Write(0, message[:n]); err != nil {
			return
		}
	}
}

// BenchmarkUnixSocket is a round trip of 64 bytes between two processes over a
// Unix socket.
func BenchmarkUnixSocket(b *testing.B) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), pongVariable+"=1")
	child.Stdin = theirs
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	closeFile(theirs)
	defer func() {
		_ = syscall.Close(fds[0])
		_ = child.Wait()
	}()
	message := make([]byte, pongBytes)
	for b.Loop() {
		if _, err := syscall.Write(fds[0], message); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < pongBytes; {
			n, err := syscall.Read(fds[0], message[got:])
			if err != nil || n == 0 {
				b.Fatal(n, err)
			}
			got += n
		}
	}
}

// service makes an endpoint that a handler serves, and gives r the right to
// call it.
func (w *world) service(r running, h gate.Handler) abi.Handle {
	w.tb.Helper()
	server := w.task()
	return w.serve(server, r, h)
}

func (w *world) serve(server task, r running, h gate.Handler) abi.Handle {
	w.tb.Helper()
	e := w.do(server, server.budget, abi.EndpointCreate, abi.Args{W: [abi.ArgWords]uint64{1}, Label: abi.LabelTop()})
	if status := server.Port.Serve(e, h, false); status != abi.StatusOK {
		w.tb.Fatal(status)
	}
	return w.give(server, e, r.task, abi.RightInvoke|abi.RightSend)
}

// BenchmarkCallNode is a call of 64 bytes from a program in a worker to a
// service in the node.
func BenchmarkCallNode(b *testing.B) {
	w := newWorld(b)
	r := w.start(w.pool(0), "")
	defer r.Close()
	h := w.service(r, handlerFunc(func(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK }))
	r.must(doCalls, uint64(h), 100)
	b.ResetTimer()
	r.must(doCalls, uint64(h), uint64(b.N))
}

// BenchmarkCallWorker is a call of 64 bytes from a program in a worker to one
// in another worker.
func BenchmarkCallWorker(b *testing.B) {
	w := newWorld(b)
	p := w.pool(0)
	client, server := w.start(p, ""), w.start(p, "")
	defer client.Close()
	defer server.Close()
	h := w.serve(server.task, client, &turn{r: server})
	client.must(doCalls, uint64(h), 100)
	b.ResetTimer()
	client.must(doCalls, uint64(h), uint64(b.N))
}

// BenchmarkServe is a message from the node to a program in a worker.
func BenchmarkServe(b *testing.B) {
	w := newWorld(b)
	r := w.start(w.pool(0), "")
	defer r.Close()
	var m abi.Message
	m.Length = 64
	for b.Loop() {
		m.Words = [abi.MessageWords]uint64{doAdd, 1}
		if status := r.Serve(r.task, &m); status != abi.StatusOK {
			b.Fatal(status)
		}
	}
}

// BenchmarkFirstCall is from the order to start a program to its first answer,
// with a process that waits in its jail and without.
func BenchmarkFirstCall(b *testing.B) {
	for _, c := range []struct {
		name   string
		spares int
	}{{"spare", 1}, {"cold", 0}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			p := w.pool(c.spares)
			door := w.task()
			for b.Loop() {
				program, err := p.Start(capsule.Spec{Name: "bench", Image: w.image, Door: door})
				if err != nil {
					b.Fatal(err)
				}
				var m abi.Message
				if exit := program.Run(); !exit.OK() {
					b.Fatal(exit)
				}
				if status := program.Serve(door, &m); status != abi.StatusOK {
					b.Fatal(status)
				}
				b.StopTimer()
				program.Close()
				for p.Spares() < c.spares {
					time.Sleep(time.Millisecond)
				}
				b.StartTimer()
			}
		})
	}
}
