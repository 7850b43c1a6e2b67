package bench

import (
	"phios/abi"
	"phios/platform"
)

const (
	handoverSmall = 4 << 10
	handoverLarge = 1 << 30
	// handoverGrowthMax is how much more it may cost to hand over the large
	// region than the small one.
	handoverGrowthMax = 1.2
)

// mapped is a region that one task made and another has mapped.
type mapped struct {
	w             *world
	owner, reader task
	own, theirs   abi.Handle // of the region, in each
	post, inbox   abi.Handle // of the endpoint, in each
	window        []byte     // as the reader sees it
	address       uint64     // where the window is, as the kernel names it
	bytes         uint64
	offset        int // of the byte that is written
}

// rightsToRead are what is handed over.
const rightsToRead = abi.RightInvoke | abi.RightRead | abi.RightMap | abi.RightWrite

// newMapped makes the region, and maps it once.
func newMapped(w *world, bytes uint64) *mapped {
	h := &mapped{w: w, owner: w.boot(64), reader: w.boot(64), bytes: bytes}
	h.inbox = w.endpoint(h.reader, 4)
	h.post = w.give(h.reader, h.inbox, h.owner, rightsOfUser)
	h.own = w.region(h.owner, bytes)
	h.theirs = w.give(h.owner, h.own, h.reader, rightsToRead)
	if w.err != nil {
		return h
	}
	args := abi.Args{W: [abi.ArgWords]uint64{0, bytes, abi.RegionShared}}
	h.address = uint64(w.do(h.reader, h.theirs, abi.RegionMap, &args))
	if w.err == nil {
		var status abi.Status
		h.window, status = w.machine.Bytes(h.reader.port.Memory(), h.address, bytes)
		w.failed("look at the window", status)
	}
	return h
}

// hand passes the region on by message: a notice that carries a capability,
// received, a byte written through the window that stands, and the capability
// deleted, so that the next has room.
func (h *mapped) hand(n int) abi.Status {
	send := abi.Args{Message: &abi.Message{Length: 16}}
	receive := abi.Args{Message: &abi.Message{}}
	for range n {
		send.Message.Handles[0], send.Message.HandleCount = h.own, 1
		if status := h.owner.port.Invoke(h.post, abi.EndpointSend, &send); status != abi.StatusOK {
			return status
		}
		if status := h.reader.port.Invoke(h.inbox, abi.EndpointReceive, &receive); status != abi.StatusOK {
			return status
		}
		h.window[h.offset]++
		if status := h.reader.port.Invoke(receive.Message.Handles[0], abi.CapDelete, &receive); status != abi.StatusOK {
			return status
		}
	}
	return abi.StatusOK
}

// remap takes the window away and makes it anew, without touching it.
func (h *mapped) remap(n int) abi.Status {
	for range n {
		args := abi.Args{W: [abi.ArgWords]uint64{0, h.bytes, abi.RegionShared}}
		if status := h.reader.port.Invoke(h.theirs, abi.RegionMap, &args); status != abi.StatusOK {
			return status
		}
		if status := h.reader.port.Invoke(h.theirs, abi.RegionUnmap, &args); status != abi.StatusOK {
			return status
		}
	}
	return abi.StatusOK
}

// handoverRows measures what it costs to let another task have a region of
// 4 KiB and of 1 GiB, and the mapping that is made once before.
func handoverRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	small, large := newMapped(w, handoverSmall), newMapped(w, handoverLarge)
	if w.err != nil {
		return nil, w.err
	}
	large.offset = handoverLarge - platform.PageBytes
	hands, err := m.interleave(small.hand, large.hand)
	if err != nil {
		return nil, err
	}
	for _, h := range []*mapped{small, large} {
		w.do(h.reader, h.theirs, abi.RegionUnmap, &abi.Args{W: [abi.ArgWords]uint64{h.address}})
	}
	if w.err != nil {
		return nil, w.err
	}
	maps, err := m.interleave(small.remap, large.remap)
	if err != nil {
		return nil, err
	}
	growth := hands[1].over(hands[0])
	return []Row{
		inform("handover: a mapped region of 4 KiB, by message", hands[0].median(), unitNS),
		inform("handover: a mapped region of 1 GiB, by message", hands[1].median(), unitNS).
			against("4 KiB", hands[0].median(), 1/growth),
		atMost("handover: 1 GiB over 4 KiB", growth, unitTimes, handoverGrowthMax),
		inform("handover: map and unmap 4 KiB, once before", maps[0].median(), unitNS),
		inform("handover: map and unmap 1 GiB, once before", maps[1].median(), unitNS),
	}, nil
}
