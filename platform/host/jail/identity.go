package jail

import (
	"bufio"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the user that a jailed process is to itself and, when root starts
// it, also to Linux.
const nobody = 65534

// cloneWalls are the flags of clone for the namespaces, in the order of
// namespaceFiles.
var cloneWalls = [...]struct {
	wall Walls
	flag uintptr
	file string
}{
	{WallUser, unix.CLONE_NEWUSER, "/proc/self/ns/user"},
	{WallMount, unix.CLONE_NEWNS, "/proc/self/ns/mnt"},
	{WallPID, unix.CLONE_NEWPID, "/proc/self/ns/pid"},
	{WallNet, unix.CLONE_NEWNET, "/proc/self/ns/net"},
	{WallIPC, unix.CLONE_NEWIPC, "/proc/self/ns/ipc"},
	{WallUTS, unix.CLONE_NEWUTS, "/proc/self/ns/uts"},
}

// cloneFlags returns the flags of clone for the namespaces among the walls.
func cloneFlags(w Walls) uintptr {
	var flags uintptr
	for _, n := range cloneWalls {
		if w.Has(n.wall) {
			flags |= n.flag
		}
	}
	return flags
}

// namespaces returns the numbers of the namespaces that this process is in,
// zero for one that the kernel does not have.
func namespaces() [len(cloneWalls)]uint64 {
	var numbers [len(cloneWalls)]uint64
	for i, n := range cloneWalls {
		var stat unix.Stat_t
		if unix.Stat(n.file, &stat) == nil {
			numbers[i] = stat.Ino
		}
	}
	return numbers
}

// privileged reports whether this process can give its children another user:
// it is root, and where it is root there is a nobody.
func privileged() bool {
	if os.Geteuid() != 0 {
		return false
	}
	file, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return false
	}
	defer closeFile(file)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &count); err == nil && inside <= nobody && nobody-inside < count {
			return true
		}
	}
	return false
}

// attributes says how to clone with the flags. Root stays root until it has
// bound what it must read, and then becomes nobody; a user is nobody from the
// start, and keeps over the exec what he needs to put up the walls.
func attributes(flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL, Setsid: true}
	switch {
	case flags&unix.CLONE_NEWUSER == 0:
	case privileged():
		whole := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: nobody, HostID: nobody, Size: 1}}
		attr.UidMappings, attr.GidMappings, attr.GidMappingsEnableSetgroups = whole, whole, true
	default:
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	return attr
}
