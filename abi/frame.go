package abi

// FramePart is a set of what follows the head of a frame.
type FramePart uint16

// The parts, in the order in which they follow.
const (
	PartLabel   FramePart = 1 << iota // Label
	PartMint                          // Mint
	PartMessage                       // Message
	PartBytes                         // Bytes
	// PartRoom asks for room for Bytes in the answer; none follow. It and
	// PartBytes exclude each other.
	PartRoom
	partsEnd
)

// The layout of a frame's head. The parts follow without gaps.
const (
	FrameAtCall      = 0
	FrameAtParts     = FrameAtCall + 2
	FrameAtStatus    = FrameAtParts + 2
	FrameAtReserved  = FrameAtStatus + 2
	FrameAtByteCount = FrameAtReserved + 2
	FrameAtPadding   = FrameAtByteCount + 4
	FrameAtHandle    = FrameAtPadding + 4
	FrameAtWords     = FrameAtHandle + 8
	FrameHeadBytes   = FrameAtWords + 8*ArgWords
	// FramePayloadMax is the greatest number of Bytes in one frame; more goes
	// by several calls, or by mapping the region.
	FramePayloadMax = 64 << 10
	// FrameBytesMax is the length of the longest frame.
	FrameBytesMax = FrameHeadBytes + LabelBytes + MintBytes + MessageBytes + FramePayloadMax
)

// Frame is one whole call, or the answer to one, on its way between a program
// and the kernel. What Parts does not name is not sent, and is unspecified
// after decoding.
type Frame struct {
	// Call is the number of the call; in an answer, that of the call answered.
	Call Call
	// Parts says which of the parts there are.
	Parts FramePart
	// Status is the result, in an answer.
	Status Status
	// Handle is what the call is invoked on.
	Handle Handle
	// W are the argument words, or the results.
	W [ArgWords]uint64
	// Label, Mint and Message are the arguments of those names.
	Label   Label
	Mint    Mint
	Message Message
	// Bytes are what RegionWrite copies or RegionRead has filled, or with
	// PartRoom the place to be filled. To decode, the caller sets it to a
	// buffer, whose capacity is used.
	Bytes []byte
}

// Args links the frame's parts into a, for a call inside this process. They
// stay the frame's: a is good until the frame is used again.
func (f *Frame) Args(a *Args) {
	*a = Args{W: f.W}
	if f.Parts&PartLabel != 0 {
		a.Label = f.Label
	}
	if f.Parts&PartMint != 0 {
		a.Mint = &f.Mint
	}
	if f.Parts&PartMessage != 0 {
		a.Message = &f.Message
	}
	if f.Parts&(PartBytes|PartRoom) != 0 {
		a.Bytes = f.Bytes
	}
}

// Answer turns the frame of a call, made with Args, into its answer: the
// results and, when the call succeeded, the message and the bytes that were
// filled. A call that failed answers with its status alone.
func (f *Frame) Answer(a *Args, status Status) {
	parts := PartLabel | f.Parts&PartMessage
	if f.Parts&PartRoom != 0 {
		parts |= PartBytes
	}
	f.Status, f.W, f.Label = status, a.W, a.Label
	if status != StatusOK {
		parts, f.W = 0, [ArgWords]uint64{}
	}
	f.Parts = parts
}

// check returns StatusOK when the parts go together and count, the number of
// Bytes, is theirs and within its limit.
func (p FramePart) check(count uint64) Status {
	const either = PartBytes | PartRoom
	switch {
	case p >= partsEnd || p&either == either || (p&either == 0 && count != 0):
		return StatusBadArgument
	case count > FramePayloadMax:
		return StatusRange
	}
	return StatusOK
}

