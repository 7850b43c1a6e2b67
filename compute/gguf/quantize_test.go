package gguf_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"phios/compute/gguf"
	"phios/compute/gguf/generate"
	"phios/compute/tensor"
)

// model generates a small model.
func model(tb testing.TB, architecture string, format tensor.Format) *gguf.File {
	tb.Helper()
	var out bytes.Buffer
	if err := generate.Model(&out, generate.Tiny(architecture, format, 5)); err != nil {
		tb.Fatal(err)
	}
	f, err := gguf.Parse(out.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// quantized quantises a file and parses the result.
func quantized(tb testing.TB, f *gguf.File, to tensor.Format) (*gguf.File, []byte) {
	tb.Helper()
	var out bytes.Buffer
	var last, total int64
	err := gguf.Quantize(&out, f, to, func(done, of int64) {
		if done <= last || done > of {
			tb.Errorf("progress %d of %d after %d", done, of, last)
		}
		last, total = done, of
	})
	if err != nil {
		tb.Fatal(err)
	}
	if last != total || total == 0 {
		tb.Errorf("progress ended at %d of %d", last, total)
	}
	q, err := gguf.Parse(out.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return q, out.Bytes()
}

// numbers widens a tensor.
func numbers(t *gguf.Tensor) []float32 {
	x := make([]float32, t.Elements())
	tensor.Dequantize(t.Format, t.Data, x)
	return x
}

func TestQuantize(t *testing.T) {
	f := model(t, "qwen2", tensor.F32)
	for _, c := range []struct {
		to       tensor.Format
		fileType uint64
		error    float64 // as a part of the deviation
	}{
		{tensor.F32, 0, 0},
		{tensor.F16, 1, 0.001},
		{tensor.BF16, 32, 0.003},
		{tensor.Q8_0, 7, 0.01},
		{tensor.Q6_K, 18, 0.025},
		{tensor.Q5_K, 16, 0.05},
		{tensor.Q4_K, 14, 0.1},
		{tensor.Q4_0, 2, 0.12},
	} {
		q, _ := quantized(t, f, c.to)
		if n, ok := q.Uint("general.file_type"); n != c.fileType || !ok {
			t.Errorf("%s: file type %d, want %d", c.to, n, c.fileType)
		}
		same(t, f, q)
		for i := range f.Tensors {
			was, is := &f.Tensors[i], &q.Tensors[i]
			if is.Name != was.Name || !slices.Equal(is.Shape, was.Shape) || is.Format != gguf.Mixed(is.Name, is.Shape, c.to) {
				t.Fatalf("%s: tensor %d is %s %s", c.to, i, is.Name, is.Format)
			}
			var squares, missed float64
			before, after := numbers(was), numbers(is)
			for j := range before {
				squares += float64(before[j]) * float64(before[j])
				missed += math.Pow(float64(before[j]-after[j]), 2)
			}
			if got := math.Sqrt(missed / squares); got > c.error || is.Format == tensor.F32 && got != 0 {
				t.Errorf("%s: error of %s is %g, want at most %g", c.to, is.Name, got, c.error)
			}
		}
	}
}

// same checks that the metadata are, but for what names the format.
func same(t *testing.T, f, q *gguf.File) {
	t.Helper()
	if len(q.Keys()) != len(f.Keys()) {
		t.Errorf("%d keys, want %d", len(q.Keys()), len(f.Keys()))
	}
	for _, key := range f.Keys() {
		if key != "general.file_type" && q.Show(key) != f.Show(key) {
			t.Errorf("%s is %s, want %s", key, q.Show(key), f.Show(key))
		}
	}
	was, _ := f.Texts("tokenizer.ggml.tokens")
	is, _ := q.Texts("tokenizer.ggml.tokens")
	if !slices.Equal(was, is) {
		t.Error("other tokens")
	}
}

// TestQuantizeIsTheSameOnAnyProcessors compares the bytes made on one and on
// several processors.
func TestQuantizeIsTheSameOnAnyProcessors(t *testing.T) {
	f := model(t, "llama", tensor.BF16)
	_, several := quantized(t, f, tensor.Q4_K)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if _, one := quantized(t, f, tensor.Q4_K); !bytes.Equal(one, several) {
		t.Error("the bytes depend on the number of processors")
	}
}

// TestQuantizeKeeps checks what is copied: tensors that have the format, and
// what is no weight of a matrix.
func TestQuantizeKeeps(t *testing.T) {
	var w gguf.Writer
	w.Text("general.architecture", "x")
	w.Uint32("general.alignment", 128)
	w.Tensor("blk.0.ffn_gate_inp.weight", tensor.F32, 256, 4)
	w.Tensor("blk.0.conv", tensor.F16, 256, 4)
	w.Tensor("blk.0.attn_q.weight", tensor.Q4_K, 256, 4)
	w.Tensor("blk.0.odd.weight", tensor.F32, 250, 4)
	w.Tensor("blk.0.bias", tensor.F16, 256)
	w.Tensor("output.weight", tensor.F32, 256, 8192)
	var out bytes.Buffer
	if err := w.Write(&out, zeros); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	q, _ := quantized(t, f, tensor.Q4_K)
	want := []tensor.Format{tensor.F32, tensor.F16, tensor.Q4_K, tensor.F16, tensor.F16, tensor.Q6_K}
	for i := range q.Tensors {
		if got := q.Tensors[i].Format; got != want[i] {
			t.Errorf("%s is %s, want %s", q.Tensors[i].Name, got, want[i])
		}
	}
	if q.Alignment != 128 || !bytes.Equal(q.Tensors[2].Data, f.Tensors[2].Data) {
		t.Errorf("alignment %d", q.Alignment)
	}
}

// zeros fills a tensor with zeros.
func zeros(t *gguf.Tensor, out io.Writer) error {
	row, _ := t.Format.RowBytes(t.Shape[0])
	_, err := out.Write(make([]byte, row*t.Elements()/t.Shape[0]))
	return err
}

// errFull is what a full disk says.
var errFull = errors.New("disk full")

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return 0, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestQuantizeRefuses(t *testing.T) {
	f := model(t, "llama", tensor.Q8_0)
	if err := gguf.Quantize(io.Discard, f, 11, nil); !errors.Is(err, gguf.ErrWriter) || !strings.Contains(err.Error(), "Q3_K") {
		t.Errorf("to Q3_K: %v", err)
	}
	for _, left := range []int{0, 20000, 100000} {
		if err := gguf.Quantize(&full{left}, f, tensor.Q4_0, nil); !errors.Is(err, errFull) {
			t.Errorf("a disk with %d bytes: %v", left, err)
		}
	}
	f.Tensors[3].Format, f.Tensors[3].Data = 23, nil
	if err := gguf.Quantize(io.Discard, f, tensor.Q4_0, nil); !errors.Is(err, gguf.ErrWriter) || !strings.Contains(err.Error(), "IQ4_XS") {
		t.Errorf("from IQ4_XS: %v", err)
	}
}

func BenchmarkQuantize(b *testing.B) {
	f := model(b, "llama", tensor.F16)
	for _, to := range []tensor.Format{tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q6_K} {
		b.Run(to.String(), func(b *testing.B) {
			var size int64
			for i := range f.Tensors {
				size += int64(len(f.Tensors[i].Data))
			}
			b.SetBytes(size)
			for b.Loop() {
				if err := gguf.Quantize(io.Discard, f, to, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse parses a file with a vocabulary of usual size.
func BenchmarkParse(b *testing.B) {
	s := generate.Tiny("llama", tensor.Q4_0, 1)
	s.Vocabulary = 32000
	var out bytes.Buffer
	if err := generate.Model(&out, s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gguf.Parse(out.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
