package host

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/platform"
	"phios/platform/platformtest"
)

const page = platform.PageBytes

// childVariable says in a child's environment what it is to do.
const childVariable = "PHIOS_HOST_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		os.Exit(runChild(what))
	}
	os.Exit(m.Run())
}

// open returns a machine that the test's end closes.
func open(tb testing.TB, config Config) *Machine {
	tb.Helper()
	m, err := New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

// create makes memory at the arena's beginning.
func create(tb testing.TB, m *Machine, bytes uint64) (platform.Backing, uint64) {
	tb.Helper()
	address, _ := m.Arena()
	b, status := m.Create(address, bytes, false)
	mustBe(tb, "Create", status, abi.StatusOK)
	return b, address
}

func newSpace(tb testing.TB, m *Machine) platform.Space {
	tb.Helper()
	s, status := m.NewSpace()
	mustBe(tb, "NewSpace", status, abi.StatusOK)
	return s
}

func mustBe(tb testing.TB, what string, got, want abi.Status) {
	tb.Helper()
	if got != want {
		tb.Fatalf("%s: %s, want %s", what, got.Name(), want.Name())
	}
}

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platform.Machine {
		t.Helper()
		return open(t, Config{})
	})
}

// TestMachinesSideBySide needs a second arena, elsewhere.
func TestMachinesSideBySide(t *testing.T) {
	one, two := open(t, Config{}), open(t, Config{})
	if one.arena == two.arena || two.arena%platform.LargePageBytes != 0 {
		t.Fatalf("arenas at %#x and %#x", one.arena, two.arena)
	}
	_, a := create(t, one, page)
	_, b := create(t, two, page)
	mustBe(t, "Write", one.Write(platform.SpaceKernel, a, []byte("one")), abi.StatusOK)
	mustBe(t, "Write", two.Write(platform.SpaceKernel, b, []byte("two")), abi.StatusOK)
	if base, ok := two.SpaceBase(newSpace(t, two)); !ok || base%platform.LargePageBytes != 0 {
		t.Fatalf("a space at %#x", base)
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{ArenaBytes: page}); err == nil {
		t.Error("an arena of one page was accepted")
	}
	if _, err := New(Config{ArenaBytes: 1 << 62}); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("an arena of 2^62 bytes: %v", err)
	}
	m := open(t, Config{MemoryBytes: 2 * page})
	arena, _ := m.Arena()
	_, status := m.Create(arena, 3*page, false)
	mustBe(t, "Create over the limit", status, abi.StatusNoMemory)
	b, address := create(t, m, 2*page)
	_, status = m.Create(arena+8*page, page, false)
	mustBe(t, "Create when all is taken", status, abi.StatusNoMemory)
	m.Destroy(b, address, 2*page)
	create(t, m, 2*page)
}

// TestPlacementsAreBounded fills the machine with placements, by the table and
// by Linux's own count.
func TestPlacementsAreBounded(t *testing.T) {
	m := open(t, Config{})
	b, address := create(t, m, page)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Bytes: page, Access: platform.AccessPrivate}
	placed := 0
	for ; ; placed++ {
		v.Address = address + uint64(placed)*2*page // each with a gap behind
		if status := m.Place(s, v); !status.OK() {
			mustBe(t, "Place", status, abi.StatusLimit)
			break
		}
	}
	if want := m.admitMax - 1; int64(placed) != want {
		t.Fatalf("%d placements, want %d", placed, want)
	}
	_, status := m.Create(address+page, page, false)
	mustBe(t, "Create", status, abi.StatusLimit)
	mustBe(t, "Pin", m.Pin(address, page), abi.StatusLimit)
	// What takes away still works, and makes room.
	m.Zero(s, address, 2*page)
	m.Remove(s, address+2*page, page)
	v.Address = address + 2*page
	mustBe(t, "Place after Remove", m.Place(s, v), abi.StatusOK)
	m.FreeSpace(s)
	if n := m.placed.Load(); n != 1 {
		t.Fatalf("%d placements are counted, want 1", n)
	}
}

func TestSpacesAreBounded(t *testing.T) {
	m := open(t, Config{ArenaBytes: platform.LargePageBytes})
	var last platform.Space
	for range SpacesMax {
		last = newSpace(t, m)
	}
	_, status := m.NewSpace()
	mustBe(t, "NewSpace", status, abi.StatusLimit)
	m.FreeSpace(last)
	if again := newSpace(t, m); again == last {
		t.Fatal("a space's number came back")
	}
}

