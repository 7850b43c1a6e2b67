package guest

import (
	"fmt"
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
	want, err := os.ReadFile(filepath.Join(root, npmDir, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("read which compiler to install: %w", err)
	}
	compiler, stamp := filepath.Join(dir, "node_modules", ".bin", "asc"), filepath.Join(dir, "installed.json")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(want) {
		return compiler, nil
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(want) {
		return compiler, nil
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(root, npmDir, name))
		if err != nil {
			return "", fmt.Errorf("read which compiler to install: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("install the compiler: %w", err)
		}
	}
	r := recipe{root: dir, tool: "npm", remedy: "make setup-node"}
	if err := r.run([]string{"ci", "--no-audit", "--no-fund", "--ignore-scripts"}); err != nil {
		return "", fmt.Errorf("install the AssemblyScript compiler: %w", err)
	}
	if err := os.WriteFile(stamp, want, 0o600); err != nil {
		return "", fmt.Errorf("install the compiler: %w", err)
	}
	return compiler, nil
}
