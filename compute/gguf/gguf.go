// Package gguf reads and writes GGUF, the file format of models for GGML:
// metadata by key, then tensors by name, each in one of the formats of package
// tensor or in one that is only named.
//
// [Parse] trusts no byte. Each byte of the head is read once, so that a file
// that changes while it is mapped cannot pass a check and then be another; what
// it allocates is at most a small multiple of the file; no two tensors share
// bytes, so that nothing which copies every tensor needs more than the file's
// size either. The bytes of tensors are not looked at, and not copied.
//
// The layout is that of the GGUF specification in GGML's repository
// (docs/gguf.md), versions 2 and 3.
package gguf

import (
	"errors"

	"phios/compute/tensor"
)

// ErrFile is what every error about a file's content wraps.
var ErrFile = errors.New("not a usable GGUF file")

// Limits of a file.
const (
	// KeysMax is how many keys the metadata may have.
	KeysMax = 1 << 16
	// TensorsMax is how many tensors a file may have.
	TensorsMax = 1 << 16
	// KeyBytesMax is how long a key may be.
	KeyBytesMax = 1<<16 - 1
	// NameBytesMax is how long the name of a tensor may be: GGML's limit.
	NameBytesMax = 63
	// DimensionsMax is how many dimensions a tensor may have.
	DimensionsMax = 4
	// AlignmentBytesMax is the largest alignment of tensors.
	AlignmentBytesMax = 1 << 20
	// AlignmentBytes is the alignment of tensors where the metadata has none.
	AlignmentBytes = 32
)

// keyAlignment is the key of the alignment in bytes, a Uint32.
const keyAlignment = "general.alignment"

// magic is how every file begins.
const magic = "GGUF"

// Tensor is one tensor of a file.
type Tensor struct {
	Name string
	// Format may be one that package tensor only knows by name.
	Format tensor.Format
	// Shape has the length of each dimension, the fastest first, as in the
	// file: a matrix of 3 rows of 256 elements is 256, 3. It is never empty and
	// has no zero.
	Shape []int
	// Data are the bytes, within what was parsed. It is nil for a format whose
	// Elements are zero.
	Data []byte
}

// Elements is how many numbers the tensor has. It does not overflow for the
// tensor of a parsed file.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// File is a parsed file. It does not change; many goroutines may use it.
type File struct {
	// Version is the version of the file format, 2 or 3.
	Version uint32
	// Alignment is what the position of each tensor is a multiple of, in bytes.
	Alignment int
	// Tensors are the tensors in the order of the file.
	Tensors []Tensor

	entries []entry
	keys    map[string]int // of entries
	names   map[string]int // of Tensors
}

// entry is an entry of the metadata.
type entry struct {
	key   string
	value value
}

// value is the value of a key, the zero value when there is none.
func (f *File) value(key string) value {
	if i, ok := f.keys[key]; ok {
		return f.entries[i].value
	}
	return value{}
}

// Tensor returns the tensor of a name. It belongs to the file.
func (f *File) Tensor(name string) (*Tensor, bool) {
	i, ok := f.names[name]
	if !ok {
		return nil, false
	}
	return &f.Tensors[i], true
}

// Keys returns the keys of the metadata in the order of the file.
func (f *File) Keys() []string {
	keys := make([]string, len(f.entries))
	for i := range f.entries {
		keys[i] = f.entries[i].key
	}
	return keys
}

// Uint returns a whole number that is not negative, whatever its width.
func (f *File) Uint(key string) (uint64, bool) { return f.value(key).uint() }

// Int returns a whole number, whatever its width.
func (f *File) Int(key string) (int64, bool) { return f.value(key).int() }

// Float returns a number, whatever its width; whole numbers too.
func (f *File) Float(key string) (float64, bool) { return f.value(key).float() }

// Bool returns a truth value.
func (f *File) Bool(key string) (value, ok bool) {
	v := f.value(key)
	return v.bits != 0, v.kind == kindBool
}

// Text returns a string. It need not be UTF-8.
func (f *File) Text(key string) (string, bool) {
	v := f.value(key)
	return v.text, v.kind == kindText
}

// Texts returns an array of strings, which belongs to the file and must not be
// changed.
func (f *File) Texts(key string) ([]string, bool) {
	v := f.value(key)
	return v.texts, v.kind == kindArray && v.element == kindText
}

// Ints returns a new array of whole numbers; truth values are 0 and 1. It is
// false for an array with an element that no int64 holds.
func (f *File) Ints(key string) ([]int64, bool) { return convert(f.value(key), value.int) }

// Floats returns a new array of numbers; whole numbers too.
func (f *File) Floats(key string) ([]float64, bool) { return convert(f.value(key), value.float) }
