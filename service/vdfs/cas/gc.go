package cas

import (
	"context"
	"errors"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

const (
	sliceEntries     = 4096    // Index entries that one transaction handles.
	relocateEntries  = 1 << 16 // Pieces that one round of relocation moves.
	relocateRounds   = 1 << 12
	gcObjectsPending = 1 << 24 // Objects still to look into.
)

// Links tells the collector what an object of the caller's points to: visit
// gets each ID. It must refuse what it cannot read, for what is not visited is
// lost.
type Links func(id ID, data []byte, visit func(ID)) error

// Roots returns what must stay, and is asked twice: when a collection starts,
// and at its end, when no batch can commit. It must not commit itself.
type Roots func() ([]ID, error)

// Collected says what a collection did.
type Collected struct {
	Marked       int // Pieces that are reached.
	Swept        int // Pieces taken out of the index.
	Moved        int // Pieces moved out of packs that were mostly dead.
	PacksRemoved int
	BytesFreed   int64 // Of the disk.
}

type phase uint8

const (
	phaseIdle phase = iota
	phaseMark
	phaseSweep
)

// collector is the state of a collection. What stays is what is marked (and
// looked into), or kept (put or found by a batch, which looked itself).
type collector struct {
	mu     sync.RWMutex
	phase  phase // Guarded by mu, as all below.
	marked map[uint64]struct{}
	kept   map[uint64]struct{}
	queue  []ID // Still to be looked into.
}

// absorb takes over what a committed batch relied on.
func (c *collector) absorb(seen map[uint64]struct{}, objects []ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseIdle {
		return
	}
	for p := range seen {
		c.kept[p] = struct{}{}
	}
	c.queue = append(c.queue, objects...)
}

func (c *collector) aliveLocked(id ID) bool {
	if _, ok := c.marked[id.prefix()]; ok {
		return true
	}
	_, ok := c.kept[id.prefix()]
	return ok
}

// known reports whether a batch may rely on a piece that is in the index. One
// that is about to be swept is not known; but as the batch will now put it, it
// is kept from here on, at either place.
func (s *Store) known(id ID) (bool, error) {
	s.gc.mu.RLock()
	doomed := s.gc.phase == phaseSweep && !s.gc.aliveLocked(id)
	if !doomed {
		defer s.gc.mu.RUnlock()
		return s.Has(id)
	}
	s.gc.mu.RUnlock()
	s.gc.mu.Lock()
	defer s.gc.mu.Unlock()
	if s.gc.phase == phaseSweep {
		s.gc.kept[id.prefix()] = struct{}{}
	}
	return s.Has(id) // In the index still: then the sweep will now pass it by.
}

// Collect drops what neither roots, pins nor open batches reach, and packs
// what is left more tightly. Batches go on meanwhile, and wait for slices of
// some milliseconds. A crash at any point loses nothing, and so does
// cancelling. ErrBusy: one is under way. It holds 20 bytes of memory a piece.
func (s *Store) Collect(ctx context.Context, roots Roots, links Links) (Collected, error) {
	s.gc.mu.Lock()
	if s.gc.phase != phaseIdle {
		s.gc.mu.Unlock()
		return Collected{}, ErrBusy
	}
	s.gc.phase = phaseMark
	s.gc.marked, s.gc.kept = map[uint64]struct{}{}, map[uint64]struct{}{}
	s.gc.mu.Unlock()
	defer func() {
		s.gc.mu.Lock()
		defer s.gc.mu.Unlock()
		s.gc.phase, s.gc.marked, s.gc.kept, s.gc.queue = phaseIdle, nil, nil, nil
	}()
	var done Collected
	if err := s.mark(ctx, roots, links); err != nil {
		return done, err
	}
	if err := s.markLast(ctx, roots, links); err != nil {
		return done, err
	}
	s.gc.mu.RLock()
	done.Marked = len(s.gc.marked)
	s.gc.mu.RUnlock()
	if err := s.sweep(ctx, &done); err != nil {
		return done, err
	}
	return done, s.compact(ctx, &done)
}

// mark looks into everything that the roots and pins reach now.
func (s *Store) mark(ctx context.Context, roots Roots, links Links) error {
	ids, err := roots()
	if err != nil {
		return fmt.Errorf("cas: roots: %w", err)
	}
	s.mu.Lock()
	for id := range s.pins {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	s.gc.mu.Lock()
	s.gc.queue = append(s.gc.queue, ids...)
	s.gc.mu.Unlock()
	return s.drain(ctx, links)
}

// markLast marks what has come meanwhile, with no commit between. From its
// first line on, what a batch finds unmarked it puts again.
func (s *Store) markLast(ctx context.Context, roots Roots, links Links) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.gc.mu.Lock()
	s.gc.phase = phaseSweep
	s.gc.mu.Unlock()
	s.mu.Lock()
	open := make([]*Batch, 0, len(s.batches))
	for b := range s.batches {
		open = append(open, b)
	}
	s.mu.Unlock()
	for _, b := range open {
		b.mu.Lock()
		s.gc.absorb(b.seen, b.objects)
		b.mu.Unlock()
	}
	return s.mark(ctx, roots, links)
}

// drain looks into objects until none is left.
func (s *Store) drain(ctx context.Context, links Links) error {
	for {
		s.gc.mu.Lock()
		n := len(s.gc.queue)
		if n == 0 || n > gcObjectsPending {
			s.gc.mu.Unlock()
			if n > 0 {
				return fmt.Errorf("%w: %d objects to look into: collect when fewer batches are open", ErrLimit, n)
			}
			return ctx.Err()
		}
		id := s.gc.queue[n-1]
		s.gc.queue = s.gc.queue[:n-1]
		_, before := s.gc.marked[id.prefix()]
		s.gc.marked[id.prefix()] = struct{}{}
		s.gc.mu.Unlock()
		if before || id.IsZero() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.lookInto(id, links); err != nil {
			return err
		}
	}
}

func (s *Store) lookInto(id ID, links Links) error {
	if id.Kind() == KindChunk {
		return nil
	}
	data, err := s.anywhere(id)
	if err != nil {
		return fmt.Errorf("cas: collect nothing while a piece that is needed cannot be read: %w", err)
	}
	var found []ID
	if id.Kind() == KindList {
		l, err := decodeList(data)
		if err != nil {
			return err
		}
		for _, e := range l.entries {
			found = append(found, e.id)
		}
	} else if err := links(id, data, func(id ID) { found = append(found, id) }); err != nil {
		return fmt.Errorf("cas: links of %s: %w", id, err)
	}
	s.gc.mu.Lock()
	defer s.gc.mu.Unlock()
	for _, id := range found {
		if _, ok := s.gc.marked[id.prefix()]; ok {
			continue
		}
		if id.Kind() == KindChunk {
			s.gc.marked[id.prefix()] = struct{}{}
		} else {
			s.gc.queue = append(s.gc.queue, id)
		}
	}
	return nil
}

// anywhere reads an object from the store, or from the open batch that has it.
func (s *Store) anywhere(id ID) ([]byte, error) {
	data, err := s.Object(id)
	if !errors.Is(err, ErrNotFound) {
		return data, err
	}
	s.mu.Lock()
	open := make([]*Batch, 0, len(s.batches))
	for b := range s.batches {
		open = append(open, b)
	}
	s.mu.Unlock()
	for _, b := range open {
		b.mu.Lock()
		_, has := b.pending[id]
		b.mu.Unlock()
		if has {
			return b.Object(id)
		}
	}
	return nil, err
}

// indexed is an entry of the index.
type indexed struct {
	id ID
	place
}

// slice returns some entries of a table from a key on, and the key to go on
// from; nil at the end.
func (s *Store) slice(from []byte) (out []indexed, next []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketChunks()).Cursor()
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if len(out) == sliceEntries {
				next = append([]byte(nil), k...)
				return nil
			}
			p, err := decodePlace(v)
			if err != nil || len(k) != idBytes {
				return errors.Join(err, fmt.Errorf("%w: index", ErrFormat))
			}
			out = append(out, indexed{ID(k), p})
		}
		return nil
	})
	return out, next, closed(err)
}

