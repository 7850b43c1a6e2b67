package host

import (
	"phios/abi"
	"phios/platform"
)

// copyBytesMax bounds what is copied under a space's lock at a time, so that a
// long copy does not hold up a revocation.
const copyBytesMax = 1 << 20

// Read copies what is placed at address in a space: StatusRange when not all
// of it is placed, and then nothing is copied. When a part of more than 1 MiB
// is taken away while it is copied, what was copied before stays.
func (m *Machine) Read(id platform.Space, address uint64, to []byte) abi.Status {
	return m.transfer(id, address, to, copyOut)
}

// Write copies to what is placed at address in a space, like Read.
func (m *Machine) Write(id platform.Space, address uint64, from []byte) abi.Status {
	return m.transfer(id, address, from, copyIn)
}

// direction says which way transfer copies.
type direction uint8

const (
	copyOut direction = iota
	copyIn
)

// transfer copies in pieces, each under the space's lock, and looks before
// each whether all the rest is placed.
func (m *Machine) transfer(id platform.Space, address uint64, program []byte, way direction) abi.Status {
	for {
		s := m.rlock(id)
		if s == nil {
			return abi.StatusBadArgument
		}
		if !m.covered(s, address, uint64(len(program))) {
			s.mu.RUnlock()
			return abi.StatusRange
		}
		n := min(len(program), copyBytesMax)
		memory := bytesAt(m.at(s, address), uint64(n))
		if way == copyIn {
			copy(memory, program[:n])
		} else {
			copy(program[:n], memory)
		}
		s.mu.RUnlock()
		program = program[n:]
		address += uint64(n)
		if len(program) == 0 {
			return abi.StatusOK
		}
	}
}

// covered reports whether n bytes from address on are in the arena and placed
// in s. Nothing at all is covered anywhere in the arena. The caller holds s.mu.
func (m *Machine) covered(s *space, address, n uint64) bool {
	offset := address - m.arena
	if offset > m.arenaBytes || n > m.arenaBytes-offset {
		return false
	}
	return s.table.Covers(address, n)
}
