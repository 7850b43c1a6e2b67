//go:build !mutants

package mutant

// Enabled says that mutants are compiled in.
const Enabled = false

// Select does nothing in this build.
func Select(ID) {}

// On reports whether the mutant is switched on: never, in this build.
func On(ID) bool { return false }
