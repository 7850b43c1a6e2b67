// Package registry keeps models as files in a folder, by the SHA-256 of what
// they hold:
//
//	models.json             names, the default, and what each file holds
//	blobs/DIGEST.gguf       the files, read-only
//	partial/HASH.part       downloads under way, and HASH.json what they are of
//	lock                    held by one process at a time
//
// A file is taken in under a temporary name, hashed, parsed as a model, flushed
// and renamed; models.json likewise. So a crash leaves either the old or the new
// state, and at most a partial file, which the next download goes on with.
//
// Lock order: Registry.mu is the only lock; it is not held while bytes are
// copied, hashed or fetched.
package registry

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"phios/api/inference"
)

// Bounds.
const (
	ModelsMax     = 4096
	IndexBytesMax = 16 << 20
	// FileBytesMax is the largest file that is taken unless Options say
	// otherwise.
	FileBytesMax = 1 << 40
)

// Errors, wrapped with what was asked.
var (
	ErrUnknown = errors.New("no such model; 'phi model list' names those there are")
	ErrLocked  = errors.New("another process uses this folder of models; end it, or choose another folder")
	ErrName    = errors.New("not a name for a model: use letters, digits and . _ - / :, beginning with a letter or digit")
	ErrTaken   = errors.New("this name is taken by another model; remove or rename that one first")
)

// Options are what a registry is opened with.
type Options struct {
	// Hub is the base URL of hub: sources, such as https://example.org. Empty
	// refuses them.
	Hub string
	// Client fetches; nil is http.DefaultClient.
	Client *http.Client
	// BytesMax bounds a file.
	BytesMax int64
	// Now is the clock: required.
	Now func() time.Time
}

// Model is a model of the registry.
type Model struct {
	Names        []string  `json:"names"`
	Digest       string    `json:"digest"`
	Architecture string    `json:"architecture"`
	Format       string    `json:"format"`
	Parameters   int64     `json:"parameters"`
	Bytes        int64     `json:"bytes"`
	Context      int       `json:"context"`
	Source       string    `json:"source"`
	Added        time.Time `json:"added"`
}

// Name is its first name, or the beginning of its digest when it has none.
func (m *Model) Name() string {
	if len(m.Names) > 0 {
		return m.Names[0]
	}
	return m.Digest[:12]
}

// index is models.json.
type index struct {
	Default string  `json:"default"` // a digest
	Models  []Model `json:"models"`
}

// Registry is an open folder of models. Many goroutines may use it.
type Registry struct {
	dir  string
	o    Options
	lock *os.File

	mu    sync.Mutex
	index index
	busy  map[string]bool // sources that are being added
}

