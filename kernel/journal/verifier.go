package journal

import (
	"crypto/sha256"
	"encoding/binary"
)

// Fault is what is wrong with a journal.
type Fault uint8

// The faults.
const (
	FaultNone      Fault = iota
	FaultTorn            // the bytes end inside a record
	FaultLength          // a record's length is none that a record can have
	FaultSequence        // a record is missing, doubled or in the wrong place
	FaultHash            // the bytes are not those that were hashed
	FaultEncoding        // the hash is right, but no writer encodes a record so
	FaultHeader          // the journal does not begin with a header
	FaultVersion         // a header names a version that is not known here
	FaultAnchor          // the chain does not pass through the anchor
	FaultTruncated       // the journal ends before the anchor
	faultEnd
)

var faultTexts = [...]string{
	"none",
	"the journal ends inside a record",
	"impossible length",
	"gap in the sequence: a record is missing, doubled or moved",
	"bad hash: the record or the one before it was changed",
	"not the canonical encoding of a record",
	"no header where the journal begins",
	"unknown version of the format",
	"the chain does not pass through the anchor: the journal was rewritten",
	"the journal ends before the anchor: its end was cut off",
}

const (
	_ = uint(len(faultTexts) - int(faultEnd))
	_ = uint(int(faultEnd) - len(faultTexts))
)

// String returns what is wrong in words.
func (f Fault) String() string {
	if int(f) < len(faultTexts) {
		return faultTexts[f]
	}
	return "unknown fault"
}

// Verifier reads a journal record by record and checks the chain. It holds no
// more than a position. The zero Verifier is ready to read a journal from its
// first record; it is for one thread of control.
type Verifier struct {
	at     Position
	anchor Position
	offset uint64
	fault  Fault
	// scratch is where the previous hash and a record meet to be hashed.
	scratch [HashBytes + RecordBytesMax]byte
}

// NewVerifier returns a verifier that also demands that the chain pass
// through the anchor. The zero Position demands nothing.
func NewVerifier(anchor Position) *Verifier { return &Verifier{anchor: anchor} }

// Position returns the end of what was found good: where a journal can be
// resumed. The first bad record, if any, has the number Position().Count.
func (v *Verifier) Position() Position { return v.at }

// Offset returns the number of bytes that were found good: where the first bad
// record, if any, begins.
func (v *Verifier) Offset() uint64 { return v.offset }

// Next reads the first record of stream into r, and returns its length and
// what is wrong with it. It returns 0 and FaultNone at the end of stream.
//
// FaultTorn says that stream ends inside a record: with more bytes the caller
// may ask again. Every other fault is final and is returned for ever after;
// r is then unspecified. Only a text allocates, and at most TextBytesMax.
func (v *Verifier) Next(stream []byte, r *Record) (int, Fault) {
	if v.fault != FaultNone {
		return 0, v.fault
	}
	if len(stream) == 0 {
		return 0, FaultNone
	}
	if len(stream) < atLength+2 {
		return 0, FaultTorn
	}
	n := int(binary.LittleEndian.Uint16(stream[atLength:]))
	if n < RecordBytesMin || n > RecordBytesMax {
		v.fault = FaultLength
		return 0, v.fault
	}
	if len(stream) < n {
		return 0, FaultTorn
	}
	next := Position{Count: v.at.Count + 1}
	if v.fault = v.check(stream[:n], r, &next); v.fault != FaultNone {
		return 0, v.fault
	}
	v.at = next
	v.offset += uint64(n)
	return n, FaultNone
}

// Feed is Next for a record that something else has framed: it must be one
// whole record, and FaultLength says that it is not.
func (v *Verifier) Feed(record []byte, r *Record) Fault {
	whole := len(record) >= RecordBytesMin &&
		int(binary.LittleEndian.Uint16(record[atLength:])) == len(record)
	if v.fault == FaultNone && !whole {
		v.fault = FaultLength
	}
	_, fault := v.Next(record, r)
	return fault
}

// End says whether the journal may end here: FaultTruncated when the anchor
// has not been reached, or the fault that was found before.
func (v *Verifier) End() Fault {
	if v.fault == FaultNone && v.at.Count < v.anchor.Count {
		return FaultTruncated
	}
	return v.fault
}

// check finds what is wrong with one whole record, reads it into r and sets
// next.Head. The sequence comes before the hash, because a missing record
// spoils both and is better named by its gap; the encoding comes last,
// because it is only of interest when the hash says that someone meant it.
func (v *Verifier) check(record []byte, r *Record, next *Position) Fault {
	body := record[:len(record)-HashBytes]
	if binary.LittleEndian.Uint64(record[atSequence:]) != v.at.Count {
		return FaultSequence
	}
	copy(v.scratch[:], v.at.Head[:])
	n := HashBytes + copy(v.scratch[HashBytes:], body)
	next.Head = sha256.Sum256(v.scratch[:n])
	if [HashBytes]byte(record[len(body):]) != next.Head {
		return FaultHash
	}
	if !decode(body, r) {
		return FaultEncoding
	}
	if fault := v.checkHeader(r); fault != FaultNone {
		return fault
	}
	if next.Count == v.anchor.Count && next.Head != v.anchor.Head {
		return FaultAnchor
	}
	return FaultNone
}

// checkHeader finds what is wrong with r as a header, or as the first record.
func (v *Verifier) checkHeader(r *Record) Fault {
	if r.Kind != KindHeader {
		if v.at.Count == 0 {
			return FaultHeader
		}
		return FaultNone
	}
	header, ok := r.Header()
	if ok && header.Version != FormatVersion {
		return FaultVersion
	}
	want := header.record()
	want.Sequence, want.Time = r.Sequence, r.Time
	if !ok || *r != want {
		return FaultHeader
	}
	return FaultNone
}

// Verify reads a whole journal and returns the end of what is good in it, and
// what is wrong behind that. An anchor other than the zero Position must lie
// on the chain.
func Verify(stream []byte, anchor Position) (Position, Fault) {
	v := NewVerifier(anchor)
	var r Record
	for len(stream) > 0 {
		n, fault := v.Next(stream, &r)
		if fault != FaultNone {
			return v.Position(), fault
		}
		stream = stream[n:]
	}
	return v.Position(), v.End()
}
