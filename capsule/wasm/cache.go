package wasm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"

	"phios/capsule/fuel"
)

// The cache is a folder with a folder for each module, named by the hash of
// the module, of the rewriter's version and of the compiler's:
//
//	module  what the rewriter made of it
//	facts   what the rewriter says about it
//	native/ what the compiler made of that
//	sums    the SHA-256 of all of those, written last
//
// A folder is written under another name and renamed when it is complete. When
// a sum is wrong the folder is as good as not there: the compiler's own check
// covers its machine code but not where functions begin in it.
const (
	fileModule = "module"
	fileFacts  = "facts"
	fileSums   = "sums"
	dirNative  = "native"

	// entryFilesMax and entryBytesMax bound what is read of an entry.
	entryFilesMax = 64
	entryBytesMax = 1 << 30
)

// errDamaged is an entry of the cache that is not as it was written.
var errDamaged = errors.New("the cached module is damaged: install it again")

// module is a module that was rewritten.
type module struct {
	code  []byte
	facts facts
}

// facts is what the engine has to know of a module besides what the compiler
// tells.
type facts struct {
	// Globals are the exported names of the globals that can change.
	Globals []string
	// Fixed says why the module cannot be frozen; empty when it can.
	Fixed string
}

// instrument rewrites a module.
func instrument(code []byte) (module, error) {
	r, err := fuel.Rewrite(code, fuel.Options{ModuleBytes: ModuleBytesMax})
	if err != nil {
		return module{}, fmt.Errorf("rewrite: %w", err)
	}
	m := module{code: r.Module}
	m.facts.Fixed, _ = r.Freezable()
	for _, g := range r.Mutable {
		m.facts.Globals = append(m.facts.Globals, fmt.Sprintf("%s%d", fuel.GlobalPrefix, g.Index))
	}
	return m, nil
}

// key returns the name of a module's folder.
func (h Hash) key() string {
	sum := sha256.Sum256([]byte(h.String() + "\n" + fuel.Version + "\n" + compilerVersion()))
	return hex.EncodeToString(sum[:])
}

// compilerVersion names the compiler that this program was built with.
func compilerVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/tetratelabs/wazero" {
			return d.Version + " " + d.Sum
		}
	}
	return "unknown"
}

// build rewrites and compiles a module, and keeps the result.
func (e *Engine) build(hash Hash, code []byte) (*Image, error) {
	m, err := instrument(code)
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	if e.config.CacheDir == "" {
		image, err := e.compile(hash, m, nil)
		if err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		return image, nil
	}
	image, err := e.keep(hash, m)
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	return image, nil
}

// keep compiles a module into a folder of its own and names it when all is
// there.
func (e *Engine) keep(hash Hash, m module) (*Image, error) {
	dir, err := os.MkdirTemp(e.config.CacheDir, ".new-")
	if err != nil {
		return nil, fmt.Errorf("make a folder in the cache: %w: free some space or choose another folder", err)
	}
	image, err := e.fill(dir, hash, m)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	final := filepath.Join(e.config.CacheDir, hash.key())
	if err := os.Rename(dir, final); err != nil {
		// What is there is damaged, or somebody else's that is as good.
		_ = os.RemoveAll(final)
		if err := os.Rename(dir, final); err != nil {
			_ = os.RemoveAll(dir) // the image is good without being kept
		}
	}
	return image, nil
}

func (e *Engine) fill(dir string, hash Hash, m module) (*Image, error) {
	text, err := json.Marshal(m.facts)
	if err != nil {
		return nil, fmt.Errorf("encode what the rewriter says: %w", err)
	}
	for name, content := range map[string][]byte{fileModule: m.code, fileFacts: text} {
		if err := write(filepath.Join(dir, name), content); err != nil {
			return nil, err
		}
	}
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(dir, dirNative))
	if err != nil {
		return nil, fmt.Errorf("make the compiler's cache: %w", err)
	}
	image, err := e.compile(hash, m, cache)
	if err != nil {
		return nil, err
	}
	sums, err := sumsOf(dir)
	if err == nil {
		err = write(filepath.Join(dir, fileSums), sums)
	}
	if err != nil {
		image.close()
		return nil, err
	}
	return image, nil
}

// fromCache returns the image that was kept. When only its machine code is
// damaged it is compiled again.
func (e *Engine) fromCache(hash Hash) (*Image, error) {
	if e.config.CacheDir == "" {
		return nil, fmt.Errorf("image %v: not installed: install it first", hash)
	}
	dir := filepath.Join(e.config.CacheDir, hash.key())
	want, err := os.ReadFile(filepath.Join(dir, fileSums)) //nolint:gosec // G304: the engine's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("image %v: not installed, or by another version: install it first", hash)
	}
	if err != nil {
		return nil, fmt.Errorf("image %v: %w", hash, err)
	}
	m, err := readModule(dir, want)
	if err != nil {
		return nil, fmt.Errorf("image %v: %w", hash, err)
	}
	have, err := sumsOf(dir)
	if err != nil || !bytes.Equal(have, want) {
		return e.keep(hash, m)
	}
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(dir, dirNative))
	if err != nil {
		return nil, fmt.Errorf("image %v: %w", hash, err)
	}
	image, err := e.compile(hash, m, cache)
	if err != nil {
		return e.keep(hash, m)
	}
	return image, nil
}

// readModule reads a rewritten module whose sums are right.
func readModule(dir string, sums []byte) (module, error) {
	var m module
	code, err := readSummed(dir, fileModule, sums)
	if err != nil {
		return module{}, err
	}
	text, err := readSummed(dir, fileFacts, sums)
	if err != nil {
		return module{}, err
	}
	if err := json.Unmarshal(text, &m.facts); err != nil {
		return module{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	m.code = code
	return m, nil
}

func readSummed(dir, name string, sums []byte) ([]byte, error) {
	content, err := readBounded(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Split(string(sums), "\n"), sumLine(name, content)) {
		return nil, errDamaged
	}
	return content, nil
}

func sumLine(name string, content []byte) string {
	return fmt.Sprintf("%x %s", sha256.Sum256(content), name)
}

// sumsOf returns the lines of the sums file, in the order of the names.
func sumsOf(dir string) ([]byte, error) {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == fileSums {
			return err
		}
		if len(lines) == entryFilesMax {
			return errDamaged
		}
		content, err := readBounded(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		lines = append(lines, sumLine(name, content))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the cached module: %w", err)
	}
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read the cached module: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > entryBytesMax {
		return nil, errDamaged
	}
	content, err := os.ReadFile(path) //nolint:gosec // G304: the engine's own folder
	if err != nil {
		return nil, fmt.Errorf("read the cached module: %w", err)
	}
	return content, nil
}

// write makes a file that is on the disk when it returns.
func write(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the engine's own folder
	if err != nil {
		return fmt.Errorf("write to the cache: %w: free some space or choose another folder", err)
	}
	_, err = f.Write(content)
	if syncErr := f.Sync(); err == nil {
		err = syncErr
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write to the cache: %w: free some space or choose another folder", err)
	}
	return nil
}
