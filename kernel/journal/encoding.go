package journal

import (
	"encoding/binary"

	"phios/abi"
)

// field is a set of the optional fields of a record.
type field uint16

// The optional fields, in the order in which they are written.
const (
	fieldTask   field = 1 << iota
	fieldActor        // uint64
	fieldObject       // uint64
	fieldPeer         // uint64
	fieldBadge        // uint64
	fieldCall         // uint16
	fieldRights       // uint32
	fieldPass         // uint32
	fieldBefore       // two uint64: sources, readers
	fieldAfter        // two uint64: sources, readers
	fieldWords        // WordsMax uint64
	fieldDigest       // HashBytes bytes
	fieldText         // uint8 length, and that many bytes
	fieldEnd
)

// The sizes of records, in bytes.
const (
	// HashBytes is the length of a SHA-256.
	HashBytes = 32
	// RecordBytesMin is the length of a record without optional fields.
	RecordBytesMin = headBytes + HashBytes
	// RecordBytesMax is the length of a record with all fields, which bounds
	// every buffer of this package.
	RecordBytesMax = headBytes + fieldBytesMax + HashBytes

	headBytes     = 24
	fieldBytesMax = 5*8 + 2 + 2*4 + 2*labelBytes + WordsMax*8 + HashBytes + 1 + TextBytesMax
	labelBytes    = 16
)

// The offsets in the head of a record.
const (
	atLength   = 0
	atKind     = 2
	atType     = 3
	atFields   = 4
	atStatus   = 6
	atSequence = 8
	atTime     = 16
)

// encoder writes the optional fields of one record. The buffer has room for
// all of them, so that there is nothing to fail.
type encoder struct {
	b       []byte
	n       int
	present field
}

// encode writes r without its hash into b, and returns the length. The length
// in the record already counts the hash.
//
// Preconditions:
//   - b has RecordBytesMax bytes.
//   - r.Text has at most TextBytesMax bytes.
func encode(b []byte, r *Record) int {
	e := encoder{b: b, n: headBytes}
	e.word(fieldTask, r.Task)
	e.word(fieldActor, r.Actor)
	e.word(fieldObject, r.Object)
	e.word(fieldPeer, r.Peer)
	e.word(fieldBadge, r.Badge)
	if r.Call != 0 {
		binary.LittleEndian.PutUint16(e.take(fieldCall, 2), r.Call)
	}
	e.half(fieldRights, uint32(r.Rights))
	e.half(fieldPass, uint32(r.Pass))
	e.label(fieldBefore, r.Before)
	e.label(fieldAfter, r.After)
	if r.Words != [WordsMax]uint64{} {
		to := e.take(fieldWords, WordsMax*8)
		for i, w := range r.Words {
			binary.LittleEndian.PutUint64(to[i*8:], w)
		}
	}
	if r.Digest != [HashBytes]byte{} {
		copy(e.take(fieldDigest, HashBytes), r.Digest[:])
	}
	if r.Text != "" {
		to := e.take(fieldText, 1+len(r.Text))
		to[0] = byte(len(r.Text)) //nolint:gosec // G115: at most TextBytesMax
		copy(to[1:], r.Text)
	}

	binary.LittleEndian.PutUint16(b[atLength:], uint16(e.n+HashBytes)) //nolint:gosec // G115: at most RecordBytesMax
	b[atKind] = byte(r.Kind)
	b[atType] = byte(r.Type)
	binary.LittleEndian.PutUint16(b[atFields:], uint16(e.present))
	binary.LittleEndian.PutUint16(b[atStatus:], uint16(r.Status))
	binary.LittleEndian.PutUint64(b[atSequence:], r.Sequence)
	binary.LittleEndian.PutUint64(b[atTime:], uint64(r.Time)) //nolint:gosec // G115: the same bits
	return e.n
}

// take marks f as present and returns the next n bytes of the buffer.
func (e *encoder) take(f field, n int) []byte {
	e.present |= f
	to := e.b[e.n : e.n+n]
	e.n += n
	return to
}

