//go:build cgo

package jail

// again says that a worker starts itself once more behind its walls: with cgo,
// as the race detector needs it, Go cannot change the threads that it has, so
// the walls of this one are handed on by the exec.
const again = true

// linked are the folders that a program needs to start when cgo has linked it.
func linked() []Bind {
	return []Bind{{From: "/lib", Optional: true}, {From: "/lib64", Optional: true}, {From: "/usr/lib", Optional: true}}
}
