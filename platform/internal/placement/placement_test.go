package placement

import (
	"testing"

	"phios/internal/prng"
	"phios/platform"
)

const pages = 64

// model is one entry a page: which view of which backing shows there.
type model [pages]struct {
	backing platform.Backing
	offset  uint64
	placed  bool
}

// TestTableAgainstPages drives the table and a naive array of pages through
// the same random operations and compares every page after each.
func TestTableAgainstPages(t *testing.T) {
	for seed := range uint64(200) {
		random := prng.New(seed)
		var table Table
		var want model
		for range 200 {
			at := random.Below(pages)
			n := 1 + random.Below(pages-at)
			switch random.Below(4) {
			case 0, 1:
				v := platform.View{Backing: platform.Backing(1 + random.Below(3)), Address: at, Bytes: n, Offset: random.Below(100)}
				if got := table.Insert(v); got != want.insert(v) {
					t.Fatalf("seed %d: Insert(%+v) = %v", seed, v, got)
				}
			case 2:
				table.Cut(at, n)
				for i := at; i < at+n; i++ {
					want[i].placed = false
				}
			default:
				table.Zero(at, n)
				for i := at; i < at+n; i++ {
					want[i].backing = 0
				}
			}
			compare(t, seed, &table, &want)
		}
	}
}

func (m *model) insert(v platform.View) bool {
	for i := v.Address; i < v.Address+v.Bytes; i++ {
		if m[i].placed {
			return false
		}
	}
	for i := range v.Bytes {
		m[v.Address+i].placed = true
		m[v.Address+i].backing = v.Backing
		m[v.Address+i].offset = v.Offset + i
	}
	return true
}

func compare(t *testing.T, seed uint64, table *Table, want *model) {
	t.Helper()
	run := uint64(0)
	for i := pages - 1; i >= 0; i-- {
		page := want[i]
		v, placed := table.Next(uint64(i), 1)
		if placed != page.placed || placed && v.Backing != page.backing {
			t.Fatalf("seed %d: page %d: got %+v %v, want %+v", seed, i, v, placed, page)
		}
		if placed && v.Backing != 0 && v.Offset != page.offset {
			t.Fatalf("seed %d: page %d: offset %d, want %d", seed, i, v.Offset, page.offset)
		}
		if run++; !placed {
			run = 0
		}
		if run > 0 && !table.Covers(uint64(i), run) {
			t.Fatalf("seed %d: %d pages from %d are placed and not covered", seed, run, i)
		}
		if table.Covers(uint64(i), run+1) && uint64(i)+run < pages {
			t.Fatalf("seed %d: %d pages from %d are not all placed and yet covered", seed, run+1, i)
		}
	}
	for i := range table.views {
		table.check(i)
	}
}

// TestZeroMerges keeps the number of views, which the host has to bound, from
// growing when neighbours are revoked one by one.
func TestZeroMerges(t *testing.T) {
	var table Table
	for i := range uint64(10) {
		table.Insert(platform.View{Backing: 1, Address: i, Bytes: 1})
	}
	for _, i := range []uint64{0, 2, 4, 1, 3, 9, 8, 5, 7, 6} {
		table.Zero(i, 1)
	}
	if table.Len() != 1 || table.Uses(1) != 0 || table.Uses(0) != 1 {
		t.Fatalf("ten revoked neighbours are %d views", table.Len())
	}
}
