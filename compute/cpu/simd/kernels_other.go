//go:build !amd64 && !arm64

package simd

// sets are the sets that this processor can run, slowest first, besides the
// plain one.
func sets() []*Kernels { return nil }
