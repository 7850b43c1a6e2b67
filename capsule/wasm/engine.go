package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"phios/platform"
)

// The limits of an engine.
const (
	// ModuleBytesMax is the size of the largest module that is installed.
	ModuleBytesMax = 64 << 20
	// ImagesMax is the number of images that an engine holds at once.
	ImagesMax = 4096
	// MemoryBytesMax is the largest memory that a program can have: one page
	// of WebAssembly less than 4 GiB, so that the size fits into 32 bits.
	MemoryBytesMax = 4<<30 - pageBytes
	// MemoryBytesDefault bounds a program whose Spec does not.
	MemoryBytesDefault = 256 << 20

	pageBytes = 64 << 10 // of WebAssembly
)

// Hash names a module: the SHA-256 of the bytes that were installed.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Config says how an engine works.
type Config struct {
	// CacheDir is the folder in which compiled modules are kept; it is made
	// when it is not there. Whoever can write to it can run anything in this
	// process. Empty keeps nothing.
	CacheDir string
	// Clock tells how long programs run.
	Clock platform.Clock
	// Interpret runs programs without compiling them, 40 to 90 times slower,
	// as it is anyway on machines for which there is no compiler: for those
	// that allow no process to make machine code.
	Interpret bool
}

// Engine compiles modules and starts programs. Its methods may be called from
// any goroutine, but for Close, which comes last.
type Engine struct {
	config  Config
	plans   map[string]*plan
	wasi    map[string]hostFunction
	nn      map[string]hostFunction
	stopped *sys.ExitError // what host functions leave a program with

	mu     sync.Mutex
	images map[Hash]*slot // guarded by mu
}

// slot is the place of one image, so that two who install the same module at
// once compile it once.
type slot struct {
	mu    sync.Mutex
	image *Image // guarded by mu
}

// New returns an engine. The caller closes it.
func New(c Config) (*Engine, error) {
	if c.Clock == nil {
		return nil, errors.New("wasm engine: no clock: set Config.Clock")
	}
	if c.CacheDir != "" {
		if err := os.MkdirAll(c.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("wasm engine: make the cache folder: %w: choose a folder that can be written", err)
		}
	}
	return &Engine{
		config: c, plans: plans(), wasi: wasiFunctions(), nn: nnFunctions(), stopped: sys.NewExitError(sys.ExitCodeContextCanceled),
		images: map[Hash]*slot{},
	}, nil
}

// Close gives up all images. Every instance has been closed before.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.images {
		if s.image != nil {
			s.image.close()
		}
	}
	clear(e.images)
}

// Install makes an image of a module: it is checked, rewritten with fuel and
// compiled, or taken from the cache when it was before. It takes seconds for a
// large module that is new, and may be called by several at once.
func (e *Engine) Install(module []byte) (*Image, error) {
	if len(module) > ModuleBytesMax {
		return nil, fmt.Errorf("install: the module has %d bytes, more than %d: strip it or make it smaller", len(module), ModuleBytesMax)
	}
	hash := Hash(sha256.Sum256(module))
	return e.image(hash, func() (*Image, error) {
		if image, err := e.fromCache(hash); err == nil {
			return image, nil
		}
		return e.build(hash, module)
	})
}

// Load returns the image of a module that was installed before, by this engine
// or into its cache by another.
func (e *Engine) Load(hash Hash) (*Image, error) {
	return e.image(hash, func() (*Image, error) { return e.fromCache(hash) })
}

// image returns the image of a hash, made by make when there is none.
func (e *Engine) image(hash Hash, build func() (*Image, error)) (*Image, error) {
	e.mu.Lock()
	s := e.images[hash]
	if s == nil {
		if len(e.images) == ImagesMax {
			e.mu.Unlock()
			return nil, fmt.Errorf("image %v: the engine holds %d images, its limit: drop one that is not used", hash, ImagesMax)
		}
		s = &slot{}
		e.images[hash] = s
	}
	e.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.image != nil {
		return s.image, nil
	}
	image, err := build()
	if err != nil {
		e.mu.Lock()
		if e.images[hash] == s {
			delete(e.images, hash)
		}
		e.mu.Unlock()
		return nil, err
	}
	s.image = image
	return image, nil
}

// Drop forgets an image and frees its code. No instance of it is left, and
// nobody uses it any more; in the cache it stays.
func (e *Engine) Drop(image *Image) {
	e.mu.Lock()
	s := e.images[image.hash]
	delete(e.images, image.hash)
	e.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	image.close()
}

// features are those of WebAssembly that programs may use. Exceptions are not
// among them: the version of the compiler that is used has a fault there.
// Threads are, for their atomic instructions; memories shared between threads
// are refused at install.
func features() api.CoreFeatures { return api.CoreFeaturesV2 | extraFeatures }

// runtimeConfig is how the module of one image is run.
func (e *Engine) runtimeConfig(cache wazero.CompilationCache) wazero.RuntimeConfig {
	base := wazero.NewRuntimeConfig // compiles where there is a compiler
	if e.config.Interpret {
		base = wazero.NewRuntimeConfigInterpreter
	}
	c := base().
		WithCoreFeatures(features()).
		WithDebugInfoEnabled(false).
		WithMemoryLimitPages(MemoryBytesMax / pageBytes)
	if cache != nil {
		c = c.WithCompilationCache(cache)
	}
	return c
}
