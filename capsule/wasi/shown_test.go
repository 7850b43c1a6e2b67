package wasi_test

import (
	"strings"
	"testing"

	"phios/capsule/ambient"
	"phios/capsule/wasi"
)

// TestShownByVariables: variables show what was granted and nothing else.
func TestShownByVariables(t *testing.T) {
	w := newWorld(t)
	w.folder("one", "/one", both, ambient.FolderConfig{Path: t.TempDir()})
	w.folder("two", "/two", both, ambient.FolderConfig{Path: t.TempDir()})
	w.notification("bell")
	variable := wasi.FoldersVariable([]wasi.Folder{{Name: "two", Path: "/2"}, {Name: "absent", Path: "/absent"}, {Name: "one", Path: "/1"}})
	if variable != "PHI_FOLDERS=two=/2:absent=/absent:one=/1" {
		t.Fatal(variable)
	}
	w.folders = nil
	w.start(wasi.Config{Env: []string{"PHI_FOLDERS=::=:one:one=:=/x:" + strings.Repeat("one=/y:", 100_000), variable, "PHI_NOTIFICATIONS=:bell:bell:absent"}})
	for fd, want := range []string{3: "/2", 4: "/1"} {
		if want == "" {
			continue
		}
		w.must(0, "fd_prestat_dir_name", uint64(fd), atData, 2)
		if got := string(w.memory[atData : atData+2]); got != want {
			t.Errorf("%d is %q, want %q", fd, got, want)
		}
	}
	w.must(badf, "fd_prestat_get", 5, atResult)
	if got := w.poll(w.subscribe(1, 5, 6)); len(got) != 1 || got[0] != 100 {
		t.Errorf("ready: %v", got)
	}
}

// TestVirtualTimeNeverGoesBack: a program that goes on with another's memory
// goes on with its time.
func TestVirtualTimeNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	w.start(wasi.Config{})
	for range 10 {
		w.time(1)
	}
	before, virtual := w.time(1), w.layer.Virtual()
	w.start(wasi.Config{})
	w.layer.Advance(virtual)
	if now := w.time(1); now <= before {
		t.Errorf("after %d comes %d", before, now)
	}
	w.layer.Advance(0)
	if now := w.time(1); now <= before {
		t.Errorf("after %d comes %d", before, now)
	}
}
