// Package share makes memory that two processes see: a memfd of a size that
// nobody can change, because one that shrinks under a mapping kills whoever
// touches it.
//
// Lock order: none.
//
// Ledger: S9, S11.
package share

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const sizeSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// New returns zeroed memory of a size in bytes, as a file to hand to another
// process. The caller closes it.
func New(name string, bytes int) (*os.File, error) {
	f, err := create(name)
	if err != nil {
		return nil, err
	}
	err = unix.Ftruncate(int(f.Fd()), int64(bytes))
	if err == nil {
		err = seal(f, sizeSeals)
	}
	if err != nil {
		_ = f.Close() // nobody has written to it
		return nil, fmt.Errorf("shared memory of %d bytes: %w", bytes, err)
	}
	return f, nil
}

// Copy returns what r gives, at most bytesMax, as memory that nobody can
// change any more; it is read from its beginning. The caller closes it.
func Copy(name string, r io.Reader, bytesMax int64) (*os.File, error) {
	f, err := create(name)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(f, io.LimitReader(r, bytesMax+1))
	if err == nil && n > bytesMax {
		err = fmt.Errorf("more than %d bytes", bytesMax)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = seal(f, sizeSeals|unix.F_SEAL_WRITE)
	}
	if err != nil {
		_ = f.Close() // nobody has seen it
		return nil, fmt.Errorf("copy into shared memory: %w", err)
	}
	return f, nil
}

// Map shows a file that New made, or that came from another process, to this
// one. It fails when the file is shorter. Unmap takes it away again.
func Map(f *os.File, bytes int) ([]byte, error) {
	fd := int(f.Fd())
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	if stat.Size < int64(bytes) {
		return nil, fmt.Errorf("map shared memory: %d bytes instead of %d", stat.Size, bytes)
	}
	// Without the seals, the size that was just read means nothing.
	if seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil || seals&sizeSeals != sizeSeals {
		return nil, errors.New("map shared memory: its size is not sealed")
	}
	memory, err := unix.Mmap(fd, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	return memory, nil
}

// Unmap takes away what Map returned. Nobody may touch it any more.
func Unmap(memory []byte) error {
	if err := unix.Munmap(memory); err != nil {
		return fmt.Errorf("unmap shared memory: %w", err)
	}
	return nil
}

func create(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func seal(f *os.File, seals int) error {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals|unix.F_SEAL_SEAL); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}
