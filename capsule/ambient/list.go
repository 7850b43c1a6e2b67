package ambient

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"phios/abi"
	"phios/capsule/ambient/ops"
)

// listFolder answers with entries of a folder. The list is read when a holder
// begins, kept while it goes on, and sorted, so that a list which had to be
// read again in the middle goes on where it was.
func (f *Folder) listFolder(r *request, root *os.Root) (ops.Problem, abi.Status) {
	g := r.grant
	g.reading.Lock()
	defer g.reading.Unlock()
	if r.A == 0 || g.listed != r.badge || g.list == nil {
		list, err := readFolder(root)
		if err != nil {
			return f.finish(r, err)
		}
		g.list, g.listed = list, r.badge
	}
	var buffer [abi.MessageBytesMax]byte
	b, at := buffer[:0], r.A
	for ; at < uint64(len(g.list)); at++ {
		var ok bool
		if b, ok = g.list[at].Put(b, len(buffer)); !ok {
			break
		}
	}
	if len(b) == 0 {
		g.list = nil
	}
	ops.Succeed(r.message, at, 0, b)
	return ops.ProblemNone, abi.StatusOK
}

// errTooMany is for a folder with more entries than can be listed.
var errTooMany = errors.New("too many entries")

// readFolder reads a folder's entries.
func readFolder(root *os.Root) ([]ops.Entry, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	found, err := folder.ReadDir(ops.EntriesMax + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && len(found) > ops.EntriesMax {
		err = errTooMany
	}
	if err := joined(err, folder.Close()); err != nil {
		return nil, err
	}
	list := make([]ops.Entry, 0, len(found))
	for _, e := range found {
		list = append(list, ops.Entry{Kind: kindOf(e.Type()), Name: e.Name()})
	}
	slices.SortFunc(list, func(a, b ops.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func kindOf(m fs.FileMode) ops.Kind {
	switch {
	case m.IsRegular():
		return ops.KindFile
	case m.IsDir():
		return ops.KindFolder
	case m.Type() == fs.ModeSymlink:
		return ops.KindLink
	default:
		return ops.KindOther
	}
}

// tell answers with what is known of a file or a folder.
func tell(r *request, info fs.FileInfo, err error) (ops.Problem, abi.Status) {
	if err != nil {
		return problemOf(err), abi.StatusOK
	}
	i := ops.Info{Kind: kindOf(info.Mode()), Links: 1, Size: uint64(info.Size())} //nolint:gosec // G115: a size is not negative
	nanoseconds := func(ns int64) uint64 { return uint64(max(ns, 0)) }            // before 1970 is told as 1970
	i.Modified = nanoseconds(info.ModTime().UnixNano())
	i.Accessed, i.Changed = i.Modified, i.Modified
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		i.ID, i.Links = s.Ino, uint64(s.Nlink) //nolint:unconvert // its width differs between processors
		i.Accessed, i.Changed = nanoseconds(s.Atim.Nano()), nanoseconds(s.Ctim.Nano())
	}
	ops.Succeed(r.message, 0, 0, i.Put(nil))
	return ops.ProblemNone, abi.StatusOK
}

// escapes reports whether os.Root refused a path because it leads out. The
// error itself is not exported; a test holds its text to what Go says.
func escapes(err error) bool {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error() == "path escapes from parent"
		}
		err = next
	}
}

// problemOf translates an error of the machine.
func problemOf(err error) ops.Problem { //nolint:revive // cyclomatic: a table
	switch {
	case errors.Is(err, syscall.ENOENT):
		return ops.ProblemNotFound
	case errors.Is(err, syscall.EEXIST):
		return ops.ProblemExists
	case errors.Is(err, syscall.ENOTDIR):
		return ops.ProblemNotFolder
	case errors.Is(err, syscall.EISDIR):
		return ops.ProblemFolder
	case errors.Is(err, syscall.ENOTEMPTY):
		return ops.ProblemNotEmpty
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ops.ProblemNoSpace
	case errors.Is(err, syscall.EFBIG), errors.Is(err, errTooMany):
		return ops.ProblemTooLarge
	case errors.Is(err, syscall.ENAMETOOLONG):
		return ops.ProblemNameTooLong
	case errors.Is(err, syscall.ELOOP):
		return ops.ProblemLinks
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return ops.ProblemForbidden
	case errors.Is(err, syscall.EROFS):
		return ops.ProblemReadOnly
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ETXTBSY):
		return ops.ProblemBusy
	case errors.Is(err, syscall.EINVAL):
		return ops.ProblemInvalid
	case errors.Is(err, syscall.ENXIO), errors.Is(err, errSpecial):
		return ops.ProblemSpecial
	case errors.Is(err, syscall.EXDEV):
		return ops.ProblemAcrossDisks
	default:
		return ops.ProblemInputOutput
	}
}

// joined returns the first of two errors that there is.
func joined(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