// Open opens a folder of models, making it when it is not there.
func Open(dir string, o Options) (*Registry, error) {
	if o.BytesMax <= 0 {
		o.BytesMax = FileBytesMax
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	for _, d := range []string{dir, filepath.Join(dir, "blobs"), filepath.Join(dir, "partial")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open models: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // G304: the folder is chosen by whoever runs the system
	if err != nil {
		return nil, fmt.Errorf("open models: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open models in %s: %w", dir, ErrLocked)
	}
	r := &Registry{dir: dir, o: o, lock: lock, busy: make(map[string]bool)}
	if err := r.read(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return r, nil
}

// Close lets other processes use the folder.
func (r *Registry) Close() error { return r.lock.Close() }

// read takes models.json in. Entries without their file are left out.
func (r *Registry) read() error {
	at := filepath.Join(r.dir, "models.json")
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open models: %w", err)
	}
	if info.Size() > IndexBytesMax {
		return fmt.Errorf("open models: %s has %d bytes, at most %d are read; move it away and add the models again",
			at, info.Size(), int64(IndexBytesMax))
	}
	b, err := os.ReadFile(at) //nolint:gosec // G304: as above
	if err != nil {
		return fmt.Errorf("open models: %w", err)
	}
	if err := json.Unmarshal(b, &r.index); err != nil {
		return fmt.Errorf("open models: %s: %w; move it away and add the models again", at, err)
	}
	r.index.Models = slices.DeleteFunc(r.index.Models, func(m Model) bool {
		sum, err := hex.DecodeString(m.Digest)
		if err != nil || len(sum) != 32 {
			return true
		}
		info, err := os.Stat(r.blob(m.Digest))
		return err != nil || info.Size() != m.Bytes
	})
	return nil
}

// write makes the index durable. The caller holds mu.
func (r *Registry) write() error {
	b, err := json.MarshalIndent(&r.index, "", "\t")
	if err != nil {
		return err
	}
	return replace(filepath.Join(r.dir, "models.json"), b)
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(at string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(at), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), at)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncFolder(filepath.Dir(at))
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // G304: as above
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (r *Registry) blob(digest string) string {
	return filepath.Join(r.dir, "blobs", digest+".gguf")
}

// checkName refuses what could not be told from a path, a source or an option.
func checkName(name string) error {
	if len(name) > inference.NameBytesMax || !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`).MatchString(name) ||
		strings.Contains(name, "..") {
		return fmt.Errorf("%q is %w", name, ErrName)
	}
	return nil
}

// List returns all models, the default first, then by name.
func (r *Registry) List() []Model {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.index.Models)
	slices.SortFunc(list, func(a, b Model) int {
		if (a.Digest == r.index.Default) != (b.Digest == r.index.Default) {
			if a.Digest == r.index.Default {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name(), b.Name())
	})
	return list
}

// Find finds a model by name, digest, or a beginning of a digest that no other
// has, of at least six characters. Empty is the default: the one that was
// chosen, or the only one.
func (r *Registry) Find(name string) (Model, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return Model{}, err
	}
	return r.index.Models[i], nil
}

const digestCharactersMin = 6

func (r *Registry) find(name string) (int, error) {
	models := r.index.Models
	if name == "" {
		if len(models) == 1 {
			return 0, nil
		}
		name = r.index.Default
		if name == "" {
			return 0, fmt.Errorf("no default is chosen among %d models: %w", len(models), ErrUnknown)
		}
	}
	if i := slices.IndexFunc(models, func(m Model) bool { return slices.Contains(m.Names, name) }); i >= 0 {
		return i, nil
	}
	found := -1
	for i := range models {
		if len(name) >= digestCharactersMin && strings.HasPrefix(models[i].Digest, name) {
			if found >= 0 {
				return 0, fmt.Errorf("%q is the beginning of two digests; give more of it: %w", name, ErrUnknown)
			}
			found = i
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	return found, nil
}

// Remove takes a name away from a model, and with the last one, or when named by
// its digest, the model itself. It reports the digest when the file went.
func (r *Registry) Remove(name string) (digest string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return "", err
	}
	m := &r.index.Models[i]
	if slices.Contains(m.Names, name) && len(m.Names) > 1 {
		m.Names = slices.DeleteFunc(slices.Clone(m.Names), func(n string) bool { return n == name })
		return "", r.write()
	}
	digest = m.Digest
	r.index.Models = slices.Delete(r.index.Models, i, i+1)
	if r.index.Default == digest {
		r.index.Default = ""
	}
	// The index first: a file that nobody names is waste, a name without its
	// file would be a lie.
	if err := r.write(); err != nil {
		return "", err
	}
	return digest, os.Remove(r.blob(digest))
}

// Rename gives a model another name in place of this one.
func (r *Registry) Rename(name, to string) error {
	if err := checkName(to); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return err
	}
	if j, err := r.find(to); err == nil {
		if j != i {
			return fmt.Errorf("%q: %w", to, ErrTaken)
		}
	}
	m := &r.index.Models[i]
	m.Names = append(slices.DeleteFunc(slices.Clone(m.Names), func(n string) bool { return n == name || n == to }), to)
	return r.write()
}

// SetDefault chooses the model that requests mean who name none.
func (r *Registry) SetDefault(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.find(name)
	if err != nil {
		return err
	}
	r.index.Default = r.index.Models[i].Digest
	return r.write()
}
