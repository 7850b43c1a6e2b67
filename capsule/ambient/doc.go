// Package ambient serves what programs elsewhere find around them: the time,
// chance, and folders of this machine. Each is a handler behind an endpoint,
// so that a program has of it what it was granted and no more; package ops
// says how they are asked.
//
// The handlers run on their callers' threads and for many callers at once.
//
// # Who may what
//
// A handler learns of its caller nothing but the badge of the capability that
// the call came through. So a folder gives each holder a badge of its own, and
// keeps what that badge allows in its own table: READ and WRITE of a folder
// are the server's business, as those of a model are. The kernel's rights on
// the same capability (INVOKE, SEND) say only that it can be called.
//
// What a holder opens is a capability too, derived from the same branch as its
// grant: whoever revokes the branch ends the grant and everything that was
// opened through it, at once.
//
// # Escapes
//
// Files are reached through os.Root, which walks a path in the kernel's own
// terms and refuses one that leads out, whether by "..", by a link or by one
// that appears while it looks. Rejected: to resolve a path first and to open
// what it came to, because a link can change in between.
//
// Lock order: grant.reading before Folder.mu. The latter is not held over I/O
// or over calls of the kernel; the former is, and only a holder's own threads
// wait for it.
//
// Invariants: a badge is never used twice; what is in the table is within its
// limits; a file in the table is open.
package ambient
