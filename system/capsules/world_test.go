package capsules

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"phios/abi"
	"phios/api/control"
	"phios/capsule/worker"
	"phios/platform/host/jail"
	"phios/system"
)

// TestMain is a worker's beginning too.
func TestMain(m *testing.M) {
	_ = jail.Main() // becomes the command that it was asked for
	if len(os.Args) == 2 && os.Args[1] == worker.Verb {
		os.Exit(worker.Main())
	}
	if folder := os.Getenv(nodeVariable); folder != "" {
		os.Exit(nodeMain(folder))
	}
	os.Exit(m.Run())
}

// nodeVariable makes the test's own program a node in a folder.
const nodeVariable = "PHI_TEST_NODE"

// nodeMain runs a node until it is killed.
func nodeMain(folder string) int {
	m, err := Start(Config{DataDir: folder, Version: "test"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	<-m.Stopped()
	if err := m.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// world is a node with its control socket, in a folder of its own.
type world struct {
	*control.Client

	t      testing.TB
	folder string
	m      *Manager
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	folder := tb.TempDir()
	w := &world{t: tb, folder: folder, Client: &control.Client{Socket: filepath.Join(folder, control.SocketName)}}
	w.up()
	tb.Cleanup(w.down)
	return w
}

// up starts the node.
func (w *world) up() {
	w.t.Helper()
	m, err := Start(Config{DataDir: w.folder, Version: "test", Node: system.Config{Seed: 1}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.m = m
}

func (w *world) down() {
	w.t.Helper()
	if w.m == nil {
		return
	}
	if err := w.m.Close(); err != nil {
		w.t.Error(err)
	}
	w.m = nil
}

// build compiles the actor. Variants are by the macros that they define.
func build(tb testing.TB, defines ...string) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "actor.wasm")
	args := []string{"--target=wasm32-wasi", "-O1", "-std=c11", "-mexec-model=reactor", "-I../../sdk/c", "-o", out}
	for _, d := range defines {
		args = append(args, "-D"+d)
	}
	if text, err := exec.CommandContext(tb.Context(), "clang", append(args, "testdata/actor.c")...).CombinedOutput(); err != nil {
		tb.Fatalf("clang: %v\n%s", err, text)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

// manifestFor is the manifest of an actor. More are lines that follow.
func manifestFor(name string, more ...string) string {
	return fmt.Sprintf("version: 1\nname: %s\nimage: actor.wasm\ntier: inline\nserves: 256\n%s\n", name, strings.Join(more, "\n"))
}

func (w *world) install(manifest string, code []byte) control.Image {
	w.t.Helper()
	img, err := w.tryInstall(manifest, code)
	if err != nil {
		w.t.Fatal(err)
	}
	return img
}

func (w *world) tryInstall(manifest string, code []byte) (control.Image, error) {
	r := control.InstallRequest{Manifest: manifest, Files: []control.File{{Name: "actor.wasm", Size: int64(len(code))}}}
	return w.Install(w.t.Context(), r, func(control.File) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(code)), nil }, nil)
}

func (w *world) run(name string, grants ...control.Grant) control.Inspection {
	w.t.Helper()
	v, err := w.Run(w.t.Context(), control.RunRequest{Capsule: name, Grants: grants, Wait: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// call sends a text and returns the answer.
func (w *world) call(name, text string) control.Answer {
	w.t.Helper()
	a, err := w.Call(w.t.Context(), control.CallRequest{Capsule: name, Text: text})
	if err != nil {
		w.t.Fatalf("call %s %q: %v", name, text, err)
	}
	return a
}

// refused sends a text and wants a status.
func (w *world) refused(name, text string, want abi.Status) {
	w.t.Helper()
	_, err := w.Call(w.t.Context(), control.CallRequest{Capsule: name, Text: text})
	wantCode(w.t, err, want.Name())
}

func wantCode(tb testing.TB, err error, want string) {
	tb.Helper()
	e, ok := err.(*control.Error) //nolint:errorlint // the client returns it as it is
	if !ok || e.Code != want {
		tb.Fatalf("got %v, want the code %q", err, want)
	}
}

// eventually waits for something to come true.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("never: %s", what)
}

func (w *world) state(name string) string {
	w.t.Helper()
	v, err := w.Inspect(context.Background(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return v.State
}

func (w *world) logText(name string) string {
	w.t.Helper()
	var b strings.Builder
	if err := w.Logs(w.t.Context(), control.LogsRequest{Capsule: name}, func(l control.LogLine) error {
		fmt.Fprintf(&b, "%d %s\n", l.Stream, l.Text)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}
