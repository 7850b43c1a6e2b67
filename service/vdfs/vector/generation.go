package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// copyRows is how many rows compaction copies at a time.
const copyRows = 1 << 12

// The names of a generation's files: vectors-00000001.log, ….bits and so on. A
// log that is not finished has another end.
const (
	namePrefix  = "vectors-"
	logEnd      = ".log"
	unfinished  = ".log-new"
	generations = 1 << 20
)

func fileName(generation uint64, end string) string {
	return fmt.Sprintf("%s%08x%s", namePrefix, generation, end)
}

// generations returns those with a finished log, oldest first.
func (s *Store) generations() ([]uint64, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var found []uint64
	for _, name := range names {
		if text, ok := strings.CutSuffix(strings.TrimPrefix(name, namePrefix), logEnd); ok {
			if g, err := strconv.ParseUint(text, 16, 32); err == nil && fileName(g, logEnd) == name {
				found = append(found, g)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// names returns the names of the folder's files of any generation.
func (s *Store) names() ([]string, error) {
	dir, err := s.folder.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, namePrefix) })
	return names, errors.Join(err, dir.Close())
}

// clear removes the files of all generations but one.
func (s *Store) clear(keep uint64) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, fileName(keep, ".")) {
			err = errors.Join(err, s.folder.Remove(name))
		}
	}
	return err
}

// syncFolder makes new names durable.
func (s *Store) syncFolder() error {
	dir, err := s.folder.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// use opens the files of a generation and shows its last state.
func (s *Store) use(generation uint64) error {
	var err error
	if s.log, err = s.folder.OpenFile(fileName(generation, logEnd), os.O_RDWR, 0o600); err != nil {
		return err
	}
	for kind := range s.files {
		name := fileName(generation, "."+slabKind(kind).name())
		if s.files[kind], err = s.folder.OpenFile(name, os.O_RDWR, 0o600); err != nil {
			return fmt.Errorf("%w: restore the folder from a copy, or build it again: %w", ErrCorrupt, err)
		}
	}
	next, err := s.readLog(nil)
	if err != nil {
		return err
	}
	if next.generation != generation {
		return fmt.Errorf("%w: its log is that of generation %d: give it back its name", ErrCorrupt, next.generation)
	}
	if s.dimensions != next.dimensions { // written once: readers look at it
		s.dimensions = next.dimensions
	}
	if err := s.show(next); err != nil {
		return err
	}
	return s.current.Load().checkSum(&next.record, next.before)
}

// readLog reads the log of the generation in use.
func (s *Store) readLog(each func(r *record, before int) error) (*state, error) {
	info, err := s.log.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > logBytesMax || info.Size() < headerBytes {
		return nil, fmt.Errorf("%w: its log has %d bytes: restore the folder from a copy, or build it again", ErrCorrupt, info.Size())
	}
	b := make([]byte, info.Size())
	if _, err := s.log.ReadAt(b, 0); err != nil {
		return nil, err
	}
	header, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	rows := int64(RowsMax)
	for kind, f := range s.files {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		rows = min(rows, info.Size()/int64(slabKind(kind).stride(header.dimensions)))
	}
	return replay(b, int(rows), each)
}

// checkSum compares what a commit added with the sum in its record.
func (v *view) checkSum(r *record, before int) error {
	var parts [slabKinds][]byte
	for kind := range parts {
		parts[kind] = v.mapping.rows(slabKind(kind), len(v.mean), before, r.rows)
	}
	if crcOf(parts[:]...) != r.slabs {
		return fmt.Errorf("%w: rows %d to %d have a wrong sum: restore the folder from a copy, or build it again", ErrCorrupt, before, r.rows)
	}
	return nil
}

// Verify reads everything and compares it with the sums that were written with
// it. Commits wait meanwhile, searches do not.
func (s *Store) Verify() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	v := s.current.Load()
	_, err := s.readLog(v.checkSum)
	return err
}

// generation is one that is being written.
type generation struct {
	store  *Store
	state  state
	log    *os.File
	files  [slabKinds]*os.File
	text   []byte // of the log
	number uint64
}

