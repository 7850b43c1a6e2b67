package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limits of one build.
const (
	buildTimeMax    = 5 * time.Minute
	sourceFilesMax  = 1000
	sourceBytesMax  = 16 << 20
	outputShownSize = 4000
)

// recipe is how one module is made.
type recipe struct {
	root    string
	name    string   // of the result
	sources []string // files and folders that it depends on, from the root
	tool    string
	args    []string
	output  string // the tool's flag for the result
	from    string
	env     []string
	remedy  string // what gets the tool
}

// build returns the module, made now or earlier.
func (r recipe) build() ([]byte, error) {
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	dir, err := cacheDir(r.root, "guests")
	if err != nil {
		return nil, err
	}
	cache, file := os.DirFS(dir), r.name+"-"+key+".wasm"
	if module, err := fs.ReadFile(cache, file); err == nil {
		return module, nil
	}
	unlock, err := lock(filepath.Join(dir, r.name+".lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if module, err := fs.ReadFile(cache, file); err == nil {
		return module, nil // Made while this one waited.
	}
	if err := r.make(dir, filepath.Join(dir, file)); err != nil {
		return nil, err
	}
	module, err := fs.ReadFile(cache, file)
	if err != nil {
		return nil, fmt.Errorf("read what was built: %w", err)
	}
	return module, nil
}

// make runs the tool, and then removes what an older source gave.
func (r recipe) make(dir, file string) error {
	fresh := file + ".new"
	args := append(append([]string{}, r.args...), r.output, fresh, r.from)
	if err := r.run(args); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, r.name+"-????????????????.wasm"))
	if err != nil {
		return fmt.Errorf("look for older modules: %w", err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("remove an older module: %w", err)
		}
	}
	return os.Rename(fresh, file)
}

func (r recipe) run(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.tool, args...) //nolint:gosec // G204: the tools are this package's choice
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), r.env...)
	text, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("no %s in PATH: %s", r.tool, r.remedy)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(r.tool), err, text[:min(len(text), outputShownSize)])
	}
	return nil
}

// key is a hash of all that goes into the module: the command, the compiler
// as its file's size and time, and the sources.
func (r recipe) key() (string, error) {
	tool, err := exec.LookPath(r.tool)
	if err != nil {
		return "", fmt.Errorf("no %s in PATH: %s", r.tool, r.remedy)
	}
	info, err := os.Stat(tool)
	if err != nil {
		return "", fmt.Errorf("look at the compiler: %w", err)
	}
	h := sha256.New()
	h.Write(fmt.Appendln(nil, r.tool, info.Size(), info.ModTime().UnixNano(), r.args, r.env, r.from))
	tree, files, size := os.DirFS(r.root), 0, 0
	for _, source := range r.sources {
		err := fs.WalkDir(tree, source, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".wasm") {
				return err
			}
			text, err := fs.ReadFile(tree, path)
			if err != nil {
				return err
			}
			files, size = files+1, size+len(text)
			if files > sourceFilesMax || size > sourceBytesMax {
				return fmt.Errorf("%s: more than %d files or %d bytes of source", source, sourceFilesMax, sourceBytesMax)
			}
			h.Write(fmt.Appendf(nil, "%q %d\n%s", path, len(text), text))
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("read the sources: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// Folder returns a folder in which a test may keep what it makes for the next
// run: one of that name in the repository's bin, or in the user's cache when
// the repository is somebody else's.
func Folder(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return cacheDir(root, name)
}

// cacheDir is Folder for the repository at root.
func cacheDir(root, name string) (string, error) {
	dir := filepath.Join(root, "bin", name)
	if err := os.MkdirAll(dir, 0o750); err == nil && writable(dir) {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%s is not writable, and there is no other place: set HOME: %w", dir, err)
	}
	dir = filepath.Join(cache, "phios", name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make a place for built programs: %w", err)
	}
	return dir, nil
}

// writable reports whether this user can make files in dir.
func writable(dir string) bool {
	const write = 2
	return syscall.Access(dir, write) == nil
}

// lock waits for a lock file, which stays, and returns what unlocks it.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // G304: in the cache
	if err != nil {
		return nil, fmt.Errorf("open a lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // Closing unlocks.
}
