// Package journal keeps the record of what happened: who was given what, who
// was refused, who died, whose label rose and who lowered one. In record mode
// it also holds every call, and with the seed in its header it replays a run.
//
// Each record carries the SHA-256 of the record before it and of itself, so
// that changing a byte, and dropping, doubling or moving a record, breaks the
// chain at that place. SHA-256 and not a faster hash, because whoever audits
// a journal has it at hand wherever they are.
//
// What a chain alone cannot show: it holds no secret, so whoever may rewrite
// the whole file can compute a new chain; and a journal whose end was cut off
// is a shorter journal. Both are found by an anchor: take [Journal.Position]
// from time to time, keep it where the journal's writer cannot reach (another
// node, a signed note, paper), and give it to the [Verifier], which then
// demands that the chain pass through it.
//
// # Format
//
// A journal is a sequence of records, each of them complete in itself, in
// little-endian order:
//
//	 0  length    uint16  of the whole record, hash included
//	 2  kind      uint8
//	 3  type      uint8   the object's type
//	 4  fields    uint16  which of the fields below follow, bit 0 first
//	 6  status    uint16
//	 8  sequence  uint64  the first record has 0
//	16  time      int64   nanoseconds of the machine's clock
//	24  the fields that are not zero, in the order of the field constants
//	    hash      32 bytes, SHA-256 over the previous record's hash (zeros
//	              before the first) and this record up to here
//
// Fields that are zero are left out, since most records set few of them: a
// grant takes 90 bytes instead of the 294 of a fixed layout, and hashing goes
// by the byte. A field that is present and zero, a bit without a field and a
// length that does not match are refused, so that each record has exactly one
// encoding.
//
// The first record, and the first after each restart, is a header: its words
// are a magic number, the version of this format, the seed and the node. The
// layout of a header is the same in all versions.
//
// Lock order: Journal.mu is a leaf. The clock and the log are called under
// it, since the order of the records is the order of the chain; a log should
// therefore buffer, for whoever waits for it makes everyone wait.
//
// Invariants: the sequence counts up from 0 without a gap; the scratch buffer
// begins with the hash of the last record that the log accepted; a record
// that the log refused has left no trace.
//
// Ledger: S2 G1.3.
package journal
