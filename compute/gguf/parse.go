package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"phios/compute/tensor"
)

// Parse reads a whole file. The tensors' data are slices of b, which must stay
// as it is for as long as they are used; all else is copied. The error says
// what is wrong, where, and what to do about it, and wraps [ErrFile].
//
// A tensor whose format is not known is no error: it has no Data.
func Parse(b []byte) (*File, error) {
	r := &reader{rest: b, size: len(b)}
	f := &File{}
	tensors, keys := r.begin(f)
	room := r.room(keys, 14)
	f.entries, f.keys = make([]entry, 0, room), make(map[string]int, room)
	for i := uint64(0); i < keys && r.err == nil; i++ {
		r.entry(f)
	}
	f.Alignment = r.alignment(f)
	room = r.room(tensors, 33)
	f.Tensors, f.names = make([]Tensor, 0, room), make(map[string]int, room)
	offsets := make([]uint64, 0, room)
	for i := uint64(0); i < tensors && r.err == nil; i++ {
		offsets = append(offsets, r.tensor(f))
	}
	r.data(f, offsets)
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

// reader reads the head of a file. After its first error it gives zeros.
type reader struct {
	rest []byte // What was not read yet: nothing is ever read twice.
	size int
	err  error
}

// fail keeps the first error.
func (r *reader) fail(format string, arguments ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrFile, fmt.Sprintf(format, arguments...))
	}
	r.rest = nil
}

// at is the position of the next byte.
func (r *reader) at() int { return r.size - len(r.rest) }

