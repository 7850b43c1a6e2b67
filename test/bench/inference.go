package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"phios/compute"
	"phios/compute/cpu"
	"phios/compute/gguf/generate"
	"phios/compute/llama"
	"phios/compute/tensor"
)

// InferenceMax bounds a whole run.
const InferenceMax = 40 * time.Minute

// Inference's models, by the names of their presets.
const (
	SizeSmall = "135m"
	SizeLarge = "1.1b"
	sizeTiny  = "tiny" // for tests
)

// InferenceOptions say what to run of [Inference].
type InferenceOptions struct {
	Options

	// Library is the folder of llama.cpp's shared libraries; without it nothing
	// is compared with it, and those rows have no target.
	Library string
	// Helper is the program phi-llama; empty is where the unit looks.
	Helper string
	// Folder keeps the models, which are made when they are not there.
	Folder string
	// Sizes are the models' sizes.
	Sizes []string
	// Data is the folder of public test data; rows that need it are left out
	// when it is not there.
	Data string
}

// inferenceFamily is the rows of one subject.
type inferenceFamily struct {
	name string
	run  func(*inferenceRun) ([]Row, error)
}

// inferenceFamiliesTable are in the order of the table of targets.
var inferenceFamiliesTable = []inferenceFamily{
	{"decode", decodeRows},
	{"prefill", prefillRows},
	{"streams", streamsRows},
	{"service", serviceRows},
	{"mask", maskRows},
	{"swap", swapRows},
	{"prefix", prefixRows},
	{"embed", embedRows},
	{"map", mapRows},
}

// InferenceFamilies returns the names that [Options.Only] can have for
// Inference.
func InferenceFamilies() []string {
	list := make([]string, 0, len(inferenceFamiliesTable))
	for _, f := range inferenceFamiliesTable {
		list = append(list, f.name)
	}
	return list
}

// inferenceRun is what the families share: the two units, and the models.
type inferenceRun struct {
	InferenceOptions
	*meter

	own  *cpu.Unit
	peer compute.Unit // nil without a library
}

// Inference measures the engine on this machine against llama.cpp, each pair on
// the same file and in alternation. It takes some minutes, both processors, and
// as much disk as the models: 4 GB for all. What [Kernel] says of its rows holds
// here too.
func Inference(ctx context.Context, o InferenceOptions) ([]Row, error) {
	if o.Rounds == 0 {
		o.Rounds = inferenceRounds
	}
	if o.Rounds < 1 || o.Rounds > 1000 {
		return nil, errRounds
	}
	ctx, cancel := context.WithTimeout(ctx, InferenceMax)
	defer cancel()
	i := &inferenceRun{InferenceOptions: o, meter: &meter{ctx: ctx, rounds: o.Rounds}, own: cpu.Open(cpu.Options{})}
	defer func() { _ = i.own.Close() }() // its models are closed
	if o.Library != "" {
		settings := map[string]string{"lib": o.Library}
		if o.Helper != "" {
			settings["helper"] = o.Helper
		}
		var err error
		if i.peer, err = llama.Open(settings); err != nil {
			return nil, fmt.Errorf("open the llama unit: %w", err)
		}
		defer func() { _ = i.peer.Close() }()
	}
	return i.all()
}

// all runs the families.
func (i *inferenceRun) all() ([]Row, error) {
	var rows []Row
	found := false
	for _, f := range inferenceFamiliesTable {
		if i.Only != "" && i.Only != f.name {
			continue
		}
		found = true
		start := time.Now()
		more, err := f.run(i)
		if err != nil {
			return rows, fmt.Errorf("measure %s: %w", f.name, err)
		}
		rows = append(rows, more...)
		i.say("%-10s %3d rows in %5.1f s\n", f.name, len(more), time.Since(start).Seconds())
		runtime.GC() // the next family begins without the garbage of this one
	}
	if !found {
		return nil, fmt.Errorf("there is no family %q: choose one of %v", i.Only, InferenceFamilies())
	}
	return rows, nil
}

// say tells who looks what happens.
func (i *inferenceRun) say(format string, arguments ...any) {
	if i.Progress != nil {
		// Progress that nobody can see is no reason to stop.
		_, _ = fmt.Fprintf(i.Progress, format, arguments...)
	}
}

