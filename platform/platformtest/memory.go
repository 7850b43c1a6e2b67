package platformtest

import (
	"bytes"
	"testing"

	"phios/abi"
	"phios/platform"
)

// create makes memory at the n-th page of the arena.
func create(t *testing.T, m platform.Machine, page, pages uint64) (platform.Backing, uint64) {
	t.Helper()
	arena, _ := m.Arena()
	address := arena + page*platform.PageBytes
	b, status := m.Create(address, pages*platform.PageBytes, false)
	if !status.OK() {
		t.Fatalf("Create: %v", status)
	}
	if b == 0 {
		t.Fatal("Create returned no backing")
	}
	return b, address
}

func newSpace(t *testing.T, m platform.Machine) platform.Space {
	t.Helper()
	s, status := m.NewSpace()
	if !status.OK() {
		t.Fatalf("NewSpace: %v", status)
	}
	if s == platform.SpaceKernel {
		t.Fatal("NewSpace returned the kernel's")
	}
	return s
}

func place(t *testing.T, m platform.Machine, s platform.Space, v platform.View) {
	t.Helper()
	if status := m.Place(s, v); !status.OK() {
		t.Fatalf("Place %+v: %v", v, status)
	}
}

func write(t *testing.T, m platform.Machine, s platform.Space, address uint64, text string) {
	t.Helper()
	if status := m.Write(s, address, []byte(text)); !status.OK() {
		t.Fatalf("Write of %q at %#x: %v", text, address, status)
	}
}

// expect checks what is read at an address; a text of zeros is written "".
func expect(t *testing.T, m platform.Machine, s platform.Space, address uint64, want string) {
	t.Helper()
	got := make([]byte, max(len(want), 4))
	if status := m.Read(s, address, got); !status.OK() {
		t.Fatalf("Read at %#x: %v", address, status)
	}
	if !bytes.Equal(bytes.TrimRight(got, "\x00"), []byte(want)) {
		t.Fatalf("at %#x of space %d: %q, want %q", address, s, got, want)
	}
}

func expectStatus(t *testing.T, what string, got, want abi.Status) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %s, want %s", what, got.Name(), want.Name())
	}
}

func expectDirtied(t *testing.T, m platform.Machine, s platform.Space, v platform.View, want uint64) {
	t.Helper()
	if got := m.Dirtied(s, v.Address, v.Bytes); got != want {
		t.Fatalf("%d pages dirtied, want %d", got, want)
	}
}

func newMemory(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 4)
	expect(t, m, platform.SpaceKernel, address, "")
	expect(t, m, platform.SpaceKernel, address+3*platform.PageBytes, "")
	s := newSpace(t, m)
	place(t, m, s, platform.View{Backing: b, Address: address, Bytes: 4 * platform.PageBytes, Access: platform.AccessShared})
	write(t, m, s, address+platform.PageBytes-3, "across")
	expect(t, m, platform.SpaceKernel, address+platform.PageBytes-3, "across")
	write(t, m, platform.SpaceKernel, address, "back")
	expect(t, m, s, address, "back")
	expectDirtied(t, m, s, platform.View{Address: address, Bytes: 4 * platform.PageBytes}, 0)
}

func boundsAreKept(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 2, 2)
	arena, size := m.Arena()
	const page = platform.PageBytes
	buffer := make([]byte, 8)
	for _, at := range []uint64{0, arena, arena - 1, address - 1, address + 2*page - 7, address + 2*page, arena + size - 4, arena + size, ^uint64(0) - 3} {
		expectStatus(t, "Read beyond", m.Read(platform.SpaceKernel, at, buffer), abi.StatusRange)
		expectStatus(t, "Write beyond", m.Write(platform.SpaceKernel, at, buffer), abi.StatusRange)
	}
	expectStatus(t, "Read at the end", m.Read(platform.SpaceKernel, address+2*page-8, buffer), abi.StatusOK)
	expectStatus(t, "Read of nothing", m.Read(platform.SpaceKernel, arena, nil), abi.StatusOK)
	s := newSpace(t, m)
	shared := platform.AccessShared
	for _, test := range []struct {
		what string
		view platform.View
		want abi.Status
	}{
		{"past the backing", platform.View{Backing: b, Address: address, Bytes: 3 * page, Access: shared}, abi.StatusRange},
		{"offset past the backing", platform.View{Backing: b, Address: address, Offset: 3 * page, Bytes: page, Access: shared}, abi.StatusRange},
		{"offset that wraps", platform.View{Backing: b, Address: address, Offset: ^uint64(page - 1), Bytes: 2 * page, Access: shared}, abi.StatusRange},
		{"outside the arena", platform.View{Backing: b, Address: arena + size, Bytes: page, Access: shared}, abi.StatusRange},
		{"half outside", platform.View{Backing: b, Address: arena + size - page, Bytes: 2 * page, Access: shared}, abi.StatusRange},
		{"nothing", platform.View{Backing: b, Address: address, Access: shared}, abi.StatusRange},
		{"no access", platform.View{Backing: b, Address: address, Bytes: page}, abi.StatusBadArgument},
		{"no backing", platform.View{Address: address, Bytes: page, Access: shared}, abi.StatusBadArgument},
		{"foreign backing", platform.View{Backing: b + 7, Address: address, Bytes: page, Access: shared}, abi.StatusBadArgument},
	} {
		expectStatus(t, test.what, m.Place(s, test.view), test.want)
		expectStatus(t, "Read after "+test.what, m.Read(s, address, buffer), abi.StatusRange)
	}
	_, status := m.Create(arena+size-page, 2*page, false)
	expectStatus(t, "Create half outside", status, abi.StatusRange)
	expectStatus(t, "Pin of what is not placed", m.Pin(arena, page), abi.StatusRange)
}

