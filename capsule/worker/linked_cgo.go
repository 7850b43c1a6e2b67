//go:build cgo

package worker

import "phios/platform/host/jail"

// linked are the folders that this program needs to start when cgo has linked
// it, as the race detector needs it.
func linked() []jail.Bind {
	return []jail.Bind{{From: "/lib", Optional: true}, {From: "/lib64", Optional: true}, {From: "/usr/lib", Optional: true}}
}
