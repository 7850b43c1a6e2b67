package lexical

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"os"
	"sort"
	"sync/atomic"
	"syscall"
)

// segment is a file of postings, mapped and never changed.
type segment struct {
	refs    atomic.Int64
	number  uint64
	mapped  []byte
	footer  footer
	post    []byte
	entries []byte
	texts   []byte
	ids     []byte
	lengths []byte
	tongues []byte
	spoken  [languages]int // documents, gone ones with them
}

// parseSegment reads a segment out of the bytes of a file, which it keeps.
// Whatever the bytes are, what it returns can be searched without harm.
func parseSegment(b []byte) (*segment, error) {
	if len(b) < len(segmentMagic)+slackBytes+footerBytes || string(b[:len(segmentMagic)]) != segmentMagic {
		return nil, fmt.Errorf("%w: not a segment", ErrCorrupt)
	}
	end := b[len(b)-footerBytes:]
	if string(end[44:52]) != segmentMagic || binary.LittleEndian.Uint32(end[52:]) != checksum(end[:52]) {
		return nil, fmt.Errorf("%w: the end of a segment is missing", ErrCorrupt)
	}
	s := &segment{footer: footer{
		documents: binary.LittleEndian.Uint32(end), terms: binary.LittleEndian.Uint32(end[4:]),
		tokens: binary.LittleEndian.Uint64(end[8:]), mean: math.Float64frombits(binary.LittleEndian.Uint64(end[16:])),
		postings: binary.LittleEndian.Uint64(end[24:]), texts: binary.LittleEndian.Uint64(end[32:]),
		sum: binary.LittleEndian.Uint32(end[40:]),
	}}
	f := &s.footer
	body := b[:len(b)-footerBytes]
	rest := body[len(segmentMagic):]
	if f.documents > segmentDocsMax || f.tokens > segmentTokensMax || !(f.mean >= 0 && f.mean <= documentTokensMax) || f.postings < slackBytes {
		return nil, fmt.Errorf("%w: a segment beyond the bounds", ErrCorrupt)
	}
	for _, piece := range []struct {
		of    *[]byte
		bytes uint64
	}{
		{&s.post, f.postings},
		{&s.entries, uint64(f.terms) * entryBytes},
		{&s.texts, f.texts},
		{&s.ids, uint64(f.documents) * 8},
		{&s.lengths, uint64(f.documents) * 2},
		{&s.tongues, uint64(f.documents)},
	} {
		if piece.bytes > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: a segment is cut short", ErrCorrupt)
		}
		*piece.of, rest = rest[:piece.bytes:piece.bytes], rest[piece.bytes:]
	}
	if len(rest) != 0 || f.sum != checksum(body) {
		return nil, fmt.Errorf("%w: the sum of a segment is wrong", ErrCorrupt)
	}
	return s, s.check()
}

// check looks at the tables; blocks are looked at when they are read.
func (s *segment) check() error {
	text, chunk := uint32(0), uint64(0)
	for at := 0; at < len(s.entries); at += entryBytes {
		e := s.entries[at : at+entryBytes]
		end, documents, begin := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:]), binary.LittleEndian.Uint64(e[8:])
		blocks := (uint64(documents) + blockPostings - 1) / blockPostings
		if end < text || uint64(end) > s.footer.texts || documents == 0 || documents > s.footer.documents ||
			begin < chunk || begin+blocks*metaBytes > s.footer.postings-slackBytes {
			return fmt.Errorf("%w: entry %d of a segment", ErrCorrupt, at/entryBytes)
		}
		text, chunk = end, begin
	}
	for i := 1; i < s.documents(); i++ {
		if s.id(uint32(i)) <= s.id(uint32(i-1)) {
			return fmt.Errorf("%w: document %d of a segment", ErrCorrupt, i)
		}
	}
	var tokens uint64
	for i := range s.documents() {
		tokens += uint64(s.length(uint32(i)))
		s.spoken[min(Language(s.tongues[i]), languages-1)]++
	}
	if tokens != s.footer.tokens {
		return fmt.Errorf("%w: the lengths of a segment", ErrCorrupt)
	}
	return nil
}

