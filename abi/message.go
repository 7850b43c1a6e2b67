package abi

// The limits of a message.
const (
	MessageWords     = 4
	MessageBytesMax  = 512
	MessageHandleMax = 8
)

// Message is what a call, send or reply carries. The caller owns it; the
// kernel copies what it needs before the call returns.
//
// Sending, a program sets Words, Length, Data and, to pass capabilities,
// HandleCount, Handles, and for each handle that it gives away instead of
// copying, its bit in Moves. Receiving, it finds the same with the handles
// now naming slots of its own CSpace, and Label, Badge and Reply set by the
// kernel.
type Message struct {
	// Label is the label of the bytes. On sending it is joined with the
	// sender's own; on receiving it is what the receiver's label was joined
	// with.
	Label Label
	// Badge is that of the capability that the message came through.
	Badge uint64
	// Reply names the one-shot reply capability of a call that was received
	// from a queue; zero when no reply is expected.
	Reply Handle
	// Deadline is the absolute time in nanoseconds of the machine's clock
	// after which the call gives up: zero waits for ever, a time in the past
	// does not wait.
	Deadline int64
	// Words are the first words of the message.
	Words [MessageWords]uint64
	// Handles are the capabilities that go along.
	Handles [MessageHandleMax]Handle
	// Length is the number of bytes of Data in use.
	Length uint16
	// HandleCount is the number of Handles in use.
	HandleCount uint8
	// Moves has bit i set when Handles[i] is given away, not copied.
	Moves uint8
	// Data are the inline bytes.
	Data [MessageBytesMax]byte
}

// Payload returns the bytes in use. The slice aliases the message.
func (m *Message) Payload() []byte { return m.Data[:min(int(m.Length), MessageBytesMax)] }

// SetPayload copies b into the message; what is over MessageBytesMax is cut
// and reported as false.
func (m *Message) SetPayload(b []byte) bool {
	n := copy(m.Data[:], b)
	m.Length = uint16(n) //nolint:gosec // G115: n is at most MessageBytesMax
	return n == len(b)
}

// Withhold empties the message of everything that an answer carries, so that
// nothing of one that was refused is seen.
func (m *Message) Withhold() {
	clear(m.Data[:]) // also what a server left behind the end
	m.Words = [MessageWords]uint64{}
	m.Length, m.HandleCount, m.Moves = 0, 0, 0
}

// Check returns StatusOK when the message's counts are within their limits.
func (m *Message) Check() Status {
	if m.Length > MessageBytesMax || m.HandleCount > MessageHandleMax {
		return StatusRange
	}
	if m.Moves>>m.HandleCount != 0 {
		return StatusBadArgument
	}
	return StatusOK
}

// Unlimited stands in a Mint for "no limit of its own". A capability whose
// parent is limited cannot be unlimited.
const Unlimited = ^uint32(0)

// Mint says how a derived capability is less than the one it comes from.
// Asking for more than the parent has is an error, never a silent cut.
type Mint struct {
	// Rights are what the new holder may exercise: a subset of what the
	// parent may pass on and, for a capability of one's own, of what the
	// minter may exercise.
	Rights Rights
	// Pass are the rights that the new holder may pass on in its turn: a
	// subset of what the parent may pass on.
	Pass Rights
	// Badge marks what comes through the capability. It can be set once on a
	// path; zero keeps the parent's.
	Badge uint64
	// Ceiling is met with the parent's: data above it does not pass.
	Ceiling Label
	// Expires is an absolute time in nanoseconds, zero for the parent's.
	Expires int64
	// Uses is how many times it can be invoked, taken from the parent's own
	// uses when those are limited.
	Uses uint32
	// Copies is how many copies can be made of it in all, taken with one more
	// for itself from the parent's when those are limited. Zero is move-only.
	Copies uint32
	// Base and Bytes narrow a region or a bounded pointer to a window within
	// the parent's; Bytes zero keeps the parent's window.
	Base  uint64
	Bytes uint64
	// Payer, when not zero, names a budget of the minter that is charged for
	// what is done through the capability, in place of the caller's.
	Payer Handle
}

// Whole returns the Mint that asks for the given rights, to use and to pass
// on, and changes nothing else.
func Whole(rights Rights) Mint {
	return Mint{Rights: rights, Pass: rights, Ceiling: LabelTop(), Uses: Unlimited, Copies: Unlimited}
}
