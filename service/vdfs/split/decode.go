package split

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding is how the bytes of a document stand for text.
type encoding uint8

const (
	encodingUTF8 encoding = iota
	encodingLatin1
	encodingLittle // UTF-16
	encodingBig
)

// decode makes UTF-8 of a document: UTF-16 by its mark, UTF-8 when it is or
// nearly is, and Latin-1 otherwise.
func decode(content []byte) (string, encoding) {
	switch {
	case bytes.HasPrefix(content, []byte{0xFF, 0xFE}):
		return utf16Text(content, binary.LittleEndian), encodingLittle
	case bytes.HasPrefix(content, []byte{0xFE, 0xFF}):
		return utf16Text(content, binary.BigEndian), encodingBig
	case utf8.Valid(content) || !mostlyLatin(content):
		return string(content), encodingUTF8
	}
	var b strings.Builder
	b.Grow(len(content) + len(content)/8)
	for _, c := range content {
		b.WriteRune(rune(c))
	}
	return b.String(), encodingLatin1
}

// mostlyLatin says whether more of the bytes beyond ASCII are no UTF-8 than are.
func mostlyLatin(content []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(content); {
		if content[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size == 1 {
			bad++
		} else {
			good++
		}
		i += size
	}
	return bad > good
}

// utf16Text keeps the mark, as U+FEFF, so that places agree.
func utf16Text(content []byte, order binary.ByteOrder) string {
	var b strings.Builder
	b.Grow(len(content))
	for i := 0; i+1 < len(content); {
		r, size := utf16Rune(content[i:], order)
		b.WriteRune(r)
		i += size
	}
	return strings.Replace(b.String(), "\uFEFF", "   ", 1) // as long in UTF-8
}

func utf16Rune(b []byte, order binary.ByteOrder) (rune, int) {
	r := rune(order.Uint16(b))
	if utf16.IsSurrogate(r) && len(b) >= 4 {
		if both := utf16.DecodeRune(r, rune(order.Uint16(b[2:]))); both != utf8.RuneError {
			return both, 4
		}
	}
	if utf16.IsSurrogate(r) {
		r = utf8.RuneError
	}
	return r, 2
}

// restore turns places in the decoded text into places in the original, by one
// walk over it.
func (e encoding) restore(content []byte, passages []Passage) {
	if e == encodingUTF8 {
		return
	}
	places := make([]*int, 0, 2*len(passages))
	for i := range passages {
		places = append(places, &passages[i].Begin, &passages[i].End)
		passages[i].Exact = passages[i].Exact && isASCII(passages[i].Text) && e == encodingLatin1
	}
	slices.SortFunc(places, func(x, y *int) int { return *x - *y })
	decoded, at := 0, 0
	for _, place := range places {
		for decoded < *place && at < len(content) {
			r, size := e.rune(content[at:])
			decoded, at = decoded+utf8.RuneLen(r), at+size
		}
		*place = at
	}
}

// rune decodes one.
func (e encoding) rune(b []byte) (rune, int) {
	switch {
	case e == encodingLatin1:
		return rune(b[0]), 1
	case len(b) < 2:
		return 0, 1
	case e == encodingBig:
		return utf16Rune(b, binary.BigEndian)
	}
	return utf16Rune(b, binary.LittleEndian)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// countLines sets the lines of passages, which nearly rise. A line feed is a byte
// of ten in all encodings; UTF-16 has a few other letters with such a byte.
func countLines(content []byte, passages []Passage) {
	at, line := 0, 1
	for i := range passages {
		begin := passages[i].Begin
		if begin < at {
			line -= bytes.Count(content[begin:at], []byte{'\n'})
		} else {
			line += bytes.Count(content[at:begin], []byte{'\n'})
		}
		at, passages[i].Line = begin, line
	}
}
