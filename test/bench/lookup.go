package bench

import (
	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/capability"
)

const (
	million        = 1_000_000
	lookupNeed     = abi.RightInvoke | abi.RightSend
	workingSet     = 64
	objectsShare   = 16 // capabilities to each object of the large table
	randomHandles  = 1 << 20
	lookupSeed     = 1
	lookupTargetNS = 5
	// lookupGrowthMax is how much slower a lookup may be in a table of a
	// million, when what is looked up is in the cache as in the small table.
	lookupGrowthMax = 1.5
)

// idle stands for the machine where nobody ever waits.
type idle struct{}

// Relax does nothing.
func (idle) Relax() {}

// capabilities makes a CSpace with n live capabilities and returns it with
// their handles.
func capabilities(n uint32) (*capability.Space, []abi.Handle, abi.Status) {
	objects := max(n/objectsShare, 1)
	tree := capability.New(idle{}, capability.Limits{Nodes: n, Objects: objects, Spaces: 1, Generations: abi.GenerationMax - 1})
	space, status := tree.NewSpace(1, n)
	if status != abi.StatusOK {
		return nil, nil, status
	}
	handles := make([]abi.Handle, 0, n)
	for range objects {
		o, status := tree.NewObject(abi.ObjectEndpoint, nil)
		if status != abi.StatusOK {
			return nil, nil, status
		}
		h, status := tree.Original(space, o, capability.Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
		if status != abi.StatusOK {
			return nil, nil, status
		}
		handles = append(handles, h)
	}
	mint := abi.Whole(lookupNeed | abi.RightDerive)
	for i := 0; len(handles) < int(n); i++ {
		h, status := tree.Derive(space, handles[i%int(objects)], &mint, space, nil)
		if status != abi.StatusOK {
			return nil, nil, status
		}
		handles = append(handles, h)
	}
	return space, handles, abi.StatusOK
}

// lookups goes round the handles, whose number is a power of two.
func lookups(s *capability.Space, handles []abi.Handle) work {
	return func(n int) abi.Status {
		var r capability.Ref
		for i := range n {
			if status := s.LookupInto(&r, handles[i&(len(handles)-1)], lookupNeed); status != abi.StatusOK {
				return status
			}
		}
		return abi.StatusOK
	}
}

// choose picks n of the handles by chance.
func choose(handles []abi.Handle, n int) []abi.Handle {
	source, chosen := prng.New(lookupSeed), make([]abi.Handle, n)
	for i := range chosen {
		chosen[i] = handles[source.Below(uint64(len(handles)))]
	}
	return chosen
}

// lookupRows measures the check that every call begins with.
func lookupRows(m *meter) ([]Row, error) {
	few, fewHandles, status := capabilities(workingSet)
	if status != abi.StatusOK {
		return nil, status
	}
	many, manyHandles, status := capabilities(million)
	if status != abi.StatusOK {
		return nil, status
	}
	small := lookups(few, fewHandles)
	hot := lookups(many, choose(manyHandles, workingSet))
	all, err := m.interleave(small, hot, lookups(many, choose(manyHandles, randomHandles)))
	if err != nil {
		return nil, err
	}
	allocations, err := m.allocations(hot)
	if err != nil {
		return nil, err
	}
	// The target of the large table is a bound on its ratio to the small one.
	growth := all[1].over(all[0])
	return []Row{
		atMost("lookup: handle, rights and epoch, 64 capabilities", all[0].median(), unitNS, lookupTargetNS),
		atMost("lookup: allocations", allocations, unitAllocs, 0),
		inform("lookup: 64 in use out of 10⁶ live capabilities", all[1].median(), unitNS).
			against("64 capabilities", all[0].median(), 1/growth),
		atMost("lookup: the same, over 64 capabilities alone", growth, unitTimes, lookupGrowthMax),
		inform("lookup: uniformly random over 10⁶ (cache misses)", all[2].median(), unitNS),
	}, nil
}
