package vector

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The log, little end first. A header:
//
//	magic "phiosVEC"  version u32  dimensions u32  generation u64  mean f32 × dimensions  crc u32  0 u32
//
// and records, each a multiple of eight bytes:
//
//	magic u32  deletes u32  sequence u64  rows u64  lastID u64  mark u64  slabs u32  0 u32  deleted rows u32 × deletes (+ 0 u32)  crc u32  0 u32
//
// where rows is how many there are from this commit on, slabs is the sum of
// what the commit added, and crc is that of all before it.
const (
	logVersion      = 1
	logMagic        = "phiosVEC"
	headerBytes     = 24
	recordMagic     = 0x52c3a75f
	recordBytes     = 48
	trailerBytes    = 8
	recordBytesMax  = recordBytes + 4*BatchDeletesMax + trailerBytes
	recordAlignment = 8
)

// record is one commit.
type record struct {
	sequence, lastID, mark uint64
	rows                   int
	slabs                  uint32
	deleted                []uint32
}

// state is what a log says.
type state struct {
	dimensions int
	generation uint64
	mean       []float32
	record              // the last one
	live       []uint64 // a bit a row
	dead       int
	// before is how many rows there were before the last record.
	before int
	// bytes is the length of what was read and is whole.
	bytes int
}

// crcOf is CRC-32C, which processors compute.
func crcOf(parts ...[]byte) uint32 {
	sum, table := uint32(0), crc32.MakeTable(crc32.Castagnoli)
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

// sealed appends the sum of what was written since from.
func sealed(b []byte, from int) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(crcOf(b[from:])))
}

// unsealed reports whether b ends in the sum of what is before.
func unsealed(b []byte) bool {
	end := len(b) - trailerBytes
	return binary.LittleEndian.Uint64(b[end:]) == uint64(crcOf(b[:end]))
}

// appendHeader starts a log.
func appendHeader(b []byte, generation uint64, mean []float32) []byte {
	from := len(b)
	b = append(b, logMagic...)
	b = binary.LittleEndian.AppendUint32(b, logVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(mean)))
	b = binary.LittleEndian.AppendUint64(b, generation)
	for _, v := range mean {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return sealed(b, from)
}

// appendRecord adds a commit to a log.
func appendRecord(b []byte, r *record) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, recordMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.deleted)))
	for _, v := range []uint64{r.sequence, uint64(r.rows), r.lastID, r.mark, uint64(r.slabs)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, row := range r.deleted {
		b = binary.LittleEndian.AppendUint32(b, row)
	}
	if len(r.deleted)%2 == 1 {
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return sealed(b, from)
}

// readHeader reads the start of a log.
func readHeader(b []byte) (*state, error) {
	if len(b) < headerBytes || string(b[:8]) != logMagic {
		return nil, fmt.Errorf("%w: its log does not start like one: restore the folder from a copy, or build it again", ErrCorrupt)
	}
	version, dimensions := binary.LittleEndian.Uint32(b[8:]), int(binary.LittleEndian.Uint32(b[12:]))
	if version != logVersion {
		return nil, fmt.Errorf("%w: its log is of version %d: open it with the release that wrote it", ErrCorrupt, version)
	}
	end := headerBytes + 4*dimensions + trailerBytes
	if checkDimensions(dimensions) != nil || len(b) < end || !unsealed(b[:end]) {
		return nil, fmt.Errorf("%w: the start of its log has a wrong sum: restore the folder from a copy, or build it again", ErrCorrupt)
	}
	s := &state{dimensions: dimensions, generation: binary.LittleEndian.Uint64(b[16:]), mean: make([]float32, dimensions), bytes: end}
	decodeFloats(s.mean, b[headerBytes:])
	return s, nil
}

// readRecord reads the record at the start of b and its length, which is zero
// where there is no whole record.
func readRecord(b []byte) (r record, length int) {
	if len(b) < recordBytes+trailerBytes || binary.LittleEndian.Uint32(b) != recordMagic {
		return record{}, 0
	}
	deletes := int(binary.LittleEndian.Uint32(b[4:]))
	length = recordBytes + (4*deletes+7)&^7 + trailerBytes
	if deletes > BatchDeletesMax || len(b) < length || !unsealed(b[:length]) {
		return record{}, 0
	}
	rows := binary.LittleEndian.Uint64(b[16:])
	if rows > RowsMax {
		return record{}, 0
	}
	r = record{
		sequence: binary.LittleEndian.Uint64(b[8:]), rows: int(rows),
		lastID: binary.LittleEndian.Uint64(b[24:]), mark: binary.LittleEndian.Uint64(b[32:]),
		slabs: uint32(binary.LittleEndian.Uint64(b[40:])),
	}
	r.deleted = make([]uint32, deletes)
	for i := range r.deleted {
		r.deleted[i] = binary.LittleEndian.Uint32(b[recordBytes+4*i:])
	}
	return r, length
}

// replay reads a log. rowsMax is how many rows the slabs have room for; each, if
// not nil, sees every record and how many rows there were before it.
func replay(b []byte, rowsMax int, each func(r *record, before int) error) (*state, error) {
	s, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	s.deleted = nil
	for s.bytes < len(b) {
		r, length := readRecord(b[s.bytes:])
		if length == 0 {
			break
		}
		if err := s.apply(&r, rowsMax); err != nil {
			return nil, err
		}
		if each != nil {
			if err := each(&r, s.before); err != nil {
				return nil, err
			}
		}
		s.bytes += length
	}
	if rest := b[s.bytes:]; len(rest) > recordBytesMax || holdsLater(rest, s.sequence) {
		return nil, fmt.Errorf("%w: a record in the middle of its log, at byte %d, has a wrong sum: restore the folder from a copy, or build it again", ErrCorrupt, s.bytes)
	}
	return s, nil
}

// apply takes a record over.
func (s *state) apply(r *record, rowsMax int) error {
	if r.sequence != s.sequence+1 || r.rows < s.rows || r.rows-s.rows > BatchRowsMax || r.rows > rowsMax || r.lastID < s.lastID {
		return fmt.Errorf("%w: commit %d of its log does not follow from what is there: restore the folder from a copy, or build it again", ErrCorrupt, r.sequence)
	}
	s.before = s.rows
	s.live = withRows(s.live, s.rows, r.rows)
	for _, row := range r.deleted {
		if int(row) >= r.rows || !Bitmap(s.live).Has(row) {
			return fmt.Errorf("%w: commit %d of its log deletes a row that is not there: restore the folder from a copy, or build it again", ErrCorrupt, r.sequence)
		}
		Bitmap(s.live).remove(row)
		s.dead++
	}
	s.record = *r
	s.deleted = nil
	return nil
}

// tailWorkBytesMax bounds how much is summed to find out what a tail is.
const tailWorkBytesMax = 64 << 20

// holdsLater reports whether a whole record is somewhere in b: then what stands
// before it is damage, and not the end of a commit that was cut short. So is a
// tail that seems to hold more records than there can be.
func holdsLater(b []byte, sequence uint64) bool {
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	for at, work := 0, 0; work < tailWorkBytesMax; at++ {
		next := bytes.Index(b[at:], magic)
		if next < 0 {
			return false
		}
		at += next
		if r, length := readRecord(b[at:]); length > 0 && r.sequence > sequence {
			return true
		}
		work += len(b) - at
	}
	return true
}
