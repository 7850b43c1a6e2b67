// Package wasm runs WebAssembly programs: the inline tier, and the engine in
// every worker. A program owns nothing but the capabilities behind its
// [capsule.Door]; what it computes is bounded by fuel, what it touches by the
// size of its memory.
//
// A module is rewritten when it is installed (capsule/fuel) and only what was
// rewritten is ever compiled. The rewritten code counts down a number in the
// module and calls back when it is used up: there the engine charges the
// program's budget, lets others run, and ends a program that was stopped. The
// engine's own way to end a program, checks of a context in every loop, was
// rejected: it costs 2.4 to 32 times the run time, against 1.13 for fuel. To do
// nothing was rejected because a loop without a safe point stops the collector
// of the whole process for as long as it runs.
//
// Everything that a program passes is an allegation. Pointers are checked
// against the memory's size at each call, what they point to is copied once
// and the copy is decoded; results are written only after a call succeeded, to
// places that were checked before it was made.
//
// A host function ends its program by a panic with an error of the engine's,
// which is the engine's only way to leave the program's stack; it is caught
// where the engine entered, in this package, and never passes it.
//
// Lock order: slot.mu, then Engine.mu, then Image.mu, then Instance.mu; none
// of them is held while a program runs, but for slot.mu and Image.warming,
// under which a template is made.
//
// Invariants: no program runs that was not rewritten; one goroutine at a time
// is in an instance; a memory is freed only when nothing runs in it.
//
// Ledger: S4, S6, S9, S10, S15.
package wasm
