package capability

import (
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
