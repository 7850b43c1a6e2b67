// Package gate is the only door: it joins capabilities to the objects that
// they name, and nothing in ΦOS happens but through [Port.Invoke].
//
// Each call goes the same way: is the caller alive; does the handle name
// something that carries the rights that the call needs, of the type that it
// needs; do its terms (time, uses, seal) allow it; does the hook; then the act
// itself, which checks labels and budgets and everything else that it can be
// refused for before it changes anything; then the journal. A call that fails
// changes nothing. The journal also holds every refusal.
//
// # Ports and threads
//
// A task sees the kernel through a [Port]. A [Thread] is one thread of control
// and carries a small stack of ports: when a call goes to a server in this
// process, the server's handler runs on the caller's own thread, with the next
// port of the stack, which is the server's.
//
// # Labels
//
// A task's label joins that of whatever it receives, reads or maps; what it
// sends or writes carries its label. A handler's label is that of the one call
// it is serving, so that a server of many is not dragged up by one of them. A
// shared mapping is a channel that stays open: while it is there, task and
// region share every rise of either's label.
//
// Lock order:
//
//	Kernel.labels → region.Region.mu → Domain.mu, endpoint.mu →
//	capability.Tree.mu; leaves: Kernel.mu, turn.mu, task.Family.mu, the
//	budget tree's, notify.Timers.mu, journal.Journal.mu
//
// Nothing is called under a leaf but Unpark, which neither blocks nor calls
// back.
//
// Invariants:
//
//	G1  an act is preceded by a lookup of every handle that it uses
//	G2  a status other than StatusOK means that nothing has changed, but that
//	    a message which was on its way may be lost with its dead receiver
//	G3  every object is released exactly once, when its last reference goes,
//	    and gives back to its payer what it held
//	G4  what flows to a sink flows to the sink's ceiling and to that of the
//	    capability
//
// Ledger: S6 S9 S11 S12 S16 S24.
//
// Seed name: Object passing.
package gate
