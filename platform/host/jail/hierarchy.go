package jail

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ancestorsMax bounds how far up a place for a cgroup is looked for.
const ancestorsMax = 16

// hierarchy is one tree of cgroups, and where this process is in it.
type hierarchy struct {
	top         string   // the folder where it is mounted
	own         string   // the folder of this process's cgroup
	controllers []string // of version 1; version 2 has them by cgroup
	second      bool     // version 2
}

// hierarchies finds all trees of cgroups that this process can see.
func hierarchies() ([]hierarchy, error) {
	mounts, err := readLines("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	places, err := readLines("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var found []hierarchy
	for _, line := range mounts {
		if h, root, ok := parseMount(line); ok && h.locate(root, places) {
			found = append(found, h)
		}
	}
	return found, nil
}

// parseMount reads a line of mountinfo that mounts a tree of cgroups. It
// returns the tree and the path in it that is mounted.
func parseMount(line string) (h hierarchy, root string, ok bool) {
	mount, system, ok := strings.Cut(line, " - ")
	where, what := strings.Fields(mount), strings.Fields(system)
	if !ok || len(where) < 5 || len(what) < 3 {
		return h, "", false
	}
	h.top, root = where[4], where[3]
	switch what[0] {
	case "cgroup":
		h.controllers = strings.Split(what[2], ",")
	case "cgroup2":
		h.second = true
	default:
		return h, "", false
	}
	return h, root, !strings.Contains(h.top, `\`) // a space in the name: nobody does that
}

// locate finds this process's own cgroup among the lines of /proc/self/cgroup.
func (h *hierarchy) locate(root string, places []string) bool {
	for _, line := range places {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		names := strings.Split(parts[1], ",")
		if h.second != (parts[0] == "0" && parts[1] == "") {
			continue
		}
		if !h.second && !slices.ContainsFunc(names, func(n string) bool { return n != "" && slices.Contains(h.controllers, n) }) {
			continue
		}
		below, err := filepath.Rel(root, parts[2])
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			return false // another container's part of the tree
		}
		h.own = filepath.Join(h.top, below)
		return true
	}
	return false
}

// ancestors returns the folders from the own cgroup up to the top.
func (h *hierarchy) ancestors() []string {
	var folders []string
	for folder := h.own; len(folders) < ancestorsMax; folder = filepath.Dir(folder) {
		folders = append(folders, folder)
		if folder == h.top || len(folder) <= len(h.top) {
			break
		}
	}
	return folders
}

// enable makes a controller of version 2 work below a folder, when it may.
func enable(folder, controller string) error {
	file := filepath.Join(folder, "cgroup.subtree_control")
	lines, err := readLines(file)
	if err != nil {
		return err
	}
	if len(lines) > 0 && slices.Contains(strings.Fields(lines[0]), controller) {
		return nil
	}
	return writeFile(file, "+"+controller)
}

// linesMax bounds what is read of a file of the kernel's.
const linesMax = 4096

func readLines(name string) ([]string, error) {
	file, err := os.Open(name) //nolint:gosec // G304: of /proc and the tree of cgroups
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	defer closeFile(file)
	var lines []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if len(lines) == linesMax {
			return nil, errors.New(name + " is longer than it can be")
		}
		lines = append(lines, scanner.Text())
	}
	return lines, scanner.Err() //nolint:wrapcheck // of a file just opened
}

// writeFile writes to a file of the kernel's, which is there already.
func writeFile(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // G304: of the tree of cgroups
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
