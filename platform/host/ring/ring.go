// Package ring passes messages of one size between two processes that share
// memory: one sends, one receives, and neither trusts the other.
//
// A round trip over two rings costs a fraction of a microsecond while both
// sides are busy: the waiting side looks for 20 µs before it sleeps on a
// futex, and after the first of them offers its processor between looks. All
// of it was chosen by measurement: sleeping at once costs 5 to 35 µs a message,
// spinning for ever costs a processor, and spinning without the offer cost 45
// µs a round trip when both sides had to share one, against 4 with it. Where a
// wake-up takes longer than the 20 µs, a side looks for up to ten times that.
//
// The memory begins with a header of words, each written by one side:
//
//	offset  0  head: messages sent, by the producer
//	offset 64  tail: messages taken, by the consumer
//	offset 128 the consumer sleeps or has closed, by both
//	offset 192 the producer sleeps or has closed, by both
//	offset 256 the first slot
//
// Everything in it is hostile. Sizes are arguments, never read from it. Each
// side keeps its own position to itself and only ever publishes it; the
// other's is copied once and must lie between the last one seen and what fits
// into the ring, or the call answers StatusState and the ring stays broken. A
// message is copied out of the shared memory before the caller sees it, so
// that it cannot change between check and use. Waiting always has an end: a
// peer that died or that never wakes us costs the timeout.
//
// Lock order: none; each end belongs to one goroutine at a time.
//
// Invariants: no access outside the memory given; tail ≤ head ≤ tail + slots
// as far as this side acts on it.
//
// Ledger: S11.
package ring

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"phios/abi"
)

// Limits and layout of a ring.
const (
	// MessageBytesUnit is what the size of a message is a multiple of: a line
	// of the cache, so that neighbours do not share one.
	MessageBytesUnit = 64
	// MessageBytesMax is the size of the largest message.
	MessageBytesMax = 1 << 16
	// SlotsMax is the number of messages of the longest ring.
	SlotsMax = 1 << 16
	// SpinNSDefault is how long a side looks before it sleeps.
	SpinNSDefault = 20_000

	headOffset     = 0
	tailOffset     = 64
	consumerOffset = 128
	producerOffset = 192
	headerBytes    = 256

	// looksPerClock is how often a spinning side looks before it asks for the
	// time, which costs as much as all those looks.
	looksPerClock = 64
	// yieldAfterNS is how long a side looks before it offers its processor to
	// others between looks: the peer may be waiting for this very one.
	yieldAfterNS = 1000
	// patienceFactor is how many times its spin a side looks at most.
	patienceFactor = 10
	// sleepNSMax bounds one sleep, after which a side looks again: a peer that
	// takes back the request to be woken costs this much at a time.
	sleepNSMax = 100_000_000
)

// The bits of a side's word.
const (
	sleeping uint32 = 1 << iota
	closed
)

// Errors of New. What goes wrong later is a status.
var (
	errGeometry = errors.New("ring: slots are not a power of two up to 65536, or messages not a multiple of 64 up to 65536 bytes")
	errMemory   = errors.New("ring: the memory is not aligned to 64 bytes or too small")
)

// Geometry is the shape of a ring. Both sides get it from whoever set up the
// ring, never from each other.
type Geometry struct {
	// MessageBytes is the size of every message, a multiple of
	// MessageBytesUnit.
	MessageBytes int
	// Slots is the number of messages that the ring holds, a power of two.
	Slots int
	// SpinNS is how long a side looks before it sleeps; zero is SpinNSDefault
	// where there is more than one processor, a negative one sleeps at once.
	// The sides may differ.
	SpinNS int64
}

// Bytes returns how much memory the ring takes.
func (g Geometry) Bytes() int { return headerBytes + g.MessageBytes*g.Slots }

