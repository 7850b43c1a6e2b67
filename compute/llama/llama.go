// Package llama is a unit that runs models with llama.cpp, which knows more
// architectures, formats and devices than our own engine. It runs in a helper
// process, phi-llama, for phi is one static file without foreign code; a CUDA
// or Vulkan variant is only another folder of libraries.
//
// Each model has a helper of its own: it starts with the load, dies with the
// unload, and takes nothing else with it when a file that is not what it seems
// brings it down. Then everything on that model fails with [compute.ErrLost],
// and the next load starts another; after failures in a row it waits longer.
// The helper maps the file by the descriptor that it inherits, and bulk data
// goes through shared memory, so nothing large is copied twice; but for what
// llama.cpp itself does: it packs some formats again, such as Q4_0, for its
// faster kernels, and that copy counts as the unit's memory.
//
// What the unit cannot do, because llama.cpp cannot:
//   - Deterministic is refused: its results depend on the batch.
//   - At most 192 sequences are open at once; it has 256 numbers for sequences.
//     The other 63 hold shared pages: each can hold one page of each position,
//     so that up to 63 different texts can keep their first page, 63 their
//     second, and so on. Share and Import give ErrFull beyond that.
//   - Models with a recurrent state can neither be trimmed nor shared.
//
// Locking: unit.mu is above helper.mu. Neither is held while a process starts.
package llama

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"phios/compute"
	"phios/compute/llama/wire"
)

// Registration is how the system knows the unit.
func Registration() compute.Registration {
	return compute.Registration{
		Name: "llama",
		Open: Open,
		Settings: map[string]string{
			"lib":        "folder of llama.cpp's shared libraries (v0.5.0)",
			"helper":     "path of the program phi-llama; beside phi, or PHI_LLAMA, when not given",
			"gpu-layers": "how many layers run on a GPU; all when not given",
			"threads":    "on how many processors a step runs; all when not given",
		},
	}
}

// errRefused means that the helper said no.
var errRefused = errors.New("llama.cpp refused")

// wattsPerProcessor is the stated power by which energy is estimated: what a
// server's processor takes for a busy core, with its share of memory.
const wattsPerProcessor = 8

// Back-off after failed loads in a row: doubled each time.
const (
	backOffFirst = 100 * time.Millisecond
	backOffMax   = 5 * time.Second
)

// unit starts helpers and knows those that run.
type unit struct {
	program, folder string
	layers, threads int
	description     compute.Description
	running         atomic.Int64

	mu       sync.Mutex
	models   map[*Model]struct{} // guarded by mu
	closed   bool                // guarded by mu
	failures int                 // guarded by mu; loads in a row that lost their helper
	spent    time.Duration       // guarded by mu; by helpers that are gone
}

// Open makes a unit of its settings. It starts a helper for a moment, to see
// that it works and to ask for the devices.
func Open(settings map[string]string) (compute.Unit, error) {
	u := &unit{layers: -1, models: map[*Model]struct{}{}}
	for name, value := range settings {
		var err error
		switch name {
		case "lib":
			u.folder = value
		case "helper":
			u.program = value
		case "gpu-layers":
			u.layers, err = number(name, value, 1<<16)
		case "threads":
			u.threads, err = number(name, value, 1<<10)
		default:
			err = fmt.Errorf("the llama unit has no setting %q; it has lib, helper, gpu-layers, threads", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if u.folder == "" {
		return nil, errors.New("the llama unit needs the setting lib: the folder of llama.cpp's shared libraries")
	}
	if err := u.find(); err != nil {
		return nil, err
	}
	return u, u.probe()
}

func number(name, value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s=%s: give a number from 0 to %d", name, value, most)
	}
	return n, nil
}

// find finds the helper program.
func (u *unit) find() error {
	if u.program == "" {
		u.program = os.Getenv("PHI_LLAMA")
	}
	if u.program == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find phi-llama beside phi: %w; give its path as the setting helper", err)
		}
		u.program = filepath.Join(filepath.Dir(self), "phi-llama")
	}
	if _, err := os.Stat(u.program); err != nil {
		return fmt.Errorf("find the llama helper: %w; build it with 'make llama' and give its path as the setting helper", err)
	}
	return nil
}

// probe asks a helper what there is.
func (u *unit) probe() error {
	h, err := start(u.program, u.folder, nil)
	if err != nil {
		return err
	}
	defer h.end()
	var g wire.Greeting
	if err := h.greet(context.Background(), &g); err != nil {
		return fmt.Errorf("ask the llama helper what it has: %w", err)
	}
	d := compute.Description{Name: "llama", Kind: compute.KindCPU, Features: []string{g.Library}}
	for _, device := range g.Devices {
		d.Features = append(d.Features, device.Name)
		gpu := device.Kind == wire.DeviceGPU || device.Kind == wire.DeviceIntegrated
		switch {
		case gpu && u.layers != 0 && d.Kind == compute.KindCPU:
			d.Kind, d.Device, d.MemoryBytes = compute.KindGPU, device.Description, device.MemoryBytes
		case device.Kind == wire.DeviceCPU && d.Device == "":
			d.Device, d.MemoryBytes = device.Description, device.MemoryBytes
		}
	}
	u.description = d
	return nil
}

