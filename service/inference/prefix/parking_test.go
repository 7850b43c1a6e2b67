package prefix_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"phios/abi"
	"phios/service/inference/prefix"
)

func park(tb testing.TB, dir string, bytesMax int64) *prefix.Parking {
	tb.Helper()
	p, err := prefix.OpenParking(dir, bytesMax)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

func victim(l abi.Label, tokens ...int32) prefix.Victim {
	parent := prefix.Root(l)
	return prefix.Victim{Label: l, Parent: parent, Chain: parent.Next(tokens), Tokens: tokens}
}

func save(l *prefix.Lot, v prefix.Victim, content string) {
	l.Save(v, func(w io.Writer) error { _, err := io.WriteString(w, content); return err })
	l.Wait()
}

func read(l *prefix.Lot, v prefix.Victim) string {
	from := l.Open(v.Chain, v.Tokens)
	if from == nil {
		return ""
	}
	b, _ := io.ReadAll(from)
	return string(b)
}

func TestParking(t *testing.T) {
	dir := t.TempDir()
	p := park(t, dir, 0)
	one, two := p.For([32]byte{1}), p.For([32]byte{2})
	a, b := abi.Label{Readers: 1}, abi.Label{Readers: 2}
	save(one, victim(a, 1, 2), "content")
	if got := read(one, victim(a, 1, 2)); got != "content" {
		t.Errorf("read %q", got)
	}
	for name, got := range map[string]string{
		"another layout": read(two, victim(a, 1, 2)), "another label": read(one, victim(b, 1, 2)), "another text": read(one, victim(a, 1, 3)),
	} {
		if got != "" {
			t.Errorf("%s read %q", name, got)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = park(t, dir, 0)
	one = p.For([32]byte{1})
	if got := read(one, victim(a, 1, 2)); got != "content" {
		t.Errorf("after a restart %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Error("a file that is no page was removed")
	}
}

func TestParkingIsBounded(t *testing.T) {
	p := park(t, t.TempDir(), 2000)
	l := p.For([32]byte{})
	for i := range int32(50) {
		save(l, victim(abi.Label{}, i), "hundred bytes of content, or about as many as that, so that some have to go again before the end")
		if i > 0 && read(l, victim(abi.Label{}, 0)) == "" {
			t.Fatal("the page that is used most was removed")
		}
	}
	m := p.Metrics()
	files, err := os.ReadDir(filepath.Dir(fileOf(t, p, l)))
	if err != nil || m.Bytes > 2000 || m.Files > 10 || len(files) != m.Files {
		t.Errorf("%+v, %d files", m, len(files))
	}
}

func fileOf(tb testing.TB, _ *prefix.Parking, l *prefix.Lot) string {
	tb.Helper()
	dir := prefix.FolderOf(l)
	all, err := filepath.Glob(filepath.Join(dir, "*.page"))
	if err != nil || len(all) == 0 {
		tb.Fatal("there is no file")
	}
	return all[0]
}

// TestParkingDiskFull parks where files may have few bytes: what cannot be kept is
// counted and forgotten, and what was there stays.
func TestParkingDiskFull(t *testing.T) {
	dir := t.TempDir()
	p := park(t, dir, 0)
	l := p.For([32]byte{1})
	save(l, victim(abi.Label{}, 1), "small")
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	low := was
	low.Cur = 1 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &low); err != nil {
		t.Fatal(err)
	}
	save(l, victim(abi.Label{}, 2), strings.Repeat("large ", 1000))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if m := p.Metrics(); m.Faults != 1 || m.Files != 1 {
		t.Errorf("%+v", m)
	}
	if got := read(l, victim(abi.Label{}, 2)); got != "" {
		t.Errorf("of what was not kept there is %.20q", got)
	}
	if got := read(l, victim(abi.Label{}, 1)); got != "small" {
		t.Errorf("what was there reads %q", got)
	}
	if files, err := os.ReadDir(prefix.FolderOf(l)); err != nil || len(files) != 1 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

// parkVariable names the folder in which the test's child parks.
const parkVariable = "PHI_TEST_PARK"

// TestParkingKilled kills a process that parks, over and over: what is there
// afterwards is whole.
func TestParkingKilled(t *testing.T) {
	content := func(i int32) string { return strings.Repeat(strconv.Itoa(int(i))+" ", 2000) }
	if dir := os.Getenv(parkVariable); dir != "" {
		l := park(t, dir, 0).For([32]byte{1})
		for i := int32(0); ; i++ {
			save(l, victim(abi.Label{}, i), content(i))
		}
	}
	const rounds = 12
	dir, kept := t.TempDir(), 0
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run", "^TestParkingKilled$")
		child.Env = append(os.Environ(), parkVariable+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+5*round) * time.Millisecond)
		_ = child.Process.Kill()
		_ = child.Wait()
		p := park(t, dir, 0)
		l := p.For([32]byte{1})
		kept = 0
		for i := range int32(20_000) {
			switch got := read(l, victim(abi.Label{}, i)); got {
			case "":
			case content(i):
				kept++
			default:
				t.Fatalf("page %d is torn: %d bytes", i, len(got))
			}
		}
		if m := p.Metrics(); m.Damaged != 0 {
			t.Errorf("%d pages were damaged", m.Damaged)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if kept == 0 {
		t.Error("nothing was ever parked")
	}
	t.Logf("%d pages after %d kills", kept, rounds)
}

// TestDamagedPages changes each byte of a file, cuts it at each length, and puts
// the file of another text in its place.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	v := victim(abi.Label{}, 5, 6)
	p := park(t, dir, 0)
	l := p.For([32]byte{})
	save(l, v, "content")
	at := fileOf(t, p, l)
	whole, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
		q := park(t, dir, 0)
		if got := read(q.For([32]byte{}), v); got != "" {
			t.Errorf("%s: read %q", what, got)
		}
		if m := q.Metrics(); m.Damaged != 1 {
			t.Errorf("%s: %+v", what, m)
		}
		if _, err := os.Stat(at); err == nil {
			t.Errorf("%s: the file is still there", what)
		}
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		try("changed", changed)
		try("cut", whole[:i])
	}
	other := victim(abi.Label{}, 7, 8)
	save(l, other, "of another")
	foreign, err := os.ReadFile(fileOf(t, p, l))
	if err != nil {
		t.Fatal(err)
	}
	try("of another text", foreign)
}

func FuzzParkedPage(f *testing.F) {
	v := victim(abi.Label{}, 5, 6)
	p := park(f, f.TempDir(), 0)
	l := p.For([32]byte{})
	save(l, v, "content")
	whole, err := os.ReadFile(fileOf(f, p, l))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-32])
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b) // whoever can write files can write checksums
		content, err := prefix.Decode(append(b, sum[:]...), [32]byte{}, v.Chain, v.Tokens)
		if err == nil && len(content) > len(b) {
			t.Errorf("%d bytes of %d", len(content), len(b))
		}
	})
}
