package cas

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	batchesMax   = 64 // Open at once.
	pinsMax      = 1 << 16
	readTriesMax = 3 // A piece may move once or twice while it is read.
)

// Options of a store. The zero value is sound.
type Options struct {
	// Mirror is a folder on another disk. Packs are written to both, and a
	// piece that is corrupt in one is mended from the other; meta.db is copied
	// there by Close and Scrub. Empty: no second copy.
	Mirror string
	// Temperature of new pieces.
	Temperature Temperature
	// Workers hash and compress one large Put; 0 is 2.
	Workers int

	device device // What packs are written through; nil is the disk.
}

// Store is an open folder. All methods are safe for concurrent use; they block
// for the disk.
type Store struct {
	options Options
	db      *bolt.DB
	packs   *packs
	codecs  *codecs
	hashes  hashers
	pools   pools
	gc      collector

	commitMu sync.Mutex

	mu       sync.Mutex
	batches  map[*Batch]struct{} // Open ones; guarded by mu.
	pins     map[ID]int          // Guarded by mu.
	verified map[ID]bool         // Extents handed out; guarded by mu.
	counters Counters            // Guarded by mu.
}

// Open opens a store, and makes it when the folder is empty or missing. It
// removes what an earlier crash left. ErrLocked: somebody else has it open.
func Open(dir string, o Options) (*Store, error) {
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.device == nil {
		o.device = disk{}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, full(err)
	}
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, &bolt.Options{
		Timeout: 100 * time.Millisecond, FreelistType: bolt.FreelistMapType,
		// Room to map: growing the map would wait for every reader.
		InitialMmapSize: 1 << 28,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case err != nil:
		return nil, fmt.Errorf("cas: open meta.db: %w", full(err))
	}
	s := &Store{options: o, db: db, batches: map[*Batch]struct{}{}, pins: map[ID]int{}, verified: map[ID]bool{}}
	if err := s.start(dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *Store) start(dir string) error {
	if err := s.db.Update(prepare); err != nil {
		return full(err)
	}
	var err error
	if s.codecs, err = newCodecs(); err != nil {
		return err
	}
	known := map[uint32]packRecord{}
	err = s.db.View(func(tx *bolt.Tx) error {
		if err := eachPack(tx, func(n uint32, r packRecord) { known[n] = r }); err != nil {
			return err
		}
		return eachDictionary(tx, s.codecs.add)
	})
	if err != nil {
		return err
	}
	dirs := []string{filepath.Join(dir, "packs")}
	if s.options.Mirror != "" {
		dirs = append(dirs, filepath.Join(s.options.Mirror, "packs"))
	}
	if s.packs, err = openPacks(dirs, known, s.options.device); err != nil {
		return err
	}
	return syncDir(dir)
}

// Close ends the store. Batches still open are lost, as in a crash.
func (s *Store) Close() error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	err := s.mirrorMeta()
	return errors.Join(err, s.packs.closeAll(), s.db.Close())
}

// mirrorMeta copies meta.db beside the mirror's packs.
func (s *Store) mirrorMeta() error {
	if s.options.Mirror == "" {
		return nil
	}
	err := s.db.View(func(tx *bolt.Tx) error {
		name := filepath.Join(s.options.Mirror, "meta.db")
		if err := tx.CopyFile(name+".new", 0o600); err != nil {
			return full(err)
		}
		return os.Rename(name+".new", name)
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return nil // Closed before.
	}
	return err
}

// Pin keeps a piece and all below it from the collector until release, which
// may be called more than once. Pins live in memory: what must outlive the
// process belongs in a record. Pin what a root still reaches.
func (s *Store) Pin(id ID) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pins) >= pinsMax {
		return nil, fmt.Errorf("%w: %d pins: release some", ErrLimit, pinsMax)
	}
	s.pins[id]++
	var once sync.Once
	return func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.pins[id]--; s.pins[id] == 0 {
				delete(s.pins, id)
			}
		})
	}, nil
}

// find returns where a piece lies; ErrNotFound.
func (s *Store) find(id ID) (p place, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketChunks()).Get(id[:])
		if b == nil {
			return fmt.Errorf("piece %s: %w", id, ErrNotFound)
		}
		p, err = decodePlace(b)
		return err
	})
	return p, closed(err)
}

func closed(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Has reports whether a piece is in the store.
func (s *Store) Has(id ID) (bool, error) {
	_, err := s.find(id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Object returns the bytes of one piece, checked. The caller owns them. Errors:
// ErrNotFound, *CorruptError.
func (s *Store) Object(id ID) ([]byte, error) {
	for try := 1; ; try++ {
		p, err := s.find(id)
		if err != nil {
			return nil, err
		}
		data, err := s.loadAt(id, p)
		if try < readTriesMax && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrClosed)) {
			continue // The collector moved it between the two lines.
		}
		return data, err
	}
}

// loadAt reads a piece from a place, and mends it when it is corrupt and the
// mirror's is not.
func (s *Store) loadAt(id ID, p place) ([]byte, error) {
	h, err := s.packs.acquire(p.pack)
	if err != nil {
		return nil, err
	}
	defer s.packs.release(h)
	data, reason := s.check(h.file, id, p)
	if reason == "" {
		return data, nil
	}
	if h.mirror != nil {
		if good, no := s.check(h.mirror, id, p); no == "" {
			return good, s.mend(h.file, h.mirror, p)
		}
	}
	s.count(func(c *Counters) { c.Corrupt++ })
	return nil, &CorruptError{ID: id, Pack: s.packs.name(p.pack), Offset: p.offset, Reason: reason}
}

// check reads, expands and hashes a piece; reason is empty when it is sound.
func (s *Store) check(f *os.File, id ID, p place) (data []byte, reason string) {
	var stored []byte
	if p.codec == codecRaw {
		stored = make([]byte, p.stored)
	} else {
		scratch := s.pools.stored()
		defer s.pools.putStored(scratch)
		stored = (*scratch)[:p.stored]
	}
	if _, err := f.ReadAt(stored, int64(p.offset)); err != nil {
		return nil, "read: " + err.Error()
	}
	data, err := s.codecs.expand(stored, p)
	switch {
	case err != nil:
		return nil, "expand: " + err.Error()
	case len(data) != int(p.raw):
		return nil, "length"
	case s.hashes.sum(id.Kind(), data) != id:
		return nil, "hash"
	}
	return data, ""
}

// mend copies the stored bytes of a piece over a corrupt copy of them.
func (s *Store) mend(bad, good *os.File, p place) error {
	stored := make([]byte, p.stored)
	if _, err := good.ReadAt(stored, int64(p.offset)); err != nil {
		return err
	}
	if err := s.packs.device.write(bad, stored, int64(p.offset)); err != nil {
		return full(err)
	}
	s.count(func(c *Counters) { c.Mended++ })
	return full(s.packs.device.sync(bad))
}

// pools keeps buffers; the zero value is ready.
type pools struct{ raw, pieces, chunkers sync.Pool }

// stored returns a buffer of pieceBytesMax.
func (p *pools) stored() *[]byte {
	if b, ok := p.raw.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, pieceBytesMax)
	return &b
}

func (p *pools) putStored(b *[]byte) { p.raw.Put(b) }