func (g Geometry) valid() bool {
	return g.Slots > 0 && g.Slots <= SlotsMax && g.Slots&(g.Slots-1) == 0 &&
		g.MessageBytes > 0 && g.MessageBytes <= MessageBytesMax && g.MessageBytes%MessageBytesUnit == 0
}

// end is what both sides have: their own position, what they last saw of the
// other's, and the words of the header.
type end struct {
	slots        []byte
	messageBytes int
	mask         uint64
	spin         time.Duration // how long to look, at least
	patience     time.Duration // how long to look next time

	position uint64         // ours: never read back from the memory
	seen     uint64         // the peer's, as last read and found possible
	mine     *atomic.Uint64 // where we publish ours
	peers    *atomic.Uint64
	here     *atomic.Uint32 // says that we sleep or have closed
	there    *atomic.Uint32 // says so of the peer
	broken   bool           // the peer lied
	wait     waiter
}

// newEnd lays an end over memory.
func newEnd(memory []byte, g Geometry) (end, error) {
	if !g.valid() {
		return end{}, errGeometry
	}
	if len(memory) < g.Bytes() || !aligned(memory) {
		return end{}, errMemory
	}
	spin := time.Duration(g.SpinNS)
	if spin == 0 && runtime.NumCPU() > 1 { // on one processor the peer waits for us to stop
		spin = SpinNSDefault
	}
	return end{
		slots:        memory[headerBytes:g.Bytes()],
		messageBytes: g.MessageBytes,
		mask:         uint64(g.Slots) - 1, //nolint:gosec // G115: checked to be positive
		spin:         spin,
		patience:     spin,
	}, nil
}

// slot returns the bytes of the slot of a position.
func (e *end) slot(position uint64) []byte {
	at := int(position&e.mask) * e.messageBytes //nolint:gosec // G115: below SlotsMax
	return e.slots[at : at+e.messageBytes]
}

// publish makes our new position known and wakes the peer when it sleeps.
func (e *end) publish() {
	e.position++
	e.mine.Store(e.position)
	// The store above and this load are in that order on both sides, each with
	// its own word: either we see that the peer sleeps, or it sees what we
	// stored before it does.
	if e.there.Load()&sleeping != 0 && e.there.And(^sleeping)&sleeping != 0 {
		wake(e.there)
	}
}

// await calls try until it answers other than StatusEmpty, first in a spin and
// then asleep, until the timeout has passed.
func (e *end) await(try func(*end, []byte) abi.Status, message []byte, timeout time.Duration) abi.Status {
	status := try(e, message)
	if status != abi.StatusEmpty || timeout <= 0 {
		return status
	}
	start := time.Now()
	for spin := min(e.patience, timeout); ; {
		for range looksPerClock {
			if status = try(e, message); status != abi.StatusEmpty {
				e.patience = max(e.spin, e.patience/2)
				return status
			}
		}
		spun := time.Since(start)
		if spun >= spin {
			break
		}
		if spun >= yieldAfterNS {
			yield()
		}
	}
	for {
		e.here.Or(sleeping)
		if status = try(e, message); status != abi.StatusEmpty {
			e.here.And(^sleeping)
			e.slept(time.Since(start))
			return status
		}
		left := timeout - time.Since(start)
		if left <= 0 {
			e.here.And(^sleeping)
			return abi.StatusTimeout
		}
		e.wait.sleep(e.here, sleeping, min(left, sleepNSMax))
	}
}

// slept decides how long to look next time. A wake-up can take longer than the
// spin: then both sides sleep at each other for ever, 30 µs a round trip, though
// neither does anything else. A wait that was short in the end is a reason to
// look for longer; a long one is none.
func (e *end) slept(waited time.Duration) {
	e.patience = e.spin
	if waited < patienceFactor*e.spin {
		e.patience = min(2*waited, patienceFactor*e.spin)
	}
}

// lied marks the ring as broken for good.
func (e *end) lied() abi.Status {
	e.broken = true
	return abi.StatusState
}

