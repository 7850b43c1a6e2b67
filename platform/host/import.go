package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"phios/platform"
)

// ErrWritable is returned by Import for a file that somebody may write to.
var ErrWritable = errors.New("the file can be written; take the permission away from everyone, as 'chmod a-w' does")

// Import makes a backing of a file, for reading, without a copy: its pages are
// those of the cache of files, and cost memory once, however many map them, and
// only while they are used. It returns the file's length, too. The file stays
// the caller's. The backing is Adopted, or Discarded.
//
// The file must be a regular one that is not empty, and that nobody has the
// permission to write to. One that shrinks under a mapping would kill whoever
// touches what was behind its end, with the signal SIGBUS, and a program inline
// is the node. A memfd can be sealed against that, and a file of a disk cannot;
// to copy it into one was rejected, because not to copy is the point. What is
// left is the owner who gives himself the permission back, or a disk that
// fails while it is read: who owns the node's data folder can end the node, by
// this as by other means.
func (m *Machine) Import(f *os.File) (b platform.Backing, bytes uint64, err error) {
	// Opened again, so that what is mapped cannot be written through it, and is
	// ours to close.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("import %s: %w", f.Name(), err)
	}
	size, err := immutable(fd)
	if err != nil {
		closeDescriptor(fd)
		return 0, 0, fmt.Errorf("import %s: %w", f.Name(), err)
	}
	whole := (size + platform.PageBytes - 1) &^ (platform.PageBytes - 1)
	b, status := m.backings.add(backing{fd: fd, bytes: whole, file: true})
	if !status.OK() {
		return 0, 0, fmt.Errorf("import %s: %w", f.Name(), status)
	}
	return b, size, nil
}

// immutable returns the size of a file that Import takes.
func immutable(fd int) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG, stat.Size <= 0:
		return 0, errors.New("it is empty or no regular file; name one that has the weights")
	case stat.Mode&0o222 != 0:
		return 0, ErrWritable
	}
	return uint64(stat.Size), nil
}

// Discard closes a backing of Import that was not adopted. Of one that is no
// more it does nothing.
func (m *Machine) Discard(b platform.Backing) {
	if m.backings.imported(b) {
		m.backings.destroy(b)
	}
}
