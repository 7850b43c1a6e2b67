// Package lexical finds documents by their words: a BM25 index in a folder.
//
// An index is a row of segments, each a file that is written once, mapped, and
// never changed. A [Batch] writes new segments and, of those that are there, new
// bitmaps of documents that are gone; one rename of the file "manifest" makes
// all of it visible, and durable, at once. What a crash leaves half done is not
// named in the manifest and is swept away at the next [Open]. Every file is
// checked whole when it is opened, and read as if the check had not been made.
// Segments are merged in the background.
//
// Lock order: Index.merging, Index.commits, Index.mu. None is held while a search runs:
// a search holds a view, which is counted, and the last to let a segment go
// unmaps it.
//
// A search sees no more than its [Reach]: how many documents hold a word, how
// long documents are, which words begin with a prefix, and which languages are
// there, all are counted within the reach alone, so that neither results nor
// their scores tell of a document outside it. (The time a search takes may.)
//
// Ranking is BM25 as Lucene has it (Robertson and Zaragoza, "The Probabilistic
// Relevance Framework: BM25 and Beyond", 2009; k1 = 1.2, b = 0.75, the idf that
// is never negative). The best k are found by MaxScore with maxima of blocks
// (Turtle and Flood 1995; Ding and Suel, "Faster top-k document retrieval using
// block-max indexes", 2011), over windows of documents. Parts of a score are
// whole numbers, so that their sum does not depend on the order of addition.
package lexical
