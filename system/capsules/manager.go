// Package capsules runs the capsules of a node: it installs them, makes a task
// for each, grants what it was told to grant and nothing else, starts their
// programs in their tiers, restarts, reloads, freezes and ends them, and
// answers the control socket.
//
// # Who owns what
//
// There is one root task, the supervisor. It owns every capsule's endpoint, so
// that what was accepted outlives a crash; every grant is a capability of its
// own first, from which the capsule's is derived, so that revoking it takes
// back everything that came of it. A capsule's task lives on a budget carved
// out of the supervisor's, and is gone with its instance.
//
// # Threads
//
// An instance has one goroutine, its task's: it runs the program, and then
// serves what lies in the mailbox. Calls that come while it serves run on
// their callers' goroutines; a turn lets one at a time into the program. One
// keeper restarts what is due and looks for programs that died in silence.
//
// Lock order: store.mu, cell.mu, surroundings.mu, Manager.mu, instance.mu, then
// the leaves: root.mu, folder.mu, logs.mu, denials.mu, and instance.turn, which is only tried or waited for
// while none of the others is held.
//
// Ledger: S26 S45.
// Seed name: Hot reload.
package capsules

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule"
	"phios/platform/host"
	"phios/system"
	"phios/system/manifest"
	"phios/system/models"
)

// The limits of a manager.
const (
	CapsulesMax    = 16384
	ImagesMax      = 4096
	callersMax     = 64 // calls from the control socket at once
	logLinesMax    = 1000
	denialsMax     = 256
	mailboxDefault = 64
)

//go:embed boot.yaml
var bootTable []byte

// Tier starts the programs of one tier.
type Tier interface {
	// Start makes a program, without running it.
	Start(s capsule.Spec) (capsule.Program, error)
}

// Checker is a Tier that can say beforehand whether an image runs, and makes
// ready what its start needs.
type Checker interface {
	// Check returns why the image cannot run.
	Check(image []byte) error
}

// guested is a program whose memory shows regions; see host.Guest.
type guested interface{ Guest() host.Guest }

// withProcess is a program with a process of its own.
type withProcess interface{ PID() int }

// Config says what a manager is made of.
type Config struct {
	// DataDir keeps images, the running set and the journal; empty keeps
	// images in a folder that goes with the manager, and the rest nowhere.
	DataDir string
	// Tiers makes what runs programs; nil makes all that there are. The folder
	// is one that it may keep things in.
	Tiers func(machine *host.Machine, folder string) (Tiers, error)
	// Spares is how many jailed processes wait for a first capsule, so that it
	// starts at once; see worker.Config. The process that runs the node must
	// call jail.Main first.
	Spares int
	// Version is what Info says.
	Version string
	// Wall tells the time of day; nil is the machine's.
	Wall func() time.Time
	// Services are parts of the node with operations of their own. The manager
	// closes them.
	Services []Service
	// Models says where the models come from that capsules are granted; the
	// machine is the node's. Nil: there are none.
	Models *models.Config
	// Node is what else the node is made of. Its manifest, programs and data
	// folder are the manager's business.
	Node system.Config
}

// Manager runs the capsules of one node. Its methods may be called from any
// goroutine.
type Manager struct {
	config  Config
	node    *system.Node
	tiers   Tiers
	root    *root
	store   *store
	around  *surroundings
	faults  abi.Handle // where tasks report how they ended
	callers *callers
	keeper  *keeper
	desk    *desk
	started time.Time
	resumed []string
	trouble []string
	// operations are what can be asked, of the manager and of its services.
	operations map[string]operation
	services   []Service  // those that were begun
	saving     sync.Mutex // held while the state is collected and written

	launches atomic.Uint64
	pending  sync.Map // launch number to *instance or *caller, from TaskStart to its goroutine

	mu      sync.Mutex
	cells   map[string]*cell // guarded by mu
	regions map[string]*shared
	byTask  map[uint64]string // guarded by mu: what tasks are called
	objects map[uint64]string // guarded by mu: what objects are called
	closing bool              // guarded by mu
}

