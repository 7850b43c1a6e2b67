package jail

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// capabilitiesMax is more than the number of Linux's capabilities.
const capabilitiesMax = 64

// dropPrivileges becomes nobody, gives up every capability on every thread, and
// makes sure that no program can bring one back.
func (b *builder) dropPrivileges() error {
	for c := range uintptr(capabilitiesMax) {
		// Of the thread that executes the command; a worker executes nothing.
		// The first that Linux does not know ends the list.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			break
		}
	}
	if b.UID >= 0 {
		if err := become(b.UID); err != nil {
			return err
		}
	}
	if err := b.emptyCapabilities(); err != nil {
		return err
	}
	// A change of user forgets it. The starter may be gone by now: then the
	// word to go on never comes.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_PDEATHSIG: %w", err)
	}
	if err := b.everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_NO_NEW_PRIVS: %w", err)
	}
	return nil
}

// become changes the user, the group and the other groups of all threads.
func become(id int) error {
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return fmt.Errorf("setresgid: %w", err)
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return fmt.Errorf("setresuid: %w", err)
	}
	return nil
}

// everyThread makes a call that Linux takes for one thread only on all threads
// that will go on. Of a process that executes its command that is this one.
func (b *builder) everyThread(trap, a1, a2, a3 uintptr) error {
	var errno syscall.Errno
	if again || len(b.Command) > 0 {
		_, _, errno = syscall.RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
	} else {
		_, _, errno = syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
