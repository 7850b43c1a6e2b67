package remote

import (
	"bytes"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
)

// each runs a test over every link.
func each(t *testing.T, test func(t *testing.T, node, program Link)) {
	t.Helper()
	for name, connect := range links {
		t.Run(name, func(t *testing.T) {
			node, program := connect(t)
			test(t, node, program)
		})
	}
}

// want fails the test, from any goroutine, when the two differ.
func want[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: %v instead of %v", what, got, wanted)
	}
}

// TestCalls makes calls with every part a frame can have, of a real kernel.
func TestCalls(t *testing.T) {
	each(t, func(t *testing.T, node, link Link) {
		t.Helper()
		inner, budget := newDoor(t)
		var out output
		spec := capsule.Spec{Door: inner, Argument: 42, Output: out.write}
		s := program(t, node, link, spec, func(d *Door) {
			session(t, d, budget)
			regions(t, d, budget)
			messages(t, d, budget)
			want(t, "exit", d.Exit(capsule.Exit{Code: 3, Detail: "bye\x1b[2J"}), abi.StatusOK)
		})
		exit := s.Run()
		want(t, "exit", exit, capsule.Exit{Code: 3, Detail: "bye [2J"})
		got, over := s.Ended()
		want(t, "ended", over, true)
		want(t, "end", got, exit)
		want(t, "output", out.text, "1hello2"+string(bytes.Repeat([]byte("x"), abi.FramePayloadMax))+"2y")
		want(t, "serve", s.Serve(inner, &abi.Message{}), abi.StatusPeerDead)
	})
}

func session(t *testing.T, d *Door, budget abi.Handle) {
	t.Helper()
	h, status := d.Named("budget")
	want(t, "named", status, abi.StatusOK)
	want(t, "handle", h, budget)
	_, status = d.Named("refused")
	want(t, "refused", status, abi.StatusDenied)
	_, status = d.Named("unheard of")
	want(t, "unknown", status, abi.StatusBadHandle)
	_, status = d.Named(string(make([]byte, NameBytesMax+1)))
	want(t, "long", status, abi.StatusBadHandle)
	argument, status := d.Argument()
	want(t, "argument", status, abi.StatusOK)
	want(t, "argument", argument, 42)
	want(t, "charge", d.Charge(abi.ResourceCPU, 1000), abi.StatusOK)
	want(t, "charge too much", d.Charge(abi.ResourceCPU, 1<<40), abi.StatusBudget)
	want(t, "charge nothing", d.Charge(abi.Resource(abi.ResourceCount), 1), abi.StatusBadArgument)
	d.Output(1, []byte("hello"))
	d.Output(2, append(bytes.Repeat([]byte("x"), abi.FramePayloadMax), 'y'))
	d.Output(3, []byte("nowhere"))
	for _, c := range []abi.Call{abi.CallNone, abi.Call(abi.CallCount), abi.SessionRingSend, 0xffff} {
		want(t, "no such call", d.Invoke(budget, c, &abi.Args{}), abi.StatusBadCall)
	}
	want(t, "alive", d.Alive(), true)
}

