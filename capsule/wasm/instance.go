package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/fuel"
	"phios/capsule/nn"
	"phios/capsule/wasi"
	"phios/internal/invariant"
	"phios/platform/host"
	"phios/platform/host/linear"
)

// detailBytesMax bounds what is said about a trap.
const detailBytesMax = 1 << 10

// Instance is a program. One goroutine at a time runs it; Stop, Ended, Usage
// and Walls may be called from any.
type Instance struct {
	image  *Image
	spec   capsule.Spec
	module api.Module
	memory api.Memory
	linear *linear.Memory
	meter  meter
	layer  *wasi.Layer // nil when the program does not import WASI
	nn     *nn.Layer   // nil when the program does not import WASI-NN
	view   view        // what the layer sees of the memory
	ctx    running

	// What follows is used by the goroutine that runs the program.

	door     capsule.Door
	handle   api.Function // phi_handle, once it was called
	offset   uint32       // of the message, once handle is set
	stack    [1]uint64
	args     abi.Args
	callArgs abi.Args
	message  abi.Message
	mint     abi.Mint
	rings    []ringEnd
	epoch    uint8   // how many times it was thawed
	grants   []grant // by which names it found what
	wide     bool    // it has a handle that a thawed program could not have
	unnamed  bool    // it has found more names than are remembered
	touched  bool    // it has called the kernel
	begun    bool    // its state is complete: made by Run, or thawed
	thawed   bool
	leaving  *capsule.Exit // why a host function leaves the program

	stopping atomic.Bool

	mu    sync.Mutex
	ended *capsule.Exit // guarded by mu
}

var _ capsule.Program = (*Instance)(nil)

