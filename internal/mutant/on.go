//go:build mutants

package mutant

import "sync/atomic"

// Enabled says that mutants are compiled in.
const Enabled = true

var current atomic.Uint32

// Select switches one mutant on and all others off; None is the real code.
func Select(id ID) { current.Store(uint32(id)) }

// On reports whether the mutant is switched on.
func On(id ID) bool { return ID(current.Load()) == id }