func regions(t *testing.T, d *Door, budget abi.Handle) {
	t.Helper()
	args := abi.Args{W: [abi.ArgWords]uint64{1 << 20}}
	want(t, "create", d.Invoke(budget, abi.RegionCreate, &args), abi.StatusOK)
	region := abi.Handle(args.W[0])
	text := make([]byte, 3*abi.FramePayloadMax+5)
	for i := range text {
		text[i] = byte(i * 7)
	}
	args = abi.Args{W: [abi.ArgWords]uint64{100}, Bytes: text}
	want(t, "write", d.Invoke(region, abi.RegionWrite, &args), abi.StatusOK)
	back := make([]byte, len(text))
	args = abi.Args{W: [abi.ArgWords]uint64{100}, Bytes: back}
	want(t, "read", d.Invoke(region, abi.RegionRead, &args), abi.StatusOK)
	want(t, "what was read", bytes.Equal(text, back), true)
	args = abi.Args{W: [abi.ArgWords]uint64{1<<20 - 100}, Bytes: text}
	want(t, "write past the end", d.Invoke(region, abi.RegionWrite, &args), abi.StatusRange)
	args = abi.Args{W: [abi.ArgWords]uint64{^uint64(0)}, Bytes: back}
	want(t, "read past everything", d.Invoke(region, abi.RegionRead, &args), abi.StatusRange)
	args = abi.Args{Bytes: back}
	want(t, "too much for another call", d.Invoke(budget, abi.BudgetInspect, &args), abi.StatusRange)
	mint := abi.Whole(abi.RightInvoke | abi.RightInspect)
	args = abi.Args{Mint: &mint}
	want(t, "mint", d.Invoke(region, abi.CapMint, &args), abi.StatusOK)
	lesser := abi.Handle(args.W[0])
	args = abi.Args{}
	want(t, "inspect", d.Invoke(lesser, abi.CapInspect, &args), abi.StatusOK)
	want(t, "type", abi.ObjectType(args.W[0]), abi.ObjectRegion)
	want(t, "ceiling", args.Label, abi.LabelTop())
	want(t, "right", d.Invoke(lesser, abi.RegionWrite, &abi.Args{Bytes: []byte("x")}), abi.StatusRights)
}

func messages(t *testing.T, d *Door, budget abi.Handle) {
	t.Helper()
	args := abi.Args{W: [abi.ArgWords]uint64{4}, Label: abi.LabelTop()}
	want(t, "endpoint", d.Invoke(budget, abi.EndpointCreate, &args), abi.StatusOK)
	endpoint := abi.Handle(args.W[0])
	m := abi.Message{Words: [abi.MessageWords]uint64{1, 2, 3, 4}}
	m.SetPayload([]byte("payload"))
	want(t, "send", d.Invoke(endpoint, abi.EndpointSend, &abi.Args{Message: &m}), abi.StatusOK)
	m = abi.Message{}
	want(t, "receive", d.Invoke(endpoint, abi.EndpointReceive, &abi.Args{Message: &m}), abi.StatusOK)
	want(t, "words", m.Words, [abi.MessageWords]uint64{1, 2, 3, 4})
	want(t, "payload", string(m.Payload()), "payload")
	m = abi.Message{Length: abi.MessageBytesMax + 1}
	want(t, "bad message", d.Invoke(endpoint, abi.EndpointSend, &abi.Args{Message: &m}), abi.StatusRange)
	want(t, "no message", d.Invoke(endpoint, abi.EndpointSend, &abi.Args{}), abi.StatusBadArgument)
}

// TestServe passes messages to a handler that asks the kernel meanwhile.
func TestServe(t *testing.T) {
	each(t, func(t *testing.T, node, link Link) {
		t.Helper()
		inner, budget := newDoor(t)
		s := program(t, node, link, capsule.Spec{Door: inner}, func(d *Door) {
			_ = d.Ready()
			var m abi.Message
			for d.Await(&m) == abi.StatusOK {
				status := abi.StatusOK
				switch m.Words[0] {
				case 1:
					status = abi.StatusDenied
				case 2:
					m.Length = abi.MessageBytesMax + 1
				default:
					args := abi.Args{}
					want(t, "nested", d.Invoke(budget, abi.BudgetInspect, &args), abi.StatusOK)
					m.Words[0] *= 2
				}
				_ = d.Answer(&m, status)
			}
			want(t, "alive", d.Alive(), false)
		})
		want(t, "too early", s.Serve(inner, &abi.Message{}), abi.StatusState)
		want(t, "run", s.Run(), capsule.Exit{})
		want(t, "serves", s.Serves(), true)
		for i := uint64(10); i < 200; i++ {
			m := abi.Message{Words: [abi.MessageWords]uint64{i}}
			m.SetPayload([]byte("kept"))
			want(t, "serve", s.Serve(inner, &m), abi.StatusOK)
			want(t, "answer", m.Words[0], 2*i)
			want(t, "payload", string(m.Payload()), "kept")
		}
		want(t, "calls", s.Calls(), 190)
		want(t, "denied", s.Serve(inner, &abi.Message{Words: [abi.MessageWords]uint64{1}}), abi.StatusDenied)
		want(t, "bad answer", s.Serve(inner, &abi.Message{Words: [abi.MessageWords]uint64{2}}), abi.StatusRange)
		_, over := s.Ended()
		want(t, "ended", over, false)
	})
}

