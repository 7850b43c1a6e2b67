package worker

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"phios/capsule/wasm"
)

// The modes with which a jailed process can read the cache, and nobody but its
// owner can write it.
const (
	revealedFolder = 0o755
	revealedFile   = 0o644
)

// reveal lets workers read what the engine keeps of a module. Where root runs
// the node a jailed process is nobody, for whom the engine's own modes close
// the cache. It does so once a module: what is in the cache does not change.
//
// The folder in which the cache lies is for its owner to close.
func (p *Pool) reveal(hash wasm.Hash) error {
	if os.Geteuid() != 0 {
		return nil // a worker is the same user
	}
	p.revealing.Lock()
	defer p.revealing.Unlock()
	if _, done := p.revealed[hash]; done {
		return nil
	}
	err := filepath.WalkDir(p.config.CacheDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // another install has renamed its folder meanwhile
			}
			return err
		}
		mode := fs.FileMode(revealedFile)
		if d.IsDir() {
			mode = revealedFolder
		} else if !d.Type().IsRegular() {
			return nil
		}
		//nolint:gosec // G122: only the node writes to the cache
		if err := os.Chmod(path, mode); err != nil && !os.IsNotExist(err) {
			return err //nolint:wrapcheck // it names the path, and is wrapped below
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("let workers read the cache: %w: it must belong to the user who runs the node", err)
	}
	p.revealed[hash] = struct{}{}
	return nil
}
