package wasi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"phios/abi"
	"phios/capsule"
	"phios/capsule/ambient"
	"phios/capsule/wasi"
	"phios/capsule/wasm"
)

// guest is a program in Go, compiled and installed once.
type guest struct {
	t      *testing.T
	module []byte
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	out := filepath.Join(t.TempDir(), "files.wasm")
	command := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, "main.go")
	command.Dir = filepath.Join("testdata", "files")
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t: t, module: module}
}

// run runs the program in a world and returns what it wrote.
func (g *guest) run(w *world, image *wasm.Image, args ...string) (string, capsule.Exit) {
	w.t.Helper()
	var mu sync.Mutex
	var output strings.Builder
	program, err := image.Start(capsule.Spec{
		Name: "files", Door: door{w.guest, w.names}, Args: append([]string{"files"}, args...), MemoryBytesMax: 64 << 20,
		Env: []string{wasi.FoldersVariable(w.folders)},
		Output: func(_ int, text []byte) {
			mu.Lock()
			defer mu.Unlock()
			output.Write(text)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer program.Close()
	exit := program.Run()
	mu.Lock()
	defer mu.Unlock()
	return output.String(), exit
}

// TestGoProgram runs a program in Go that knows nothing of capabilities.
func TestGoProgram(t *testing.T) {
	g := newGuest(t)
	w := newWorld(t)
	engine, err := wasm.New(wasm.Config{CacheDir: t.TempDir(), Clock: w.node.Machine()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	image, err := engine.Install(g.module)
	if err != nil {
		t.Fatal(err)
	}
	folder, closed := t.TempDir(), t.TempDir()

	// First with nothing at all: it starts, and has no files, no time, and
	// above all no secrets.
	if out, exit := g.run(w, image, "refused", "/data"); exit.Code != 0 || strings.Count(out, "true") != 4 {
		t.Fatalf("with nothing: %+v\n%s", exit, out)
	}
	if out, exit := g.run(w, image, "secret"); exit.OK() || strings.HasPrefix(out, "secret\n") {
		t.Fatalf("a secret out of nothing: %+v\n%s", exit, out)
	}
	if out, exit := g.run(w, image, "sleep"); !exit.OK() || out != "slept true false\n" {
		t.Fatalf("time without a clock: %+v\n%s", exit, out)
	}

	w.clock()
	w.random()
	w.folder("data", "/data", both, ambient.FolderConfig{Path: folder})
	w.folder("closed", "/closed", abi.RightRead, ambient.FolderConfig{Path: closed})
	if err := os.Symlink("/etc/hostname", filepath.Join(closed, "link")); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	out, exit := g.run(w, image, "files", "/data")
	want := "same true\nsize 160000 true\nlast the end\nwalked 105\ngone true\n"
	if !exit.OK() || out != want {
		t.Fatalf("%+v\n%s\nwant\n%s", exit, out, want)
	}
	t.Logf("files: %v", time.Since(begin))
	if info, err := os.Stat(filepath.Join(folder, "a", "moved")); err != nil || info.Size() != 3 || info.ModTime().Unix() != 1_000_000_000 {
		t.Errorf("the machine says %v, %v", info, err)
	}
	if out, exit := g.run(w, image, "refused", "/closed"); exit.Code != 0 || strings.Count(out, "true") != 4 {
		t.Errorf("%+v\n%s", exit, out)
	}
	if out, exit := g.run(w, image, "secret"); !exit.OK() || out != "secret\n" {
		t.Errorf("%+v\n%s", exit, out)
	}
	if out, exit := g.run(w, image, "sleep"); !exit.OK() || out != "slept true true\n" {
		t.Errorf("%+v\n%s", exit, out)
	}
}
