package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"phios/compute/gguf"
	"phios/compute/tensor"
	"phios/service/inference/registry"
)

func TestQuantize(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, registry.Options{})
	old, err := r.Add(t.Context(), put(t, file(t, 1)), registry.Adding{Name: "story-q8_0"})
	if err != nil {
		t.Fatal(err)
	}
	var last, total int64
	m, err := r.Quantize(t.Context(), "story-q8_0", tensor.Q4_0, registry.Adding{Progress: func(what string, done, all int64) {
		if what == "quantize" {
			last, total = done, all
		}
	}})
	if err != nil || m.Name() != "story-q4_0" || m.Format != "Q4_0" || m.Bytes >= old.Bytes || m.Parameters != old.Parameters || last == 0 || last != total {
		t.Fatalf("%+v %v, progress %d of %d", m, err, last, total)
	}
	w, release, err := r.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if f, err := gguf.Parse(w.Bytes); err != nil {
		t.Error(err)
	} else if _, ok := f.Text("tokenizer.ggml.model"); !ok {
		t.Error("the tokenizer did not come along")
	}
	// Again it is the same model, under another name as well.
	again, err := r.Quantize(t.Context(), "story-q8_0", tensor.Q4_0, registry.Adding{Name: "small"})
	if err != nil || again.Digest != m.Digest || len(again.Names) != 2 {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := r.Quantize(t.Context(), "story-q8_0", tensor.Q8_0, registry.Adding{}); !errors.Is(err, registry.ErrTaken) {
		t.Errorf("to what it is: %v", err)
	}
	if _, err := r.Quantize(t.Context(), "absent", tensor.Q8_0, registry.Adding{}); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("an absent one: %v", err)
	}
	if _, err := r.Quantize(t.Context(), "small", tensor.Format(99), registry.Adding{}); !errors.Is(err, gguf.ErrWriter) {
		t.Errorf("an unknown format: %v", err)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Quantize(cancelled, "small", tensor.F16, registry.Adding{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "partial")); len(left) != 0 {
		t.Errorf("%d files were left", len(left))
	}
}

// TestQuantizeDiskFull writes into a folder that takes no more bytes than a
// file of this process may have.
func TestQuantizeDiskFull(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, registry.Options{})
	if _, err := r.Add(t.Context(), put(t, file(t, 1)), registry.Adding{Name: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := full(t, func() error {
		_, err := r.Quantize(t.Context(), "one", tensor.F32, registry.Adding{})
		return err
	}); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("a disk that takes no more: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "partial")); len(left) != 0 {
		t.Errorf("%d files were left", len(left))
	}
	if l := r.List(); len(l) != 1 {
		t.Errorf("%d models", len(l))
	}
}

// TestAddDiskFull adds a file and a download where nothing more can be written.
func TestAddDiskFull(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, registry.Options{})
	source := file(t, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "m.gguf", time.Time{}, bytes.NewReader(source))
	}))
	defer server.Close()
	at := put(t, source)
	for _, from := range []string{at, server.URL + "/m.gguf"} {
		if err := full(t, func() error {
			_, err := r.Add(t.Context(), from, registry.Adding{Name: "one"})
			return err
		}); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%s on a disk that takes no more: %v", from, err)
		}
		if l := r.List(); len(l) != 0 {
			t.Errorf("%d models after %s", len(l), from)
		}
		if m, err := r.Add(t.Context(), from, registry.Adding{Name: "one"}); err != nil || m.Bytes != int64(len(source)) {
			t.Errorf("%s when there is room again: %+v %v", from, m, err)
		}
		if _, err := r.Remove("one"); err != nil {
			t.Error(err)
		}
	}
}

// full runs f while no file may grow beyond 64 KiB: writes then fail as on a
// disk without room. The limit is the process's; tests of this package do not
// run beside each other.
func full(tb testing.TB, f func() error) error {
	tb.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		tb.Fatal(err)
	}
	low := was
	low.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &low); err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			tb.Fatal(err)
		}
	}()
	return f()
}
