package gguf

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"phios/compute/tensor"
)

// Keys that change with the format of a file.
const (
	keyFileType            = "general.file_type"
	keyQuantizationVersion = "general.quantization_version"
)

// quantizationVersion is GGML's version of the layout of blocks.
const quantizationVersion = 2

// Quantize writes f to out with its matrices in the format to, or the one that
// [Mixed] gives for them; tensors already in that format are copied, as are
// those that are no weights of a matrix multiplication. Everything else of the
// file stays, but for the keys that name the format.
//
// It blocks until all is written, on all processors; an error of out ends it.
// Besides the head it needs about 10 MB. Between pieces of work it calls
// progress, which may be nil, with how many numbers of how many are done.
//
// The error wraps [ErrWriter] when f or the format cannot be used: the text
// says what can.
func Quantize(out io.Writer, f *File, to tensor.Format, progress func(done, total int64)) error {
	fileType, ok := FileType(to)
	if !ok {
		return fmt.Errorf("%w: nothing quantises to %s: take F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0", ErrWriter, to)
	}
	w := &Writer{}
	for _, key := range f.Keys() {
		if key != keyFileType && key != keyQuantizationVersion {
			w.Copy(f, key)
		}
	}
	w.Uint32(keyFileType, fileType)
	w.Uint32(keyQuantizationVersion, quantizationVersion)
	q := &quantizer{progress: progress}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if t.Data == nil {
			return fmt.Errorf("%w: tensor %q is %s, which cannot be read: start from a file of F16, BF16 or Q8_0", ErrWriter, t.Name, t.Format)
		}
		w.Tensor(t.Name, wanted(t, to), t.Shape...)
		q.total += int64(t.Elements())
	}
	return w.Write(out, func(t *Tensor, out io.Writer) error {
		from, _ := f.Tensor(t.Name)
		return q.convert(from, t.Format, out)
	})
}

// wanted is the format that a tensor shall have.
func wanted(t *Tensor, to tensor.Format) tensor.Format {
	// Routers of experts are small and decide much.
	if !strings.HasSuffix(t.Name, ".weight") || strings.HasSuffix(t.Name, "ffn_gate_inp.weight") {
		return t.Format
	}
	return Mixed(t.Name, t.Shape, to)
}

// quantizer converts tensors, a piece at a time.
type quantizer struct {
	progress    func(done, total int64)
	done, total int64
	numbers     []float32
	bytes       []byte
}

// pieceElements is how many numbers are converted between writes: whole blocks
// of every format, and enough that starting the workers costs nothing.
const pieceElements = 1 << 20

// convert writes the numbers of t in the format to.
func (q *quantizer) convert(t *Tensor, to tensor.Format, out io.Writer) error {
	left, data := t.Elements(), t.Data
	for left > 0 {
		n := min(left, pieceElements)
		size, _ := t.Format.RowBytes(n)
		piece := data[:size]
		if to != t.Format {
			piece = q.piece(t.Format, piece, to, n)
		}
		if _, err := out.Write(piece); err != nil {
			return err
		}
		left, data = left-n, data[size:]
		q.done += int64(n)
		if q.progress != nil {
			q.progress(q.done, q.total)
		}
	}
	return nil
}

// piece converts n numbers on all processors. The result is valid until the
// next call.
func (q *quantizer) piece(from tensor.Format, data []byte, to tensor.Format, n int) []byte {
	size, _ := to.RowBytes(n)
	if len(q.bytes) < size {
		q.bytes = make([]byte, size)
	}
	if q.numbers == nil {
		q.numbers = make([]float32, min(pieceElements, q.total))
	}
	// Each worker takes whole blocks, so that the bytes do not depend on how
	// many there are. Both formats have whole blocks of BlockMax elements.
	const partElements = 64 * tensor.BlockMax
	parts := make(chan int, pieceElements/partElements)
	for at := 0; at < n; at += partElements {
		parts <- at
	}
	close(parts)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)) {
		workers.Go(func() {
			for at := range parts {
				end := min(at+partElements, n)
				numbers := q.numbers[at:end]
				tensor.Dequantize(from, data[offset(from, at):offset(from, end)], numbers)
				tensor.Quantize(to, numbers, q.bytes[offset(to, at):offset(to, end)])
			}
		})
	}
	workers.Wait()
	return q.bytes[:size]
}

// offset is where element n begins, n being a whole number of blocks.
func offset(f tensor.Format, n int) int { return n / f.Elements() * f.Bytes() }
