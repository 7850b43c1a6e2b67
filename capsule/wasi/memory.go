package wasi

import "encoding/binary"

// put32 and put64 write a number into memory.
func (c *call) put32(at, value uint32) Errno {
	b, ok := c.memory.Slice(at, 4)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint32(b, value)
	return errnoOK
}

func (c *call) put64(at uint32, value uint64) Errno {
	b, ok := c.memory.Slice(at, 8)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint64(b, value)
	return errnoOK
}

// put32s writes two numbers, or none.
func (c *call) put32s(at1, value1, at2, value2 uint32) Errno {
	if !c.writable(at2, 4) {
		return errnoFault
	}
	if errno := c.put32(at1, value1); errno != errnoOK {
		return errno
	}
	return c.put32(at2, value2)
}

// writable reports whether n bytes at an offset are inside. It is asked before
// something is done whose result goes there.
func (c *call) writable(at, n uint32) bool {
	_, ok := c.memory.Slice(at, n)
	return ok
}

// store copies b into memory.
func (c *call) store(at uint32, b []byte) Errno {
	to, ok := c.memory.Slice(at, uint32(len(b))) //nolint:gosec // G115: what is stored is small
	if !ok {
		return errnoFault
	}
	copy(to, b)
	return errnoOK
}

// path copies a path out of memory: the copy is what is checked and used.
func (c *call) path(at, n uint32) (string, Errno) {
	if n > PathBytesMax {
		return "", errnoNametoolong
	}
	b, ok := c.memory.Slice(at, n)
	if !ok {
		return "", errnoFault
	}
	p := string(b)
	switch {
	case p == "":
		return "", errnoNoent
	case hasZero(p):
		return "", errnoInval
	}
	return p, errnoOK
}

func hasZero(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// vector is one buffer of a read or a write, checked to be inside.
type vector struct{ at, n uint32 }

// vectors reads the list of buffers: at most VectorsMax, and of them as many
// bytes as TransferBytesMax. The list is good until the next call.
func (l *Layer) vectors(c *call, at, count uint32) ([]vector, Errno) {
	if count > VectorsMax {
		return nil, errnoInval
	}
	b, ok := c.memory.Slice(at, 8*count)
	if !ok {
		return nil, errnoFault
	}
	room := uint32(TransferBytesMax)
	l.buffers = l.buffers[:0]
	for i := range int(count) {
		v := vector{binary.LittleEndian.Uint32(b[8*i:]), binary.LittleEndian.Uint32(b[8*i+4:])}
		if !c.writable(v.at, v.n) {
			return nil, errnoFault
		}
		v.n = min(v.n, room)
		room -= v.n
		if v.n > 0 {
			l.buffers = append(l.buffers, v)
		}
	}
	return l.buffers, errnoOK
}
