//go:build !cgo

package jail

// again says that a worker starts itself once more behind its walls. Without
// cgo that is not needed.
const again = false

// linked are the folders that a program needs to start: it is one file.
func linked() []Bind { return nil }
