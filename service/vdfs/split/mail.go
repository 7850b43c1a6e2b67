package split

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
)

// Bounds of mail.
const (
	mailDepthMax       = 8
	mailPartsMax       = 1000
	mailHeaderBytesMax = 256 << 10
)

// readMail reads a message or a part of one: some headers, then the body by its
// type. Encoded parts are decoded, and their atoms have the place of the whole.
func readMail(d *document, begin, end, depth int) error {
	if depth == 0 && strings.HasPrefix(d.text[begin:end], "From ") {
		begin += strings.IndexByte(d.text[begin:end], '\n') + 1
	}
	body := bodyOf(d.text, begin, end)
	head := d.text[begin:min(body, begin+mailHeaderBytesMax)]
	headers, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimRight(head, "\r\n") + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil && len(headers) == 0 && depth == 0 {
		return fmt.Errorf("%w: the headers: %w", ErrFormat, err)
	}
	if depth == 0 {
		d.headers(begin, headers)
	}
	return d.part(headers, begin, body, end, depth)
}

// part reads the body of a message or of a part of one by its headers.
func (d *document) part(headers textproto.MIMEHeader, begin, body, end, depth int) error {
	media, parameters, err := mime.ParseMediaType(headers.Get("Content-Type"))
	if err != nil {
		media = "text/plain"
	}
	path := []string{}
	if d.title != "" {
		path = append(path, d.title)
	}
	_, disposition, _ := mime.ParseMediaType(headers.Get("Content-Disposition"))
	attached := decodeWord(disposition["filename"])
	switch {
	case attached != "":
		d.attachment(attached, path, begin, end)
	case depth < mailDepthMax && strings.HasPrefix(media, "multipart/") && parameters["boundary"] != "":
		return d.parts(body, end, parameters["boundary"], depth)
	case depth < mailDepthMax && media == "message/rfc822":
		return readMail(d, body, end, depth+1)
	case strings.HasPrefix(media, "text/"):
		d.body(body, end, media, headers.Get("Content-Transfer-Encoding"), path)
	case parameters["name"] != "":
		d.attachment(decodeWord(parameters["name"]), path, begin, end)
	}
	return nil
}

// attachment adds the name of one.
func (d *document) attachment(name string, path []string, begin, end int) {
	d.enter(Attachment, path)
	d.add(cutAt(name, pathBytesMax), begin, end, true)
}

// bodyOf is where the first empty line ends.
func bodyOf(text string, begin, end int) int {
	for at := begin; at < end; {
		n := strings.IndexByte(text[at:end], '\n')
		if n < 0 {
			return end
		}
		if strings.TrimRight(text[at:at+n], "\r") == "" {
			return at + n + 1
		}
		at += n + 1
	}
	return end
}

// headers adds those that say something to a reader.
func (d *document) headers(begin int, headers textproto.MIMEHeader) {
	d.title = cutAt(decodeWord(headers.Get("Subject")), pathBytesMax)
	d.enter(Header, nil)
	for _, key := range []string{"From", "To", "Cc", "Date", "Subject"} {
		if value := decodeWord(headers.Get(key)); value != "" {
			d.apart(breakLine)
			d.add(key+":", begin, begin, true)
			for word := range strings.FieldsSeq(cutAt(value, 4096)) {
				d.apart(breakSpace)
				d.add(cutAt(word, atomBytesMax), begin, begin, true)
			}
		}
	}
}

// decodeWord decodes "=?utf-8?q?...?=".
func decodeWord(value string) string {
	decoder := mime.WordDecoder{}
	if plain, err := decoder.DecodeHeader(value); err == nil {
		return plain
	}
	return value
}

// parts reads what stands between boundaries.
func (d *document) parts(begin, end int, boundary string, depth int) error {
	mark, from, count := "--"+boundary, -1, 0
	for at := begin; at < end && count < mailPartsMax; {
		stop := at + strings.IndexByte(d.text[at:end], '\n') + 1
		if stop == at {
			stop = end
		}
		if line := strings.TrimRight(d.text[at:stop], " \t\r\n"); line == mark || line == mark+"--" {
			if from >= 0 {
				count++
				if err := readMail(d, from, at, depth+1); err != nil {
					return err
				}
			}
			from = stop
			if line != mark {
				return nil
			}
		}
		at = stop
	}
	if from >= 0 && from < end {
		return readMail(d, from, end, depth+1)
	}
	return nil
}

// body reads text, as it is or decoded.
func (d *document) body(begin, end int, media, transfer string, path []string) {
	raw := d.text[begin:end]
	var r io.Reader
	switch strings.ToLower(strings.TrimSpace(transfer)) {
	case "quoted-printable":
		r = quotedprintable.NewReader(strings.NewReader(raw))
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, strings.NewReader(raw))
	}
	if r == nil && media != "text/html" {
		d.replies(begin, end, path)
		return
	}
	content := []byte(raw)
	if r != nil {
		decoded, err := io.ReadAll(r) // no longer than what it was made from
		if err != nil && len(decoded) == 0 {
			return
		}
		content = decoded
	}
	text, _ := decode(bytes.TrimPrefix(content, []byte("\uFEFF")))
	inner := &document{text: text}
	if media == "text/html" {
		readHTML(inner)
	} else {
		inner.replies(0, len(text), nil)
	}
	for _, a := range inner.atoms {
		if a.before == breakSection {
			s := inner.sections[a.section]
			d.enter(s.kind, append(slices.Clip(path), s.path...))
		}
		d.apart(a.before)
		if r == nil { // HTML as it is: places agree
			d.add(a.text, begin+a.begin, begin+a.end, a.changed)
		} else {
			d.add(a.text, begin, end, true)
		}
	}
}

// replies reads plain text in which lines of others are marked.
func (d *document) replies(begin, end int, path []string) {
	kind := Prose
	d.enter(kind, path)
	for at := begin; at < end; {
		stop := at + strings.IndexByte(d.text[at:end], '\n') + 1
		if stop == at {
			stop = end
		}
		now, from := Prose, at
		for from < stop && (d.text[from] == '>' || now == Quoted && d.text[from] == ' ') {
			now = Quoted
			from++
		}
		if now != kind {
			kind = now
			d.enter(kind, path)
		}
		d.words(from, stop, breakSpace)
		if strings.TrimSpace(d.text[from:stop]) == "" {
			d.apart(breakParagraph)
		}
		at = stop
	}
}
