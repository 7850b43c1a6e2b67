package region

import (
	"math/rand/v2"
	"testing"

	"phios/platform"
)

// TestAddressesModel gives out and takes back 10,000 ranges of random lengths,
// next to a list of those that are out.
func TestAddressesModel(t *testing.T) {
	const rounds = 10_000
	whole := span{fakeBase, 1 << 30}
	a := newAddresses(whole)
	random := rand.New(rand.NewPCG(1, 2))
	var out []span
	full := 0
	for range rounds {
		if len(out) > 0 && random.IntN(5) < 2 {
			i := random.IntN(len(out))
			a.rest(out[i])
			out[i] = out[len(out)-1]
			out = out[:len(out)-1]
			continue
		}
		pages := 1 + random.Uint64N(1<<random.IntN(12))
		s := span{bytes: pages * platform.PageBytes}
		align := alignment(s.bytes)
		var found bool
		if s.address, found = a.take(s.bytes, align); !found {
			full++
			i := random.IntN(len(out))
			a.rest(out[i])
			out = append(out[:i], out[i+1:]...)
			continue
		}
		checkRange(t, whole, out, s, align)
		out = append(out, s)
		checkSums(t, &a, whole, out)
	}
	if full == 0 {
		t.Error("the arena was never full: the test tests less than it should")
	}
	for _, s := range out {
		a.rest(s)
	}
	for a.count > 0 {
		a.wake()
	}
	if len(a.free) != 1 || a.free[0] != whole {
		t.Errorf("in the end %d free spans, want the whole arena in one", len(a.free))
	}
}

// checkRange fails the test when s is not aligned, inside, and apart from all
// that is out.
func checkRange(t *testing.T, whole span, out []span, s span, align uint64) {
	t.Helper()
	if s.address%align != 0 {
		t.Fatalf("%x is not aligned to %x", s.address, align)
	}
	if s.address < whole.address || s.address+s.bytes > whole.address+whole.bytes {
		t.Fatalf("%x is outside the arena", s.address)
	}
	for _, o := range out {
		if s.address < o.address+o.bytes && o.address < s.address+s.bytes {
			t.Fatalf("%x overlaps %x", s.address, o.address)
		}
	}
}

// checkSums fails the test when an address is lost or given twice, or when
// neighbours are not joined.
func checkSums(t *testing.T, a *addresses, whole span, out []span) {
	t.Helper()
	free, resting := a.sums()
	total := free + resting
	for _, o := range out {
		total += o.bytes
	}
	if total != whole.bytes {
		t.Fatalf("%d bytes of addresses in all, want %d", total, whole.bytes)
	}
	for i := 1; i < len(a.free); i++ {
		if before := a.free[i-1]; before.address+before.bytes >= a.free[i].address {
			t.Fatalf("free spans %d and %d touch", i-1, i)
		}
	}
}

// TestAddressesRest checks that what came back is given again last, and what
// came back first before what came back later.
func TestAddressesRest(t *testing.T) {
	const page = platform.PageBytes
	a := newAddresses(span{fakeBase, 4 * page})
	for i := range uint64(3) {
		if at, _ := a.take(page, page); at != fakeBase+i*page {
			t.Fatalf("first fit: page %d at %x", i, at)
		}
	}
	a.rest(span{fakeBase + 2*page, page})
	a.rest(span{fakeBase, page})
	for i, want := range []uint64{3, 2, 0} {
		if at, found := a.take(page, page); !found || at != fakeBase+want*page {
			t.Errorf("take %d: %x, want page %d", i, at, want)
		}
	}
	if _, found := a.take(page, page); found {
		t.Error("took more than there is")
	}
}

// TestAddressesJoined checks that resting neighbours are joined to fit a
// longer range.
func TestAddressesJoined(t *testing.T) {
	const page = platform.PageBytes
	a := newAddresses(span{fakeBase, 4 * page})
	for range 4 {
		a.take(page, page)
	}
	for _, i := range []uint64{3, 1, 0, 2} {
		a.rest(span{fakeBase + i*page, page})
	}
	if at, found := a.take(4*page, page); !found || at != fakeBase {
		t.Errorf("four joined pages: %x, %v", at, found)
	}
}

// TestAddressesQueueFull checks that the oldest of a full queue becomes free.
func TestAddressesQueueFull(t *testing.T) {
	const page = platform.PageBytes
	a := newAddresses(span{fakeBase, (restingMax + 1) * page})
	for range restingMax + 1 {
		a.take(page, page)
	}
	for i := range uint64(restingMax + 1) {
		a.rest(span{fakeBase + i*page, page})
	}
	if a.count != restingMax || len(a.free) != 1 || a.free[0] != (span{fakeBase, page}) {
		t.Errorf("%d resting, free %v", a.count, a.free)
	}
}

func TestAddressesAligned(t *testing.T) {
	const large = platform.LargePageBytes
	a := newAddresses(span{fakeBase, 8 * large})
	if at, _ := a.take(platform.PageBytes, platform.PageBytes); at != fakeBase {
		t.Fatalf("a page at %x", at)
	}
	if at, found := a.take(7*large, large); !found || at != fakeBase+large {
		t.Errorf("large at %x, %v", at, found)
	}
	// The gap before it is not lost.
	if at, found := a.take(large-platform.PageBytes, platform.PageBytes); !found || at != fakeBase+platform.PageBytes {
		t.Errorf("the gap at %x, %v", at, found)
	}
	if len(a.free) != 0 {
		t.Errorf("free: %v", a.free)
	}
	if empty := newAddresses(span{fakeBase, 0}); len(empty.free) != 0 {
		t.Error("an empty arena has a free span")
	}
}
