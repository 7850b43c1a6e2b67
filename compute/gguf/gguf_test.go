package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// small writes a file with every kind of value that the writer has, and three
// tensors whose bytes count up.
func small(tb testing.TB) []byte {
	tb.Helper()
	var w gguf.Writer
	w.Text("general.architecture", "llama")
	w.Uint32("general.alignment", 64)
	w.Uint32("llama.block_count", 3)
	w.Uint64("large", math.MaxUint64)
	w.Float32("float", 1.5)
	w.Bool("yes", true)
	w.Bool("no", false)
	w.Text("empty", "")
	w.Texts("tokens", []string{"a", "", "\xff▁b"})
	w.Int32s("types", []int32{1, -2, 3})
	w.Float32s("scores", []float32{0, -1.5})
	w.Bytes("bytes", []byte{0, 255})
	w.Tensor("token_embd.weight", tensor.Q8_0, 64, 3)
	w.Tensor("norm", tensor.F32, 5)
	w.Tensor("k", tensor.Q4_K, 256, 1, 2)
	var out bytes.Buffer
	if err := w.Write(&out, count); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// count fills a tensor with bytes that count up.
func count(t *gguf.Tensor, out io.Writer) error {
	row, _ := t.Format.RowBytes(t.Shape[0])
	b := make([]byte, row*t.Elements()/t.Shape[0])
	for i := range b {
		b[i] = byte(i)
	}
	_, err := out.Write(b)
	return err
}

func TestWriteAndParse(t *testing.T) {
	b := small(t)
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version != 3 || f.Alignment != 64 || len(f.Keys()) != 12 || f.Keys()[2] != "llama.block_count" {
		t.Errorf("version %d, alignment %d, keys %q", f.Version, f.Alignment, f.Keys())
	}
	if len(f.Tensors) != 3 {
		t.Fatalf("%d tensors", len(f.Tensors))
	}
	begin := len(b) - (256 + 64 + 320)
	for i, want := range []struct {
		name      string
		shape     []int
		at, bytes int
	}{
		{"token_embd.weight", []int{64, 3}, begin, 204},
		{"norm", []int{5}, begin + 256, 20},
		{"k", []int{256, 1, 2}, begin + 320, 288},
	} {
		got, ok := f.Tensor(want.name)
		if !ok || got != &f.Tensors[i] || !slices.Equal(got.Shape, want.shape) || len(got.Data) != want.bytes {
			t.Errorf("tensor %d: %+v, want %+v", i, got, want)
			continue
		}
		if want.at%64 != 0 || &got.Data[0] != &b[want.at] {
			t.Errorf("tensor %q is not at byte %d, or was copied", got.Name, want.at)
		}
		if got.Data[0] != 0 || got.Data[len(got.Data)-1] != byte(len(got.Data)-1) {
			t.Errorf("tensor %q: %x", got.Name, got.Data)
		}
	}
	if _, ok := f.Tensor("none"); ok {
		t.Error("a tensor that is not there")
	}
}

func TestValues(t *testing.T) {
	f, err := gguf.Parse(small(t))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := f.Uint("llama.block_count"); n != 3 || !ok {
		t.Errorf("Uint: %d %t", n, ok)
	}
	if n, ok := f.Uint("large"); n != math.MaxUint64 || !ok {
		t.Errorf("Uint: %d %t", n, ok)
	}
	if _, ok := f.Int("large"); ok {
		t.Error("an Int that does not fit")
	}
	if n, ok := f.Float("float"); n != 1.5 || !ok {
		t.Errorf("Float: %g %t", n, ok)
	}
	if n, ok := f.Float("llama.block_count"); n != 3 || !ok {
		t.Errorf("Float of a whole number: %g %t", n, ok)
	}
	if b, ok := f.Bool("yes"); !b || !ok {
		t.Error("Bool: yes is no")
	}
	if b, ok := f.Bool("no"); b || !ok {
		t.Error("Bool: no is yes")
	}
	if s, ok := f.Text("empty"); s != "" || !ok {
		t.Errorf("Text: %q %t", s, ok)
	}
	if s, ok := f.Texts("tokens"); !slices.Equal(s, []string{"a", "", "\xff▁b"}) || !ok {
		t.Errorf("Texts: %q %t", s, ok)
	}
	if n, ok := f.Ints("types"); !slices.Equal(n, []int64{1, -2, 3}) || !ok {
		t.Errorf("Ints: %d %t", n, ok)
	}
	if n, ok := f.Ints("bytes"); !slices.Equal(n, []int64{0, 255}) || !ok {
		t.Errorf("Ints: %d %t", n, ok)
	}
	if n, ok := f.Floats("scores"); !slices.Equal(n, []float64{0, -1.5}) || !ok {
		t.Errorf("Floats: %g %t", n, ok)
	}
	for _, key := range []string{"none", "tokens", "general.architecture"} {
		_, u := f.Uint(key)
		_, i := f.Int(key)
		_, n := f.Float(key)
		_, b := f.Bool(key)
		_, s := f.Ints(key)
		if u || i || n || b || s {
			t.Errorf("%s is a number", key)
		}
	}
	for key, want := range map[string]string{
		"none": "", "tokens": "3 strings", "types": "3 numbers", "yes": "true", "float": "1.5",
		"general.architecture": `"llama"`, "large": "18446744073709551615",
	} {
		if got := f.Show(key); got != want {
			t.Errorf("Show(%q) = %s, want %s", key, got, want)
		}
	}
}

// TestEveryType parses a number of each type, by hand.
func TestEveryType(t *testing.T) {
	le := binary.LittleEndian
	head := []byte("GGUF\x02\x00\x00\x00")
	head = le.AppendUint64(le.AppendUint64(head, 0), 13)
	entry := func(key string, kind uint32, value ...byte) {
		head = append(le.AppendUint64(head, uint64(len(key))), key...)
		head = append(le.AppendUint32(head, kind), value...)
	}
	entry("u8", 0, 0xff)
	entry("i8", 1, 0xff)
	entry("u16", 2, 0xff, 0xff)
	entry("i16", 3, 0xff, 0xff)
	entry("u32", 4, 0xff, 0xff, 0xff, 0xff)
	entry("i32", 5, 0xff, 0xff, 0xff, 0xff)
	entry("f32", 6, le.AppendUint32(nil, math.Float32bits(-1))...)
	entry("bool", 7, 1)
	entry("text", 8, 1, 0, 0, 0, 0, 0, 0, 0, 'x')
	entry("array", 9, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1)
	entry("u64", 10, bytes.Repeat([]byte{0xff}, 8)...)
	entry("i64", 11, bytes.Repeat([]byte{0xff}, 8)...)
	entry("f64", 12, le.AppendUint64(nil, math.Float64bits(-1))...)
	f, err := gguf.Parse(head)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"u8": 255, "i8": -1, "u16": 65535, "i16": -1, "u32": math.MaxUint32, "i32": -1, "f32": -1,
		"u64": math.MaxUint64, "i64": -1, "f64": -1,
	} {
		if got, ok := f.Float(key); got != want || !ok {
			t.Errorf("%s is %g, want %g", key, got, want)
		}
		if _, ok := f.Uint(key); ok != (want > 0) {
			t.Errorf("%s as Uint: %t", key, ok)
		}
	}
	if n, ok := f.Ints("array"); !slices.Equal(n, []int64{0, 1}) || !ok {
		t.Errorf("array of truth values: %d", n)
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	b := small(t)
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	last := f.Tensors[2].Data
	end := bytes.LastIndex(b, last) + len(last)
	for n := range end {
		if _, err := gguf.Parse(b[:n]); !errors.Is(err, gguf.ErrFile) {
			t.Fatalf("the first %d bytes of %d: %v", n, end, err)
		}
	}
}

// patched is the small file with new bytes where old ones were.
func patched(tb testing.TB, was, is string) []byte {
	tb.Helper()
	b := small(tb)
	if !bytes.Contains(b, []byte(was)) {
		tb.Fatalf("%q is not in the file", was)
	}
	return bytes.Replace(b, []byte(was), []byte(is), 1)
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	kText, tNorm := "empty\x08\x00\x00\x00", "norm\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, c := range map[string]struct{ was, is, want string }{
		"magic":         {"GGUF", "GGML", "convert the model to GGUF"},
		"big endian":    {"GGUF\x03\x00\x00\x00", "GGUF\x00\x00\x00\x03", "big-endian"},
		"version 1":     {"GGUF\x03", "GGUF\x01", "version 1 is not known"},
		"many tensors":  {"GGUF\x03\x00\x00\x00\x03\x00\x00\x00\x00\x00", "GGUF\x03\x00\x00\x00\x03\x00\x00\x00\x00\x01", "the most are"},
		"many keys":     {"\x0c\x00\x00\x00\x00\x00\x00\x00\x14", "\x0c\x00\x00\x00\x01\x00\x00\x00\x14", "the most are"},
		"type of value": {kText, "empty\x0d\x00\x00\x00", `"empty" has the type 13`},
		"array array":   {"tokens\x09\x00\x00\x00\x08", "tokens\x09\x00\x00\x00\x09", "array of arrays"},
		"long array":    {"bytes\x09\x00\x00\x00\x00\x00\x00\x00\x02\x00", "bytes\x09\x00\x00\x00\x00\x00\x00\x00\xff\xff", `array "bytes" says 65535`},
		"many strings":  {"tokens\x09\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00\x00\x00", "tokens\x09\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00\x00\x01", "strings"},
		"key twice":     {"\x02\x00\x00\x00\x00\x00\x00\x00no", "\x03\x00\x00\x00\x00\x00\x00\x00yes", `key "yes" is there twice`},
		"alignment":     {"alignment\x04\x00\x00\x00\x40", "alignment\x04\x00\x00\x00\x41", "power of two"},
		"no alignment":  {"alignment\x04\x00\x00\x00\x40", "alignment\x04\x00\x00\x00\x00", "power of two"},
		"no dimension":  {"norm\x01", "norm\x00", `"norm" has 0 dimensions`},
		"dimensions":    {"norm\x01", "norm\x05", `"norm" has 5 dimensions`},
		"zero":          {"norm\x01\x00\x00\x00\x05", "norm\x01\x00\x00\x00\x00", `"norm": dimension 0 is 0`},
		"overflow":      {"k\x03\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", "k\x03\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01", `"k": dimension 1`},
		"blocks":        {"weight\x02\x00\x00\x00\x40", "weight\x02\x00\x00\x00\x41", "no whole blocks of Q8_0"},
		"beyond":        {tNorm + "\x00\x01", tNorm + "\x00\x11", `"norm" begins at`},
		"unaligned":     {tNorm + "\x00\x01", tNorm + "\x01\x01", `"norm" begins at`},
		"overlap":       {tNorm + "\x00\x01", tNorm + "\x80\x00", "overlap"},
		"too large":     {"k\x03\x00\x00\x00\x00\x01", "k\x03\x00\x00\x00\x00\x02", `"k" needs 576 bytes`},
		"name twice":    {"\x04\x00\x00\x00\x00\x00\x00\x00norm", "\x11\x00\x00\x00\x00\x00\x00\x00token_embd.weight", `"token_embd.weight" is there twice`},
		"long name":     {"\x04\x00\x00\x00\x00\x00\x00\x00norm", "\x40\x00\x00\x00\x00\x00\x00\x00norm", "the most is 63"},
		"empty key":     {"\x05\x00\x00\x00\x00\x00\x00\x00empty", "\x00\x00\x00\x00\x00\x00\x00\x00", "is empty"},
	} {
		_, err := gguf.Parse(patched(t, c.was, c.is))
		if !errors.Is(err, gguf.ErrFile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestUnknownFormatIsNamed(t *testing.T) {
	for number, name := range map[byte]string{11: "Q3_K", 23: "IQ4_XS", 39: "MXFP4", 4: "format 4", 200: "format 200"} {
		b := patched(t, "norm\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00",
			"norm\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00"+string([]byte{number}))
		f, err := gguf.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := f.Tensor("norm")
		if got.Format.String() != name || got.Data != nil {
			t.Errorf("format %d is %s with %d bytes, want %s", number, got.Format, len(got.Data), name)
		}
	}
}

// bytesPerByteMax and bytesMore are what Parse may allocate: the first for each
// byte of the file.
const (
	bytesPerByteMax = 32
	bytesMore       = 16 << 10
)

// FuzzParse parses anything: no panic, bounded memory, tensors inside.
func FuzzParse(f *testing.F) {
	f.Add(small(f))
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	// Many tensors in a short file: room was once taken for each.
	f.Add([]byte("GGUF\x03\x00\x00\x00\x03\xf0\x00\x00\x00\x00\x00\x00\x00\x30\x00\x00\x00\x00\x00\x00x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, got, err := parse(b)
		// Other goroutines of the fuzzer allocate too: only much more counts.
		if got > uint64(bytesPerByteMax*len(b)+bytesMore)+1<<20 {
			t.Fatalf("%d bytes allocated for a file of %d", got, len(b))
		}
		if err != nil {
			if !errors.Is(err, gguf.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		use(t, file, len(b))
	})
}

// use reads all of a file.
func use(t *testing.T, f *gguf.File, size int) {
	t.Helper()
	for _, key := range f.Keys() {
		f.Ints(key)
		f.Floats(key)
		if f.Show(key) == "" {
			t.Fatalf("key %q shows nothing", key)
		}
	}
	total := 0
	for i := range f.Tensors {
		total += len(f.Tensors[i].Data)
		if f.Tensors[i].Elements() <= 0 {
			t.Fatalf("tensor %+v", f.Tensors[i])
		}
	}
	if total > size {
		t.Fatalf("tensors have %d bytes of %d", total, size)
	}
}

// TestAllocation parses files made of the smallest things, which cost the most.
func TestAllocation(t *testing.T) {
	const n = 60000
	make1 := func(fill func(w *gguf.Writer)) []byte {
		var w gguf.Writer
		fill(&w)
		var out bytes.Buffer
		if err := w.Write(&out, count); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	name := func(i int) string { return string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	for what, b := range map[string][]byte{
		"keys": make1(func(w *gguf.Writer) {
			for i := range n {
				w.Bool(name(i), true)
			}
		}),
		"strings": make1(func(w *gguf.Writer) { w.Texts("t", make([]string, n)) }),
		"tensors": make1(func(w *gguf.Writer) {
			w.Uint32("general.alignment", 1)
			for i := range n {
				w.Tensor(name(i), tensor.F16, 1)
			}
		}),
	} {
		_, got, err := parse(b)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes for %d", what, got, len(b))
		if most := uint64(bytesPerByteMax*len(b) + bytesMore); got > most {
			t.Errorf("%s: %d bytes allocated for a file of %d, want at most %d", what, got, len(b), most)
		}
	}
}

// parse parses b and says how many bytes were allocated meanwhile.
func parse(b []byte) (f *gguf.File, allocated uint64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err = gguf.Parse(b)
	runtime.ReadMemStats(&after)
	return f, after.TotalAlloc - before.TotalAlloc, err
}

func TestWrongUseOfWriter(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(w *gguf.Writer)
		want string
	}{
		"key twice":    {func(w *gguf.Writer) { w.Bool("a", true); w.Bool("a", true) }, "twice"},
		"empty key":    {func(w *gguf.Writer) { w.Bool("", true) }, "0 bytes"},
		"alignment":    {func(w *gguf.Writer) { w.Uint32("general.alignment", 48) }, "power of two"},
		"tensor twice": {func(w *gguf.Writer) { w.Tensor("a", tensor.F32, 1); w.Tensor("a", tensor.F32, 1) }, "twice"},
		"long name":    {func(w *gguf.Writer) { w.Tensor(strings.Repeat("a", 64), tensor.F32, 1) }, "64 bytes"},
		"no shape":     {func(w *gguf.Writer) { w.Tensor("a", tensor.F32) }, "0 dimensions"},
		"blocks":       {func(w *gguf.Writer) { w.Tensor("a", tensor.Q4_K, 255) }, "whole number of blocks of Q4_K"},
		"unknown":      {func(w *gguf.Writer) { w.Tensor("a", 11, 256) }, "Q3_K"},
		"negative":     {func(w *gguf.Writer) { w.Tensor("a", tensor.F32, 4, -1) }, "whole number"},
		"no such key":  {func(w *gguf.Writer) { w.Copy(&gguf.File{}, "a") }, "no key"},
	} {
		var w gguf.Writer
		c.fill(&w)
		if err := w.Write(io.Discard, count); !errors.Is(err, gguf.ErrWriter) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, n := range []int{0, 3, 5} {
		var w gguf.Writer
		w.Tensor("a", tensor.F32, 1)
		err := w.Write(io.Discard, func(_ *gguf.Tensor, out io.Writer) error {
			_, err := out.Write(make([]byte, n))
			return err
		})
		if !errors.Is(err, gguf.ErrWriter) {
			t.Errorf("%d bytes of 4: %v", n, err)
		}
	}
}

// TestRealFile parses a model that people use, where it is at hand.
func TestRealFile(t *testing.T) {
	b, err := os.ReadFile("../../../shared/models/stories260K.gguf")
	if err != nil {
		t.Logf("only files of our own are parsed: %v", err)
		return
	}
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	use(t, f, len(b))
	if a, _ := f.Text("general.architecture"); a != "llama" || len(f.Tensors) == 0 {
		t.Errorf("architecture %q, %d tensors", a, len(f.Tensors))
	}
}
