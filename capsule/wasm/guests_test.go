package wasm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"phios/abi"
	"phios/capsule"
)

// goGuest compiles a program of testdata.
func goGuest(tb testing.TB, name string) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), name+".wasm")
	command := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", out, "main.go")
	command.Dir = filepath.Join("testdata", name)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if text, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", name, err, text)
	}
	return read(tb, out)
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// serveOnce passes a message with that first word and returns the words.
func serveOnce(tb testing.TB, i *Instance, door capsule.Door, word uint64) [4]uint64 {
	tb.Helper()
	m := abi.Message{Words: [4]uint64{word}}
	if status := i.Serve(door, &m); !status.OK() {
		exit, _ := i.Ended()
		tb.Fatalf("%v: %+v", status, exit)
	}
	return m.Words
}

// TestGoReactor serves with a program in Go, first one that initialised itself
// and then others that began from the template.
func TestGoReactor(t *testing.T) {
	w := newWorld(t)
	server := w.task(plenty)
	module := goGuest(t, "goreactor")
	for range 3 {
		i := w.start(module, server, capsule.Spec{})
		if exit := i.Run(); !exit.OK() {
			t.Fatalf("%+v", exit)
		}
		if got, want := serveOnce(t, i, server, 12), ([4]uint64{13, 1, 144}); got != want {
			t.Errorf("got %v", got)
		}
		if got, want := serveOnce(t, i, server, 5), ([4]uint64{6, 2, 25}); got != want {
			t.Errorf("got %v", got)
		}
	}
	image := w.install(module)
	if len(image.templates) != 1 || image.templates[0].memory == nil {
		t.Error("no template was made")
	}
	t.Logf("asked for %v", image.templates[0].asked)
}

// TestNotWarm grants what the program asked for while it initialised itself:
// then it must do that by itself.
func TestNotWarm(t *testing.T) {
	w := newWorld(t)
	module := goGuest(t, "goreactor")
	server := w.task(plenty)
	w.start(module, server, capsule.Spec{}).Run()
	image := w.install(module)
	asked := image.templates[0].asked
	if len(asked) == 0 {
		t.Fatal("Go asked for nothing")
	}
	granted := w.task(plenty)
	granted.names.Store(asked[0].name, abi.Handle(1<<24|999))
	i := w.start(module, granted, capsule.Spec{})
	i.begun = true
	if i.warm() {
		t.Error("a program with a capability began from one without")
	}
	other := w.start(module, server, capsule.Spec{Args: []string{"other"}})
	other.Run()
	if len(image.templates) != 2 {
		t.Error("other arguments share a template")
	}
}

func BenchmarkGoWarmStart(b *testing.B) {
	w := newWorld(b)
	server := w.task(plenty)
	image := w.install(goGuest(b, "goreactor"))
	percentiles(b, func() {
		i, err := image.Start(capsule.Spec{Name: "go", Door: server})
		if err != nil {
			b.Fatal(err)
		}
		i.Run()
		serveOnce(b, i, server, 3)
		i.Close()
	})
}
