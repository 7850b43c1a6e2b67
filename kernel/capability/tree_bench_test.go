package capability

import (
	"testing"
	"time"

	"phios/abi"
	"phios/internal/prng"
)

const million = 1 << 20

// bigTree is a tree with a million live capabilities, in spaces of 64 Ki slots.
func bigTree(b *testing.B) (*grove, []*Space, []abi.Handle) {
	b.Helper()
	g := newGrove(b, func(l *Limits) { l.Nodes, l.Spaces = million+64, 64 })
	first := g.space(4)
	_, h := g.object(first)
	var spaces []*Space
	var handles []abi.Handle
	m := all()
	for range million >> 16 {
		s := g.space(1 << 16)
		spaces = append(spaces, s)
		for range 1 << 16 {
			c, status := g.Derive(first, h, &m, s, nil)
			if status != abi.StatusOK {
				b.Fatal(status)
			}
			handles = append(handles, c)
		}
	}
	return g, append(spaces, first), append(handles, h)
}

// BenchmarkLookupMillion looks up one capability, a few, and any, of a million.
func BenchmarkLookupMillion(b *testing.B) {
	_, spaces, handles := bigTree(b)
	for name, hot := range map[string]uint64{"one": 1, "hot thousand": 1000, "random": million} {
		b.Run(name, func(b *testing.B) {
			random := prng.New(1)
			picks := make([]uint32, 1<<14)
			for i := range picks {
				picks[i] = uint32(random.Below(hot))
			}
			var r Ref
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				n := picks[i&(1<<14-1)]
				if spaces[n>>16].LookupInto(&r, handles[n], abi.RightSend) != abi.StatusOK {
					b.Fatal("lookup")
				}
			}
		})
	}
}

// BenchmarkRevokeMillion revokes a million capabilities once, which is the
// first figure, and measures slices of the reclamation behind, which is the
// other.
func BenchmarkRevokeMillion(b *testing.B) {
	g, spaces, handles := bigTree(b)
	first, top := spaces[len(spaces)-1], handles[len(handles)-1]
	start := time.Now()
	if g.Revoke(first, top) != abi.StatusOK {
		b.Fatal("revoke")
	}
	took := time.Since(start)
	for b.Loop() {
		g.Reclaim(128)
	}
	b.ReportMetric(float64(took.Nanoseconds()), "ns/revoke")
}