// EncodeFrame writes f into dst and returns its length. It returns false, with
// dst unspecified, when dst is too short or f is no valid frame.
func EncodeFrame(dst []byte, f *Frame) (int, bool) {
	count := 0
	if f.Parts&(PartBytes|PartRoom) != 0 {
		count = len(f.Bytes)
	}
	if len(dst) < FrameHeadBytes || !f.Parts.check(uint64(count)).OK() {
		return 0, false
	}
	put16(dst[FrameAtCall:], uint16(f.Call))
	put16(dst[FrameAtParts:], uint16(f.Parts))
	put16(dst[FrameAtStatus:], uint16(f.Status))
	put16(dst[FrameAtReserved:], 0)
	put32(dst[FrameAtByteCount:], uint32(count))
	put32(dst[FrameAtPadding:], 0)
	put64(dst[FrameAtHandle:], uint64(f.Handle))
	for i, w := range f.W {
		put64(dst[FrameAtWords+8*i:], w)
	}
	return encodeParts(dst, f)
}

// encodeParts writes what follows the head.
func encodeParts(dst []byte, f *Frame) (int, bool) {
	var n int
	at, ok := FrameHeadBytes, true
	if f.Parts&PartLabel != 0 {
		n, ok = EncodeLabel(dst[at:], f.Label)
		at += n
	}
	if ok && f.Parts&PartMint != 0 {
		n, ok = EncodeMint(dst[at:], &f.Mint)
		at += n
	}
	if ok && f.Parts&PartMessage != 0 {
		n, ok = EncodeMessage(dst[at:], &f.Message)
		at += n
	}
	if ok && f.Parts&PartBytes != 0 {
		n = copy(dst[at:], f.Bytes)
		ok = n == len(f.Bytes)
		at += n
	}
	if !ok {
		return 0, false
	}
	return at, true
}

// DecodeFrame reads into f the frame that src is, copying all of it: Bytes
// into the buffer that f.Bytes has.
//
// It returns StatusRange when src is too short, a count is over its limit or
// f.Bytes has not the capacity, and StatusBadArgument when something that is
// not in use is not zero or something follows the frame. Then f is
// unspecified, but that Bytes is the same buffer.
func DecodeFrame(src []byte, f *Frame) Status {
	if len(src) < FrameHeadBytes {
		return StatusRange
	}
	parts, count := FramePart(get16(src[FrameAtParts:])), get32(src[FrameAtByteCount:])
	if status := parts.check(uint64(count)); status != StatusOK {
		return status
	}
	if int(count) > cap(f.Bytes) {
		return StatusRange
	}
	if uint32(get16(src[FrameAtReserved:]))|get32(src[FrameAtPadding:]) != 0 {
		return StatusBadArgument
	}
	f.Call = Call(get16(src[FrameAtCall:]))
	f.Parts = parts
	f.Status = Status(get16(src[FrameAtStatus:]))
	f.Handle = Handle(get64(src[FrameAtHandle:]))
	for i := range f.W {
		f.W[i] = get64(src[FrameAtWords+8*i:])
	}
	f.Bytes = f.Bytes[:count]
	return decodeParts(src[FrameHeadBytes:], f)
}

// decodeParts reads what follows the head. How far each part reaches is taken
// from the copy in f, never from src a second time.
func decodeParts(src []byte, f *Frame) Status {
	if f.Parts&PartLabel != 0 {
		if status := DecodeLabel(src, &f.Label); status != StatusOK {
			return status
		}
		src = src[LabelBytes:]
	}
	if f.Parts&PartMint != 0 {
		if status := DecodeMint(src, &f.Mint); status != StatusOK {
			return status
		}
		src = src[MintBytes:]
	}
	if f.Parts&PartMessage != 0 {
		if status := DecodeMessage(src, &f.Message); status != StatusOK {
			return status
		}
		src = src[MessageHeadBytes+int(f.Message.Length):]
	}
	if f.Parts&PartBytes != 0 {
		if len(src) < len(f.Bytes) {
			return StatusRange
		}
		src = src[copy(f.Bytes, src):]
	}
	if len(src) != 0 {
		return StatusBadArgument
	}
	if f.Parts&PartRoom != 0 {
		// Not every call fills the room that was asked for, and the answer
		// must not carry what another program left in the buffer.
		clear(f.Bytes)
	}
	return StatusOK
}
