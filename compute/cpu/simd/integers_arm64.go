//nolint:revive // kernels take their operands one by one, as many as there are
package simd

import (
	"encoding/binary"
	"os"

	"phios/compute/tensor"
)

// sets are the sets that this processor can run, slowest first, besides the
// plain one. Each starts from the set before it and replaces what it does
// better.
func sets() []*Kernels {
	if !hasDotProduct("/proc/self/auxv") {
		return nil
	}
	k := Plain()
	k.name, k.features = "neon-dot", []string{"asimd", "asimddp"}
	k.products.q8_0 = product{rows: rowsQ8SDOT, blockRows: 2, block: nearRows(rowsQ8SDOT)}
	k.products.q4_K = product{rows: rowsQ4KSDOT, blockRows: 2, block: nearRows(rowsQ4KSDOT)}
	return []*Kernels{k}
}

// What the Linux kernel says of the processor: pairs of words, of which the one
// with the key AT_HWCAP has a bit for the dot product of bytes.
const (
	auxvHWCAP      = 16
	hwcapASIMDDP   = 1 << 20
	auxvEntryBytes = 16
)

// hasDotProduct reads the auxiliary vector; without one there is no such set.
func hasDotProduct(path string) bool {
	auxv, err := os.ReadFile(path) //nolint:gosec // a constant name of the system's
	if err != nil {
		return false
	}
	for ; len(auxv) >= auxvEntryBytes; auxv = auxv[auxvEntryBytes:] {
		if binary.LittleEndian.Uint64(auxv) == auxvHWCAP {
			return binary.LittleEndian.Uint64(auxv[8:])&hwcapASIMDDP != 0
		}
	}
	return false
}

// partBlocks is how many blocks' integers are made at a time, on the stack.
const partBlocks = 64

// rowsOf is the product of rows [lo, hi) and input row t.
type rowsOf func(k *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int)

// nearRows multiplies 16 rows with every input while they are near.
func nearRows(rows rowsOf) func(*Kernels, *Matrix, *Input, []float32, int, int, int) {
	return func(k *Kernels, m *Matrix, in *Input, out []float32, stride, lo, hi int) {
		for r := lo; r < hi; r += Grain {
			end := min(r+Grain, hi)
			for t := range in.rows {
				rows(k, m, in, t, out[t*stride+r:t*stride+end], r, end)
			}
		}
	}
}

func rowsQ8SDOT(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	codes, scales := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:]
	var dots [partBlocks]int32
	blocks := m.Columns / 32
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var lanes groupLanes
		for b := range blocks {
			if b%partBlocks == 0 {
				dotsQ8SDOT(&dots[0], &row[b*34], min(partBlocks, blocks-b), &codes[b*32])
			}
			lanes.add(b, dots[b%partBlocks], tensor.HalfToFloat(binary.LittleEndian.Uint16(row[b*34:])), scales[b])
		}
		out[r-lo] = lanes.sum()
	}
}

func rowsQ4KSDOT(_ *Kernels, m *Matrix, in *Input, t int, out []float32, lo, hi int) {
	blocks := m.Columns / superblock
	codes, scales, sums := in.codes[t*in.codeStride:], in.scales[t*in.scaleStride:], in.sums16[t*blocks*sumsEach:]
	var dots [partBlocks][2]int32
	for r := lo; r < hi; r++ {
		row := m.row(r)
		var y float32
		for b := range blocks {
			if b%partBlocks == 0 {
				dotsQ4KSDOT(&dots[0], &row[b*144], min(partBlocks, blocks-b), &codes[b*superblock], &sums[b*sumsEach])
			}
			n := &dots[b%partBlocks]
			y += leastTerm(row[b*144:], n[0], n[1], scales[b])
		}
		out[r-lo] = y
	}
}

// dotsQ8SDOT sets dots[b] to the integer dot product of block b.
//
//go:noescape
func dotsQ8SDOT(dots *int32, w *byte, blocks int, codes *int8)

// dotsQ4KSDOT sets dots[b] to the scaled dots and the scaled sums of superblock b.
//
//go:noescape
func dotsQ4KSDOT(dots *[2]int32, w *byte, blocks int, codes *int8, sums *int16)
