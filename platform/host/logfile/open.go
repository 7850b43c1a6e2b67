package logfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The reasons for which a log file cannot be opened.
var (
	// ErrBusy says that another process, or this one, has the file open.
	ErrBusy = errors.New("the log is in use: stop the other process first")
	// ErrFormat says that the file is something else than a log.
	ErrFormat = errors.New("not a log of this version")
	// ErrDamaged says that records were changed where no crash can have done
	// it. Read still returns those before the damage.
	ErrDamaged = errors.New("the log is damaged: restore it from a copy, or move it away")
)

// fileHead is how a log file begins. The last byte is the version.
const fileHead = "phi log\x01"

// tornFilesMax is how many torn ends of one log are kept; who has so many has
// another problem.
const tornFilesMax = 1000

// Options say how a log is opened. The zero value is ready for use.
type Options struct {
	// Interval is how long a record waits for others to join it; zero is
	// IntervalDefault.
	Interval time.Duration
	// Record, when not nil, is given each record that is there, in order, so
	// that a journal can be verified and resumed. The bytes are only lent.
	// When it returns an error, Open fails with it and changes nothing.
	Record func(record []byte) error
}

// Recovery says what Open, or Read, found in the file.
type Recovery struct {
	// Created says that there was no file, or one that was never finished.
	Created bool
	// Records is the number of whole records.
	Records uint64
	// Bytes is the length of the file up to the end of the last whole record.
	Bytes int64
	// TornBytes is the length of what came behind it: a part of a batch that a
	// crash interrupted.
	TornBytes int64
	// TornPath is the file in which Open saved those bytes, or empty.
	TornPath string
}

// Open opens the log at path for appending, or creates it, and repairs its
// end. The file is locked for as long as it is open: ErrBusy when it is
// already. The caller closes it.
func Open(path string, options Options) (*File, Recovery, error) {
	var recovery Recovery
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // G304: the caller says where its log is
	if err != nil {
		return nil, recovery, fmt.Errorf("open log: %w", err)
	}
	if recovery, err = recoverFile(file, options.Record); err != nil {
		return nil, recovery, fmt.Errorf("open log %s: %w", path, errors.Join(err, file.Close()))
	}
	interval := options.Interval
	if interval <= 0 {
		interval = IntervalDefault
	}
	return start(path, osDisk{file}, recovery.Bytes, interval), recovery, nil
}

// Read gives each record of the log at path to record, in order. It changes
// nothing and takes no lock, so that a log can be read while it is written:
// what is being written then shows as torn.
func Read(path string, record func(record []byte) error) (Recovery, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the caller says where its log is
	if err != nil {
		return Recovery{}, fmt.Errorf("read log: %w", err)
	}
	recovery, err := scan(file, record)
	if err = errors.Join(err, file.Close()); err != nil {
		return recovery, fmt.Errorf("read log %s: %w", path, err)
	}
	return recovery, nil
}

// recoverFile locks the file and brings it to the end of its last whole
// record.
func recoverFile(file *os.File, record func([]byte) error) (Recovery, error) {
	if err := lock(file); err != nil {
		return Recovery{}, err
	}
	recovery, err := scan(file, record)
	switch {
	case err != nil:
		return recovery, err
	case recovery.Created:
		return recovery, create(file)
	case recovery.TornBytes > 0:
		err = cut(file, &recovery)
		return recovery, err
	}
	// What a killed process had written but not yet synced counts from now on.
	return recovery, file.Sync()
}

