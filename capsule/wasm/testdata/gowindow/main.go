// Program gowindow maps the region named "region" into pages of its own heap.
// A message's first word says what to do: 0 read the word at an offset, 1 write
// there, 2 map shared, 3 map private, 4 unmap, 5 send through a ring in the
// window, 6 collect garbage and fill the heap.
package main

import (
	"runtime"
	"unsafe"
)

//go:wasmimport phi:cap named
func named(name unsafe.Pointer, length uint32, handle unsafe.Pointer) uint32

//go:wasmimport phi:mem map
func phiMap(region, offset, bytes, flags uint64, at uint32, result unsafe.Pointer) uint32

//go:wasmimport phi:mem unmap
func unmap(at uint32) uint32

//go:wasmimport phi:mem ring_send
func ringSend(at, message, slots uint32, ns uint64, bytes unsafe.Pointer, length uint32) uint32

const (
	windowBytes = 64 << 10
	ringOffset  = 32 << 10
	pageBytes   = 4096
)

var (
	message [656]byte
	words   = (*[4]uint64)(unsafe.Pointer(&message[40]))
	heap    []byte  // holds the window
	window  uintptr // the first whole page of it
	garbage [][]byte
)

// phiStart maps before anything is served: a handler may not.
//
//go:wasmexport phi_start
func phiStart(flags uint64) uint32 {
	heap = make([]byte, windowBytes+pageBytes)
	window = (uintptr(unsafe.Pointer(&heap[0])) + pageBytes - 1) &^ (pageBytes - 1)
	name := []byte("region")
	var handle, at uint64
	if status := named(unsafe.Pointer(&name[0]), uint32(len(name)), unsafe.Pointer(&handle)); status != 0 {
		return status
	}
	return phiMap(handle, 0, windowBytes, flags, uint32(window), unsafe.Pointer(&at))
}

//go:wasmexport phi_message
func phiMessage() uint32 { return uint32(uintptr(unsafe.Pointer(&message))) }

//go:wasmexport phi_handle
func phiHandle() uint32 {
	word := (*uint64)(unsafe.Pointer(window + uintptr(words[1])))
	switch words[0] {
	case 0:
		words[2] = *word
	case 1:
		*word = words[2]
	case 5:
		var slot [64]byte
		slot[0] = byte(words[2])
		words[2] = uint64(ringSend(uint32(window)+ringOffset, 64, 8, 1000, unsafe.Pointer(&slot[0]), 64))
	case 6:
		for range 100 {
			garbage = append(garbage, make([]byte, 100<<10))
		}
		garbage = nil
		runtime.GC()
	}
	return 0
}

func main() {}