func (s *segment) documents() int            { return int(s.footer.documents) }
func (s *segment) id(document uint32) uint64 { return binary.LittleEndian.Uint64(s.ids[8*document:]) }

func (s *segment) length(document uint32) uint16 {
	return binary.LittleEndian.Uint16(s.lengths[2*document:])
}

// find gives the document of an ID.
func (s *segment) find(id uint64) (uint32, bool) {
	n := s.documents()
	if n == 0 || id < s.id(0) || id > s.id(uint32(n-1)) {
		return 0, false
	}
	at := sort.Search(n, func(i int) bool { return s.id(uint32(i)) >= id })
	return uint32(at), at < n && s.id(uint32(at)) == id
}

// text is a term by its number.
func (s *segment) text(term int) []byte {
	begin := uint32(0)
	if term > 0 {
		begin = binary.LittleEndian.Uint32(s.entries[(term-1)*entryBytes:])
	}
	return s.texts[begin:binary.LittleEndian.Uint32(s.entries[term*entryBytes:])]
}

// lookup gives the number of the first term that is not less than a text.
func (s *segment) lookup(text string) int {
	return sort.Search(int(s.footer.terms), func(i int) bool { return string(s.text(i)) >= text })
}

// chunk is the postings of a term, with the slack that reading needs.
type chunk struct {
	documents int
	metas     []byte
	bytes     []byte // from the chunk's begin
	end       int    // of the chunk within bytes
}

// term gives the postings of a text.
func (s *segment) term(text string) (chunk, bool) {
	i := s.lookup(text)
	if i == int(s.footer.terms) || string(s.text(i)) != text {
		return chunk{}, false
	}
	return s.chunk(i), true
}

func (s *segment) chunk(term int) chunk {
	e := s.entries[term*entryBytes:]
	documents, begin := int(binary.LittleEndian.Uint32(e[4:])), binary.LittleEndian.Uint64(e[8:])
	end := s.footer.postings - slackBytes
	if term+1 < int(s.footer.terms) {
		end = binary.LittleEndian.Uint64(e[entryBytes+8:])
	}
	blocks := uint64(documents+blockPostings-1) / blockPostings
	return chunk{documents: documents, metas: s.post[begin : begin+blocks*metaBytes], bytes: s.post[begin:], end: int(end - begin)}
}

// mapSegment maps and checks a file; the caller holds the first reference.
func mapSegment(folder *os.Root, number uint64) (*segment, error) {
	f, err := folder.Open(segmentName(number))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 || info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%w: %s is empty", ErrCorrupt, segmentName(number))
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var b []byte
	var failure error
	if err := raw.Control(func(fd uintptr) {
		b, failure = syscall.Mmap(int(fd), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	}); err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, fmt.Errorf("map %s: %w: raise the limit of address space", segmentName(number), failure)
	}
	s, err := parseSegment(b)
	if err != nil {
		_ = syscall.Munmap(b)
		return nil, fmt.Errorf("%s: %w", segmentName(number), err)
	}
	s.number, s.mapped = number, b
	s.refs.Store(1)
	return s, nil
}

// release lets a reference go; the last one unmaps.
func (s *segment) release() {
	if s.refs.Add(-1) == 0 && s.mapped != nil {
		_ = syscall.Munmap(s.mapped)
	}
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x.segment", number) }

// bitmap is a set of documents of a segment.
type bitmap []uint64

func newBitmap(documents int) bitmap      { return make(bitmap, (documents+63)/64) }
func (b bitmap) has(document uint32) bool { return b[document>>6]>>(document&63)&1 != 0 }
func (b bitmap) set(document uint32)      { b[document>>6] |= 1 << (document & 63) }

func (b bitmap) count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}
