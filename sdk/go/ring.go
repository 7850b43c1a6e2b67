package phi

import "time"

// Ring passes messages of one size between two programs through memory that
// both have a window to: one sends, the other receives.
type Ring struct {
	// Window is the memory, Offset where in it the ring begins, a multiple of
	// 64.
	Window *Window
	Offset uint32
	// MessageBytes is the size of each message, a multiple of 64 and at most
	// 64 KiB; Slots how many fit, a power of two. Both sides say the same.
	MessageBytes, Slots uint32
}

// RingBytes returns how much memory a ring takes.
func RingBytes(messageBytes, slots uint32) uint64 {
	const head = 256
	return head + uint64(messageBytes)*uint64(slots)
}

// Send passes b, MessageBytes long, on, waiting at most so long for a free
// slot. StatusTimeout, without a wait StatusEmpty; StatusPeerDead; StatusState
// when the other side broke the ring.
func (r *Ring) Send(b []byte, wait time.Duration) error {
	p, n := span(b)
	return memRingSend(r.at(), r.MessageBytes, r.Slots, uint64(max(wait, 0)), p, n).err()
}

// Receive takes the oldest message into b, MessageBytes long, waiting at most
// so long for one; see Send.
func (r *Ring) Receive(b []byte, wait time.Duration) error {
	p, n := span(b)
	return memRingReceive(r.at(), r.MessageBytes, r.Slots, uint64(max(wait, 0)), p, n).err()
}

func (r *Ring) at() uint32 { return addressOf(r.Window.Bytes) + r.Offset }
