package phi

import "unsafe"

// addressOf returns the offset of bytes in the program's memory.
//
// Safety: the number is for the node and never becomes a pointer again. It
// stays true as long as the bytes live, for Go does not move its heap, and
// keep holds them while a window is open.
func addressOf(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
