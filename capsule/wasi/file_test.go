package wasi_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"phios/abi"
	"phios/capsule/ambient"
	"phios/capsule/ambient/ops"
	"phios/capsule/wasi"
)

// The errors that the tests expect, by the numbers of the specification.
const (
	badf        wasi.Errno = 8
	exist       wasi.Errno = 20
	fault       wasi.Errno = 21
	inval       wasi.Errno = 28
	isdir       wasi.Errno = 31
	loop        wasi.Errno = 32
	nametoolong wasi.Errno = 37
	noent       wasi.Errno = 44
	nosys       wasi.Errno = 52
	notdir      wasi.Errno = 54
	notempty    wasi.Errno = 55
	notsup      wasi.Errno = 58
	perm        wasi.Errno = 63
	xdev        wasi.Errno = 75
	notcapable  wasi.Errno = 76
)

const both = abi.RightRead | abi.RightWrite

func TestFileRoundTrip(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	served, _ := w.folder("data", "/data", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})

	w.must(0, "fd_prestat_get", 3, atResult)
	if got := binary.LittleEndian.Uint32(w.memory[atResult+4:]); got != 5 {
		t.Fatalf("the name of the folder has %d bytes, want 5", got)
	}
	w.must(0, "fd_prestat_dir_name", 3, atData, 5)
	if got := string(w.memory[atData : atData+5]); got != "/data" {
		t.Fatalf("the folder is %q", got)
	}
	w.must(badf, "fd_prestat_get", 4, atResult)

	text := strings.Repeat("all that a program writes, it reads again\n", 100)
	fd, errno := w.open(3, "a.txt", create|exclusive, canRead|canWrite, 0)
	if errno != 0 {
		t.Fatalf("path_open: %d", errno)
	}
	if errno := w.write(fd, text); errno != 0 {
		t.Fatalf("fd_write: %d", errno)
	}
	if kept, err := os.ReadFile(filepath.Join(folder, "a.txt")); err != nil || string(kept) != text {
		t.Fatalf("the machine has %d bytes, %v; want %d", len(kept), err, len(text))
	}
	w.must(0, "fd_seek", fd, 0, 0, atResult)
	if got, errno := w.read(fd, dataMax); errno != 0 || got != text {
		t.Fatalf("fd_read = %d bytes, %d", len(got), errno)
	}
	w.must(0, "fd_tell", fd, atResult)
	if w.result64() != uint64(len(text)) {
		t.Fatalf("at %d after reading all of %d", w.result64(), len(text))
	}
	w.must(0, "fd_filestat_set_size", fd, 10)
	w.must(0, "fd_seek", fd, ^uint64(3), 2, atResult) // four before the end
	if got, _ := w.read(fd, 100); got != text[6:10] {
		t.Fatalf("the last four bytes are %q, want %q", got, text[6:10])
	}
	w.must(0, "fd_sync", fd)
	w.must(0, "fd_close", fd)
	w.must(badf, "fd_close", fd)
	if n := served.Open(); n != 0 {
		t.Fatalf("%d files are open after the last was closed", n)
	}
}