// Start makes a node and its manager, and starts what ran when the last one
// ended. Whoever starts it closes it.
func Start(c Config) (*Manager, error) {
	if c.Wall == nil {
		c.Wall = wall
	}
	boot, err := manifest.Parse("boot.yaml", bootTable)
	if err != nil {
		return nil, fmt.Errorf("built-in boot manifest: %w", err)
	}
	m := &Manager{
		config: c, cells: map[string]*cell{}, regions: map[string]*shared{},
		byTask: map[uint64]string{}, objects: map[uint64]string{}, started: c.Wall(),
	}
	if m.store, err = openStore(c.DataDir); err != nil {
		return nil, err
	}
	c.Node.Manifest, c.Node.DataDir = boot, c.DataDir
	c.Node.Programs = append(slices.Clone(c.Node.Programs),
		system.Program{Name: programCapsule, Run: m.runCapsule}, system.Program{Name: programCaller, Run: m.runCaller},
		system.Program{Name: programWarden, Run: m.runWarden})
	if m.node, err = system.Start(c.Node); err != nil {
		return nil, errors.Join(err, m.store.close())
	}
	if err := m.boot(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.resume()
	if c.DataDir != "" {
		if err := m.Listen(filepath.Join(c.DataDir, control.SocketName), abi.RightManage|abi.RightInspect); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

// wall is the machine's time of day.
func wall() time.Time {
	return time.Now() //nolint:forbidigo // the one place where people's time comes in
}

// boot makes what the manager itself needs of the kernel.
func (m *Manager) boot() error {
	t := m.node.Task("supervisor")
	m.root = &root{port: t.Port, budget: t.Handle(manifest.BudgetName)}
	m.noteTask(t.Port.TaskID(), "supervisor")
	m.callers = newCallers(m)
	m.keeper = newKeeper(m)
	if err := m.makeTiers(); err != nil {
		return err
	}
	if err := m.startWarden(); err != nil {
		return err
	}
	var err error
	if m.around, err = newSurroundings(m); err != nil {
		return err
	}
	if m.desk, err = newDesk(m); err != nil {
		return err
	}
	return m.beginServices()
}

// makeTiers makes what runs programs.
func (m *Manager) makeTiers() error {
	machine, ok := m.node.Machine().(*host.Machine)
	if !ok {
		return errors.New("the tiers need a machine of platform/host")
	}
	if m.config.Tiers == nil {
		m.config.Tiers = standardTiers(m.config.Spares)
	}
	var err error
	if m.tiers, err = m.config.Tiers(machine, m.store.folder); err != nil {
		return fmt.Errorf("tiers: %w", err)
	}
	return nil
}

// Node returns the node that the capsules run on.
func (m *Manager) Node() *system.Node { return m.node }

// Close ends all capsules and the node. What ran is kept to be run again by
// the next manager of the data folder. It is called once.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closing = true
	cells := slices.Collect(maps.Values(m.cells))
	m.mu.Unlock()
	if m.desk != nil {
		m.desk.close()
	}
	if m.keeper != nil {
		m.keeper.stop()
	}
	for _, c := range cells {
		c.halt()
	}
	for _, c := range cells {
		c.wait(m.node.Machine().Now() + haltNS)
	}
	var err error
	for _, s := range slices.Backward(m.services) {
		err = errors.Join(err, s.Close())
	}
	if m.callers != nil {
		m.callers.close()
	}
	if m.around != nil && m.around.models != nil {
		m.around.models.Close()
	}
	stopped := m.node.Stop()
	if stopped == nil && m.tiers.Close != nil {
		m.tiers.Close() // nothing of theirs runs any more
	}
	return errors.Join(err, stopped, m.store.close())
}

// haltNS is how long the end of one capsule is waited for.
const haltNS = 5_000_000_000

// cell returns the capsule of that name.
func (m *Manager) cell(name string) (*cell, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cells[name]
	if c == nil {
		return nil, unknown("capsule", name, "'phi ps' lists what runs, 'phi run' starts one")
	}
	return c, nil
}

// all returns the capsules by name.
func (m *Manager) all() []*cell {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*cell, 0, len(m.cells))
	for _, name := range slices.Sorted(maps.Keys(m.cells)) {
		list = append(list, m.cells[name])
	}
	return list
}

// noteTask and noteObject remember what the kernel's numbers are called.
func (m *Manager) noteTask(id uint64, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byTask[id] = name
}

func (m *Manager) noteObject(h abi.Handle, name string) {
	if id := m.objectID(h); id != 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.objects[id] = name
	}
}

func (m *Manager) forgetObject(h abi.Handle) {
	id := m.objectID(h)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, id)
}

// objectID is the kernel's number of what the supervisor holds, zero when that
// has gone.
func (m *Manager) objectID(h abi.Handle) uint64 {
	a := abi.Args{}
	if m.root.do(h, abi.CapInspect, &a) != abi.StatusOK {
		return 0
	}
	return a.W[3]
}

func (m *Manager) forgetTask(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byTask, id)
}

// unknown says that there is nothing of a name.
func unknown(what, name, remedy string) error {
	return &control.Error{Code: control.CodeUnknown, Message: fmt.Sprintf("there is no %s %q", what, name), Remedy: remedy}
}

// refused says what the kernel refused.
func refused(what string, status abi.Status) error {
	return &control.Error{Code: status.Name(), Message: what, Remedy: status.Error()}
}
