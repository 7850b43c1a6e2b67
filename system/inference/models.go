package inference

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"phios/api/control"
	"phios/compute/encoder"
	"phios/compute/gguf"
	"phios/compute/tensor"
	"phios/service/inference/registry"
)

// progressEvery is how often long work says how far it is.
const progressEvery = 100 * time.Millisecond

// verifyStep is how much is hashed between looks at the context.
const verifyStep = 16 << 20

// view is a model as people see it.
func (n *Inference) view(r *registry.Registry, m *registry.Model) control.Model {
	v := control.Model{
		Names: m.Names, Digest: m.Digest, Architecture: m.Architecture, Format: m.Format, Parameters: m.Parameters,
		Bytes: m.Bytes, Context: m.Context, Source: m.Source, Added: m.Added,
	}
	if d, err := r.Find(""); err == nil && d.Digest == m.Digest {
		v.Default = true
	}
	return v
}

// resident is the encoder that is part of the program.
func resident() control.Model {
	return control.Model{
		Names: []string{encoder.Name}, Architecture: encoder.Architecture, Format: tensor.Q8_0.String(),
		Bytes: int64(len(encoder.Resident())), Resident: true, Embeds: true, Loaded: true, Unit: "cpu",
	}
}

// modelList lists the models, the default first, the resident one last.
func (n *Inference) modelList() ([]control.Model, error) {
	r, err := n.models()
	if err != nil {
		return nil, err
	}
	loaded := n.loaded()
	var list []control.Model
	for _, m := range r.List() {
		v := n.view(r, &m)
		v.Unit, v.Loaded = loaded[m.Digest], loaded[m.Digest] != ""
		list = append(list, v)
	}
	return append(list, resident()), nil
}

// loaded are the units of the models in memory, by digest.
func (n *Inference) loaded() map[string]string {
	units := map[string]string{}
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return units
	}
	list, err := e.service.Models(context.Background(), &operator{})
	if err != nil {
		return units
	}
	for i := range list {
		if list[i].Loaded {
			units[list[i].Digest] = list[i].Unit
		}
	}
	return units
}

// find finds a model of the registry.
func (n *Inference) find(name string) (*registry.Registry, registry.Model, error) {
	r, err := n.models()
	if err != nil {
		return nil, registry.Model{}, err
	}
	m, err := r.Find(name)
	if err != nil && name == encoder.Name {
		err = bad(name+" is part of the program", "name a model that was added")
	}
	return r, m, err
}

// one is a model after something was done with it.
func (n *Inference) one(name string) (control.Model, error) {
	r, m, err := n.find(name)
	if err != nil {
		return control.Model{}, err
	}
	v := n.view(r, &m)
	unit := n.loaded()[m.Digest]
	v.Unit, v.Loaded = unit, unit != ""
	return v, nil
}

func (n *Inference) modelShow(_ context.Context, q control.ModelNamed) (control.ModelDetail, error) {
	var detail control.ModelDetail
	if q.Model == encoder.Name {
		detail.Model = resident()
		f, err := gguf.Parse(encoder.Resident())
		if err == nil {
			describe(&detail, f)
		}
		return detail, err
	}
	r, m, err := n.find(q.Model)
	if err != nil {
		return detail, err
	}
	if detail.Model, err = n.one(m.Digest); err != nil {
		return detail, err
	}
	w, release, err := r.Open(m)
	if err != nil {
		return detail, err
	}
	defer release()
	f, err := gguf.Parse(w.Bytes)
	if err != nil {
		return detail, err
	}
	describe(&detail, f)
	return detail, nil
}

func (n *Inference) modelAdd(ctx context.Context, q control.ModelAddRequest, show func(control.ModelProgress)) (control.ModelProgress, error) {
	r, err := n.models()
	if err != nil {
		return control.ModelProgress{}, err
	}
	if q.SHA256 != "" {
		if b, err := hex.DecodeString(q.SHA256); err != nil || len(b) != sha256.Size {
			return control.ModelProgress{}, bad("a SHA-256 has 64 hexadecimal digits", "copy it again")
		}
	}
	m, err := r.Add(ctx, q.Source, registry.Adding{Name: q.As, Digest: q.SHA256, Progress: slowly(show)})
	if err == nil && len(r.List()) == 1 {
		err = r.SetDefault(m.Digest) // it stays what is meant when others come
	}
	if err != nil {
		return control.ModelProgress{}, err
	}
	v := n.view(r, &m)
	return control.ModelProgress{Stage: "done", Model: &v}, nil
}