// sweep takes the dead out of the index, slice by slice.
func (s *Store) sweep(ctx context.Context, done *Collected) error {
	for from, first := []byte{}, true; first || from != nil; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, next, err := s.slice(from)
		if err != nil {
			return err
		}
		if err := s.sweepSlice(entries, done); err != nil {
			return err
		}
		from = next
	}
	return nil
}

func (s *Store) sweepSlice(entries []indexed, done *Collected) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.gc.mu.Lock()
	defer s.gc.mu.Unlock()
	var dead []indexed
	for _, e := range entries {
		if !s.gc.aliveLocked(e.id) {
			dead = append(dead, e)
		}
	}
	if len(dead) == 0 {
		return nil
	}
	done.Swept += len(dead)
	err := s.db.Update(func(tx *bolt.Tx) error {
		chunks, extents, books := tx.Bucket(bucketChunks()), tx.Bucket(bucketExtents()), newLedger(tx)
		for _, e := range dead {
			v := chunks.Get(e.id[:])
			if v == nil {
				continue
			}
			p, err := decodePlace(v)
			if err != nil {
				return err
			}
			books.lose(p)
			if err := errors.Join(chunks.Delete(e.id[:]), extents.Delete(e.id[:])); err != nil {
				return err
			}
		}
		return books.write()
	})
	return full(err)
}