func privateView(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 8, 3)
	write(t, m, platform.SpaceKernel, address, "owner")
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: 3 * platform.PageBytes, Access: platform.AccessPrivate}
	place(t, m, s, v)
	expect(t, m, s, address, "owner")
	expectDirtied(t, m, s, v, 0)
	// A stray write stays with the one who made it.
	write(t, m, s, address, "stray")
	expect(t, m, platform.SpaceKernel, address, "owner")
	expect(t, m, s, address, "stray")
	expectDirtied(t, m, s, v, 1)
	// Pages that were not written go on showing what the owner writes.
	second := address + platform.PageBytes
	write(t, m, platform.SpaceKernel, second, "later")
	write(t, m, platform.SpaceKernel, address, "hidden")
	expect(t, m, s, second, "later")
	expect(t, m, s, address, "stray")
	write(t, m, s, second+platform.PageBytes-1, "ab")
	expectDirtied(t, m, s, v, 3)
}

func windowShowsOffset(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 8)
	for i := range uint64(8) {
		write(t, m, platform.SpaceKernel, address+i*platform.PageBytes, "page"+string(rune('0'+i)))
	}
	s := newSpace(t, m)
	window := address + 3*platform.PageBytes
	place(t, m, s, platform.View{
		Backing: b, Address: window, Offset: 3 * platform.PageBytes, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate,
	})
	expect(t, m, s, window, "page3")
	expect(t, m, s, window+platform.PageBytes, "page4")
	expectStatus(t, "Read past the window", m.Read(s, window+2*platform.PageBytes, make([]byte, 1)), abi.StatusRange)
}

func zeroTakesAway(t *testing.T, m platform.Machine) {
	for _, access := range []platform.Access{platform.AccessShared, platform.AccessPrivate} {
		b, address := create(t, m, 16, 2)
		s := newSpace(t, m)
		v := platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: access}
		place(t, m, s, v)
		write(t, m, platform.SpaceKernel, address+platform.PageBytes, "secret")
		write(t, m, s, address, "mine")
		m.Zero(s, address, v.Bytes)
		expect(t, m, s, address, "")
		expect(t, m, s, address+platform.PageBytes, "")
		expectDirtied(t, m, s, v, 0)
		// What is written now goes nowhere.
		write(t, m, s, address+platform.PageBytes, "nobody")
		expect(t, m, s, address+platform.PageBytes, "nobody")
		expect(t, m, platform.SpaceKernel, address+platform.PageBytes, "secret")
		expectDirtied(t, m, s, v, 1)
		m.Zero(s, address, v.Bytes)
		m.Remove(s, address, v.Bytes)
		m.Destroy(b, address, v.Bytes)
		m.FreeSpace(s)
	}
}

func zeroOfPart(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 5)
	s := newSpace(t, m)
	for i := range uint64(5) {
		write(t, m, platform.SpaceKernel, address+i*platform.PageBytes, "old")
	}
	// Pages 0, 1 and 3, 4 are placed; zero 1 to 3.
	place(t, m, s, platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate})
	place(t, m, s, platform.View{
		Backing: b, Address: address + 3*platform.PageBytes, Offset: 3 * platform.PageBytes,
		Bytes: 2 * platform.PageBytes, Access: platform.AccessShared,
	})
	m.Zero(s, address+platform.PageBytes, 3*platform.PageBytes)
	expect(t, m, s, address, "old")
	expect(t, m, s, address+platform.PageBytes, "")
	expectStatus(t, "Read of the gap", m.Read(s, address+2*platform.PageBytes, make([]byte, 1)), abi.StatusRange)
	expect(t, m, s, address+3*platform.PageBytes, "")
	expect(t, m, s, address+4*platform.PageBytes, "old")
}

func removeMakesGap(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 3)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: 3 * platform.PageBytes, Access: platform.AccessPrivate}
	place(t, m, s, v)
	write(t, m, s, address, "x")
	m.Remove(s, address+platform.PageBytes, platform.PageBytes)
	whole := make([]byte, 2*platform.PageBytes)
	expectStatus(t, "Read over the gap", m.Read(s, address, whole), abi.StatusRange)
	expectStatus(t, "Write over the gap", m.Write(s, address, whole), abi.StatusRange)
	expect(t, m, s, address, "x")
	expect(t, m, s, address+2*platform.PageBytes, "")
	// The gap can be filled again, and what was dirtied is forgotten.
	m.Remove(s, address, v.Bytes)
	place(t, m, s, v)
	expect(t, m, s, address, "")
	expectDirtied(t, m, s, v, 0)
}

