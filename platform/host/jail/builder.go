package jail

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// builder puts up walls around the process that it runs in.
type builder struct {
	*setup
	stand   Walls
	reasons []string
	// self is this program, open, when it starts again.
	self int
	// visible are the paths that the new root shows.
	visible []visible
}

// build puts up what was asked for, in the order that the package doc gives. A
// wall that cannot stand is left out and its reason kept; an error says that
// the process must not go on whatever is required.
func (b *builder) build(control int) error {
	b.look()
	if err := b.limit(); err != nil {
		return err
	}
	again := again && len(b.Command) == 0
	if again {
		var err error
		if b.self, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open this program: %w", err)
		}
		b.Folders = append(b.Folders, linked()...)
	}
	if err := b.enter(); err != nil {
		return err
	}
	if err := b.dropPrivileges(); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	if !again && len(b.Command) == 0 {
		if err := b.limitData(); err != nil {
			return err
		}
	}
	b.try(WallLandlock, b.landlock)
	if again {
		return fmt.Errorf("start again: %w", b.restart(control))
	}
	b.try(WallSeccomp, b.seccomp)
	return nil
}

// look finds out which of the namespaces are others than the starter's.
func (b *builder) look() {
	inside := namespaces()
	for i, n := range cloneWalls {
		if b.Walls.Has(n.wall) && inside[i] != 0 && inside[i] != b.Outside[i] {
			b.stand |= n.wall
		}
	}
}

// enter goes to where the process will find itself.
func (b *builder) enter() error {
	if b.stand.Has(WallMount) {
		if err := b.newRoot(); err != nil {
			return fmt.Errorf("make a root: %w", err)
		}
	}
	if b.Folder == "" {
		return nil
	}
	if err := unix.Chdir(b.Folder); err != nil {
		return fmt.Errorf("enter the working folder %s: %w; name it among the folders, readable for everyone", b.Folder, err)
	}
	return nil
}

// try puts up one wall when it is asked for.
func (b *builder) try(wall Walls, put func() error) {
	if !b.Walls.Has(wall) {
		return
	}
	if err := put(); err != nil {
		b.reasons = append(b.reasons, wall.String()+": "+err.Error())
		return
	}
	b.stand |= wall
}

// limit sets the limits of Linux that need no cgroup.
func (b *builder) limit() error {
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, b.Descriptors},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, b.Temporary},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 0},
		{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, 0},
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, b.Processes},
	}
	for _, l := range limits {
		if l.value == 0 && l.resource == unix.RLIMIT_NPROC {
			continue
		}
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("set %s to %d: %w", l.name, l.value, err)
		}
	}
	return nil
}

// limitData sets the limit that stands in for a cgroup's on memory, where there
// is one. It comes late: what is about to be replaced, by the command or by
// itself, may take more, as a program with the race detector does.
func (b *builder) limitData() error {
	if b.DataBytes == 0 {
		return nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: b.DataBytes, Max: b.DataBytes}); err != nil {
		return fmt.Errorf("set RLIMIT_DATA to %d: %w", b.DataBytes, err)
	}
	return nil
}