// modelSeed is what the weights of all models follow from.
const modelSeed = 1

// path is where a model's file is.
func (i *inferenceRun) path(size string, f tensor.Format) string {
	return filepath.Join(i.Folder, fmt.Sprintf("random-%s-%s-%d.gguf", size, f, modelSeed))
}

// weights returns a model's file, which it makes when it is not there.
func (i *inferenceRun) weights(size string, f tensor.Format) (compute.Weights, func(), error) {
	spec, err := generate.Preset(size, f, modelSeed)
	if err != nil {
		return compute.Weights{}, nil, err //nolint:wrapcheck // it says all
	}
	path := i.path(size, f)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		i.say("making %s\n", path)
		err = makeModel(path, spec)
		if err != nil {
			return compute.Weights{}, nil, err
		}
	}
	return mapWeights(path)
}

// makeModel writes a model's file, whole or not at all.
func makeModel(path string, spec generate.Spec) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "new-*.gguf")
	if err != nil {
		return err
	}
	err = errors.Join(generate.Model(file, spec), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // it is of no use
		return fmt.Errorf("make a model: %w; give a folder with enough room with --models", err)
	}
	return nil
}

// mapWeights opens a file and maps it.
func mapWeights(path string) (compute.Weights, func(), error) {
	file, err := os.Open(path) //nolint:gosec // G304: the user says which folder
	if err != nil {
		return compute.Weights{}, nil, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return compute.Weights{}, nil, errors.Join(err, file.Close())
	}
	bytes, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED|syscall.MAP_POPULATE)
	if err != nil {
		return compute.Weights{}, nil, errors.Join(err, file.Close())
	}
	closes := func() {
		_ = syscall.Munmap(bytes) // nothing reads it any more
		_ = file.Close()
	}
	return compute.Weights{Name: filepath.Base(path), Bytes: bytes, File: file}, closes, nil
}

// rivals are one file loaded by both units.
type rivals struct {
	own, peer compute.Stepper // peer is nil without a library
	close     func()
}

// load loads a file into both units.
func (i *inferenceRun) load(w compute.Weights, o compute.Options) (*rivals, error) {
	r := &rivals{}
	var loaded []compute.Model
	r.close = func() {
		for _, m := range loaded {
			_ = m.Close() // nothing runs on it
		}
	}
	open := func(u compute.Unit) (compute.Stepper, error) {
		m, err := u.Load(i.ctx, w, o)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says all
		}
		loaded = append(loaded, m)
		s, ok := m.(compute.Stepper)
		if !ok {
			return nil, errors.New("the model does not step")
		}
		return s, nil
	}
	var err error
	if r.own, err = open(i.own); err == nil && i.peer != nil {
		r.peer, err = open(i.peer)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// steppers are those that were loaded.
func (r *rivals) steppers() []compute.Stepper {
	if r.peer == nil {
		return []compute.Stepper{r.own}
	}
	return []compute.Stepper{r.own, r.peer}
}

// turns runs the works in turn, round after round, and returns what each took in
// nanoseconds. The first round of each is not counted.
func (m *meter) turns(rounds int, works ...func() error) ([]series, error) {
	all := make([]series, len(works))
	for round := range rounds + 1 {
		for i, w := range works {
			if err := m.ctx.Err(); err != nil {
				return nil, fmt.Errorf("the run takes too long, or was stopped: %w", err)
			}
			start := time.Now()
			if err := w(); err != nil {
				return nil, err
			}
			if round > 0 {
				all[i] = append(all[i], float64(time.Since(start)))
			}
		}
	}
	return all, nil
}

// speed makes the row of a pair: tokens a second, against the peer's when there
// is one.
func speed(name string, tokens int, took []series, target float64) Row {
	rate := func(s series) float64 { return float64(tokens) / s.median() * 1e9 }
	r := Row{Name: name, Value: tidy(rate(took[0])), Unit: "tok/s", Better: Higher, OK: true}
	if len(took) == 1 {
		return r
	}
	ratio := took[1].over(took[0])
	least := rate(took[1]) * target
	r.Target, r.OK = &least, ratio >= target
	return r.against("llama.cpp", rate(took[1]), ratio)
}

func threadsName(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return strconv.Itoa(n) + " threads"
}
