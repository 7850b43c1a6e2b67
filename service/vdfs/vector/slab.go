package vector

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

// slabKind is one of the forms in which each row is stored.
type slabKind int

const (
	slabBits   slabKind = iota // a bit a dimension
	slabCodes                  // a byte a dimension, 128 is zero
	slabScales                 // float32: what one code stands for
	slabFloats                 // float32 a dimension
	slabIDs                    // uint64
	slabKinds
)

// name is the end of the file's name.
func (k slabKind) name() string {
	return [slabKinds]string{"bits", "codes", "scales", "floats", "ids"}[k]
}

// stride is the bytes of a row.
func (k slabKind) stride(dimensions int) int {
	return [slabKinds]int{dimensions / 8, dimensions, 4, 4 * dimensions, 8}[k]
}

// mapping is the slabs of one generation, mapped for reading. It reaches beyond
// the ends of the files, so that rows appear in it as files grow: what is beyond
// must not be touched. It is unmapped when the last one lets go.
type mapping struct {
	refs     atomic.Int64
	capacity int // rows
	slabs    [slabKinds][]byte
}

// mapSlabs maps room for some rows; the caller holds the first reference.
func mapSlabs(files *[slabKinds]*os.File, dimensions, capacity int) (*mapping, error) {
	m := &mapping{capacity: capacity}
	m.refs.Store(1)
	for kind, f := range files {
		b, err := mapFile(f, capacity*slabKind(kind).stride(dimensions))
		if err != nil {
			return nil, errors.Join(err, m.release())
		}
		m.slabs[kind] = b
	}
	return m, nil
}

// mapFile maps the first bytes of a file for reading.
func mapFile(f *os.File, bytes int) ([]byte, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var b []byte
	var failure error
	if err := raw.Control(func(fd uintptr) {
		b, failure = syscall.Mmap(int(fd), 0, bytes, syscall.PROT_READ, syscall.MAP_SHARED)
	}); err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, fmt.Errorf("map %d bytes of %s: %w: raise the limit of address space", bytes, f.Name(), failure)
	}
	return b, nil
}

// acquire takes a reference, unless the last one is gone.
func (m *mapping) acquire() bool {
	for {
		n := m.refs.Load()
		if n == 0 {
			return false
		}
		if m.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release lets a reference go.
func (m *mapping) release() error {
	if m.refs.Add(-1) > 0 {
		return nil
	}
	var all error
	for _, b := range m.slabs {
		if b != nil {
			all = errors.Join(all, syscall.Munmap(b))
		}
	}
	return all
}

// rows is the bytes of rows [from, to) of a slab.
func (m *mapping) rows(kind slabKind, dimensions, from, to int) []byte {
	stride := kind.stride(dimensions)
	return m.slabs[kind][from*stride : to*stride]
}
