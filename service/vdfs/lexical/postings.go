package lexical

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A term's postings are one chunk:
//
//	metas      blocks × 16 bytes: last document, where its data begin, where its
//	           positions begin (both from the chunk's begin), the greatest part
//	           of a score in 1/65535, and the widths of the two columns in bits
//	data       of each block: documents as gaps less one, then counts less one
//	positions  of each posting: gaps of places, as varints
const (
	blockPostings  = 128
	metaBytes      = 16
	slackBytes     = 8 // after the postings, so that eight bytes can be read at once
	boundScale     = math.MaxUint16
	documentsEnded = math.MaxUint32 // stands behind the last document
)

// Saturation and length normalisation of BM25, as Lucene has them.
const (
	saturation    = 1.2
	normalisation = 0.75
)

// posting is one term in one document.
type posting struct {
	document uint32
	count    uint32
	places   []byte // gaps as varints
}

// chunkWriter makes chunks, one at a time, in memory that it uses again.
type chunkWriter struct {
	metas, data, places []byte
	gaps, counts        [blockPostings]uint32
	n                   int
	base                uint32 // the first document the block may hold
	last                uint32
	bound               float64
	placesAt            uint32
	documents           int
}

func (w *chunkWriter) reset() {
	*w = chunkWriter{metas: w.metas[:0], data: w.data[:0], places: w.places[:0]}
}

// add appends a posting; documents must rise. part is its part of a score at
// the mean length of the segment, before the weight of the term.
func (w *chunkWriter) add(p posting, part float64) {
	w.gaps[w.n], w.counts[w.n] = p.document-w.base, p.count-1
	w.base, w.last = p.document+1, p.document
	w.bound = max(w.bound, part)
	w.places = append(w.places, p.places...)
	w.documents++
	if w.n++; w.n == blockPostings {
		w.block()
	}
}

// block ends a block.
func (w *chunkWriter) block() {
	if w.n == 0 {
		return
	}
	wide, narrow := width(w.gaps[:w.n]), width(w.counts[:w.n])
	w.metas = binary.LittleEndian.AppendUint32(w.metas, w.last)
	w.metas = binary.LittleEndian.AppendUint32(w.metas, uint32(len(w.data)))
	w.metas = binary.LittleEndian.AppendUint32(w.metas, w.placesAt)
	w.metas = binary.LittleEndian.AppendUint16(w.metas, uint16(min(boundScale, math.Ceil(w.bound*boundScale))))
	w.metas = append(w.metas, byte(wide), byte(narrow))
	w.data = pack(w.data, w.gaps[:w.n], wide)
	w.data = pack(w.data, w.counts[:w.n], narrow)
	w.n, w.bound, w.placesAt = 0, 0, uint32(len(w.places))
}

// finish gives the chunk, in three pieces that the next reset takes back.
func (w *chunkWriter) finish() (metas, data, places []byte) {
	w.block()
	head := uint32(len(w.metas))
	for at := 0; at < len(w.metas); at += metaBytes {
		grow(w.metas[at+4:], head)
		grow(w.metas[at+8:], head+uint32(len(w.data)))
	}
	return w.metas, w.data, w.places
}

// grow adds to a number that is stored.
func grow(b []byte, by uint32) {
	binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)+by)
}

// width is the bits that the greatest of some numbers needs.
func width(numbers []uint32) int {
	var all uint32
	for _, n := range numbers {
		all |= n
	}
	return bits.Len32(all)
}

// pack appends numbers of some bits each, the lowest first.
func pack(out []byte, numbers []uint32, width int) []byte {
	var held uint64
	have := 0
	for _, n := range numbers {
		held |= uint64(n) << have
		for have += width; have >= 8; have -= 8 {
			out = append(out, byte(held))
			held >>= 8
		}
	}
	if have > 0 {
		out = append(out, byte(held))
	}
	return out
}

// packedBytes is what n numbers of some bits take.
func packedBytes(n, width int) int { return (n*width + 7) / 8 }

// unpack reads n numbers; it says no when the bytes end too early. b must reach
// slackBytes beyond the numbers.
func unpack(out *[blockPostings]uint32, n int, b []byte, width int) bool {
	if width > 32 || len(b) < packedBytes(n, width)+slackBytes {
		return false
	}
	mask := uint64(1)<<width - 1
	at := 0
	for i := range out[:n] {
		out[i] = uint32(binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & mask)
		at += width
	}
	return true
}

// part is a term's part of a score before its weight: how far count saturates
// in a document whose length gives norm. Below one.
func part(count, norm float32) float32 { return count / (count + norm) }

// norms makes the norm of a length: k1·(1-b) + k1·b·length/mean.
type norms struct{ constant, slope float32 }

func normsAt(mean float64) norms {
	return norms{constant: saturation * (1 - normalisation), slope: float32(saturation * normalisation / max(mean, 1))}
}

// of is written so that no architecture fuses it: bits must agree.
func (n norms) of(length uint16) float32 { return n.constant + float32(n.slope*float32(length)) }
