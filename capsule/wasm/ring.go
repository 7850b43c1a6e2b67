package wasm

import (
	"time"

	"phios/abi"
	"phios/platform/host/ring"
)

const (
	// ringsMax is the number of ring ends that a program has.
	ringsMax = 16
	// turnNS is how long a program waits at a ring before the engine looks
	// whether it is to end.
	turnNS = int64(100 * time.Millisecond)
	// ringWaitNSMax bounds one wait at a ring.
	ringWaitNSMax = int64(time.Second)
)

// ringEnd is one end of a ring that lies in a window of the program's memory.
// The engine keeps the position, as the ring's protocol wants: a program that
// spoils the words in the window spoils its own ring.
type ringEnd struct {
	at       uint64
	geometry ring.Geometry
	call     abi.Call
	producer *ring.Producer
	consumer *ring.Consumer
}

// ring sends or receives one message. It waits for at most a second, and the
// program calls again.
func (i *Instance) ring(c abi.Call, a *abi.Args) abi.Status {
	end, status := i.ringAt(c, a.W[0], a.W[1], a.W[2])
	if status != abi.StatusOK {
		return status
	}
	deadline := int64(min(a.W[3], uint64(ringWaitNSMax)))
	for {
		turn := time.Duration(min(deadline, turnNS))
		if c == abi.SessionRingSend {
			status = end.producer.Send(a.Bytes, turn)
		} else {
			status = end.consumer.Receive(a.Bytes, turn)
		}
		deadline -= int64(turn)
		if status != abi.StatusTimeout || deadline <= 0 {
			return status
		}
		if i.stopping.Load() || !i.door.Alive() {
			return abi.StatusKilled
		}
		if _, ok := i.linear.Shared(end.at, uint64(end.geometry.Bytes())); !ok { //nolint:gosec // G115: not negative
			return abi.StatusRevoked
		}
	}
}

// ringAt finds the end of a ring, or makes it when it is used for the first
// time. StatusRange for what is in no shared window.
func (i *Instance) ringAt(c abi.Call, at, message, slots uint64) (*ringEnd, abi.Status) {
	g := ring.Geometry{MessageBytes: int(min(message, ring.MessageBytesMax+1)), Slots: int(min(slots, ring.SlotsMax+1))}
	if message == 0 || slots == 0 || message > ring.MessageBytesMax || slots > ring.SlotsMax {
		return nil, abi.StatusBadArgument
	}
	memory, ok := i.linear.Shared(at, uint64(g.Bytes())) //nolint:gosec // G115: not negative
	if !ok {
		i.dropRings(at)
		return nil, abi.StatusRange
	}
	for n := range i.rings {
		if e := &i.rings[n]; e.at == at && e.call == c && e.geometry == g {
			return e, abi.StatusOK
		}
	}
	if len(i.rings) == ringsMax {
		return nil, abi.StatusLimit
	}
	e := ringEnd{at: at, geometry: g, call: c}
	var err error
	if c == abi.SessionRingSend {
		e.producer, err = ring.NewProducer(memory, g)
	} else {
		e.consumer, err = ring.NewConsumer(memory, g)
	}
	if err != nil {
		return nil, abi.StatusBadArgument
	}
	i.rings = append(i.rings, e)
	return &i.rings[len(i.rings)-1], abi.StatusOK
}

// dropRings forgets the ends at a place whose window has gone.
func (i *Instance) dropRings(at uint64) {
	kept := i.rings[:0]
	for _, e := range i.rings {
		if e.at != at {
			kept = append(kept, e)
		}
	}
	clear(i.rings[len(kept):])
	i.rings = kept
}
