package gate_test

import (
	"fmt"
	"slices"
	"testing"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/journal"
)

// run lets the programs run together to their ends.
func (w *world) run(programs ...func()) {
	w.t.Helper()
	for i, f := range programs {
		w.machine.Go(fmt.Sprintf("program %d", i), f)
	}
	if report := w.machine.Run(); !report.OK() {
		w.t.Fatalf("deadlock %v, running %v, panic %v in %s", report.Deadlock, report.Running, report.Panic, report.PanicOf)
	}
}

// until lets the others run until the condition holds.
func (w *world) until(condition func() bool) {
	for range 10_000 {
		if condition() {
			return
		}
		w.machine.Yield()
	}
	w.t.Error("it never came to that")
}

// killer returns a handle of root's by which the task can be killed.
func (w *world) killer(of actor) abi.Handle {
	w.t.Helper()
	h, status := w.kernel.BootTaskCapability(w.root.port, of.port, abi.RightInvoke|abi.RightManage|abi.RightInspect)
	if status != abi.StatusOK {
		w.t.Fatal(status)
	}
	return h
}

func (w *world) kill(h abi.Handle) {
	w.t.Helper()
	w.root.do(h, abi.TaskKill, &abi.Args{}, abi.StatusOK)
}

// receive takes a message, which must be there or come.
func (a actor) receive(e abi.Handle) *abi.Message {
	a.t.Helper()
	m := &abi.Message{}
	a.do(e, abi.EndpointReceive, &abi.Args{Message: m}, abi.StatusOK)
	return m
}

// call calls and returns the answer.
func (a actor) call(e abi.Handle, m abi.Message, want abi.Status) *abi.Message {
	a.t.Helper()
	a.do(e, abi.EndpointCall, &abi.Args{Message: &m}, want)
	return &m
}

func (a actor) reply(h abi.Handle, m abi.Message, want abi.Status) {
	a.t.Helper()
	a.do(h, abi.EndpointReply, &abi.Args{Message: &m}, want)
}

// holds reports whether the handle names something in a's table.
func (a actor) holds(h abi.Handle) bool {
	return a.port.Invoke(h, abi.CapInspect, &abi.Args{}) == abi.StatusOK
}

// moving returns a message that gives handles away.
func moving(handles ...abi.Handle) abi.Message {
	m := abi.Message{HandleCount: uint8(len(handles)), Moves: 1<<len(handles) - 1}
	copy(m.Handles[:], handles)
	return m
}

// pair is a world with a server, the root, and a client with a handle of the
// server's endpoint.
type pair struct {
	*world

	client actor
	e      abi.Handle // the server's
	h      abi.Handle // the client's
}

func newPair(t *testing.T, slots uint32) pair {
	t.Helper()
	w := newWorld(t)
	p := pair{world: w, client: w.boot(slots), e: w.root.endpoint(2)}
	p.h = w.give(w.root, p.e, p.client, abi.Whole(user|abi.RightGrant))
	return p
}

