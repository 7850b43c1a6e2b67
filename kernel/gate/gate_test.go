package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/gate"
)

const user = abi.RightInvoke | abi.RightSend

func TestCallHandler(t *testing.T) {
	w := newWorld(t)
	client := w.boot(16)
	e := w.root.endpoint(4)
	double := handlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status {
		m.Words[0] *= 2
		m.Words[1] = m.Badge
		return abi.StatusOK
	})
	if status := w.root.port.Serve(e, double, false); status != abi.StatusOK {
		t.Fatal(status)
	}
	mint := abi.Whole(user)
	mint.Badge = 9
	h := w.give(w.root, e, client, mint)
	m := abi.Message{Words: [4]uint64{21}}
	client.do(h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusOK)
	if m.Words[0] != 42 || m.Words[1] != 9 {
		t.Errorf("answer %v, want 42 and badge 9", m.Words)
	}
	w.root.do(e, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	client.do(h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusRevoked)
	w.tidy()
	client.do(h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusRevoked)
}

func TestCallQueued(t *testing.T) {
	w := newWorld(t)
	client := w.boot(16)
	e := w.root.endpoint(4)
	h := w.give(w.root, e, client, abi.Whole(user))
	w.machine.Go("server", func() {
		var m abi.Message
		args := abi.Args{Message: &m}
		w.root.do(e, abi.EndpointReceive, &args, abi.StatusOK)
		m.Words[0]++
		answer := m.Reply
		w.root.do(answer, abi.EndpointReply, &args, abi.StatusOK)
		w.root.do(answer, abi.EndpointReply, &args, abi.StatusBadHandle)
	})
	w.machine.Go("client", func() {
		m := abi.Message{Words: [4]uint64{1}}
		client.do(h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusOK)
		if m.Words[0] != 2 {
			t.Errorf("answer %d, want 2", m.Words[0])
		}
	})
	if report := w.machine.Run(); !report.OK() {
		t.Fatal(report)
	}
}

// caller returns a task with a capability to an endpoint of the root that
// answers whatever comes.
func (w *world) caller() (actor, abi.Handle) {
	w.t.Helper()
	client := w.boot(16)
	e := w.root.endpoint(4)
	echo := handlerFunc(func(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK })
	if status := w.root.port.Serve(e, echo, false); status != abi.StatusOK {
		w.t.Fatal(status)
	}
	return client, w.give(w.root, e, client, abi.Whole(user))
}

func TestCallAllocs(t *testing.T) {
	client, h := newWorld(t).caller()
	args := abi.Args{Message: &abi.Message{Length: 64}}
	n := testing.AllocsPerRun(100, func() { client.do(h, abi.EndpointCall, &args, abi.StatusOK) })
	if n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

func BenchmarkCall(b *testing.B) {
	client, h := newWorld(&testing.T{}).caller()
	args := abi.Args{Message: &abi.Message{Length: 64}}
	for b.Loop() {
		if client.port.Invoke(h, abi.EndpointCall, &args) != abi.StatusOK {
			b.Fatal("the call failed")
		}
	}
}

func BenchmarkSignal(b *testing.B) {
	w := newWorld(&testing.T{})
	args := abi.Args{}
	w.root.do(w.root.budget, abi.NotificationCreate, &args, abi.StatusOK)
	h := abi.Handle(args.W[0])
	for b.Loop() {
		if w.root.port.Invoke(h, abi.NotificationSignal, &args) != abi.StatusOK {
			b.Fatal("the signal failed")
		}
	}
}
