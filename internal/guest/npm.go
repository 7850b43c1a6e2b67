package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// npmDir says which AssemblyScript there is, to the byte.
const npmDir = "internal/guest/npm"

// compilerOf returns the AssemblyScript compiler, installed now or earlier in
// bin/npm. It is fetched from the registry that npm is set to.
func compilerOf(root string) (string, error) {
	dir, err := cacheDir(root, "npm")
	if err != nil {
		return "", err
	}
	compiler := filepath.Join(dir, "node_modules", ".bin", "asc")
	if installed(root, dir) {
		return compiler, nil
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if installed(root, dir) {
		return compiler, nil // By another, while this one waited.
	}
	if err := install(root, dir); err != nil {
		return "", fmt.Errorf("install the AssemblyScript compiler: %w", err)
	}
	return compiler, nil
}

// The files that say what to install, and the one that says what was.
const (
	npmPackage = "package.json"
	npmLock    = "package-lock.json"
	npmStamp   = "installed.json"
)

// installed reports whether dir holds what is asked for.
func installed(root, dir string) bool {
	want, err := fs.ReadFile(os.DirFS(root), npmDir+"/"+npmLock)
	if err != nil {
		return false
	}
	have, err := fs.ReadFile(os.DirFS(dir), npmStamp)
	return err == nil && string(have) == string(want)
}

// install fills dir.
func install(root, dir string) (err error) {
	into, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	var last []byte
	for _, name := range []string{npmPackage, npmLock} {
		if last, err = fs.ReadFile(os.DirFS(root), npmDir+"/"+name); err != nil {
			return err
		}
		if err := into.WriteFile(name, last, 0o600); err != nil {
			return err
		}
	}
	npm := recipe{root: dir, tool: "npm", remedy: "make setup-node"}
	if err := npm.run([]string{"ci", "--no-audit", "--no-fund", "--ignore-scripts"}); err != nil {
		return err
	}
	return into.WriteFile(npmStamp, last, 0o600)
}
