package jail

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What Landlock allows of a folder that is shown, of a file, of a device, and
// of the writable /tmp. What is not in the first set of rights is refused
// everywhere.
const (
	landlockRead   = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockFile   = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	landlockDevice = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	landlockWrite  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// landlockRights returns what a version of Landlock can refuse. Everything is
// refused that it can.
func landlockRights(version int) unix.LandlockRulesetAttr {
	const (
		first   = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // all of version 1
		network = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		scoped  = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	)
	r := unix.LandlockRulesetAttr{Handled_access_fs: first}
	if version >= 2 {
		r.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		r.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		r.Handled_access_net = network
	}
	if version >= 5 {
		r.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		r.Scoped = scoped
	}
	return r
}

// landlock allows what the root shows, once more: if a mount were wrong, this
// would still hold. It also keeps the process from connections and from
// signals to others, where Linux can.
//
// Rejected: the go-landlock module, which with cgo restricts threads by way of
// a package that reads /proc, and there is none.
func (b *builder) landlock() error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	rights := landlockRights(int(version))
	rules, err := newRuleset(&rights)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(rules) }() // the process is restricted without it
	for _, path := range b.visible {
		if err := allow(rules, path, rights.Handled_access_fs); err != nil {
			return err
		}
	}
	if b.self != 0 {
		if err := addRule(rules, b.self, landlockFile); err != nil {
			return fmt.Errorf("landlock_add_rule for this program: %w", err)
		}
	}
	if err := b.everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); err != nil {
		return fmt.Errorf("landlock_restrict_self: %w", err)
	}
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
		return errors.New("the root can be read although no rule allows it")
	}
	return nil
}

// visible is a path in the jail, and what Landlock lets the process do below.
type visible struct {
	path   string
	rights uint64
}

// allow adds a rule for one path. What nobody may look at needs no rule.
func allow(rules int, v visible, handled uint64) error {
	fd, err := unix.Open(v.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", v.path, err)
	}
	defer func() { _ = unix.Close(fd) }() // the rule keeps what it is about
	if err := addRule(rules, fd, v.rights&handled); err != nil {
		return fmt.Errorf("landlock_add_rule for %s: %w", v.path, err)
	}
	return nil
}