// TestNeverAnswers stops a program that says nothing any more.
func TestNeverAnswers(t *testing.T) {
	each(t, func(t *testing.T, node, link Link) {
		t.Helper()
		inner, _ := newDoor(t)
		hold := make(chan struct{})
		s := program(t, node, link, capsule.Spec{Door: inner}, func(d *Door) {
			_ = d.Ready()
			var m abi.Message
			_ = d.Await(&m)
			<-hold
		})
		defer close(hold)
		s.Run()
		time.AfterFunc(20*time.Millisecond, func() { s.End(capsule.Exit{Cause: capsule.CauseStopped}) })
		start := time.Now()
		want(t, "serve", s.Serve(inner, &abi.Message{}), abi.StatusPeerDead)
		if waited := time.Since(start); waited > 3*time.Second {
			t.Errorf("stopped after %v", waited)
		}
		exit, _ := s.Ended()
		want(t, "cause", exit.Cause, capsule.CauseStopped)
	})
}

// TestClosesEarly lets the program go in the middle of a message.
func TestClosesEarly(t *testing.T) {
	each(t, func(t *testing.T, node, link Link) {
		t.Helper()
		inner, _ := newDoor(t)
		s := program(t, node, link, capsule.Spec{Door: inner}, func(d *Door) {
			_ = d.Ready()
			var m abi.Message
			_ = d.Await(&m)
			link.Sever()
		})
		s.Run()
		want(t, "serve", s.Serve(inner, &abi.Message{}), abi.StatusPeerDead)
		exit, over := s.Ended()
		want(t, "over", over, true)
		want(t, "cause", exit.Cause, capsule.CauseLost)
		want(t, "run", s.Run().Cause, capsule.CauseLost)
	})
}

// TestLies sends frames that are in order but not in turn.
func TestLies(t *testing.T) {
	for name, f := range map[string]abi.Frame{
		"answer to nothing": {Call: abi.SessionServe, Status: abi.Status(999), Parts: abi.PartMessage},
		"no message":        {Call: abi.SessionServe},
		"ready again":       {Call: abi.SessionReady},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, node, link Link) {
				t.Helper()
				inner, _ := newDoor(t)
				s := program(t, node, link, capsule.Spec{Door: inner}, func(d *Door) {
					_ = d.Ready()
					var m abi.Message
					_ = d.Await(&m)
					_ = link.Send(&f)
				})
				s.Run()
				want(t, "serve", s.Serve(inner, &abi.Message{}), abi.StatusPeerDead)
				exit, _ := s.Ended()
				want(t, "cause", exit.Cause, capsule.CauseLost)
			})
		})
	}
}

// TestExitsWhileServing is a handler that traps.
func TestExitsWhileServing(t *testing.T) {
	each(t, func(t *testing.T, node, link Link) {
		t.Helper()
		inner, _ := newDoor(t)
		s := program(t, node, link, capsule.Spec{Door: inner}, func(d *Door) {
			_ = d.Ready()
			var m abi.Message
			_ = d.Await(&m)
			_ = d.Exit(capsule.Exit{Cause: capsule.CauseTrap, Detail: "unreachable"})
		})
		s.Run()
		want(t, "serve", s.Serve(inner, &abi.Message{}), abi.StatusPeerDead)
		exit, _ := s.Ended()
		want(t, "exit", exit, capsule.Exit{Cause: capsule.CauseTrap, Detail: "unreachable"})
	})
}

func TestGeometryOfRings(t *testing.T) {
	if _, err := NewRings(make([]byte, RingsBytes-1), SideNode); err == nil {
		t.Error("memory that is too small was accepted")
	}
}