func placementsDoNotOverlap(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 4, 4)
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: platform.AccessShared}
	place(t, m, s, v)
	write(t, m, s, address, "first")
	v.Address -= platform.PageBytes
	expectStatus(t, "Place from below", m.Place(s, v), abi.StatusOverlap)
	v.Address += 2 * platform.PageBytes
	expectStatus(t, "Place from above", m.Place(s, v), abi.StatusOverlap)
	m.Zero(s, address, v.Bytes)
	expectStatus(t, "Place over zeros", m.Place(s, v), abi.StatusOverlap)
	_, status := m.Create(address, platform.PageBytes, false)
	expectStatus(t, "Create over memory", status, abi.StatusOverlap)
	expect(t, m, platform.SpaceKernel, address, "first")
}

func spacesAreApart(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 1)
	one, two := newSpace(t, m), newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessPrivate}
	place(t, m, one, v)
	expectStatus(t, "Read in the other space", m.Read(two, address, make([]byte, 1)), abi.StatusRange)
	place(t, m, two, v)
	write(t, m, one, address, "one")
	write(t, m, two, address, "two")
	expect(t, m, one, address, "one")
	expect(t, m, two, address, "two")
	m.Zero(one, address, v.Bytes)
	expect(t, m, two, address, "two")
}

func staleSpace(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 1)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessShared}
	stale := newSpace(t, m)
	place(t, m, stale, v)
	m.FreeSpace(stale)
	fresh := newSpace(t, m)
	if fresh == stale {
		t.Fatal("the number of a space that is gone names another")
	}
	expectStatus(t, "Read in a new space", m.Read(fresh, address, make([]byte, 1)), abi.StatusRange)
	place(t, m, fresh, v)
	write(t, m, fresh, address, "kept")
	expectStatus(t, "Place in a stale space", m.Place(stale, v), abi.StatusBadArgument)
	expectStatus(t, "Read in a stale space", m.Read(stale, address, make([]byte, 1)), abi.StatusBadArgument)
	m.Zero(stale, address, v.Bytes)
	m.Remove(stale, address, v.Bytes)
	m.FreeSpace(stale)
	m.FreeSpace(platform.SpaceKernel)
	expect(t, m, fresh, address, "kept")
	expect(t, m, platform.SpaceKernel, address, "kept")
}

func destroyedMemory(t *testing.T, m platform.Machine) {
	b, address := create(t, m, 0, 2)
	write(t, m, platform.SpaceKernel, address, "old")
	m.Destroy(b, address, 2*platform.PageBytes)
	expectStatus(t, "Read of destroyed memory", m.Read(platform.SpaceKernel, address, make([]byte, 1)), abi.StatusRange)
	again, _ := create(t, m, 0, 2)
	if again == b {
		t.Fatal("the number of a backing that is gone names another")
	}
	expect(t, m, platform.SpaceKernel, address, "")
	s := newSpace(t, m)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessShared}
	expectStatus(t, "Place of destroyed memory", m.Place(s, v), abi.StatusBadArgument)
}

func pinsAreCounted(t *testing.T, m platform.Machine) {
	_, address := create(t, m, 0, 4)
	expectStatus(t, "Pin", m.Pin(address, 2*platform.PageBytes), abi.StatusOK)
	expectStatus(t, "Pin of more", m.Pin(address+platform.PageBytes, 3*platform.PageBytes), abi.StatusOK)
	m.Unpin(address, platform.PageBytes)
	m.Unpin(address, platform.PageBytes)
	m.Unpin(address, 4*platform.PageBytes)
	expectStatus(t, "Pin again", m.Pin(address, 4*platform.PageBytes), abi.StatusOK)
	write(t, m, platform.SpaceKernel, address, "pinned")
	expect(t, m, platform.SpaceKernel, address, "pinned")
	m.Unpin(address, 4*platform.PageBytes)
}

func largeMemory(t *testing.T, m platform.Machine) {
	arena, _ := m.Arena()
	b, status := m.Create(arena, 2*platform.LargePageBytes, true)
	expectStatus(t, "Create of large pages", status, abi.StatusOK)
	expect(t, m, platform.SpaceKernel, arena, "")
	s := newSpace(t, m)
	// A window of large memory need not be a large page.
	at := arena + platform.LargePageBytes - platform.PageBytes
	place(t, m, s, platform.View{
		Backing: b, Address: at, Offset: at - arena, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate,
	})
	write(t, m, platform.SpaceKernel, at+platform.PageBytes-2, "seam")
	expect(t, m, s, at+platform.PageBytes-2, "seam")
	write(t, m, s, at, "own")
	expectDirtied(t, m, s, platform.View{Address: at, Bytes: 2 * platform.PageBytes}, 1)
	expect(t, m, platform.SpaceKernel, at, "")
}
