//go:build !cgo

package worker

import "phios/platform/host/jail"

// linked are the folders that this program needs to start: it is one file.
func linked() []jail.Bind { return nil }
