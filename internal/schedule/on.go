//go:build invariants || mutants

package schedule

import "sync/atomic"

// Enabled says that points are compiled in.
const Enabled = true

var installed atomic.Pointer[func()]

// Install makes every Point call f, on the thread that reaches it; nil ends
// that. Tests of one process install one at a time.
func Install(f func()) {
	if f == nil {
		installed.Store(nil)
		return
	}
	installed.Store(&f)
}

// Point is a place where another thread may come between.
func Point() {
	if f := installed.Load(); f != nil {
		(*f)()
	}
}