// slowly passes progress on, not more often than somebody can read.
func slowly(show func(control.ModelProgress)) registry.Progress {
	var last time.Time
	stage := ""
	return func(what string, done, total int64) {
		if now := wall(); what != stage || done == total || now.Sub(last) >= progressEvery {
			last, stage = now, what
			show(control.ModelProgress{Stage: what, Done: done, Total: total})
		}
	}
}

// isSource reports whether a word says where a model comes from.
func isSource(word string) bool {
	return strings.HasPrefix(word, "hub:") || strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://")
}

// modelPull adds a source, or brings a model to what its source has now: the
// new bytes get the name, and the old ones go when they have no other.
func (n *Inference) modelPull(ctx context.Context, q control.ModelNamed, show func(control.ModelProgress)) (control.ModelProgress, error) {
	if isSource(q.Model) {
		return n.modelAdd(ctx, control.ModelAddRequest{Source: q.Model}, show)
	}
	r, old, err := n.find(q.Model)
	if err != nil {
		return control.ModelProgress{}, err
	}
	if !isSource(old.Source) {
		return control.ModelProgress{}, bad(old.Name()+" came from a file of this machine", "add the new file with 'phi model add FILE'")
	}
	was, err := r.Find("")
	isDefault := err == nil && was.Digest == old.Digest
	name := old.Name()
	temporary := "pull-" + old.Digest[:idDigits]
	m, err := r.Add(ctx, old.Source, registry.Adding{Name: temporary, Progress: slowly(show)})
	if err != nil {
		return control.ModelProgress{}, err
	}
	same := m.Digest == old.Digest
	if same {
		_, err = r.Remove(temporary)
	} else {
		if slices.Contains(old.Names, name) {
			_, err = r.Remove(name)
		}
		err = errors.Join(err, r.Rename(temporary, name))
		if isDefault && err == nil {
			err = r.SetDefault(name)
		}
	}
	if err != nil {
		return control.ModelProgress{}, err
	}
	v, err := n.one(m.Digest)
	return control.ModelProgress{Stage: "done", Model: &v, Same: same}, err
}

func (n *Inference) modelRemove(_ context.Context, q control.ModelNamed) (control.ModelRemoved, error) {
	r, m, err := n.find(q.Model)
	if err != nil {
		return control.ModelRemoved{}, err
	}
	if q.Model == "" {
		return control.ModelRemoved{}, bad("which model is not said", "name it: 'phi model list' lists them")
	}
	digest, err := r.Remove(q.Model)
	if err != nil || digest == "" {
		return control.ModelRemoved{}, err
	}
	return control.ModelRemoved{Digest: digest, Bytes: m.Bytes}, nil
}

func (n *Inference) modelRename(_ context.Context, q control.ModelRenameRequest) (control.Model, error) {
	r, m, err := n.find(q.Model)
	if err == nil {
		err = r.Rename(q.Model, q.To)
	}
	if err != nil {
		return control.Model{}, err
	}
	return n.one(m.Digest)
}

func (n *Inference) modelDefault(_ context.Context, q control.ModelNamed) (control.Model, error) {
	r, m, err := n.find(q.Model)
	if err == nil {
		err = r.SetDefault(q.Model)
	}
	if err != nil {
		return control.Model{}, err
	}
	return n.one(m.Digest)
}

func (n *Inference) modelPin(ctx context.Context, q control.ModelPinRequest) (control.Model, error) {
	_, m, err := n.find(q.Model)
	if err != nil {
		return control.Model{}, err
	}
	e, done, err := n.use()
	if err != nil {
		return control.Model{}, err
	}
	defer done()
	if err := e.service.Pin(ctx, m.Digest, !q.Off); err != nil {
		return control.Model{}, err
	}
	return n.one(m.Digest)
}

func (n *Inference) modelUnload(_ context.Context, q control.ModelNamed) (control.Model, error) {
	_, m, err := n.find(q.Model)
	if err != nil {
		return control.Model{}, err
	}
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e != nil {
		err = e.service.Unload(m.Digest)
	}
	if err != nil {
		return control.Model{}, err
	}
	return n.one(m.Digest)
}

