package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// quantizeStep is how much is written to the disk at once.
const quantizeStep = 1 << 20

// Quantize makes another model of one that is here, with its matrices in the
// format to, and adds it: under a.Name, or as the old name with the format, such
// as NAME-q4_k. The old model stays. Whether the caller may is for the door to
// ask.
//
// It blocks until the new file is written, checked and named, on all processors,
// and ends early with ctx. The new file is written beside the others under a
// temporary name: whatever goes wrong, a full disk included, nothing of it is
// left. a.Progress is told of numbers converted, then of bytes checked.
func (r *Registry) Quantize(ctx context.Context, name string, to tensor.Format, a Adding) (Model, error) {
	if a.Progress == nil {
		a.Progress = func(string, int64, int64) {}
	}
	old, err := r.Find(name)
	if err != nil {
		return Model{}, err
	}
	if _, ok := gguf.FileType(to); !ok {
		return Model{}, fmt.Errorf("quantize %s: %w: nothing quantises to %s: take F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0", old.Name(), gguf.ErrWriter, to)
	}
	if a.Name == "" {
		a.Name = quantizedName(old.Name(), to)
	}
	if err := checkName(a.Name); err != nil {
		return Model{}, err
	}
	if taken, err := r.Find(a.Name); err == nil && taken.Digest == old.Digest {
		return Model{}, fmt.Errorf("quantize %s: %q: %w", old.Name(), a.Name, ErrTaken)
	}
	source := "quantize:" + old.Digest + ":" + to.String()
	if err := r.begin(source); err != nil {
		return Model{}, err
	}
	defer r.done(source)
	at, err := r.quantized(ctx, old, to, &a)
	if err != nil {
		return Model{}, fmt.Errorf("quantize %s to %s: %w", old.Name(), to, err)
	}
	m, err := r.accept(ctx, at, source, a.Name, &a)
	if err != nil {
		return Model{}, fmt.Errorf("quantize %s to %s: %w", old.Name(), to, err)
	}
	return m, nil
}

// quantizedName is the name of a model in another format: what the name said of
// the old one is taken off.
func quantizedName(name string, to tensor.Format) string {
	for _, f := range []tensor.Format{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q6_K, tensor.Q5_K, tensor.Q4_K, tensor.Q4_0} {
		for _, mark := range []string{"-", ".", ":"} {
			if stem, ok := strings.CutSuffix(name, mark+strings.ToLower(f.String())); ok && stem != "" {
				name = stem
			}
		}
	}
	return name + "-" + strings.ToLower(to.String())
}

// quantized writes the new file under a temporary name.
func (r *Registry) quantized(ctx context.Context, old Model, to tensor.Format, a *Adding) (at string, err error) {
	weights, release, err := r.Open(old)
	if err != nil {
		return "", err
	}
	defer release()
	f, err := gguf.Parse(weights.Bytes)
	if err != nil {
		return "", err
	}
	if err := r.sized(quantizedBytes(f, to), 0); err != nil {
		return "", err
	}
	out, err := os.CreateTemp(filepath.Join(r.dir, "partial"), "quantize-*")
	if err != nil {
		return "", err
	}
	buffer := bufio.NewWriterSize(&stoppable{ctx: ctx, to: out}, quantizeStep)
	err = gguf.Quantize(buffer, f, to, func(done, total int64) { a.Progress("quantize", done, total) })
	if err = errors.Join(err, buffer.Flush(), out.Close()); err == nil {
		return out.Name(), nil
	}
	_ = os.Remove(out.Name())
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("the disk is full: %w; make room and ask again", err)
	}
	return "", err
}

// quantizedBytes estimates the size of the tensors after.
func quantizedBytes(f *gguf.File, to tensor.Format) (bytes int64) {
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if n, ok := gguf.Mixed(t.Name, t.Shape, to).RowBytes(t.Elements()); ok {
			bytes += int64(n)
		}
	}
	return bytes
}

// stoppable is a file that takes no more when its context has ended.
type stoppable struct {
	ctx context.Context //nolint:containedctx // The writer lives as long as one call.
	to  io.Writer
}

// Write writes, unless the context has ended.
func (s *stoppable) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.to.Write(b)
}