// greet is the first that a helper is asked.
func (h *helper) greet(ctx context.Context, g *wire.Greeting) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.ask(ctx, wire.Hello, limits{time: helloTime}, nil, g); err != nil {
		return err
	}
	if g.Version != wire.Version {
		return fmt.Errorf("phi-llama speaks version %d, phi %d; build both of the same source", g.Version, wire.Version)
	}
	return nil
}

// Describe says what the unit is.
func (u *unit) Describe() compute.Description { return u.description }

// Load starts a helper and loads a model there.
func (u *unit) Load(ctx context.Context, w compute.Weights, o compute.Options) (compute.Model, error) {
	if err := u.check(w, &o); err != nil {
		return nil, fmt.Errorf("load %s: %w", w.Name, err)
	}
	if err := u.wait(ctx); err != nil {
		return nil, fmt.Errorf("load %s: %w", w.Name, err)
	}
	h, err := start(u.program, u.folder, w.File)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", w.Name, err)
	}
	m, err := u.load(ctx, h, w, o)
	if err == nil {
		err = u.keep(m)
	}
	u.mu.Lock()
	if err == nil {
		u.failures = 0
	} else if errors.Is(err, compute.ErrLost) {
		u.failures++
	}
	u.mu.Unlock()
	if err != nil {
		u.bury(h)
		return nil, fmt.Errorf("load %s: %w", w.Name, err)
	}
	return m, nil
}

// check refuses what can be refused before a process is started.
func (u *unit) check(w compute.Weights, o *compute.Options) error {
	if o.Deterministic {
		return fmt.Errorf("%w: results of llama.cpp depend on the batch; use the cpu unit for deterministic mode", compute.ErrUnsupported)
	}
	if w.File == nil {
		return fmt.Errorf("%w: another process can only map a file that is open; use the cpu unit", compute.ErrUnsupported)
	}
	if len(w.Bytes) != 0 && !strings.HasPrefix(string(w.Bytes[:min(4, len(w.Bytes))]), "GGUF") {
		return fmt.Errorf("%w: not a GGUF file", compute.ErrUnsupported)
	}
	u.fill(o)
	if o.SequencesMax < 0 || o.SequencesMax > sequencesMax {
		return fmt.Errorf("%w: llama.cpp can keep %d sequences open, not %d", compute.ErrUnsupported, sequencesMax, o.SequencesMax)
	}
	if o.ContextTokens < 0 || o.ContextTokens > tokensMax || o.CacheTokens < 0 || o.CacheTokens > tokensMax {
		return fmt.Errorf("a context of %d and a cache of %d tokens: at most %d are allowed", o.ContextTokens, o.CacheTokens, tokensMax)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errClosed
	}
	return nil
}

// fill gives the options that were left open their values.
func (u *unit) fill(o *compute.Options) {
	if o.SequencesMax == 0 {
		o.SequencesMax = 64
	}
	if o.Threads == 0 {
		o.Threads = u.threads
	}
	if o.Threads <= 0 || o.Threads > 1<<10 {
		o.Threads = runtime.NumCPU()
	}
}

// wait holds a load back after failures in a row, so that a library that dies
// at once is not started without end.
func (u *unit) wait(ctx context.Context) error {
	u.mu.Lock()
	failures := u.failures
	u.mu.Unlock()
	if failures == 0 {
		return ctx.Err()
	}
	pause := min(backOffFirst<<min(failures-1, 10), backOffMax)
	timer, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	<-timer.Done()
	return ctx.Err()
}

// keep records a model, unless the unit was closed meanwhile.
func (u *unit) keep(m *Model) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errClosed
	}
	u.models[m] = struct{}{}
	return nil
}

// bury ends a helper and counts what it has spent.
func (u *unit) bury(h *helper) {
	h.end()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.spent += h.state.UserTime() + h.state.SystemTime()
}

// Report says what helpers do and have done, as the kernel counts it.
func (u *unit) Report() compute.Report {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := compute.Report{Running: int(u.running.Load()), Busy: u.spent}
	for m := range u.models {
		busy, resident := m.helper.usage()
		r.Busy += busy
		r.ResidentBytes += resident
	}
	r.Joules = r.Busy.Seconds() * wattsPerProcessor
	return r
}

// Close unloads every model.
func (u *unit) Close() error {
	u.mu.Lock()
	u.closed = true
	models := u.models
	u.models = map[*Model]struct{}{}
	u.mu.Unlock()
	for m := range models {
		_ = m.Close() // It has no error to give.
	}
	return nil
}
