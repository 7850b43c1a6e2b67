package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"phios/compute/cpu/simd"
)

// capacityRowsMin is how many rows the first mapping has room for.
const capacityRowsMin = 1 << 14

// Store is an open folder of vectors. Any number of goroutines may use it.
type Store struct {
	dimensions int
	folder     *os.Root
	held       *os.File // the file that says the folder is in use
	kernels    *simd.Kernels
	scratch    *sync.Pool // of *scratch

	current atomic.Pointer[view]

	mu    sync.Mutex // of writers
	log   *os.File
	files [slabKinds]*os.File
	state *state // live is shared with readers and never changed in place
	err   error  // why nothing more is written, or nil
}

// view is what readers see: one committed state. It is never changed.
type view struct {
	*mapping
	store      *Store
	generation uint64
	sequence   uint64
	rows, dead int
	live       Bitmap
	mean       []float32
	lastID     uint64
	mark       uint64
	graph      *Graph
}

// Create makes a store of vectors of some dimensions in a folder, which must be
// there and hold none. mean is what signs are taken against, such as the mean
// of vectors like those to come; nil is zero, and [Store.Compact] learns it.
func Create(dir string, dimensions int, mean []float32) (*Store, error) {
	if err := checkDimensions(dimensions); err != nil {
		return nil, err
	}
	if mean == nil {
		mean = make([]float32, dimensions)
	}
	if sum := squaredLength(mean); len(mean) != dimensions || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil, fmt.Errorf("%w: a mean of %d numbers for vectors of %d: give as many, all finite", ErrInput, len(mean), dimensions)
	}
	s, err := hold(dir)
	if err != nil {
		return nil, err
	}
	generations, err := s.generations()
	if err == nil && len(generations) > 0 {
		err = fmt.Errorf("%w: the folder holds vectors already: open it, or create in an empty folder", ErrInput)
	}
	if err == nil {
		err = s.create(1, mean)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// create makes the first generation, empty.
func (s *Store) create(generation uint64, mean []float32) error {
	g, err := s.newGeneration(generation, mean)
	if err != nil {
		return err
	}
	if err := g.finish(0, 0); err != nil {
		return errors.Join(err, g.abandon())
	}
	return s.use(generation)
}

// Open opens the store in a folder in its last committed state.
func Open(dir string) (*Store, error) {
	s, err := hold(dir)
	if err != nil {
		return nil, err
	}
	generations, err := s.generations()
	if err == nil && len(generations) == 0 {
		err = fmt.Errorf("%w: the folder holds no vectors: create a store in it", ErrInput)
	}
	if err == nil {
		err = s.use(generations[len(generations)-1])
	}
	if err == nil {
		err = s.clear(generations[len(generations)-1])
	}
	if err == nil {
		err = s.loadGraph(generations[len(generations)-1])
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// hold opens a folder and keeps other processes out.
func hold(dir string) (*Store, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	held, err := folder.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	s := &Store{folder: folder, held: held, kernels: simd.Best(), scratch: &sync.Pool{}}
	raw, err := held.SyscallConn()
	if err == nil {
		var failure error
		err = raw.Control(func(fd uintptr) { failure = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
		err = errors.Join(err, failure)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: close the other process that has %s open: %w", ErrBusy, dir, err), s.Close())
	}
	return s, nil
}

// Dimensions is the length of the store's vectors.
func (s *Store) Dimensions() int { return s.dimensions }

// Close lets the folder go. Snapshots stay usable until they are closed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == nil {
		return nil
	}
	all := s.drop()
	s.err = ErrClosed
	all = errors.Join(all, s.held.Close(), s.folder.Close())
	s.folder = nil
	return all
}

// drop closes the files of the generation in use.
func (s *Store) drop() error {
	var all error
	if v := s.current.Swap(nil); v != nil {
		all = v.release()
	}
	return errors.Join(all, closeFiles(s.log, &s.files))
}

// closeFiles closes those files of a generation that were opened.
func closeFiles(log *os.File, files *[slabKinds]*os.File) error {
	var all error
	for _, f := range append(files[:], log) {
		if f != nil {
			all = errors.Join(all, f.Close())
		}
	}
	return all
}

// Commit makes a batch visible and durable, or leaves everything as it was: the
// error is [ErrInput], [ErrFull], [ErrClosed], or what the disk said. When it
// cannot be told what reached the disk, the store takes no more until it is
// opened again.
func (s *Store) Commit(b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if err := s.check(b); err != nil {
		return err
	}
	old := s.state
	added := encode(b.IDs, b.Rows, old.mean)
	if err := writeSlabs(&s.files, s.dimensions, old.rows, added); err != nil {
		return err // Beyond the last row there is nothing.
	}
	next := *old
	next.live = withRows(append(make(Bitmap, 0, (old.rows+added.rows+63)/64), old.live...), old.rows, old.rows+added.rows)
	next.record = record{sequence: old.sequence + 1, rows: old.rows + added.rows, lastID: old.lastID, mark: b.Mark, slabs: crcOf(added.slabs[:]...)}
	if len(b.IDs) > 0 {
		next.lastID = b.IDs[len(b.IDs)-1]
	}
	next.deleted = s.take(next.live, b.Delete)
	next.dead += len(next.deleted)
	if err := s.appendLog(&next); err != nil {
		return err
	}
	next.deleted = nil
	return s.show(&next)
}

// check returns an error unless a batch can be committed.
func (s *Store) check(b Batch) error {
	if len(b.IDs) > BatchRowsMax || len(b.Delete) > BatchDeletesMax || len(b.Rows) != len(b.IDs)*s.dimensions {
		return fmt.Errorf("%w: %d names, %d numbers, %d deletions: give %d numbers a name, at most %d names and %d deletions a batch",
			ErrInput, len(b.IDs), len(b.Rows), len(b.Delete), s.dimensions, BatchRowsMax, BatchDeletesMax)
	}
	last, named := s.state.lastID, s.state.lastID > 0 || s.state.rows > 0
	for i, id := range b.IDs {
		if named && id <= last || id == math.MaxUint64 {
			return fmt.Errorf("%w: name %d comes after %d: give names that rise", ErrInput, id, last)
		}
		last, named = id, true
		if sum := squaredLength(b.Rows[i*s.dimensions : (i+1)*s.dimensions]); !(math.Abs(sum-1) <= unitTolerance) {
			return fmt.Errorf("%w: row %d of the batch has a squared length of %g: scale it to 1", ErrInput, i, sum)
		}
	}
	if s.state.rows+len(b.IDs) > RowsMax || s.state.bytes+recordBytesMax > logBytesMax {
		return fmt.Errorf("%w: compact it, or begin another", ErrFull)
	}
	return nil
}

// take removes named rows from live and returns which they were.
func (s *Store) take(live Bitmap, ids []uint64) []uint32 {
	var rows []uint32
	v := s.current.Load()
	for _, id := range ids {
		if row, ok := v.find(id); ok && live.Has(row) {
			live.remove(row)
			rows = append(rows, row)
		}
	}
	return rows
}

// writeSlabs writes rows from a row on and waits until the disk has them.
func writeSlabs(files *[slabKinds]*os.File, dimensions, from int, e encoded) error {
	if e.rows == 0 {
		return nil
	}
	var all [slabKinds]error
	var done sync.WaitGroup
	for kind, b := range e.slabs {
		done.Go(func() {
			_, err := files[kind].WriteAt(b, int64(from)*int64(slabKind(kind).stride(dimensions)))
			if err == nil {
				err = files[kind].Sync()
			}
			all[kind] = err
		})
	}
	done.Wait()
	return errors.Join(all[:]...)
}

// appendLog makes a commit durable.
func (s *Store) appendLog(next *state) error {
	b := appendRecord(nil, &next.record)
	if _, err := s.log.WriteAt(b, int64(s.state.bytes)); err != nil {
		// What is there of it must not be taken for a record later.
		if undo := s.log.Truncate(int64(s.state.bytes)); undo != nil {
			s.err = fmt.Errorf("%w: open it again: %w", ErrClosed, undo)
		}
		return err
	}
	if err := s.log.Sync(); err != nil {
		s.err = fmt.Errorf("%w: it is not known what the disk has; open it again: %w", ErrClosed, err)
		return s.err
	}
	next.bytes = s.state.bytes + len(b)
	return nil
}

// show lets readers see a state, and maps more of the files where it is needed.
func (s *Store) show(next *state) error {
	v := &view{
		store: s, generation: next.generation, sequence: next.sequence, rows: next.rows, dead: next.dead, live: next.live,
		mean: next.mean, lastID: next.lastID, mark: next.mark,
	}
	old := s.current.Load()
	s.state = next
	if old != nil && next.generation == old.generation {
		v.graph = old.graph
	}
	if old != nil && next.generation == old.generation && next.rows <= old.capacity {
		v.mapping = old.mapping
		s.current.Store(v)
		return nil
	}
	capacity := capacityRowsMin
	for capacity < next.rows {
		capacity *= 2
	}
	m, err := mapSlabs(&s.files, s.dimensions, capacity)
	if err != nil {
		s.err = fmt.Errorf("%w: what was committed is safe; open it again: %w", ErrClosed, err)
		return s.err
	}
	v.mapping = m
	s.current.Store(v)
	if old != nil {
		return old.release()
	}
	return nil
}

// find returns the row of a name, whether it is deleted or not.
func (v *view) find(id uint64) (uint32, bool) {
	low, high := 0, v.rows
	for low < high {
		if middle := (low + high) / 2; v.id(middle) < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return uint32(low), low < v.rows && v.id(low) == id
}

// id is the name of a row.
func (v *view) id(row int) uint64 {
	return binary.LittleEndian.Uint64(v.slabs[slabIDs][row*8:])
}
