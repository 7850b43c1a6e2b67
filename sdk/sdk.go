// Package sdk holds the libraries for programs on ΦOS, as the files that a
// program takes along: no registry has them, and a program needs nothing else
// of this repository. Each folder below is the library for one language.
package sdk

import "embed"

// Sources are the files of the libraries, by folder; tests are among them.
//
//go:embed go/*.go go/server/*.go c/phi.h assemblyscript/phi.ts python/phi.py
var Sources embed.FS
