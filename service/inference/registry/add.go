package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"phios/compute/gguf"
	"phios/compute/tensor"
)

// Progress is told how far an addition is. total is zero while it is not known.
type Progress func(what string, done, total int64)

// Adding says how something is added.
type Adding struct {
	// Name is its name; empty is made of the source.
	Name string
	// Digest is what its SHA-256 must be, in hexadecimal; empty is not known.
	Digest string
	// Progress may be nil.
	Progress Progress
}

// copyStep is how much is copied between looks at the context.
const copyStep = 64 << 20

// Add takes a model in: a file's path, an http or https URL, or
// hub:OWNER/NAME[:FILE|:QUANT]. Adding what is there already only adds a name.
// A download that was cut goes on where it was.
func (r *Registry) Add(ctx context.Context, source string, a Adding) (Model, error) {
	if a.Progress == nil {
		a.Progress = func(string, int64, int64) {}
	}
	if a.Name != "" {
		if err := checkName(a.Name); err != nil {
			return Model{}, err
		}
	}
	if err := r.begin(source); err != nil {
		return Model{}, err
	}
	defer r.done(source)
	var at, stem string
	var err error
	switch {
	case strings.HasPrefix(source, "hub:"):
		at, stem, err = r.fromHub(ctx, strings.TrimPrefix(source, "hub:"), &a)
	case strings.HasPrefix(source, "http://"), strings.HasPrefix(source, "https://"):
		at, stem, err = r.fromURL(ctx, source, &a)
	default:
		at, stem, err = r.fromFile(ctx, source, &a)
	}
	if err != nil {
		return Model{}, fmt.Errorf("add %s: %w", source, err)
	}
	m, err := r.accept(ctx, at, source, stem, &a)
	if err != nil {
		return Model{}, fmt.Errorf("add %s: %w", source, err)
	}
	return m, nil
}

// begin keeps one source from being added twice at once, which would write one
// partial file from two sides.
func (r *Registry) begin(source string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[source] {
		return fmt.Errorf("%s is being added already; wait for that", source)
	}
	if len(r.index.Models) >= ModelsMax {
		return fmt.Errorf("there are %d models already; remove some", ModelsMax)
	}
	r.busy[source] = true
	return nil
}

func (r *Registry) done(source string) {
	r.mu.Lock()
	delete(r.busy, source)
	r.mu.Unlock()
}

// fromFile copies a file. Where the file system can, the copy shares its blocks
// (Go copies between files by copy_file_range). A hard link was rejected: who
// writes into the original later would change what the digest vouches for.
func (r *Registry) fromFile(ctx context.Context, source string, a *Adding) (at, stem string, err error) {
	in, err := os.Open(source) //nolint:gosec // G304: whoever adds a model names its file
	if err != nil {
		return "", "", err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return "", "", err
	}
	if !info.Mode().IsRegular() {
		return "", "", errors.New("it is not a file; name the file of the model")
	}
	if err := r.sized(info.Size(), 0); err != nil {
		return "", "", err
	}
	out, err := os.CreateTemp(filepath.Join(r.dir, "partial"), "copy-*")
	if err != nil {
		return "", "", err
	}
	var done int64
	for err == nil {
		if err = ctx.Err(); err == nil {
			var n int64
			n, err = io.CopyN(out, in, copyStep)
			done += n
			a.Progress("copy", done, info.Size())
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(out.Name())
		return "", "", err
	}
	return out.Name(), filepath.Base(source), nil
}

// accept hashes and parses a file that has come, and makes it a model. The file
// is gone afterwards from where it was, one way or another.
func (r *Registry) accept(ctx context.Context, at, source, stem string, a *Adding) (Model, error) {
	m, err := r.examine(ctx, at, a)
	if err != nil {
		_ = os.Remove(at)
		return Model{}, err
	}
	m.Source, m.Added = source, r.o.Now().UTC()
	if a.Name == "" {
		a.Name = nameOf(stem)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, err := r.find(a.Name); err == nil && r.index.Models[i].Digest != m.Digest {
		// The bytes were right; the next attempt under another name need not
		// fetch a partial file again, but a copy is not worth keeping.
		_ = os.Remove(at)
		return Model{}, fmt.Errorf("%q: %w", a.Name, ErrTaken)
	}
	if i := slices.IndexFunc(r.index.Models, func(o Model) bool { return o.Digest == m.Digest }); i >= 0 {
		_ = os.Remove(at)
		old := &r.index.Models[i]
		if !slices.Contains(old.Names, a.Name) {
			old.Names = append(slices.Clone(old.Names), a.Name)
		}
		return *old, r.write()
	}
	if err := place(at, r.blob(m.Digest)); err != nil {
		_ = os.Remove(at)
		return Model{}, err
	}
	m.Names = []string{a.Name}
	r.index.Models = append(r.index.Models, m)
	return m, r.write()
}

// place flushes a file and moves it to where it stays, read-only.
func place(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0) //nolint:gosec // G304: a temporary file of our folder
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Chmod(0o400), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// examine hashes a file and reads what model it is.
func (r *Registry) examine(ctx context.Context, at string, a *Adding) (Model, error) {
	f, err := os.Open(at) //nolint:gosec // G304: a temporary file of our folder
	if err != nil {
		return Model{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return Model{}, err
	}
	sum := sha256.New()
	var done int64
	for err == nil {
		if err = ctx.Err(); err == nil {
			var n int64
			n, err = io.CopyN(sum, f, copyStep)
			done += n
			a.Progress("check", done, info.Size())
		}
	}
	if !errors.Is(err, io.EOF) {
		return Model{}, err
	}
	m := Model{Digest: hex.EncodeToString(sum.Sum(nil)), Bytes: done}
	if a.Digest != "" && !strings.EqualFold(a.Digest, m.Digest) {
		return Model{}, fmt.Errorf("its SHA-256 is %s and should be %s; fetch it again, or from another place", m.Digest, a.Digest)
	}
	b, unmap, err := mapFile(f)
	if err != nil {
		return Model{}, err
	}
	defer unmap()
	return m, m.describe(b)
}

// describe reads what a file says of itself.
func (m *Model) describe(b []byte) error {
	g, err := gguf.Parse(b)
	if err != nil {
		return fmt.Errorf("%w; give a GGUF file", err)
	}
	architecture, ok := g.Text("general.architecture")
	if !ok || len(architecture) > 64 {
		return errors.New("the file does not say what architecture it is; convert it again")
	}
	m.Architecture = architecture
	if n, ok := g.Uint(architecture + ".context_length"); ok && n < 1<<31 {
		m.Context = int(n)
	}
	by := map[tensor.Format]int64{}
	for i := range g.Tensors {
		n := int64(g.Tensors[i].Elements())
		m.Parameters += n
		by[g.Tensors[i].Format] += n
	}
	var most int64
	for f, n := range by {
		if n > most || n == most && f.String() < m.Format {
			most, m.Format = n, f.String()
		}
	}
	return nil
}

// nameOf makes a name of a file's name.
func nameOf(stem string) string {
	stem = strings.TrimSuffix(strings.ToLower(stem), ".gguf")
	stem = strings.Trim(regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(stem, "-"), "-._")
	stem = strings.ReplaceAll(stem, "..", ".")
	if stem == "" {
		return "model"
	}
	return stem[:min(len(stem), 128)]
}
