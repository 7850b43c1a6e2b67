package capability

import (
	"strconv"
	"testing"

	"phios/abi"
)

type noRelax struct{}

func (noRelax) Relax() {}

func BenchmarkLookup(b *testing.B) {
	t := New(noRelax{}, Limits{Nodes: 64, Objects: 8, Spaces: 8, Generations: 1 << 30})
	s, _ := t.NewSpace(1, 16)
	o, _ := t.NewObject(abi.ObjectEndpoint, nil)
	h, _ := t.Original(s, o, Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
	var r Ref
	for b.Loop() {
		if status := s.LookupInto(&r, h, abi.RightSend); status != abi.StatusOK {
			b.Fatal(status)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	t := New(noRelax{}, Limits{Nodes: 64, Objects: 8, Spaces: 8, Generations: 1 << 30})
	s, _ := t.NewSpace(1, 16)
	o, _ := t.NewObject(abi.ObjectEndpoint, nil)
	h, _ := t.Original(s, o, Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
	r, _ := s.Lookup(h, abi.RightSend)
	for b.Loop() {
		r.Enter()
		r.Leave()
	}
}

// BenchmarkWalk is what a check would cost if it walked the chain every time:
// it does so once after each revocation on the object.
func BenchmarkWalk(b *testing.B) {
	for _, depth := range []int{1, DepthMax} {
		b.Run(strconv.Itoa(depth), func(b *testing.B) {
			t := New(noRelax{}, Limits{Nodes: 64, Objects: 8, Spaces: 8, Generations: 1 << 30})
			s, _ := t.NewSpace(1, 64)
			o, _ := t.NewObject(abi.ObjectEndpoint, nil)
			h, _ := t.Original(s, o, Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
			m := abi.Whole(abi.RightsAll)
			for range depth {
				var status abi.Status
				if h, status = t.Derive(s, h, &m, s, nil); status != abi.StatusOK {
					b.Fatal(status)
				}
			}
			r, _ := s.Lookup(h, 0)
			for b.Loop() {
				if !t.whole(r.Node()) {
					b.Fatal("the chain is not whole")
				}
			}
		})
	}
}
