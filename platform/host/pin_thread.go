package host

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

var errOneProcessor = errors.New("there is no such processor for this process")

// PinThread ties the calling goroutine to a thread, and the thread to one of
// the processors that the process may use, counted from 0: two processes that
// spin for each other need one each. It returns what undoes both, to be called
// on the same goroutine.
func PinThread(processor int) (undo func(), err error) {
	runtime.LockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("ask for the processors of a thread: %w", err)
	}
	for cpu := range len(before) * 64 {
		if !before.IsSet(cpu) {
			continue
		}
		if processor == 0 {
			only.Set(cpu)
			break
		}
		processor--
	}
	if only.Count() == 0 {
		runtime.UnlockOSThread()
		return nil, errOneProcessor
	}
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("tie a thread to a processor: %w", err)
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &before) // it could before
		runtime.UnlockOSThread()
	}, nil
}