// take returns the next n bytes, nil after an error.
func (r *reader) take(n uint64, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.rest)) {
		r.fail("%s at byte %d needs %d bytes and %d are left: the file is cut short or damaged; download or convert it again",
			what, r.at(), n, len(r.rest))
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads a string of at most n bytes.
func (r *reader) text(n uint64, what string) string {
	length := r.uint64(what)
	if length > n {
		r.fail("%s at byte %d has %d bytes, the most is %d: the file is damaged; download or convert it again",
			what, r.at(), length, n)
	}
	return string(r.take(length, what))
}

// begin reads up to the metadata: how many tensors and keys there are.
func (r *reader) begin(f *File) (tensors, keys uint64) {
	if m := r.take(uint64(len(magic)), "the magic"); r.err == nil && string(m) != magic {
		r.fail("it begins with %q, want %q: convert the model to GGUF first", m, magic)
	}
	f.Version = r.uint32("the version")
	switch {
	case r.err != nil:
	case f.Version == 2 || f.Version == 3:
	case f.Version&0xffff == 0:
		r.fail("it is big-endian: convert it to little-endian, as gguf_convert_endian.py of llama.cpp does")
	default:
		r.fail("version %d is not known, 2 and 3 are: convert the model again with a current llama.cpp", f.Version)
	}
	tensors, keys = r.uint64("the number of tensors"), r.uint64("the number of keys")
	if tensors > TensorsMax || keys > KeysMax {
		r.fail("it says %d tensors and %d keys, the most are %d and %d: the file is damaged; download it again",
			tensors, keys, TensorsMax, KeysMax)
	}
	if r.err != nil {
		return 0, 0
	}
	return tensors, keys
}

// room is for how many of n things memory is taken at first: not for more than
// the rest of the file can hold when each takes at least so many bytes.
func (r *reader) room(n uint64, least int) int {
	return int(min(n, uint64(len(r.rest)/least)))
}

// entry reads a key and its value.
func (r *reader) entry(f *File) {
	key := r.text(KeyBytesMax, "a key")
	if r.err != nil {
		return
	}
	if key == "" {
		r.fail("the key before byte %d is empty: the file is damaged; download or convert it again", r.at())
	}
	if _, twice := f.keys[key]; twice {
		r.fail("the key %.80q is there twice: remove one, or convert the model again", key)
	}
	v := r.value(key)
	if r.err != nil {
		return
	}
	f.keys[key] = len(f.entries)
	f.entries = append(f.entries, entry{key, v})
}

// kind reads the type of a value.
func (r *reader) kind(key string) kind {
	n := r.uint32("the type of a value")
	if r.err != nil {
		return kindNone
	}
	if n >= uint32(kindFloat64) {
		r.fail("the value of %.80q has the type %d, which is not known: the file is damaged or newer than this program", key, n)
		return kindNone
	}
	return kind(n) + 1
}

// value reads the value of a key.
func (r *reader) value(key string) value {
	v := value{kind: r.kind(key)}
	//exhaustive:ignore
	switch v.kind {
	case kindNone:
	case kindText:
		v.text = r.text(uint64(len(r.rest)), "a string")
	case kindArray:
		v.element = r.kind(key)
		count := r.uint64("the length of an array")
		switch w := uint64(v.element.width()); {
		case r.err != nil:
		case v.element == kindText:
			v.texts = r.texts(count, key)
		case w == 0:
			r.fail("the value of %.80q is an array of arrays, which nothing uses: convert the model again", key)
		case count > uint64(len(r.rest))/w:
			r.fail("the array %.80q says %d elements, %d bytes are left: the file is cut short or damaged; download it again",
				key, count, len(r.rest))
		default:
			v.raw = slices.Clone(r.take(count*w, "an array"))
		}
	default:
		w := v.kind.width()
		if b := r.take(uint64(w), "a number"); b != nil {
			v.bits = numberBits(b, w)
		}
	}
	return v
}

// texts reads n strings into one piece of memory.
func (r *reader) texts(n uint64, key string) []string {
	const least = 8 // bytes of a string: its length
	if n > uint64(len(r.rest))/least {
		r.fail("the array %.80q says %d strings, %d bytes are left: the file is cut short or damaged; download it again",
			key, n, len(r.rest))
		return nil
	}
	ends := make([]int, 0, n)
	var all []byte
	for range n {
		length := r.uint64("a string")
		all = append(all, r.take(length, "a string")...)
		ends = append(ends, len(all))
		if r.err != nil {
			return nil
		}
	}
	joined, texts, from := string(all), make([]string, n), 0
	for i, end := range ends {
		texts[i] = joined[from:end]
		from = end
	}
	return texts
}

// alignment checks the alignment that the metadata gives.
func (r *reader) alignment(f *File) int {
	if _, has := f.keys[keyAlignment]; !has {
		return AlignmentBytes
	}
	n, ok := f.Uint(keyAlignment)
	if !ok || n > AlignmentBytesMax || bits.OnesCount64(n) != 1 {
		r.fail("%s is %s, want a power of two of at most %d: convert the model again", keyAlignment,
			f.Show(keyAlignment), AlignmentBytesMax)
		return AlignmentBytes
	}
	return int(n)
}

// tensor reads what is said of a tensor and returns where its data begin.
func (r *reader) tensor(f *File) uint64 {
	name := r.text(NameBytesMax, "the name of a tensor")
	dimensions := r.uint32("the number of dimensions")
	if r.err != nil {
		return 0
	}
	if name == "" {
		r.fail("the tensor before byte %d has no name: the file is damaged; download or convert it again", r.at())
	}
	if _, twice := f.names[name]; twice {
		r.fail("the tensor %q is there twice: remove one, or convert the model again", name)
	}
	if dimensions < 1 || dimensions > DimensionsMax {
		r.fail("tensor %q has %d dimensions, want 1 to %d: the file is damaged; download or convert it again",
			name, dimensions, DimensionsMax)
		return 0
	}
	const elementsMax = 1 << 48
	shape, elements := make([]int, dimensions), uint64(1)
	for i := range shape {
		n := r.uint64("a dimension")
		high, product := bits.Mul64(elements, n)
		if r.err == nil && (high != 0 || product == 0 || product > elementsMax) {
			r.fail("tensor %q: dimension %d is %d, which makes no size that can be: the file is damaged; download or convert it again",
				name, i, n)
			return 0
		}
		shape[i], elements = int(n), product
	}
	format, offset := tensor.Format(r.uint32("a format")), r.uint64("a position")
	f.names[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, Tensor{Name: name, Format: format, Shape: shape})
	return offset
}

// data gives each tensor its bytes: what follows the head, aligned.
func (r *reader) data(f *File, offsets []uint64) {
	if r.err != nil || len(f.Tensors) == 0 {
		return
	}
	r.take(uint64(-r.at()&(f.Alignment-1)), "the space before the data")
	type span struct {
		tensor     int
		begin, end uint64
	}
	spans := make([]span, 0, len(offsets))
	for i, offset := range offsets {
		t := &f.Tensors[i]
		size, ok := r.extent(t, offset, uint64(f.Alignment))
		if r.err != nil {
			return
		}
		if !ok {
			continue
		}
		t.Data = r.rest[offset:][:size:size]
		spans = append(spans, span{i, offset, offset + size})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	for i := 1; i < len(spans); i++ {
		if before, s := spans[i-1], spans[i]; s.begin < before.end {
			r.fail("the tensors %q and %q overlap: the file is damaged; download or convert it again",
				f.Tensors[before.tensor].Name, f.Tensors[s.tensor].Name)
			return
		}
	}
}

// extent checks where a tensor is, and returns its size where it is known.
func (r *reader) extent(t *Tensor, offset, alignment uint64) (size uint64, ok bool) {
	left := uint64(len(r.rest))
	if offset > left || offset%alignment != 0 {
		r.fail("tensor %q begins at byte %d of %d of the data, aligned to %d: the file is cut short or damaged; download it again",
			t.Name, offset, left, alignment)
		return 0, false
	}
	if t.Format.Elements() == 0 {
		return 0, false
	}
	row, ok := t.Format.RowBytes(t.Shape[0])
	if !ok {
		r.fail("tensor %q has rows of %d elements, which are no whole blocks of %s: convert the model again",
			t.Name, t.Shape[0], t.Format)
		return 0, false
	}
	high, size := bits.Mul64(uint64(row), uint64(t.Elements()/t.Shape[0]))
	if high != 0 || size > left-offset {
		r.fail("tensor %q needs %d bytes from byte %d of the data, which has %d: the file is cut short; download it again",
			t.Name, size, offset, left)
		return 0, false
	}
	return size, true
}
