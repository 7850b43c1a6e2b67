// Package logfile is a [platform.Log] in a file that survives crashes and
// power cuts: what Sync has confirmed is there afterwards, and what is there
// are whole records in their order.
//
// A record that is appended lies in memory first. A goroutine writes what has
// gathered, up to 64 KiB or for 5 ms, with one write and one fdatasync, so
// that a thousand records cost one turn of the disk; [File.Sync] asks for that
// turn now and waits for it. The goroutine is the only writer of the file and
// works only while something waits to be written.
//
// # Format
//
// The file begins with 8 bytes, "phi log" and the version. Frames follow, in
// little-endian order: a CRC-32C of all that comes after it, the length of the
// record, the record. The package knows nothing of what the records say; a
// journal's own hash chain is checked by whoever reads it, see [Options].
//
// # Failures
//
// When the disk does not take a whole batch, the file is cut back to the last
// whole record that it took; the rest stays in memory and is tried anew. Until
// that succeeds every Append and Sync answers StatusJournal, so that nothing
// goes on unrecorded; no record that was accepted is ever left out of the
// middle. After a failed fdatasync the batch is written again, because Linux
// marks pages as clean whose writing failed, and a second fdatasync would lie.
//
// A crash can leave a part of one batch at the end of the file. Open finds it
// by its checksum, saves it in a file of its own, PATH.torn-N, cuts it off and
// says so. A bad frame further from the end than one batch is no tear, since
// all before the last batch had been on the disk: that is [ErrDamaged], and
// Open changes nothing.
//
// Lock order: File.mu is a leaf. It is not held over anything that waits for
// the disk.
//
// Invariants: the file on the disk holds whole frames up to durable; what is
// left of writing follows there, and pending behind it; accepted is the end of
// all three.
//
// Ledger: S2, G1.3.
package logfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"phios/abi"
	"phios/platform"
)

// The limits of a log file, in bytes.
const (
	// RecordBytesMax is the greatest length of a record; the least is 1.
	RecordBytesMax = 64<<10 - frameHeadBytes
	// BatchBytes is how much is gathered before it is written at once.
	BatchBytes = 64 << 10
	// BufferBytesMax is how much can wait while a batch is being written.
	// It is also the greatest batch, and so the longest tear.
	BufferBytesMax = 1 << 20

	frameHeadBytes = 8
	atChecksum     = 0
	atLength       = 4
)

// The times of a log file.
const (
	// IntervalDefault is how long a record waits for others to join it.
	IntervalDefault = 5 * time.Millisecond
	// retryInterval is how long the goroutine waits after a failure, unless
	// Sync asks for another attempt.
	retryInterval = 100 * time.Millisecond
)

// castagnoliTable is that of CRC-32C, for which processors have instructions.
var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

// disk is what File needs of an open file; tests put one that fails here.
type disk interface {
	WriteAt(b []byte, at int64) (int, error)
	Truncate(size int64) error
	// Datasync returns when the bytes, and the size, are on the disk.
	Datasync() error
	Close() error
}

// File is a log in a file. Its methods may be called from any goroutine.
type File struct {
	path     string
	disk     disk
	interval time.Duration

	// work tells the goroutine that something is pending, now that it should
	// not wait for more. Each holds one token; senders never wait.
	work, now chan struct{}
	// done is closed when the goroutine has ended.
	done chan struct{}

	mu sync.Mutex
	// turned is told when an attempt has ended. Its lock is mu.
	turned sync.Cond
	// pending are the frames that the next attempt takes, writing those of the
	// present or failed one, spare the buffer of an earlier. Guarded by mu;
	// the bytes of writing are the goroutine's.
	pending, writing, spare []byte
	// written is how much of writing is on the disk. Guarded by mu.
	written int
	// durable and accepted are offsets in the file: up to where it is on the
	// disk, and up to where Append has answered for it. Guarded by mu.
	durable, accepted int64
	// begun and ended count attempts. Guarded by mu.
	begun, ended uint64
	// failure is why the last attempt failed, or nil. Guarded by mu.
	failure error
	// closing says that Close was called. Guarded by mu.
	closing bool
}

var _ platform.Log = (*File)(nil)

// start returns a File that goes on at the given offset, and starts its
// goroutine.
func start(path string, d disk, at int64, interval time.Duration) *File {
	f := &File{
		path: path, disk: d, interval: interval,
		work: make(chan struct{}, 1), now: make(chan struct{}, 1), done: make(chan struct{}),
		pending: make([]byte, 0, BufferBytesMax), spare: make([]byte, 0, BufferBytesMax),
		durable: at, accepted: at,
	}
	f.turned.L = &f.mu
	go f.run()
	return f
}

