// Package fuel rewrites a WebAssembly module so that it can be stopped,
// metered and frozen by whoever runs it: bytes in, bytes out.
//
// An engine that compiles ahead of time gives no way to interrupt a loop, and
// a loop that is not interrupted holds up the node's garbage collector. So the
// module counts for itself. A global, [Global], holds the fuel that is left;
// every function charges it on entry and every loop on each turn, and when it
// falls below zero the module calls the import [Module].[Spent], which refills
// it or stops the program. A charge is an upper bound of what runs until the
// next one: the sum of all instructions of the function (or the loop's body)
// that lie in no inner loop, with the dearer branch of each if. Exact counting
// was rejected: a charge per basic block costs more than it tells.
// The bound is loose where a compiler puts a whole function into one loop and
// jumps about in it, as Go's does: fuel says how long a program may run until
// it asks, not what to bill it for.
//
// Bulk operations charge by length, and those on memory go in chunks with a
// charge before each. Active data segments become passive and are copied by
// the export [Data], so that a snapshot can be mapped instead; the start
// function becomes the export [Start]; every mutable global is exported, as
// [GlobalPrefix] and its index, so that it can be saved and restored.
//
// What the rewriter lets through is decoded completely and strictly, and an
// index out of range is refused here: otherwise it could hit upon what the
// rewriter appends. Types are left to the engine, which validates the module
// again; it must be given nothing but what comes from here.
package fuel

import (
	"errors"
	"fmt"
)

// Version names what this rewriter does to a module. It belongs in the key of
// every cache of rewritten modules or of what is compiled from them.
const Version = "phi-fuel-1"

// The names by which the engine finds what was added. No export of a guest
// may begin with "phi:".
const (
	// Module and Spent name the imported function, () -> (), that a program
	// calls when Global has fallen below zero. It may refill Global, end the
	// program, and not return at all. A loop asks again until Global is not
	// negative, so a host may refill in parts of any size above zero.
	Module = "phi:fuel"
	Spent  = "spent"
	// Global is the exported mutable i64 that holds the fuel left, in
	// instructions. It begins at zero: the first charge calls Spent.
	Global = "phi:fuel"
	// Data is the exported function that copies the module's data segments
	// into its memory, in order, once; it traps where one does not fit. It is
	// there when Result.HasData says so, and comes before everything else that
	// runs.
	Data = "phi:data"
	// Start is the module's start function, exported when Result.HasStart
	// says so. It runs after Data and before any other export.
	Start = "phi:start"
	// GlobalPrefix and the decimal index of a mutable global make the name
	// under which it is exported.
	GlobalPrefix = "phi:global:"

	reserved = "phi:"
)

// The bounds of a module. They keep decoding, rewriting and compiling finite;
// the largest programs met so far use a tenth of each.
const (
	ModuleBytesMax    = 64 << 20
	RewrittenBytesMax = 256 << 20
	FunctionBytesMax  = 8 << 20
	FunctionsMax      = 1 << 18
	TypesMax          = 1 << 16
	ImportsMax        = 1 << 12
	ExportsMax        = 1 << 17
	GlobalsMax        = 1 << 16
	TablesMax         = 16
	SegmentsMax       = 1 << 17
	// ElementsMax bounds the entries of all element segments together.
	ElementsMax = 1 << 20
	// TableElementsMax bounds one table, and is what a table without a lower
	// bound of its own is given: growing beyond it fails, as it may anywhere.
	TableElementsMax = 1 << 18
	// LocalsMax counts the parameters and locals of one function, ParamsMax
	// the parameters and the results of one type.
	LocalsMax = 50_000
	ParamsMax = 1_000
	// NestingMax bounds blocks in blocks; compilers of resumable functions
	// nest one for each call.
	NestingMax = 1 << 16
	// NameBytesMax bounds the name of an import or export.
	NameBytesMax = 1 << 12
	// MemoryPagesMax is 4 GiB, in pages of 64 KiB.
	MemoryPagesMax = 1 << 16
)

// What bulk operations cost, in units of fuel, and how far they go between
// two charges. A unit is about a nanosecond of plain instructions.
const (
	// ChunkBytes is the longest fill, copy or initialisation that runs in one
	// piece: some 60 microseconds on cold pages.
	ChunkBytes = 1 << 20
	// bytesPerUnitShift: 16 bytes a unit, what writing to cold pages takes.
	bytesPerUnitShift = 4
	// pageUnitsShift: 4096 units a page of memory.grow, the same rate.
	pageUnitsShift = 12
)

// Options narrow what is let through. The zero value has the bounds of this
// package.
type Options struct {
	// ModuleBytes is the longest module to rewrite, at most ModuleBytesMax;
	// 0 means that.
	ModuleBytes int
}

// What can be wrong with a module; errors.Is tells them apart.
var (
	// ErrMalformed: the bytes are no WebAssembly module.
	ErrMalformed = errors.New("not a valid WebAssembly module; build it again, or check that the file is whole")
	// ErrLimit: the module is larger than a bound of this package.
	ErrLimit = errors.New("beyond a bound; split the module or build it smaller")
	// ErrUnsupported: the module uses what capsules do not have.
	ErrUnsupported = errors.New("not supported")
)

// Rewrite returns the metered form of a module and what is in it. The same
// module gives the same bytes. It does not change module, and the result
// shares nothing with it.
//
// Errors wrap ErrMalformed, ErrLimit or ErrUnsupported and name the place and
// the remedy. A nil error does not say that module is valid: the engine finds
// that out from the result.
func Rewrite(module []byte, o Options) (*Result, error) {
	most := ModuleBytesMax
	if o.ModuleBytes > 0 && o.ModuleBytes < most {
		most = o.ModuleBytes
	}
	if len(module) > most {
		return nil, fmt.Errorf("fuel: module of %d bytes, at most %d: %w", len(module), most, ErrLimit)
	}
	m, err := decode(module)
	if err != nil {
		return nil, fmt.Errorf("fuel: %w", err)
	}
	w := newWriter(m)
	out, err := w.module()
	if err != nil {
		return nil, fmt.Errorf("fuel: %w", err)
	}
	r := m.facts
	r.Module = out
	return &r, nil
}
