package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule/worker"
	"phios/platform/host/jail"
	"phios/system"
	"phios/system/capsules"
)

// TestMain is a worker's beginning too.
func TestMain(m *testing.M) {
	_ = jail.Main() // becomes the command that it was asked for
	if len(os.Args) == 2 && os.Args[1] == worker.Verb {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// world is a node, reached as people reach it: through its socket.
type world struct {
	*control.Client

	t testing.TB
}

// soon is how long anything may take that is not under attack, also where the
// race detector and other tests share the processors.
const soon = 5 * time.Second

func newWorld(tb testing.TB) *world {
	tb.Helper()
	folder, err := os.MkdirTemp("", "phi") //nolint:usetesting // a socket's path must be short
	if err != nil {
		tb.Fatal(err)
	}
	m, err := capsules.Start(capsules.Config{DataDir: folder, Version: "test", Node: system.Config{Seed: 1}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
		_ = os.RemoveAll(folder) // a folder that stays harms no other test
	})
	w := &world{Client: &control.Client{Socket: filepath.Join(folder, control.SocketName)}, t: tb}
	w.run("witness", "inline", compile(tb, harmSource(tb)))
	w.warm()
	return w
}

// warm lets the node make what it keeps for calls at once, so that it does not
// look like something lost.
func (w *world) warm() {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { w.ask("witness", "h", soon) }) // long enough to overlap
	}
	all.Wait()
}

// harmSource is the program that does what it is told.
func harmSource(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("testdata/harm.c")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// compile makes a module of a C program without any library.
func compile(tb testing.TB, source string) []byte {
	tb.Helper()
	folder := tb.TempDir()
	from, to := filepath.Join(folder, "a.c"), filepath.Join(folder, "a.wasm")
	if err := os.WriteFile(from, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	text, err := exec.CommandContext(tb.Context(), "clang", "--target=wasm32", "-nostdlib", "-O2", "-Wl,--no-entry", "-o", to, from).CombinedOutput()
	if err != nil {
		tb.Fatalf("clang: %v\n%s\ninstall it: internal/setup/setup.sh clang", err, text)
	}
	module, err := os.ReadFile(to)
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

// run installs a module and runs it. Its budget is small.
func (w *world) run(name, tier string, module []byte, grants ...control.Grant) {
	w.t.Helper()
	manifest := fmt.Sprintf(`version: 1
name: %s
image: a.wasm
tier: %s
serves: 16
budget: {memory: 8MiB, cpu: 500ms, slots: 64}
restart: {policy: never}
%s%s`, name, tier, missing(tier), requests(grants))
	w.begin(name, manifest, map[string][]byte{"a.wasm": module}, grants...)
}

// begin installs a manifest with its files and runs it.
func (w *world) begin(name, manifest string, files map[string][]byte, grants ...control.Grant) {
	w.t.Helper()
	r := control.InstallRequest{Manifest: manifest}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		r.Files = append(r.Files, control.File{Name: f, Size: int64(len(files[f]))})
	}
	open := func(f control.File) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[f.Name])), nil }
	if _, err := w.Install(w.t.Context(), r, open, nil); err != nil {
		w.t.Fatal(err)
	}
	v, err := w.Run(w.t.Context(), control.RunRequest{Capsule: name, Grants: grants, Wait: true})
	if err != nil {
		w.t.Fatal(err)
	}
	if v.State == control.StateFailed {
		w.t.Fatalf("%s did not start: %+v", name, v.Exit)
	}
}

// missing lets a worker start without the walls that only root can build on
// every Linux: limits by cgroup. What they would stop, the sandbox and the
// budget stop too.
func missing(tier string) string {
	if tier == "inline" || os.Getuid() == 0 {
		return ""
	}
	return "walls-missing: [memory, processes, cpu]\n"
}

// requests asks in a manifest for what is going to be granted.
func requests(grants []control.Grant) string {
	if len(grants) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("requests:\n")
	for _, g := range grants {
		kind, of, _ := strings.Cut(g.Spec, ":")
		fmt.Fprintf(&b, "  - {name: %s, kind: %s, of: %s, reason: to do harm with}\n", g.Name, kind, strings.Split(of, ":")[0])
	}
	return b.String()
}

// ask sends a text with a limit and returns the answer, or the code of the
// refusal.
func (w *world) ask(name, text string, limit time.Duration) (answer, code string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	a, err := w.Call(ctx, control.CallRequest{Capsule: name, Text: text})
	if err == nil {
		return a.Text, ""
	}
	if e, ok := err.(*control.Error); ok { //nolint:errorlint // the client returns it as it is
		return "", e.Code
	}
	return "", err.Error()
}

// numbers reads what the harmful program answers.
func (w *world) numbers(answer string) (n [4]uint64) {
	w.t.Helper()
	if _, err := fmt.Sscanf(answer, "%x %x %x %x", &n[0], &n[1], &n[2], &n[3]); err != nil {
		w.t.Fatalf("answer %q: %v", answer, err)
	}
	return n
}

// others asks the witness until stop is closed: while one capsule attacks, the
// others are answered in time.
func (w *world) others(stop <-chan struct{}) <-chan error {
	done := make(chan error, 1)
	go func() {
		for {
			begin := time.Now()
			if _, code := w.ask("witness", "l", soon); code != "" {
				done <- fmt.Errorf("the witness was refused: %s", code)
				return
			}
			if took := time.Since(begin); took > soon {
				done <- fmt.Errorf("the witness waited %v", took)
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return done
}

// available is what the supervisor has to give.
func (w *world) available() abi.Amounts {
	w.t.Helper()
	i, err := w.Info(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return i.Budget
}

// gone kills a capsule and waits until all that it held is back.
func (w *world) gone(name string, before abi.Amounts) {
	w.t.Helper()
	if err := w.Kill(w.t.Context(), name); err != nil {
		w.t.Logf("kill %s: %v", name, err) // it may have died of its attack
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now := w.available()
		if now[abi.ResourceMemory] == before[abi.ResourceMemory] && now[abi.ResourceSlots] == before[abi.ResourceSlots] {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s is gone, and the supervisor has %v of what were %v", name, now, before)
		}
	}
}
