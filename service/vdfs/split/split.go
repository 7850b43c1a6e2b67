// Package split cuts documents into passages by their structure: what a search
// finds, shows and quotes.
//
// Each format is read into atoms, which are words with their places in the
// original and the strength of the break before them; one packer, the same for
// all formats, fills passages up to what a sentence encoder reads at once and
// ends them at the strongest break in reach. So no format has rules of its own
// for lengths, and a passage always knows where it comes from. (A splitter for
// each format, as libraries for retrieval have them, was rejected: they disagree
// on lengths and lose the offsets.)
//
// Documents are hostile. Every reader is linear or works on bounded windows, no
// reader recurses with the input's depth, and a panic of a library is an error.
// One limit is the caller's to know: the reader of PDF cannot be stopped inside
// one page, so PDF from strangers belongs in a process that may be killed.
package split

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds.
const (
	ContentBytesMax  = 64 << 20 // that Split takes; Stream takes more
	PassageTokensMax = 120      // estimated, of the encoder's 128
	overlapTokensMax = 60
	passagesMax      = 4 << 20
	pathPartsMax     = 8
	pathBytesMax     = 120 // of one part
)

// Errors of this package.
var (
	ErrBinary = errors.New("split: not text: nothing in it can be read by words")
	ErrLarge  = errors.New("split: beyond 64 MiB: cut it into files, or give text to Stream as text/plain")
	ErrFormat = errors.New("split: not of the format it claims: give its media type, or text/plain")
)

// Kind is what a passage is a part of.
type Kind uint8

// The kinds.
const (
	Prose Kind = iota
	Code
	Data // rows and objects
	Header
	Quoted     // of another mail
	Attachment // its name only
)

// Passage is a part of a document.
type Passage struct {
	Begin, End int      // bytes in the original
	Line       int      // of Begin, from 1; of a PDF the page
	Path       []string // headings, or the names of what encloses it
	Kind       Kind
	Title      string // of the document
	Text       string // words, single spaces, lines where they matter; UTF-8
	// Exact says that the words of Text stand between Begin and End, in order,
	// as they are. Escapes, encodings of mail and PDF, and keys that are
	// repeated beside their values make it false.
	Exact bool
}

// Options are choices of the caller. The zero value is usual.
type Options struct {
	Tokens  int // at most in a passage, estimated; 0 is PassageTokensMax
	Overlap int // tokens of the passage before that one begins with, where they touch
}

// Split cuts a document. name is its file's name, media its media type or "";
// what neither tells is told by the content. Nothing returned shares content's
// memory. Passages rise by Begin.
func Split(name, media string, content []byte, o Options) ([]Passage, error) {
	if len(content) > ContentBytesMax {
		return nil, ErrLarge
	}
	if o.Tokens < 0 || o.Overlap < 0 || o.Overlap > overlapTokensMax {
		return nil, fmt.Errorf("split: a bound of %d and an overlap of %d tokens: give no negative ones and overlap at most %d", o.Tokens, o.Overlap, overlapTokensMax)
	}
	format := sniff(name, media, content)
	if format == formatBinary {
		return nil, ErrBinary
	}
	if format == formatPDF {
		return splitPDF(content, o)
	}
	text, encoding := decode(content)
	d := &document{text: text, atoms: make([]atom, 0, len(text)/6+8)}
	if err := read(d, format, name); err != nil {
		return nil, err
	}
	passages := d.pack(o)
	encoding.restore(content, passages)
	countLines(content, passages)
	return passages, nil
}

// read fills a document's atoms; a library's panic is an error, and what is not
// of its format is read as plain text.
func read(d *document, format format, name string) (err error) {
	fallback := document{text: d.text}
	func() {
		defer func() {
			if caught := recover(); caught != nil {
				err = fmt.Errorf("%w: its reader failed: %v", ErrFormat, caught)
			}
		}()
		switch format {
		case formatMarkdown:
			readMarkdown(d)
		case formatHTML:
			readHTML(d)
		case formatGo:
			err = readGo(d)
		case formatCode:
			readCode(d, 0, len(d.text))
		case formatCSV:
			readCSV(d, name)
		case formatJSON:
			err = readJSON(d)
		case formatMail:
			err = readMail(d, 0, len(d.text), 0)
		case formatPlain, formatBinary, formatPDF:
			readPlain(d, 0, len(d.text))
		}
	}()
	if err == nil || format == formatPlain {
		return err
	}
	*d = fallback
	if format == formatGo {
		readCode(d, 0, len(d.text))
		return nil
	}
	readPlain(d, 0, len(d.text))
	return nil
}

// breaking is how strongly two words are apart.
type breaking uint8

const (
	breakNone breaking = iota // glued: markup within a word
	breakSpace
	breakSentence
	breakLine
	breakParagraph
	breakSection // no passage goes across
)

// atom is a word.
type atom struct {
	text       string
	begin, end int
	before     breaking
	changed    bool   // text is not what stands there
	tokens     uint16 // that it costs
	section    int32
}

// section is what the atoms of a stretch have in common.
type section struct {
	path []string
	kind Kind
}

// document is a text while it is read.
type document struct {
	text     string
	title    string
	atoms    []atom
	sections []section
	next     breaking // before the atom to come
}

// enter begins a section.
func (d *document) enter(kind Kind, path []string) {
	own := make([]string, 0, min(len(path), pathPartsMax))
	for _, part := range path {
		if len(own) < pathPartsMax {
			own = append(own, cutAt(part, pathBytesMax))
		}
	}
	d.sections = append(d.sections, section{path: own, kind: kind})
	d.next = breakSection
}

// apart makes the break before the next atom at least so strong.
func (d *document) apart(b breaking) { d.next = max(d.next, b) }

// add appends an atom.
func (d *document) add(text string, begin, end int, changed bool) {
	if len(d.sections) == 0 {
		d.enter(Prose, nil)
	}
	d.atoms = append(d.atoms, atom{text: text, begin: begin, end: end, before: d.next, section: int32(len(d.sections) - 1), changed: changed, tokens: uint16(cost(text))})
	d.next = breakNone
}

// cutAt shortens a text between runes.
func cutAt(s string, bytesMax int) string {
	if len(s) <= bytesMax {
		return s
	}
	for bytesMax > 0 && !utf8.RuneStart(s[bytesMax]) {
		bytesMax--
	}
	return s[:bytesMax]
}
