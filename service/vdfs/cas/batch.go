package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"
)

const (
	batchBufferBytes = 1 << 20 // Written to a pack at once.
	batchPendingMax  = 1 << 16 // Pieces that wait for the index.
	batchRecordsMax  = 1 << 16
	batchObjectsMax  = 1 << 24
	bufferedPack     = 0 // A place in a buffer that is not yet in a pack.
	batchBufferSpare = pieceBytesMax + frameHeadBytes
)

// Batch is a transaction: what it puts and sets is there for others, and after
// a crash, when Commit has returned nil, and else not at all. Its methods are
// safe for concurrent use. End it with Commit or Discard.
type Batch struct {
	store *Store

	mu       sync.Mutex
	buffer   []byte              // Pieces that are in no pack yet; guarded by mu, as all below.
	buffered []ID                // Which, in order.
	pending  map[ID]place        // Pieces that are not in the index yet.
	moves    map[ID]place        // Pieces that were elsewhere: where.
	extents  map[ID]extentRecord // Files of their own, by their list.
	writing  map[uint32]int      // Writerships of packs.
	ends     map[uint32]uint64   // How far the batch wrote in each.
	seen     map[uint64]struct{} // All it put or found: not for the collector.
	objects  []ID                // What the collector must look into.
	records  map[string]*[]byte  // nil deletes.
	expected map[string][]byte   // What records must be; nil is absent.
	err      error               // Why it has ended.
}

