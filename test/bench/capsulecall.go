package bench

import (
	"errors"

	"phios/abi"
	"phios/capsule"
	"phios/internal/assemble"
	"phios/kernel/gate"
)

var errStatm = errors.New("/proc/self/statm has not the fields that Linux documents")

// messageAt is where the hand-made programs have their message.
const messageAt = 1024

// echoModule is a server that answers each message with itself, its first word
// one more.
func echoModule() []byte {
	const word = messageAt + abi.MessageAtWords
	count := assemble.Store64(word, assemble.Join(assemble.Load64(word), assemble.I64(1), assemble.Op(assemble.Add64)))
	return assemble.Module{Functions: []assemble.Function{
		{Export: abi.ExportMessage, Results: "w", Code: assemble.I32(messageAt)},
		{Export: abi.ExportHandle, Results: "w", Code: assemble.Join(count, assemble.I32(0))},
	}}.Bytes()
}

// callerModule is a server that, for each message, calls the capability named
// "peer" as often as the first word says, with 64 bytes each time.
func callerModule() []byte {
	const (
		named, call = 0, 1
		left, peer  = 0, 1 // locals
		letterAt    = 2048
		handleAt    = 64
		word        = messageAt + abi.MessageAtWords
	)
	a := assemble.Join
	code := a(
		assemble.I32(assemble.DataAt), assemble.I32(4), assemble.I32(handleAt), assemble.Call(named),
		assemble.Op(assemble.If, assemble.Void), assemble.I32(int64(abi.StatusBadHandle)), assemble.Op(assemble.Return, assemble.End),
		assemble.Load64(handleAt), assemble.Set(peer),
		assemble.Load64(word), assemble.Set(left),
		assemble.Op(assemble.Loop, assemble.Void),
		assemble.Get(left), assemble.Op(assemble.Eqz64, assemble.If, assemble.Void), assemble.I32(0), assemble.Op(assemble.Return, assemble.End),
		assemble.Get(left), assemble.I64(1), assemble.Op(assemble.Sub64), assemble.Set(left),
		assemble.Store64(letterAt+abi.MessageAtLength, assemble.I64(64)),
		assemble.Get(peer), assemble.I32(letterAt), assemble.Call(call),
		assemble.Op(assemble.If, assemble.Void), assemble.I32(int64(abi.StatusState)), assemble.Op(assemble.Return, assemble.End),
		assemble.Op(assemble.Branch, 0, assemble.End), assemble.Op(assemble.Unreachable),
	)
	return assemble.Module{
		Imports: []assemble.Import{
			{Module: "phi:cap", Name: "named", Params: "www", Results: "w"},
			{Module: "phi:ipc", Name: "call", Params: "dw", Results: "w"},
		},
		Data: []byte("peer"),
		Functions: []assemble.Function{
			{Export: abi.ExportMessage, Results: "w", Code: assemble.I32(messageAt)},
			{Export: abi.ExportHandle, Results: "w", Locals: 2, Code: code},
		},
	}.Bytes()
}

// times makes a program that was started from callerModule call n times.
func times(t task, caller capsule.Program, names map[string]abi.Handle) work {
	return func(n int) abi.Status {
		m := &abi.Message{Words: [abi.MessageWords]uint64{uint64(n)}}
		return caller.Serve(door{t.port, names}, m)
	}
}