// Close tells the peer that nothing more comes and wakes it. It does not free
// the memory, which is the caller's.
func (e *end) Close() {
	e.here.Or(closed)
	e.there.And(^sleeping)
	wake(e.there)
	e.broken = true
}

// Producer is the sending end. One goroutine at a time uses it.
type Producer struct{ end }

// NewProducer lays the sending end over memory that both processes share and
// that was zero when the ring was made. It keeps the memory.
func NewProducer(memory []byte, g Geometry) (*Producer, error) {
	e, err := newEnd(memory, g)
	if err != nil {
		return nil, err
	}
	e.mine, e.peers = word64(memory, headOffset), word64(memory, tailOffset)
	e.here, e.there = word32(memory, producerOffset), word32(memory, consumerOffset)
	return &Producer{end: e}, nil
}

// Send passes a message of Geometry.MessageBytes on. It waits while the ring
// is full, at most for the timeout; none means not at all.
//
// StatusRange is a message of another size, StatusEmpty a full ring when there
// is no timeout, StatusTimeout when there is, StatusPeerDead a consumer that
// has closed, StatusState a consumer that breaks the protocol, or an end that
// is closed.
func (p *Producer) Send(message []byte, timeout time.Duration) abi.Status {
	if len(message) != p.messageBytes {
		return abi.StatusRange
	}
	return p.await(trySend, message, timeout)
}

// trySend sends without waiting: StatusEmpty means that no slot is empty yet.
func trySend(e *end, message []byte) abi.Status {
	if e.broken {
		return abi.StatusState
	}
	if e.there.Load()&closed != 0 {
		return abi.StatusPeerDead
	}
	if e.position-e.seen > e.mask {
		// The consumer has taken at least what it had, and no more than we
		// sent.
		tail := e.peers.Load()
		if e.position-tail > e.position-e.seen {
			return e.lied()
		}
		e.seen = tail
		if e.position-tail > e.mask {
			return abi.StatusEmpty
		}
	}
	copy(e.slot(e.position), message)
	e.publish()
	return abi.StatusOK
}

// Consumer is the receiving end. One goroutine at a time uses it.
type Consumer struct{ end }

// NewConsumer lays the receiving end over memory like NewProducer.
func NewConsumer(memory []byte, g Geometry) (*Consumer, error) {
	e, err := newEnd(memory, g)
	if err != nil {
		return nil, err
	}
	e.mine, e.peers = word64(memory, tailOffset), word64(memory, headOffset)
	e.here, e.there = word32(memory, consumerOffset), word32(memory, producerOffset)
	return &Consumer{end: e}, nil
}

// Receive copies the next message, of Geometry.MessageBytes, to a buffer of
// that size. It waits while there is none, at most for the timeout; none means
// not at all.
//
// StatusRange is a buffer of another size, StatusEmpty no message when there
// is no timeout, StatusTimeout when there is, StatusPeerDead a producer that
// has closed and whose messages have all been taken, StatusState a producer
// that breaks the protocol, or an end that is closed.
func (c *Consumer) Receive(message []byte, timeout time.Duration) abi.Status {
	if len(message) != c.messageBytes {
		return abi.StatusRange
	}
	return c.await(tryReceive, message, timeout)
}

// tryReceive receives without waiting.
func tryReceive(e *end, message []byte) abi.Status {
	if e.broken {
		return abi.StatusState
	}
	if e.seen == e.position {
		// Read before the head, so that what was sent before closing is seen.
		over := e.there.Load()&closed != 0
		// The producer has sent at least what it had, which we took, and no
		// more than fits.
		head := e.peers.Load()
		if head-e.position > e.mask+1 {
			return e.lied()
		}
		e.seen = head
		if head == e.position {
			if over {
				return abi.StatusPeerDead
			}
			return abi.StatusEmpty
		}
	}
	copy(message, e.slot(e.position))
	e.publish()
	return abi.StatusOK
}
