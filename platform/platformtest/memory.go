package platformtest

import (
	"bytes"

	"phios/abi"
	"phios/platform"
)

// create makes memory at the n-th page of the arena.
func create(t *trial, page, pages uint64) (platform.Backing, uint64) {
	t.Helper()
	arena, _ := t.m.Arena()
	address := arena + page*platform.PageBytes
	b, status := t.m.Create(address, pages*platform.PageBytes, false)
	if !status.OK() {
		t.Fatalf("Create: %v", status)
	}
	if b == 0 {
		t.Fatal("Create returned no backing")
	}
	return b, address
}

func newSpace(t *trial) platform.Space {
	t.Helper()
	s, status := t.m.NewSpace()
	if !status.OK() {
		t.Fatalf("NewSpace: %v", status)
	}
	if s == platform.SpaceKernel {
		t.Fatal("NewSpace returned the kernel's")
	}
	return s
}

func place(t *trial, s platform.Space, v platform.View) {
	t.Helper()
	if status := t.m.Place(s, v); !status.OK() {
		t.Fatalf("Place %+v: %v", v, status)
	}
}

func write(t *trial, s platform.Space, address uint64, text string) {
	t.Helper()
	if status := t.m.Write(s, address, []byte(text)); !status.OK() {
		t.Fatalf("Write of %q at %#x: %v", text, address, status)
	}
}

// expect checks what is read at an address; a text of zeros is written "".
func expect(t *trial, s platform.Space, address uint64, want string) {
	t.Helper()
	got := make([]byte, max(len(want), 4))
	if status := t.m.Read(s, address, got); !status.OK() {
		t.Fatalf("Read at %#x: %v", address, status)
	}
	if !bytes.Equal(bytes.TrimRight(got, "\x00"), []byte(want)) {
		t.Fatalf("at %#x of space %d: %q, want %q", address, s, got, want)
	}
}

func expectStatus(t *trial, what string, got, want abi.Status) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %s, want %s", what, got.Name(), want.Name())
	}
}

func expectDirtied(t *trial, s platform.Space, v platform.View, want uint64) {
	t.Helper()
	if got := t.m.Dirtied(s, v.Address, v.Bytes); got != want {
		t.Fatalf("%d pages dirtied, want %d", got, want)
	}
}

func newMemory(t *trial) {
	b, address := create(t, 0, 4)
	expect(t, platform.SpaceKernel, address, "")
	expect(t, platform.SpaceKernel, address+3*platform.PageBytes, "")
	s := newSpace(t)
	place(t, s, platform.View{Backing: b, Address: address, Bytes: 4 * platform.PageBytes, Access: platform.AccessShared})
	write(t, s, address+platform.PageBytes-3, "across")
	expect(t, platform.SpaceKernel, address+platform.PageBytes-3, "across")
	write(t, platform.SpaceKernel, address, "back")
	expect(t, s, address, "back")
	expectDirtied(t, s, platform.View{Address: address, Bytes: 4 * platform.PageBytes}, 0)
}

func boundsAreKept(t *trial) {
	b, address := create(t, 2, 2)
	arena, size := t.m.Arena()
	const page = platform.PageBytes
	buffer := make([]byte, 8)
	for _, at := range []uint64{0, arena, arena - 1, address - 1, address + 2*page - 7, address + 2*page, arena + size - 4, arena + size, ^uint64(0) - 3} {
		expectStatus(t, "Read beyond", t.m.Read(platform.SpaceKernel, at, buffer), abi.StatusRange)
		expectStatus(t, "Write beyond", t.m.Write(platform.SpaceKernel, at, buffer), abi.StatusRange)
	}
	expectStatus(t, "Read at the end", t.m.Read(platform.SpaceKernel, address+2*page-8, buffer), abi.StatusOK)
	expectStatus(t, "Read of nothing", t.m.Read(platform.SpaceKernel, arena, nil), abi.StatusOK)
	s := newSpace(t)
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
		expectStatus(t, test.what, t.m.Place(s, test.view), test.want)
		expectStatus(t, "Read after "+test.what, t.m.Read(s, address, buffer), abi.StatusRange)
	}
	_, status := t.m.Create(arena+size-page, 2*page, false)
	expectStatus(t, "Create half outside", status, abi.StatusRange)
	expectStatus(t, "Pin of what is not placed", t.m.Pin(arena, page), abi.StatusRange)
}

