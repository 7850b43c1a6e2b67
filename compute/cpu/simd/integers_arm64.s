// The integer part of products for arm64, with the dot product of bytes (SDOT,
// Armv8.2). What floats there are stay in Go, shared with the plain twin: one or
// two terms a block, so the bits are the same by construction.

#include "textflag.h"

// Instructions that Go's assembler does not know, by number of register, as the
// Arm architecture reference manual encodes them:
//
//	SDOT    Vd.4S, Vn.16B, Vm.16B
//	SMULL   Vd.4S, Vn.4H, Vm.4H
//	SMLAL2  Vd.4S, Vn.8H, Vm.8H
//	MLA     Vd.4S, Vn.4S, Vm.S[i], i = 2h + l
#define SDOT(m, n, d) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d))
#define SMULL(m, n, d) WORD $(0x0e60c000 | (m)<<16 | (n)<<5 | (d))
#define SMLAL2(m, n, d) WORD $(0x4e608000 | (m)<<16 | (n)<<5 | (d))
#define MLA(h, l, m, n, d) WORD $(0x6f800000 | (l)<<21 | (m)<<16 | (h)<<11 | (n)<<5 | (d))

// func dotsQ8SDOT(dots *int32, w *byte, blocks int, codes *int8)
// R0 dots, R1 weights, R2 blocks left, R3 codes.
TEXT ·dotsQ8SDOT(SB), NOSPLIT, $0-32
	MOVD dots+0(FP), R0
	MOVD w+8(FP), R1
	MOVD blocks+16(FP), R2
	MOVD codes+24(FP), R3
block:
	ADD $2, R1, R4
	VLD1 (R4), [V1.B16, V2.B16]
	VLD1.P 32(R3), [V3.B16, V4.B16]
	VEOR V5.B16, V5.B16, V5.B16
	SDOT(3, 1, 5)
	SDOT(4, 2, 5)
	VADDV V5.S4, V5
	FMOVS F5, (R0)
	ADD $4, R0
	ADD $34, R1
	SUBS $1, R2
	BNE block
	RET

// CHUNK4 multiplies 32 bytes of nibbles, two groups whose scales are elements
// 2h and 2h+1 of register s.
#define CHUNK4(s, h) \
	VLD1.P 32(R4), [V1.B16, V2.B16]; \
	VLD1.P 64(R3), [V5.B16, V6.B16, V7.B16, V8.B16]; \
	VAND V31.B16, V1.B16, V3.B16; \
	VAND V31.B16, V2.B16, V4.B16; \
	VUSHR $4, V1.B16, V1.B16; \
	VUSHR $4, V2.B16, V2.B16; \
	VEOR V9.B16, V9.B16, V9.B16; \
	VEOR V10.B16, V10.B16, V10.B16; \
	SDOT(5, 3, 9); \
	SDOT(6, 4, 9); \
	SDOT(7, 1, 10); \
	SDOT(8, 2, 10); \
	MLA(h, 0, s, 9, 0); \
	MLA(h, 1, s, 10, 0)

// func dotsQ4KSDOT(dots *[2]int32, w *byte, blocks int, codes *int8, sums *int16)
// Sets dots[b] to the scaled dots and the scaled sums of superblock b.
// R0 dots, R1 weights, R2 superblocks left, R3 codes, R5 sums; R6…R9 the header,
// R10 and R11 masks; V0 scaled dots, V17 and V18 scales, V19 mins, V31 masks.
TEXT ·dotsQ4KSDOT(SB), NOSPLIT, $0-40
	MOVD dots+0(FP), R0
	MOVD w+8(FP), R1
	MOVD blocks+16(FP), R2
	MOVD codes+24(FP), R3
	MOVD sums+32(FP), R5
	VMOVI $15, V31.B16
	MOVD $0x3f3f3f3f, R10
	MOVD $0x0f0f0f0f, R11
	MOVD $0x30303030, R12
block:
	// The 6-bit scales and mins, as sixBits reads them.
	MOVWU 4(R1), R6
	MOVWU 8(R1), R7
	MOVWU 12(R1), R8
	AND R11, R8, R9
	LSR $4, R8, R8
	AND R11, R8, R8
	LSR $2, R6, R13
	AND R12, R13, R13
	ORR R13, R9, R9
	LSR $2, R7, R13
	AND R12, R13, R13
	ORR R13, R8, R8
	AND R10, R6, R6
	AND R10, R7, R7
	ORR R9<<32, R6, R6
	ORR R8<<32, R7, R7
	VMOV R6, V16.D[0]
	VMOV R7, V19.D[0]
	VUSHLL $0, V16.B8, V16.H8
	VUSHLL $0, V19.B8, V19.H8
	VUSHLL $0, V16.H4, V17.S4
	VUSHLL2 $0, V16.H8, V18.S4
	// Two sums of 16 make one of a group.
	VLD1.P 32(R5), [V20.H8, V21.H8]
	VADDP V21.H8, V20.H8, V20.H8
	SMULL(20, 19, 22)
	SMLAL2(20, 19, 22)
	VADDV V22.S4, V22
	ADD $16, R1, R4
	VEOR V0.B16, V0.B16, V0.B16
	CHUNK4(17, 0)
	CHUNK4(17, 1)
	CHUNK4(18, 0)
	CHUNK4(18, 1)
	VADDV V0.S4, V0
	FMOVS F0, (R0)
	FMOVS F22, 4(R0)
	ADD $8, R0
	ADD $144, R1
	SUBS $1, R2
	BNE block
	RET
