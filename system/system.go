// Package system is the composition root: it joins a machine, a journal, a
// kernel and the boot manifest into a node that runs, and stops it again. It
// is the only place that knows everyone, and nobody but cmd/phi and tests
// imports it.
//
// A node has two goroutines of its own. One clears away behind revocations and
// deaths, in slices, when the journal shows that there may be something; the
// other fires timers. Each started task has one more. The kernel itself has
// none.
//
// # Programs
//
// Programs are Go functions in this process. They are trusted not to reach
// around the kernel, as all code of one process is; that is the inline tier of
// the architecture, and what runs untrusted code is not built yet. A program
// that panics is contained: its task faults, and dies unless it had ended. A
// broken invariant, or a panic inside the kernel or the machine, ends the
// process, because nothing is known of its state any more.
//
// Lock order: Node.mu is a leaf.
//
// Invariants: the keepers end after the last program has; the machine is
// closed only when no goroutine of the node is left.
//
// Ledger: S24.
package system

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/gate"
	"phios/kernel/journal"
	"phios/platform"
	"phios/platform/host"
	"phios/system/manifest"
)

// JournalName is the file in the data folder that holds the journal.
const JournalName = "journal.log"

// Config says what a node is made of. The zero value is a node in memory, of
// the built-in manifest and without programs.
type Config struct {
	// Manifest is what boots; nil is the built-in one.
	Manifest *manifest.Manifest
	// Programs are what tasks can run. A task is started with the number of
	// its program, which is the place in this list.
	Programs []Program
	// DataDir is where the journal is kept, made when it is not there; empty
	// keeps the journal in memory.
	DataDir string
	// Seed goes into the journal's header.
	Seed uint64
	// Number is that of the node in its cluster.
	Number uint64
	// Record lets the journal hold every call.
	Record bool
	// Host says how much of the machine the node may take.
	Host host.Config
	// Log takes the place of the journal's file or memory, for tests of disks
	// that fail. It must be empty.
	Log platform.Log
}

// Node is a kernel that runs. Its methods may be called from any goroutine.
type Node struct {
	*Booted

	machine  *host.Machine
	kernel   *gate.Kernel
	store    *store
	programs []Program
	watch    watch

	// keepers are the node's own goroutines.
	keepers sync.WaitGroup
	ending  atomic.Bool

	mu       sync.Mutex
	running  map[*Task]string // guarded by mu: each running task, and its program
	stopping bool             // guarded by mu: no program starts any more
}

// Start makes a node and runs it. Whoever starts it stops it, with
// [Node.Stop].
//
// It fails when the machine or the journal does: then nothing is left running.
// A journal that is not in order is such a failure; a torn end, as a crash
// leaves it, is not, and [Node.Recovered] tells of it.
func Start(c Config) (*Node, error) {
	if c.Manifest == nil {
		m, err := manifest.Default()
		if err != nil {
			return nil, fmt.Errorf("built-in manifest: %w", err)
		}
		c.Manifest = m
	}
	machine, err := host.New(c.Host)
	if err != nil {
		return nil, err
	}
	n := &Node{machine: machine, programs: c.Programs, running: map[*Task]string{}}
	n.watch.init(machine)
	if err := n.open(c); err != nil {
		machine.Close()
		return nil, err
	}
	if err := n.boot(c); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// open opens the journal and makes the kernel over it.
func (n *Node) open(c Config) error {
	store, err := openStore(c)
	if err != nil {
		return err
	}
	j, status := journal.Resume(&watchedLog{Log: store.log, watch: &n.watch}, n.machine, c.Seed, journal.Options{Node: c.Number}, store.at)
	if status != abi.StatusOK {
		return errors.Join(fmt.Errorf("begin the journal: %w", status), store.close())
	}
	n.store = store
	n.kernel = gate.New(gate.Config{
		Machine: n.machine, Journal: j, Launcher: n, Limits: capability.DefaultLimits(), Node: c.Number,
		Endowment: c.Manifest.Endowment, Timers: c.Manifest.Timers,
	})
	n.kernel.Record(c.Record)
	n.keepers.Go(n.keepTidy)
	n.keepers.Go(n.keepTime)
	return nil
}

// boot hands out what the manifest says, and starts the programs that it
// names. Of a program that nobody has, nothing is started.
func (n *Node) boot(c Config) error {
	numbers := map[string]int{}
	for i, p := range n.programs {
		numbers[p.Name] = i
	}
	for _, t := range c.Manifest.Tasks {
		if _, ok := numbers[t.Program]; t.Program != "" && !ok {
			n.Booted = &Booted{}
			return fmt.Errorf("%s:%d: no program %q in this binary: leave 'program' out, or register it", c.Manifest.File, t.Line, t.Program)
		}
	}
	booted, err := Boot(n.kernel, c.Manifest)
	n.Booted = booted
	if err != nil {
		return err
	}
	for _, t := range booted.tasks {
		t.node = n
		if program := c.Manifest.TaskByName(t.Name).Program; program != "" {
			if status := n.start(t, n.programs[numbers[program]]); status != abi.StatusOK {
				return fmt.Errorf("start task %s: %w", t.Name, status)
			}
		}
	}
	return nil
}

// Kernel returns the node's kernel, for those who look at it from outside:
// audits, hooks, tests.
func (n *Node) Kernel() *gate.Kernel { return n.kernel }

// Machine returns the machine, for the clock, and to look at what tasks see.
func (n *Node) Machine() platform.Machine { return n.machine }

// Recovered says what was found of an earlier run's journal.
func (n *Node) Recovered() Recovery { return n.store.recovery }

// Sync returns when all that was recorded is on the disk: StatusJournal when
// the disk refuses.
func (n *Node) Sync() abi.Status { return n.store.sync() }

// Records gives each record of a journal in memory to record, in order, as it
// is now. It reports false when the journal is not in memory.
func (n *Node) Records(record func([]byte)) bool { return n.store.records(record) }

// JournalPath returns where the journal of a data folder lies.
func JournalPath(dataDir string) string { return filepath.Join(dataDir, JournalName) }

// makeFolder makes the data folder.
func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	return nil
}