// Start makes a program of the image. Nothing of it runs before Run. The
// caller closes it.
func (i *Image) Start(spec capsule.Spec) (*Instance, error) {
	if missing := spec.Require &^ capsule.WallSandbox; missing != 0 {
		return nil, fmt.Errorf("start %s: an inline program has no wall %v: run it in a worker, or list the wall in the manifest's walls that may be missing", spec.Name, missing)
	}
	n, err := i.instantiate(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if spec.Frozen != nil {
		if err := n.thaw(spec.Frozen); err != nil {
			n.Close()
			return nil, fmt.Errorf("thaw %s: %w", spec.Name, err)
		}
	}
	return n, nil
}

// instantiate makes an instance whose memory is empty.
func (i *Image) instantiate(spec capsule.Spec) (*Instance, error) {
	limit := spec.MemoryBytesMax
	if limit == 0 {
		limit = MemoryBytesDefault
	}
	limit = min(limit, i.maximum, MemoryBytesMax) &^ (pageBytes - 1)
	if i.minimum > limit {
		return nil, fmt.Errorf("the module begins with %d bytes of memory, more than the %d that it may have: raise the memory of its budget or link it with less", i.minimum, limit)
	}
	memory, err := linear.New(limit)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	if memory.Reallocate(i.minimum) == nil {
		memory.Free()
		return nil, errors.New("the machine has no memory for it: run fewer programs")
	}
	n := &Instance{image: i, spec: spec, linear: memory, door: spec.Door}
	n.spec.Frozen, n.spec.Image = nil, nil
	n.ctx.instance = n
	ctx := experimental.WithMemoryAllocator(context.Background(), allocator{memory})
	n.module, err = i.runtime.InstantiateModule(ctx, i.code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		memory.Free()
		return nil, fmt.Errorf("instantiate: %w", err)
	}
	n.memory = n.module.Memory()
	n.view.Memory = n.memory
	global, ok := n.module.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	invariant.Always(ok, "capsule/wasm: a module without fuel was compiled")
	n.meter.start(global)
	if i.wasi {
		n.layer = wasi.New(wasi.Config{Door: spec.Door, Args: spec.Args, Env: spec.Env, Output: n.output})
	}
	if i.nn {
		n.nn = nn.New(spec.Door)
	}
	return n, nil
}

// allocator hands the engine the memory that was made for an instance.
type allocator struct{ memory *linear.Memory }

// Allocate returns it.
func (a allocator) Allocate(_, _ uint64) experimental.LinearMemory { return a.memory }

// view is a program's memory as WASI sees it.
type view struct{ api.Memory }

// Slice returns bytes of the memory.
func (v *view) Slice(offset, n uint32) ([]byte, bool) { return v.Read(offset, n) }

func (i *Instance) output(stream int, text []byte) {
	i.touched = true
	if i.spec.Output != nil {
		i.spec.Output(stream, text)
	}
}

// Guest returns the program's memory as an address space, for
// host.Machine.NewGuest and gate.Port.AdoptOffered.
func (i *Instance) Guest(machine *host.Machine) host.Guest { return linear.NewGuest(machine, i.linear) }

// Memory returns the program's memory, for a worker, which places regions in
// it by their descriptors.
func (i *Instance) Memory() *linear.Memory { return i.linear }

// Run runs the program from its beginning; see capsule.Program. A program that
// was thawed goes on to serve.
func (i *Instance) Run() capsule.Exit {
	if exit, ended := i.Ended(); ended {
		return exit
	}
	if !i.begun {
		if exit := i.begin(); exit != nil {
			return i.end(*exit)
		}
	}
	returned := capsule.Exit{Cause: capsule.CauseReturned}
	if i.thawed {
		return returned
	}
	if i.image.has(abi.ExportStart) {
		i.stack[0] = i.spec.Argument
		if exit := i.call(i.module.ExportedFunction(abi.ExportStart), i.stack[:]); exit != nil {
			return i.end(*exit)
		}
		if status := statusOf(i.stack[0]); status != abi.StatusOK {
			returned.Code, returned.Detail = uint32(status), abi.ExportStart+" answered: "+status.Error()
			return i.end(returned)
		}
	}
	i.flush()
	if !i.image.Serves() {
		return i.end(returned)
	}
	return returned
}

// begin brings the program to where its own code has been initialised, by
// running it there or from a template.
func (i *Instance) begin() *capsule.Exit {
	i.begun = true
	if i.warm() {
		return nil
	}
	return i.initialize()
}

func (i *Instance) initialize() *capsule.Exit {
	for _, name := range [...]string{fuel.Data, fuel.Start, exportInit, exportMain} {
		if !i.image.has(name) {
			continue
		}
		if exit := i.call(i.module.ExportedFunction(name), nil); exit != nil {
			return exit
		}
	}
	return nil
}

// Serves reports whether the program has a handler and has not ended.
func (i *Instance) Serves() bool {
	_, ended := i.Ended()
	return !ended && i.image.Serves()
}

// Serve passes a message to the program's handler; see capsule.Program.
func (i *Instance) Serve(door capsule.Door, m *abi.Message) abi.Status {
	if i.stopping.Load() || i.handle == nil {
		if status := i.prepare(); status != abi.StatusOK {
			return status
		}
	}
	b, ok := i.memory.Read(i.offset, abi.MessageBytes)
	if !ok {
		return abi.StatusRange
	}
	if status := i.handlesOut(m); status != abi.StatusOK {
		return status
	}
	if _, ok := abi.EncodeMessage(b, m); !ok {
		return abi.StatusRange
	}
	i.use(door)
	i.meter.idle()
	err := i.handle.CallWithStack(&i.ctx, i.stack[:])
	i.flush()
	i.use(i.spec.Door)
	if err != nil {
		i.end(i.explain(err))
		return abi.StatusPeerDead
	}
	status := statusOf(i.stack[0])
	if status != abi.StatusOK {
		return status
	}
	if b, ok = i.memory.Read(i.offset, abi.MessageBytes); !ok {
		return abi.StatusRange
	}
	if status := abi.DecodeMessage(b, m); status != abi.StatusOK {
		return status
	}
	if i.epoch != 0 {
		return i.handlesIn(m)
	}
	return abi.StatusOK
}

// prepare finds the handler the first time, and refuses when there is none any
// more.
func (i *Instance) prepare() abi.Status {
	if i.stopping.Load() {
		i.end(capsule.Exit{Cause: capsule.CauseStopped})
	}
	if !i.Serves() {
		return abi.StatusPeerDead
	}
	if exit := i.call(i.module.ExportedFunction(abi.ExportMessage), i.stack[:]); exit != nil {
		i.end(*exit)
		return abi.StatusPeerDead
	}
	i.offset = uint32(i.stack[0]) //nolint:gosec // G115: an i32 is the low half of its slot
	i.handle = i.module.ExportedFunction(abi.ExportHandle)
	return abi.StatusOK
}

// use lets the program call through a door from now on.
func (i *Instance) use(door capsule.Door) {
	i.door = door
	if i.layer != nil {
		i.layer.Use(door)
	}
	if i.nn != nil {
		i.nn.Use(door)
	}
}

// statusOf reads the status that a function of the program's returned: what is
// none is StatusState.
func statusOf(v uint64) abi.Status {
	if n := uint32(v); n < uint32(abi.StatusCount) { //nolint:gosec // G115: an i32 is the low half of its slot
		return abi.Status(n)
	}
	return abi.StatusState
}

// call calls a function of the program. It returns nil when that returned, or
// how the program ended.
func (i *Instance) call(f api.Function, stack []uint64) *capsule.Exit {
	i.meter.idle()
	err := f.CallWithStack(&i.ctx, stack)
	i.meter.publish()
	if err == nil {
		return nil
	}
	exit := i.explain(err)
	return &exit
}

// explain says how the program ended when a call into it failed.
func (i *Instance) explain(err error) capsule.Exit {
	if exit := i.leaving; exit != nil {
		i.leaving = nil
		return *exit
	}
	// The engine catches every panic of a host function. Those that are no
	// program's doing must not be taken for a trap.
	var broken invariant.Failure
	var wrong runtime.Error
	if errors.As(err, &broken) || errors.As(err, &wrong) {
		invariant.Always(false, "capsule/wasm: a host function failed: "+err.Error())
	}
	text := strings.TrimPrefix(err.Error(), "wasm error: ")
	return capsule.Exit{Cause: capsule.CauseTrap, Detail: text[:min(len(text), detailBytesMax)]}
}

// exitWith ends the program from within a host function: it does not return.
func (i *Instance) exitWith(exit capsule.Exit) {
	i.leaving = &exit
	panic(i.image.engine.stopped) //nolint:forbidigo // the engine's only way out of a program's stack, caught by it in callers of this package
}

// exit ends the program because it said so.
func (i *Instance) exit(code uint32) {
	i.exitWith(capsule.Exit{Cause: capsule.CauseReturned, Code: code})
}

// enter begins a host function: a program that was stopped ends here.
func (i *Instance) enter() {
	if i.stopping.Load() {
		i.exitWith(capsule.Exit{Cause: capsule.CauseStopped})
	}
	i.touched = true
	if i.meter.called() {
		i.settle()
	}
}

// leave ends a host function: a program whose task was killed ends here.
func (i *Instance) leave(status abi.Status) {
	if status == abi.StatusKilled {
		i.exitWith(capsule.Exit{Cause: capsule.CauseStopped, Detail: "its task was killed"})
	}
}

// end records how the program ended; what ended it first counts.
func (i *Instance) end(exit capsule.Exit) capsule.Exit {
	i.flush()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended == nil {
		i.ended = &exit
	}
	i.handle = nil
	return *i.ended
}

// flush passes on what the program wrote without a newline.
func (i *Instance) flush() {
	if i.layer != nil {
		i.layer.Flush()
	}
}

// Ended returns how the program ended, and whether it has.
func (i *Instance) Ended() (capsule.Exit, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended == nil {
		return capsule.Exit{}, false
	}
	return *i.ended, true
}

// Stop ends the program at its next call or when its fuel is used up, within
// some milliseconds. A program that waits in the kernel ends when its task is
// killed.
func (i *Instance) Stop() { i.stopping.Store(true) }

// Close frees the memory. Nothing runs in the program any more, and its task
// is not given windows any more.
func (i *Instance) Close() {
	i.end(capsule.Exit{Cause: capsule.CauseStopped})
	if i.layer != nil {
		i.layer.Close()
	}
	_ = i.module.Close(context.Background()) // it has nothing that can fail to close
	i.linear.Free()
}

// Usage says what the program takes now; what it used in the last millisecond
// may be missing.
func (i *Instance) Usage() capsule.Usage {
	return capsule.Usage{
		MemoryBytes:    i.linear.Size(),
		CPUNanoseconds: i.meter.cpu.Load(),
		Calls:          i.meter.total.Load(),
	}
}

// Walls returns WallSandbox.
func (i *Instance) Walls() capsule.Walls { return capsule.WallSandbox }
