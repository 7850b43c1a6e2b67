package region

import (
	"testing"

	"phios/abi"
	"phios/platform"
)

// still is a memory that does nothing, so that what is measured is the
// kernel's own work.
type still struct{}

func (still) Adopt(platform.Backing, uint64, uint64) abi.Status          { return abi.StatusOK }
func (still) LargePages(platform.Backing) bool                           { return false }
func (still) Arena() (base, bytes uint64)                                { return fakeBase, 1 << 40 }
func (still) NewSpace() (platform.Space, abi.Status)                     { return 1, abi.StatusOK }
func (still) FreeSpace(platform.Space)                                   {}
func (still) Create(uint64, uint64, bool) (platform.Backing, abi.Status) { return 1, abi.StatusOK }
func (still) Destroy(platform.Backing, uint64, uint64)                   {}
func (still) Place(platform.Space, platform.View) abi.Status             { return abi.StatusOK }
func (still) Remove(platform.Space, uint64, uint64)                      {}
func (still) Zero(platform.Space, uint64, uint64)                        {}
func (still) Dirtied(platform.Space, uint64, uint64) uint64              { return 1 }
func (still) Pin(uint64, uint64) abi.Status                              { return abi.StatusOK }
func (still) Unpin(uint64, uint64)                                       {}
func (still) Read(platform.Space, uint64, []byte) abi.Status             { return abi.StatusOK }
func (still) Write(platform.Space, uint64, []byte) abi.Status            { return abi.StatusOK }

// lease is a capability in little.
type lease struct{ live bool }

func (l *lease) current() bool { return l.live }

// TestAllocs checks the paths of a handover and of what follows it.
func TestAllocs(t *testing.T) {
	r := create(t, NewArena(still{}, 1), 4*page)
	s := platform.Space(1)
	place(t, r, Mapping{Space: s + 1, Bytes: page, Access: platform.AccessPrivate})
	m := Mapping{Space: s, Bytes: page, Access: platform.AccessPrivate, Dead: func(uint64) bool { return false }}
	buffer := make([]byte, 64)
	alive := &lease{true}
	if n := testing.AllocsPerRun(100, func() {
		r.Retain()
		_ = r.Write(Window{Bytes: page, Live: alive.current}, 8, buffer)
		_ = r.Read(Window{Bytes: page}, 8, buffer)
		address, _ := r.Map(m)
		r.Settle(nobody)
		_, _ = r.Unmap(s, address)
		_ = r.Pin(1)
		_ = r.Unpin(1)
		r.Release()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// BenchmarkHandover passes a mapped region on: a reference for the receiver,
// the giver's dropped. It costs the same whatever the size.
func BenchmarkHandover(b *testing.B) {
	for _, c := range []struct {
		name  string
		bytes uint64
	}{{"4KiB", 4 << 10}, {"1GiB", 1 << 30}} {
		b.Run(c.name, func(b *testing.B) {
			r := create(b, NewArena(still{}, 1), c.bytes)
			for b.Loop() {
				r.Retain()
				r.Release()
			}
		})
	}
}

func BenchmarkMapUnmap(b *testing.B) {
	for _, c := range []struct {
		name   string
		others int
	}{{"alone", 0}, {"among1000", 1000}} {
		b.Run(c.name, func(b *testing.B) {
			r := create(b, NewArena(still{}, 1), 1<<30)
			for i := range c.others {
				place(b, r, Mapping{Space: platform.Space(2 + i), Bytes: page, Access: platform.AccessShared})
			}
			m := Mapping{Space: 1, Bytes: r.Bytes(), Access: platform.AccessShared}
			for b.Loop() {
				address, _ := r.Map(m)
				_, _ = r.Unmap(1, address)
			}
		})
	}
}

func BenchmarkRead64(b *testing.B) {
	r := create(b, NewArena(still{}, 1), page)
	buffer := make([]byte, 64)
	for b.Loop() {
		_ = r.Read(Window{Bytes: page}, 0, buffer)
	}
}

func BenchmarkCreateDestroy(b *testing.B) {
	a := NewArena(still{}, 1)
	for b.Loop() {
		create(b, a, page).Destroy(nobody)
	}
}

// BenchmarkCreateFragmented creates in an arena of as many gaps as it can
// have, all too short: the longest search there is.
func BenchmarkCreateFragmented(b *testing.B) {
	a := NewArena(still{}, 1)
	var regions []*Region
	for range regionsMax - 1 {
		regions = append(regions, create(b, a, page))
	}
	for i := 0; i < len(regions); i += 2 {
		regions[i].Destroy(nobody)
	}
	for a.addresses.count > 0 {
		a.addresses.wake()
	}
	for b.Loop() {
		create(b, a, 2*page).Destroy(nobody)
	}
}
