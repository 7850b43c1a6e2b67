// Package capability drives the real kernel through every reachable state of
// small worlds and compares it, after each step, with a naive reference that
// was written from the documents and shares no idea with it.
//
// It says "exhaustively explored up to N" and nothing more: it is no proof of
// the kernel, and what needs more capabilities, tasks or threads than a world
// has is out of its sight. A proved model of the rules stands apart from it.
//
// # Facets
//
// One alphabet of all operations would explode, so there are several worlds,
// each with the operations that bear on each other and each explored to its
// end: derivation, terms, transit, messages, budgets, labels, tasks. The first
// three drive the derivation tree, the others go through [gate.Port.Invoke]
// alone. The search is breadth first over sequences of operations. A state is
// remembered by its shape (see [kernel.Tree.Shape]): every slot with its
// generation, so that stale handles are part of the state; the derivation
// tree; the graveyard in its order; the order of the free slots; and which
// caches are fresh. Nodes are renamed and, where the world is symmetric, tasks
// are permuted. Generations are few, so that slots which are used up and
// tables which are full lie within what is explored.
//
// After each step every handle ever issued is tried by every task.
//
// # Invariants
//
// The names are those that a violation is reported under.
//
//	answers              every answer is one that the reference allows
//	monotone rights      a capability has what the reference says, never more
//	no resurrection      a handle that was dead once is dead for ever
//	tree well-formed     kernel/capability's own C1, C4, C5, C6, C7, C8
//	conservation         budgets, uses, copies and references add up
//	badge immutable      a badge that is set stays
//	transfer atomicity   a call that fails, or a message that does not arrive,
//	                     leaves nothing behind and takes nothing away
//	label monotonicity   labels only rise, but by endorsing and declassifying
//	no effect after revoke
//	                     nothing done through a dead capability happens
//	reclaim is silent    clearing away changes no answer
//
// Two threads at a time are driven through every schedule of the marked places
// of the lock-free code ([Schedules]); histories of real threads are checked
// for linearizability in the tests.
//
// # Mutants
//
// The search itself is tested by seeded bugs ([Mutants]): each must be found.
//
// Ledger: S27.
//
// Seed name: Formal-proof ready.
package capability
