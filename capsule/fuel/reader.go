package fuel

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// reader reads the binary format, strictly: what it accepts means the same to
// every decoder. It keeps its first error and reads zeros from then on, so
// callers check once per group; a loop has to check each turn.
type reader struct {
	b   []byte
	p   int
	err error
}

// fail records why the bytes are refused.
func (r *reader) fail(kind error, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %#x: %s: %w", r.p, fmt.Sprintf(format, args...), kind)
	}
	r.p = len(r.b)
}

func (r *reader) done() bool { return r.p >= len(r.b) }

func (r *reader) byte() byte {
	if r.p >= len(r.b) {
		r.fail(ErrMalformed, "cut off")
		return 0
	}
	c := r.b[r.p]
	r.p++
	return c
}

// bytes returns the next n bytes, which are the module's.
func (r *reader) bytes(n uint32) []byte {
	if int64(n) > int64(len(r.b)-r.p) {
		r.fail(ErrMalformed, "cut off")
		return nil
	}
	b := r.b[r.p : r.p+int(n)]
	r.p += int(n)
	return b
}

// u32 reads an unsigned LEB128 of at most 32 bits and 5 bytes.
func (r *reader) u32() uint32 {
	if r.p < len(r.b) && r.b[r.p] < 0x80 { // Nearly all are this short.
		r.p++
		return uint32(r.b[r.p-1])
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(ErrMalformed, "number longer than 32 bits")
	return 0
}

// signed reads a signed LEB128 of at most so many bits: 32, 33 or 64.
func (r *reader) signed(bits int) int64 {
	var v int64
	shift := 0
	for shift < bits {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if left := bits - shift; left < 7 {
			// The unused bits of the last byte repeat the sign.
			ones := byte(0x7f) >> (left - 1)
			if rest := c >> (left - 1); rest != 0 && rest != ones {
				break
			}
		}
		shift += 7
		if c < 0x80 {
			if shift < 64 {
				v = v << (64 - shift) >> (64 - shift)
			}
			return v
		}
	}
	r.fail(ErrMalformed, "number longer than %d bits", bits)
	return 0
}

// count reads the length of a vector whose entries take a byte at least.
func (r *reader) count(what string, most int) int {
	n := r.u32()
	if int64(n) > int64(most) {
		r.fail(ErrLimit, "%d %s, at most %d", n, what, most)
		return 0
	}
	if int64(n) > int64(len(r.b)-r.p) {
		r.fail(ErrMalformed, "%d %s in %d bytes", n, what, len(r.b)-r.p)
		return 0
	}
	return int(n)
}

func (r *reader) name() string {
	n := r.u32()
	if n > NameBytesMax {
		r.fail(ErrLimit, "name of %d bytes, at most %d", n, NameBytesMax)
		return ""
	}
	b := r.bytes(n)
	if !utf8.Valid(b) {
		r.fail(ErrMalformed, "name is not UTF-8")
	}
	return string(b)
}

// index reads an index below bound.
func (r *reader) index(what string, bound int) uint32 {
	i := r.u32()
	if int64(i) >= int64(bound) {
		r.fail(ErrMalformed, "%s %d of %d", what, i, bound)
		return 0
	}
	return i
}

// appendU appends an unsigned LEB128.
func appendU(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendS appends a signed LEB128.
func appendS(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// appendName appends a length and the bytes of a name.
func appendName(b []byte, name string) []byte {
	return append(appendU(b, size(len(name))), name...)
}

// size returns a length as the format's numbers have it. Everything here is
// bounded by RewrittenBytesMax, far below.
func size(n int) uint32 {
	if n < 0 || n > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(n)
}