func TestBytes(t *testing.T) {
	m := open(t, Config{})
	b, address := create(t, m, 4*page)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address + page, Offset: page, Bytes: 2 * page, Access: platform.AccessPrivate}
	mustBe(t, "Place", m.Place(s, v), abi.StatusOK)
	own, status := m.Bytes(platform.SpaceKernel, address, 4*page)
	mustBe(t, "Bytes of the kernel", status, abi.StatusOK)
	view, status := m.Bytes(s, v.Address, v.Bytes)
	mustBe(t, "Bytes of a space", status, abi.StatusOK)
	copy(own[page:], "shared")
	if !bytes.HasPrefix(view, []byte("shared")) || len(view) != 2*page || cap(view) != 2*page {
		t.Fatalf("the view shows %q of %d bytes", view[:8], len(view))
	}
	copy(view, "stray") // neither faults nor reaches the owner
	if !bytes.HasPrefix(own[page:], []byte("shared")) {
		t.Fatal("a stray write reached the owner")
	}
	m.Zero(s, v.Address, v.Bytes)
	if view[0] != 0 || own[page] != 's' {
		t.Fatal("the view outlives its revocation")
	}
	for _, beyond := range []struct{ at, n uint64 }{
		{address, 1}, {v.Address + 1, 2 * page}, {v.Address, ^uint64(0)}, {0, 1}, {^uint64(0), 2},
	} {
		_, status := m.Bytes(s, beyond.at, beyond.n)
		mustBe(t, "Bytes beyond", status, abi.StatusRange)
	}
	_, status = m.Bytes(s+1<<spaceIndexBits, v.Address, 1)
	mustBe(t, "Bytes of a stale space", status, abi.StatusBadArgument)
}

// TestHammerRevoke revokes and places while others read, write and look,
// through the machine and past it: nothing faults, and no write through the
// space reaches the memory after Zero has returned.
func TestHammerRevoke(t *testing.T) {
	m := open(t, Config{})
	const size = 16 * page
	b, address := create(t, m, size)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: size, Access: platform.AccessShared}
	mustBe(t, "Place", m.Place(s, v), abi.StatusOK)
	view, _ := m.Bytes(s, address, size)
	var stop atomic.Bool
	var group sync.WaitGroup
	run := func(step func()) {
		group.Go(func() {
			for !stop.Load() {
				step()
			}
		})
	}
	ones := bytes.Repeat([]byte{1}, size)
	run(func() { mustBeAsync(t, m.Write(s, address, ones)) })
	run(func() { mustBeAsync(t, m.Read(s, address+7, make([]byte, 3*page))) })
	run(func() { m.Dirtied(s, address, size) })
	run(func() {
		if sum := view[0] + view[size-1]; sum > 2 {
			t.Errorf("read %d", sum)
		}
	})
	zeros := make([]byte, size)
	got := make([]byte, size)
	for range 300 {
		m.Zero(s, address, size)
		mustBe(t, "Write", m.Write(platform.SpaceKernel, address, zeros), abi.StatusOK)
		mustBe(t, "Read", m.Read(platform.SpaceKernel, address, got), abi.StatusOK)
		if !bytes.Equal(got, zeros) {
			t.Fatal("a write came through after the revocation")
		}
	}
	stop.Store(true)
	group.Wait()
}

// TestHammerSpaces makes, fills and frees spaces from several goroutines.
func TestHammerSpaces(t *testing.T) {
	m := open(t, Config{ArenaBytes: 64 << 20})
	arena, _ := m.Arena()
	var group sync.WaitGroup
	for worker := range uint64(4) {
		group.Go(func() {
			at := arena + worker*16*page
			for range 200 {
				b, status := m.Create(at, 2*page, false)
				mustBeAsync(t, status)
				s, status := m.NewSpace()
				mustBeAsync(t, status)
				v := platform.View{Backing: b, Address: at, Bytes: 2 * page, Access: platform.AccessPrivate}
				mustBeAsync(t, m.Place(s, v))
				mustBeAsync(t, m.Write(s, at+page-1, []byte("ab")))
				if n := m.Dirtied(s, at, 2*page); n != 2 {
					t.Errorf("%d pages dirtied, want 2", n)
				}
				mustBeAsync(t, m.Pin(at, page))
				m.FreeSpace(s)
				m.Destroy(b, at, 2*page)
			}
		})
	}
	group.Wait()
	if placed, used := m.placed.Load(), m.memoryBytes.Load(); placed != 0 || used != 0 || m.pins.bytes != 0 {
		t.Fatalf("%d placements, %d bytes and %d pinned are left", placed, used, m.pins.bytes)
	}
}

func mustBeAsync(t *testing.T, status abi.Status) {
	t.Helper()
	if !status.OK() {
		t.Errorf("%v", status)
	}
}

