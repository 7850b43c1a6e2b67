package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/gate"
)

// TestServeProgram lets a handler that keeps what it is told rise with what it
// is told, for good, where one that keeps nothing does not.
func TestServeProgram(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		w := newWorld(t)
		server, client := w.boot(16), w.boot(16)
		e := server.endpoint(4)
		h := w.give(server, e, client, abi.Whole(abi.RightInvoke|abi.RightSend))
		serve := server.port.Serve
		if keeps {
			serve = func(e abi.Handle, h gate.Handler, _ bool) abi.Status { return server.port.ServeProgram(e, h) }
		}
		f := handlerFunc(func(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK })
		if status := serve(e, f, false); status != abi.StatusOK {
			t.Fatal(status)
		}
		if status := server.port.ServeProgram(e, f); status != abi.StatusBusy {
			t.Errorf("a second handler: %v", status)
		}
		client.taint()
		before := server.label()
		client.do(h, abi.EndpointCall, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
		if rose := server.label() != before; rose != keeps {
			t.Errorf("keeps %v: the server's label went from %v to %v", keeps, before, server.label())
		}
	}
}

// TestProgramMapsWhileServing lets a program map and unmap while it serves;
// what it maps is its task's.
func TestProgramMapsWhileServing(t *testing.T) {
	w := newWorld(t)
	server, client := w.boot(16), w.boot(16)
	e := server.endpoint(4)
	h := w.give(server, e, client, abi.Whole(abi.RightInvoke|abi.RightSend))
	r := server.region(4096)
	server.write(r, 0, "seen")
	f := handlerFunc(func(p *gate.Port, m *abi.Message) abi.Status {
		args := abi.Args{W: [6]uint64{0, 4096, abi.RegionShared}}
		if status := p.Invoke(r, abi.RegionMap, &args); status != abi.StatusOK {
			return status
		}
		copy(m.Data[:4], w.peek(server, args.W[0], 4))
		m.Length = 4
		return p.Invoke(0, abi.RegionUnmap, &abi.Args{W: [6]uint64{args.W[0]}})
	})
	if status := server.port.ServeProgram(e, f); status != abi.StatusOK {
		t.Fatal(status)
	}
	m := abi.Message{}
	client.do(h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusOK)
	if got := string(m.Payload()); got != "seen" {
		t.Errorf("it saw %q", got)
	}
}

// TestDeadlineOfProgram: a caller with a deadline leaves a program that does not
// answer, and is told what a program refuses it with.
func TestDeadlineOfProgram(t *testing.T) {
	w := newWorld(t)
	server, client := w.boot(16), w.boot(16)
	e := server.endpoint(4)
	h := w.give(server, e, client, abi.Whole(abi.RightInvoke|abi.RightSend))
	entered := false
	f := handlerFunc(func(*gate.Port, *abi.Message) abi.Status { entered = true; return abi.StatusOK })
	if status := server.port.ServeProgram(e, f); status != abi.StatusOK {
		t.Fatal(status)
	}
	within := func(ns int64) *abi.Args {
		return &abi.Args{Message: &abi.Message{Deadline: w.machine.Now() + ns}}
	}
	w.run(func() { client.do(h, abi.EndpointCall, within(1000), abi.StatusTimeout) })
	if entered {
		t.Error("the caller's own thread entered the program")
	}
	var m *abi.Message
	w.run(func() { client.do(h, abi.EndpointCall, within(1_000_000_000), abi.StatusDenied) }, func() {
		for m == nil || m.Reply == 0 { // the one that was given up has none
			m = server.receive(e)
		}
		if status := server.port.Refuse(m.Reply, abi.StatusOK); status != abi.StatusBadArgument {
			t.Errorf("refused with no reason: %v", status)
		}
		if status := server.port.Refuse(m.Reply, abi.StatusDenied); status != abi.StatusOK {
			t.Errorf("refuse: %v", status)
		}
	})
	if status := server.port.Refuse(m.Reply, abi.StatusDenied); status == abi.StatusOK {
		t.Error("one call was refused twice")
	}
	if status := server.port.Refuse(e, abi.StatusDenied); status != abi.StatusType {
		t.Errorf("refused at an endpoint: %v", status)
	}
}
