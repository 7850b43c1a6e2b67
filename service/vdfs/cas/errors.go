package cas

import (
	"errors"
	"fmt"
	"syscall"
)

// What an operation can fail with. Match with errors.Is.
var (
	// ErrLocked: another process, or this one, has the store open.
	ErrLocked = errors.New("cas: the store is in use by another process: close it there first")
	// ErrNotFound: no such piece, record or blob.
	ErrNotFound = errors.New("cas: not in the store: add it again, or restore it from a copy")
	// ErrFull: there is no room on the disk; what was committed is untouched.
	ErrFull = errors.New("cas: no room on the disk: free some, then do the whole batch again")
	// ErrConflict: a record is not what the batch expected it to be.
	ErrConflict = errors.New("cas: a record changed since it was read: read it again and retry")
	// ErrDone: the batch was committed or discarded, or has failed.
	ErrDone = errors.New("cas: the batch has ended: begin another")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("cas: the store is closed: open it again")
	// ErrLimit: a bound of the package is passed; the text names it.
	ErrLimit = errors.New("cas: over a limit")
	// ErrFormat: the folder, or a list in it, is not one of ours.
	ErrFormat = errors.New("cas: not a format this version reads")
	// ErrBusy: a collection or scrub is under way.
	ErrBusy = errors.New("cas: a collection is under way: wait for it")
	// ErrScattered: the blob does not lie in one piece, or is compressed.
	ErrScattered = errors.New("cas: the blob does not lie in one piece: read it, or put it with LayoutContiguous")
)

// CorruptError is a piece whose bytes are not what its ID says, and that no
// second copy could mend.
type CorruptError struct {
	ID     ID     // The piece.
	Pack   string // File that holds it, under packs.
	Offset uint64 // Byte at which it starts there.
	Reason string // What does not fit.
}

// Error names the piece, the place and what can be done.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("cas: piece %s at byte %d of packs/%s is corrupt (%s): restore it from a mirror, or add the file again",
		e.ID, e.Offset, e.Pack, e.Reason)
}

// full turns the ways in which a system says that there is no room into
// ErrFull, and leaves other errors as they are.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}