// directRows measures a call from one program to another in this process: the
// other runs on the caller's own thread, or takes it from its mailbox on a
// thread of its own.
func directRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	server, client := c.boot(16), c.boot(16)
	direct, queued := c.endpoint(server, 4), c.endpoint(server, 4)
	names := map[string]abi.Handle{"peer": c.give(server, direct, client, rightsOfUser)}
	slow := map[string]abi.Handle{"peer": c.give(server, queued, client, rightsOfUser)}
	if c.err != nil {
		return nil, c.err
	}
	echo, err := c.start(echoModule(), server, nil)
	if err != nil {
		return nil, err
	}
	defer echo.Close()
	caller, err := c.start(callerModule(), client, names)
	if err != nil {
		return nil, err
	}
	defer caller.Close()
	if status := server.port.Serve(direct, served{program: echo}, false); status != abi.StatusOK {
		return nil, status
	}
	channels, stop := channelCall()
	defer stop()
	all, err := m.interleave(times(client, caller, names), c.queued(server, client, queued, slow), channels)
	if err != nil {
		return nil, err
	}
	const peer = "two unbuffered Go channels"
	return []Row{
		atMost("direct: program to program on one thread, 64 B", all[0].median(), unitNS, directTargetNS).
			against(peer, all[2].median(), all[2].over(all[0])),
		atMost("direct: the same through a mailbox", all[1].median(), unitNS, queuedTargetNS).
			against(peer, all[2].median(), all[2].over(all[1])),
	}, nil
}

// queued is the work of calls to a program that takes them from its mailbox.
func (c *capsules) queued(server, client task, e abi.Handle, names map[string]abi.Handle) work {
	echo, err := c.start(echoModule(), server, nil)
	if err != nil {
		return func(int) abi.Status { return abi.StatusState }
	}
	caller, err := c.start(callerModule(), client, names)
	if err != nil {
		return func(int) abi.Status { return abi.StatusState }
	}
	return func(n int) abi.Status {
		deadline := c.machine.Now() + waitNSMax
		done := make(chan abi.Status, 1) // the answer waits for nobody
		go func() { done <- serveProgram(server, e, echo, n, deadline) }()
		status := times(client, caller, names)(n)
		if other := <-done; status == abi.StatusOK {
			status = other
		}
		return status
	}
}

// serveProgram answers n calls out of the mailbox with a program.
func serveProgram(t task, e abi.Handle, program capsule.Program, n int, deadline int64) abi.Status {
	m := &abi.Message{Deadline: deadline}
	args := abi.Args{Message: m}
	for range n {
		if status := t.port.Invoke(e, abi.EndpointReplyReceive, &args); status != abi.StatusOK {
			return status
		}
		answer := m.Reply
		if status := program.Serve(door{Port: t.port}, m); status != abi.StatusOK {
			return status
		}
		m.Deadline, args.W[0] = deadline, uint64(answer)
	}
	return t.port.Invoke(abi.Handle(args.W[0]), abi.EndpointReply, &args)
}

// shareRows measures handing 64 MiB over that both see already: a message that
// says where.
func shareRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	server, client := c.boot(16), c.boot(16)
	e := c.endpoint(server, 4)
	h := c.give(server, e, client, rightsOfUser)
	r := c.region(client, handoverBytes)
	theirs := c.give(client, r, server, abi.RightInvoke|abi.RightMap|abi.RightRead)
	c.do(client, r, abi.RegionMap, &abi.Args{W: [abi.ArgWords]uint64{0, handoverBytes, abi.RegionShared}})
	c.do(server, theirs, abi.RegionMap, &abi.Args{W: [abi.ArgWords]uint64{0, handoverBytes, abi.RegionPrivate}})
	if c.err != nil {
		return nil, c.err
	}
	if status := server.port.Serve(e, taken{}, false); status != abi.StatusOK {
		return nil, status
	}
	took, err := m.one(repeat(client, h, abi.EndpointCall, &abi.Args{Message: &abi.Message{Words: [abi.MessageWords]uint64{0, handoverBytes}}}))
	if err != nil {
		return nil, err
	}
	return []Row{atMost("share: hand over 64 MiB that are mapped", took, unitNS, handoverNS)}, nil
}

// taken is a server that takes what is handed over.
type taken struct{}

// Serve looks at where it lies.
func (taken) Serve(_ *gate.Port, m *abi.Message) abi.Status {
	if m.Words[0]+m.Words[1] > handoverBytes {
		return abi.StatusRange
	}
	return abi.StatusOK
}
