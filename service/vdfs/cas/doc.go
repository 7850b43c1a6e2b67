// Package cas keeps bytes by what they are: a folder is a store, and a piece
// of data is found by the hash of its contents.
//
// # What is in the folder
//
//	meta.db      where each piece lies, and the named records (bbolt)
//	packs/N      pieces, one behind the other, each with a header of 48 bytes
//	packs/N.ext  one large file as it is, from byte 4096: can be mapped
//
// A file is cut where its content says (FastCDC: Xia et al., USENIX ATC 2016),
// so that an insertion changes the pieces around it and no others. Its pieces
// are listed, the lists are listed when there are many, and lists too are cut
// where their content says. A file from four MiB on whose bytes do not
// compress, as the weights of a model do not, is not spread over packs: it is
// written as it is into a file of its own, on a page, and [Store.Extent] hands
// out that file for mapping.
//
// # Why these numbers
//
// Pieces are 16 KiB on average, 4 at least, 64 at most. On the source of Go
// half of that saves little (a release of x/net brings 50 % of new bytes to
// its predecessor's store in place of 61 %) and doubles the index and the cost
// of each byte; twice that loses another 8 % and gains 5 % of compression.
// What comes in is compressed by S2, whose 330 to 770 MB/s a core leave the
// target of 200 MB/s in reach of one core with cutting and hashing counted; the
// fastest zstd there is in Go does 110 to 200 and misses it, for a ratio of 3.8
// in place of 2.7. So zstd is what cools data later, see [Temperature].
//
// # Why one bbolt file for the metadata
//
// The index needs ordered keys, transactions over several tables, and a commit
// that survives power loss; it is written once a batch, sorted. bbolt is that
// and a quarter of a MiB; it holds a lock on its file, which is the lock of the
// store. Pebble writes faster, and is fifty times the code for a rate that a
// batch of a thousand pieces does not need. SQLite would bring a language. An
// index of our own in pack footers is fast to write and is a database to debug.
//
// # What a crash leaves
//
// A batch writes its pieces to packs. Commit syncs the packs, then writes the
// index and the records in one transaction of bbolt: that is the commit. What a
// crash leaves behind before it, at the end of packs or in packs of its own, is
// cut off by the next Open. Pieces may enter the index before their batch
// commits, when it is large; that shows nothing, for what names them is a
// record, and the collector takes them if it never comes.
//
// # Trust
//
// Every piece is hashed again when it is read, with BLAKE3 keyed by its kind: a
// list never passes for a file. What does not match is named in a
// [CorruptError], and mended from the mirror if there is one.
//
// # Locks
//
//	Store.commitMu    one commit, sweep slice or relocation at a time
//	  Batch.mu        what the batch has put
//	    collector.mu  what is marked
//	    packs.mu      open files, the pack that grows
package cas
