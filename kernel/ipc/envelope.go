package ipc

import (
	"phios/abi"
	"phios/internal/invariant"
)

// Stamp is what the kernel puts on a message: where it comes from, and what
// goes along. A sender has no say in it.
type Stamp struct {
	// Label is the label of the bytes, already joined with the sender's.
	Label abi.Label
	// Badge is that of the capability that the message came through.
	Badge uint64
	// Sender is the sending task, by a number of the gate's.
	Sender uint64
	// Call is the record of the caller that waits for an answer, and Ticket
	// says which of its calls; nil for a send, and in an answer.
	Call   *Call
	Ticket Ticket
	// Transit are the capabilities on their way, by numbers of the gate's;
	// the first TransitCount are in use.
	Transit      [abi.MessageHandleMax]uint32
	TransitCount uint8
}

// Envelope is a message at rest: what was sent, and its stamp. Its bytes beyond
// Length are zero in a mailbox and mean nothing anywhere. The order of the
// fields puts a message of 64 bytes without capabilities into three lines of a
// cell, with the sequence in front.
type Envelope struct {
	Call   *Call
	Ticket Ticket
	Sender uint64
	Badge  uint64
	Label  abi.Label
	// TransitCount is the number of Transit in use.
	TransitCount uint8
	// Length is the number of bytes of Data in use.
	Length uint16
	// Words are the first words of the message.
	Words [abi.MessageWords]uint64
	// Data are the inline bytes.
	Data [abi.MessageBytesMax]byte
	// Transit are the capabilities on their way.
	Transit [abi.MessageHandleMax]uint32
}

// fill puts a message into the envelope. Only the bytes in use are copied:
// the whole array would cost more than all the rest, and what stands behind
// the bytes in use is not meant for the receiver.
//
// Preconditions:
//   - m.Check is StatusOK.
func (e *Envelope) fill(m *abi.Message, s *Stamp) {
	e.Call = s.Call
	e.Ticket = s.Ticket
	e.Sender = s.Sender
	e.Badge = s.Badge
	e.Label = s.Label
	e.Words = m.Words
	e.TransitCount = s.TransitCount
	if s.TransitCount != 0 {
		e.Transit = s.Transit
	}
	n := min(int(m.Length), abi.MessageBytesMax)
	e.Length = uint16(n) //nolint:gosec // G115: n is at most MessageBytesMax
	copy(e.Data[:n], m.Data[:n])
}

// Open copies the message out: label, badge, words and bytes. It leaves the
// deadline, which is the receiver's own, and clears reply, handles and moves,
// which are the gate's to set. Bytes of into beyond the new length keep what
// the receiver had there.
func (e *Envelope) Open(into *abi.Message) {
	invariant.Check(e.Length <= abi.MessageBytesMax, "an envelope holds at most MessageBytesMax bytes")
	into.Label = e.Label
	into.Badge = e.Badge
	into.Reply = 0
	into.Words = e.Words
	into.HandleCount = 0
	into.Moves = 0
	n := min(int(e.Length), abi.MessageBytesMax)
	into.Length = e.Length
	copy(into.Data[:n], e.Data[:n])
}

// wipe forgets the message. The stamp and the words are overwritten by the
// next fill in any case; the call is let go for the collector's sake.
func (e *Envelope) wipe() {
	clear(e.Data[:min(int(e.Length), abi.MessageBytesMax)])
	e.Length = 0
	e.TransitCount = 0
	e.Call = nil
}
