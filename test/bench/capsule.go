package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/wasm"
	"phios/internal/guest"
	"phios/kernel/gate"
)

// The targets of capsules in the node's own process.
const (
	coldTargetUS    = 50
	warmTargetUS    = 500
	directTargetNS  = 100
	queuedTargetNS  = 500
	handoverNS      = 1000
	idleTargetKiB   = 100
	idleCapsules    = 10_000
	idlePauseMS     = 30
	capsuleMemory   = 16 << 20
	handoverBytes   = 64 << 20
	unitMS          = "ms"
	unitKiB         = "KiB"
	coldStartsRound = 64
)

// capsuleFamiliesTable are in the order of the table of targets.
var capsuleFamiliesTable = []family{
	{"start", startRows},
	{"go", goRows},
	{"worker", workerRows},
	{"idle", idleRows},
	{"direct", directRows},
	{"between", betweenRows},
	{"share", shareRows},
}

// Capsules measures capsules on this machine, as [Kernel] does the kernel. The
// rows of programs in Go build them first, and so need the repository.
func Capsules(ctx context.Context, options Options) ([]Row, error) {
	return run(ctx, options, capsuleFamiliesTable)
}

// CapsuleFamilies returns the names that [Options.Only] can have for Capsules.
func CapsuleFamilies() []string { return names(capsuleFamiliesTable) }

// capsules is a world with an engine.
type capsules struct {
	*world

	engine *wasm.Engine
	cache  string
}

func newCapsules() (*capsules, error) {
	w := newWorld(ordinary())
	if w.err != nil {
		return nil, w.err
	}
	c := &capsules{world: w}
	var err error
	if c.cache, err = os.MkdirTemp("", "phi-bench-"); err == nil {
		c.engine, err = wasm.New(wasm.Config{CacheDir: c.cache, Clock: w.machine})
	}
	if err != nil {
		c.close()
		return nil, err //nolint:wrapcheck // it says all
	}
	return c, nil
}

func (c *capsules) close() {
	if c.engine != nil {
		c.engine.Close()
	}
	_ = os.RemoveAll(c.cache) // in the temporary folder, where it harms nobody
	c.world.close()
}

// door is a task's, with the capabilities that it was granted under names.
type door struct {
	*gate.Port

	names map[string]abi.Handle
}

// Named returns what was granted.
func (d door) Named(name string) (abi.Handle, abi.Status) {
	if h, ok := d.names[name]; ok {
		return h, abi.StatusOK
	}
	return 0, abi.StatusBadHandle
}

// served lets a program answer on the caller's own thread.
type served struct {
	program capsule.Program
	names   map[string]abi.Handle
}

// Serve passes the message on.
func (s served) Serve(p *gate.Port, m *abi.Message) abi.Status {
	return s.program.Serve(door{p, s.names}, m)
}

// start starts a module for a task, and runs it to where it serves.
func (c *capsules) start(module []byte, t task, names map[string]abi.Handle) (*wasm.Instance, error) {
	image, err := c.engine.Install(module)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	return begin(image, t, names)
}

func begin(image *wasm.Image, t task, names map[string]abi.Handle) (*wasm.Instance, error) {
	i, err := image.Start(capsule.Spec{Name: "bench", Door: door{t.port, names}, MemoryBytesMax: capsuleMemory})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	if exit := i.Run(); !exit.OK() {
		i.Close()
		return nil, fmt.Errorf("the program ended: %v %d %s", exit.Cause, exit.Code, exit.Detail)
	}
	return i, nil
}

// startRows measures how long a small program takes from its installed image
// to where it serves, and back out.
func startRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	image, err := c.engine.Install(echoModule())
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	took, err := m.starts(image, c.boot(16))
	if err != nil {
		return nil, err
	}
	return []Row{
		atMost("start: a small program from the cache to its first message, p50", took.median()/1e3, unitUS, coldTargetUS),
	}, nil
}

// starts measures single starts, each with its first message; closing is not
// counted.
func (m *meter) starts(image *wasm.Image, t task) (series, error) {
	var all series
	for range m.rounds * coldStartsRound / 4 {
		var i *wasm.Instance
		took, err := m.once(func(int) abi.Status {
			var err error
			if i, err = begin(image, t, nil); err != nil {
				return abi.StatusState
			}
			return i.Serve(door{Port: t.port}, &abi.Message{Length: 64})
		}, 1)
		if i != nil {
			i.Close()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

// goRows is startRows for a server compiled by Go, whose runtime takes
// milliseconds to begin: it begins from a snapshot.
func goRows(m *meter) ([]Row, error) {
	module, err := guest.BuildGo("apps/hello-go", guest.Server)
	if err != nil {
		return nil, fmt.Errorf("build a program in Go, in the repository: %w", err)
	}
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	image, err := c.engine.Install(module)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	took, err := m.starts(image, c.boot(16))
	if err != nil {
		return nil, err
	}
	return []Row{
		atMost("go: a server in Go from its snapshot to its first message, p50", took.median()/1e3, unitUS, warmTargetUS),
	}, nil
}

// idleRows measures what ten thousand programs that wait take: of memory, and
// of everybody else's time when garbage is collected.
func idleRows(m *meter) ([]Row, error) {
	c, err := newCapsules()
	if err != nil {
		return nil, err
	}
	defer c.close()
	t := c.boot(16)
	if _, err := c.start(echoModule(), t, nil); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what earlier families left is not to hide what these take
	before, err := residentBytes()
	if err != nil {
		return nil, err
	}
	all := make([]*wasm.Instance, 0, idleCapsules)
	defer func() {
		for _, i := range all {
			i.Close()
		}
	}()
	for range idleCapsules {
		i, err := c.start(echoModule(), t, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	took, err := m.once(func(int) abi.Status {
		runtime.GC()
		return abi.StatusOK
	}, 1)
	if err != nil {
		return nil, err
	}
	after, err := residentBytes()
	if err != nil {
		return nil, err
	}
	each := float64(after-before) / idleCapsules / 1024
	return []Row{
		atMost("idle: resident memory of a small program", each, unitKiB, idleTargetKiB),
		atMost("idle: a whole collection with 10,000 of them", took/1e6, unitMS, idlePauseMS),
	}, nil
}

// residentBytes returns what the process has of physical memory.
func residentBytes() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of this process: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errStatm
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of this process: %w", err)
	}
	return pages * uint64(os.Getpagesize()), nil
}
