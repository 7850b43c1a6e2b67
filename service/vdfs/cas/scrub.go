package cas

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"
)

const (
	corruptNamedMax  = 1024 // Corrupt pieces that a scrub lists; it counts all.
	trainSamples     = 4096
	trainSamplesMin  = 64
	trainSampleBytes = 8 << 20
)

// Counters count since Open.
type Counters struct {
	Commits     uint64
	Stored      uint64 // Pieces that were new.
	StoredBytes uint64 // Before compression.
	Known       uint64 // Pieces that were there.
	KnownBytes  uint64
	Corrupt     uint64 // Reads that failed.
	Mended      uint64 // Pieces mended from the mirror, or in it.
}

// Stats describe a store.
type Stats struct {
	Counters
	Pieces    int64
	RawBytes  int64 // Of the pieces, before compression.
	LiveBytes int64 // Of the pieces, on disk.
	DiskBytes int64 // Of the packs, with what is dead in them.
	Packs     int
	Extents   int
}

func (s *Store) count(change func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counters)
}

// Stats returns what is in the store. It reads a line a pack.
func (s *Store) Stats() (Stats, error) {
	var st Stats
	s.count(func(c *Counters) { st.Counters = *c })
	err := s.db.View(func(tx *bolt.Tx) error {
		return eachPack(tx, func(_ uint32, r packRecord) {
			st.Packs++
			if r.extent {
				st.Extents++
			}
			st.Pieces += int64(r.count)
			st.RawBytes += int64(r.raw)
			st.LiveBytes += int64(r.live)
			st.DiskBytes += int64(r.size)
		})
	})
	return st, closed(err)
}

// Scrubbed says what a scrub has found so far.
type Scrubbed struct {
	Pieces, Total int64 // Read, and how many there are.
	Bytes         int64 // Read, before compression.
	Mended        int64
	Corrupt       int64
	Named         []*CorruptError // The first 1024.
}

// Scrub reads and checks every piece, in the mirror too, and mends what can be
// mended. progress, which may be nil, is called some times a second. The error
// is one of the disk or of ctx; corrupt pieces are in the result.
func (s *Store) Scrub(ctx context.Context, progress func(Scrubbed)) (Scrubbed, error) {
	st, err := s.Stats()
	if err != nil {
		return Scrubbed{}, err
	}
	out := Scrubbed{Total: st.Pieces}
	mended := st.Mended
	for from, first := []byte{}, true; first || from != nil; first = false {
		entries, next, err := s.slice(from)
		if err != nil {
			return out, err
		}
		for i, e := range entries {
			if err := errors.Join(ctx.Err(), s.scrubOne(e, &out)); err != nil {
				return out, err
			}
			if progress != nil && i%256 == 255 {
				progress(out)
			}
		}
		from = next
	}
	s.count(func(c *Counters) { out.Mended = int64(c.Mended - mended) })
	if progress != nil {
		progress(out)
	}
	return out, s.mirrorMeta()
}

func (s *Store) scrubOne(e indexed, out *Scrubbed) error {
	out.Pieces++
	out.Bytes += int64(e.raw)
	_, err := s.loadAt(e.id, e.place)
	var corrupt *CorruptError
	switch {
	case errors.As(err, &corrupt):
		if now, err := s.find(e.id); err != nil || now != e.place {
			return nil //nolint:nilerr // Moved or swept since the slice was read.
		}
		out.Corrupt++
		if len(out.Named) < corruptNamedMax {
			out.Named = append(out.Named, corrupt)
		}
		return nil
	case err != nil:
		if now, err := s.find(e.id); err != nil || now != e.place {
			return nil //nolint:nilerr // As above.
		}
		return err
	}
	return s.scrubMirror(e)
}

// scrubMirror checks the second copy of a piece whose first is sound.
func (s *Store) scrubMirror(e indexed) error {
	h, err := s.packs.acquire(e.pack)
	if err != nil {
		return nil
	}
	defer s.packs.release(h)
	if h.mirror == nil {
		return nil
	}
	if _, reason := s.check(h.mirror, e.id, e.place); reason == "" {
		return nil
	}
	return s.mend(h.mirror, h.file, e.place)
}

// Recode gives pieces another temperature. Each ID is a chunk, a list or an
// object; of a list its chunks are meant. Those that are not there any more are
// passed by. It returns how many pieces were rewritten; the room that they had
// comes back with the next Collect.
func (s *Store) Recode(ctx context.Context, ids iter.Seq[ID], t Temperature) (int, error) {
	if t > Cold {
		return 0, fmt.Errorf("cas: no temperature %d: take one of the constants", t)
	}
	b, err := s.Begin()
	if err != nil {
		return 0, err
	}
	defer b.Discard()
	count := 0
	for id := range ids {
		err := s.eachChunk(id, -1, func(e entry) error {
			p, err := s.find(e.id)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			count++
			return b.move(indexed{e.id, p}, t)
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
	}
	return count, b.Commit(ctx)
}

// Train makes a dictionary from the small pieces in the store, for pieces of at
// most 8 KiB that become Cool or Cold from now on. It reports whether there
// were enough of them, some 64.
func (s *Store) Train(ctx context.Context) (bool, error) {
	samples, err := s.samples(ctx)
	if err != nil || len(samples) < trainSamplesMin {
		return false, err
	}
	s.codecs.mu.RLock()
	number := s.codecs.newest + 1
	s.codecs.mu.RUnlock()
	if number > dictsMax {
		return false, fmt.Errorf("%w: %d dictionaries", ErrLimit, dictsMax)
	}
	made, err := dict.BuildZstdDict(samples, dict.Options{
		MaxDictSize: dictBytesMax / 2, HashBytes: 6,
		ZstdDictID: uint32(number), ZstdLevel: zstd.SpeedBetterCompression,
	})
	if err != nil || len(made) > dictBytesMax {
		return false, nil
	}
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	err = s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketDicts()).Put(binary.BigEndian.AppendUint16(nil, number), made)
	})
	if err != nil {
		return false, closed(full(err))
	}
	return true, s.codecs.add(number, made)
}

// samples returns small pieces from all over the index.
func (s *Store) samples(ctx context.Context) ([][]byte, error) {
	var out [][]byte
	bytes := 0
	for from, first := []byte{}, true; first || from != nil; first = false {
		entries, next, err := s.slice(from)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.raw < 64 || e.raw > dictSmallBytes {
				continue
			}
			data, err := s.loadAt(e.id, e.place)
			if err != nil {
				continue // Scrub names it.
			}
			out = append(out, data)
			if bytes += len(data); len(out) == trainSamples || bytes > trainSampleBytes {
				return out, nil
			}
		}
		from = next
	}
	return out, nil
}