// Begin starts a batch. ErrLimit: 64 are open.
func (s *Store) Begin() (*Batch, error) {
	b := &Batch{
		store: s, pending: map[ID]place{}, moves: map[ID]place{}, extents: map[ID]extentRecord{},
		writing: map[uint32]int{}, ends: map[uint32]uint64{}, seen: map[uint64]struct{}{},
		records: map[string]*[]byte{}, expected: map[string][]byte{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) >= batchesMax {
		return nil, fmt.Errorf("%w: %d batches are open: end some", ErrLimit, batchesMax)
	}
	s.batches[b] = struct{}{}
	return b, nil
}

// PutObject stores one piece of at most 1 MiB under its hash. What is there
// already costs a look-up. Kinds below KindCaller are this package's own, but
// KindChunk may be put by anybody.
func (b *Batch) PutObject(kind Kind, data []byte) (ID, error) {
	if len(data) > pieceBytesMax {
		return ID{}, fmt.Errorf("%w: an object of %d bytes, at most %d: split it", ErrLimit, len(data), pieceBytesMax)
	}
	id := b.store.hashes.sum(kind, data)
	if kind >= KindCaller {
		if err := b.Keep(id); err != nil {
			return ID{}, err
		}
	}
	return id, b.add(id, data, b.store.options.Temperature)
}

// add stores a piece whose hash is known.
func (b *Batch) add(id ID, data []byte, t Temperature) error {
	fresh, err := b.notice(id, uint64(len(data)))
	if err != nil || !fresh {
		return err
	}
	scratch := b.store.pools.piece()
	defer b.store.pools.putPiece(scratch)
	head := slices.Grow((*scratch)[:0], frameHeadBytes)[:frameHeadBytes]
	frame, how, dict := b.store.codecs.encode(head, data, t)
	*scratch = frame
	p := place{
		stored: uint32(len(frame) - frameHeadBytes),
		raw:    uint32(len(data)),
		codec:  how, dict: dict,
	}
	putHead(frame[:0], id, p)
	return b.enter(id, p, frame)
}

// notice notes that the batch relies on a piece, and reports whether it must
// be stored. It is noted before it is looked for: the collector, which looks
// at the notes last, either sees it or is seen.
func (b *Batch) notice(id ID, size uint64) (bool, error) {
	b.mu.Lock()
	err := b.err
	b.seen[id.prefix()] = struct{}{}
	_, have := b.pending[id]
	b.mu.Unlock()
	if err != nil {
		return false, err
	}
	if !have {
		if have, err = b.store.known(id); err != nil {
			return false, err
		}
	}
	b.store.count(func(c *Counters) {
		if have {
			c.Known++
			c.KnownBytes += size
		} else {
			c.Stored++
			c.StoredBytes += size
		}
	})
	return !have, nil
}

// enter appends a frame to the buffer, and makes room when it is full.
func (b *Batch) enter(id ID, p place, frame []byte) error {
	b.mu.Lock()
	if _, twice := b.pending[id]; twice || b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	if b.buffer == nil {
		b.buffer = make([]byte, 0, batchBufferBytes+batchBufferSpare)
	}
	p.pack, p.offset = bufferedPack, uint64(len(b.buffer)+frameHeadBytes)
	b.buffer = append(b.buffer, frame...)
	b.buffered = append(b.buffered, id)
	b.pending[id] = p
	var err error
	if len(b.buffer) >= batchBufferBytes {
		err = b.flushLocked()
	}
	spill := len(b.pending) >= batchPendingMax
	b.mu.Unlock()
	if err == nil && spill {
		err = b.apply(false)
	}
	return err
}

// flushLocked writes the buffer to the pack that grows. A failure ends the
// batch: its pieces are gone.
func (b *Batch) flushLocked() error {
	if len(b.buffer) == 0 || b.err != nil {
		return b.err
	}
	n := len(b.buffer)
	number, at, h, err := b.store.packs.reserve(n)
	if err != nil {
		b.err = err
		return err
	}
	defer b.store.packs.release(h)
	b.writing[number]++
	if err := b.store.packs.writeTo(h, b.buffer, at); err != nil {
		b.store.packs.giveBack(number, at, n, h)
		b.err = err
		return err
	}
	for _, id := range b.buffered {
		p := b.pending[id]
		p.pack, p.offset = number, p.offset+uint64(at)
		b.pending[id] = p
	}
	b.ends[number] = max(b.ends[number], uint64(at)+uint64(n))
	b.buffer, b.buffered = b.buffer[:0], b.buffered[:0]
	return nil
}

// Object is Store.Object, and sees what the batch has put as well.
func (b *Batch) Object(id ID) ([]byte, error) {
	b.mu.Lock()
	p, ok := b.pending[id]
	if ok && p.pack == bufferedPack {
		defer b.mu.Unlock()
		stored := bytes.Clone(b.buffer[p.offset : p.offset+uint64(p.stored)])
		return b.store.codecs.expand(stored, p)
	}
	b.mu.Unlock()
	if ok {
		return b.store.loadAt(id, p)
	}
	return b.store.Object(id)
}

// Keep says that the batch relies on pieces that it has not put: the collector
// leaves them, and all below them, until the batch ends.
func (b *Batch) Keep(ids ...ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.objects)+len(ids) > batchObjectsMax {
		return fmt.Errorf("%w: %d objects in a batch: commit more often", ErrLimit, batchObjectsMax)
	}
	b.objects = append(b.objects, ids...)
	return b.err
}

// Set gives a name a value when the batch commits. The value is copied.
func (b *Batch) Set(name string, value []byte) error {
	if len(value) > RecordBytesMax {
		return fmt.Errorf("%w: a record of %d bytes, at most %d: store an object and name it", ErrLimit, len(value), RecordBytesMax)
	}
	kept := bytes.Clone(value)
	return b.record(name, &kept)
}

// Delete takes a name away when the batch commits.
func (b *Batch) Delete(name string) error { return b.record(name, nil) }

func (b *Batch) record(name string, value *[]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return b.err
	case name == "" || len(name) > RecordNameBytesMax:
		return fmt.Errorf("%w: a record's name has 1 to %d bytes", ErrLimit, RecordNameBytesMax)
	case len(b.records) >= batchRecordsMax:
		return fmt.Errorf("%w: %d records in a batch: commit more often", ErrLimit, batchRecordsMax)
	}
	b.records[name] = value
	return nil
}

// Expect makes Commit fail with ErrConflict unless the record has this value
// then; nil means that there must be none.
func (b *Batch) Expect(name string, value []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected[name] = bytes.Clone(value)
}

