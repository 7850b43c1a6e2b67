package wire

import (
	"encoding/binary"
	"strings"
)

func append32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func append64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

//nolint:revive // A value that is encoded, not a switch.
func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendText encodes a text, cut at TextBytesMax and made clean, so that what
// is sent is always taken.
func appendText(b []byte, s string) []byte {
	s = clean(s[:min(len(s), TextBytesMax)])
	s = s[:min(len(s), TextBytesMax)]
	return append(append32(b, uint32(len(s))), s...)
}

// clean leaves only printable ASCII and blanks: texts of a helper reach
// terminals and logs.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// decoder reads fixed-width numbers and texts. After the first mistake it
// reads zeros; done tells.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || len(d.b) < n {
		d.bad = true
		return make([]byte, min(n, 8))
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8   { return d.take(1)[0] }
func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) bool() bool {
	v := d.u8()
	if v > 1 {
		d.bad = true
	}
	return v == 1
}

// count reads a number of things, of which there may be at most n.
func (d *decoder) count(n uint32) uint32 {
	v := d.u32()
	if v > n {
		d.bad = true
	}
	if d.bad {
		return 0
	}
	return v
}

// sequence reads the number of a sequence.
func (d *decoder) sequence() uint32 {
	v := d.u32()
	if v >= SequencesMax {
		d.bad = true
	}
	return v
}

func (d *decoder) text() string {
	n := d.count(TextBytesMax)
	if d.bad {
		return ""
	}
	s := string(d.take(int(n)))
	if d.bad || clean(s) != s {
		d.bad = true
		return ""
	}
	return s
}

func (d *decoder) done() error {
	if d.bad || len(d.b) != 0 {
		return ErrMalformed
	}
	return nil
}
