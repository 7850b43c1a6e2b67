package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// stage is where the new root is mounted until it is the root. Any folder will
// do: what it hides is not looked at any more.
const stage = "/proc"

// rootBytes bounds what the folders of the new root take.
const rootBytes = 1 << 20

// shown is a tree of files that was taken out of the old root.
type shown struct {
	fd     int
	to     string
	folder bool
	rights uint64 // of Landlock's
}

// newRoot makes a root in memory, shows in it what was named, and leaves the
// old one for good. The trees are taken before anything is mounted, so that
// what lies below the stage can be shown too.
func (b *builder) newRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make all mounts private: %w", err)
	}
	var trees []shown
	for _, f := range b.Folders {
		to := f.To
		if to == "" {
			to = f.From
		}
		tree, err := take(f.From, to, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
		if f.Optional && errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return fmt.Errorf("show %s: %w", f.From, err)
		}
		trees = append(trees, tree)
	}
	for _, d := range b.Devices {
		tree, err := take(d, d, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
		if err != nil {
			return fmt.Errorf("show %s: %w", d, err)
		}
		tree.rights = landlockDevice
		trees = append(trees, tree)
	}
	if err := unix.Mount("root", stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size="+strconv.Itoa(rootBytes)); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, tree := range trees {
		if err := tree.place(); err != nil {
			return fmt.Errorf("show %s: %w", tree.to, err)
		}
		b.visible = append(b.visible, visible{tree.to, tree.rights})
	}
	return b.enterRoot()
}

// enterRoot makes the staged root the only one, and no longer writable.
func (b *builder) enterRoot() error {
	if b.Temporary > 0 {
		if err := os.Mkdir(stage+"/tmp", 0o755); err != nil { //nolint:gosec // G301: to mount on
			return fmt.Errorf("make /tmp: %w", err)
		}
		options := "mode=1777,size=" + strconv.FormatUint(b.Temporary, 10)
		if err := unix.Mount("tmp", stage+"/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
			return fmt.Errorf("mount /tmp: %w", err)
		}
		b.visible = append(b.visible, visible{"/tmp", landlockWrite})
	}
	if err := unix.Chdir(stage); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root lies over the new one
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &readOnly); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return nil
}

// take copies a tree of mounts, with the attributes for all of it.
func take(from, to string, attributes uint64) (shown, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return shown{}, fmt.Errorf("open_tree: %w", err)
	}
	attr := unix.MountAttr{Attr_set: attributes}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return shown{}, fmt.Errorf("mount_setattr: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return shown{}, fmt.Errorf("fstat: %w", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return shown{fd: fd, to: to, rights: landlockFile}, nil
	}
	return shown{fd: fd, to: to, rights: landlockRead, folder: true}, nil
}

// place puts a tree into the staged root.
func (s *shown) place() error {
	target := filepath.Join(stage, s.to)
	folder := target
	if !s.folder {
		folder = filepath.Dir(target)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // G301: others than the owner look through it
		return fmt.Errorf("make its folder: %w", err)
	}
	if !s.folder {
		if err := os.WriteFile(target, nil, 0o444); err != nil { //nolint:gosec // G306: an empty file to mount on
			return fmt.Errorf("make its place: %w", err)
		}
	}
	if err := unix.MoveMount(s.fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return unix.Close(s.fd) //nolint:wrapcheck // says enough
}
