package bench

import (
	"errors"
	"fmt"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/worker"
	"phios/internal/assemble"
	"phios/platform/host"
)

// Where the programs of this measurement have what.
const (
	ringWindowAt    = 64 << 10 // their second page of WebAssembly: a window of two rings
	ringWindowBytes = 8 << 10
	ringBackAt      = ringWindowAt + ringWindowBytes/2
	ringSlots       = 16
	ringWaitNS      = 1_000_000_000
)

// ringModule is a server that, for each message, shows the region named "peer"
// in its memory and then passes 64 bytes through two rings in it as often as
// the first word says: sending first when it leads, else receiving first.
func ringModule(leads bool) []byte { //nolint:revive // flag-parameter: the two sides of one program
	const (
		named, mapped, send, receive = 0, 1, 2, 3
		left                         = 0 // local
		letterAt                     = 2048
		handleAt, addressAt          = 64, 72
		word                         = messageAt + abi.MessageAtWords
	)
	a := assemble.Join
	pass := func(function uint64, at int64) []byte {
		return a(
			assemble.I32(at), assemble.I32(64), assemble.I32(ringSlots), assemble.I64(ringWaitNS),
			assemble.I32(letterAt), assemble.I32(64), assemble.Call(function),
			assemble.Op(assemble.If, assemble.Void), assemble.I32(int64(abi.StatusTimeout)), assemble.Op(assemble.Return, assemble.End),
		)
	}
	there, back := pass(send, ringWindowAt), pass(receive, ringBackAt)
	if !leads {
		there, back = pass(receive, ringWindowAt), pass(send, ringBackAt)
	}
	code := a(
		assemble.I32(assemble.DataAt), assemble.I32(4), assemble.I32(handleAt), assemble.Call(named), assemble.Op(assemble.Drop),
		// It is shown already when this is not the first message.
		assemble.Load64(handleAt), assemble.I64(0), assemble.I64(ringWindowBytes), assemble.I64(abi.RegionShared),
		assemble.I32(ringWindowAt), assemble.I32(addressAt), assemble.Call(mapped), assemble.Op(assemble.Drop),
		assemble.Load64(word), assemble.Set(left),
		assemble.Op(assemble.Loop, assemble.Void),
		assemble.Get(left), assemble.Op(assemble.Eqz64, assemble.If, assemble.Void), assemble.I32(0), assemble.Op(assemble.Return, assemble.End),
		assemble.Get(left), assemble.I64(1), assemble.Op(assemble.Sub64), assemble.Set(left),
		there, back,
		assemble.Op(assemble.Branch, 0, assemble.End), assemble.Op(assemble.Unreachable),
	)
	return assemble.Module{
		Imports: []assemble.Import{
			{Module: "phi:cap", Name: "named", Params: "www", Results: "w"},
			{Module: "phi:mem", Name: "map", Params: "ddddww", Results: "w"},
			{Module: "phi:mem", Name: "ring_send", Params: "wwwdww", Results: "w"},
			{Module: "phi:mem", Name: "ring_receive", Params: "wwwdww", Results: "w"},
		},
		Pages: 2,
		Data:  []byte("peer"),
		Functions: []assemble.Function{
			{Export: abi.ExportMessage, Results: "w", Code: assemble.I32(messageAt)},
			{Export: abi.ExportHandle, Results: "w", Locals: 1, Code: code},
		},
	}.Bytes()
}

var errGuest = errors.New("the program has no address space to be adopted")

// ringWork starts two programs in workers of their own that share a region, and
// returns the work of passing 64 bytes there and back through it. stop ends
// them.
func (c *capsules) ringWork() (trip work, stop func(), err error) {
	p, err := c.pool(0)
	if err != nil {
		return nil, nil, err
	}
	owner := c.boot(16)
	r := c.region(owner, ringWindowBytes)
	var sides [2]capsule.Program
	var tasks [2]task
	var names [2]map[string]abi.Handle
	for n := range sides {
		tasks[n] = c.boot(16)
		h := c.give(owner, r, tasks[n], abi.RightInvoke|abi.RightMap|abi.RightRead|abi.RightWrite)
		names[n] = map[string]abi.Handle{"peer": h}
		if c.err != nil {
			p.Close()
			return nil, nil, c.err
		}
		if sides[n], err = c.adopted(p, ringModule(n == 0), tasks[n], names[n]); err != nil {
			p.Close()
			return nil, nil, err
		}
	}
	serve := func(side, n int) abi.Status {
		m := &abi.Message{Words: [abi.MessageWords]uint64{uint64(n)}}
		return sides[side].Serve(door{tasks[side].port, names[side]}, m)
	}
	trip = func(n int) abi.Status {
		done := make(chan abi.Status, 1) // the answer waits for nobody
		go func() { done <- serve(1, n) }()
		status := serve(0, n)
		if other := <-done; status == abi.StatusOK {
			status = other
		}
		return status
	}
	return trip, func() {
		for _, s := range sides {
			s.Close()
		}
		p.Close()
	}, nil
}

// adopted starts a module in a worker, with its memory as its task's address
// space.
func (c *capsules) adopted(p *worker.Pool, module []byte, t task, names map[string]abi.Handle) (capsule.Program, error) {
	program, err := inWorker(p, module, t, names)
	if err != nil {
		return nil, err
	}
	g, ok := program.(interface{ Guest() host.Guest })
	if !ok {
		program.Close()
		return nil, errGuest
	}
	space, status := c.machine.NewGuest(g.Guest())
	if status == abi.StatusOK {
		status = t.port.AdoptOffered(space)
	}
	if status != abi.StatusOK {
		program.Close()
		return nil, fmt.Errorf("adopt the program's memory: %w", status)
	}
	return program, nil
}
