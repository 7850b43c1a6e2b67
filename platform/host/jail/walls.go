package jail

import (
	"fmt"
	"strings"
)

// Walls is a set of what stands between a process and the machine. The bits
// and the names are those of capsule.Walls, which a test there checks.
type Walls uint32

// The walls. The first bit is WebAssembly's own sandbox, of which this package
// knows nothing.
const (
	WallUser      Walls = 1 << (iota + 1) // a user namespace, and no privileges in it
	WallMount                             // a mount namespace with a root of its own
	WallPID                               // a PID namespace: sees no other process
	WallNet                               // a network namespace without a network
	WallIPC                               // an IPC namespace
	WallUTS                               // a UTS namespace
	WallSeccomp                           // few system calls
	WallLandlock                          // Landlock over the files that are shown
	WallMemory                            // a cgroup's limit on memory
	WallProcesses                         // a cgroup's limit on processes
	WallCPU                               // a cgroup's limit on processor time
	wallsEnd
)

// WallsAll are all walls around a process.
const WallsAll = (wallsEnd - 1) &^ 1

// wallsLimits are those of a cgroup.
const wallsLimits = WallMemory | WallProcesses | WallCPU

var wallNames = [...]string{
	"sandbox", "user", "mount", "pid", "net", "ipc", "uts", "seccomp", "landlock", "memory", "processes", "cpu",
}

// wallRemedies say what to do where a wall cannot be put up.
var wallRemedies = [...]string{
	"",
	"let users make user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
	"Linux 5.12 or later with CONFIG_NAMESPACES, and whatever the user namespace needs",
	"a kernel with CONFIG_PID_NS, and whatever the user namespace needs",
	"a kernel with CONFIG_NET_NS, and whatever the user namespace needs; sysctl user.max_net_namespaces",
	"a kernel with CONFIG_IPC_NS, and whatever the user namespace needs",
	"a kernel with CONFIG_UTS_NS, and whatever the user namespace needs",
	"a kernel with CONFIG_SECCOMP_FILTER",
	"Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK and landlock in the boot parameter lsm=",
	"a cgroup with the memory controller that this user may write: run as root, or under systemd-run --user --scope -p Delegate=yes",
	"a cgroup with the pids controller that this user may write: run as root, or under systemd-run --user --scope -p Delegate=yes",
	"a cgroup with the cpu controller that this user may write: run as root, or under systemd-run --user --scope -p Delegate=yes",
}

const (
	_ = uint(len(wallRemedies) - len(wallNames))
	_ = uint(len(wallNames) - len(wallRemedies))
	_ = uint(1<<len(wallNames) - int(wallsEnd))
	_ = uint(int(wallsEnd) - 1<<len(wallNames))
)

// Has reports whether all of the walls of other stand.
func (w Walls) Has(other Walls) bool { return w&other == other }

// Names returns the walls' names in a fixed order.
func (w Walls) Names() []string {
	var names []string
	for i, name := range wallNames {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names with spaces between, "none" for no walls.
func (w Walls) String() string {
	if w == 0 {
		return "none"
	}
	return strings.Join(w.Names(), " ")
}

// WallError says that walls which were required do not stand, and what to do.
type WallError struct {
	// Name is the process that was not started.
	Name string
	// Missing are the walls that do not stand.
	Missing Walls
	// Reasons say for some of them what went wrong.
	Reasons []string
}

// Error names the first wall that is missing, its remedy, and the rest.
func (e *WallError) Error() string {
	for i, name := range wallNames {
		if e.Missing&(1<<i) == 0 {
			continue
		}
		text := fmt.Sprintf("jail %s: the wall %q does not stand: it needs %s; or start it without, if its manifest allows that", e.Name, name, wallRemedies[i])
		if rest := e.Missing &^ (1 << i); rest != 0 {
			text += "; missing too: " + rest.String()
		}
		if len(e.Reasons) > 0 {
			text += " (" + strings.Join(e.Reasons, "; ") + ")"
		}
		return text
	}
	return "jail " + e.Name + ": no wall is missing"
}
