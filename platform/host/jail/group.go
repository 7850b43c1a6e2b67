package jail

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// group is the cgroup of a jailed process: a folder in each tree that has a
// controller which is wanted.
type group struct {
	walls Walls
	parts []part
	into  *os.File // the folder of version 2, which the child is cloned into
}

// part is a group's folder in one tree.
type part struct {
	folder string
	back   string // version 1: the folder that the forking thread belongs in
	second bool
}

// groupPrefix begins the names of all cgroups made here; the number of the
// process that made them follows.
const groupPrefix = "phios-"

// The limits on processor time count within this time: shorter than a usual
// 100 ms, so that who has used up its share does not stand still for long.
const cpuPeriodMicroseconds = 20_000

// limit is one file to write in a new cgroup.
type limit struct {
	file, text string
	optional   bool
}

// controller is what a wall needs of the cgroups.
type controller struct {
	wall          Walls
	name          string
	first, second []limit
}

// controllers returns those whose limits the configuration asks for.
func controllers(c *Config) []controller {
	var list []controller
	if n := strconv.FormatUint(c.MemoryBytes, 10); c.Walls.Has(WallMemory) && c.MemoryBytes > 0 {
		list = append(list, controller{
			WallMemory, "memory",
			[]limit{{"memory.limit_in_bytes", n, false}, {"memory.memsw.limit_in_bytes", n, true}},
			[]limit{{"memory.max", n, false}, {"memory.swap.max", "0", true}, {"memory.oom.group", "1", true}},
		})
	}
	if n := strconv.Itoa(c.ProcessesMax); c.Walls.Has(WallProcesses) && c.ProcessesMax > 0 {
		list = append(list, controller{WallProcesses, "pids", []limit{{"pids.max", n, false}}, []limit{{"pids.max", n, false}}})
	}
	if c.Walls.Has(WallCPU) && c.CPUPercent > 0 {
		quota, period := strconv.Itoa(c.CPUPercent*cpuPeriodMicroseconds/100), strconv.Itoa(cpuPeriodMicroseconds)
		list = append(list, controller{
			WallCPU, "cpu",
			[]limit{{"cpu.cfs_period_us", period, false}, {"cpu.cfs_quota_us", quota, false}},
			[]limit{{"cpu.max", quota + " " + period, false}},
		})
	}
	return list
}

// newGroup makes a cgroup with the limits that can be had. The reasons say why
// others cannot.
func newGroup(c *Config) (*group, []string) {
	g := new(group)
	wanted := controllers(c)
	if len(wanted) == 0 {
		return g, nil
	}
	trees, err := hierarchies()
	if err != nil {
		return g, []string{"cgroups: " + err.Error()}
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	name := groupPrefix + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(random[:])
	var reasons []string
	var second []controller
	for _, want := range wanted {
		i := slices.IndexFunc(trees, func(h hierarchy) bool { return slices.Contains(h.controllers, want.name) })
		if i < 0 {
			second = append(second, want)
			continue
		}
		if err := g.first(&trees[i], name, &want); err != nil {
			reasons = append(reasons, want.wall.String()+": "+err.Error())
		}
	}
	for _, want := range second {
		if err := g.second(trees, name, &want); err != nil {
			reasons = append(reasons, want.wall.String()+": "+err.Error())
		}
	}
	g.account(trees, name)
	return g, reasons
}

// first puts a limit into a tree of version 1.
func (g *group) first(tree *hierarchy, name string, want *controller) error {
	folder, err := g.folder(tree, name)
	if err != nil {
		return err
	}
	if err := writeLimits(folder, want.first); err != nil {
		return err
	}
	g.walls |= want.wall
	return nil
}

// folder returns the group's folder in a tree of version 1, and makes it.
func (g *group) folder(tree *hierarchy, name string) (string, error) {
	folder := filepath.Join(tree.own, name)
	if slices.ContainsFunc(g.parts, func(p part) bool { return p.folder == folder }) {
		return folder, nil
	}
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // G301: the kernel's files, not ours
		return "", err //nolint:wrapcheck // names the folder
	}
	g.parts = append(g.parts, part{folder: folder, back: tree.own})
	return folder, nil
}

// second puts a limit into the tree of version 2: into the first folder from
// the own one upwards that may have children with the controller. The own one
// seldom may, because a cgroup with processes must not.
func (g *group) second(trees []hierarchy, name string, want *controller) error {
	i := slices.IndexFunc(trees, func(h hierarchy) bool { return h.second })
	if i < 0 {
		return errors.New("no tree of cgroups has the controller")
	}
	var why error
	for _, parent := range trees[i].ancestors() {
		if g.into != nil {
			parent = filepath.Dir(g.into.Name())
		}
		if why = enable(parent, want.name); why != nil {
			continue
		}
		folder := filepath.Join(parent, name)
		if g.into == nil {
			if why = g.openSecond(folder); why != nil {
				continue
			}
		}
		if why = writeLimits(folder, want.second); why == nil {
			g.walls |= want.wall
			return nil
		}
	}
	return why
}

// openSecond makes the folder of version 2, into which the child is cloned.
func (g *group) openSecond(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // G301: the kernel's files, not ours
		return err //nolint:wrapcheck // names the folder
	}
	into, err := os.Open(folder) //nolint:gosec // G304: of the tree of cgroups
	if err != nil {
		return errors.Join(err, os.Remove(folder))
	}
	g.into = into
	g.parts = append(g.parts, part{folder: folder, second: true})
	return nil
}

// account puts the process where its time is counted with that of its
// children; where that cannot be, its own has to do.
func (g *group) account(trees []hierarchy, name string) {
	i := slices.IndexFunc(trees, func(h hierarchy) bool { return slices.Contains(h.controllers, "cpuacct") })
	if i >= 0 {
		_, _ = g.folder(&trees[i], name) // see above
	}
}

