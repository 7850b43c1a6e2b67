package share

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTwoMappingsAreOne(t *testing.T) {
	f, err := New("test", 8192)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	a, err := Map(f, 8192)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Map(f, 4096)
	if err != nil {
		t.Fatal(err)
	}
	a[4095] = 7
	if b[4095] != 7 {
		t.Error("the mappings do not show one memory")
	}
	if Unmap(a) != nil || Unmap(b) != nil {
		t.Error("they cannot be taken away")
	}
	if f.Truncate(4096) == nil || f.Truncate(16384) == nil {
		t.Error("the size changed")
	}
	if _, err := Map(f, 8193); err == nil {
		t.Error("mapped past the end")
	}
}

func TestMapNeedsSeals(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := Map(f, 4096); err == nil {
		t.Error("a file that can shrink was mapped")
	}
}

func TestCopy(t *testing.T) {
	f, err := Copy("test", strings.NewReader("a snapshot"), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if text, err := io.ReadAll(f); err != nil || string(text) != "a snapshot" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the copy could be changed")
	}
	if _, err := Copy("test", strings.NewReader("a snapshot"), 9); err == nil {
		t.Error("more than the limit was copied")
	}
}
