package split

import (
	"bytes"
	"errors"
	"io"
)

// streamWindowBytes is how much of a long text is in memory at once.
const streamWindowBytes = 4 << 20

// Stream cuts a document of any length and calls yield with each passage. Plain
// text, code and Markdown are read in windows, which end at an empty line where
// there is one, and headings do not reach from one window into the next. The
// other formats, and UTF-16, are read whole and are refused beyond
// ContentBytesMax. It ends at the first error, of r or of yield.
func Stream(name, media string, r io.Reader, o Options, yield func(Passage) error) error {
	window, err := fill(r, nil, streamWindowBytes)
	switch sniff(name, media, window) {
	case formatPlain, formatCode, formatMarkdown:
		if !bytes.HasPrefix(window, []byte{0xFF, 0xFE}) && !bytes.HasPrefix(window, []byte{0xFE, 0xFF}) {
			w := windows{name: name, media: media, from: r, options: o, yield: yield}
			return w.run(window, err)
		}
	case formatHTML, formatGo, formatCSV, formatJSON, formatMail, formatPDF:
	case formatBinary:
		return ErrBinary
	}
	if err == nil {
		window, err = fill(r, window, ContentBytesMax+1)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	passages, err := Split(name, media, window, o)
	if err != nil {
		return err
	}
	return give(passages, 0, 0, yield)
}

// windows is a text that is read in windows.
type windows struct {
	name, media  string
	from         io.Reader
	options      Options
	yield        func(Passage) error
	offset, line int // of the window
}

// run reads from the first window on; ended is how reading that ended.
func (w *windows) run(window []byte, ended error) error {
	for {
		last := errors.Is(ended, io.EOF)
		if ended != nil && !last {
			return ended
		}
		end := len(window)
		if !last {
			end = lastBreak(window)
		}
		passages, err := Split(w.name, w.media, window[:end], w.options)
		if err == nil {
			err = give(passages, w.offset, w.line, w.yield)
		}
		if err != nil || last {
			return err
		}
		w.offset, w.line = w.offset+end, w.line+bytes.Count(window[:end], []byte{'\n'})
		window, ended = fill(w.from, bytes.Clone(window[end:]), streamWindowBytes)
	}
}

// lastBreak is where a window is best cut.
func lastBreak(window []byte) int {
	for _, mark := range []string{"\n\n", "\n", " "} {
		if at := bytes.LastIndex(window, []byte(mark)); at > len(window)/2 {
			return at + len(mark)
		}
	}
	return len(window)
}

// fill reads until there are so many bytes; its error is io.EOF at the end.
func fill(r io.Reader, b []byte, bytesMax int) ([]byte, error) {
	rest, err := io.ReadAll(io.LimitReader(r, int64(bytesMax-len(b))))
	b = append(b, rest...)
	if err == nil && len(b) < bytesMax {
		err = io.EOF
	}
	return b, err
}

// give hands passages on, moved to where their window stands.
func give(passages []Passage, offset, line int, yield func(Passage) error) error {
	for _, p := range passages {
		p.Begin, p.End, p.Line = p.Begin+offset, p.End+offset, p.Line+line
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}
