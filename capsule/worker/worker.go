// Package worker runs WebAssembly programs in jailed processes, one for each
// trust domain: the tier for everything that is not trusted.
//
// # The parts
//
// A [Pool] is the node's side. It starts this very program again, in a jail
// (platform/host/jail) and with [Verb], where [Main] takes over: the same engine as the inline
// tier's, with nothing else in reach. Two things lead out of the jail. Rings in
// shared memory, a pair for each capsule, carry what the program asks of the
// kernel (capsule/remote). A socket, one for each process, carries what the
// node tells the process: start, stop, freeze, show this region there, take it
// away.
//
// Code reaches the jail through the engine's cache, which is shown there for
// reading: the node installs a module, so that it is checked, rewritten and
// compiled once, and a worker loads what lies there by the module's hash.
//
// # What a worker can do
//
// A worker is as hostile as what runs in it. It answers what it was not asked,
// late or never: then it is killed, and with it all capsules of its domain,
// which share its fate by having one domain. Others notice nothing. What it
// was shown it can go on reading until it has acknowledged that a window is
// gone; it has 20 ms for that, then it is killed, and the revocation returns
// after its death. Against a worker that has broken out of WebAssembly the
// acknowledgement proves nothing, because it may have kept a descriptor: who
// fears that gives such a capsule a domain of its own and ends it after a
// revocation.
//
// Rejected: a process for each capsule, which costs a process's memory and 10
// ms for programs that trust each other anyway; sending the module, which then
// would be compiled in each worker, 2.4 s for one of Go's; restarting a worker
// for its next domain, because nobody knows what the last one left in it.
//
// Lock order: Pool.mu, then process.mu, then process.writing. None is held
// while something is waited for, but for a write to the socket, which has a
// deadline.
//
// Invariants: a process runs capsules of one domain in all its life; whoever
// is asked for something and does not answer in time is dead when the request
// returns.
//
// Ledger: S4, S9, S22-ABI.
package worker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"phios/capsule"
	"phios/capsule/wasm"
	"phios/platform/host"
	"phios/platform/host/jail"
)

// The limits of a pool, and how long a worker has for what it is told.
const (
	// WorkersMax is the number of processes that a pool has at once.
	WorkersMax = 256
	// SparesMax is the number of processes that wait for their first capsule.
	SparesMax = 16
	// CapsulesMax is the number of capsules that one process runs.
	CapsulesMax = 64
	// FrozenBytesMax is the size of the largest snapshot.
	FrozenBytesMax = 5 << 30

	// MemoryBytesDefault and ProcessesDefault limit a process when the
	// configuration does not.
	MemoryBytesDefault = 2 << 30
	ProcessesDefault   = 512

	// RevokeNSMax is how long a worker has to take a window away.
	RevokeNSMax = 20 * time.Millisecond
	// StopNSMax is how long it has to end a program.
	StopNSMax = 500 * time.Millisecond

	askNSMax    = time.Second      // to say what it takes, to show a window
	startNSMax  = 20 * time.Second // to load a program, perhaps to compile it
	freezeNSMax = 60 * time.Second // to write a snapshot

	// refillAfter is when a spare that was taken is replaced: making one takes
	// a processor, which the program that took it needs now.
	refillAfter = 50 * time.Millisecond

	descriptorsMax = 64 + 4*CapsulesMax
)

// What a worker sees in its jail: the engine's cache and this program.
const (
	cacheInside = "/cache"
	selfInside  = "/phi"
)

// Config says how a pool works.
type Config struct {
	// Machine is where the regions are that programs see.
	Machine *host.Machine
	// Engine installs the modules; CacheDir is the cache that it has, by its
	// absolute path.
	Engine   *wasm.Engine
	CacheDir string
	// Spares is how many processes wait in their jails for a first capsule. A
	// program that finds none waits until one is made.
	Spares int
	// Walls are those to put up, zero is all that are around a process;
	// Require are those without which no worker starts.
	Walls, Require capsule.Walls
	// MemoryBytes, ProcessesMax and CPUPercent limit each process; zero is
	// MemoryBytesDefault, ProcessesDefault and all processors. Threads count
	// as processes, and CPUPercent is of one processor.
	MemoryBytes  uint64
	ProcessesMax int
	CPUPercent   int
	// Stderr is where a worker that fails says why; nil is nowhere.
	Stderr *os.File

	args []string // by which the process knows what it is
}

// complete checks c and fills in what is zero.
func (c Config) complete() (Config, error) {
	if c.Machine == nil || c.Engine == nil || c.CacheDir == "" {
		return c, errors.New("worker: a pool needs a machine, an engine and the engine's cache folder: set all three")
	}
	if c.Spares < 0 || c.Spares > SparesMax {
		return c, fmt.Errorf("worker: %d spares: between 0 and %d", c.Spares, SparesMax)
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = MemoryBytesDefault
	}
	if c.ProcessesMax == 0 {
		c.ProcessesMax = ProcessesDefault
	}
	if c.CPUPercent == 0 {
		c.CPUPercent = 100 * runtime.NumCPU()
	}
	if c.args == nil {
		c.args = []string{Verb}
	}
	return c, nil
}

// Pool has the workers of a node. Its methods may be called from any
// goroutine, but for Close, which comes last.
type Pool struct {
	config  Config
	tasks   sync.WaitGroup // what outlives the call that started it
	closing chan struct{}  // closed with the pool

	mu      sync.Mutex
	domains map[string]*process   // guarded by mu: those that take more capsules
	workers map[*process]struct{} // guarded by mu: all that live
	spares  []*process            // guarded by mu
	making  int                   // guarded by mu: processes that are being made
	closed  bool                  // guarded by mu

	revealing sync.Mutex
	revealed  map[wasm.Hash]struct{} // guarded by revealing; as long as there are images
}

