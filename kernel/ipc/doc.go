// Package ipc carries messages between tasks: mailboxes that hold what was
// sent until it is received, and calls that wait for one answer.
//
// Seed name: Fast-path IPC.
//
// A [Mailbox] is a bounded queue for many senders and one receiver at a time.
// It is D. Vyukov's bounded queue with a sequence number in each cell
// (https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue),
// changed in two ways: the one receiver gives places back by its head instead
// of marking each cell, and the mark of closing stands in the word that senders
// compete for. A [Call] is the record of one caller that waits; its thread has
// one and uses it again for every call.
//
// The package knows tasks and capabilities by number only. Whoever joins
// messages to capabilities, the gate, keeps in a [Stamp] what travels along,
// and undoes it for a message that nobody received ([Mailbox.Drain]) or that
// nobody took ([Call.Answer]).
//
// Lock order: none; nothing here locks. The consumer flag of a mailbox and the
// claim of a call are try-locks, held for bounded work and never waited for
// but by the caller whose answer is being written.
//
// Invariants:
//   - a message that Send accepted is found by the receiver or by Drain exactly
//     once, in the order in which Send reserved its place, also after Close;
//   - a message that Send refused leaves no trace;
//   - no byte of a message is read through another message;
//   - exactly one of reply, fence, death, cancellation and timeout ends a call;
//   - nothing that names an earlier call of a record touches a later one;
//   - a wait that has been given a reason to end is not asleep.
//
// Rejected: a lock around a ring (a preempted holder stops every sender, and
// it costs as much as a channel); a linked queue (it allocates, or needs a pool
// and an answer to ABA); growing (the limit is the contract).
//
// Ledger: S11.
package ipc
