package hammer

import (
	"sync"
	"sync/atomic"
	"testing"

	"phios/abi"
	"phios/kernel/gate"
)

// TestRevokedWhileReading lets a thread read a mapping without pause while its
// capability is revoked: it sees the region's bytes or zeros and never faults,
// and after the revocation has returned it sees zeros only.
func TestRevokedWhileReading(t *testing.T) {
	const rounds = 200
	a := newArena(t, false)
	defer a.machine.Close()
	owner, budget, status := a.kernel.BootTask(64, abi.Amounts{64 << 20, 1024})
	a.must(status)
	reader, _, status := a.kernel.BootTask(64, abi.Amounts{1 << 20, 1024})
	a.must(status)
	args := abi.Args{W: [6]uint64{4096}}
	a.must(owner.Invoke(budget, abi.RegionCreate, &args))
	region, address := abi.Handle(args.W[0]), args.W[1]
	a.must(owner.Invoke(region, abi.RegionWrite, &abi.Args{Bytes: []byte("secret")}))
	rights := abi.Whole(abi.RightInvoke | abi.RightMap | abi.RightRead | abi.RightWrite)
	keep, status := a.kernel.BootGrant(owner, region, reader, &rights) // by which windows of the dead are unmapped
	a.must(status)
	for i := range rounds {
		middle := abi.Whole(abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify))
		args = abi.Args{Mint: &middle}
		a.must(owner.Invoke(region, abi.CapMint, &args))
		shared := abi.Handle(args.W[0])
		given, status := a.kernel.BootGrant(owner, shared, reader, &rights)
		a.must(status)
		a.must(reader.Invoke(given, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, uint64(1 + i%2)}}))
		a.readOn(reader, address, func() { a.must(owner.Invoke(shared, abi.CapRevoke, &abi.Args{})) })
		if status := reader.Invoke(given, abi.RegionRead, &abi.Args{Bytes: make([]byte, 1)}); status != abi.StatusRevoked {
			t.Fatalf("read: %v", status)
		}
		a.must(reader.Invoke(keep, abi.RegionUnmap, &abi.Args{W: [6]uint64{address}}))
		a.must(owner.Invoke(shared, abi.CapDelete, &abi.Args{}))
	}
	owner.Done(0)
	reader.Done(0)
}

// readOn reads while revoke runs, and once more after.
func (a *arena) readOn(p *gate.Port, address uint64, revoke func()) {
	var revoked atomic.Bool
	var group sync.WaitGroup
	started := make(chan struct{}) // closed by the reader
	space := p.Memory()
	group.Go(func() {
		for first := true; ; first = false {
			after := revoked.Load()
			b := make([]byte, 6)
			a.must(a.machine.Read(space, address, b))
			if got := string(b); got != "secret" && got != "\x00\x00\x00\x00\x00\x00" || after && b[0] != 0 {
				a.t.Errorf("saw %q, revoked %v", got, after)
			}
			if first {
				close(started)
			}
			if after {
				return
			}
		}
	})
	<-started
	revoke()
	revoked.Store(true)
	group.Wait()
}
