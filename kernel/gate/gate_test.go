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

func TestCallAllocs(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(4)
	w.root.port.Serve(e, handlerFunc(func(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK }), false)
	args := abi.Args{Message: &abi.Message{Length: 64}}
	if n := testing.AllocsPerRun(100, func() { w.root.port.Invoke(e, abi.EndpointCall, &args) }); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

func BenchmarkCall(b *testing.B) {
	w := newWorld(&testing.T{})
	e := w.root.endpoint(4)
	w.root.port.Serve(e, handlerFunc(func(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK }), false)
	args := abi.Args{Message: &abi.Message{Length: 64}}
	for b.Loop() {
		w.root.port.Invoke(e, abi.EndpointCall, &args)
	}
}

func BenchmarkSignal(b *testing.B) {
	w := newWorld(&testing.T{})
	args := abi.Args{}
	w.root.do(w.root.budget, abi.NotificationCreate, &args, abi.StatusOK)
	h := abi.Handle(args.W[0])
	for b.Loop() {
		w.root.port.Invoke(h, abi.NotificationSignal, &args)
	}
}
