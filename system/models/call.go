package models

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"phios/abi"
	"phios/api/inference"
	"phios/kernel/gate"
)

// pieceBytes is how much is copied to and from regions at a time: a length that
// is a lie fails at the first piece that is not there, before memory is taken
// for the rest.
const pieceBytes = 64 << 10

// call is a request while it is served.
type call struct {
	*holder

	s       *Models
	port    *gate.Port
	message *abi.Message

	// What the words said, copied.
	region    abi.Handle // zero when none came along
	offset    uint64
	operation uint64
	limit     uint32
	flags     uint64
	number    uint16
	deadline  int64
	body      []byte
}

// flagsAll are the flags that there are.
const flagsAll = abi.AIJSON | abi.AIStream | abi.AINext | abi.AIStop | abi.AIBatch

// Serve answers one request, on the caller's thread.
func (m *model) Serve(p *gate.Port, message *abi.Message) abi.Status {
	defer dropAll(p, message.Handles, message.HandleCount)
	h := m.models.holder(message.Badge)
	if h == nil || h.model != m {
		return abi.StatusRevoked
	}
	c := call{holder: h, s: m.models, port: p, message: message}
	if status := c.read(); !status.OK() {
		return status
	}
	if !p.CallerRights().Has(needs(c.operation)) {
		return abi.StatusRights
	}
	return c.do()
}

// needs says which right an operation needs.
func needs(operation uint64) abi.Rights {
	switch operation {
	case abi.AIInfer, abi.AIEmbed, abi.AIBatchStart, abi.AIBatchEnd:
		return abi.RightRun
	case abi.AIMapModel:
		return abi.RightMap
	default:
		return 0
	}
}

func (c *call) do() abi.Status {
	switch c.operation {
	case abi.AIInfer:
		return c.infer()
	case abi.AIEmbed:
		return c.embed()
	case abi.AIMapModel:
		return c.mapFile()
	case abi.AISelectDevice:
		return c.selectDevice()
	case abi.AIBatchStart:
		return c.startBatch()
	case abi.AIBatchEnd:
		return c.endBatch()
	default:
		return abi.StatusBadCall
	}
}

// read copies the request: what is checked and used is the copy.
func (c *call) read() abi.Status {
	m := c.message
	c.offset, c.operation, c.deadline = m.Words[0], m.Words[2], m.Deadline
	c.limit, c.number = uint32(m.Words[3]), uint16(m.Words[3]>>abi.AINumberShift)
	c.flags = m.Words[3] &^ (1<<32 - 1) & (1<<abi.AINumberShift - 1)
	if c.flags&^uint64(flagsAll) != 0 {
		return abi.StatusBadArgument
	}
	length := uint64(0)
	if m.HandleCount > 0 {
		c.region, length = m.Handles[0], m.Words[1]
	}
	if length == 0 {
		c.body = bytes.Clone(m.Payload())
		return abi.StatusOK
	}
	if length > inference.RequestBytesMax || c.offset > 1<<62 {
		return abi.StatusRange
	}
	for at := uint64(0); at < length; {
		piece := make([]byte, min(length-at, pieceBytes))
		a := abi.Args{W: [abi.ArgWords]uint64{c.offset + at}, Bytes: piece}
		if status := c.port.Invoke(c.region, abi.RegionRead, &a); !status.OK() {
			return status
		}
		c.body = append(c.body, piece...)
		at += uint64(len(piece))
	}
	return abi.StatusOK
}

// has reports whether a flag is set.
func (c *call) has(flag uint64) bool { return c.flags&flag != 0 }

// account is who pays for the call.
func (c *call) account() account {
	return account{model: c.model.name, name: c.name, label: c.port.Label(), bill: c.port.Bill()}
}

// parse reads a body that is JSON, and nothing else; an empty one is left as it
// is. A field that is not known is refused: a limit that was misspelt is none.
func (c *call) parse(into any) abi.Status {
	if len(c.body) == 0 {
		return abi.StatusOK
	}
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = &inference.Error{Code: inference.CodeRequest, Message: "more follows the JSON", Remedy: "send one value"}
	}
	if err != nil {
		c.tell(&inference.Error{Code: inference.CodeRequest, Message: "the request is not read: " + err.Error(), Remedy: "see docs/capsules.md for the fields"})
		return abi.StatusBadArgument
	}
	return abi.StatusOK
}

// answer gives a body to the caller: in the message, or in its region, as much
// as there is room for. low is the low half of word 2.
func (c *call) answer(body []byte, low uint32, word3 uint64) abi.Status {
	m := c.message
	m.Words = [abi.MessageWords]uint64{0, uint64(len(body)), uint64(low), word3}
	m.Length, m.HandleCount, m.Moves = 0, 0, 0
	there := len(body)
	if there > abi.MessageBytesMax {
		there = c.write(body)
	}
	if there == 0 {
		there = whole(body, min(len(body), abi.MessageBytesMax))
		m.SetPayload(body[:there])
	} else {
		if len(body) <= abi.MessageBytesMax {
			m.SetPayload(body)
		} else {
			m.Words[0] = c.offset
		}
	}
	m.Words[1] = uint64(there)
	m.Words[2] |= uint64(len(body)-there) << 32
	return abi.StatusOK
}

// write copies a body into the caller's region and returns how much of it found
// room; zero when the region is none, or may not be written.
func (c *call) write(body []byte) int {
	if c.region == 0 || c.offset > 1<<62 {
		return 0
	}
	room := func(n int) bool {
		a := abi.Args{W: [abi.ArgWords]uint64{c.offset + uint64(n)}}
		return c.port.Invoke(c.region, abi.RegionWrite, &a).OK() // of no bytes
	}
	n := len(body)
	if !room(n) {
		low := 0 // has room, or is not asked for
		for low+1 < n {
			if middle := low + (n-low)/2; room(middle) {
				low = middle
			} else {
				n = middle
			}
		}
		n = whole(body, low)
	}
	if n <= abi.MessageBytesMax { // the message holds as much
		return 0
	}
	for at := 0; at < n; at += pieceBytes {
		a := abi.Args{W: [abi.ArgWords]uint64{c.offset + uint64(at)}, Bytes: body[at:min(n, at+pieceBytes)]}
		if !c.port.Invoke(c.region, abi.RegionWrite, &a).OK() {
			return 0
		}
	}
	return n
}

// whole returns the greatest length up to n that does not cut a character.
func whole(b []byte, n int) int {
	if n >= len(b) {
		return len(b)
	}
	for back := range min(n+1, utf8.UTFMax) {
		if utf8.RuneStart(b[n-back]) {
			return n - back
		}
	}
	return n // it is no text
}

// dropAll deletes the capabilities that came with a request: what was left
// would fill the table of the server.
func dropAll(p *gate.Port, handles [abi.MessageHandleMax]abi.Handle, count uint8) {
	for _, h := range handles[:min(count, abi.MessageHandleMax)] {
		drop(p, h)
	}
}
