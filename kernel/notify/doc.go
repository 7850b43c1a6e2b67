// Package notify tells tasks that something has happened: a word of bits that
// anyone may set without ever blocking, and two sources that set bits by
// themselves, timers and interrupts.
//
// Seed name: IRQ capabilities.
//
// An interrupt is a notification object: only the holder of its capability
// receives it. The platform raises a line and says what time it is; the kernel
// has no clock and no interrupt controller of its own, and whoever handles the
// device is a task like any other.
//
// Lock order: Timers.mu and one line's mu are each the innermost lock. Both
// are held over Notification.Signal, which takes no lock and calls nothing but
// Parker.Unpark, which never blocks: so a timer that was cancelled, or a line
// that was unbound, signals nothing afterwards.
//
// Invariants:
//   - a bit that was signalled is taken exactly once, together with every other
//     signal of that bit since it was last taken;
//   - a waiter that has been given a bit of its mask is not asleep;
//   - a notification has at most one waiter;
//   - a timer fires at most once in a call of Fire, and never before its time;
//   - a masked line does not signal; a raise of it meanwhile is not lost.
//
// Ledger: S16.
package notify
