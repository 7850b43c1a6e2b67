package capsule

import "strings"

// Walls is a set of what stands between a program and the machine.
type Walls uint32

// The walls. Sandbox is WebAssembly's own; the rest are Linux's.
const (
	WallSandbox   Walls = 1 << iota // memory and calls checked by WebAssembly
	WallUser                        // user namespace: no privilege outside
	WallMount                       // mount namespace: sees no file but its own
	WallPID                         // PID namespace: sees no other process
	WallNet                         // network namespace: no network
	WallIPC                         // IPC namespace
	WallUTS                         // UTS namespace
	WallSeccomp                     // few system calls
	WallLandlock                    // Landlock: no file, whatever the mounts say
	WallMemory                      // cgroup limit on memory
	WallProcesses                   // cgroup limit on processes
	WallCPU                         // cgroup limit on processor time
	wallsEnd
)

// WallsProcess are all walls around a process.
const WallsProcess = (wallsEnd - 1) &^ WallSandbox

var wallNames = [...]string{
	"sandbox", "user", "mount", "pid", "net", "ipc", "uts", "seccomp", "landlock", "memory", "processes", "cpu",
}

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

// ParseWall returns the wall of a name, and whether there is one.
func ParseWall(name string) (Walls, bool) {
	for i, n := range wallNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}