func writeLimits(folder string, limits []limit) error {
	for _, l := range limits {
		if err := writeFile(filepath.Join(folder, l.file), l.text); err != nil && !l.optional {
			return err
		}
	}
	return nil
}

// enter puts the calling thread into the group's folders of version 1, so that
// what it forks is born there. leave takes it out. Of the folders that it
// could not enter, the walls do not stand.
func (g *group) enter() (leave func(), err error) {
	leave = func() {
		for _, p := range g.parts {
			if !p.second {
				_ = writeFile(filepath.Join(p.back, "tasks"), "0") // the thread ends with the child anyway
			}
		}
	}
	for _, p := range g.parts {
		if p.second {
			continue
		}
		if err := writeFile(filepath.Join(p.folder, "tasks"), "0"); err != nil {
			g.walls = 0
			return leave, fmt.Errorf("enter the cgroup: %w", err)
		}
	}
	return leave, nil
}

// attach lets a clone go into the folder of version 2.
func (g *group) attach(attr *syscall.SysProcAttr) {
	if g.into != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(g.into.Fd())
	}
}

// detach gives up on version 2: this Linux cannot clone into it.
func (g *group) detach() bool {
	if g.into == nil {
		return false
	}
	closeFile(g.into)
	g.into, g.walls = nil, 0
	return true
}

// roundsMax bounds how often a cgroup is looked at again.
const roundsMax = 100

// kill ends everything in the group.
func (g *group) kill() {
	for _, p := range g.parts {
		if p.second && writeFile(filepath.Join(p.folder, "cgroup.kill"), "1") == nil {
			continue
		}
		for range roundsMax {
			lines, err := readLines(filepath.Join(p.folder, "cgroup.procs"))
			if err != nil || len(lines) == 0 {
				break
			}
			for _, line := range lines {
				if pid, err := strconv.Atoi(line); err == nil && pid > 0 && pid != os.Getpid() {
					_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
				}
			}
		}
	}
}

// remove takes the group's folders away, as soon as the kernel lets go of what
// was in them.
func (g *group) remove() {
	if g.into != nil {
		closeFile(g.into)
	}
	for _, p := range g.parts {
		for range roundsMax {
			if err := unix.Rmdir(p.folder); !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(time.Millisecond) // the kernel tells nobody when it is done
		}
	}
}

// outOfMemory reports whether something in the group was killed for memory.
func (g *group) outOfMemory() bool {
	return g.number("memory.events", "oom_kill ") > 0 || g.number("memory.oom_control", "oom_kill ") > 0
}

// number returns the number in the first line that starts with the prefix, of
// the first of the group's files with that name; zero when there is none.
func (g *group) number(file, prefix string) uint64 {
	for _, p := range g.parts {
		lines, err := readLines(filepath.Join(p.folder, file))
		if err != nil {
			continue
		}
		for _, line := range lines {
			if text, ok := strings.CutPrefix(line, prefix); ok {
				n, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 64) // zero when it is none
				return n
			}
		}
	}
	return 0
}

// usage says what the group takes, or what the process with the number takes
// where there is no group.
func (g *group) usage(pid int) Usage {
	u := Usage{MemoryBytes: g.number("memory.current", ""), CPUNanoseconds: g.number("cpuacct.usage", "")}
	if u.MemoryBytes == 0 {
		u.MemoryBytes = g.number("memory.usage_in_bytes", "")
	}
	if u.CPUNanoseconds == 0 {
		u.CPUNanoseconds = g.number("cpu.stat", "usage_usec ") * 1000
	}
	if u.MemoryBytes != 0 && u.CPUNanoseconds != 0 {
		return u
	}
	own := processUsage(pid)
	return Usage{max(u.MemoryBytes, own.MemoryBytes), max(u.CPUNanoseconds, own.CPUNanoseconds)}
}

// processUsage reads /proc: the resident pages, and the time in ticks of
// which there are 100 a second on all machines that Go runs on.
func processUsage(pid int) Usage {
	folder := "/proc/" + strconv.Itoa(pid)
	var u Usage
	if lines, err := readLines(folder + "/statm"); err == nil && len(lines) > 0 {
		if fields := strings.Fields(lines[0]); len(fields) > 1 {
			pages, _ := strconv.ParseUint(fields[1], 10, 64) // zero when it is none
			u.MemoryBytes = pages * uint64(os.Getpagesize()) //nolint:gosec // G115: above zero
		}
	}
	lines, err := readLines(folder + "/stat")
	if err != nil || len(lines) == 0 {
		return u
	}
	const ticks, fieldsBefore = 10_000_000, 11
	if fields := strings.Fields(lines[0][strings.LastIndexByte(lines[0], ')')+1:]); len(fields) > fieldsBefore+3 {
		for _, field := range fields[fieldsBefore : fieldsBefore+4] {
			n, _ := strconv.ParseUint(field, 10, 64) // zero when it is none
			u.CPUNanoseconds += n * ticks
		}
	}
	return u
}

// Sweep removes the empty cgroups of programs that ended without doing so. A
// node calls it when it starts.
func Sweep() {
	trees, err := hierarchies()
	if err != nil {
		return
	}
	for i := range trees {
		for _, folder := range trees[i].ancestors() {
			sweepFolder(folder)
		}
	}
}

func sweepFolder(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), groupPrefix)
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(rest, "-")
		if pid, err := strconv.Atoi(text); err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = unix.Rmdir(filepath.Join(folder, entry.Name())) // one with processes stays
		}
	}
}
