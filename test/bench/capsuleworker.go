package bench

import (
	"os"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/worker"
	"phios/kernel/gate"
)

// The targets of programs in jailed processes.
const (
	firstCallTargetMS = 5
	workersFaster     = 5 // times, than a Unix socket between two processes
	firstCalls        = 12
	spareWait         = 10 * time.Second
)

// pool makes a pool of workers with so many that wait in their jails.
func (c *capsules) pool(spares int) (*worker.Pool, error) {
	p, err := worker.New(worker.Config{
		Machine: c.machine, Engine: c.engine, CacheDir: c.cache, Spares: spares, Stderr: os.Stderr,
	})
	if err == nil {
		awaitSpares(p, spares)
	}
	return p, err //nolint:wrapcheck // it says all
}

// awaitSpares gives the pool time to make what waits.
func awaitSpares(p *worker.Pool, spares int) {
	for end := time.Now().Add(spareWait); p.Spares() < spares && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// inWorker starts a module in a worker of its own.
func inWorker(p *worker.Pool, module []byte, t task, names map[string]abi.Handle) (capsule.Program, error) {
	program, err := p.Start(capsule.Spec{Name: "bench", Image: module, Door: door{t.port, names}, MemoryBytesMax: capsuleMemory})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	if exit := program.Run(); !exit.OK() {
		program.Close()
		return nil, abi.StatusState
	}
	return program, nil
}

// workerRows measures from the order to start a program to its first answer,
// where a jailed process waits for it and where one must be made.
func workerRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	t := c.boot(16)
	var took [2]series
	for spares := range took {
		p, err := c.pool(spares)
		if err != nil {
			return nil, err
		}
		for range min(m.rounds, firstCalls) {
			awaitSpares(p, spares)
			var program capsule.Program
			ns, err := m.once(func(int) abi.Status {
				if program, err = inWorker(p, echoModule(), t, nil); err != nil {
					return abi.StatusState
				}
				return program.Serve(door{Port: t.port}, &abi.Message{Length: 64})
			}, 1)
			if program != nil {
				program.Close()
			}
			if err != nil {
				p.Close()
				return nil, err
			}
			took[spares] = append(took[spares], ns)
		}
		p.Close()
	}
	return []Row{
		atMost("worker: first answer of a jailed program, process waiting, p50", took[1].median()/1e6, unitMS, firstCallTargetMS),
		inform("worker: the same, process and jail made for it, p50", took[0].median()/1e6, unitMS),
	}, nil
}

// betweenRows measures 64 bytes from a program in one worker to one in another
// and back: through a region that both were granted, and by a call through the
// kernel, against a Unix socket between two processes.
func betweenRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	p, err := c.pool(0)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	server, client := c.boot(16), c.boot(16)
	e := c.endpoint(server, 4)
	names := map[string]abi.Handle{"peer": c.give(server, e, client, rightsOfUser)}
	if c.err != nil {
		return nil, c.err
	}
	echo, err := inWorker(p, echoModule(), server, nil)
	if err != nil {
		return nil, err
	}
	defer echo.Close()
	caller, err := inWorker(p, callerModule(), client, names)
	if err != nil {
		return nil, err
	}
	defer caller.Close()
	if status := server.port.Serve(e, servedBy{echo}, false); status != abi.StatusOK {
		return nil, status
	}
	socket, stop, err := m.socketPair()
	if err != nil {
		return nil, err
	}
	defer stop()
	rings, stopRings, err := c.ringWork()
	if err != nil {
		return nil, err
	}
	defer stopRings()
	all, err := m.interleave(rings, times(client, caller, names), socket)
	if err != nil {
		return nil, err
	}
	const peer = "a Unix socket between two processes"
	ratio := all[2].over(all[0])
	return []Row{
		inform("between: program to program in another worker, by a ring they share, 64 B", all[0].median()/1e3, unitUS).
			against(peer, all[2].median()/1e3, ratio),
		atLeast("between: times faster than a Unix socket", peer, ratio, workersFaster),
		inform("between: the same by a call through the kernel", all[1].median()/1e3, unitUS).
			against(peer, all[2].median()/1e3, all[2].over(all[1])),
	}, nil
}

// servedBy lets a program in a worker answer on the caller's goroutine.
type servedBy struct{ program capsule.Program }

// Serve passes the message on.
func (s servedBy) Serve(p *gate.Port, m *abi.Message) abi.Status {
	return s.program.Serve(door{Port: p}, m)
}
