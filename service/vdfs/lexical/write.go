package lexical

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
)

// A segment file is, in this order:
//
//	magic      8 bytes
//	postings   the chunks of the terms, in the order of the terms, and slack
//	entries    terms × 16 bytes: where the text ends, documents, where the chunk begins
//	texts      the terms, one after the other, in rising order
//	ids        documents × 8 bytes, rising
//	lengths    documents × 2 bytes
//	tongues    documents × 1 byte: the Language each was indexed in
//	footer     the sizes, and sums of all that is before and of itself
const (
	segmentMagic = "phiLEX\x00\x01"
	entryBytes   = 16
	footerBytes  = 56
)

// footer is the end of a segment file.
type footer struct {
	documents, terms uint32
	tokens           uint64
	mean             float64 // length of documents when the bounds were made
	postings, texts  uint64  // bytes
	sum              uint32  // CRC-32C of the file before the footer
}

func (f *footer) append(b []byte) []byte {
	begin := len(b)
	b = binary.LittleEndian.AppendUint32(b, f.documents)
	b = binary.LittleEndian.AppendUint32(b, f.terms)
	b = binary.LittleEndian.AppendUint64(b, f.tokens)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f.mean))
	b = binary.LittleEndian.AppendUint64(b, f.postings)
	b = binary.LittleEndian.AppendUint64(b, f.texts)
	b = binary.LittleEndian.AppendUint32(b, f.sum)
	b = append(b, segmentMagic...)
	return binary.LittleEndian.AppendUint32(b, checksum(b[begin:]))
}

// checksum is CRC-32C, which the processor counts.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// segmentWriter streams a segment into a file.
type segmentWriter struct {
	file    *os.File
	out     *bufio.Writer
	sum     uint32
	table   *crc32.Table
	footer  footer
	entries []byte
	texts   []byte
	failed  error
}

func newSegmentWriter(file *os.File, mean float64) *segmentWriter {
	w := &segmentWriter{file: file, out: bufio.NewWriterSize(file, 1<<18), table: crc32.MakeTable(crc32.Castagnoli)}
	w.footer.mean = mean
	w.write([]byte(segmentMagic))
	return w
}

func (w *segmentWriter) write(b []byte) {
	w.sum = crc32.Update(w.sum, w.table, b)
	if _, err := w.out.Write(b); err != nil {
		w.failed = err
	}
}

// term writes one term, greater than those before, from its chunk.
func (w *segmentWriter) term(text string, c *chunkWriter) {
	metas, data, places := c.finish()
	w.texts = append(w.texts, text...)
	w.entries = binary.LittleEndian.AppendUint32(w.entries, uint32(len(w.texts)))
	w.entries = binary.LittleEndian.AppendUint32(w.entries, uint32(c.documents))
	w.entries = binary.LittleEndian.AppendUint64(w.entries, w.footer.postings)
	w.write(metas)
	w.write(data)
	w.write(places)
	w.footer.postings += uint64(len(metas) + len(data) + len(places))
	w.footer.terms++
	if len(w.texts) > math.MaxInt32 {
		w.failed = errors.New("lexical: too many terms for one segment: commit smaller batches")
	}
}

// finish writes the tables of documents and makes the file durable.
func (w *segmentWriter) finish(docs []document) error {
	w.write(make([]byte, slackBytes))
	w.footer.postings += slackBytes
	w.write(w.entries)
	w.write(w.texts)
	var b []byte
	for _, d := range docs {
		b = binary.LittleEndian.AppendUint64(b, d.id)
	}
	for _, d := range docs {
		b = binary.LittleEndian.AppendUint16(b, d.length)
	}
	for _, d := range docs {
		b = append(b, byte(d.language))
		w.footer.tokens += uint64(d.length)
	}
	w.write(b)
	w.footer.documents, w.footer.texts, w.footer.sum = uint32(len(docs)), uint64(len(w.texts)), w.sum
	_, err := w.out.Write(w.footer.append(nil))
	return errors.Join(w.failed, err, w.out.Flush(), w.file.Sync())
}

// document is what a segment says of one.
type document struct {
	id       uint64
	length   uint16
	language Language
}

// writeWhole puts a small file in place: write, sync, rename, sync the folder.
func writeWhole(folder *os.Root, name string, b []byte) (err error) {
	f, err := folder.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = folder.Rename(name+".new", name); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder durable.
func syncFolder(folder *os.Root) error {
	f, err := folder.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readWhole reads a small file, refusing one beyond the bound.
func readWhole(folder *os.Root, name string, bytesMax int64) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err == nil && int64(len(b)) > bytesMax {
		err = ErrCorrupt
	}
	return b, errors.Join(err, f.Close())
}