// Append accepts one record, to be written within the interval. The bytes are
// the caller's again afterwards. It allocates nothing, and waits only when
// BufferBytesMax are waiting already, for the disk to take them: refusing
// would let calls fail for no reason but their number.
//
// It returns StatusRange when the record is empty or longer than
// RecordBytesMax, and StatusJournal when the disk refused what came before or
// the file is closed. Then the record was not accepted.
func (f *File) Append(record []byte) abi.Status {
	if len(record) == 0 || len(record) > RecordBytesMax {
		return abi.StatusRange
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.refuses() && len(f.pending)+frameHeadBytes+len(record) > BufferBytesMax {
		signal(f.now)
		f.turned.Wait()
	}
	if f.refuses() {
		return abi.StatusJournal
	}
	before := len(f.pending)
	f.pending = appendFrame(f.pending, record)
	f.accepted += int64(len(f.pending) - before)
	switch {
	case len(f.pending) >= BatchBytes:
		signal(f.now)
	case before == 0:
		signal(f.work)
	}
	return abi.StatusOK
}

func (f *File) refuses() bool { return f.failure != nil || f.closing }

// Sync returns StatusOK when every record that was accepted before the call is
// on the disk. It returns StatusJournal when an attempt to bring them there,
// begun after the call, failed, or when the file was closed before.
func (f *File) Sync() abi.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	target, begun := f.accepted, f.begun
	for f.durable < target {
		if f.closing || (f.failure != nil && f.ended > begun) {
			return abi.StatusJournal
		}
		signal(f.now)
		f.turned.Wait()
	}
	return abi.StatusOK
}

// Err returns why the disk refused the last batch, nil when it did not. It is
// the text behind a StatusJournal.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

// Close writes what is left, ends the goroutine and closes the file. It
// returns an error when records that were accepted could not be written, which
// are then lost. Closing twice is allowed.
func (f *File) Close() error {
	f.mu.Lock()
	again := f.closing
	f.closing = true
	f.turned.Broadcast()
	f.mu.Unlock()
	signal(f.now)
	<-f.done
	if again {
		return nil
	}
	err := f.disk.Close()
	if lost := f.accepted - f.durable; lost != 0 { // no lock: the goroutine has ended
		err = errors.Join(fmt.Errorf("%d bytes were not written: %w", lost, f.failure), err)
	}
	if err != nil {
		return fmt.Errorf("close log %s: %w", f.path, err)
	}
	return nil
}

// run writes batches until the file is closed.
func (f *File) run() {
	defer close(f.done)
	timer := time.NewTimer(f.interval)
	timer.Stop()
	for {
		select {
		case <-f.now:
		case <-timer.C:
		case <-f.work:
			timer.Reset(f.interval)
			continue
		}
		timer.Stop()
		if f.attempt() {
			return
		}
		if f.Err() != nil {
			timer.Reset(retryInterval)
		}
	}
}

// attempt writes one batch: what is left of that which failed before, or else
// what is pending. It reports whether the file is closed and nothing more can
// be done for it.
func (f *File) attempt() bool {
	f.mu.Lock()
	if len(f.writing) == 0 {
		f.writing, f.pending, f.spare = f.pending, f.spare, nil
	}
	batch, at := f.writing[f.written:], f.durable
	f.begun++
	f.mu.Unlock()

	n, err := f.write(batch, at)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	f.failure = err
	f.durable += int64(n)
	f.written += n
	f.turned.Broadcast()
	if err != nil {
		return f.closing
	}
	f.spare, f.writing, f.written = f.writing[:0], nil, 0
	switch {
	case len(f.pending) == 0:
		return f.closing
	case f.closing || len(f.pending) >= BatchBytes:
		signal(f.now)
	default:
		signal(f.work)
	}
	return false
}

// write brings a batch to the disk and returns how much of it is there for
// certain. When the disk takes only a part, that is its whole frames; what is
// behind them is cut off again. When even the cut fails, the next attempt
// writes over the same place, and a crash before it leaves a tear like any
// other.
func (f *File) write(batch []byte, at int64) (int, error) {
	n, err := f.disk.WriteAt(batch, at)
	if err != nil {
		n = wholeFrames(batch[:n])
		err = errors.Join(err, f.disk.Truncate(at+int64(n)))
	}
	if n == 0 {
		return 0, err
	}
	if syncErr := f.disk.Datasync(); syncErr != nil {
		return 0, errors.Join(err, syncErr, f.disk.Truncate(at))
	}
	return n, err
}

// wholeFrames returns the length of the frames that b holds as a whole.
func wholeFrames(b []byte) int {
	n := 0
	for len(b)-n >= frameHeadBytes {
		next := n + frameHeadBytes + int(binary.LittleEndian.Uint32(b[n+atLength:]))
		if next > len(b) {
			break
		}
		n = next
	}
	return n
}

// signal leaves a token in c, unless one is there already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// appendFrame appends the frame of record to b.
func appendFrame(b, record []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeadBytes)...)
	b = append(b, record...)
	frame := b[start:]
	binary.LittleEndian.PutUint32(frame[atLength:], uint32(len(record))) //nolint:gosec // G115: at most RecordBytesMax
	binary.LittleEndian.PutUint32(frame[atChecksum:], crc32.Checksum(frame[atLength:], castagnoliTable))
	return b
}
