package simd

// abilities are what kernels need of a processor and of its system.
type abilities struct {
	// avx2: AVX2, FMA and F16C, and the system keeps the wide registers.
	avx2 bool
	// avx512VNNI: the above, AVX-512 F, BW, DQ, VL and VNNI, and the system
	// keeps their registers.
	avx512VNNI bool
	// avx512Popcount: the above, and bits counted in wide registers.
	avx512Popcount bool
}

// The bits, as Intel's manual (volume 2A, CPUID and XGETBV) gives them.
const (
	leaf1ECXFMA     = 1 << 12
	leaf1ECXOSXSAVE = 1 << 27
	leaf1ECXAVX     = 1 << 28
	leaf1ECXF16C    = 1 << 29

	leaf7EBXAVX2     = 1 << 5
	leaf7EBXAVX512F  = 1 << 16
	leaf7EBXAVX512DQ = 1 << 17
	leaf7EBXAVX512BW = 1 << 30
	leaf7EBXAVX512VL = 1 << 31
	leaf7ECXVNNI     = 1 << 11
	leaf7ECXPopcount = 1 << 14

	xcr0YMM = 1<<1 | 1<<2
	xcr0ZMM = xcr0YMM | 1<<5 | 1<<6 | 1<<7
)

// processor asks the processor what it can do. A feature counts only when the
// system saves its registers on a switch, which XCR0 says.
func processor() abilities {
	var a abilities
	most, _, _, _ := cpuid(0, 0)
	if most < 7 {
		return a
	}
	const first = leaf1ECXFMA | leaf1ECXOSXSAVE | leaf1ECXAVX | leaf1ECXF16C
	_, _, c, _ := cpuid(1, 0)
	if c&first != first {
		return a
	}
	saved := xgetbv()
	_, b, c, _ := cpuid(7, 0)
	const wide = leaf7EBXAVX512F | leaf7EBXAVX512DQ | leaf7EBXAVX512BW | leaf7EBXAVX512VL
	a.avx2 = b&leaf7EBXAVX2 != 0 && saved&xcr0YMM == xcr0YMM
	a.avx512VNNI = a.avx2 && b&wide == wide && c&leaf7ECXVNNI != 0 && saved&xcr0ZMM == xcr0ZMM
	a.avx512Popcount = a.avx512VNNI && c&leaf7ECXPopcount != 0
	return a
}

// cpuid runs CPUID.
//
//go:noescape
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32) //nolint:revive // the four registers it sets

// xgetbv returns the low half of XCR0. The processor must have OSXSAVE.
//
//go:noescape
func xgetbv() (eax uint32)