func TestFileAppend(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	if err := os.WriteFile(filepath.Join(folder, "log"), []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, errno := w.open(3, "log", 0, canWrite, appending)
	if errno != 0 || w.write(fd, "two\n") != 0 || w.write(fd, "three\n") != 0 {
		t.Fatal("cannot append")
	}
	if _, errno := w.read(fd, 1); errno != badf {
		t.Fatalf("reading what was opened for writing: %d", errno)
	}
	if kept, _ := os.ReadFile(filepath.Join(folder, "log")); string(kept) != "one\ntwo\nthree\n" {
		t.Fatalf("the log is %q", kept)
	}
}

func TestFolders(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	at, n := w.path("sub")
	w.must(0, "path_create_directory", 3, at, n)
	w.must(exist, "path_create_directory", 3, at, n)
	var want []string
	for i := range 200 {
		name := "entry-" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(folder, "sub", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, errno := w.open(3, "sub", directory, canRead, 0)
	if errno != 0 {
		t.Fatalf("path_open: %d", errno)
	}
	got := w.list(fd, 500) // small, so that entries are cut
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%d entries, want %d: %v", len(got), len(want), got)
	}
	w.must(notempty, "path_remove_directory", 3, at, n)
	w.must(isdir, "path_unlink_file", 3, at, n)
	at, n = w.path(want[0])
	to, m := w.path2("moved")
	w.must(0, "path_rename", fd, at, n, fd, to, m)
	w.must(xdev, "path_rename", fd, to, m, 3, at, n)
	w.must(0, "path_filestat_get", fd, 1, to, m, atResult)
	if w.memory[atResult+16] != 4 {
		t.Fatalf("the type of a file is %d", w.memory[atResult+16])
	}
	w.must(0, "path_filestat_set_times", fd, 1, to, m, 1e9, 2e9, 1|4)
	info, err := os.Stat(filepath.Join(folder, "sub", "moved"))
	if err != nil || info.ModTime().UnixNano() != 2e9 {
		t.Fatalf("the file was changed at %v, %v", info.ModTime(), err)
	}
	w.must(0, "path_unlink_file", fd, to, m)
	w.must(noent, "path_unlink_file", fd, to, m)
	w.must(notdir, "path_remove_directory", fd, func() uint64 { w.path(want[1]); return atPath }(), uint64(len(want[1])))
	for _, name := range want[1:] {
		at, n := w.path(name)
		w.must(0, "path_unlink_file", fd, at, n)
	}
	w.must(0, "path_remove_directory", 3, func() uint64 { w.path("sub"); return atPath }(), 3)
}

// list reads a folder with a buffer of room bytes.
func (w *world) list(fd, room uint64) []string {
	w.t.Helper()
	var names []string
	cookie := uint64(0)
	for {
		w.must(0, "fd_readdir", fd, atData, room, cookie, atResult)
		used := w.result32()
		b := w.memory[atData : atData+used]
		for len(b) >= 24 {
			n := binary.LittleEndian.Uint32(b[16:])
			if uint64(len(b)) < 24+uint64(n) {
				break
			}
			cookie = binary.LittleEndian.Uint64(b)
			names = append(names, string(b[24:24+n]))
			b = b[24+n:]
		}
		if used < room {
			return names
		}
	}
}

func TestFolderCannotBeLeft(t *testing.T) {
	w, outside := newWorld(t), t.TempDir()
	folder := filepath.Join(outside, "in")
	secret := filepath.Join(outside, "secret")
	for _, err := range []error{
		os.Mkdir(folder, 0o700), os.Mkdir(filepath.Join(folder, "sub"), 0o700),
		os.WriteFile(secret, []byte("not yours"), 0o600),
		os.WriteFile(filepath.Join(folder, "mine"), []byte("mine"), 0o600),
		os.Symlink(secret, filepath.Join(folder, "absolute")),
		os.Symlink("../secret", filepath.Join(folder, "relative")),
		os.Symlink("..", filepath.Join(folder, "up")),
		os.Symlink("../..", filepath.Join(folder, "sub", "up")),
		os.Symlink("mine", filepath.Join(folder, "inside")),
		os.Symlink("turning", filepath.Join(folder, "turning")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var denials []ambient.Denial
	_, grant := w.folder("data", "/", both, ambient.FolderConfig{Path: folder, Denied: func(d ambient.Denial) { denials = append(denials, d) }})
	w.start(wasi.Config{})
	for _, p := range []string{"../secret", "absolute", "relative", "up/secret", "sub/up/secret", "sub/../../secret", "/etc/passwd", secret, "up", ".."} {
		for _, how := range []uint64{0, create, create | truncate} {
			if _, errno := w.open(3, p, how, canRead|canWrite, 0); errno != notcapable {
				t.Errorf("path_open %q = %d, want %d", p, errno, notcapable)
			}
		}
		at, n := w.path(p)
		w.must(notcapable, "path_filestat_get", 3, 1, at, n, atResult)
	}
	if len(denials) == 0 || denials[0].Badge != grant.Badge || denials[0].Operation != ops.Open || denials[0].Path != "../secret" {
		t.Errorf("the first of %d denials is %+v", len(denials), denials[:min(1, len(denials))])
	}
	// A folder that was opened is the top of what is reached through it.
	sub, errno := w.open(3, "sub", directory, canRead, 0)
	if errno != 0 {
		t.Fatalf("path_open sub: %d", errno)
	}
	if _, errno := w.open(sub, "../mine", 0, canRead, 0); errno != notcapable {
		t.Errorf("out of a folder that was opened: %d", errno)
	}
	if _, errno := w.open(3, "inside", 0, canRead, 0); errno != 0 {
		t.Errorf("a link that stays inside: %d", errno)
	}
	if _, errno := w.open(3, "turning", 0, canRead, 0); errno != loop {
		t.Errorf("a link to itself: %d", errno)
	}
	at, n := w.path("inside")
	w.must(loop, "path_open", 3, 0, at, n, 0, canRead, 0, 0, atResult)
	w.must(0, "path_readlink", 3, at, n, atData, 100, atResult)
	if got := string(w.memory[atData : atData+w.result32()]); got != "mine" {
		t.Errorf("the link leads to %q", got)
	}
	to, m := w.path2("planted")
	w.must(notsup, "path_symlink", at, n, 3, to, m)
	w.must(notsup, "path_link", 3, 0, at, n, 3, to, m)
	if kept, _ := os.ReadFile(secret); string(kept) != "not yours" {
		t.Errorf("the file outside is %q", kept)
	}
}

func TestFolderReadOnly(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	var denials []ambient.Denial
	w.folder("data", "/", abi.RightRead, ambient.FolderConfig{Path: folder, Denied: func(d ambient.Denial) { denials = append(denials, d) }})
	w.start(wasi.Config{})
	fd, errno := w.open(3, "a", 0, canRead, 0)
	if errno != 0 {
		t.Fatalf("path_open: %d", errno)
	}
	if got, errno := w.read(fd, 10); errno != 0 || got != "text" {
		t.Fatalf("fd_read = %q, %d", got, errno)
	}
	if _, errno := w.open(3, "a", 0, canRead|canWrite, 0); errno != notcapable {
		t.Errorf("to open for writing: %d", errno)
	}
	if _, errno := w.open(3, "a", truncate, canRead, 0); errno != notcapable {
		t.Errorf("to truncate: %d", errno)
	}
	at, n := w.path("a")
	to, m := w.path2("b")
	w.must(notcapable, "path_unlink_file", 3, at, n)
	w.must(notcapable, "path_rename", 3, at, n, 3, to, m)
	w.must(notcapable, "path_create_directory", 3, to, m)
	w.must(notcapable, "fd_filestat_set_size", fd, 0)
	for _, d := range denials {
		if d.Lacks != abi.RightWrite {
			t.Errorf("denied for the lack of %v: %+v", d.Lacks, d)
		}
	}
	if len(denials) != 6 {
		t.Errorf("%d denials, want 6", len(denials))
	}
	if kept, _ := os.ReadFile(filepath.Join(folder, "a")); string(kept) != "text" {
		t.Errorf("the file is %q", kept)
	}
}

func TestRevokedFolderTakesItsFiles(t *testing.T) {
	w, folder := newWorld(t), t.TempDir()
	f, grant := w.folder("data", "/", both, ambient.FolderConfig{Path: folder})
	w.start(wasi.Config{})
	fd, errno := w.open(3, "a", create, canRead|canWrite, 0)
	if errno != 0 || w.write(fd, "x") != 0 {
		t.Fatalf("path_open: %d", errno)
	}
	if status := w.server.Invoke(grant.Handle, abi.CapRevoke, &abi.Args{}); !status.OK() {
		t.Fatal(status)
	}
	if errno := w.write(fd, "y"); errno != notcapable {
		t.Errorf("writing after the folder was revoked: %d", errno)
	}
	if _, errno := w.open(3, "a", 0, canRead, 0); errno != notcapable {
		t.Errorf("opening after the folder was revoked: %d", errno)
	}
	f.Withdraw(w.server, grant)
	if n := f.Open(); n != 0 {
		t.Errorf("%d files are open after the grant was withdrawn", n)
	}
}
