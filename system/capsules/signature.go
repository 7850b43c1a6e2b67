package capsules

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"phios/capsule/manifest"
)

// signer checks the signature that came with an image, if one did, and returns
// whose it is; empty for an image that is not signed. A signature that does not
// fit is worse than none: such an image is refused.
func signer(folder string, text []byte) (string, error) {
	signature, err := os.ReadFile(filepath.Join(folder, manifest.SignatureName)) //nolint:gosec // G304: in the data folder
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read its signature: %w", err)
	}
	var files []manifest.File
	err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || name == manifest.SignatureName {
			return err
		}
		f, err := described(path, filepath.ToSlash(name))
		files = append(files, f)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read its files: %w", err)
	}
	return manifest.Verify(signature, text, files) //nolint:wrapcheck // it says all
}

// described is a file as signatures describe it.
func described(path, name string) (manifest.File, error) {
	f, err := os.Open(path) //nolint:gosec // G304: in the data folder
	if err != nil {
		return manifest.File{}, err //nolint:wrapcheck // the caller says what for
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return manifest.File{}, err //nolint:wrapcheck // the caller says what for
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return manifest.File{}, err //nolint:wrapcheck // the caller says what for
	}
	return manifest.File{
		Name: name, Size: info.Size(), Executable: info.Mode()&0o100 != 0, Digest: manifest.Digest(h.Sum(nil)),
	}, nil
}
