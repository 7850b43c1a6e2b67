package jail

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// emptyCapabilities takes every capability from every thread, and checks that
// this one has none.
func (b *builder) emptyCapabilities() error {
	head := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none, left [2]unix.CapUserData
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(head)
	pin.Pin(&none)
	// Safety: every thread reads the head and two entries, which are pinned
	// until all of them have.
	if err := b.everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(head)), uintptr(unsafe.Pointer(&none)), 0); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	if err := unix.Capget(head, &left[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	if left != none {
		return errors.New("capabilities are left after they were dropped")
	}
	return nil
}

// newRuleset returns the descriptor of a set of Landlock rules.
func newRuleset(rights *unix.LandlockRulesetAttr) (int, error) {
	// Safety: Linux reads as many bytes as the structure has, during the call.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(rights)), rulesetBytes(rights), 0)
	if errno != 0 {
		return -1, fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	return int(fd), nil
}

// rulesetBytes is how much of the structure to pass: an older Linux refuses
// fields that it does not know, although they are zero only from 5.13 on.
func rulesetBytes(rights *unix.LandlockRulesetAttr) uintptr {
	switch {
	case rights.Scoped != 0:
		return unsafe.Offsetof(rights.Quiet_access_fs)
	case rights.Handled_access_net != 0:
		return unsafe.Offsetof(rights.Scoped)
	default:
		return unsafe.Offsetof(rights.Handled_access_net)
	}
}

// addRule allows rights below a path.
func addRule(rules, path int, rights uint64) error {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(path)} //nolint:gosec // G115: a descriptor
	// Safety: Linux reads the rule during the call.
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// executeAgain becomes the program in an open file. It returns only when that
// fails.
func executeAgain(program int, args, env []string) error {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err //nolint:wrapcheck // a zero byte in an argument
	}
	envv, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err //nolint:wrapcheck // a zero byte in the environment
	}
	empty := []byte{0}
	// Safety: Linux copies the lists, which end with nil, during the call.
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(program), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}
