package cas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The tables of meta.db. A function each, for a slice cannot be a constant.
func bucketChunks() []byte  { return []byte("chunks") }  // ID: place.
func bucketPacks() []byte   { return []byte("packs") }   // Number: packRecord.
func bucketExtents() []byte { return []byte("extents") } // ID of a list: extentRecord.
func bucketDicts() []byte   { return []byte("dicts") }   // Number: dictionary.
func bucketRecords() []byte { return []byte("records") } // Name: value.
func bucketFormat() []byte  { return []byte("format") }

const (
	formatVersion    = 1
	packRecordBytes  = 29
	extentRecordSize = 12
	// RecordNameBytesMax is the longest name of a record.
	RecordNameBytesMax = 1024
	// RecordBytesMax is the largest value of a record.
	RecordBytesMax = 1 << 20
)

// packRecord is what is known of a pack.
type packRecord struct {
	size   uint64 // Bytes that commits account for.
	live   uint64 // Stored bytes that the index points to.
	raw    uint64 // The same before compression.
	count  uint32 // Pieces that the index points to.
	extent bool
}

func (r packRecord) encode() []byte {
	b := make([]byte, packRecordBytes)
	binary.LittleEndian.PutUint64(b, r.size)
	binary.LittleEndian.PutUint64(b[8:], r.live)
	binary.LittleEndian.PutUint64(b[16:], r.raw)
	binary.LittleEndian.PutUint32(b[24:], r.count)
	if r.extent {
		b[28] = 1
	}
	return b
}

func decodePackRecord(b []byte) (packRecord, error) {
	if len(b) != packRecordBytes {
		return packRecord{}, fmt.Errorf("%w: a pack record of %d bytes", ErrFormat, len(b))
	}
	r := packRecord{
		size:   binary.LittleEndian.Uint64(b),
		live:   binary.LittleEndian.Uint64(b[8:]),
		raw:    binary.LittleEndian.Uint64(b[16:]),
		count:  binary.LittleEndian.Uint32(b[24:]),
		extent: b[28] == 1,
	}
	if r.size > 2*fileBytesMax || b[28] > 1 {
		return packRecord{}, fmt.Errorf("%w: a pack record out of bounds", ErrFormat)
	}
	return r, nil
}

// extentRecord says which pack is the file of a list, and its length.
type extentRecord struct {
	pack   uint32
	length uint64
}

func (r extentRecord) encode() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, r.pack), r.length)
}

func decodeExtentRecord(b []byte) (extentRecord, error) {
	if len(b) != extentRecordSize {
		return extentRecord{}, fmt.Errorf("%w: an extent record of %d bytes", ErrFormat, len(b))
	}
	r := extentRecord{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])}
	if r.length > fileBytesMax {
		return extentRecord{}, fmt.Errorf("%w: an extent out of bounds", ErrFormat)
	}
	return r, nil
}

func packKey(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

// prepare makes the tables, or checks that this version can read them.
func prepare(tx *bolt.Tx) error {
	if b := tx.Bucket(bucketFormat()); b != nil {
		if v := b.Get([]byte("version")); len(v) != 1 || v[0] != formatVersion {
			return fmt.Errorf("%w: meta.db has version %v, this is %d: use the program that made it", ErrFormat, v, formatVersion)
		}
		return nil
	}
	for _, name := range [][]byte{bucketChunks(), bucketPacks(), bucketExtents(), bucketDicts(), bucketRecords()} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucket(bucketFormat())
	if err != nil {
		return err
	}
	return b.Put([]byte("version"), []byte{formatVersion})
}

func eachPack(tx *bolt.Tx, visit func(uint32, packRecord)) error {
	return tx.Bucket(bucketPacks()).ForEach(func(k, v []byte) error {
		r, err := decodePackRecord(v)
		if err != nil || len(k) != 4 {
			return errors.Join(err, fmt.Errorf("%w: pack table", ErrFormat))
		}
		visit(binary.BigEndian.Uint32(k), r)
		return nil
	})
}

func eachDictionary(tx *bolt.Tx, visit func(uint16, []byte) error) error {
	return tx.Bucket(bucketDicts()).ForEach(func(k, v []byte) error {
		if len(k) != 2 || len(v) > dictBytesMax {
			return fmt.Errorf("%w: dictionary table", ErrFormat)
		}
		return visit(binary.BigEndian.Uint16(k), bytes.Clone(v))
	})
}

// ledger gathers what a transaction changes of packs, and writes it once.
type ledger struct {
	tx    *bolt.Tx
	packs map[uint32]packRecord
}

func newLedger(tx *bolt.Tx) *ledger { return &ledger{tx, map[uint32]packRecord{}} }

func (l *ledger) record(number uint32) packRecord {
	if r, ok := l.packs[number]; ok {
		return r
	}
	// A missing or bad one counts from nothing: it is an account, not an index.
	r, _ := decodePackRecord(l.tx.Bucket(bucketPacks()).Get(packKey(number)))
	return r
}

// gain accounts for a piece that the index now points to; lose for one that it
// no longer does.
func (l *ledger) gain(p place) {
	r := l.record(p.pack)
	r.live, r.raw, r.count = r.live+uint64(p.stored), r.raw+uint64(p.raw), r.count+1
	l.packs[p.pack] = r
}

func (l *ledger) lose(p place) {
	r := l.record(p.pack)
	r.live -= min(r.live, uint64(p.stored))
	r.raw -= min(r.raw, uint64(p.raw))
	r.count -= min(r.count, 1)
	l.packs[p.pack] = r
}

// reach says that a pack has so many bytes.
func (l *ledger) reach(number uint32, end uint64, extent bool) {
	r := l.record(number)
	r.size, r.extent = max(r.size, end), r.extent || extent
	l.packs[number] = r
}

func (l *ledger) write() error {
	b := l.tx.Bucket(bucketPacks())
	for number, r := range l.packs {
		if err := b.Put(packKey(number), r.encode()); err != nil {
			return err
		}
	}
	return nil
}

// Record returns the value that a committed batch gave a name; ErrNotFound. The
// caller owns it.
func (s *Store) Record(name string) (value []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketRecords()).Get([]byte(name))
		if v == nil {
			return fmt.Errorf("record %q: %w", name, ErrNotFound)
		}
		value = bytes.Clone(v)
		return nil
	})
	return value, closed(err)
}

// Records visits the records whose name starts with prefix, in order, as they
// are at one moment. The value is the visitor's for the call only, which must
// not commit.
func (s *Store) Records(prefix string, visit func(name string, value []byte) error) error {
	return closed(s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketRecords()).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if err := visit(string(k), v); err != nil {
				return err
			}
		}
		return nil
	}))
}