func TestQueueFull(t *testing.T) {
	p := newPair(t, 8)
	gift := p.client.notification()
	for i := range 2 {
		p.client.do(p.h, abi.EndpointSend, &abi.Args{Message: &abi.Message{Words: [4]uint64{uint64(i)}}}, abi.StatusOK)
	}
	m := moving(gift)
	p.refused(p.client, p.h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusMailboxFull)
	p.refused(p.client, p.h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusMailboxFull)
	for i := range 2 {
		if got := p.root.receive(p.e).Words[0]; got != uint64(i) {
			t.Errorf("message %d came as number %d", got, i)
		}
	}
	p.client.do(p.h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	if p.client.holds(gift) {
		t.Error("what was moved is still there")
	}
}

// TestEightCapabilities sends as many capabilities as fit into a message to a
// receiver that has no room for the last of them.
func TestEightCapabilities(t *testing.T) {
	w := newWorld(t)
	receiver := w.boot(9)
	e := receiver.endpoint(2)
	h := w.give(receiver, e, w.root, abi.Whole(user))
	var gifts []abi.Handle
	for range 8 {
		gifts = append(gifts, w.root.notification())
	}
	w.root.taint()
	m := moving(gifts...)
	m.Moves = 0x55
	w.root.do(h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	w.refused(receiver, e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{}}, abi.StatusTableFull)
	receiver.do(receiver.budget, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	got := receiver.receive(e)
	if got.HandleCount != 8 || slices.Contains(got.Handles[:], 0) {
		t.Errorf("got %d handles, %v", got.HandleCount, got.Handles)
	}
	if receiver.label() != tainted() {
		t.Errorf("label %v", receiver.label())
	}
	for i, g := range gifts {
		if w.root.holds(g) == (0x55&(1<<i) != 0) {
			t.Errorf("handle %d: copied where moved, or moved where copied", i)
		}
	}
}

func TestHandlerFull(t *testing.T) {
	w := newWorld(t)
	server := w.boot(2)
	e := server.endpoint(1)
	server.serve(e, func(*abi.Message) abi.Status { t.Error("it was served"); return abi.StatusOK })
	h := w.give(server, e, w.root, abi.Whole(user))
	m := moving(w.root.notification(), w.root.notification())
	w.refused(w.root, h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusPeerFull)
}

// TestReceiverDies lets a receiver die with moved capabilities in its mailbox:
// the sender has them back under their old handles.
func TestReceiverDies(t *testing.T) {
	w := newWorld(t)
	receiver := w.boot(8)
	e := receiver.endpoint(4)
	h := w.give(receiver, e, w.root, abi.Whole(user))
	gift, copied := w.root.notification(), w.root.notification()
	m := moving(gift, copied)
	m.Moves = 1
	w.root.do(h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	w.root.do(gift, abi.NotificationPoll, &abi.Args{W: [6]uint64{1}}, abi.StatusBadHandle)
	w.kill(w.killer(receiver))
	w.tidy()
	w.root.do(gift, abi.NotificationPoll, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
	w.root.do(h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusRevoked)
	w.killAll(w.root.port)
}

// TestSenderDies lets the sender die while its capabilities are on their way:
// until they are received they are the sender's, and go with it.
func TestSenderDies(t *testing.T) {
	p := newPair(t, 8)
	kill := p.killer(p.client)
	m := moving(p.client.notification())
	p.client.do(p.h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	p.kill(kill)
	p.tidy()
	if got := p.root.receive(p.e); got.HandleCount != 1 || got.Handles[0] != 0 {
		t.Errorf("what was moved when its sender died came as %v", got.Handles[0])
	}
	p.killAll(p.root.port)
}

func TestServerDiesServing(t *testing.T) {
	p := newPair(t, 8)
	server := p.boot(8)
	e := p.give(p.root, p.e, server, abi.Whole(abi.RightInvoke|abi.RightReceive))
	p.run(func() {
		p.client.call(p.h, abi.Message{}, abi.StatusPeerDead)
	}, func() {
		server.receive(e)
		server.port.Done(0)
		p.tidy()
	})
	p.killAll(p.root.port, p.client.port)
}

func TestServerDiesBefore(t *testing.T) {
	w := newWorld(t)
	server := w.boot(8)
	h := w.give(server, server.endpoint(4), w.root, abi.Whole(user))
	w.run(func() {
		w.root.call(h, abi.Message{}, abi.StatusRevoked) // the capability goes with its giver
	}, func() {
		w.machine.Yield()
		server.port.Done(0)
		w.tidy()
	})
	w.root.call(h, abi.Message{}, abi.StatusRevoked)
	w.killAll(w.root.port)
}

// TestReplyDropped deletes a reply capability: nobody will ever answer.
func TestReplyDropped(t *testing.T) {
	p := newPair(t, 8)
	p.run(func() { p.client.call(p.h, abi.Message{}, abi.StatusPeerDead) }, func() {
		m := p.root.receive(p.e)
		p.root.do(m.Reply, abi.CapDelete, &abi.Args{}, abi.StatusOK)
	})
}

func TestCallerTimesOut(t *testing.T) {
	p := newPair(t, 8)
	gift := p.client.notification()
	m := moving(gift)
	m.Deadline = p.machine.Now() + 1000
	p.client.call(p.h, m, abi.StatusTimeout) // nobody serves
	if p.machine.Now() < m.Deadline {
		t.Error("it did not wait")
	}
	p.client.do(gift, abi.CapInspect, &abi.Args{}, abi.StatusBadHandle) // still in the mailbox
	p.root.do(p.e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: 1}}, abi.StatusTimeout)
	if !p.client.holds(gift) {
		t.Error("the message was dropped and what it moved is gone")
	}
	m.Deadline = 1
	before := p.machine.Now()
	p.client.call(p.h, m, abi.StatusTimeout)
	if p.machine.Now() > before+10_000 {
		t.Error("a past deadline waited")
	}

	p.run(func() {
		p.client.call(p.h, abi.Message{Deadline: p.machine.Now() + 10_000}, abi.StatusTimeout)
	}, func() {
		m := p.root.receive(p.e)
		p.root.do(m.Reply, abi.ReplyCheck, &abi.Args{}, abi.StatusOK)
		p.root.do(p.root.notification(), abi.NotificationWait, &abi.Args{W: [6]uint64{1, uint64(p.machine.Now() + 20_000)}}, abi.StatusTimeout)
		p.root.do(m.Reply, abi.ReplyCheck, &abi.Args{}, abi.StatusPeerDead)
		p.root.do(m.Reply, abi.ReplyCharge, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}}, abi.StatusPeerDead)
		p.root.reply(m.Reply, abi.Message{}, abi.StatusPeerDead)
		p.root.reply(m.Reply, abi.Message{}, abi.StatusBadHandle)
	})
}

func TestCallerKilled(t *testing.T) {
	for _, served := range []bool{false, true} {
		p := newPair(t, 8)
		kill := p.killer(p.client)
		p.run(func() {
			p.client.call(p.h, abi.Message{}, abi.StatusKilled)
		}, func() {
			var m *abi.Message
			if served {
				m = p.root.receive(p.e)
			} else {
				p.machine.Yield()
			}
			p.kill(kill)
			p.tidy()
			if served {
				p.until(func() bool { return p.root.port.Invoke(m.Reply, abi.ReplyCheck, &abi.Args{}) == abi.StatusPeerDead })
				p.root.reply(m.Reply, abi.Message{}, abi.StatusPeerDead)
				return
			}
			p.root.do(p.e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: p.machine.Now() + 100_000}}, abi.StatusTimeout)
		})
		p.killAll(p.root.port)
	}
}