var (
	errClosed = errors.New("worker: the pool is closed: start the node again")
	errFull   = fmt.Errorf("worker: there are %d workers, the limit: stop a capsule, or give several one domain", WorkersMax)
)

// New makes a pool, and begins to make its spares. The caller closes it.
func New(c Config) (*Pool, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	p := &Pool{config: c, closing: make(chan struct{}), domains: map[string]*process{}, workers: map[*process]struct{}{}, revealed: map[wasm.Hash]struct{}{}}
	p.refill(0)
	return p, nil
}

// Close kills all workers and waits for their ends.
func (p *Pool) Close() {
	p.mu.Lock()
	if !p.closed {
		close(p.closing)
	}
	p.closed = true
	var all []*process
	for w := range p.workers {
		all = append(all, w)
	}
	p.mu.Unlock()
	for _, w := range all {
		w.kill()
	}
	p.tasks.Wait()
}

// Start makes a program of the image in the worker of its domain, without
// running it. The module is installed when it was not. It takes as long as
// that, and 20 ms where no spare is ready.
//
// A *jail.WallError says that a wall which the spec requires does not stand.
func (p *Pool) Start(spec capsule.Spec) (capsule.Program, error) { //nolint:gocritic // hugeParam: the tiers have one signature
	image, err := p.config.Engine.Install(spec.Image)
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", spec.Name, err)
	}
	if err := p.reveal(image.Hash()); err != nil {
		return nil, fmt.Errorf("worker %s: %w", spec.Name, err)
	}
	w, err := p.acquire(spec.Domain)
	if err != nil {
		return nil, err
	}
	if missing := spec.Require &^ (w.walls() | capsule.WallSandbox); missing != 0 {
		p.release(w)
		return nil, &jail.WallError{Name: spec.Name, Missing: jail.Walls(missing)}
	}
	program, err := w.start(p, &spec, image.Hash())
	if err != nil {
		p.release(w)
		return nil, fmt.Errorf("worker %s: %w", spec.Name, err)
	}
	return program, nil
}

// Spares returns how many processes wait for their first capsule.
func (p *Pool) Spares() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.spares)
}

// Workers returns how many processes there are, with the spares.
func (p *Pool) Workers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.workers)
}

// acquire returns a worker of the domain, in which a place is taken until
// release. An empty name is a domain of its own.
func (p *Pool) acquire(domain string) (*process, error) {
	p.mu.Lock()
	if w := p.domains[domain]; w != nil && domain != "" {
		w.places++
		if w.places == CapsulesMax {
			delete(p.domains, domain) // the next one gets another process
		}
		p.mu.Unlock()
		return w, nil
	}
	var w *process
	if n := len(p.spares); n > 0 {
		w = p.spares[n-1]
		p.spares = p.spares[:n-1]
		p.settleLocked(w, domain)
	}
	p.mu.Unlock()
	p.refill(refillAfter)
	if w != nil {
		return w, nil
	}
	w, err := p.spawn()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settleLocked(w, domain)
	return w, nil
}

// settleLocked gives a process its domain and its first place.
func (p *Pool) settleLocked(w *process, domain string) {
	w.domain, w.places = domain, 1
	if domain != "" && p.domains[domain] == nil {
		p.domains[domain] = w
	}
}

// release gives a place back. A process without capsules has done its work.
func (p *Pool) release(w *process) {
	p.mu.Lock()
	w.places--
	over := w.places == 0
	if over {
		p.forgetLocked(w)
	}
	p.mu.Unlock()
	if over {
		w.destroy()
	}
}

// retire is release for the last capsule of a process, which need not be
// closed in it before; for another it does nothing and returns false.
func (p *Pool) retire(w *process) bool {
	p.mu.Lock()
	if w.places != 1 {
		p.mu.Unlock()
		return false
	}
	w.places = 0
	p.forgetLocked(w)
	p.mu.Unlock()
	w.destroy()
	return true
}

// forgetLocked lets no capsule come to a process any more.
func (p *Pool) forgetLocked(w *process) {
	if p.domains[w.domain] == w {
		delete(p.domains, w.domain)
	}
	for i, s := range p.spares {
		if s == w {
			p.spares = append(p.spares[:i], p.spares[i+1:]...)
			break
		}
	}
}

// refill begins to make the spares that are missing, after a while.
func (p *Pool) refill(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && len(p.spares)+p.making < p.config.Spares && len(p.workers)+p.making < WorkersMax {
		p.making++
		p.tasks.Go(func() { p.spare(after) })
	}
}

// spare makes one spare. One that cannot be made is not missed: whoever starts
// a program then makes a process, and is told why that fails.
func (p *Pool) spare(after time.Duration) {
	timer := newTimer(after)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closing:
	}
	w, err := p.spawn()
	p.mu.Lock()
	p.making--
	if err == nil && !p.closed {
		p.spares = append(p.spares, w)
		w = nil
	}
	p.mu.Unlock()
	if err == nil && w != nil {
		w.kill()
	}
}

// spawn makes a process and waits until it is ready.
func (p *Pool) spawn() (*process, error) {
	p.mu.Lock()
	closed, full := p.closed, len(p.workers) >= WorkersMax
	p.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case full:
		return nil, errFull
	}
	w, err := newProcess(&p.config)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.workers[w] = struct{}{}
	closed = p.closed
	p.mu.Unlock()
	p.tasks.Go(w.listen)
	p.tasks.Go(func() {
		w.wait()
		p.mu.Lock()
		p.forgetLocked(w)
		delete(p.workers, w)
		p.mu.Unlock()
	})
	if closed {
		w.kill()
		return nil, errClosed
	}
	if err := w.greet(); err != nil {
		w.kill()
		return nil, err
	}
	return w, nil
}
