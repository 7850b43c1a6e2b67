// Program goreactor is a Go program that serves: it adds one to the first word
// of each message, keeps a count, and shares a window of its heap.
package main

import "unsafe"

const messageWords = 40 // where the words of a message begin

var (
	message [656]byte
	count   uint64
	table   = squares()
)

func squares() map[int]int {
	m := map[int]int{}
	for i := range 1000 {
		m[i] = i * i
	}
	return m
}

//go:wasmexport phi_message
func phiMessage() uint32 { return uint32(uintptr(unsafe.Pointer(&message))) }

//go:wasmexport phi_handle
func phiHandle() uint32 {
	words := (*[4]uint64)(unsafe.Pointer(&message[messageWords]))
	count++
	words[1] = count
	words[2] = uint64(table[int(words[0])])
	words[0]++
	return 0
}

func main() {}
