package worker

import (
	"encoding/binary"

	"phios/abi"
)

// What goes over the socket is packets: the socket keeps them apart, and their
// descriptors with them. The node asks, the process answers with the same
// operation and number.

// operation says what a packet asks.
type operation uint8

const (
	opHello   operation = iota + 1 // the process is ready; it is the first packet
	opStart                        // descriptors: rings, then a snapshot if there is one; payload: a ticket
	opStop                         // answered when the program has ended
	opClose                        // answered when nothing of the capsule is left
	opPlace                        // descriptor: a region; words: address, offset, bytes
	opZero                         // words: address, bytes
	opRemove                       // words: address, bytes
	opDirtied                      // words: address, bytes; answer: pages
	opUsage                        // answer: memory, processor time
	opFreeze                       // descriptor: where the snapshot goes
	opEnd
)

// The layout of a packet. The payload follows the head.
const (
	packetAtOperation = 0
	packetAtAccess    = packetAtOperation + 1
	packetAtStatus    = packetAtAccess + 1
	packetAtNumber    = packetAtStatus + 2
	packetAtCapsule   = packetAtNumber + 4
	packetAtPadding   = packetAtCapsule + 4
	packetAtWords     = packetAtPadding + 4
	packetHeadBytes   = packetAtWords + 8*packetWords
	packetWords       = 3

	// payloadBytesMax bounds what a program is started with.
	payloadBytesMax = 64 << 10
	packetBytesMax  = packetHeadBytes + payloadBytesMax
	// packetFilesMax is how many descriptors one packet carries.
	packetFilesMax = 2
)

// packet is what one side tells the other.
type packet struct {
	operation operation
	access    uint8
	status    abi.Status
	number    uint32
	capsule   uint32
	words     [packetWords]uint64
	payload   []byte
}

// encode appends the packet to dst.
func (p *packet) encode(dst []byte) []byte {
	var head [packetHeadBytes]byte
	head[packetAtOperation], head[packetAtAccess] = byte(p.operation), p.access
	binary.LittleEndian.PutUint16(head[packetAtStatus:], uint16(p.status))
	binary.LittleEndian.PutUint32(head[packetAtNumber:], p.number)
	binary.LittleEndian.PutUint32(head[packetAtCapsule:], p.capsule)
	for i, w := range p.words {
		binary.LittleEndian.PutUint64(head[packetAtWords+8*i:], w)
	}
	return append(append(dst, head[:]...), p.payload...)
}

// decode reads a packet and reports whether it is one. The payload stays in
// src.
func (p *packet) decode(src []byte) bool {
	if len(src) < packetHeadBytes || len(src) > packetBytesMax {
		return false
	}
	*p = packet{
		operation: operation(src[packetAtOperation]),
		access:    src[packetAtAccess],
		status:    abi.Status(binary.LittleEndian.Uint16(src[packetAtStatus:])),
		number:    binary.LittleEndian.Uint32(src[packetAtNumber:]),
		capsule:   binary.LittleEndian.Uint32(src[packetAtCapsule:]),
		payload:   src[packetHeadBytes:],
	}
	for i := range p.words {
		p.words[i] = binary.LittleEndian.Uint64(src[packetAtWords+8*i:])
	}
	return p.operation != 0 && p.operation < opEnd && int(p.status) < abi.StatusCount &&
		binary.LittleEndian.Uint32(src[packetAtPadding:]) == 0
}

// ticket is what a program is started with, apart from its door.
type ticket struct {
	Name           string
	Hash           string
	Argument       uint64
	Args, Env      []string
	MemoryBytesMax uint64
}
