// Package vector keeps unit vectors in a folder and finds those nearest to a
// question, exactly enough and within a few milliseconds on one core.
//
// Each row lies three times in append-only slabs that are mapped into memory:
// as one bit a dimension, as one byte a dimension, and as float32. A search
// scans the bits, which are 1/32 of the data and are read as fast as memory
// gives them; multiplies the few thousand best by bytes; and the few dozen best
// of those by float32. The scores of what it returns are exact; what it misses
// it missed in the scan, see [Snapshot.Search]. A [Graph] finds with less
// reading once there are hundreds of thousands of rows.
//
// # What is on disk
//
// A folder holds one generation of files: a slab each of bits, codes, scales,
// floats and ids, and a log. A commit writes rows past the end of the slabs,
// syncs them, appends one record to the log and syncs that: rows exist when
// their record does. What a crash leaves behind the last whole record counts as
// never written. Deletions are part of records. [Store.Compact] writes the rows
// that are left as the next generation, whose log gets its name last.
// Files in which one commit costs one sync were tried on paper: rows of three
// kinds side by side make the scan read 42 times as much.
//
// # Locks
//
// One process at a time opens a folder. Inside, mu orders writers; readers take
// a [Snapshot], which is one atomic counter, and then never wait nor see a
// change. Nothing may change the files behind the store's back: reading a page
// of a mapped file that was cut off ends the process.
package vector

import "errors"

// The largest of everything.
const (
	// DimensionsMax is the longest vector; [DimensionsGrain] divides its length.
	DimensionsMax = 4096
	// DimensionsGrain is what the length of vectors is a multiple of.
	DimensionsGrain = 64
	// RowsMax is how many rows a store holds, deleted ones included.
	RowsMax = 1 << 26
	// BatchRowsMax is how many rows one commit adds.
	BatchRowsMax = 1 << 16
	// BatchDeletesMax is how many rows one commit deletes.
	BatchDeletesMax = 1 << 20
	// ResultsMax is how many rows one search returns.
	ResultsMax = 4096

	logBytesMax = 1 << 30
)

// The errors of this package; the text of each names the remedy.
var (
	// ErrInput is for vectors, numbers and batches that no store takes.
	ErrInput = errors.New("unusable input")
	// ErrCorrupt is for files that are not as they were written.
	ErrCorrupt = errors.New("the vector store is damaged")
	// ErrBusy is for a folder that a process has open.
	ErrBusy = errors.New("the vector store is in use")
	// ErrFull is for a store that can take no more.
	ErrFull = errors.New("the vector store is full")
	// ErrClosed is for a store that was closed, or that has failed to write and
	// must be opened again.
	ErrClosed = errors.New("the vector store is closed")
)

// Hit is a row that was found.
type Hit struct {
	// Row is its number in the snapshot that was searched.
	Row uint32
	// ID is what the caller called it.
	ID uint64
	// Score is the cosine of the angle between it and the question.
	Score float32
}

// Batch is what one commit changes: all of it or nothing.
type Batch struct {
	// IDs are the names of the new rows. They rise, within a batch and from one
	// to the next; a name that was used is never used again.
	IDs []uint64
	// Rows are the vectors, one after the other, each of length one.
	Rows []float32
	// Delete names rows of earlier batches to delete. Names that no row has are passed over, so
	// that a deletion may be repeated.
	Delete []uint64
	// Mark is any number, which [Snapshot.Mark] returns afterwards: it tells a
	// caller with a store of its own which of its transactions are in here.
	Mark uint64
}

// better reports whether a comes before b: by score, then by row.
func better(a, b Hit) bool {
	return a.Score > b.Score || a.Score == b.Score && a.Row < b.Row
}
