package ambient

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

// The permissions of what programs make: the node's owner's alone.
const filePermissions = 0o600

// openPath opens a file or a folder and answers with its capability.
func (f *Folder) openPath(r *request, root *os.Root, path string) (ops.Problem, abi.Status) {
	flags := ops.OpenFlags(r.A)
	if flags&ops.OpenNoFollow != 0 {
		if info, err := root.Lstat(path); err == nil && info.Mode().Type() == os.ModeSymlink {
			return ops.ProblemLinks, abi.StatusOK
		}
	}
	o := &opened{grant: r.grant, flags: flags}
	kind, size := ops.KindFile, uint64(0)
	info, err := root.Stat(path)
	switch {
	case err == nil && info.IsDir():
		if problem := unfitFolder(flags); problem != ops.ProblemNone {
			return problem, abi.StatusOK
		}
		kind = ops.KindFolder
		o.place, err = root.OpenRoot(path)
	case err == nil && !info.Mode().IsRegular():
		return ops.ProblemSpecial, abi.StatusOK
	case err == nil && flags&ops.OpenFolder != 0:
		return ops.ProblemNotFolder, abi.StatusOK
	case err == nil || flags&ops.OpenCreate != 0:
		o.file, size, err = openFile(root, path, flags)
	}
	if err != nil {
		return f.finish(r, err)
	}
	handle, status := f.admit(r, o)
	if !status.OK() {
		return ops.ProblemNone, status
	}
	ops.Succeed(r.message, uint64(kind), size, nil)
	r.message.Handles[0], r.message.HandleCount = handle, 1
	return ops.ProblemNone, abi.StatusOK
}

// unfitFolder says why flags cannot open a folder that is there.
func unfitFolder(flags ops.OpenFlags) ops.Problem {
	switch {
	case flags&ops.OpenExclusive != 0:
		return ops.ProblemExists
	case flags&ops.Changes != 0:
		return ops.ProblemFolder
	default:
		return ops.ProblemNone
	}
}

// errSpecial is for what turned out to be neither a file nor a folder.
var errSpecial = errors.New("neither a file nor a folder")

// openFile opens a regular file, and returns its size. It is opened without
// blocking and emptied only afterwards, because what is opened may have become
// a pipe or a device since it was looked at.
func openFile(root *os.Root, path string, flags ops.OpenFlags) (*os.File, uint64, error) {
	mode := os.O_RDONLY
	switch {
	case flags&ops.OpenRead == 0 && flags&ops.OpenWrite != 0:
		mode = os.O_WRONLY
	case flags&(ops.OpenWrite|ops.OpenTruncate) != 0:
		mode = os.O_RDWR
	}
	for flag, bit := range map[ops.OpenFlags]int{ops.OpenCreate: os.O_CREATE, ops.OpenExclusive: os.O_EXCL, ops.OpenAppend: os.O_APPEND} {
		if flags&flag != 0 {
			mode |= bit
		}
	}
	file, err := root.OpenFile(path, mode|syscall.O_NONBLOCK, filePermissions)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	}
	size := int64(0)
	if err == nil {
		size = info.Size()
		if flags&ops.OpenTruncate != 0 {
			size, err = 0, file.Truncate(0)
		}
	}
	if err != nil {
		return nil, 0, joined(err, file.Close())
	}
	return file, uint64(size), nil
}

// admit puts what was opened into the table and makes the holder's capability
// to it, which the answer copies. The server's own stays: to drop it is to
// void the holder's.
func (f *Folder) admit(r *request, o *opened) (abi.Handle, abi.Status) {
	f.mu.Lock()
	f.badges++
	o.badge = f.badges
	f.mu.Unlock()
	// GRANT is the server's, to answer with a copy; the copy has what may be
	// passed on, and so not GRANT.
	mint := abi.Whole(callable)
	mint.Rights |= abi.RightGrant
	mint.Badge = o.badge
	a := abi.Args{Mint: &mint}
	status := r.port.Invoke(r.grant.branch, abi.CapMint, &a)
	if !status.OK() {
		closeOpened(o)
		return 0, status
	}
	o.handle = abi.Handle(a.W[0])
	evicted, status := f.enter(o)
	for _, old := range evicted {
		f.shut(r.port, old)
	}
	if !status.OK() {
		drop(r.port, o.handle)
		closeOpened(o)
		return 0, status
	}
	return o.handle, abi.StatusOK
}