func privateView(t *trial) {
	b, address := create(t, 8, 3)
	write(t, platform.SpaceKernel, address, "owner")
	s := newSpace(t)
	v := platform.View{Backing: b, Address: address, Bytes: 3 * platform.PageBytes, Access: platform.AccessPrivate}
	place(t, s, v)
	expect(t, s, address, "owner")
	expectDirtied(t, s, v, 0)
	// A stray write stays with the one who made it.
	write(t, s, address, "stray")
	expect(t, platform.SpaceKernel, address, "owner")
	expect(t, s, address, "stray")
	expectDirtied(t, s, v, 1)
	// Pages that were not written go on showing what the owner writes.
	second := address + platform.PageBytes
	write(t, platform.SpaceKernel, second, "later")
	write(t, platform.SpaceKernel, address, "hidden")
	expect(t, s, second, "later")
	expect(t, s, address, "stray")
	write(t, s, second+platform.PageBytes-1, "ab")
	expectDirtied(t, s, v, 3)
}

func windowShowsOffset(t *trial) {
	b, address := create(t, 0, 8)
	for i := range uint64(8) {
		write(t, platform.SpaceKernel, address+i*platform.PageBytes, "page"+string(rune('0'+i)))
	}
	s := newSpace(t)
	window := address + 3*platform.PageBytes
	place(t, s, platform.View{
		Backing: b, Address: window, Offset: 3 * platform.PageBytes, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate,
	})
	expect(t, s, window, "page3")
	expect(t, s, window+platform.PageBytes, "page4")
	expectStatus(t, "Read past the window", t.m.Read(s, window+2*platform.PageBytes, make([]byte, 1)), abi.StatusRange)
}

func zeroTakesAway(t *trial) {
	for _, access := range []platform.Access{platform.AccessShared, platform.AccessPrivate} {
		b, address := create(t, 16, 2)
		s := newSpace(t)
		v := platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: access}
		place(t, s, v)
		write(t, platform.SpaceKernel, address+platform.PageBytes, "secret")
		write(t, s, address, "mine")
		t.m.Zero(s, address, v.Bytes)
		expect(t, s, address, "")
		expect(t, s, address+platform.PageBytes, "")
		expectDirtied(t, s, v, 0)
		// What is written now goes nowhere.
		write(t, s, address+platform.PageBytes, "nobody")
		expect(t, s, address+platform.PageBytes, "nobody")
		expect(t, platform.SpaceKernel, address+platform.PageBytes, "secret")
		expectDirtied(t, s, v, 1)
		t.m.Zero(s, address, v.Bytes)
		t.m.Remove(s, address, v.Bytes)
		t.m.Destroy(b, address, v.Bytes)
		t.m.FreeSpace(s)
	}
}

func zeroOfPart(t *trial) {
	b, address := create(t, 0, 5)
	s := newSpace(t)
	for i := range uint64(5) {
		write(t, platform.SpaceKernel, address+i*platform.PageBytes, "old")
	}
	// Pages 0, 1 and 3, 4 are placed; zero 1 to 3.
	place(t, s, platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate})
	place(t, s, platform.View{
		Backing: b, Address: address + 3*platform.PageBytes, Offset: 3 * platform.PageBytes,
		Bytes: 2 * platform.PageBytes, Access: platform.AccessShared,
	})
	t.m.Zero(s, address+platform.PageBytes, 3*platform.PageBytes)
	expect(t, s, address, "old")
	expect(t, s, address+platform.PageBytes, "")
	expectStatus(t, "Read of the gap", t.m.Read(s, address+2*platform.PageBytes, make([]byte, 1)), abi.StatusRange)
	expect(t, s, address+3*platform.PageBytes, "")
	expect(t, s, address+4*platform.PageBytes, "old")
}

func removeMakesGap(t *trial) {
	b, address := create(t, 0, 3)
	s := newSpace(t)
	v := platform.View{Backing: b, Address: address, Bytes: 3 * platform.PageBytes, Access: platform.AccessPrivate}
	place(t, s, v)
	write(t, s, address, "x")
	t.m.Remove(s, address+platform.PageBytes, platform.PageBytes)
	whole := make([]byte, 2*platform.PageBytes)
	expectStatus(t, "Read over the gap", t.m.Read(s, address, whole), abi.StatusRange)
	expectStatus(t, "Write over the gap", t.m.Write(s, address, whole), abi.StatusRange)
	expect(t, s, address, "x")
	expect(t, s, address+2*platform.PageBytes, "")
	// The gap can be filled again, and what was dirtied is forgotten.
	t.m.Remove(s, address, v.Bytes)
	place(t, s, v)
	expect(t, s, address, "")
	expectDirtied(t, s, v, 0)
}

