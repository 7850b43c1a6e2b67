package capsules

import (
	"fmt"
	"os"
	"path/filepath"

	"phios/capsule"
	"phios/capsule/native"
	"phios/capsule/wasm"
	"phios/capsule/worker"
	"phios/platform/host"
)

// cacheName is the folder of compiled modules in a data folder.
const cacheName = "cache"

// Tiers are the tiers of a node, by the names of manifests.
type Tiers struct {
	ByName map[string]Tier
	// Close gives back what they share. It comes last; nil for nothing.
	Close func()
}

// standardTiers returns what makes the tiers that run real programs, with some
// workers that wait in their jails for a first capsule.
func standardTiers(spares int) func(*host.Machine, string) (Tiers, error) {
	return func(m *host.Machine, folder string) (Tiers, error) { return makeTiers(m, folder, spares) }
}

func makeTiers(m *host.Machine, folder string, spares int) (Tiers, error) {
	cache, err := filepath.Abs(filepath.Join(folder, cacheName))
	if err != nil {
		return Tiers{}, fmt.Errorf("find the cache of modules: %w", err)
	}
	engine, err := wasm.New(wasm.Config{CacheDir: cache, Clock: m})
	if err != nil {
		return Tiers{}, err
	}
	pool, err := worker.New(worker.Config{Machine: m, Engine: engine, CacheDir: cache, Spares: spares, Stderr: os.Stderr})
	if err != nil {
		engine.Close()
		return Tiers{}, err
	}
	return Tiers{
		ByName: map[string]Tier{
			capsule.TierInline: inline{engine: engine, machine: m},
			capsule.TierWorker: jailed{Pool: pool, engine: engine},
			capsule.TierNative: native.New(native.Config{Machine: m}),
		},
		Close: func() {
			pool.Close()
			engine.Close()
		},
	}, nil
}

// jailed runs WebAssembly in workers.
type jailed struct {
	*worker.Pool

	engine *wasm.Engine
}

var _ Checker = jailed{}

// Check compiles the module, for the cache that the workers see.
func (t jailed) Check(module []byte) error {
	_, err := t.engine.Install(module)
	return err
}

// inline runs WebAssembly in this process.
type inline struct {
	engine  *wasm.Engine
	machine *host.Machine
}

var _ Checker = inline{}

// Check compiles the module, for the cache.
func (t inline) Check(module []byte) error {
	_, err := t.engine.Install(module)
	return err
}

// Start makes a program.
func (t inline) Start(s capsule.Spec) (capsule.Program, error) { //nolint:gocritic // hugeParam: the tiers have one signature
	image, err := t.engine.Install(s.Image)
	if err != nil {
		return nil, err
	}
	instance, err := image.Start(s)
	if err != nil {
		return nil, err
	}
	return inlineProgram{Instance: instance, machine: t.machine}, nil
}

// inlineProgram is a program with its guest space.
type inlineProgram struct {
	*wasm.Instance

	machine *host.Machine
}

var _ guested = inlineProgram{}

// Guest returns the address space that the program's memory is.
func (p inlineProgram) Guest() host.Guest { return p.Instance.Guest(p.machine) }
