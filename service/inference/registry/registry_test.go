package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"phios/compute/gguf/generate"
	"phios/compute/tensor"
	"phios/service/inference/registry"
)

// file makes the bytes of a small model.
func file(tb testing.TB, seed uint64) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := generate.Model(&b, generate.Tiny("llama", tensor.Q8_0, seed)); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func digest(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func open(tb testing.TB, dir string, o registry.Options) *registry.Registry {
	tb.Helper()
	o.Now = time.Now
	r, err := registry.Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func put(tb testing.TB, b []byte) string {
	tb.Helper()
	at := filepath.Join(tb.TempDir(), "Some Model.gguf")
	if err := os.WriteFile(at, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return at
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, registry.Options{})
	b, c := file(t, 1), file(t, 2)
	at := put(t, b)
	m, err := r.Add(t.Context(), at, registry.Adding{Digest: digest(b)})
	if err != nil || m.Digest != digest(b) || m.Name() != "some-model" || m.Architecture != "llama" || m.Parameters == 0 || m.Format != "Q8_0" {
		t.Fatalf("%+v %v", m, err)
	}
	if _, err := registry.Open(dir, registry.Options{Now: time.Now}); !errors.Is(err, registry.ErrLocked) {
		t.Errorf("a second opening: %v", err)
	}
	// What is written into the original later is not in the registry.
	if err := os.WriteFile(at, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, release, err := r.Open(m)
	if err != nil || !bytes.Equal(w.Bytes, b) || hex.EncodeToString(w.Digest[:]) != m.Digest {
		t.Fatalf("the weights are not those of the file: %v", err)
	}

	if _, err := r.Add(t.Context(), put(t, c), registry.Adding{Name: "some-model"}); !errors.Is(err, registry.ErrTaken) {
		t.Errorf("a taken name: %v", err)
	}
	for _, bad := range []string{"../x", "-rf", "a b", "", strings.Repeat("x", 300)} {
		if err := r.Rename("some-model", bad); !errors.Is(err, registry.ErrName) {
			t.Errorf("name %q: %v", bad, err)
		}
	}
	if _, err := r.Add(t.Context(), put(t, c), registry.Adding{Name: "two"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Add(t.Context(), put(t, b), registry.Adding{Name: "alias"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(""); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("no default among two: %v", err)
	}
	err = errors.Join(r.SetDefault("two"), r.Rename("two", "zwei"))
	if m, e := r.Find(""); err != nil || e != nil || m.Name() != "zwei" {
		t.Errorf("%v %v %v", m, e, err)
	}
	for _, name := range []string{"some-model", "alias", digest(b), digest(b)[:8]} {
		if m, err := r.Find(name); err != nil || m.Digest != digest(b) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if gone, err := r.Remove("alias"); gone != "" || err != nil {
		t.Errorf("removing one name of two removed %q, %v", gone, err)
	}
	if gone, err := r.Remove("some-model"); gone != digest(b) || err != nil {
		t.Errorf("removed %q, %v", gone, err)
	}
	if !bytes.Equal(w.Bytes, b) {
		t.Error("weights in use changed when the model was removed")
	}
	release()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, registry.Options{})
	if l := again.List(); len(l) != 1 || l[0].Digest != digest(c) || l[0].Name() != "zwei" {
		t.Errorf("after reopening: %+v", l)
	}
	if blobs, _ := os.ReadDir(filepath.Join(dir, "blobs")); len(blobs) != 1 {
		t.Errorf("%d files, want 1", len(blobs))
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, registry.Options{BytesMax: 4 << 20})
	b := file(t, 1)
	for name, source := range map[string]string{
		"truncated": put(t, b[:len(b)/2]), "empty": put(t, nil), "text": put(t, []byte("hello")),
		"folder": dir, "absent": filepath.Join(dir, "nothing"), "large": put(t, make([]byte, 4<<20+1)),
	} {
		if m, err := r.Add(t.Context(), source, registry.Adding{}); err == nil {
			t.Errorf("%s was taken: %+v", name, m)
		}
	}
	if _, err := r.Add(t.Context(), put(t, b), registry.Adding{Digest: digest([]byte("x"))}); err == nil {
		t.Error("a file of another digest was taken")
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Add(cancelled, put(t, b), registry.Adding{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, sub := range []string{"partial", "blobs"} {
		if left, _ := os.ReadDir(filepath.Join(dir, sub)); len(left) != 0 {
			t.Errorf("%d files were left in %s", len(left), sub)
		}
	}
}

// cutting serves bytes, and cuts each connection after some of them.
type cutting struct {
	mu       sync.Mutex
	content  []byte
	tag      string
	after    int // zero never cuts
	requests []string
	wrong    atomic.Bool // ignores ranges
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, q.Header.Get("Range"))
	from := 0
	w.Header().Set("ETag", c.tag)
	if n, _ := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-", &from); n == 1 && q.Header.Get("If-Range") == c.tag && !c.wrong.Load() {
		if from >= len(c.content) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(c.content)))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(c.content)-1, len(c.content)))
		w.Header().Set("Content-Length", fmt.Sprint(len(c.content)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		from = 0
		w.Header().Set("Content-Length", fmt.Sprint(len(c.content)))
	}
	rest := c.content[from:]
	if c.after > 0 && len(rest) > c.after {
		_, _ = w.Write(rest[:c.after])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(rest)
}

func TestDownload(t *testing.T) {
	b := file(t, 1)
	c := &cutting{content: b, tag: `"one"`, after: len(b)/4 + 1}
	server := httptest.NewServer(c)
	defer server.Close()
	dir := t.TempDir()
	r := open(t, dir, registry.Options{})
	var last int64
	var went []int64
	m, err := r.Add(t.Context(), server.URL+"/models/Tiny.Q8_0.gguf", registry.Adding{Digest: digest(b), Progress: func(what string, done, total int64) {
		if what == "fetch" {
			went, last = append(went, done), total
		}
	}})
	if err != nil || m.Digest != digest(b) || m.Name() != "tiny.q8_0" {
		t.Fatalf("%+v %v", m, err)
	}
	if len(c.requests) != 4 || !slices.IsSorted(went) || last != int64(len(b)) {
		t.Errorf("requests %q, progress %v of %d", c.requests, went, last)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "partial")); len(left) != 0 {
		t.Errorf("%d files were left", len(left))
	}
}

func TestDownloadGoesOnLater(t *testing.T) {
	old, latest := file(t, 1), file(t, 2)
	c := &cutting{content: old, tag: `"one"`}
	var stopAt atomic.Int64
	server := httptest.NewServer(c)
	defer server.Close()
	dir := t.TempDir()
	source := server.URL + "/m.gguf"
	part := func(r *registry.Registry) {
		t.Helper()
		c.after = len(old) / 3
		ctx, stop := context.WithCancel(t.Context())
		_, err := r.Add(ctx, source, registry.Adding{Progress: func(_ string, done, _ int64) {
			if done > 0 {
				stopAt.Store(done)
				stop()
			}
		}})
		if !errors.Is(err, context.Canceled) || stopAt.Load() == 0 {
			t.Fatalf("stopped: %v after %d", err, stopAt.Load())
		}
		c.after, c.requests = 0, nil
	}
	r := open(t, dir, registry.Options{})
	part(r)
	_ = r.Close()
	r = open(t, dir, registry.Options{}) // another run of the program
	if m, err := r.Add(t.Context(), source, registry.Adding{Name: "a"}); err != nil || m.Digest != digest(old) {
		t.Fatalf("%+v %v", m, err)
	}
	if want := fmt.Sprintf("bytes=%d-", stopAt.Load()); len(c.requests) != 1 || c.requests[0] != want {
		t.Errorf("requests %q, want %q", c.requests, want)
	}
	if _, err := r.Remove("a"); err != nil {
		t.Fatal(err)
	}
	// The file changed between: nothing of the old one may be in the new one.
	part(r)
	c.content, c.tag = latest, `"two"`
	if m, err := r.Add(t.Context(), source, registry.Adding{Name: "b"}); err != nil || m.Digest != digest(latest) {
		t.Errorf("%+v %v", m, err)
	}
}

func TestDownloadFailures(t *testing.T) {
	b := file(t, 1)
	r := open(t, t.TempDir(), registry.Options{BytesMax: int64(len(b)) - 1})
	c := &cutting{content: b, tag: `"one"`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/large":
			c.ServeHTTP(w, q)
		case "/unsized":
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(b)
		case "/html":
			_, _ = w.Write([]byte("<html>please log in</html>"))
		default:
			http.NotFound(w, q)
		}
	}))
	defer server.Close()
	for _, path := range []string{"/large", "/unsized", "/html", "/absent"} {
		if m, err := r.Add(t.Context(), server.URL+path, registry.Adding{}); err == nil {
			t.Errorf("%s was taken: %+v", path, m)
		} else {
			t.Log(err)
		}
	}
}

func TestHub(t *testing.T) {
	b := file(t, 1)
	files := map[string][]byte{"tiny.Q4_K_M.gguf": file(t, 2), "tiny-q8_0.gguf": b, "sub/other.gguf": file(t, 3)}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models/some/tiny/tree/main", func(w http.ResponseWriter, _ *http.Request) {
		var list []any
		for name, b := range files {
			list = append(list, map[string]any{"type": "file", "path": name, "size": len(b), "lfs": map[string]any{"oid": digest(b)}})
		}
		list = append(list, map[string]any{"type": "file", "path": "README.md", "size": 3})
		_ = json.NewEncoder(w).Encode(list)
	})
	mux.HandleFunc("/some/tiny/resolve/main/", func(w http.ResponseWriter, q *http.Request) {
		c := &cutting{content: files[strings.TrimPrefix(q.URL.Path, "/some/tiny/resolve/main/")], tag: `"x"`}
		c.ServeHTTP(w, q)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	r := open(t, t.TempDir(), registry.Options{Hub: server.URL})
	for source, want := range map[string]string{
		"hub:some/tiny": "tiny.Q4_K_M.gguf", "hub:some/tiny:Q8_0": "tiny-q8_0.gguf", "hub:some/tiny:sub/other.gguf": "sub/other.gguf",
	} {
		if m, err := r.Add(t.Context(), source, registry.Adding{}); err != nil || m.Digest != digest(files[want]) {
			t.Errorf("%s: %+v %v, want %s", source, m.Digest, err, want)
		}
	}
	for _, source := range []string{"hub:some/tiny:q9", "hub:some/absent", "hub:tiny", "hub:some/tiny/more"} {
		if _, err := r.Add(t.Context(), source, registry.Adding{}); err == nil {
			t.Errorf("%s was taken", source)
		} else {
			t.Log(err)
		}
	}
}
