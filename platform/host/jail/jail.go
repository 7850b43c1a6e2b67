// Package jail starts a process behind walls: a world of its own, in which
// there is no file, no other process, no network and no privilege but what its
// starter put there.
//
// The jailed process is this program itself, started again with the hidden
// first argument "phi-jail". It reads what to do from an inherited socket, puts
// up the walls from the inside, reports which of them stand, waits for the word
// to go on, and then either becomes the command that was asked for or returns
// from [Main] to go on as a worker. Up to that word nothing untrusted has run.
//
// Namespaces come with the clone, so that no code ever runs outside of them.
// Inside, in this order: limits, a root of its own in memory with the folders
// that were named bound into it, no privileges, Landlock over what is left, and
// a filter of system calls, which is last because it forbids all of the above.
// The limits of a cgroup hold from the first instruction: the thread that forks
// goes into the cgroup before, because moving a whole process into a cgroup of
// version 1 waits for every processor (10 ms and more were measured).
//
// An ordinary user gets the same walls through a user namespace, where Linux
// lets him make one and where a part of the cgroup tree is his. What does not
// stand is not reported, and when it was required nothing starts: the error
// names the wall and the remedy.
//
// Each jailed process has a thread of its starter: Linux kills the child when
// that thread ends, so the thread waits for the child, and so the child never
// outlives the program that started it.
//
// Rejected: cgo and a small C program as the first process, because the node is
// one static file; unshare after the start, because Go has threads by then; a
// network namespace that all jails share, because abstract sockets would join
// them.
//
// Lock order: none; Process.mu is held for nothing but its fields.
//
// Ledger: S26.
// Seed name: Durable sandboxing.
package jail

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
)

// Limits of a jail.
const (
	// FoldersMax is how many folders and files one jail shows.
	FoldersMax = 64
	// FilesMax is how many descriptors a jailed process inherits, beyond the
	// standard three.
	FilesMax = 16
	// SetupBytesMax bounds what tells the jailed process what to do.
	SetupBytesMax = 256 << 10
	// StartSecondsMax is how long a process has to put up its walls.
	StartSecondsMax = 20
	// ProcessesMin is the least that ProcessesMax can be, and CPUPercentMin
	// the least of CPUPercent: each begins as a Go program, which has threads.
	ProcessesMin  = 16
	CPUPercentMin = 5
	// DescriptorsDefault is how many files a jailed process may have open.
	DescriptorsDefault = 256
)

// Bind is a folder or a file that a jailed process sees.
type Bind struct {
	// From is its absolute path here.
	From string
	// To is its absolute path in the jail; empty is the same as From.
	To string
	// Optional says that nothing is shown where From does not exist.
	Optional bool
}

// Config says what to start and behind which walls.
type Config struct {
	// Name is what messages call the process.
	Name string
	// Walls are those to put up; zero is all of them.
	Walls Walls
	// Require are the walls without which nothing starts.
	Require Walls
	// Folders are shown, read-only, in a root that is otherwise empty.
	Folders []Bind
	// Devices are paths below /dev to show, such as "/dev/null".
	Devices []string
	// TemporaryBytes is the size of a writable /tmp in memory, which counts as
	// the process's memory; zero is none.
	TemporaryBytes uint64
	// Command is the program, by its absolute path in the jail, and its
	// arguments. Empty goes on as a worker: Main returns in the new process.
	Command []string
	// Args are what a worker finds in Inside.Args.
	Args []string
	// Folder is the working folder in the jail; empty is the root.
	Folder string
	// Env is the whole environment.
	Env []string
	// Files are inherited as descriptors 3 and up. They stay the caller's.
	Files []*os.File
	// Stdout and Stderr are where the process writes; nil is nowhere. They
	// stay the caller's. They are pipes: files on a disk it may not lengthen.
	Stdout, Stderr *os.File
	// MemoryBytes, ProcessesMax and CPUPercent are limits; zero is none.
	// ProcessesMax counts threads too. CPUPercent is of one processor, so
	// that 200 is two.
	MemoryBytes  uint64
	ProcessesMax int
	CPUPercent   int
	// Descriptors is how many files it may have open; zero is
	// DescriptorsDefault.
	Descriptors int
}

// check returns what is wrong with a configuration.
func (c *Config) check() error {
	if len(c.Folders)+len(c.Devices) > FoldersMax {
		return fmt.Errorf("%d folders and devices: a jail shows at most %d; name a folder above them instead", len(c.Folders)+len(c.Devices), FoldersMax)
	}
	if len(c.Files) > FilesMax {
		return fmt.Errorf("%d descriptors: a jailed process inherits at most %d", len(c.Files), FilesMax)
	}
	for _, f := range c.Folders {
		if !clean(f.From) || (f.To != "" && !clean(f.To)) {
			return fmt.Errorf("folder %q shown as %q: give clean absolute paths below the root", f.From, f.To)
		}
	}
	for _, d := range c.Devices {
		if !clean(d) || !strings.HasPrefix(d, "/dev/") {
			return fmt.Errorf("device %q: give a clean path below /dev", d)
		}
	}
	if len(c.Command) > 0 && !clean(c.Command[0]) {
		return fmt.Errorf("command %q: give the program's absolute path in the jail", c.Command[0])
	}
	return c.checkLimits()
}

func (c *Config) checkLimits() error {
	if c.ProcessesMax < 0 || c.CPUPercent < 0 || c.Descriptors < 0 {
		return errors.New("a limit is negative: zero is no limit")
	}
	if c.ProcessesMax > 0 && c.ProcessesMax < ProcessesMin || c.CPUPercent > 0 && c.CPUPercent < CPUPercentMin {
		return fmt.Errorf("%d processes, %d percent: allow at least %d and %d, because a jailed process begins as a Go program", c.ProcessesMax, c.CPUPercent, ProcessesMin, CPUPercentMin)
	}
	return nil
}

// clean reports whether a path is absolute, below the root, and says nothing
// twice.
func clean(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && !strings.ContainsRune(p, 0)
}
