// Package abi is the kernel's contract: object types, rights, handles, call
// numbers, statuses, labels and the layout of messages. It is data: it holds
// no state, starts nothing and imports nobody, so that every other package,
// and every program on ΦOS, may import it.
//
// A program does nothing but by one call:
//
//	status = Invoke(handle, operation, arguments)
//
// The operations are the Op constants, described by the table in [Describe]:
// for each its noun and verb, the type of object that the handle must name,
// the rights that the handle must carry, and what its argument words mean.
// A call that fails changes nothing.
package abi
