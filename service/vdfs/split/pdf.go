package split

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/ledongthuc/pdf"
)

// Bounds of PDF.
const (
	pdfPagesMax     = 5000
	pdfTextBytesMax = 16 << 20
	pdfNestingMax   = 500
	pdfReadsMax     = 1 << 30 // bytes that its reader may ask for, again and again
	pdfTime         = 20 * time.Second
)

// meter ends a reader that asks for too much or too long.
type meter struct {
	io.ReaderAt
	left  int
	until time.Time
}

// ReadAt reads while there is allowance; its error ends the reader of PDF.
func (m *meter) ReadAt(b []byte, at int64) (int, error) {
	if m.left -= len(b); m.left < 0 || time.Now().After(m.until) {
		return 0, fmt.Errorf("%w: a PDF that costs too much to read", ErrFormat)
	}
	return m.ReaderAt.ReadAt(b, at)
}

// splitPDF reads the text of a PDF page by page. Places are the whole file's:
// its text is compressed. The reading runs on its own so that one that hangs
// does not hold the caller; see the package's words on such files.
func splitPDF(content []byte, o Options) ([]Passage, error) {
	if nesting(string(content)) > pdfNestingMax*4 && deepPDF(content) {
		return nil, fmt.Errorf("%w: a PDF nested beyond %d", ErrFormat, pdfNestingMax)
	}
	type result struct {
		passages []Passage
		err      error
	}
	done := make(chan result, 1) // the reader never waits
	own := bytes.Clone(content)
	go func() {
		var r result
		defer func() {
			if caught := recover(); caught != nil {
				r.err = fmt.Errorf("%w: a PDF that its reader fails on: %v", ErrFormat, caught)
			}
			done <- r
		}()
		r.passages, r.err = pagesOf(own, o)
	}()
	select {
	case r := <-done:
		return r.passages, r.err
	case <-time.After(pdfTime):
		return nil, fmt.Errorf("%w: a PDF that takes beyond %v", ErrFormat, pdfTime)
	}
}

// deepPDF looks for arrays or dictionaries nested one right in the other.
func deepPDF(content []byte) bool {
	depth := 0
	for _, c := range content {
		switch {
		case c == '[' || c == '<':
			if depth++; depth > pdfNestingMax {
				return true
			}
		case c == ']' || c == '>':
			depth = max(0, depth-1)
		case c > ' ' && c != '/':
			if depth > 0 && c >= 0x80 {
				depth = 0 // within a compressed stream
			}
		}
	}
	return false
}

// pagesOf reads pages; one that cannot be read is left out.
func pagesOf(content []byte, o Options) ([]Passage, error) {
	r, err := pdf.NewReader(&meter{ReaderAt: bytes.NewReader(content), left: pdfReadsMax, until: time.Now().Add(pdfTime)}, int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	title := cutAt(r.Trailer().Key("Info").Key("Title").Text(), pathBytesMax)
	var out []Passage
	total := 0
	for n := 1; n <= min(r.NumPage(), pdfPagesMax) && total < pdfTextBytesMax; n++ {
		text := pageText(r, n)
		text = cutAt(text, pdfTextBytesMax-total)
		total += len(text)
		d := &document{text: text, title: title}
		readPlain(d, 0, len(text))
		for _, p := range d.pack(o) {
			p.Begin, p.End, p.Line, p.Exact = 0, len(content), n, false
			out = append(out, p)
		}
	}
	return out, nil
}

// pageText is the text of a page, or what could be read of it.
func pageText(r *pdf.Reader, n int) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	text, err := r.Page(n).GetPlainText(nil)
	if err != nil {
		return ""
	}
	return text
}
