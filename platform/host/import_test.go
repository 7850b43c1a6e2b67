package host_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"phios/abi"
	"phios/platform"
	"phios/platform/host"
)

// TestImport shows a file to the kernel's space and to another, and takes it
// away again; what is not immutable is refused.
func TestImport(t *testing.T) {
	m, err := host.New(host.Config{ArenaBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("weights "), 1500) // within its third page
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	if _, _, err := m.Import(open()); !errors.Is(err, host.ErrWritable) {
		t.Errorf("a file that can be written: %v", err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	b, n, err := m.Import(open())
	if err != nil || n != uint64(len(content)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	base, _ := m.Arena()
	const pages = 3 * platform.PageBytes
	if status := m.Adopt(b, base, pages); !status.OK() {
		t.Fatal(status)
	}
	space, status := m.NewSpace()
	if !status.OK() {
		t.Fatal(status)
	}
	if status := m.Place(space, platform.View{Backing: b, Address: base, Bytes: pages, Access: platform.AccessShared}); status.OK() {
		t.Error("a file is placed for writing")
	}
	if status := m.Place(space, platform.View{Backing: b, Address: base, Bytes: pages, Access: platform.AccessPrivate}); !status.OK() {
		t.Fatal(status)
	}
	for _, s := range []platform.Space{platform.SpaceKernel, space} {
		got := make([]byte, pages)
		if status := m.Read(s, base, got); !status.OK() || !bytes.Equal(got[:n], content) || got[n] != 0 {
			t.Errorf("space %d: %v, reads %.20q", s, status, got)
		}
	}
	if status := m.Write(space, base, []byte("mine")); !status.OK() { // stays in the space
		t.Error(status)
	}
	got := make([]byte, 4)
	if status := m.Read(platform.SpaceKernel, base, got); !status.OK() || string(got) != "weig" {
		t.Errorf("a private write shows: %q", got)
	}
	m.FreeSpace(space)
	m.Destroy(b, base, pages)
	if status := m.Adopt(b, base, pages); status != abi.StatusBadArgument {
		t.Errorf("adopted when it has gone: %v", status)
	}
	b, _, err = m.Import(open())
	if err != nil {
		t.Fatal(err)
	}
	m.Discard(b)
	m.Discard(b)
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	if _, _, err := m.Import(folder); err == nil {
		t.Error("a folder was imported")
	}
}
