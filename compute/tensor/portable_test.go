package tensor

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// TestSameOnEveryProcessor: blocks are the same bytes where the compiler could
// fuse multiplications with additions, as it does for arm64 and riscv64.
func TestSameOnEveryProcessor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 64*256)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for f, want := range map[Format]uint32{Q8_0: 2734985177, Q4_0: 4072710242, Q4_K: 3090337430, Q5_K: 97449843, Q6_K: 511837331} {
		n, _ := f.RowBytes(len(x))
		b := make([]byte, n)
		Quantize(f, x, b)
		if got := crc32.ChecksumIEEE(b); got != want {
			t.Errorf("%v: the checksum of the blocks is %d, want %d", f, got, want)
		}
	}
}