// TestRevokedWhileCalling fences callers that wait: in the queue, while being
// served, and with an answer on its way that must have no effect.
func TestRevokedWhileCalling(t *testing.T) {
	t.Run("queued", func(t *testing.T) {
		p := newPair(t, 8)
		gift := p.client.notification()
		p.run(func() {
			p.client.call(p.h, moving(gift), abi.StatusRevoked)
		}, func() {
			p.machine.Yield()
			p.root.revoke(p.e)
			p.root.do(p.e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: p.machine.Now() + 100_000}}, abi.StatusTimeout)
		})
		if !p.client.holds(gift) {
			t.Error("what was in the message is gone")
		}
	})
	t.Run("served", func(t *testing.T) {
		p := newPair(t, 8)
		gift := p.root.notification()
		p.run(func() {
			m := p.client.call(p.h, abi.Message{}, abi.StatusRevoked)
			if m.Words[0] != 0 || m.Length != 0 {
				t.Error("the answer came through")
			}
		}, func() {
			m := p.root.receive(p.e)
			p.root.revoke(p.e)
			late := moving(gift)
			late.Words[0] = 7
			late.SetPayload([]byte("late"))
			charge := abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}}
			if status := p.root.port.Invoke(m.Reply, abi.ReplyCharge, &charge); status == abi.StatusOK {
				t.Error("the caller was charged after the revocation")
			}
			status := p.root.port.Invoke(m.Reply, abi.EndpointReply, &abi.Args{Message: &late})
			if status != abi.StatusPeerDead && status != abi.StatusRevoked {
				t.Errorf("the late answer: %v", status)
			}
		})
		if !p.root.holds(gift) {
			t.Error("the late answer gave something away")
		}
	})
	t.Run("by a handler", func(t *testing.T) {
		p := newPair(t, 8)
		gift := p.root.notification()
		p.root.serve(p.e, func(m *abi.Message) abi.Status {
			p.root.revoke(p.e)
			*m = moving(gift)
			m.SetPayload([]byte("late"))
			return abi.StatusOK
		})
		m := p.client.call(p.h, abi.Message{}, abi.StatusRevoked)
		if m.HandleCount != 0 || m.Length != 0 || m.Data != ([abi.MessageBytesMax]byte{}) || !p.root.holds(gift) {
			t.Errorf("the answer came through: %v", m.Payload())
		}
	})
}

