package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/remote"
	"phios/capsule/wasm"
	"phios/platform"
	"phios/platform/host"
	"phios/platform/host/share"
)

// program is a capsule's program in a worker, as the node sees it.
type program struct {
	pool    *Pool
	process *process
	id      uint32 // in the process
	rings   []byte
	session *remote.Session

	stopping, closing sync.Once

	mu   sync.Mutex
	last capsule.Usage // guarded by mu: as last told
}

var (
	_ capsule.Program = (*program)(nil)
	_ host.Guest      = guest{}
)

// start makes a program in the process, in a place that was acquired.
func (w *process) start(pool *Pool, spec *capsule.Spec, hash wasm.Hash) (*program, error) {
	payload, err := json.Marshal(ticket{
		Name: spec.Name, Hash: hash.String(), Argument: spec.Argument, Args: spec.Args, Env: spec.Env,
		MemoryBytesMax: spec.MemoryBytesMax,
	})
	if err != nil {
		return nil, fmt.Errorf("encode what it is started with: %w", err)
	}
	shared, err := share.New("phios-rings", remote.RingsBytes)
	if err != nil {
		return nil, fmt.Errorf("make its rings: %w", err)
	}
	defer closeFile(shared)
	files := []int{int(shared.Fd())}
	if spec.Frozen != nil {
		frozen, err := share.Copy("phios-frozen", spec.Frozen, FrozenBytesMax)
		if err != nil {
			return nil, fmt.Errorf("take its snapshot: %w", err)
		}
		defer closeFile(frozen)
		files = append(files, int(frozen.Fd()))
	}
	rings, err := share.Map(shared, remote.RingsBytes)
	if err != nil {
		return nil, fmt.Errorf("make its rings: %w", err)
	}
	link, err := remote.NewRings(rings, remote.SideNode)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make its rings: %w", err), share.Unmap(rings))
	}
	p := &program{
		pool: pool, process: w, rings: rings,
		session: remote.NewSession(link, capsule.Spec{Door: spec.Door, Argument: spec.Argument, Output: spec.Output}),
	}
	if err := w.admit(p); err != nil {
		return nil, errors.Join(err, share.Unmap(rings))
	}
	answer, err := w.request(&packet{operation: opStart, capsule: p.id, payload: payload}, files, startNSMax)
	if err == nil && answer.status != abi.StatusOK {
		err = fmt.Errorf("%w: %s", answer.status, readable(answer.payload))
	}
	if err != nil {
		p.session.End(capsule.Exit{Cause: capsule.CauseLost, Detail: "it did not start"})
		w.dismiss(p)
		if errors.Is(err, errLate) {
			w.destroy()
		}
		return nil, errors.Join(err, share.Unmap(rings))
	}
	return p, nil
}

// admit gives a program its number in the process.
func (w *process) admit(p *program) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	w.number++
	p.id = w.number
	w.capsules[p.id] = p
	return nil
}

// dismiss forgets a program: what becomes of the process is nothing to it.
func (w *process) dismiss(p *program) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.capsules, p.id)
}

// Run answers what the program asks until it serves or has ended.
func (p *program) Run() capsule.Exit { return p.session.Run() }

// Serves reports whether the program serves.
func (p *program) Serves() bool { return p.session.Serves() }

// Serve passes a message to the program.
func (p *program) Serve(door capsule.Door, m *abi.Message) abi.Status {
	return p.session.Serve(door, m)
}

// Ended returns how the program ended, and whether it has.
func (p *program) Ended() (capsule.Exit, bool) { return p.session.Ended() }

// Walls returns those of the process and the engine's own.
func (p *program) Walls() capsule.Walls { return p.process.walls() }

// PID returns the number of the process.
func (p *program) PID() int { return p.process.jail.PID() }

// Stop lets whoever waits for the program go on at once; the program itself
// has StopNSMax to end, then its process is killed.
func (p *program) Stop() {
	p.stopping.Do(func() {
		p.session.End(capsule.Exit{Cause: capsule.CauseStopped})
		p.pool.tasks.Go(func() {
			if _, err := p.process.request(&packet{operation: opStop, capsule: p.id}, nil, StopNSMax); err != nil {
				p.process.kill()
			}
		})
	})
}

// Close gives back what the program had, in the process and here. It waits for
// that, at most StopNSMax and then for the death of the process.
func (p *program) Close() {
	p.closing.Do(func() {
		p.session.End(capsule.Exit{Cause: capsule.CauseStopped})
		if !p.pool.retire(p.process) {
			_, _ = p.process.demand(&packet{operation: opClose, capsule: p.id}, nil, StopNSMax) // or it is dead
			p.pool.release(p.process)
		}
		p.process.dismiss(p)
		_ = share.Unmap(p.rings) // what Map has mapped can be unmapped
	})
}