// enter puts o into the table, and returns what is to be closed for it.
//
// StatusLimit when all holders together have OpenMax open, StatusRevoked when
// the grant was withdrawn meanwhile.
func (f *Folder) enter(o *opened) ([]*opened, abi.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grants[o.grant.badge] != o.grant {
		return nil, abi.StatusRevoked
	}
	var evicted []*opened
	if o.grant.opened >= OpenPerHolder {
		evicted = append(evicted, slices.MinFunc(f.of(o.grant.badge), func(a, b *opened) int { return cmp.Compare(a.lastUse, b.lastUse) }))
	} else if len(f.open) >= OpenMax {
		return nil, abi.StatusLimit
	}
	f.uses++
	o.lastUse = f.uses
	f.open[o.badge] = o
	o.grant.opened++
	return evicted, abi.StatusOK
}

// closeOpened closes what is not in the table.
func closeOpened(o *opened) {
	if o.file != nil {
		_ = o.file.Close() // nothing was written
	}
	if o.place != nil {
		_ = o.place.Close() // it holds nothing
	}
}

// read answers with what the file has at an offset.
func read(r *request) (ops.Problem, abi.Status) {
	if r.opened.flags&ops.OpenRead == 0 {
		return ops.ProblemInvalid, abi.StatusOK
	}
	var b [abi.MessageBytesMax]byte
	n, err := r.opened.file.ReadAt(b[:r.B], int64(r.A)) //nolint:gosec // G115: Parse bounds it
	if err != nil && !errors.Is(err, io.EOF) && n == 0 {
		return problemOf(err), abi.StatusOK
	}
	ops.Succeed(r.message, uint64(n), 0, b[:n]) //nolint:gosec // G115: a count is not negative
	return ops.ProblemNone, abi.StatusOK
}

// write writes at an offset, or at the end. What was written before the disk
// was full counts.
func write(r *request) (ops.Problem, abi.Status) {
	file, after := r.opened.file, r.A
	var n int
	var err error
	switch {
	case r.opened.flags&ops.OpenWrite == 0:
		return ops.ProblemInvalid, abi.StatusOK
	case r.opened.flags&ops.OpenAppend != 0:
		n, err = file.Write(r.Data)
		if end, seekErr := file.Seek(0, io.SeekCurrent); seekErr == nil {
			after = uint64(end) //nolint:gosec // G115: an offset is not negative
		}
	default:
		n, err = file.WriteAt(r.Data, int64(r.A)) //nolint:gosec // G115: Parse bounds it
		after += uint64(n)                        //nolint:gosec // G115: a count is not negative
	}
	if err != nil && n == 0 {
		return problemOf(err), abi.StatusOK
	}
	ops.Succeed(r.message, uint64(n), after, nil) //nolint:gosec // G115: a count is not negative
	return ops.ProblemNone, abi.StatusOK
}

// remove removes a file or an empty folder, whichever was asked for.
func (f *Folder) remove(r *request, root *os.Root, path string) (ops.Problem, abi.Status) {
	info, err := root.Lstat(path)
	switch {
	case err != nil:
		return f.finish(r, err)
	case info.IsDir() && r.Operation == ops.RemoveFile:
		return ops.ProblemFolder, abi.StatusOK
	case !info.IsDir() && r.Operation == ops.RemoveFolder:
		return ops.ProblemNotFolder, abi.StatusOK
	}
	return f.finish(r, root.Remove(path))
}

// setTimes sets the times of a path.
func (f *Folder) setTimes(r *request, root *os.Root, path string) (ops.Problem, abi.Status) {
	moment := func(ns uint64) time.Time {
		if ns == ops.TimeKeep {
			return time.Time{} // os leaves that one
		}
		return time.Unix(0, int64(ns)) //nolint:gosec // G115: Parse bounds it
	}
	return f.finish(r, root.Chtimes(path, moment(r.A), moment(r.B)))
}