// TestRevokedWhileWaiting revokes the right to receive of those that wait: they
// are told, take nothing, and make room for others.
func TestRevokedWhileWaiting(t *testing.T) {
	t.Run("endpoint", func(t *testing.T) {
		w := newWorld(t)
		e := w.root.endpoint(4)
		other := w.boot(8)
		h := w.give(w.root, e, other, abi.Whole(abi.RightInvoke|abi.RightReceive))
		told := false
		w.run(func() {
			other.do(h, abi.EndpointReceive, &abi.Args{Message: &abi.Message{}}, abi.StatusRevoked)
			told = true
		}, func() {
			for range 5 {
				w.machine.Yield()
			}
			w.root.revoke(e)
			w.until(func() bool { return told })
			w.root.do(e, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
			w.root.do(e, abi.EndpointReceive, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
		})
	})
	t.Run("notification", func(t *testing.T) {
		w := newWorld(t)
		n := w.root.notification()
		other := w.boot(8)
		h := w.give(w.root, n, other, abi.Whole(abi.RightInvoke|abi.RightReceive))
		w.run(func() {
			other.do(h, abi.NotificationWait, &abi.Args{W: [6]uint64{1}}, abi.StatusRevoked)
		}, func() {
			for range 5 {
				w.machine.Yield()
			}
			w.root.revoke(n)
			w.root.do(n, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
			for range 5 {
				w.machine.Yield()
			}
			args := abi.Args{W: [6]uint64{1}}
			w.root.do(n, abi.NotificationPoll, &args, abi.StatusOK)
			if args.W[0] != 1 {
				t.Error("the bits went to whom they were taken from")
			}
		})
	})
}

func TestReplyCapabilities(t *testing.T) {
	p := newPair(t, 3) // budget, the endpoint, and one free slot
	two := []abi.Handle{p.root.notification(), p.root.notification()}
	p.run(func() {
		m := p.client.call(p.h, abi.Message{}, abi.StatusOK)
		if m.HandleCount != 1 || p.typeOf(p.client, m.Handles[0]) != abi.ObjectNotification {
			t.Errorf("got %d handles, %v", m.HandleCount, m.Handles)
		}
		m = p.client.call(p.h, abi.Message{}, abi.StatusOK)
		if m.HandleCount != 0 {
			t.Errorf("got %d handles", m.HandleCount)
		}
	}, func() {
		m := p.root.receive(p.e)
		answer := moving(two...)
		p.refused(p.root, m.Reply, abi.EndpointReply, &abi.Args{Message: &answer}, abi.StatusPeerFull)
		answer = moving(two[0])
		p.root.reply(m.Reply, answer, abi.StatusOK)
		m = p.root.receive(p.e)
		long := abi.Message{Length: 513}
		p.refused(p.root, m.Reply, abi.EndpointReply, &abi.Args{Message: &long}, abi.StatusRange)
		p.root.reply(m.Reply, moving(two[1]), abi.StatusPeerFull)
		p.root.reply(m.Reply, abi.Message{}, abi.StatusOK)
	})
}

func TestReplyPassedOn(t *testing.T) {
	p := newPair(t, 8)
	worker := p.boot(8)
	tasks := worker.endpoint(2)
	toWorker := p.give(worker, tasks, p.root, abi.Whole(user))
	p.run(func() {
		if m := p.client.call(p.h, abi.Message{}, abi.StatusOK); m.Words[0] != 9 {
			t.Errorf("answer %d", m.Words[0])
		}
	}, func() {
		m := p.root.receive(p.e)
		copied := moving(m.Reply)
		copied.Moves = 0
		p.refused(p.root, toWorker, abi.EndpointSend, &abi.Args{Message: &copied}, abi.StatusCopies)
		moved := moving(m.Reply)
		p.root.do(toWorker, abi.EndpointSend, &abi.Args{Message: &moved}, abi.StatusOK)
		p.root.reply(m.Reply, abi.Message{}, abi.StatusBadHandle)
	}, func() {
		m := worker.receive(tasks)
		worker.reply(m.Handles[0], abi.Message{Words: [4]uint64{9}}, abi.StatusOK)
	})
}

func TestReplyReceive(t *testing.T) {
	p := newPair(t, 8)
	const rounds = 20
	p.run(func() {
		for i := range uint64(rounds) {
			if m := p.client.call(p.h, abi.Message{Words: [4]uint64{i}}, abi.StatusOK); m.Words[0] != i*i {
				t.Errorf("%d squared is %d", i, m.Words[0])
			}
		}
	}, func() {
		m := abi.Message{}
		args := abi.Args{Message: &m}
		for range rounds {
			p.root.do(p.e, abi.EndpointReplyReceive, &args, abi.StatusOK)
			args.W[0] = uint64(m.Reply)
			m.Words[0] *= m.Words[0]
		}
		m.Deadline = 1
		p.root.do(p.e, abi.EndpointReplyReceive, &args, abi.StatusTimeout) // but the answer is sent
	})
}

// chain makes servers of which each calls the next, and returns the handle by
// which the root calls the first.
func chain(w *world, length int, depths *[]int) abi.Handle {
	var next abi.Handle
	var nextOwner actor
	for i := range length {
		server := w.boot(4)
		e := server.endpoint(1)
		onward := abi.Handle(0)
		if i > 0 {
			onward = w.give(nextOwner, next, server, abi.Whole(user))
		}
		status := server.port.Serve(e, handlerFunc(func(p *gate.Port, m *abi.Message) abi.Status {
			*depths = append(*depths, length-i)
			if onward == 0 {
				return abi.StatusOK
			}
			return p.Invoke(onward, abi.EndpointCall, &abi.Args{Message: m})
		}), false)
		if status != abi.StatusOK {
			w.t.Fatal(status)
		}
		next, nextOwner = e, server
	}
	return w.give(nextOwner, next, w.root, abi.Whole(user))
}

func TestNestedCalls(t *testing.T) {
	for length, want := range map[int]abi.Status{1: abi.StatusOK, 15: abi.StatusOK, 16: abi.StatusDepth, 20: abi.StatusDepth} {
		w := newWorld(t)
		var depths []int
		h := chain(w, length, &depths)
		w.root.call(h, abi.Message{}, want)
		if len(depths) != min(length, 15) || !slices.IsSorted(depths) {
			t.Errorf("%d servers: %v served", length, depths)
		}
	}
}

func TestCallCycles(t *testing.T) {
	w := newWorld(t)
	a, b := w.boot(8), w.boot(8)
	ea, eb := a.endpoint(1), b.endpoint(1)
	ab := w.give(b, eb, a, abi.Whole(user))
	ba := w.give(a, ea, b, abi.Whole(user))
	call := func(h abi.Handle) handlerFunc {
		return func(p *gate.Port, m *abi.Message) abi.Status {
			return p.Invoke(h, abi.EndpointCall, &abi.Args{Message: m})
		}
	}
	if a.port.Serve(ea, call(ab), false) != abi.StatusOK || b.port.Serve(eb, call(ba), false) != abi.StatusOK {
		t.Fatal("Serve")
	}
	a.call(ab, abi.Message{}, abi.StatusCycle)
	a.call(ea, abi.Message{}, abi.StatusCycle) // to itself
	h := w.give(a, ea, w.root, abi.Whole(user))
	w.root.call(h, abi.Message{}, abi.StatusCycle)
}

func TestConcurrentHandler(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(1)
	inside, most := 0, 0
	status := w.root.port.Serve(e, handlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status {
		inside++
		most = max(most, inside)
		w.machine.Yield()
		inside--
		if m.Words[0] > 0 { // itself, as deep as the words say
			m.Words[0]--
		}
		return abi.StatusOK
	}), true)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if w.root.port.Serve(e, nil, true) != abi.StatusBusy {
		t.Error("two handlers at an endpoint")
	}
	var programs []func()
	for range 5 {
		c := w.boot(4)
		h := w.give(w.root, e, c, abi.Whole(user))
		programs = append(programs, func() { c.call(h, abi.Message{}, abi.StatusOK) })
	}
	w.run(programs...)
	if most < 2 {
		t.Error("nobody met in the handler")
	}
}

func TestTurns(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(1)
	inside := 0
	var came, served []uint64
	w.root.serve(e, func(m *abi.Message) abi.Status {
		if inside++; inside > 1 {
			t.Error("two at a time")
		}
		served = append(served, m.Badge)
		for range 20 {
			w.machine.Yield()
		}
		inside--
		return abi.StatusOK
	})
	var programs []func()
	for i := range uint64(6) {
		c := w.boot(4)
		m := abi.Whole(user)
		m.Badge = i + 1
		h := w.give(w.root, e, c, m)
		programs = append(programs, func() {
			came = append(came, i+1)
			c.call(h, abi.Message{}, abi.StatusOK)
		})
	}
	late := w.boot(4)
	h := w.give(w.root, e, late, abi.Whole(user))
	programs = append(programs, func() {
		w.until(func() bool { return len(served) == 1 })
		late.call(h, abi.Message{Deadline: w.machine.Now() + 500}, abi.StatusTimeout)
	})
	w.run(programs...)
	if !slices.Equal(came, served) {
		t.Errorf("came %v, served %v", came, served)
	}
}

func TestHandlerKilled(t *testing.T) {
	w := newWorld(t)
	server := w.boot(8)
	e := server.endpoint(1)
	kill := w.killer(server)
	_ = server.port.Serve(e, handlerFunc(func(p *gate.Port, m *abi.Message) abi.Status {
		w.kill(kill)
		if status := p.Invoke(server.budget, abi.NotificationCreate, &abi.Args{}); status != abi.StatusKilled {
			t.Errorf("a dead server made a notification: %v", status)
		}
		m.SetPayload([]byte("from the dead"))
		return abi.StatusOK
	}), false)
	h := w.give(server, e, w.root, abi.Whole(user))
	m := w.root.call(h, abi.Message{}, abi.StatusPeerDead)
	if m.Length != 0 {
		t.Error("the dead answer")
	}
	w.tidy()
	w.root.call(h, abi.Message{}, abi.StatusRevoked)
	w.killAll(w.root.port)
}

// TestHandlerOfAnother kills a server whose endpoint another made and keeps.
func TestHandlerOfAnother(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(1)
	server := w.boot(8)
	kill := w.killer(server)
	se := w.give(w.root, e, server, abi.Whole(abi.RightInvoke|abi.RightReceive))
	server.serve(se, func(m *abi.Message) abi.Status {
		if m.Words[0] == 1 {
			w.kill(kill)
		}
		return abi.StatusOK
	})
	w.root.call(e, abi.Message{}, abi.StatusOK)
	w.root.call(e, abi.Message{Words: [4]uint64{1}}, abi.StatusPeerDead)
	w.root.call(e, abi.Message{}, abi.StatusPeerDead)
	next := w.boot(8)
	ne := w.give(w.root, e, next, abi.Whole(abi.RightInvoke|abi.RightReceive))
	w.tidy()
	next.serve(ne, func(*abi.Message) abi.Status { return abi.StatusOK }) // a place that the dead left
	w.root.call(e, abi.Message{}, abi.StatusOK)
}

// TestHandlerCharges lets a handler charge its caller, or the payer that the
// caller's capability names.
func TestHandlerCharges(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(1)
	_ = w.root.port.Serve(e, handlerFunc(func(p *gate.Port, m *abi.Message) abi.Status {
		if m.Words[1] != 0 {
			w.root.revoke(e)
		}
		m.Words[0] = uint64(p.Invoke(0, abi.ReplyCharge, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), m.Words[0]}}))
		m.Words[1] = uint64(p.Invoke(0, abi.ReplyCheck, &abi.Args{}))
		return abi.StatusOK
	}), false)
	client := w.boot(8)
	purse := w.root.carve(w.root.budget, abi.Amounts{0, 0, 0, 10})
	mine, status := w.kernel.BootGrant(w.root.port, e, client.port, &abi.Mint{Rights: user, Ceiling: abi.LabelTop(), Uses: abi.Unlimited, Copies: abi.Unlimited})
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	byPurse := w.give(w.root, w.root.mint(e, abi.Mint{Rights: rightsOfOwner, Pass: rightsOfOwner, Ceiling: abi.LabelTop(), Uses: abi.Unlimited, Copies: abi.Unlimited, Payer: purse}), client, abi.Whole(user))
	spent := func(a actor, h abi.Handle) uint64 {
		args := abi.Args{W: [6]uint64{2}}
		a.do(h, abi.BudgetInspect, &args, abi.StatusOK)
		return args.W[abi.ResourceTokens]
	}
	m := client.call(mine, abi.Message{Words: [4]uint64{7}}, abi.StatusOK)
	if abi.Status(m.Words[0]) != abi.StatusOK || spent(client, client.budget) != 7 {
		t.Errorf("charge %v, spent %d", m.Words[0], spent(client, client.budget))
	}
	m = client.call(byPurse, abi.Message{Words: [4]uint64{6}}, abi.StatusOK)
	if m.Words[0] != 0 || spent(w.root, purse) != 6 || spent(client, client.budget) != 7 {
		t.Errorf("charge %v, purse spent %d", m.Words[0], spent(w.root, purse))
	}
	if m = client.call(byPurse, abi.Message{Words: [4]uint64{5}}, abi.StatusOK); abi.Status(m.Words[0]) != abi.StatusBudget {
		t.Errorf("over the purse: %v", m.Words[0])
	}
	client.call(mine, abi.Message{Words: [4]uint64{3, 1}}, abi.StatusRevoked)
	if spent(client, client.budget) != 7 {
		t.Error("the caller was charged after the revocation")
	}
}

