package journal

import (
	"crypto/sha256"
	"sync"

	"phios/abi"
	"phios/internal/invariant"
	"phios/platform"
)

// Position is a place in a journal: how many records there are up to it, and
// the hash of the last of them. Kept elsewhere it anchors the journal; given
// to [Resume] it continues one. The zero Position is before the first record.
type Position struct {
	Count uint64
	Head  [HashBytes]byte
}

// Options are what a journal's header says besides the seed.
type Options struct {
	// Node is the number of the machine in its cluster.
	Node uint64
}

// Journal writes records. Its methods may be called by many at a time.
type Journal struct {
	log   platform.Log
	clock platform.Clock

	mu sync.Mutex
	// count is the number of records that the log has. Guarded by mu.
	count uint64
	// scratch is the previous record's hash, and behind it room for one
	// record: what is hashed lies in one piece, and nothing is allocated.
	// Guarded by mu.
	scratch [HashBytes + RecordBytesMax]byte
}

// New begins a journal in an empty log and writes its header. It returns
// StatusJournal when the log refuses that. The log and the clock must last as
// long as the journal.
//
// Preconditions:
//   - log and clock are not nil.
func New(log platform.Log, clock platform.Clock, seed uint64, options Options) (*Journal, abi.Status) {
	return Resume(log, clock, seed, options, Position{})
}

// Resume goes on with a journal that ends at the given position, which a
// [Verifier] has found, by writing a header. It returns StatusJournal when the
// log refuses that.
//
// Preconditions:
//   - log and clock are not nil.
//   - log holds at.Count records, the last of which has the hash at.Head.
func Resume(log platform.Log, clock platform.Clock, seed uint64, options Options, at Position) (*Journal, abi.Status) {
	invariant.Check(log != nil && clock != nil, "a journal has a log and a clock")
	j := &Journal{log: log, clock: clock, count: at.Count}
	copy(j.scratch[:HashBytes], at.Head[:])
	header := Header{Version: FormatVersion, Seed: seed, Node: options.Node}.record()
	if status := j.append(&header); status != abi.StatusOK {
		return nil, status
	}
	return j, abi.StatusOK
}

// Append records r, whose Sequence and Time it sets itself. It allocates
// nothing, and blocks no longer than the log's Append does.
//
// It returns StatusJournal when the log refuses, StatusBadArgument when the
// kind means nothing or is a header, and StatusRange when the text is longer
// than TextBytesMax. Then nothing was recorded, and the next record takes the
// same place in the chain.
func (j *Journal) Append(r Record) abi.Status {
	switch {
	case !r.Kind.valid() || r.Kind == KindHeader:
		return abi.StatusBadArgument
	case len(r.Text) > TextBytesMax:
		return abi.StatusRange
	}
	return j.append(&r)
}

// append records r, which is valid. The clock is read under the lock, so that
// time does not go back from one record to the next.
func (j *Journal) append(r *Record) abi.Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Sequence = j.count
	r.Time = j.clock.Now()
	end := HashBytes + encode(j.scratch[HashBytes:], r)
	hash := sha256.Sum256(j.scratch[:end])
	copy(j.scratch[end:], hash[:])
	if j.log.Append(j.scratch[HashBytes:end+HashBytes]) != abi.StatusOK {
		return abi.StatusJournal
	}
	copy(j.scratch[:HashBytes], hash[:])
	j.count++
	return abi.StatusOK
}

// Position returns the journal's present end. It is what to anchor elsewhere.
func (j *Journal) Position() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := Position{Count: j.count}
	copy(p.Head[:], j.scratch[:HashBytes])
	return p
}

// Head returns the hash of the last record.
func (j *Journal) Head() [HashBytes]byte { return j.Position().Head }

// Count returns the number of records, headers included.
func (j *Journal) Count() uint64 { return j.Position().Count }
