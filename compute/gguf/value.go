package gguf

import (
	"encoding/binary"
	"math"
	"strconv"
)

// kind is the type of a value in the metadata. The numbers are those of files,
// plus one, so that the zero value is no kind.
type kind uint32

const (
	kindNone kind = iota
	kindUint8
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindText
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// width is how many bytes a value takes; zero for what has no fixed width.
func (k kind) width() int {
	switch k {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	case kindNone, kindText, kindArray:
	}
	return 0
}

// value is a value of the metadata.
type value struct {
	kind    kind
	element kind     // of an array
	bits    uint64   // of a number: what its bytes say, with no sign extended
	text    string   // of a string
	texts   []string // of an array of strings
	raw     []byte   // of an array of numbers, as in a file
}

// numberBits reads a number of width w, little endian.
func numberBits(b []byte, w int) uint64 {
	var n uint64
	for i := range w {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}

func (v value) int() (int64, bool) {
	switch v.kind {
	case kindInt8, kindInt16, kindInt32, kindInt64:
		unused := 64 - 8*v.kind.width()
		return int64(v.bits<<unused) >> unused, true
	case kindUint8, kindUint16, kindUint32, kindUint64:
		return int64(v.bits), v.bits <= math.MaxInt64
	case kindNone, kindFloat32, kindFloat64, kindBool, kindText, kindArray:
	}
	return 0, false
}

func (v value) uint() (uint64, bool) {
	if v.kind == kindUint64 {
		return v.bits, true
	}
	n, ok := v.int()
	return uint64(max(n, 0)), ok && n >= 0
}

func (v value) float() (float64, bool) {
	switch v.kind {
	case kindFloat32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case kindFloat64:
		return math.Float64frombits(v.bits), true
	case kindUint64:
		return float64(v.bits), true
	case kindNone, kindUint8, kindInt8, kindUint16, kindInt16, kindUint32, kindInt32, kindInt64,
		kindBool, kindText, kindArray:
	}
	n, ok := v.int()
	return float64(n), ok
}

// convert returns each element of an array of numbers as one says.
func convert[T any](v value, one func(value) (T, bool)) ([]T, bool) {
	w := v.element.width()
	if v.kind != kindArray || w == 0 {
		return nil, false
	}
	element := v.element
	if element == kindBool {
		element = kindUint8
	}
	all := make([]T, len(v.raw)/w)
	for i := range all {
		var ok bool
		if all[i], ok = one(value{kind: element, bits: numberBits(v.raw[i*w:], w)}); !ok {
			return nil, false
		}
	}
	return all, true
}

// append writes the value as in a file, its kind first.
func (v value) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(v.kind-1))
	switch v.kind {
	case kindText:
		return appendText(b, v.text)
	case kindArray:
		b = binary.LittleEndian.AppendUint32(b, uint32(v.element-1))
		if v.element == kindText {
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v.texts)))
			for _, t := range v.texts {
				b = appendText(b, t)
			}
			return b
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v.raw)/v.element.width()))
		return append(b, v.raw...)
	case kindNone, kindUint8, kindInt8, kindUint16, kindInt16, kindUint32, kindInt32, kindFloat32,
		kindBool, kindUint64, kindInt64, kindFloat64:
	}
	for i := range v.kind.width() {
		b = append(b, byte(v.bits>>(8*i)))
	}
	return b
}

func appendText(b []byte, t string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(t)))
	return append(b, t...)
}

// Show returns a value of the metadata for people: at most about 80 characters,
// quoted where it is text, and of an array its length. It is empty when there
// is no such key.
func (f *File) Show(key string) string {
	const shownMax = 80
	v := f.value(key)
	switch {
	case v.kind == kindNone:
		return ""
	case v.kind == kindText && len(v.text) > shownMax:
		return strconv.Quote(v.text[:shownMax]) + "… (" + strconv.Itoa(len(v.text)) + " bytes)"
	case v.kind == kindText:
		return strconv.Quote(v.text)
	case v.kind == kindBool:
		return strconv.FormatBool(v.bits != 0)
	case v.kind == kindArray && v.element == kindText:
		return strconv.Itoa(len(v.texts)) + " strings"
	case v.kind == kindArray:
		return strconv.Itoa(len(v.raw)/v.element.width()) + " numbers"
	case v.kind == kindUint64:
		return strconv.FormatUint(v.bits, 10)
	}
	if n, ok := v.int(); ok {
		return strconv.FormatInt(n, 10)
	}
	n, _ := v.float()
	return strconv.FormatFloat(n, 'g', -1, 32)
}
