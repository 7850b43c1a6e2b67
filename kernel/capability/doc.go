// Package capability keeps who holds what: objects, the slots of each task's
// CSpace, and the derivation tree that says from which capability each other
// one comes.
//
// A capability is a node of the tree and, unless it travels in a message, an
// entry of one CSpace. The entry is a copy of what the gate asks for on every
// call, one cache line, read without a lock; the node holds the rest and is
// guarded by the tree's lock.
//
// # How revocation is O(1) and a check does not walk
//
// Each node records the epoch of its parent at the time of its birth. Revoking
// adds one to the epoch of a node, which kills every chain through it at once,
// whatever the size of the subtree. To find out, a check would have to walk
// the chain of parents; so each entry remembers the epoch of its object at
// which the chain was last found whole, and every revocation gives the object
// a new epoch. A check is then one comparison, and after a revocation each
// surviving entry walks its chain, at most [DepthMax] steps, once.
//
// What was revoked is cleared away behind, in slices of bounded length, by
// [Tree.Reclaim]. No check depends on how far that is.
//
// # How an operation under way is fenced
//
// An operation that changes something either holds the tree's lock and looks
// the handle up again under it, or brackets its few instructions with
// [Ref.Enter] and [Ref.Leave]. A revocation changes the epoch and then waits
// until nobody is between the two under the old one. So when it returns,
// everything begun with a revoked capability has happened or will not.
//
// Rejected: killing the subtree eagerly (clearing a million capabilities away
// takes a third of a second); walking the chain at every check (60 ns at the
// deepest, hot in the cache, where the whole lookup takes 3); one epoch for the
// whole kernel (each revocation anywhere sends every capability through a
// walk). docs/benchmarks.md and the benchmarks beside this file have the
// figures.
//
// Lock order:
//
//	Tree.mu (leaf: nothing is called out of the package while it is held but
//	platform.Machine.Relax)
//
// Invariants:
//
//	C1  rights, and the rights passed on, are a subset of what the parent may
//	    pass on; in the CSpace of its giver a new capability's rights are also
//	    a subset of the giver's
//	C2  a generation of a slot, an epoch of an object and an epoch of a node
//	    are never used twice
//	C3  a chain whose parent's epoch is not the one recorded is dead, for ever
//	C4  every node but the originals and the graveyard's is in its parent's
//	    list of children exactly once
//	C5  an object's count of references is its nodes and holds
//	C6  a live entry and its node name each other; a node in transit has no
//	    live entry
//	C7  uses and copies are taken from a limited parent and never created
//	C8  ceilings and windows only narrow; a badge that is set stays
//
// Ledger: S2 S8 S12 G4.4.
//
// Seed name: Capability kernel.
// Seed name: Granular reference counts.
// Seed name: Neural capabilities.
package capability