// Usage asks the process what the program takes; one that does not answer soon
// has what it had.
func (p *program) Usage() capsule.Usage {
	a, err := p.process.request(&packet{operation: opUsage, capsule: p.id}, nil, askNSMax)
	p.mu.Lock()
	defer p.mu.Unlock()
	if statusOf(&a, err) == abi.StatusOK {
		p.last.MemoryBytes, p.last.CPUNanoseconds = a.words[0], a.words[1]
	}
	p.last.Calls = p.session.Calls()
	return p.last
}

// Freeze writes the program's state. The process writes it into a pipe, so
// that it never lies in memory as a whole.
func (p *program) Freeze(w io.Writer) error {
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	defer closeFile(out)
	if err := out.SetReadDeadline(deadline(freezeNSMax)); err != nil {
		closeFile(in)
		return fmt.Errorf("freeze: %w", err)
	}
	result := make(chan error, 1)
	p.pool.tasks.Go(func() {
		defer closeFile(in) // the process has its own copy; without ours the pipe ends with it
		result <- p.askToFreeze(in)
	})
	// The pipe ends when the process closes its end, and this one ours.
	n, err := io.Copy(w, io.LimitReader(out, FrozenBytesMax+1))
	if err == nil && n > FrozenBytesMax {
		err = fmt.Errorf("more than %d bytes: stop the program instead", int64(FrozenBytesMax))
	}
	closeFile(out) // a process that still writes fails
	if asked := <-result; asked != nil {
		err = asked
	}
	if err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

func (p *program) askToFreeze(in *os.File) error {
	a, err := p.process.request(&packet{operation: opFreeze, capsule: p.id}, []int{int(in.Fd())}, freezeNSMax)
	if err == nil && a.status != abi.StatusOK {
		err = fmt.Errorf("%w: %s", a.status, readable(a.payload))
	}
	return err
}

// Guest returns the program's memory as a space for regions.
func (p *program) Guest() host.Guest { return guest{p} }

// guest is the memory of a program in a worker.
type guest struct{ *program }

// Place sends a region to the process, which shows it. For private access the
// process gets a descriptor that it cannot write through. StatusPeerDead when
// there is no process any more.
func (g guest) Place(v platform.View) abi.Status {
	var fd int
	if v.Access == platform.AccessPrivate {
		f, err := g.process.machine.OpenReadOnly(v.Backing)
		if err != nil {
			return abi.StatusBadArgument
		}
		defer closeFile(f)
		fd = int(f.Fd())
	} else {
		var ok bool
		if fd, ok = g.process.machine.Descriptor(v.Backing); !ok {
			return abi.StatusBadArgument
		}
	}
	a, err := g.process.demand(&packet{
		operation: opPlace, capsule: g.id, access: uint8(v.Access),
		words: [packetWords]uint64{v.Address, v.Offset, v.Bytes},
	}, []int{fd}, askNSMax)
	return statusOf(&a, err)
}

// Remove takes a window away. The process has RevokeNSMax for it.
func (g guest) Remove(address, bytes uint64) { g.revoke(opRemove, address, bytes) }

// Zero puts zero pages over a window. The process has RevokeNSMax for it.
func (g guest) Zero(address, bytes uint64) { g.revoke(opZero, address, bytes) }

func (g guest) revoke(o operation, address, bytes uint64) {
	_, _ = g.process.demand(&packet{operation: o, capsule: g.id, words: [packetWords]uint64{address, bytes}}, nil, RevokeNSMax) // or it is dead
}

// Dirtied asks how many pages are copies. A process that does not answer has
// as many as can be: what is in it counts against its own limit either way.
func (g guest) Dirtied(address, bytes uint64) uint64 {
	a, err := g.process.request(&packet{operation: opDirtied, capsule: g.id, words: [packetWords]uint64{address, bytes}}, nil, askNSMax)
	if all := bytes / platform.PageBytes; statusOf(&a, err) != abi.StatusOK || a.words[0] > all {
		return all
	}
	return a.words[0]
}

// readable makes text of a worker fit to be shown.
func readable(text []byte) string {
	const most = 1024
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text[:min(len(text), most)]), "?"))
}

// closeFile closes a file of memory or a pipe, which reports nothing that could
// be acted on.
func closeFile(f *os.File) { _ = f.Close() }
