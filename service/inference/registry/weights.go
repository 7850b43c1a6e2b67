package registry

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"syscall"

	"phios/compute"
)

// Open maps a model's file for a unit. The weights stay valid until release is
// called, also when the model is removed meanwhile.
func (r *Registry) Open(m Model) (w compute.Weights, release func(), err error) {
	f, err := os.Open(r.blob(m.Digest))
	if err != nil {
		return w, nil, fmt.Errorf("open %s: %w", m.Name(), err)
	}
	b, unmap, err := mapFile(f)
	if err != nil {
		_ = f.Close()
		return w, nil, fmt.Errorf("open %s: %w", m.Name(), err)
	}
	w = compute.Weights{Name: m.Name(), Bytes: b, File: f}
	if n, err := hex.Decode(w.Digest[:], []byte(m.Digest)); err != nil || n != len(w.Digest) {
		unmap()
		_ = f.Close()
		return w, nil, fmt.Errorf("open %s: its digest is not one; add it again", m.Name())
	}
	return w, func() { unmap(); _ = f.Close() }, nil
}

// mapFile maps a whole file for reading.
func mapFile(f *os.File) (b []byte, unmap func(), err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	n := int(info.Size())
	if n <= 0 || int64(n) != info.Size() {
		return nil, nil, errors.New("the file is empty, or larger than the address space")
	}
	b, err = syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d bytes: %w", n, err)
	}
	return b, func() { _ = syscall.Munmap(b) }, nil
}

// sized refuses what is too large or does not fit the disk, of which done bytes
// are there already.
func (r *Registry) sized(size, done int64) error {
	if size > r.o.BytesMax {
		return fmt.Errorf("it has %d bytes, at most %d are taken; raise that bound", size, r.o.BytesMax)
	}
	var at syscall.Statfs_t
	if err := syscall.Statfs(r.dir, &at); err != nil {
		return nil //nolint:nilerr // Not every file system tells; a full disk is then found by writing.
	}
	if free := int64(at.Bavail) * at.Bsize; size-done > free {
		return fmt.Errorf("it needs %d bytes and the disk has %d free; make room, or choose another folder: %w", size-done, free, syscall.ENOSPC)
	}
	return nil
}
