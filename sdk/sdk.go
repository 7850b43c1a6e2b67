// Package sdk holds the libraries for programs on ΦOS, as the files that a
// program takes along: no registry has them, and a program needs nothing else
// of this repository.
package sdk
