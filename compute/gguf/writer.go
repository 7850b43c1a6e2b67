package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"phios/compute/tensor"
)

// ErrWriter is what every error about a wrong use of a [Writer] wraps.
var ErrWriter = errors.New("GGUF file not written")

// Writer makes a file of version 3. First the metadata and the tensors are
// declared, in the order that they shall have, then [Writer.Write] writes all
// of it. The zero value is ready.
type Writer struct {
	keys    map[string]bool
	entries []byte
	names   map[string]bool
	tensors []Tensor
	err     error
	// alignment is zero where the metadata has none.
	alignment int
}

// Uint32 adds a whole number, of the type that nearly all of them have.
func (w *Writer) Uint32(key string, n uint32) {
	w.add(key, value{kind: kindUint32, bits: uint64(n)})
}

// Uint64 adds a whole number.
func (w *Writer) Uint64(key string, n uint64) { w.add(key, value{kind: kindUint64, bits: n}) }

// Float32 adds a number.
func (w *Writer) Float32(key string, n float32) {
	w.add(key, value{kind: kindFloat32, bits: uint64(math.Float32bits(n))})
}

// Bool adds a truth value.
//
//nolint:revive // The value itself is no control flag.
func (w *Writer) Bool(key string, truth bool) {
	v := value{kind: kindBool}
	if truth {
		v.bits = 1
	}
	w.add(key, v)
}

// Text adds a string.
func (w *Writer) Text(key, text string) { w.add(key, value{kind: kindText, text: text}) }

// Texts adds an array of strings.
func (w *Writer) Texts(key string, texts []string) {
	w.add(key, value{kind: kindArray, element: kindText, texts: texts})
}

// Int32s adds an array of whole numbers.
func (w *Writer) Int32s(key string, numbers []int32) {
	raw := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	w.add(key, value{kind: kindArray, element: kindInt32, raw: raw})
}

// Float32s adds an array of numbers.
func (w *Writer) Float32s(key string, numbers []float32) {
	raw := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(n))
	}
	w.add(key, value{kind: kindArray, element: kindFloat32, raw: raw})
}

// Bytes adds an array of small whole numbers.
func (w *Writer) Bytes(key string, numbers []byte) {
	w.add(key, value{kind: kindArray, element: kindUint8, raw: numbers})
}

// Copy adds a value of another file, of its type there.
func (w *Writer) Copy(f *File, key string) {
	v := f.value(key)
	if v.kind == kindNone {
		w.fail("there is no key %.80q to copy: copy one of Keys", key)
		return
	}
	w.add(key, v)
}

// add adds an entry of the metadata.
func (w *Writer) add(key string, v value) {
	switch {
	case key == "" || len(key) > KeyBytesMax:
		w.fail("a key has %d bytes: give 1 to %d", len(key), KeyBytesMax)
	case w.keys[key]:
		w.fail("the key %.80q is given twice: give it once", key)
	case len(w.keys) == KeysMax:
		w.fail("more than %d keys: give fewer", KeysMax)
	case key == keyAlignment:
		w.align(v)
	}
	if w.err != nil {
		return
	}
	if w.keys == nil {
		w.keys = map[string]bool{}
	}
	w.keys[key] = true
	w.entries = v.append(appendText(w.entries, key))
}

// align takes the alignment from the metadata.
func (w *Writer) align(v value) {
	n, ok := v.uint()
	if !ok || n == 0 || n > AlignmentBytesMax || n&(n-1) != 0 {
		w.fail("%s must be a power of two of at most %d: give another", keyAlignment, AlignmentBytesMax)
		return
	}
	w.alignment = int(n)
}

// fail keeps the first error.
func (w *Writer) fail(format string, arguments ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %s", ErrWriter, fmt.Sprintf(format, arguments...))
	}
}

// Tensor declares the next tensor; its shape is the fastest dimension first.
func (w *Writer) Tensor(name string, f tensor.Format, shape ...int) {
	const bytesMax = 1 << 48
	switch {
	case name == "" || len(name) > NameBytesMax:
		w.fail("the name %.80q of a tensor has %d bytes: give 1 to %d", name, len(name), NameBytesMax)
	case w.names[name]:
		w.fail("the tensor %q is given twice: give it once", name)
	case len(w.tensors) == TensorsMax:
		w.fail("more than %d tensors: give fewer", TensorsMax)
	case len(shape) == 0 || len(shape) > DimensionsMax:
		w.fail("tensor %q has %d dimensions: give 1 to %d", name, len(shape), DimensionsMax)
	}
	if w.err != nil {
		return
	}
	size, ok := f.RowBytes(shape[0])
	for _, n := range shape[1:] {
		ok = ok && n > 0 && size <= bytesMax/n
		size *= n
	}
	if !ok || size == 0 || size > bytesMax {
		w.fail("tensor %q of %v elements is no whole number of blocks of %s: give it another format or shape", name, shape, f)
		return
	}
	if w.names == nil {
		w.names = map[string]bool{}
	}
	w.names[name] = true
	w.tensors = append(w.tensors, Tensor{Name: name, Format: f, Shape: append([]int(nil), shape...)})
}

// Write writes the file to out. It calls fill for each tensor in order, which
// writes exactly the bytes of that tensor to out. The tensor that fill gets has
// no Data. Nothing is kept in memory but the head.
func (w *Writer) Write(out io.Writer, fill func(t *Tensor, out io.Writer) error) error {
	if w.err != nil {
		return w.err
	}
	alignment := w.alignment
	if alignment == 0 {
		alignment = AlignmentBytes
	}
	head := append([]byte(nil), magic...)
	head = binary.LittleEndian.AppendUint32(head, 3)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.keys)))
	head = append(head, w.entries...)
	offset := 0
	for i := range w.tensors {
		t := &w.tensors[i]
		head = appendText(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for _, n := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(n))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.Format))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		offset += aligned(t.bytes(), alignment)
	}
	head = append(head, make([]byte, aligned(len(head), alignment)-len(head))...)
	if _, err := out.Write(head); err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	for i := range w.tensors {
		if err := w.tensors[i].write(out, alignment, fill); err != nil {
			return err
		}
	}
	return nil
}

// write writes one tensor and the space behind it.
func (t *Tensor) write(out io.Writer, alignment int, fill func(*Tensor, io.Writer) error) error {
	counted := &counter{out: out, left: t.bytes()}
	if err := fill(t, counted); err != nil {
		return fmt.Errorf("write tensor %q: %w", t.Name, err)
	}
	if counted.left != 0 {
		return fmt.Errorf("%w: tensor %q lacks %d bytes: write all of them", ErrWriter, t.Name, counted.left)
	}
	space := aligned(t.bytes(), alignment) - t.bytes()
	if _, err := out.Write(make([]byte, space)); err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	return nil
}

// bytes is the size of a tensor of a known format.
func (t *Tensor) bytes() int {
	row, _ := t.Format.RowBytes(t.Shape[0])
	return row * (t.Elements() / t.Shape[0])
}

// aligned is n, or the next multiple of alignment.
func aligned(n, alignment int) int { return (n + alignment - 1) &^ (alignment - 1) }

// counter lets through as many bytes as are left.
type counter struct {
	out  io.Writer
	left int
}

func (c *counter) Write(b []byte) (int, error) {
	if len(b) > c.left {
		return 0, fmt.Errorf("%w: %d bytes too many: write exactly the tensor's", ErrWriter, len(b)-c.left)
	}
	n, err := c.out.Write(b)
	c.left -= n
	return n, err
}
