package phi

import "structs"

// Label says where bytes come from, one bit a source, and who may see them,
// one bit an audience.
type Label struct {
	_       structs.HostLayout
	Sources uint64
	Readers uint64
}

// LabelPublic returns the label of what nobody untrusted wrote and everybody
// may read.
func LabelPublic() Label { return Label{Readers: ^uint64(0)} }

// LabelAny returns the ceiling that accepts everything.
func LabelAny() Label { return Label{Sources: ^uint64(0)} }

// Message is what a call, a send or a reply carries, laid out as the node
// reads it. Before a call the program sets what goes along; after it, the same
// message holds the answer.
//
// A Message is 656 bytes, and no call lets it escape: a local variable stays
// on the stack.
type Message struct {
	_ structs.HostLayout
	// Label is the label of the data; on sending it is joined with the
	// program's own.
	Label Label
	// Badge is that of the capability through which the message came.
	Badge uint64
	// ReplyTo answers a call that was received; its handle is zero when no
	// answer is expected.
	ReplyTo Capability
	// Deadline is the absolute time in nanoseconds at which a call gives up:
	// zero waits for ever, a time in the past does not wait.
	Deadline int64
	// Words are the message's first words; their meaning is the service's.
	Words [MessageWords]uint64

	handles [MessageHandleMax]Capability
	length  uint16
	count   uint8
	moves   uint8
	_       uint32
	data    [MessageBytesMax]byte
}

// Bytes returns the message's data. The slice is part of the message.
func (m *Message) Bytes() []byte { return m.data[:min(int(m.length), MessageBytesMax)] }

// Text returns the message's data as text, a copy.
func (m *Message) Text() string { return string(m.Bytes()) }

// SetBytes copies b into the message. StatusRange, and nothing changed, for
// more than MessageBytesMax bytes: put those into a region and pass it along.
func (m *Message) SetBytes(b []byte) error {
	if len(b) > MessageBytesMax {
		return StatusRange
	}
	m.length = uint16(copy(m.data[:], b))
	return nil
}

// SetText copies s into the message; see SetBytes.
func (m *Message) SetText(s string) error {
	if len(s) > MessageBytesMax {
		return StatusRange
	}
	m.length = uint16(copy(m.data[:], s))
	return nil
}

// Capabilities returns those that came along. They lie in the program's own
// table and stay until they are deleted. The slice is part of the message.
func (m *Message) Capabilities() []Capability {
	return m.handles[:min(int(m.count), MessageHandleMax)]
}

// Attach sends a copy of c along. StatusRange when MessageHandleMax are there.
func (m *Message) Attach(c Capability) error {
	if m.count >= MessageHandleMax {
		return StatusRange
	}
	m.handles[m.count] = c
	m.count++
	return nil
}

// AttachMoved gives c itself away with the message; see Attach.
func (m *Message) AttachMoved(c Capability) error {
	at := m.count
	if err := m.Attach(c); err != nil {
		return err
	}
	m.moves |= 1 << at
	return nil
}

// Clear empties the message of words, data and capabilities, and leaves the
// rest. A server clears the request before it fills in the answer, unless it
// means to send parts of it back.
func (m *Message) Clear() {
	m.Words = [MessageWords]uint64{}
	m.handles = [MessageHandleMax]Capability{}
	m.length, m.count, m.moves = 0, 0, 0
}
