// What needs exp, for AVX2: see exp in vector_plain.go, which this follows
// operation by operation.
//
//	Y0 x, then the result   Y1 n   Y2 the polynomial   Y3 where the result is 0
//	Y4…Y15 the constants, in the order of the table

#include "textflag.h"

DATA expTable<>+0(SB)/4, $0x3fb8aa3b // log2e
DATA expTable<>+4(SB)/4, $0x3f318000 // ln2High
DATA expTable<>+8(SB)/4, $0xb95e8083 // ln2Low
DATA expTable<>+12(SB)/4, $0x39506967 // exp0
DATA expTable<>+16(SB)/4, $0x3ab743ce // exp1
DATA expTable<>+20(SB)/4, $0x3c088908 // exp2
DATA expTable<>+24(SB)/4, $0x3d2aa9c1 // exp3
DATA expTable<>+28(SB)/4, $0x3e2aaaaa // exp4
DATA expTable<>+32(SB)/4, $0x3f000000 // exp5
DATA expTable<>+36(SB)/4, $0x3f800000 // one
DATA expTable<>+40(SB)/4, $0xc2aeac4f // expLeast
DATA expTable<>+44(SB)/4, $0x42b0c0a5 // expMost
DATA expTable<>+48(SB)/4, $0xbfcc422a // geluScale
DATA expTable<>+52(SB)/4, $0x3d372713 // geluCube
GLOBL expTable<>(SB), RODATA|NOPTR, $56

#define CONSTANTS \
	VBROADCASTSS expTable<>+0(SB), Y4; \
	VBROADCASTSS expTable<>+4(SB), Y5; \
	VBROADCASTSS expTable<>+8(SB), Y6; \
	VBROADCASTSS expTable<>+12(SB), Y7; \
	VBROADCASTSS expTable<>+16(SB), Y8; \
	VBROADCASTSS expTable<>+20(SB), Y9; \
	VBROADCASTSS expTable<>+24(SB), Y10; \
	VBROADCASTSS expTable<>+28(SB), Y11; \
	VBROADCASTSS expTable<>+32(SB), Y12; \
	VBROADCASTSS expTable<>+36(SB), Y13; \
	VBROADCASTSS expTable<>+40(SB), Y14; \
	VBROADCASTSS expTable<>+44(SB), Y15

#define EXP \
	VCMPPS $1, Y14, Y0, Y3; \
	VMINPS Y0, Y15, Y0; \
	VMAXPS Y0, Y14, Y0; \
	VMULPS Y4, Y0, Y1; \
	VROUNDPS $8, Y1, Y1; \
	VMULPS Y5, Y1, Y2; \
	VSUBPS Y2, Y0, Y0; \
	VMULPS Y6, Y1, Y2; \
	VSUBPS Y2, Y0, Y0; \
	VMULPS Y7, Y0, Y2; \
	VADDPS Y8, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VADDPS Y9, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VADDPS Y10, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VADDPS Y11, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VADDPS Y12, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VMULPS Y0, Y2, Y2; \
	VADDPS Y0, Y2, Y2; \
	VADDPS Y13, Y2, Y2; \
	VCVTPS2DQ Y1, Y1; \
	VPSLLD $23, Y1, Y1; \
	VPADDD Y13, Y1, Y1; \
	VMULPS Y1, Y2, Y2; \
	VANDNPS Y2, Y3, Y0

// gate at DI over 1+e^Y0, times up at SI.
#define GATE \
	EXP; \
	VADDPS Y13, Y0, Y0; \
	VMOVUPS (DI), Y1; \
	VDIVPS Y0, Y1, Y1; \
	VMULPS (SI), Y1, Y1; \
	VMOVUPS Y1, (DI)

// func expAVX2(x *float32, n int, most float32), n a multiple of 8
TEXT ·expAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	CONSTANTS
loop:
	VBROADCASTSS most+16(FP), Y1
	VMOVUPS (DI), Y0
	VSUBPS Y1, Y0, Y0
	EXP
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func siluMulAVX2(gate, up *float32, n int), n a multiple of 8
TEXT ·siluMulAVX2(SB), NOSPLIT, $0-24
	MOVQ gate+0(FP), DI
	MOVQ up+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS
loop:
	VXORPS Y0, Y0, Y0
	VSUBPS (DI), Y0, Y0
	GATE
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func geluMulAVX2(gate, up *float32, n int), n a multiple of 8
TEXT ·geluMulAVX2(SB), NOSPLIT, $0-24
	MOVQ gate+0(FP), DI
	MOVQ up+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS
loop:
	VBROADCASTSS expTable<>+48(SB), Y2
	VBROADCASTSS expTable<>+52(SB), Y3
	VMOVUPS (DI), Y0
	VMULPS Y0, Y0, Y1
	VMULPS Y3, Y1, Y1
	VMULPS Y0, Y1, Y1
	VADDPS Y1, Y0, Y0
	VMULPS Y2, Y0, Y0
	GATE
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET
