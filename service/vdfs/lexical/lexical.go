package lexical

import "errors"

// What an index takes at most.
const (
	textBytesMax      = 1 << 20 // of one document
	queryBytesMax     = 128 << 10
	queryTermsMax     = 64   // that are scored
	queryCountedMax   = 256  // whose documents are counted to choose them
	queryClausesMax   = 32   // phrases, exclusions
	phraseWordsMax    = 32   // of one phrase
	prefixTermsMax    = 64   // one prefix stands for
	prefixLookedMax   = 4096 // looked at for one prefix
	hitsMax           = 10_000
	termBytesMax      = 64
	tokenBytesMax     = 4096 // of text without a space that Unicode's rules see at once
	partsMax          = 16   // of one identifier
	segmentsMax       = 64
	segmentDocsMax    = 1 << 22
	segmentTokensMax  = 1 << 30
	batchTokensMax    = 1 << 22 // held in memory before they are written to a file
	documentTokensMax = 1<<16 - 1
	titleGap          = 16 // places between a title and its text
	manifestBytesMax  = 1 << 16
	cacheTokensMax    = 1 << 19 // spellings whose terms a batch remembers
	reachTermsMax     = 1 << 16 // whose counts one reach remembers
	mergeSegments     = 6       // of like size become one
)

// Errors of this package; each text names what to do.
var (
	// ErrInput says that the caller asked for what cannot be.
	ErrInput = errors.New("lexical: bad input")
	// ErrCorrupt says that a file is not as it was written.
	ErrCorrupt = errors.New("lexical: the index is damaged: build it again from the documents")
	// ErrBusy says that another process has the folder.
	ErrBusy = errors.New("lexical: the folder is in use")
	// ErrClosed says that the index or the batch is closed.
	ErrClosed = errors.New("lexical: closed: open it again")
)

// Language says how the words of a text are brought to their stems.
type Language uint8

// The languages.
const (
	Detect  Language = iota // guess from the text, English if nothing speaks for another
	English                 // Porter's second stemmer
	French
	Plain // words stay as they are
	languages
)

// Document is what a batch puts in.
type Document struct {
	ID       uint64 // the caller's; a later document of the same ID replaces an earlier
	Title    string // its words count as the text's do; no phrase runs across its end
	Text     string // UTF-8; other bytes separate words. 1 MiB at most with the title; words beyond 65,535 are not indexed
	Language Language
}

// Hit is a document that a search found.
type Hit struct {
	ID    uint64
	Score float64  // above zero; comparable within one search
	Terms []string // terms of the index that it holds of those asked for
}

// Stats is what a reach holds.
type Stats struct {
	Documents int
	Tokens    uint64 // words of all documents, with repetitions
	Segments  int    // of the whole index
}
