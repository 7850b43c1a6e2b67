package abi

// This file says how messages, mints, labels and whole calls lie in bytes, for
// programs that are not in the kernel's process or not in its language.
//
// All numbers are little-endian and all offsets multiples of their size, so
// that a C structure with the same fields has the same layout. Each value has
// one encoding: what is not in use is zero, and the decoders refuse anything
// else. A decoder reads every byte once and checks what it has read, so that a
// program which changes the bytes meanwhile gains nothing.
//
// Rejected: a variable layout with tags, which costs a branch a field on every
// call and gains nothing where the fields are always the same.

// The layout of a label.
const (
	LabelAtSources = 0
	LabelAtReaders = 8
	LabelBytes     = 16
)

// The layout of a message. Length bytes of data follow its head.
const (
	MessageAtLabel       = 0
	MessageAtBadge       = MessageAtLabel + LabelBytes
	MessageAtReply       = MessageAtBadge + 8
	MessageAtDeadline    = MessageAtReply + 8
	MessageAtWords       = MessageAtDeadline + 8
	MessageAtHandles     = MessageAtWords + 8*MessageWords
	MessageAtLength      = MessageAtHandles + 8*MessageHandleMax
	MessageAtHandleCount = MessageAtLength + 2
	MessageAtMoves       = MessageAtHandleCount + 1
	MessageAtReserved    = MessageAtMoves + 1
	MessageAtData        = MessageAtReserved + 4
	// MessageHeadBytes is the length of a message without data, MessageBytes
	// that of the longest message.
	MessageHeadBytes = MessageAtData
	MessageBytes     = MessageHeadBytes + MessageBytesMax
)

// The layout of a mint.
const (
	MintAtRights  = 0
	MintAtPass    = MintAtRights + 4
	MintAtBadge   = MintAtPass + 4
	MintAtCeiling = MintAtBadge + 8
	MintAtExpires = MintAtCeiling + LabelBytes
	MintAtUses    = MintAtExpires + 8
	MintAtCopies  = MintAtUses + 4
	MintAtBase    = MintAtCopies + 4
	MintAtBytes   = MintAtBase + 8
	MintAtPayer   = MintAtBytes + 8
	MintBytes     = MintAtPayer + 8
)

// EncodeLabel writes l into dst and returns its length, LabelBytes, or false
// when dst is shorter.
func EncodeLabel(dst []byte, l Label) (int, bool) {
	if len(dst) < LabelBytes {
		return 0, false
	}
	put64(dst[LabelAtSources:], l.Sources)
	put64(dst[LabelAtReaders:], l.Readers)
	return LabelBytes, true
}

// DecodeLabel reads into l the label that src begins with. It returns
// StatusRange, and leaves l alone, when src is too short.
func DecodeLabel(src []byte, l *Label) Status {
	if len(src) < LabelBytes {
		return StatusRange
	}
	*l = Label{Sources: get64(src[LabelAtSources:]), Readers: get64(src[LabelAtReaders:])}
	return StatusOK
}

// EncodeMint writes m into dst and returns its length, MintBytes, or false
// when dst is shorter.
func EncodeMint(dst []byte, m *Mint) (int, bool) {
	if len(dst) < MintBytes {
		return 0, false
	}
	put32(dst[MintAtRights:], uint32(m.Rights))
	put32(dst[MintAtPass:], uint32(m.Pass))
	put64(dst[MintAtBadge:], m.Badge)
	EncodeLabel(dst[MintAtCeiling:], m.Ceiling)
	put64(dst[MintAtExpires:], uint64(m.Expires)) //nolint:gosec // G115: the same bits
	put32(dst[MintAtUses:], m.Uses)
	put32(dst[MintAtCopies:], m.Copies)
	put64(dst[MintAtBase:], m.Base)
	put64(dst[MintAtBytes:], m.Bytes)
	put64(dst[MintAtPayer:], uint64(m.Payer))
	return MintBytes, true
}