// lock takes the file for this process alone. The lock belongs to the open
// file and ends with it, also when the process is killed.
func lock(file *os.File) error {
	err := retry(func() error { return unix.Flock(descriptor(file), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}

// scan reads the file to the end of its last whole record. It tells a bad
// frame from a read that failed: only the first is the mark of a crash.
func scan(file *os.File, record func([]byte) error) (Recovery, error) {
	var recovery Recovery
	info, err := file.Stat()
	if err != nil {
		return recovery, err
	}
	from := bufio.NewReaderSize(io.NewSectionReader(file, 0, info.Size()), BufferBytesMax)
	recovery.Bytes = int64(len(fileHead))
	recovery.Created, err = readHead(from, info.Size())
	if err != nil || recovery.Created {
		return recovery, err
	}
	frame := make([]byte, frameHeadBytes+RecordBytesMax)
	for {
		n, err := readFrame(from, frame)
		if err != nil {
			return recovery, err
		}
		if n == 0 {
			break
		}
		if record != nil {
			if err := record(frame[frameHeadBytes:n]); err != nil {
				return recovery, fmt.Errorf("record %d at byte %d: %w", recovery.Records, recovery.Bytes, err)
			}
		}
		recovery.Records++
		recovery.Bytes += int64(n)
	}
	recovery.TornBytes = info.Size() - recovery.Bytes
	if recovery.TornBytes > BufferBytesMax {
		return recovery, fmt.Errorf("record %d at byte %d: %w", recovery.Records, recovery.Bytes, ErrDamaged)
	}
	return recovery, nil
}

// readHead reads the beginning of a file of the given size. It reports true
// when the file was still being created: it is then no longer than a
// beginning, and holds a part of it or the zeros that a power cut leaves.
func readHead(from io.Reader, size int64) (bool, error) {
	head := make([]byte, min(size, int64(len(fileHead))))
	if _, err := io.ReadFull(from, head); err != nil {
		return false, err
	}
	switch {
	case string(head) == fileHead:
		return false, nil
	case size > int64(len(fileHead)):
		return false, ErrFormat
	case strings.HasPrefix(fileHead, string(head)), len(bytes.Trim(head, "\x00")) == 0:
		return true, nil
	}
	return false, ErrFormat
}

// readFrame reads one frame and returns its length: 0 when no whole frame is
// left.
func readFrame(from io.Reader, frame []byte) (int, error) {
	if _, err := io.ReadFull(from, frame[:frameHeadBytes]); err != nil {
		return 0, unlessEnded(err)
	}
	n := int64(binary.LittleEndian.Uint32(frame[atLength:]))
	if n == 0 || n > RecordBytesMax {
		return 0, nil
	}
	frame = frame[:frameHeadBytes+n]
	if _, err := io.ReadFull(from, frame[frameHeadBytes:]); err != nil {
		return 0, unlessEnded(err)
	}
	if crc32.Checksum(frame[atLength:], castagnoliTable) != binary.LittleEndian.Uint32(frame[atChecksum:]) {
		return 0, nil
	}
	return len(frame), nil
}

// unlessEnded returns nil when err says only that the file ended.
func unlessEnded(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// create writes the beginning of a new log, and makes its name last.
func create(file *os.File) error {
	_, err := file.WriteAt([]byte(fileHead), 0)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = syncFolder(file.Name())
	}
	return err
}

// cut saves what is behind the last whole record and cuts it off. The copy is
// on the disk before the file is touched.
func cut(file *os.File, recovery *Recovery) error {
	to, err := createTorn(file.Name())
	if err != nil {
		return fmt.Errorf("save the torn end: %w", err)
	}
	_, err = io.Copy(to, io.NewSectionReader(file, recovery.Bytes, recovery.TornBytes))
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = syncFolder(file.Name())
	}
	if err != nil {
		return fmt.Errorf("save the torn end: %w", errors.Join(err, os.Remove(to.Name())))
	}
	recovery.TornPath = to.Name()
	if err := file.Truncate(recovery.Bytes); err != nil {
		return err
	}
	return file.Sync()
}

// createTorn creates the first file PATH.torn-N that is not there yet.
func createTorn(path string) (*os.File, error) {
	for n := 1; n <= tornFilesMax; n++ {
		to, err := os.OpenFile(path+".torn-"+strconv.Itoa(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the caller says where its log is
		if !errors.Is(err, os.ErrExist) {
			return to, err
		}
	}
	return nil, fmt.Errorf("%d torn ends are kept already", tornFilesMax)
}

// syncFolder makes the names in the folder of path last.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// osDisk is a file of the host.
type osDisk struct{ *os.File }

// Datasync returns when the bytes, and the size, are on the disk.
func (d osDisk) Datasync() error {
	return retry(func() error { return unix.Fdatasync(descriptor(d.File)) })
}

func descriptor(file *os.File) int { return int(file.Fd()) }

// retry calls f until no signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