// compact removes packs that are dead, and moves what lives out of those that
// are mostly dead.
func (s *Store) compact(ctx context.Context, done *Collected) error {
	for range relocateRounds {
		victims, err := s.victims()
		if err != nil || len(victims) == 0 {
			return err
		}
		moved, err := s.relocate(ctx, victims)
		if err != nil {
			return err
		}
		removed, err := s.removeDead(victims, done)
		if err != nil {
			return err
		}
		done.Moved += moved
		if moved == 0 && removed == 0 {
			return nil // What is left cannot be read; scrub names it.
		}
	}
	return nil
}

// victims are the packs of which less than half lives.
func (s *Store) victims() (map[uint32]packRecord, error) {
	out := map[uint32]packRecord{}
	err := s.db.View(func(tx *bolt.Tx) error {
		err := eachPack(tx, func(n uint32, r packRecord) {
			if r.live*2 < r.size && !s.packs.busy(n) {
				out[n] = r
			}
		})
		if err != nil {
			return err
		}
		return tx.Bucket(bucketExtents()).ForEach(func(_, v []byte) error {
			r, err := decodeExtentRecord(v)
			delete(out, r.pack)
			return err
		})
	})
	return out, closed(err)
}

// relocate copies pieces out of packs, a bounded number.
func (s *Store) relocate(ctx context.Context, victims map[uint32]packRecord) (int, error) {
	live := uint64(0)
	for _, r := range victims {
		live += r.live
	}
	if live == 0 {
		return 0, nil
	}
	b, err := s.Begin()
	if err != nil {
		return 0, err
	}
	defer b.Discard()
	moved := 0
	for from, first := []byte{}, true; (first || from != nil) && moved < relocateEntries; first = false {
		entries, next, err := s.slice(from)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return moved, err
		}
		for _, e := range entries {
			if _, ok := victims[e.pack]; !ok {
				continue
			}
			if err := b.move(e, keepTemperature); err != nil {
				if _, ok := errors.AsType[*CorruptError](err); ok {
					continue
				}
				return moved, err
			}
			moved++
		}
		from = next
	}
	return moved, b.Commit(ctx)
}

// keepTemperature is for move: the bytes as they are stored.
const keepTemperature Temperature = 255

// move puts a piece at a new place, checked, perhaps at another temperature.
func (b *Batch) move(e indexed, t Temperature) error {
	s := b.store
	data, err := s.loadAt(e.id, e.place)
	if err != nil {
		return err
	}
	frame := make([]byte, frameHeadBytes, frameHeadBytes+len(data))
	p := e.place
	if t == keepTemperature {
		h, err := s.packs.acquire(e.pack)
		if err != nil {
			return err
		}
		defer s.packs.release(h)
		frame = frame[:frameHeadBytes+int(p.stored)]
		if _, err := h.file.ReadAt(frame[frameHeadBytes:], int64(p.offset)); err != nil {
			return err
		}
	} else {
		frame, p.codec, p.dict = s.codecs.encode(frame, data, t)
		p.stored = uint32(len(frame) - frameHeadBytes)
	}
	putHead(frame[:0], e.id, p)
	b.mu.Lock()
	b.moves[e.id] = e.place
	b.mu.Unlock()
	return b.enter(e.id, p, frame)
}

// removeDead removes packs in which nothing lives any more.
func (s *Store) removeDead(victims map[uint32]packRecord, done *Collected) (int, error) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	var dead []uint32
	err := s.db.Update(func(tx *bolt.Tx) error {
		table := tx.Bucket(bucketPacks())
		for number := range victims {
			r, err := decodePackRecord(table.Get(packKey(number)))
			if err != nil {
				return err
			}
			if r.count > 0 || s.packs.busy(number) {
				continue
			}
			if err := table.Delete(packKey(number)); err != nil {
				return err
			}
			dead = append(dead, number)
			done.BytesFreed += int64(r.size)
		}
		return nil
	})
	if err != nil {
		return 0, full(err)
	}
	for _, number := range dead {
		err = errors.Join(err, s.packs.remove(number)) // What stays, Open removes.
	}
	done.PacksRemoved += len(dead)
	return len(dead), err
}
