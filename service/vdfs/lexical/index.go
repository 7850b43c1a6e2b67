package lexical

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Index is an open folder of segments. Any number of goroutines may use it.
type Index struct {
	folder *os.Root
	held   *os.File // the file that says the folder is in use
	pool   *sync.Pool
	files  atomic.Uint64 // the next number of a file

	merging sync.Mutex // one merge at a time
	commits sync.Mutex // one change of the manifest at a time

	mu      sync.Mutex
	current *view // nil when closed

	wake    chan struct{} // holds one: more news are no news
	stopped chan struct{} // closed by Close
	ended   chan struct{} // closed by the merger
	failure error         // of the merger; guarded by mu
}

// Open opens the index in a folder, which must be there; an empty folder is an
// empty index. It reads every file once, to check it.
func Open(dir string) (*Index, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	held, err := hold(folder, dir)
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	v, err := loadView(folder)
	if err != nil {
		return nil, errors.Join(err, held.Close(), folder.Close())
	}
	ix := &Index{
		folder: folder, held: held, pool: &sync.Pool{}, current: v,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), ended: make(chan struct{}),
	}
	ix.files.Store(v.files)
	if err := ix.sweep(v); err != nil {
		v.release()
		return nil, errors.Join(err, held.Close(), folder.Close())
	}
	go ix.merger()
	ix.wake <- struct{}{}
	return ix, nil
}

// hold keeps other processes out of a folder.
func hold(folder *os.Root, dir string) (*os.File, error) {
	held, err := folder.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	raw, err := held.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	if err = errors.Join(err, failure); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: close the other process that has %s open: %w", ErrBusy, dir, err), held.Close())
	}
	return held, nil
}

// sweep removes what a crash left that no manifest names.
func (ix *Index) sweep(v *view) error {
	f, err := ix.folder.Open(".")
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	keep := map[string]bool{}
	for i := range v.segments {
		keep[segmentName(v.segments[i].number)] = true
		keep[deadName(v.segments[i].deadFile)] = true
	}
	for _, name := range names {
		ours := strings.HasSuffix(name, ".segment") || strings.HasSuffix(name, ".dead") || strings.HasSuffix(name, ".new")
		if ours && !keep[name] {
			if err := ix.folder.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// acquire takes the current view.
func (ix *Index) acquire() (*view, error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.current == nil {
		return nil, ErrClosed
	}
	ix.current.refs.Add(1)
	return ix.current, nil
}

// install makes members the committed state; ix.commits is held. It takes over
// no reference: members that were there get one more, new ones keep the one
// they have when it succeeds.
func (ix *Index) install(members []member, fresh []*segment, mark uint64) error {
	old, err := ix.acquire()
	if err != nil {
		return err
	}
	defer old.release()
	v := newView(members, mark, ix.files.Load())
	if err := syncFolder(ix.folder); err != nil {
		return err
	}
	if err := writeWhole(ix.folder, manifestName, v.manifest()); err != nil {
		return err
	}
	for i := range members {
		if !slices.Contains(fresh, members[i].segment) {
			members[i].refs.Add(1)
		}
	}
	ix.mu.Lock()
	closed := ix.current == nil
	if !closed {
		ix.current.release()
		ix.current = v
	}
	ix.mu.Unlock()
	if closed {
		v.release()
	}
	ix.removeOld(old, v)
	return nil
}

// removeOld removes the files that only the state before needed. A file that
// stays behind costs room until the next Open, so failures do not matter.
func (ix *Index) removeOld(old, now *view) {
	keep := map[uint64]bool{}
	for i := range now.segments {
		keep[now.segments[i].number], keep[now.segments[i].deadFile] = true, true
	}
	for i := range old.segments {
		if m := &old.segments[i]; !keep[m.number] {
			_ = ix.folder.Remove(segmentName(m.number))
		}
		if m := &old.segments[i]; m.deadFile != 0 && !keep[m.deadFile] {
			_ = ix.folder.Remove(deadName(m.deadFile))
		}
	}
}

// Mark is what the last commit was given.
func (ix *Index) Mark() (uint64, error) {
	v, err := ix.acquire()
	if err != nil {
		return 0, err
	}
	defer v.release()
	return v.mark, nil
}

// Close waits for the merge under way and lets the folder go. Searches under way
// end as they would have.
func (ix *Index) Close() error {
	ix.mu.Lock()
	v := ix.current
	ix.current = nil
	ix.mu.Unlock()
	if v == nil {
		return nil
	}
	close(ix.stopped)
	<-ix.ended
	ix.commits.Lock()
	defer ix.commits.Unlock()
	v.release()
	return errors.Join(ix.failure, ix.held.Close(), ix.folder.Close())
}
