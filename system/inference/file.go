package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateBytesMax bounds a file of units or keys.
const stateBytesMax = 16 << 20

// readState reads a file of JSON; one that is not there is empty.
func readState(path string, into any) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > stateBytesMax {
		return fmt.Errorf("%s has %d bytes, at most %d are read: move it away and set it up again", path, info.Size(), int64(stateBytesMax))
	}
	text, err := os.ReadFile(path) //nolint:gosec // G304: it lies in the data folder
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w: move it away and set it up again", path, err)
	}
	return nil
}

// writeState writes a file that only its owner reads, so that the old or the
// new one is there whole, whatever happens.
func writeState(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it was renamed, or is given up
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweep removes copies of files that a node that was killed did not finish.
// Downloads stay: they are gone on with.
func sweep(folder string) {
	left, err := filepath.Glob(filepath.Join(folder, "copy-*"))
	if err != nil {
		return
	}
	for _, path := range left {
		_ = os.Remove(path) // waste is no reason to refuse work
	}
}