func (e *encoder) word(f field, v uint64) {
	if v != 0 {
		binary.LittleEndian.PutUint64(e.take(f, 8), v)
	}
}

func (e *encoder) half(f field, v uint32) {
	if v != 0 {
		binary.LittleEndian.PutUint32(e.take(f, 4), v)
	}
}

func (e *encoder) label(f field, l abi.Label) {
	if l != (abi.Label{}) {
		to := e.take(f, labelBytes)
		binary.LittleEndian.PutUint64(to, l.Sources)
		binary.LittleEndian.PutUint64(to[8:], l.Readers)
	}
}

// decoder reads the optional fields of one record. The first thing wrong
// makes it bad for good, and from then on it reads zeros.
type decoder struct {
	b       []byte
	present field
	bad     bool
}

// decode reads into r the record that b holds without its hash, and reports
// whether b is what encode writes for it. When it is not, r is unspecified.
//
// Preconditions: b has at least headBytes bytes.
func decode(b []byte, r *Record) bool {
	*r = Record{
		Kind:     Kind(b[atKind]),
		Type:     abi.ObjectType(b[atType]),
		Status:   abi.Status(binary.LittleEndian.Uint16(b[atStatus:])),
		Sequence: binary.LittleEndian.Uint64(b[atSequence:]),
		Time:     int64(binary.LittleEndian.Uint64(b[atTime:])), //nolint:gosec // G115: the same bits
	}
	d := decoder{b: b[headBytes:], present: field(binary.LittleEndian.Uint16(b[atFields:]))}
	r.Task = d.word(fieldTask)
	r.Actor = d.word(fieldActor)
	r.Object = d.word(fieldObject)
	r.Peer = d.word(fieldPeer)
	r.Badge = d.word(fieldBadge)
	if from := d.take(fieldCall, 2); from != nil {
		r.Call = binary.LittleEndian.Uint16(from)
	}
	r.Rights = abi.Rights(d.half(fieldRights))
	r.Pass = abi.Rights(d.half(fieldPass))
	r.Before = d.label(fieldBefore)
	r.After = d.label(fieldAfter)
	if from := d.take(fieldWords, WordsMax*8); from != nil {
		for i := range r.Words {
			r.Words[i] = binary.LittleEndian.Uint64(from[i*8:])
		}
	}
	copy(r.Digest[:], d.take(fieldDigest, HashBytes))
	r.Text = d.text()
	return !d.bad && len(d.b) == 0 && d.present < fieldEnd && r.Kind.valid()
}

// take returns the n bytes of f, or nil when f is absent. A field that is cut
// short or zero, which encode would have left out, makes the decoder bad.
func (d *decoder) take(f field, n int) []byte {
	if d.present&f == 0 || d.bad {
		return nil
	}
	if len(d.b) < n || allZero(d.b[:n]) {
		d.bad = true
		return nil
	}
	from := d.b[:n]
	d.b = d.b[n:]
	return from
}

func (d *decoder) word(f field) uint64 {
	if from := d.take(f, 8); from != nil {
		return binary.LittleEndian.Uint64(from)
	}
	return 0
}

func (d *decoder) half(f field) uint32 {
	if from := d.take(f, 4); from != nil {
		return binary.LittleEndian.Uint32(from)
	}
	return 0
}

func (d *decoder) label(f field) abi.Label {
	from := d.take(f, labelBytes)
	if from == nil {
		return abi.Label{}
	}
	return abi.Label{
		Sources: binary.LittleEndian.Uint64(from),
		Readers: binary.LittleEndian.Uint64(from[8:]),
	}
}

func (d *decoder) text() string {
	length := d.take(fieldText, 1)
	if length == nil {
		return ""
	}
	n := int(length[0])
	if n > TextBytesMax || n > len(d.b) {
		d.bad = true
		return ""
	}
	text := string(d.b[:n])
	d.b = d.b[n:]
	return text
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
