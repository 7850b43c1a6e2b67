package wasm

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"phios/capsule"
)

// TestMain gives all tests one cache, so that what compilers make of the
// programs in Go is compiled once.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phios-wasm")
	if err != nil {
		os.Exit(1)
	}
	sharedCache = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var sharedCache string

// files returns the files of a cache.
func files(tb testing.TB, dir string) []string {
	tb.Helper()
	var list []string
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, path)
		}
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return list
}

// works starts a program of the image and lets it answer.
func (w *world) works(image *Image, err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Error(err)
		return
	}
	owner := w.task(plenty)
	i, err := image.Start(capsule.Spec{Name: "cached", Door: owner})
	if err != nil {
		w.tb.Error(err)
		return
	}
	defer i.Close()
	i.Run()
	if got := serveOnce(w.tb, i, owner, 1); got[0] != 2 {
		w.tb.Errorf("got %v", got)
	}
}

// TestCache spoils each file of a cached module in turn: it is found out and
// made again, and what cannot be made again says so.
func TestCache(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	module := echo()
	hash := Hash(sha256.Sum256(module))
	if _, err := newEngine(t, w.machine, dir).Load(hash); err == nil || !strings.Contains(err.Error(), "install it first") {
		t.Errorf("what was never installed: %v", err)
	}
	image, err := newEngine(t, w.machine, dir).Install(module)
	w.works(image, err)
	list := files(t, dir)
	if len(list) < 4 {
		t.Fatalf("the cache holds %v", list)
	}
	for _, path := range list {
		good := read(t, path)
		for _, bad := range [][]byte{nil, good[:len(good)-1], append(bytes.Clone(good), 0), flipped(good)} {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if image, err := newEngine(t, w.machine, dir).Load(hash); err == nil {
				w.works(image, nil)
			} else if !strings.Contains(err.Error(), "install it") {
				t.Errorf("%s is spoiled: %v", filepath.Base(path), err)
			}
			image, err := newEngine(t, w.machine, dir).Install(module)
			w.works(image, err)
			image, err = newEngine(t, w.machine, dir).Load(hash)
			w.works(image, err)
			if again := files(t, dir); len(again) != len(list) {
				t.Fatalf("%d files became %d", len(list), len(again))
			}
		}
	}
}

// flipped returns b with a bit of its middle turned.
func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

// TestHammerInstall lets many install, load and start at once.
func TestHammerInstall(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	engines := []*Engine{newEngine(t, w.machine, dir), newEngine(t, w.machine, dir)}
	modules := [][]byte{echo(), caller(), keeper()}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for k := range 6 {
				image, err := engines[n%2].Install(modules[(n+k)%3])
				if err != nil {
					t.Error(err)
					return
				}
				i, err := image.Start(capsule.Spec{Name: "hammer", Door: w.root})
				if err != nil {
					t.Error(err)
					return
				}
				i.Stop()
				i.Usage()
				i.Close()
			}
		})
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWithoutCache(t *testing.T) {
	w := newWorld(t)
	engine := newEngine(t, w.machine, "")
	image, err := engine.Install(echo())
	w.works(image, err)
	if _, err := engine.Load(Hash{}); err == nil {
		t.Error("loaded what is nowhere")
	}
	engine.Drop(image)
	image, err = engine.Install(echo())
	w.works(image, err)
}
