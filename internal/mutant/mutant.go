// Package mutant holds the seeded bugs by which the verifier is itself tested.
//
// Each is a mistake that someone could make in the kernel. In ordinary builds
// [On] is a constant false, so that the compiler removes every one of them; in
// builds with the tag "mutants" one at a time can be switched on.
package mutant

// ID names a seeded bug.
type ID uint8
