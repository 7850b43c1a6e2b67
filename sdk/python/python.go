// Package python is the SDK for capsules in Python: one file, phi.py, that a
// capsule has beside its program. Its tables are written from package abi, and
// a test finds out when they are no longer the same.
package python

import _ "embed"

//go:embed phi.py
var source string

// FileName is what the SDK is called beside a program.
const FileName = "phi.py"

// Source returns the SDK, to be copied beside a program.
func Source() string { return source }
