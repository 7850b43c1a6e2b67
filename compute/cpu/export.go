package cpu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"phios/compute"
)

// A page in a file: a mark, the digest of the layout, the number of bytes, which
// page of its text it is, and the numbers as they are in memory, least
// significant byte first.
const (
	pageMark   = "phi-kv\x00\x01"
	pageHeader = len(pageMark) + 32 + 8 // without the place in the text
	// pageChunk is how much of a page is converted at once.
	pageChunk = 64 << 10
)

func (m *model) header() []byte {
	h := append(make([]byte, 0, pageHeader), pageMark...)
	h = append(h, m.description.CacheDigest[:]...)
	return binary.LittleEndian.AppendUint64(h, uint64(m.cache.shape.bytes()))
}

// FreePages is how many pages nobody holds.
func (m *model) FreePages() int { return len(m.cache.free) }

// Release gives up one hold of a page.
func (m *model) Release(p compute.Page) {
	if !m.closed && m.cache.held(p) {
		m.cache.release(p)
	}
}

// Export writes what a page holds.
func (m *model) Export(p compute.Page, w io.Writer) error {
	if m.closed {
		return fmt.Errorf("export a page: %w", errClosed)
	}
	if !m.cache.held(p) {
		return fmt.Errorf("export page %d: nobody holds it; share it first", p)
	}
	header := binary.LittleEndian.AppendUint64(m.header(), uint64(m.cache.index[p]))
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("export page %d: %w", p, err)
	}
	chunk := make([]byte, 0, pageChunk)
	for rest := m.cache.data[p]; len(rest) > 0; {
		n := min(len(rest), pageChunk/2)
		chunk = chunk[:0]
		for _, v := range rest[:n] {
			chunk = binary.LittleEndian.AppendUint16(chunk, v)
		}
		if _, err := w.Write(chunk); err != nil {
			return fmt.Errorf("export page %d: %w", p, err)
		}
		rest = rest[n:]
	}
	return nil
}

// Import makes a page of what Export wrote. Numbers that are infinite or not
// numbers, which no step writes, are read as zero, lest one of them spoils all
// texts that adopt the page.
func (m *model) Import(r io.Reader) (compute.Page, error) {
	if m.closed {
		return 0, fmt.Errorf("import a page: %w", errClosed)
	}
	header := make([]byte, pageHeader+8)
	if _, err := io.ReadFull(r, header); err != nil {
		return 0, fmt.Errorf("import a page: read its header: %w", err)
	}
	if !bytes.Equal(header[:pageHeader], m.header()) {
		return 0, fmt.Errorf("import a page: it is of another model or another layout; compute the text again")
	}
	index := binary.LittleEndian.Uint64(header[pageHeader:])
	if index >= uint64(m.context/pageTokens) {
		return 0, fmt.Errorf("import a page: it is number %d of its text: %w of %d tokens", index, compute.ErrContext, m.context)
	}
	p, err := m.cache.take(int(index))
	if err != nil {
		return 0, fmt.Errorf("import a page: %w", err)
	}
	chunk := make([]byte, pageChunk)
	for rest := m.cache.data[p]; len(rest) > 0; {
		n := min(len(rest), pageChunk/2)
		if _, err := io.ReadFull(r, chunk[:2*n]); err != nil {
			m.cache.release(p)
			return 0, fmt.Errorf("import a page: read what it holds: %w", err)
		}
		for i := range rest[:n] {
			rest[i] = finite(binary.LittleEndian.Uint16(chunk[2*i:]))
		}
		rest = rest[n:]
	}
	return p, nil
}

// finite is h, or zero where h is infinite or not a number.
func finite(h uint16) uint16 {
	const exponent = 0x7c00
	if h&exponent == exponent {
		return 0
	}
	return h
}