// TestLargePages asks Linux whether what the machine calls large is large.
func TestLargePages(t *testing.T) {
	m := open(t, Config{})
	arena, _ := m.Arena()
	const size = 4 * platform.LargePageBytes
	b, status := m.Create(arena, size, true)
	mustBe(t, "Create", status, abi.StatusOK)
	mapped := largeBytes(t)
	t.Logf("large pages: %v, %d KiB by Linux's count", m.LargePages(b), mapped>>10)
	if m.LargePages(b) != (mapped == size) {
		t.Fatalf("LargePages says %v and Linux %d of %d bytes", m.LargePages(b), mapped, size)
	}
	small, status := m.Create(arena+2*size, size, false)
	mustBe(t, "Create", status, abi.StatusOK)
	uneven, status := m.Create(arena+4*size+page, size, true)
	mustBe(t, "Create at no multiple of 2 MiB", status, abi.StatusOK)
	if m.LargePages(small) || m.LargePages(uneven) || m.LargePages(0) {
		t.Fatal("ordinary pages are called large")
	}
}

// largeBytes returns how much of this process's memory objects Linux maps by
// pages of 2 MiB.
func largeBytes(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "ShmemPmdMapped:"); found {
			kib := uint64(0)
			for _, digit := range strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")) {
				kib = kib*10 + uint64(digit-'0')
			}
			return kib << 10
		}
	}
	return 0
}

func TestPinLimitOfTheMachine(t *testing.T) {
	m := open(t, Config{PinBytes: 3 * page})
	_, address := create(t, m, 8*page)
	mustBe(t, "Pin over the limit", m.Pin(address, 4*page), abi.StatusPinLimit)
	mustBe(t, "Pin", m.Pin(address, 2*page), abi.StatusOK)
	mustBe(t, "Pin of the same", m.Pin(address, 2*page), abi.StatusOK)
	mustBe(t, "Pin of too much more", m.Pin(address+page, 4*page), abi.StatusPinLimit)
	mustBe(t, "Pin of one more", m.Pin(address+page, 2*page), abi.StatusOK)
	m.Unpin(address, 8*page)
	if n := lockedBytes(t); n != 0 {
		t.Fatalf("%d bytes are still locked", n)
	}
}

// lockedBytes returns how much Linux keeps in memory for this process.
func lockedBytes(tb testing.TB) int {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmLck:")
	n := 0
	for _, c := range strings.TrimSpace(rest) {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n << 10
}

// TestWithoutPrivilege runs runChild as a process without capabilities.
func TestWithoutPrivilege(t *testing.T) {
	m := open(t, Config{})
	b, address := create(t, m, page)
	mustBe(t, "Write", m.Write(platform.SpaceKernel, address, []byte("to read")), abi.StatusOK)
	file, err := m.OpenReadOnly(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), childVariable+"=nobody")
	command.ExtraFiles = []*os.File{file}
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

// TestReadOnlyDescriptor maps what OpenReadOnly gives as another would.
func TestReadOnlyDescriptor(t *testing.T) {
	m := open(t, Config{})
	b, address := create(t, m, page)
	file, err := m.OpenReadOnly(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	fd := int(file.Fd())
	if _, err := unix.Mmap(fd, 0, page, unix.PROT_WRITE, unix.MAP_SHARED); !errors.Is(err, unix.EACCES) {
		t.Fatalf("mapping it for writing: %v", err)
	}
	shown, err := unix.Mmap(fd, 0, page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "Write", m.Write(platform.SpaceKernel, address, []byte("seen")), abi.StatusOK)
	if !bytes.HasPrefix(shown, []byte("seen")) {
		t.Fatal("the read-only mapping does not show what is written")
	}
	if err := unix.Munmap(shown); err != nil {
		t.Fatal(err)
	}
	writable, ok := m.Descriptor(b)
	if !ok {
		t.Fatal("no descriptor")
	}
	for _, size := range []int64{0, 2 * page} {
		if err := unix.Ftruncate(writable, size); !errors.Is(err, unix.EPERM) {
			t.Errorf("sealed memory was resized to %d: %v", size, err)
		}
	}
	m.Destroy(b, address, page)
	if _, ok := m.Descriptor(b); ok {
		t.Error("destroyed memory has a descriptor")
	}
	if _, err := m.OpenReadOnly(b); !errors.Is(err, abi.StatusBadArgument) {
		t.Errorf("opening destroyed memory: %v", err)
	}
}

func TestAllocs(t *testing.T) {
	m := open(t, Config{})
	b, address := create(t, m, 4*page)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: 4 * page, Access: platform.AccessPrivate}
	buffer := make([]byte, 512)
	if n := testing.AllocsPerRun(100, func() {
		mustBe(t, "Place", m.Place(s, v), abi.StatusOK)
		mustBe(t, "Read", m.Read(s, address, buffer), abi.StatusOK)
		mustBe(t, "Write", m.Write(s, address, buffer), abi.StatusOK)
		_, status := m.Bytes(s, address, 100)
		mustBe(t, "Bytes", status, abi.StatusOK)
		m.Zero(s, address, page)
		m.Remove(s, address, 4*page)
		m.Now()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
