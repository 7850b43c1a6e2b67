package encoder

import "unsafe"

// bytesOf looks at a string as bytes.
func bytesOf(s string) []byte {
	// Safety: the bytes of s stay as long as the slice, which keeps them alive,
	// and the encoder and the parser only read.
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