func placementsDoNotOverlap(t *trial) {
	b, address := create(t, 4, 4)
	s := newSpace(t)
	v := platform.View{Backing: b, Address: address, Bytes: 2 * platform.PageBytes, Access: platform.AccessShared}
	place(t, s, v)
	write(t, s, address, "first")
	v.Address -= platform.PageBytes
	expectStatus(t, "Place from below", t.m.Place(s, v), abi.StatusOverlap)
	v.Address += 2 * platform.PageBytes
	expectStatus(t, "Place from above", t.m.Place(s, v), abi.StatusOverlap)
	t.m.Zero(s, address, v.Bytes)
	expectStatus(t, "Place over zeros", t.m.Place(s, v), abi.StatusOverlap)
	_, status := t.m.Create(address, platform.PageBytes, false)
	expectStatus(t, "Create over memory", status, abi.StatusOverlap)
	expect(t, platform.SpaceKernel, address, "first")
}

func spacesAreApart(t *trial) {
	b, address := create(t, 0, 1)
	one, two := newSpace(t), newSpace(t)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessPrivate}
	place(t, one, v)
	expectStatus(t, "Read in the other space", t.m.Read(two, address, make([]byte, 1)), abi.StatusRange)
	place(t, two, v)
	write(t, one, address, "one")
	write(t, two, address, "two")
	expect(t, one, address, "one")
	expect(t, two, address, "two")
	t.m.Zero(one, address, v.Bytes)
	expect(t, two, address, "two")
}

func staleSpace(t *trial) {
	b, address := create(t, 0, 1)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessShared}
	stale := newSpace(t)
	place(t, stale, v)
	t.m.FreeSpace(stale)
	fresh := newSpace(t)
	if fresh == stale {
		t.Fatal("the number of a space that is gone names another")
	}
	expectStatus(t, "Read in a new space", t.m.Read(fresh, address, make([]byte, 1)), abi.StatusRange)
	place(t, fresh, v)
	write(t, fresh, address, "kept")
	expectStatus(t, "Place in a stale space", t.m.Place(stale, v), abi.StatusBadArgument)
	expectStatus(t, "Read in a stale space", t.m.Read(stale, address, make([]byte, 1)), abi.StatusBadArgument)
	t.m.Zero(stale, address, v.Bytes)
	t.m.Remove(stale, address, v.Bytes)
	t.m.FreeSpace(stale)
	t.m.FreeSpace(platform.SpaceKernel)
	expect(t, fresh, address, "kept")
	expect(t, platform.SpaceKernel, address, "kept")
}

func destroyedMemory(t *trial) {
	b, address := create(t, 0, 2)
	write(t, platform.SpaceKernel, address, "old")
	t.m.Destroy(b, address, 2*platform.PageBytes)
	expectStatus(t, "Read of destroyed memory", t.m.Read(platform.SpaceKernel, address, make([]byte, 1)), abi.StatusRange)
	again, _ := create(t, 0, 2)
	if again == b {
		t.Fatal("the number of a backing that is gone names another")
	}
	expect(t, platform.SpaceKernel, address, "")
	s := newSpace(t)
	v := platform.View{Backing: b, Address: address, Bytes: platform.PageBytes, Access: platform.AccessShared}
	expectStatus(t, "Place of destroyed memory", t.m.Place(s, v), abi.StatusBadArgument)
}

func pinsAreCounted(t *trial) {
	_, address := create(t, 0, 4)
	expectStatus(t, "Pin", t.m.Pin(address, 2*platform.PageBytes), abi.StatusOK)
	expectStatus(t, "Pin of more", t.m.Pin(address+platform.PageBytes, 3*platform.PageBytes), abi.StatusOK)
	t.m.Unpin(address, platform.PageBytes)
	t.m.Unpin(address, platform.PageBytes)
	t.m.Unpin(address, 4*platform.PageBytes)
	expectStatus(t, "Pin again", t.m.Pin(address, 4*platform.PageBytes), abi.StatusOK)
	write(t, platform.SpaceKernel, address, "pinned")
	expect(t, platform.SpaceKernel, address, "pinned")
	t.m.Unpin(address, 4*platform.PageBytes)
}

func largeMemory(t *trial) {
	arena, _ := t.m.Arena()
	b, status := t.m.Create(arena, 2*platform.LargePageBytes, true)
	expectStatus(t, "Create of large pages", status, abi.StatusOK)
	expect(t, platform.SpaceKernel, arena, "")
	s := newSpace(t)
	// A window of large memory need not be a large page.
	at := arena + platform.LargePageBytes - platform.PageBytes
	place(t, s, platform.View{
		Backing: b, Address: at, Offset: at - arena, Bytes: 2 * platform.PageBytes, Access: platform.AccessPrivate,
	})
	write(t, platform.SpaceKernel, at+platform.PageBytes-2, "seam")
	expect(t, s, at+platform.PageBytes-2, "seam")
	write(t, s, at, "own")
	expectDirtied(t, s, platform.View{Address: at, Bytes: 2 * platform.PageBytes}, 1)
	expect(t, platform.SpaceKernel, at, "")
}
