// Package invariant stops the program when something that must hold does not.
//
// A broken invariant is a bug in ΦOS, never a caller's mistake: those are
// answered with a status. Cheap checks are Always on; costly ones are Check,
// which the compiler removes unless the build carries the tag "invariants".
package invariant

// Always stops the program when held is false.
func Always(held bool, text string) {
	if !held {
		fail(text)
	}
}

// Check is Always in builds with the tag "invariants" and nothing in others.
func Check(held bool, text string) {
	if Enabled && !held {
		fail(text)
	}
}

// Failure is the value that a broken invariant panics with, so that the few
// places which recover can tell it from everything else and not go on.
type Failure string

// Error returns the text of the invariant.
func (f Failure) Error() string { return "broken invariant: " + string(f) }

//go:noinline // keeps the callers small enough to inline
func fail(text string) { panic(Failure(text)) }
