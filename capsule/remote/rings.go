package remote

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"phios/abi"
	"phios/platform/host/ring"
)

// The layout of the memory of Rings: two rings, then the two places beside
// them in which the Bytes of a frame lie. Each slot holds the frame's length
// and the frame without its Bytes.
const (
	// RingSlotBytes is the size of a slot.
	RingSlotBytes = 1024
	// RingSlots is the number of slots: lockstep needs one, and a power of two
	// that is more costs nothing.
	RingSlots = 2
	// RingsBytes is how much memory Rings take.
	RingsBytes = bulkAt + 2*abi.FramePayloadMax

	ringBytes = 4096 // of one ring with its header, rounded up to pages
	bulkAt    = 2 * ringBytes

	lengthBytes = 4 // before each frame, in a slot as in a stream
	// receiveNSMax bounds one wait, after which a side looks whether it was
	// told to stop: a peer can take back every request to be woken.
	receiveNSMax = 100 * time.Millisecond
)

// All that a frame can be without its Bytes fits into a slot, and a ring fits
// into its place.
const (
	_ = uint(RingSlotBytes - lengthBytes - abi.FrameHeadBytes - abi.LabelBytes - abi.MintBytes - abi.MessageBytes)
	_ = uint(ringBytes - 256 - RingSlotBytes*RingSlots)
)

// Side is one of the two sides of Rings.
type Side uint8

// The sides.
const (
	SideNode Side = iota
	SideProgram
)

// Rings is a Link through memory that two processes share.
type Rings struct {
	out             *ring.Producer
	in              *ring.Consumer
	bulkOut, bulkIn []byte
	slot            [RingSlotBytes]byte

	severed atomic.Bool
	mu      sync.Mutex
	memory  []byte // guarded by mu: nil when it was cut off or given back
}

var _ Link = (*Rings)(nil)

func ringGeometry() ring.Geometry {
	return ring.Geometry{MessageBytes: RingSlotBytes, Slots: RingSlots}
}

// NewRings lays one side over memory of RingsBytes that both processes share
// and that was zero before. It keeps the memory until Sever has returned and
// nobody is in Send or Receive any more; then the caller unmaps it.
func NewRings(memory []byte, side Side) (*Rings, error) {
	if len(memory) < RingsBytes {
		return nil, fmt.Errorf("rings: %d bytes of memory instead of %d", len(memory), RingsBytes)
	}
	memory = memory[:RingsBytes]
	out, in := 0, 1
	if side == SideProgram {
		out, in = in, out
	}
	p, err := ring.NewProducer(place(memory, out), ringGeometry())
	if err != nil {
		return nil, fmt.Errorf("rings: %w", err)
	}
	c, err := ring.NewConsumer(place(memory, in), ringGeometry())
	if err != nil {
		return nil, fmt.Errorf("rings: %w", err)
	}
	return &Rings{out: p, in: c, bulkOut: bulk(memory, out), bulkIn: bulk(memory, in), memory: memory}, nil
}

// place returns the memory of one ring, bulk that beside it.
func place(memory []byte, i int) []byte { return memory[i*ringBytes : (i+1)*ringBytes] }

func bulk(memory []byte, i int) []byte {
	return memory[bulkAt+i*abi.FramePayloadMax : bulkAt+(i+1)*abi.FramePayloadMax]
}

// Send passes f on; see Link.
func (r *Rings) Send(f *abi.Frame) abi.Status {
	parts := f.Parts
	if parts&abi.PartBytes != 0 && len(f.Bytes) > abi.FramePayloadMax {
		return abi.StatusBadArgument
	}
	f.Parts &^= abi.PartBytes // they do not go into the slot
	n, ok := abi.EncodeFrame(r.slot[lengthBytes:], f)
	f.Parts = parts
	if !ok {
		return abi.StatusBadArgument
	}
	if parts&abi.PartBytes != 0 {
		binary.LittleEndian.PutUint16(r.slot[lengthBytes+abi.FrameAtParts:], uint16(parts))
		binary.LittleEndian.PutUint32(r.slot[lengthBytes+abi.FrameAtByteCount:], uint32(len(f.Bytes))) //nolint:gosec // G115: checked above
		copy(r.bulkOut, f.Bytes)
	}
	binary.LittleEndian.PutUint32(r.slot[:], uint32(n)) //nolint:gosec // G115: at most a slot
	return r.wait(func() abi.Status { return r.out.Send(r.slot[:], receiveNSMax) })
}

// Receive waits for the next frame; see Link. The ring has copied the slot;
// the Bytes are copied once, and nothing in them is interpreted here.
func (r *Rings) Receive(f *abi.Frame) abi.Status {
	status := r.wait(func() abi.Status { return r.in.Receive(r.slot[:], receiveNSMax) })
	if status != abi.StatusOK {
		return status
	}
	n := binary.LittleEndian.Uint32(r.slot[:])
	if n < abi.FrameHeadBytes || n > RingSlotBytes-lengthBytes {
		return abi.StatusRange
	}
	frame := r.slot[lengthBytes : lengthBytes+n]
	parts := abi.FramePart(binary.LittleEndian.Uint16(frame[abi.FrameAtParts:]))
	count := binary.LittleEndian.Uint32(frame[abi.FrameAtByteCount:])
	if count > abi.FramePayloadMax {
		return abi.StatusRange
	}
	f.Bytes = room(f.Bytes, int(count))
	if parts&abi.PartBytes == 0 {
		return abi.DecodeFrame(frame, f)
	}
	if parts&abi.PartRoom != 0 {
		return abi.StatusBadArgument
	}
	binary.LittleEndian.PutUint16(frame[abi.FrameAtParts:], uint16(parts&^abi.PartBytes))
	binary.LittleEndian.PutUint32(frame[abi.FrameAtByteCount:], 0)
	if status := abi.DecodeFrame(frame, f); status != abi.StatusOK {
		return status
	}
	f.Parts = parts
	f.Bytes = f.Bytes[:count]
	copy(f.Bytes, r.bulkIn)
	return abi.StatusOK
}

// wait repeats one step of a ring until it does not time out.
func (r *Rings) wait(step func() abi.Status) abi.Status {
	for !r.severed.Load() {
		status := step()
		if status == abi.StatusState { // a peer that breaks the protocol, or was cut off
			return abi.StatusPeerDead
		}
		if status != abi.StatusTimeout {
			return status
		}
	}
	return abi.StatusPeerDead
}

// Sever closes all four ends. Ends of its own do that: those in use belong to
// the goroutine that waits in them, and what Close says is in the shared
// words. It touches the memory the first time only.
func (r *Rings) Sever() {
	r.severed.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		return
	}
	for i := range 2 {
		if p, err := ring.NewProducer(place(r.memory, i), ringGeometry()); err == nil {
			p.Close()
		}
		if c, err := ring.NewConsumer(place(r.memory, i), ringGeometry()); err == nil {
			c.Close()
		}
	}
	r.memory = nil
}
