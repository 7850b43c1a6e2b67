package cas

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// source is where lists and chunks come from: a store or a batch.
type source interface {
	Object(id ID) ([]byte, error)
}

// Reader reads a blob at any offset. It is safe for concurrent use, holds the
// last piece and the lists that led to it, and needs no closing.
type Reader struct {
	from source
	root ID
	size int64

	mu    sync.Mutex
	lists [listLevelsMax]struct { // Guarded by mu.
		id ID
		list
	}
	chunk   []byte // Guarded by mu; never written.
	chunkID ID     // Guarded by mu.
}

// Blob opens a blob that was committed. Errors: ErrNotFound, *CorruptError,
// ErrFormat.
func (s *Store) Blob(id ID) (*Reader, error) { return openBlob(s, id) }

// Blob opens a blob that the batch has put, or that was committed.
func (b *Batch) Blob(id ID) (*Reader, error) { return openBlob(b, id) }

func openBlob(from source, id ID) (*Reader, error) {
	r := &Reader{from: from, root: id}
	data, err := from.Object(id)
	if err != nil {
		return nil, err
	}
	// A caller's kinds are not blobs.
	//exhaustive:ignore
	switch id.Kind() {
	case KindChunk:
		r.size, r.chunk, r.chunkID = int64(len(data)), data, id
	case KindList:
		l, err := decodeList(data)
		if err != nil {
			return nil, err
		}
		r.size = int64(l.size)
		r.lists[l.level].id, r.lists[l.level].list = id, l
	default:
		return nil, fmt.Errorf("%w: %s names no file", ErrFormat, id)
	}
	return r, nil
}

// Size returns the bytes of the blob.
func (r *Reader) Size() int64 { return r.size }

// ReadAt reads as io.ReaderAt says; every piece is checked.
func (r *Reader) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("cas: a negative offset: count from the start")
	}
	done := 0
	for done < len(p) {
		if at >= r.size {
			return done, io.EOF
		}
		chunk, start, err := r.pieceAt(at)
		if err != nil {
			return done, err
		}
		n := copy(p[done:], chunk[at-start:])
		done, at = done+n, at+int64(n)
	}
	return done, nil
}

// WriteTo writes the whole blob, piece by piece, without copying.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	for at := int64(0); ; {
		if at >= r.size {
			return at, nil
		}
		chunk, _, err := r.pieceAt(at)
		if err != nil {
			return at, err
		}
		n, err := w.Write(chunk)
		at += int64(n)
		if err != nil {
			return at, err
		}
	}
}

// pieceAt returns the chunk with a byte of the blob, and where it starts.
// Preconditions: 0 <= at < size.
func (r *Reader) pieceAt(at int64) ([]byte, int64, error) {
	start, e, level := int64(0), entry{r.root, uint64(r.size)}, -1
	for e.id.Kind() == KindList {
		l, err := r.list(e, level)
		if err != nil {
			return nil, 0, err
		}
		level = l.level
		i, offset := l.find(uint64(at - start))
		start += int64(offset)
		e = l.entries[i]
	}
	r.mu.Lock()
	chunk, have := r.chunk, r.chunkID == e.id
	r.mu.Unlock()
	if have {
		return chunk, start, nil
	}
	chunk, err := r.from.Object(e.id)
	if err != nil {
		return nil, 0, err
	}
	if uint64(len(chunk)) != e.size {
		return nil, 0, fmt.Errorf("%w: piece %s has another size than its list says", ErrFormat, e.id)
	}
	r.mu.Lock()
	r.chunk, r.chunkID = chunk, e.id
	r.mu.Unlock()
	return chunk, start, nil
}

// find returns the entry with a byte of the list, and where it starts.
func (l *list) find(at uint64) (int, uint64) {
	offset := uint64(0)
	for i, e := range l.entries {
		if at < offset+e.size {
			return i, offset
		}
		offset += e.size
	}
	return len(l.entries) - 1, offset - l.entries[len(l.entries)-1].size
}

// list returns a list, one level below the one that named it (-1: the root).
func (r *Reader) list(e entry, above int) (*list, error) {
	r.mu.Lock()
	for i := range r.lists {
		if r.lists[i].id == e.id && (above < 0 || i == above-1) {
			l := r.lists[i].list // Entries are never written again.
			r.mu.Unlock()
			return &l, nil
		}
	}
	r.mu.Unlock()
	data, err := r.from.Object(e.id)
	if err != nil {
		return nil, err
	}
	l, err := decodeList(data)
	if err != nil {
		return nil, err
	}
	if l.size != e.size || (above >= 0 && l.level != above-1) {
		return nil, fmt.Errorf("%w: list %s is not what names it", ErrFormat, e.id)
	}
	r.mu.Lock()
	r.lists[l.level].id, r.lists[l.level].list = e.id, l
	r.mu.Unlock()
	return &l, nil
}

// Extent is a blob that lies in one piece, uncompressed, from a page on.
type Extent struct {
	File   *os.File // The caller's, to map and to close; read only.
	Offset int64    // A multiple of 4096.
	Length int64
}

// extent returns the record of a list's file; ErrNotFound.
func (s *Store) extent(id ID) (r extentRecord, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketExtents()).Get(id[:])
		if v == nil {
			return ErrNotFound
		}
		r, err = decodeExtentRecord(v)
		return err
	})
	return r, closed(err)
}

// Extent hands out a blob for mapping. All of it is checked the first time in
// the life of the store object, at about a GB/s; after that it costs an open.
// A mapping stays good when the store drops the blob. ErrScattered: read it.
func (s *Store) Extent(id ID) (Extent, error) {
	record, err := s.extent(id)
	if errors.Is(err, ErrNotFound) {
		return Extent{}, fmt.Errorf("blob %s: %w", id, ErrScattered)
	}
	if err != nil {
		return Extent{}, err
	}
	h, err := s.packs.acquire(record.pack)
	if err != nil {
		return Extent{}, err
	}
	defer s.packs.release(h)
	s.mu.Lock()
	checked := s.verified[id]
	s.mu.Unlock()
	if !checked {
		if err := s.verifyExtent(id, record); err != nil {
			return Extent{}, err
		}
		s.mu.Lock()
		s.verified[id] = true
		s.mu.Unlock()
	}
	file, err := os.Open(h.file.Name())
	if err != nil {
		return Extent{}, err
	}
	return Extent{file, extentOffset, int64(record.length)}, nil
}

// verifyExtent checks every part of a file against the lists.
func (s *Store) verifyExtent(id ID, record extentRecord) error {
	at := uint64(extentOffset)
	err := s.eachChunk(id, -1, func(e entry) error {
		n := uint32(e.size)
		p := place{pack: record.pack, offset: at, stored: n, raw: n}
		_, err := s.loadAt(e.id, p)
		at += e.size
		return err
	})
	if err == nil && at != extentOffset+record.length {
		return fmt.Errorf("%w: extent of %s has another length than its list says", ErrFormat, id)
	}
	return err
}

// eachChunk visits the chunks of a blob in order.
func (s *Store) eachChunk(id ID, above int, visit func(entry) error) error {
	data, err := s.Object(id)
	if err != nil {
		return err
	}
	if id.Kind() != KindList {
		return visit(entry{id, uint64(len(data))})
	}
	l, err := decodeList(data)
	if err != nil {
		return err
	}
	if above >= 0 && l.level != above-1 {
		return fmt.Errorf("%w: list %s is not what names it", ErrFormat, id)
	}
	for _, e := range l.entries {
		if l.level == 0 {
			err = visit(e)
		} else {
			err = s.eachChunk(e.id, l.level, visit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
