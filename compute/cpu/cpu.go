// Package cpu runs language models on the processors of this machine: the unit
// that is always there. It reads GGUF files where they are mapped, computes with
// the kernels of compute/cpu/simd, and keeps keys and values in pages that
// sequences share.
//
// # One forward pass
//
// All architectures run through the same code. What makes them differ is data:
// a file architecture_NAME.go each, with the names of the tensors and a few
// switches. A file with a tensor or a setting that the pass does not know is
// refused, with what is missing; the llama unit may run it.
//
// # Results depend on the text alone
//
// The logits of a token depend on the tokens before it and on nothing else, to
// the last bit: not on the other sequences of the batch, not on the pieces in
// which a prompt is given, not on the number of threads. Each number is computed
// by one thread, by the same instructions in the same order: the kernels give
// the same bits for any number of rows, and attention goes over the pages of a
// text at boundaries that depend on positions only. So there is no deterministic
// mode: it is the only one. The rejected way, splitting long sums over threads,
// gains little with the few threads of a processor.
//
// # Who calls
//
// A unit may be used by many goroutines. A model is stepped by one at a time,
// which also opens, shares and closes its sequences; several models step at the
// same time, each with threads of its own.
package cpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"phios/compute"
	"phios/compute/cpu/simd"
	"phios/compute/tensor"
)

// The settings of a unit.
const (
	settingMemory  = "memory"
	settingThreads = "threads"
)

// Registration is how the system knows this kind of unit.
func Registration() compute.Registration {
	return compute.Registration{
		Name: "cpu",
		Open: open,
		Settings: map[string]string{
			settingMemory:  "bytes that models may take; what the machine has available, when it is not given",
			settingThreads: "most threads of a model; all processors, when it is not given",
		},
	}
}

func open(settings map[string]string) (compute.Unit, error) {
	var o Options
	for name, text := range settings {
		n, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return nil, fmt.Errorf("setting %s of the cpu unit: %w; give a whole number", name, err)
		}
		switch name {
		case settingMemory:
			o.MemoryBytes = n
		case settingThreads:
			o.Threads = int(n)
		default:
			return nil, fmt.Errorf("setting %s of the cpu unit: it knows %s and %s", name, settingMemory, settingThreads)
		}
	}
	return Open(o), nil
}

// Options are the settings of a unit. The zero value is what most want.
type Options struct {
	// MemoryBytes is what models may take, caches and buffers: mapped weights do
	// not count. Zero is what the machine has available at each load.
	MemoryBytes uint64
	// Threads bounds the threads of a model; zero is all processors.
	Threads int
	// Kernels computes; nil is the best that the processor can run.
	Kernels *simd.Kernels
}

// Unit is the processors of this machine.
type Unit struct {
	options Options
	kernels *simd.Kernels
	speed   speed
	meter   *meter
	running atomic.Int64
	busy    atomic.Int64 // nanoseconds

	mu       sync.Mutex
	models   map[*model]struct{} // under mu
	promised uint64              // bytes, under mu
	closed   bool                // under mu
}

// Open makes a unit. It measures the processor for about 20 ms.
func Open(o Options) *Unit {
	u := &Unit{options: o, kernels: o.Kernels, models: map[*model]struct{}{}, meter: openMeter(powercap)}
	if u.kernels == nil {
		u.kernels = simd.Best()
	}
	u.speed.measure(u.kernels)
	return u
}

// formatsTable is the formats with kernels.
var formatsTable = []tensor.Format{
	tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
}

// Describe says what the unit is.
func (u *Unit) Describe() compute.Description {
	d := compute.Description{
		Name: "cpu", Kind: compute.KindCPU, Device: processorName(), Features: u.kernels.Features(),
		MemoryBytes: u.memory(), Formats: append([]tensor.Format(nil), formatsTable...),
		// The bits of a product depend neither on its batch mates nor on how
		// rows are shared among threads, so all models are deterministic ones.
		Deterministic: true,
	}
	for _, a := range architectures() {
		d.Architectures = append(d.Architectures, a.name)
	}
	d.BytesPerSecond, d.OperationsPerSecond = u.speed.read()
	return d
}

// Report says what the unit does and has done.
func (u *Unit) Report() compute.Report {
	r := compute.Report{Running: int(u.running.Load()), Busy: time.Duration(u.busy.Load())}
	r.Joules, r.Measured = u.meter.joules()
	if !r.Measured {
		r.Joules = r.Busy.Seconds() * wattsPerProcessor
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for m := range u.models {
		r.ResidentBytes += m.resident.Load()
	}
	return r
}

// Close unloads every model. None may be running.
func (u *Unit) Close() error {
	u.mu.Lock()
	u.closed = true
	var open []*model
	for m := range u.models {
		open = append(open, m)
	}
	u.mu.Unlock()
	var err error
	for _, m := range open {
		err = errors2(err, m.Close())
	}
	return err
}

// errors2 joins two errors, either of which may be nil.
func errors2(a, b error) error {
	if b == nil {
		return a
	}
	return errors.Join(a, b)
}

// threads is how many a model gets that asks for so many. More threads than may
// run at once would only wait for each other.
func (u *Unit) threads(asked int) int {
	n := min(runtime.GOMAXPROCS(0), threadsMax)
	if u.options.Threads > 0 {
		n = min(n, u.options.Threads)
	}
	if asked > 0 {
		n = min(n, asked)
	}
	return n
}

func (u *Unit) add(m *model) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.models[m] = struct{}{}
}

func (u *Unit) remove(m *model) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.models, m)
	u.promised -= m.promised
}

// memory is how much models may take together.
func (u *Unit) memory() uint64 {
	if u.options.MemoryBytes > 0 {
		return u.options.MemoryBytes
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.memoryLocked()
}

func (u *Unit) memoryLocked() uint64 {
	if u.options.MemoryBytes > 0 {
		return u.options.MemoryBytes
	}
	total := availableMemory(os.ReadFile)
	for m := range u.models {
		total += m.resident.Load() // what is taken of the promises is not available any more
	}
	return total
}

// free is how much of it nobody was promised.
func (u *Unit) free() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.memoryLocked()
	return all - min(all, u.promised)
}

// promise takes n bytes, or refuses.
func (u *Unit) promise(n uint64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return fmt.Errorf("the unit is closed; open it again: %w", compute.ErrLost)
	}
	all := u.memoryLocked()
	if free := all - min(all, u.promised); n > free {
		return fmt.Errorf("%w: it needs %d bytes, and %d of %d are free", compute.ErrMemory, n, free, all)
	}
	u.promised += n
	return nil
}
