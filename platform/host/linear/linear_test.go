package linear

import (
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
	"phios/platform/host"
)

const page = platform.PageBytes

// newMemory returns a memory of some pages that is freed with the test.
func newMemory(tb testing.TB, size, most uint64) (*Memory, []byte) {
	tb.Helper()
	m, err := New(most)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Free)
	b := m.Reallocate(size)
	if uint64(len(b)) != size {
		tb.Fatalf("%d bytes of %d", len(b), size)
	}
	return m, b
}

// newFile returns the descriptor of a memfd with some text at its beginning.
func newFile(tb testing.TB, size int64, text string) int {
	tb.Helper()
	fd, err := unix.MemfdCreate("linear", unix.MFD_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Ftruncate(fd, size); err != nil {
		tb.Fatal(err)
	}
	if _, err := unix.Pwrite(fd, []byte(text), 0); err != nil {
		tb.Fatal(err)
	}
	return fd
}

func TestGrow(t *testing.T) {
	m, b := newMemory(t, 65536, 4*65536)
	b[65535] = 7
	grown := m.Reallocate(3 * 65536)
	if &grown[0] != &b[0] || grown[65535] != 7 || grown[3*65536-1] != 0 {
		t.Error("growing moved or spoiled the memory")
	}
	if m.Reallocate(5*65536) != nil {
		t.Error("grew past the reservation")
	}
	if len(m.Reallocate(1)) != 3*65536 || m.Size() != 3*65536 {
		t.Error("the memory shrank")
	}
	if _, err := New(MemoryBytesMax + 1); err == nil {
		t.Error("more than 4 GiB")
	}
}

func TestWindows(t *testing.T) {
	m, b := newMemory(t, 16*page, 32*page)
	second, other := newMemory(t, 16*page, 16*page)
	fd := newFile(t, 4*page, "region")
	for _, test := range []struct {
		at, offset, bytes uint64
		access            platform.Access
		want              abi.Status
	}{
		{page, 0, page + 1, platform.AccessShared, abi.StatusBadArgument},
		{page + 1, 0, page, platform.AccessShared, abi.StatusBadArgument},
		{page, 1, page, platform.AccessShared, abi.StatusBadArgument},
		{page, 0, 0, platform.AccessShared, abi.StatusBadArgument},
		{page, 0, page, 0, abi.StatusBadArgument},
		{page, 4 * page, page, platform.AccessShared, abi.StatusRange},
		{page, ^uint64(page - 1), page, platform.AccessShared, abi.StatusRange},
		{16 * page, 0, page, platform.AccessShared, abi.StatusRange},
		{^uint64(page - 1), 0, 2 * page, platform.AccessShared, abi.StatusRange},
		{page, 0, 4 * page, platform.AccessShared, abi.StatusOK},
		{0, 0, 2 * page, platform.AccessShared, abi.StatusOverlap},
		{4 * page, 0, page, platform.AccessShared, abi.StatusOverlap},
		{5 * page, 0, 4 * page, platform.AccessPrivate, abi.StatusOK},
		{0, 0, page, platform.AccessShared, abi.StatusOK},
	} {
		if got := m.Map(test.at, fd, test.offset, test.bytes, test.access); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
	if status := second.Map(0, fd, 0, 4*page, platform.AccessShared); !status.OK() {
		t.Fatal(status)
	}
	copy(other, "shared")
	if string(b[page:page+6]) != "shared" || string(b[5*page:5*page+6]) != "shared" {
		t.Error("the windows do not show one file")
	}
	if m.Dirtied(0, 16*page) != 0 {
		t.Error("nothing was written")
	}
	copy(b[5*page:], "stray!")
	if string(other[:6]) != "shared" || m.Dirtied(0, 16*page) != 1 {
		t.Errorf("a stray store reached the region, or %d pages are copies", m.Dirtied(0, 16*page))
	}

	grown := m.Reallocate(20 * page)
	if &grown[0] != &b[0] || string(b[page:page+6]) != "shared" {
		t.Error("a window did not survive growing")
	}
	revoke(t, m, b, other)
}

// revoke takes the windows that TestWindows made away again.
func revoke(t *testing.T, m *Memory, b, other []byte) {
	t.Helper()
	if shared, ok := m.Shared(page, 4*page); !ok || string(shared[:6]) != "shared" {
		t.Error("the shared window is not found")
	}
	if _, ok := m.Shared(5*page, page); ok {
		t.Error("a private window passes for a shared one")
	}
	m.Clear(0, 16*page)
	if b[page] != 0 || b[5*page] != 0 || m.Windows() != 3 {
		t.Error("clearing does not clear, or frees the place")
	}
	b[page] = 9
	if other[0] != 's' {
		t.Error("a store after revocation reaches the region")
	}
	if _, ok := m.Shared(page, page); ok {
		t.Error("a cleared window is still shared")
	}
	m.Remove(page, 4*page)
	m.Remove(5*page, 4*page)
	m.Remove(0, page)
	if m.Windows() != 0 || b[page] != 0 && b[page] != 9 {
		t.Error("removing does not remove")
	}
}

func TestWindowsMax(t *testing.T) {
	m, _ := newMemory(t, 4*WindowsMax*page, 4*WindowsMax*page)
	fd := newFile(t, page, "")
	for i := range uint64(WindowsMax) {
		if status := m.Map(2*i*page, fd, 0, page, platform.AccessShared); !status.OK() {
			t.Fatal(status)
		}
	}
	if status := m.Map(page, fd, 0, page, platform.AccessShared); status != abi.StatusLimit {
		t.Errorf("one window too many: %v", status)
	}
}

func TestSnapshotAndDiscard(t *testing.T) {
	fd := newFile(t, 4*page, "warm")
	m, b := newMemory(t, 16*page, 16*page)
	if status := m.MapSnapshot(fd, 4*page); !status.OK() {
		t.Fatal(status)
	}
	_, again := newMemory(t, 16*page, 16*page)
	if string(b[:4]) != "warm" {
		t.Error("the snapshot is not there")
	}
	copy(b, "mine")
	second, other := newMemory(t, 4*page, 4*page)
	if status := second.MapSnapshot(fd, 4*page); !status.OK() || string(other[:4]) != "warm" || again[0] != 0 {
		t.Errorf("%v: one program writes into another's snapshot", status)
	}
	for _, test := range []struct {
		bytes uint64
		want  abi.Status
	}{{0, abi.StatusBadArgument}, {7, abi.StatusBadArgument}, {8 * page, abi.StatusRange}} {
		if got := m.MapSnapshot(fd, test.bytes); got != test.want {
			t.Errorf("%d bytes: %v", test.bytes, got)
		}
	}
	if status := m.Map(page, fd, 0, page, platform.AccessShared); !status.OK() {
		t.Fatal(status)
	}
	copy(b[page:], "kept")
	if status := m.MapSnapshot(fd, page); status != abi.StatusOverlap {
		t.Errorf("over a window: %v", status)
	}
	m.Discard(0, 16*page)
	if b[0] != 0 || string(b[page:page+4]) != "kept" {
		t.Error("discarding keeps memory, or spoils a window")
	}
}

// TestFreed calls everything on a memory that was freed.
func TestFreed(t *testing.T) {
	m, _ := newMemory(t, page, page)
	fd := newFile(t, page, "")
	m.Free()
	m.Free()
	m.Clear(0, page)
	m.Remove(0, page)
	m.Discard(0, page)
	if m.Map(0, fd, 0, page, platform.AccessShared) != abi.StatusPeerDead ||
		m.MapSnapshot(fd, page) != abi.StatusPeerDead || m.Reallocate(page) != nil ||
		m.Bytes() != nil || m.Size() != 0 || m.Dirtied(0, page) != 0 {
		t.Error("a memory that was freed answers")
	}
}

// TestGuest places a region of a real machine.
func TestGuest(t *testing.T) {
	machine, err := host.New(host.Config{ArenaBytes: 64 << 20, MemoryBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	arena, _ := machine.Arena()
	backing, status := machine.Create(arena, 4*page, false)
	if !status.OK() {
		t.Fatal(status)
	}
	m, b := newMemory(t, 16*page, 16*page)
	space, status := machine.NewGuest(NewGuest(machine, m))
	if !status.OK() {
		t.Fatal(status)
	}
	view := platform.View{Backing: backing, Address: 4 * page, Offset: page, Bytes: 2 * page, Access: platform.AccessShared}
	if status := machine.Place(space, view); !status.OK() {
		t.Fatal(status)
	}
	if status := machine.Write(platform.SpaceKernel, arena+page, []byte("hello")); !status.OK() {
		t.Fatal(status)
	}
	if string(b[4*page:4*page+5]) != "hello" || machine.Dirtied(space, 4*page, 2*page) != 0 {
		t.Error("the region does not show")
	}
	machine.Zero(space, 4*page, 2*page)
	machine.Remove(space, 4*page, 2*page)
	if b[4*page] != 0 || m.Windows() != 0 {
		t.Error("the region still shows")
	}
	machine.Destroy(backing, arena, 4*page)
	if status := machine.Place(space, view); status != abi.StatusBadArgument {
		t.Errorf("a region that has gone: %v", status)
	}
}

// TestHammer revokes while a program writes.
func TestHammer(t *testing.T) {
	m, b := newMemory(t, 16*page, 16*page)
	fd := newFile(t, 4*page, "")
	var others sync.WaitGroup
	stop := make(chan struct{})
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				// Any byte of the windows: a fault would end the test.
				b[(i*64)%(8*page)]++
			}
		}
	})
	for i := range uint64(500) {
		at := i % 2 * 4 * page
		if status := m.Map(at, fd, 0, 4*page, platform.Access(1+i%2)); !status.OK() {
			t.Error(status)
		}
		m.Clear(at, 4*page)
		m.Dirtied(at, 4*page)
		m.Remove(at, 4*page)
	}
	close(stop)
	others.Wait()
}

// TestMappings counts what many idle memories take of Linux's limit.
func TestMappings(t *testing.T) {
	count := func() int {
		text, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
	const memories = 1000
	before := count()
	for range memories {
		_, b := newMemory(t, 65536, 1<<20)
		b[0] = 1
	}
	if each := float64(count()-before) / memories; each > 2.1 {
		t.Errorf("%.2f mappings a memory", each)
	}
}

func BenchmarkNewAndFree(b *testing.B) {
	for b.Loop() {
		m, err := New(16 << 20)
		if err != nil {
			b.Fatal(err)
		}
		m.Reallocate(65536)[0] = 1
		m.Free()
	}
}
