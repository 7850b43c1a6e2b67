package region

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"phios/abi"
	"phios/platform"
)

// TestHammerRegion lets many threads map, unmap, read and write one region
// while another revokes, and checks after every revocation that no mapping of
// a dead key shows the region.
func TestHammerRegion(t *testing.T) {
	const threads, rounds, pages = 6, 1500, 8
	f := newFake()
	a := NewArena(f, 1)
	r := create(t, a, pages*page)
	var epoch atomic.Uint64 // keys below it are dead
	dead := func(key uint64) bool { return key < epoch.Load() }
	var group sync.WaitGroup
	for i := range uint64(threads) {
		s := newSpace(t, f)
		group.Go(func() {
			random := rand.New(rand.NewPCG(i, 3))
			buffer := make([]byte, 16)
			for range rounds {
				m := Mapping{
					Space: s, Offset: random.Uint64N(pages) * page, Bytes: page,
					Access: platform.AccessShared + platform.Access(random.IntN(2)),
					Key:    epoch.Load(), Owner: i, Dead: dead,
				}
				address, status := r.Map(m)
				if status != abi.StatusOK && status != abi.StatusOverlap && status != abi.StatusRevoked {
					t.Errorf("map: %v", status)
				}
				if status != abi.StatusOK {
					address = r.Address() + random.Uint64N(pages)*page
				}
				_ = r.Write(Window{Bytes: page}, random.Uint64N(page), buffer)
				_ = r.Read(Window{Bytes: page}, random.Uint64N(page), buffer)
				if random.IntN(3) == 0 {
					_, _ = r.Unmap(s, address)
				}
				if random.IntN(64) == 0 {
					r.UnmapSpace(s, nobody)
				}
				r.Retain()
				r.Release()
			}
		})
	}
	group.Go(func() {
		for range rounds / 4 {
			now := epoch.Add(1)
			r.ZeroWhere(dead)
			checkDead(t, r, now)
			r.Settle(nobody)
		}
	})
	group.Wait()
	r.Destroy(nobody)
	if u := a.Usage(); u.Regions != 0 || u.Used != 0 || len(f.views) != 0 {
		t.Errorf("left: %+v, %d placements", u, len(f.views))
	}
}

// checkDead fails the test when a mapping of a dead key is not zero pages.
func checkDead(t *testing.T, r *Region, epoch uint64) {
	t.Helper()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, p := range r.placed {
		if p.key < epoch && !p.dead {
			t.Errorf("key %d lives at epoch %d", p.key, epoch)
		}
	}
}

// TestHammerArena creates and destroys in many threads; the fake stops the
// test when two regions overlap.
func TestHammerArena(t *testing.T) {
	const threads, rounds = 6, 500
	f := newFake()
	a := NewArena(f, 1)
	var group sync.WaitGroup
	for i := range uint64(threads) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(i, 4))
			var held []*Region
			for range rounds {
				if len(held) > 8 || len(held) > 0 && random.IntN(2) == 0 {
					held[0].Destroy(nobody)
					held = held[1:]
					continue
				}
				if r, status := a.Create(1 + random.Uint64N(3*platform.LargePageBytes)); status == abi.StatusOK {
					held = append(held, r)
				}
			}
			for _, r := range held {
				r.Destroy(nil)
			}
		})
	}
	group.Wait()
	for a.addresses.count > 0 {
		a.addresses.wake()
	}
	if u := a.Usage(); u.Regions != 0 || u.Spans != 1 || u.Free != fakeBytes {
		t.Errorf("left: %+v", u)
	}
}
