package region

import (
	"sync"

	"phios/abi"
	"phios/platform"
)

const (
	fakeBase  = 0x1000_0000_0000
	fakeBytes = 1 << 32
)

// fake is a memory as one would write it without thought for time: a list of
// placements, and a map of pages. Unlike platform/sim it may be used by many
// threads at once, counts the calls that it is given, and fails when told. It
// stops the test at whatever a real machine would not survive.
type fake struct {
	mu       sync.Mutex
	spaces   platform.Space
	backings platform.Backing
	views    []fakeView
	pages    map[fakePage]*[platform.PageBytes]byte
	pinned   map[uint64]bool
	large    map[uint64]bool // by address: whether large pages were asked for
	fail     abi.Status      // when not OK, what the next calls that can fail answer
}

// fakeView is a placement; without a backing it is zero pages.
type fakeView struct {
	platform.View
	space platform.Space
}

// fakePage names a page: one of a backing, by offset, or a private copy of a
// space, by address.
type fakePage struct {
	backing platform.Backing
	space   platform.Space
	at      uint64
}

func newFake() *fake {
	return &fake{
		pages: map[fakePage]*[platform.PageBytes]byte{}, pinned: map[uint64]bool{}, large: map[uint64]bool{},
	}
}

func must(held bool, text string) {
	if !held {
		panic("fake: " + text)
	}
}

func (f *fake) Arena() (base, bytes uint64) { return fakeBase, fakeBytes }

func (f *fake) NewSpace() (platform.Space, abi.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spaces++
	return f.spaces, abi.StatusOK
}

func (f *fake) FreeSpace(platform.Space) {}

func (f *fake) LargePages(platform.Backing) bool { return false }

func (f *fake) Create(address, bytes uint64, large bool) (platform.Backing, abi.Status) {
	f.mu.Lock()
	f.backings++
	b := f.backings
	f.large[address] = large
	f.mu.Unlock()
	status := f.Place(platform.SpaceKernel, platform.View{
		Backing: b, Address: address, Bytes: bytes, Access: platform.AccessShared,
	})
	return b, status
}

func (f *fake) Adopt(b platform.Backing, address, bytes uint64) abi.Status {
	return f.Place(platform.SpaceKernel, platform.View{
		Backing: b, Address: address, Bytes: bytes, Access: platform.AccessPrivate,
	})
}

func (f *fake) Destroy(b platform.Backing, address, bytes uint64) {
	f.Remove(platform.SpaceKernel, address, bytes)
	f.mu.Lock()
	defer f.mu.Unlock()
	must(!f.pinned[address], "destroyed while pinned")
	for _, v := range f.views {
		must(v.Backing != b, "destroyed while placed")
	}
	for p := range f.pages {
		if p.backing == b {
			delete(f.pages, p)
		}
	}
}

func (f *fake) Place(s platform.Space, v platform.View) abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != abi.StatusOK {
		return f.fail
	}
	must((v.Address|v.Offset|v.Bytes)%platform.PageBytes == 0, "placed in pieces of pages")
	must(v.Address >= fakeBase && v.Address+v.Bytes <= fakeBase+fakeBytes, "placed outside the arena")
	for _, w := range f.views {
		apart := w.space != s || w.Address+w.Bytes <= v.Address || v.Address+v.Bytes <= w.Address
		must(apart, "placed over another")
	}
	f.views = append(f.views, fakeView{v, s})
	return abi.StatusOK
}

// find returns the index of the placement that is exactly at address.
func (f *fake) find(s platform.Space, address, bytes uint64) int {
	for i, v := range f.views {
		if v.space == s && v.Address == address && v.Bytes == bytes {
			return i
		}
	}
	panic("fake: nothing is placed there")
}

// forget drops the private copies of a placement.
func (f *fake) forget(s platform.Space, address, bytes uint64) {
	for at := address; at < address+bytes && len(f.pages) > 0; at += platform.PageBytes {
		delete(f.pages, fakePage{space: s, at: at})
	}
}

func (f *fake) Remove(s platform.Space, address, bytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(s, address, bytes)
	f.views = append(f.views[:i], f.views[i+1:]...)
	f.forget(s, address, bytes)
}

func (f *fake) Zero(s platform.Space, address, bytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := &f.views[f.find(s, address, bytes)]
	v.Backing, v.Access = 0, platform.AccessPrivate
	f.forget(s, address, bytes)
}

func (f *fake) Dirtied(s platform.Space, address, bytes uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.find(s, address, bytes)
	dirtied := uint64(0)
	for at := address; at < address+bytes; at += platform.PageBytes {
		if f.pages[fakePage{space: s, at: at}] != nil {
			dirtied++
		}
	}
	return dirtied
}

func (f *fake) Pin(address, _ uint64) abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	must(!f.pinned[address], "pinned twice")
	f.pinned[address] = f.fail == abi.StatusOK
	return f.fail
}

func (f *fake) Unpin(address, _ uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	must(f.pinned[address], "unpinned but not pinned")
	f.pinned[address] = false
}

// reach returns the page that address is in: its name where it is read, and
// its name where it is written.
func (f *fake) reach(s platform.Space, address uint64) (read, write fakePage) {
	for _, v := range f.views {
		if v.space != s || address < v.Address || address >= v.Address+v.Bytes {
			continue
		}
		at := address &^ (platform.PageBytes - 1)
		read = fakePage{backing: v.Backing, at: at - v.Address + v.Offset}
		own := fakePage{space: s, at: at}
		switch {
		case v.Access == platform.AccessShared:
			return read, read
		case f.pages[own] != nil:
			return own, own
		}
		return read, own
	}
	panic("fake: fault")
}

func (f *fake) Read(s platform.Space, address uint64, to []byte) abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(to) > 0 {
		read, _ := f.reach(s, address)
		from := f.pages[read]
		if from == nil {
			from = new([platform.PageBytes]byte)
		}
		n := copy(to, from[address%platform.PageBytes:])
		to, address = to[n:], address+uint64(n)
	}
	return abi.StatusOK
}

func (f *fake) Write(s platform.Space, address uint64, from []byte) abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(from) > 0 {
		read, write := f.reach(s, address)
		if f.pages[write] == nil {
			fresh := new([platform.PageBytes]byte)
			if old := f.pages[read]; old != nil {
				*fresh = *old
			}
			f.pages[write] = fresh
		}
		n := copy(f.pages[write][address%platform.PageBytes:], from)
		from, address = from[n:], address+uint64(n)
	}
	return abi.StatusOK
}
