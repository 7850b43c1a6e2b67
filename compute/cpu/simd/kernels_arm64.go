package simd

import (
	"encoding/binary"
	"os"
)

// sets are the sets that this processor can run, slowest first, besides the
// plain one. Each starts from the set before it and replaces what it does
// better.
func sets() []*Kernels {
	caps := hardware("/proc/self/auxv")
	if caps&hwcapASIMD == 0 {
		return nil
	}
	k := Plain()
	k.name, k.features = "neon", []string{"asimd"}
	p := &k.products
	p.q8_0, p.q4_0 = blocks32(q8GroupsNEON), blocks32(q4GroupsNEON)
	p.q4_K, p.q5_K, p.q6_K = blocks256(q4kBlocksNEON), blocks256(q5kBlocksNEON), blocks256(q6kBlocksNEON)
	useFloatsNEON(k)
	found := []*Kernels{k}
	if caps&hwcapASIMDDP != 0 {
		k := *k
		k.name, k.features = "neon-dot", []string{"asimd", "asimddp"}
		p := &k.products
		p.q8_0, p.q4_0 = blocks32(q8GroupsDot), blocks32(q4GroupsDot)
		p.q4_K, p.q5_K, p.q6_K = blocks256(q4kBlocksDot), blocks256(q5kBlocksDot), blocks256(q6kBlocksDot)
		found = append(found, &k)
	}
	return found
}

// What the Linux kernel says of the processor: pairs of words, of which the one
// with the key AT_HWCAP has a bit for vectors and one for the dot product of
// bytes.
const (
	auxvHWCAP      = 16
	hwcapASIMD     = 1 << 1
	hwcapASIMDDP   = 1 << 20
	auxvEntryBytes = 16
)

// hardware reads what the processor has from the auxiliary vector: nothing
// where there is none.
func hardware(path string) uint64 {
	auxv, err := os.ReadFile(path) //nolint:gosec // a constant name of the system's
	if err != nil {
		return 0
	}
	for ; len(auxv) >= auxvEntryBytes; auxv = auxv[auxvEntryBytes:] {
		if binary.LittleEndian.Uint64(auxv) == auxvHWCAP {
			return binary.LittleEndian.Uint64(auxv[8:])
		}
	}
	return 0
}