// TestTransfersAreRecorded checks that a capability which changes hands in a
// message is in the journal, both ways and through the queue.
func TestTransfersAreRecorded(t *testing.T) {
	p := newPair(t, 16)
	grants := func() int { return p.count(journal.KindGrant) + p.count(journal.KindMove) }
	before := grants()
	m := moving(p.client.notification(), p.client.notification())
	m.Moves = 1
	p.client.do(p.h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusOK)
	p.root.receive(p.e)
	if got := grants() - before; got != 2 {
		t.Errorf("%d records of two transfers", got)
	}
	gift := p.root.notification()
	p.root.serve(p.e, func(m *abi.Message) abi.Status {
		*m = moving(gift)
		return abi.StatusOK
	})
	before = grants()
	p.client.call(p.h, moving(p.client.notification()), abi.StatusOK)
	if got := grants() - before; got != 2 {
		t.Errorf("%d records of two transfers", got)
	}
	last := p.last(journal.KindGrant)
	if last.Task != p.client.port.TaskID() || last.Peer != p.root.port.TaskID() {
		t.Errorf("last copy: %+v", last)
	}
	gift = p.client.notification()
	p.log.refusing = true
	_ = p.root.port.Invoke(p.e, abi.CapMint, &abi.Args{Mint: &abi.Mint{}})
	m = moving(gift)
	p.refused(p.client, p.h, abi.EndpointCall, &abi.Args{Message: &m}, abi.StatusJournal)
	p.refused(p.client, p.h, abi.EndpointSend, &abi.Args{Message: &m}, abi.StatusJournal)
	p.root.revoke(p.e)
	p.client.do(p.h, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusRevoked)
}
