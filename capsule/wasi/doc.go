// Package wasi is WASI preview 1 for programs that own nothing but
// capabilities: the module wasi_snapshot_preview1, each function of it, over a
// [capsule.Door].
//
// A program compiled for WASI expects a machine: clocks, chance, files. None
// of that is here. What it does with them becomes calls on capabilities that
// were granted to it by name, as package ops lays them down: "clock",
// "random", and a folder for each that the program is shown. What was not
// granted answers ENOTCAPABLE; what cannot be done over capabilities answers
// ENOTSUP or ENOSYS. No import is missing, so that every module can be linked,
// and nothing pretends to work.
//
// Two things are asked for before main runs, by runtimes that give up without
// them: Go's reads the clocks and asks for a seed. See clockTime and
// randomGet for what a program without those capabilities is given, and why
// it is not more.
//
// The package knows no engine: whoever runs programs passes the memory and the
// parameters of each call. What they hold is an allegation until it is
// checked; what is read from memory is copied once, and the copy is checked.
package wasi