// Commit makes the batch durable: packs first, then index and records in one
// transaction. On any error nothing of it is visible, and it has ended.
func (b *Batch) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		b.Discard()
		return err
	}
	err := b.apply(true)
	if err != nil {
		b.end(err)
		return err
	}
	b.store.count(func(c *Counters) { c.Commits++ })
	b.end(ErrDone)
	return nil
}

// Discard ends the batch without a trace. After Commit it does nothing.
func (b *Batch) Discard() { b.end(ErrDone) }

// end gives everything back. Pieces that got into the index stay there for
// another batch to find, or for the collector.
func (b *Batch) end(why error) {
	b.mu.Lock()
	if b.err == nil {
		b.err = why
	}
	writing := b.writing
	extents := b.extents
	b.buffer, b.buffered, b.objects = nil, nil, nil
	b.pending, b.moves = map[ID]place{}, map[ID]place{}
	b.writing, b.extents, b.seen = map[uint32]int{}, map[ID]extentRecord{}, map[uint64]struct{}{}
	b.mu.Unlock()
	b.store.mu.Lock()
	delete(b.store.batches, b)
	b.store.mu.Unlock()
	for number, n := range writing {
		b.store.packs.leave(number, n)
	}
	for _, e := range extents {
		_ = b.store.packs.remove(e.pack) // Never committed; Open would remove it.
	}
}

// apply writes what the batch has to packs and index; at the end of the batch
// the records as well.
func (b *Batch) apply(final bool) error { //nolint:revive // flag-parameter: whether more comes
	s := b.store
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.flushLocked(); err != nil {
		return err
	}
	if err := s.packs.syncAll(b.writing); err != nil {
		b.err = err
		return err
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		if final {
			if err := b.writeRecords(tx); err != nil {
				return err
			}
		}
		return b.writeIndex(tx)
	})
	if err != nil {
		b.err = closed(full(err))
		return b.err
	}
	if final {
		// Before the batch leaves the list of open ones: the collector has it
		// from one or from the other.
		s.gc.absorb(b.seen, b.objects)
	}
	for number, n := range b.writing {
		s.packs.leave(number, n)
	}
	clear(b.writing)
	clear(b.ends)
	clear(b.pending)
	clear(b.moves)
	clear(b.extents)
	return nil
}

// writeIndex enters the pending pieces, sorted, for bbolt likes order. A piece
// that another batch entered meanwhile is kept as it is.
func (b *Batch) writeIndex(tx *bolt.Tx) error {
	chunks, extents, books := tx.Bucket(bucketChunks()), tx.Bucket(bucketExtents()), newLedger(tx)
	ids := make([]ID, 0, len(b.pending))
	for id := range b.pending {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y ID) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range ids {
		p := b.pending[id]
		old, moves := b.moves[id]
		if v := chunks.Get(id[:]); v != nil {
			now, err := decodePlace(v)
			if err != nil {
				return err
			}
			if !moves || now != old {
				continue
			}
			books.lose(now)
		} else if moves {
			continue // Swept since.
		}
		if err := chunks.Put(id[:], p.encode()); err != nil {
			return err
		}
		books.gain(p)
	}
	for number, end := range b.ends {
		books.reach(number, end, false)
	}
	for id, e := range b.extents {
		if err := extents.Put(id[:], e.encode()); err != nil {
			return err
		}
		books.reach(e.pack, extentOffset+e.length, true)
	}
	return books.write()
}

func (b *Batch) writeRecords(tx *bolt.Tx) error {
	table := tx.Bucket(bucketRecords())
	for name, want := range b.expected {
		if have := table.Get([]byte(name)); (have == nil) != (want == nil) || !bytes.Equal(have, want) {
			return fmt.Errorf("record %q: %w", name, ErrConflict)
		}
	}
	var err error
	for name, value := range b.records {
		if value == nil {
			err = errors.Join(err, table.Delete([]byte(name)))
		} else {
			err = errors.Join(err, table.Put([]byte(name), *value))
		}
	}
	return err
}

// piece returns a buffer for a frame; its capacity grows to what is needed.
func (p *pools) piece() *[]byte {
	if b, ok := p.pieces.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (p *pools) putPiece(b *[]byte) { p.pieces.Put(b) }