// modelQuantize writes a model in another format beside it, and takes that in.
func (n *Inference) modelQuantize(ctx context.Context, q control.ModelQuantizeRequest, show func(control.ModelProgress)) (control.ModelProgress, error) {
	to, err := formatOf(q.To)
	if err != nil {
		return control.ModelProgress{}, err
	}
	r, m, err := n.find(q.Model)
	if err != nil {
		return control.ModelProgress{}, err
	}
	if q.As == "" {
		q.As = m.Name() + "-" + strings.ToLower(to.String())
	}
	w, release, err := r.Open(m)
	if err != nil {
		return control.ModelProgress{}, err
	}
	defer release()
	f, err := gguf.Parse(w.Bytes)
	if err != nil {
		return control.ModelProgress{}, err
	}
	at, err := n.quantized(ctx, f, to, slowly(show))
	if err != nil {
		return control.ModelProgress{}, err
	}
	defer os.Remove(at) //nolint:errcheck // the registry has a copy
	made, err := r.Add(ctx, at, registry.Adding{Name: q.As, Progress: slowly(show)})
	if err != nil {
		return control.ModelProgress{}, err
	}
	v := n.view(r, &made)
	return control.ModelProgress{Stage: "done", Model: &v}, nil
}

// quantized writes a file in a format, under a name that is swept away when the
// node is killed.
func (n *Inference) quantized(ctx context.Context, f *gguf.File, to tensor.Format, show registry.Progress) (at string, err error) {
	out, err := os.CreateTemp(filepath.Join(n.c.DataDir, modelsFolder, "partial"), "copy-*")
	if err != nil {
		return "", err
	}
	err = gguf.Quantize(cancelled{ctx, out}, f, to, func(done, total int64) { show("quantize", done, total) })
	if err = errors.Join(err, out.Close()); err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}

// cancelled is a writer that fails once nobody wants what is written.
type cancelled struct {
	ctx context.Context //nolint:containedctx // it lives as long as one piece of work
	out io.Writer
}

// Write writes, unless the asker has left.
func (c cancelled) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.out.Write(b)
}

// formatOf reads the name of a format.
func formatOf(name string) (tensor.Format, error) {
	var known []string
	for _, f := range []tensor.Format{tensor.Q8_0, tensor.Q6_K, tensor.Q5_K, tensor.Q4_K, tensor.Q4_0, tensor.F16, tensor.BF16, tensor.F32} {
		if strings.EqualFold(f.String(), name) {
			return f, nil
		}
		known = append(known, f.String())
	}
	return 0, bad(fmt.Sprintf("there is no format %q to quantise to", name), "formats are "+strings.Join(known, ", "))
}

// modelVerify hashes a model's file again.
func (n *Inference) modelVerify(ctx context.Context, q control.ModelNamed, show func(control.ModelProgress)) (control.ModelProgress, error) {
	r, m, err := n.find(q.Model)
	if err != nil {
		return control.ModelProgress{}, err
	}
	w, release, err := r.Open(m)
	if err != nil {
		return control.ModelProgress{}, err
	}
	defer release()
	sum, tell := sha256.New(), slowly(show)
	for at := 0; at < len(w.Bytes); at += verifyStep {
		if err := ctx.Err(); err != nil {
			return control.ModelProgress{}, err
		}
		end := min(at+verifyStep, len(w.Bytes))
		_, _ = sum.Write(w.Bytes[at:end]) // a hash takes everything
		tell("check", int64(end), int64(len(w.Bytes)))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.Digest {
		return control.ModelProgress{}, &control.Error{
			Code: control.CodeMachine, Message: fmt.Sprintf("the file of %s has the SHA-256 %s and should have %s", m.Name(), got, m.Digest),
			Remedy: "remove the model and add it again, and look after the disk",
		}
	}
	v := n.view(r, &m)
	return control.ModelProgress{Stage: "done", Model: &v, Same: true}, nil
}

// describe says what a file says of itself.
func describe(d *control.ModelDetail, f *gguf.File) {
	d.Tensors, d.Formats = len(f.Tensors), map[string]int{}
	for i := range f.Tensors {
		d.Formats[f.Tensors[i].Format.String()]++
	}
	keys := f.Keys()
	for _, key := range keys[:min(len(keys), control.MetadataShown)] {
		d.Metadata = append(d.Metadata, control.Entry{Key: key, Value: f.Show(key)})
	}
}
