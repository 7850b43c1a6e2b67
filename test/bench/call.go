package bench

import (
	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/hook"
)

// The targets of what passes between tasks without a queue.
const (
	callTargetNS   = 80
	callFaster     = 4 // times, than two Go channels
	signalTargetNS = 20
	hookTargetNS   = 2
)

// payload is 64 bytes, what the Go channels carry and what messages carry.
type payload [64]byte

// rightsOfUser are what it takes to call and to send.
const rightsOfUser = abi.RightInvoke | abi.RightSend

// echo is a server that answers with what it was sent.
type echo struct{}

// Serve leaves the message as it is.
func (echo) Serve(*gate.Port, *abi.Message) abi.Status { return abi.StatusOK }

// channelCall is the peer of a call: a goroutine that echoes over two
// unbuffered channels. stop ends it.
func channelCall() (ask work, stop func()) {
	there, back := make(chan payload), make(chan payload)
	go func() {
		for p := range there {
			back <- p
		}
	}()
	ask = func(n int) abi.Status {
		var p payload
		for range n {
			there <- p
			p = <-back
		}
		return abi.StatusOK
	}
	return ask, func() { close(there) }
}

// callRows measures a call to a server in this process, both ways through the
// door, from one task to another that takes one caller at a time.
func callRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	server, client := w.boot(16), w.boot(16)
	e := w.endpoint(server, 4)
	h := w.give(server, e, client, rightsOfUser)
	if w.err != nil {
		return nil, w.err
	}
	if status := server.port.Serve(e, echo{}, false); status != abi.StatusOK {
		return nil, status
	}
	call := repeat(client, h, abi.EndpointCall, &abi.Args{Message: &abi.Message{Length: 64}})
	channels, stop := channelCall()
	defer stop()
	all, err := m.interleave(call, channels)
	if err != nil {
		return nil, err
	}
	allocations, err := m.allocations(call)
	if err != nil {
		return nil, err
	}
	const peer = "two unbuffered Go channels"
	ratio := all[1].over(all[0])
	return []Row{
		atMost("call: to an in-process server and its reply, 64 B", all[0].median(), unitNS, callTargetNS).
			against(peer, all[1].median(), ratio),
		atLeast("call: times faster than two Go channels", peer, ratio, callFaster),
		atMost("call: allocations", allocations, unitAllocs, 0),
	}, nil
}

// signalRows measures a signal that nobody waits for.
func signalRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	t := w.boot(16)
	h := w.do(t, t.budget, abi.NotificationCreate, &abi.Args{})
	if w.err != nil {
		return nil, w.err
	}
	signal := repeat(t, h, abi.NotificationSignal, &abi.Args{W: [abi.ArgWords]uint64{1}})
	took, err := m.one(signal)
	if err != nil {
		return nil, err
	}
	allocations, err := m.allocations(signal)
	if err != nil {
		return nil, err
	}
	return []Row{
		atMost("signal: without a waiter", took, unitNS, signalTargetNS),
		atMost("signal: allocations", allocations, unitAllocs, 0),
	}, nil
}

// hookRows measures an empty hook point as the gate asks it, in a loop of its
// own: the loop counts too. What it takes more in a loop that does something
// was rejected as a figure, because it is nothing: the load hides behind the
// work.
func hookRows(m *meter) ([]Row, error) {
	table := &hook.Table{}
	took, err := m.one(func(n int) abi.Status {
		for range n {
			if h := table.GateHook(); h != nil {
				return h(hook.Gate{})
			}
		}
		return abi.StatusOK
	})
	if err != nil {
		return nil, err
	}
	return []Row{atMost("hook: asking an empty point", took, unitNS, hookTargetNS)}, nil
}