// DecodeMint reads into m the mint that src begins with. It returns
// StatusRange, and leaves m alone, when src is too short. Whether the mint
// asks for more than there is, is for the kernel to say.
func DecodeMint(src []byte, m *Mint) Status {
	if len(src) < MintBytes {
		return StatusRange
	}
	m.Rights = Rights(get32(src[MintAtRights:]))
	m.Pass = Rights(get32(src[MintAtPass:]))
	m.Badge = get64(src[MintAtBadge:])
	m.Expires = int64(get64(src[MintAtExpires:])) //nolint:gosec // G115: the same bits
	m.Uses = get32(src[MintAtUses:])
	m.Copies = get32(src[MintAtCopies:])
	m.Base = get64(src[MintAtBase:])
	m.Bytes = get64(src[MintAtBytes:])
	m.Payer = Handle(get64(src[MintAtPayer:]))
	return DecodeLabel(src[MintAtCeiling:], &m.Ceiling)
}

// EncodeMessage writes m into dst and returns its length: MessageHeadBytes and
// the data in use. It returns false, with dst unspecified, when dst is too
// short or m.Check fails.
func EncodeMessage(dst []byte, m *Message) (int, bool) {
	n := MessageHeadBytes + int(m.Length)
	if !m.Check().OK() || len(dst) < n {
		return 0, false
	}
	EncodeLabel(dst[MessageAtLabel:], m.Label)
	put64(dst[MessageAtBadge:], m.Badge)
	put64(dst[MessageAtReply:], uint64(m.Reply))
	put64(dst[MessageAtDeadline:], uint64(m.Deadline)) //nolint:gosec // G115: the same bits
	for i, w := range m.Words {
		put64(dst[MessageAtWords+8*i:], w)
	}
	for i, h := range m.Handles {
		if i >= int(m.HandleCount) {
			h = 0
		}
		put64(dst[MessageAtHandles+8*i:], uint64(h))
	}
	put16(dst[MessageAtLength:], m.Length)
	dst[MessageAtHandleCount] = m.HandleCount
	dst[MessageAtMoves] = m.Moves
	put32(dst[MessageAtReserved:], 0)
	return MessageAtData + copy(dst[MessageAtData:n], m.Data[:m.Length]), true
}

// DecodeMessage reads into m the message that src begins with, and clears the
// data that is not in use, so that nothing of an earlier message stays.
//
// It returns StatusRange when src is too short for the message or a count is
// over its limit, and StatusBadArgument when something that is not in use is
// not zero. Then m is as it was.
func DecodeMessage(src []byte, m *Message) Status {
	if len(src) < MessageHeadBytes {
		return StatusRange
	}
	length, count, moves := get16(src[MessageAtLength:]), src[MessageAtHandleCount], src[MessageAtMoves]
	if length > MessageBytesMax || count > MessageHandleMax || len(src) < MessageHeadBytes+int(length) {
		return StatusRange
	}
	var handles [MessageHandleMax]Handle
	unused := uint64(moves>>count) | uint64(get32(src[MessageAtReserved:]))
	for i := range handles {
		handles[i] = Handle(get64(src[MessageAtHandles+8*i:]))
		if i >= int(count) {
			unused |= uint64(handles[i])
		}
	}
	if unused != 0 {
		return StatusBadArgument
	}

	m.Badge = get64(src[MessageAtBadge:])
	m.Reply = Handle(get64(src[MessageAtReply:]))
	m.Deadline = int64(get64(src[MessageAtDeadline:])) //nolint:gosec // G115: the same bits
	for i := range m.Words {
		m.Words[i] = get64(src[MessageAtWords+8*i:])
	}
	m.Handles, m.HandleCount, m.Moves, m.Length = handles, count, moves, length
	copy(m.Data[:length], src[MessageAtData:])
	clear(m.Data[length:])
	return DecodeLabel(src[MessageAtLabel:], &m.Label)
}

// The compiler turns each of these into one load or store.

func get16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

func get32(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

//nolint:gosec // G602: b[7] checks the rest, and the callers all of it
func get64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

func put16(b []byte, v uint16) { b[0], b[1] = byte(v), byte(v>>8) } //nolint:gosec // G115: one byte at a time

//nolint:gosec // G115: one byte at a time
func put32(b []byte, v uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

//nolint:gosec // G115: one byte at a time
func put64(b []byte, v uint64) {
	_ = b[7]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	b[4], b[5], b[6], b[7] = byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56)
}
