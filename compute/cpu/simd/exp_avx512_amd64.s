// What needs exp, for AVX-512: as exp_avx2_amd64.s, with twice as many elements
// at a time. A chain as long as this one fills the processor's window, so that
// wider registers are what makes it faster.
//
//	Z0 x, then the result   Z1 n   Z2 the polynomial   K1 where it is not 0
//	Z4…Z17 the constants, in the order of the table

#include "textflag.h"

DATA exp512Table<>+0(SB)/4, $0x3fb8aa3b // log2e
DATA exp512Table<>+4(SB)/4, $0x3f318000 // ln2High
DATA exp512Table<>+8(SB)/4, $0xb95e8083 // ln2Low
DATA exp512Table<>+12(SB)/4, $0x39506967 // exp0
DATA exp512Table<>+16(SB)/4, $0x3ab743ce // exp1
DATA exp512Table<>+20(SB)/4, $0x3c088908 // exp2
DATA exp512Table<>+24(SB)/4, $0x3d2aa9c1 // exp3
DATA exp512Table<>+28(SB)/4, $0x3e2aaaaa // exp4
DATA exp512Table<>+32(SB)/4, $0x3f000000 // exp5
DATA exp512Table<>+36(SB)/4, $0x3f800000 // one
DATA exp512Table<>+40(SB)/4, $0xc2aeac4f // expLeast
DATA exp512Table<>+44(SB)/4, $0x42b0c0a5 // expMost
DATA exp512Table<>+48(SB)/4, $0xbfcc422a // geluScale
DATA exp512Table<>+52(SB)/4, $0x3d372713 // geluCube
GLOBL exp512Table<>(SB), RODATA|NOPTR, $56

#define CONSTANTS \
	VBROADCASTSS exp512Table<>+0(SB), Z4; \
	VBROADCASTSS exp512Table<>+4(SB), Z5; \
	VBROADCASTSS exp512Table<>+8(SB), Z6; \
	VBROADCASTSS exp512Table<>+12(SB), Z7; \
	VBROADCASTSS exp512Table<>+16(SB), Z8; \
	VBROADCASTSS exp512Table<>+20(SB), Z9; \
	VBROADCASTSS exp512Table<>+24(SB), Z10; \
	VBROADCASTSS exp512Table<>+28(SB), Z11; \
	VBROADCASTSS exp512Table<>+32(SB), Z12; \
	VBROADCASTSS exp512Table<>+36(SB), Z13; \
	VBROADCASTSS exp512Table<>+40(SB), Z14; \
	VBROADCASTSS exp512Table<>+44(SB), Z15; \
	VBROADCASTSS exp512Table<>+48(SB), Z16; \
	VBROADCASTSS exp512Table<>+52(SB), Z17

#define EXP \
	VCMPPS $5, Z14, Z0, K1; \
	VMINPS Z0, Z15, Z0; \
	VMAXPS Z0, Z14, Z0; \
	VMULPS Z4, Z0, Z1; \
	VRNDSCALEPS $8, Z1, Z1; \
	VMULPS Z5, Z1, Z2; \
	VSUBPS Z2, Z0, Z0; \
	VMULPS Z6, Z1, Z2; \
	VSUBPS Z2, Z0, Z0; \
	VMULPS Z7, Z0, Z2; \
	VADDPS Z8, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VADDPS Z9, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VADDPS Z10, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VADDPS Z11, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VADDPS Z12, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VMULPS Z0, Z2, Z2; \
	VADDPS Z0, Z2, Z2; \
	VADDPS Z13, Z2, Z2; \
	VCVTPS2DQ Z1, Z1; \
	VPSLLD $23, Z1, Z1; \
	VPADDD Z13, Z1, Z1; \
	VMULPS.Z Z1, Z2, K1, Z0

// gate at DI over 1+e^Z0, times up at SI.
#define GATE \
	EXP; \
	VADDPS Z13, Z0, Z0; \
	VMOVUPS (DI), Z1; \
	VDIVPS Z0, Z1, Z1; \
	VMULPS (SI), Z1, Z1; \
	VMOVUPS Z1, (DI)

// func expAVX512(x *float32, n int, most float32), n a multiple of 16
TEXT ·expAVX512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	CONSTANTS
	VBROADCASTSS most+16(FP), Z18
loop:
	VMOVUPS (DI), Z0
	VSUBPS Z18, Z0, Z0
	EXP
	VMOVUPS Z0, (DI)
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET

// func siluMulAVX512(gate, up *float32, n int), n a multiple of 16
TEXT ·siluMulAVX512(SB), NOSPLIT, $0-24
	MOVQ gate+0(FP), DI
	MOVQ up+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS
loop:
	VPXORD Z0, Z0, Z0
	VSUBPS (DI), Z0, Z0
	GATE
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET

// func geluMulAVX512(gate, up *float32, n int), n a multiple of 16
TEXT ·geluMulAVX512(SB), NOSPLIT, $0-24
	MOVQ gate+0(FP), DI
	MOVQ up+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS
loop:
	VMOVUPS (DI), Z0
	VMULPS Z0, Z0, Z1
	VMULPS Z17, Z1, Z1
	VMULPS Z0, Z1, Z1
	VADDPS Z1, Z0, Z0
	VMULPS Z16, Z0, Z0
	GATE
	ADDQ $64, DI
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET
