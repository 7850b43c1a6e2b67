// Package phi is the library for programs on ΦOS that are written in Go and
// compiled to WebAssembly.
//
// A program owns nothing but its capabilities. It finds those that its
// manifest asked for and its parent granted by their names, and calls others
// through them:
//
//	notes, err := phi.Named("notes")
//	...
//	var m phi.Message
//	m.SetText("list")
//	err = notes.Endpoint().Call(&m)
//
// A program that answers messages imports package server, beside this one.
// Clocks, randomness and files are Go's own, and work when the capability for
// them was granted.
//
// The package imports nothing but the standard library and keeps nothing but
// the windows that are open: it is taken along by copying its files. Every
// call returns a [Status] as its error; texts say the remedy. A message, and
// any other argument, stays the caller's: the node copies what it needs before
// the call returns, and nothing here allocates unless it says so. Off a node,
// as in a test on one's own machine, every call returns StatusUnsupported.
package phi
