package main

import (
	"unsafe"

	"github.com/hybridgroup/yzma/pkg/llama"

	"phios/compute/llama/wire"
)

// words is the shared memory as tokens.
func (s *server) words() []llama.Token {
	b := s.bulk[wire.BulkStart:]
	// Safety: mapped memory starts at a page, BulkStart is a multiple of four,
	// and any bits are a number.
	return unsafe.Slice((*llama.Token)(unsafe.Pointer(&b[0])), len(b)/4)
}

// floats is the shared memory as numbers.
func (s *server) floats() []float32 {
	b := s.bulk[wire.BulkStart:]
	// Safety: as above.
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
}

// address is where bytes of mapped memory lie. They do not move, and stay
// mapped for as long as the process runs.
func address(b []byte) uintptr {
	// Safety: the memory is not Go's.
	return uintptr(unsafe.Pointer(&b[0]))
}