// newGeneration begins one.
func (s *Store) newGeneration(number uint64, mean []float32) (*generation, error) {
	if number >= generations {
		return nil, fmt.Errorf("%w: it was compacted %d times: begin another", ErrFull, number)
	}
	g := &generation{store: s, number: number, text: appendHeader(nil, number, mean)}
	g.state.mean = mean
	open := func(end string) (*os.File, error) {
		return s.folder.OpenFile(fileName(number, end), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	var err error
	if g.log, err = open(unfinished); err != nil {
		return nil, err
	}
	for kind := range g.files {
		if g.files[kind], err = open("." + slabKind(kind).name()); err != nil {
			return nil, errors.Join(err, g.abandon())
		}
	}
	return g, nil
}

// add appends rows. lastID and mark are those of the whole store.
func (g *generation) add(e encoded, lastID, mark uint64) error {
	for kind, b := range e.slabs {
		if _, err := g.files[kind].Write(b); err != nil {
			return err
		}
	}
	g.state.record = record{sequence: g.state.sequence + 1, rows: g.state.rows + e.rows, lastID: lastID, mark: mark, slabs: crcOf(e.slabs[:]...)}
	g.text = appendRecord(g.text, &g.state.record)
	return nil
}

// finish makes the generation durable; the last step is the name of its log.
func (g *generation) finish(lastID, mark uint64) error {
	if err := g.add(encoded{}, lastID, mark); err != nil {
		return err
	}
	if _, err := g.log.Write(g.text); err != nil {
		return err
	}
	for _, f := range append(g.files[:], g.log) {
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	if err := g.store.syncFolder(); err != nil {
		return err
	}
	if err := g.store.folder.Rename(fileName(g.number, unfinished), fileName(g.number, logEnd)); err != nil {
		return err
	}
	return g.store.syncFolder()
}

// abandon removes what was written.
func (g *generation) abandon() error {
	for _, f := range append(g.files[:], g.log) {
		if f != nil {
			_ = f.Close() // It may be closed already, and is removed next.
		}
	}
	var all error
	for _, end := range []string{unfinished, ".bits", ".codes", ".scales", ".floats", ".ids"} {
		if err := g.store.folder.Remove(fileName(g.number, end)); !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// Compact writes the rows that are not deleted anew, with signs against their
// own mean, and numbers them anew; their order and names stay. It takes as much
// space again as those rows and a while for each gigabyte; commits wait
// meanwhile, searches do not. A graph must be built again afterwards.
func (s *Store) Compact() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	v := s.current.Load()
	g, err := s.newGeneration(s.state.generation+1, v.meanOfLive())
	if err != nil {
		return err
	}
	if err := v.copyTo(g); err != nil {
		return errors.Join(err, g.abandon())
	}
	log, files := s.log, s.files
	s.log, s.files = nil, [slabKinds]*os.File{}
	if err := s.use(g.number); err != nil {
		s.err = fmt.Errorf("%w: open it again: %w", ErrClosed, err)
		return errors.Join(s.err, closeFiles(log, &files))
	}
	if err := closeFiles(log, &files); err != nil {
		return err
	}
	return s.clear(g.number)
}

// meanOfLive is the mean of the rows that are not deleted.
func (v *view) meanOfLive() []float32 {
	d := len(v.mean)
	sums, x, n := make([]float64, d), make([]float32, d), 0
	for row := range v.rows {
		if !v.live.Has(uint32(row)) {
			continue
		}
		decodeFloats(x, v.mapping.rows(slabFloats, d, row, row+1))
		for i, value := range x {
			sums[i] += float64(value)
		}
		n++
	}
	mean := make([]float32, d)
	for i, sum := range sums {
		mean[i] = float32(sum / float64(max(n, 1)))
	}
	return mean
}

// copyTo writes the rows that are not deleted to a generation and finishes it.
func (v *view) copyTo(g *generation) error {
	d := len(v.mean)
	x, ids := make([]float32, 0, copyRows*d), make([]uint64, 0, copyRows)
	for row := range v.rows {
		if v.live.Has(uint32(row)) {
			x = x[:len(x)+d]
			decodeFloats(x[len(x)-d:], v.mapping.rows(slabFloats, d, row, row+1))
			ids = append(ids, binary.LittleEndian.Uint64(v.mapping.rows(slabIDs, d, row, row+1)))
		}
		if len(ids) == copyRows || row == v.rows-1 && len(ids) > 0 {
			if err := g.add(encode(ids, x, g.state.mean), v.lastID, v.mark); err != nil {
				return err
			}
			x, ids = x[:0], ids[:0]
		}
	}
	return g.finish(v.lastID, v.mark)
}
