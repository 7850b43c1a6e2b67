// Products of one row of integer weights and some rows of input, for arm64. The
// file is included twice: with DOT made of the dot product of bytes, and without.
// DOT(m, n, d) adds to each of the four sums of register d four products of the
// bytes of m and n; it may use V30.
//
// The weights of a group of eight blocks, or of a superblock, are unpacked once
// into V0…V15, in the order of the input's codes, and then meet each input. So
// several inputs cost less than one each, and one is not another kernel.
//
//	R0 results   R1 weights   R2 groups left   R3 inputs
//	R4 codes   R5 how far inputs' codes lie apart   R6 scales   R7 the same
//	R14 sums   R15 the same
//	R8 inputs left   R9, R10, R11, R16 codes, scales, results, sums of this one
//	R12, R13 whatever

#include "textflag.h"

// Instructions that Go's assembler does not know, by number of register, as the
// Arm architecture reference manual encodes them. All are of four words but
// FCVTL, of four halves to four words, and SMULL and SMLAL2 of halves.
#define FMUL(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))
#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
#define SCVTF(n, d) WORD $(0x4e21d800 | (n)<<5 | (d))
#define FCVTL(n, d) WORD $(0x0e217800 | (n)<<5 | (d))
#define FCVTL2(n, d) WORD $(0x4e217800 | (n)<<5 | (d))
#define MUL4(m, n, d) WORD $(0x4ea09c00 | (m)<<16 | (n)<<5 | (d))
#define MLA4(m, n, d) WORD $(0x4ea09400 | (m)<<16 | (n)<<5 | (d))
#define SMULL(m, n, d) WORD $(0x0e60c000 | (m)<<16 | (n)<<5 | (d))
#define SMLAL2(m, n, d) WORD $(0x4e608000 | (m)<<16 | (n)<<5 | (d))
#define SXTL8(n, d) WORD $(0x0f08a400 | (n)<<5 | (d))
#define SXTL8U(n, d) WORD $(0x4f08a400 | (n)<<5 | (d))
#define SXTL16(n, d) WORD $(0x0f10a400 | (n)<<5 | (d))
#define SXTL16U(n, d) WORD $(0x4f10a400 | (n)<<5 | (d))

#define OPERANDS \
	MOVD results+0(FP), R0; \
	MOVD w+8(FP), R1; \
	MOVD groups+16(FP), R2; \
	MOVD inputs+24(FP), R3; \
	MOVD codes+32(FP), R4; \
	MOVD codeStride+40(FP), R5; \
	MOVD scales+48(FP), R6; \
	MOVD scaleStride+56(FP), R7; \
	LSL $2, R7, R7; \
	MOVD sums+64(FP), R14; \
	MOVD sumStride+72(FP), R15; \
	LSL $1, R15, R15; \
	VMOVI $15, V31.B16

#define INPUTS \
	MOVD R3, R8; \
	MOVD R4, R9; \
	MOVD R6, R10; \
	MOVD R0, R11; \
	MOVD R14, R16

#define CLEAR8 \
	VEOR V16.B16, V16.B16, V16.B16; \
	VEOR V17.B16, V17.B16, V17.B16; \
	VEOR V18.B16, V18.B16, V18.B16; \
	VEOR V19.B16, V19.B16, V19.B16; \
	VEOR V20.B16, V20.B16, V20.B16; \
	VEOR V21.B16, V21.B16, V21.B16; \
	VEOR V22.B16, V22.B16, V22.B16; \
	VEOR V23.B16, V23.B16, V23.B16

// Two registers of codes, onto two sums.
#define PAIR(w0, w1, s0, s1) \
	VLD1.P 32(R12), [V28.B16, V29.B16]; \
	DOT(28, w0, s0); \
	DOT(29, w1, s1)

// Eight sums of four, V16…V23, to eight sums in V16 and V20.
#define REDUCE8 \
	VADDP V17.S4, V16.S4, V16.S4; \
	VADDP V19.S4, V18.S4, V18.S4; \
	VADDP V21.S4, V20.S4, V20.S4; \
	VADDP V23.S4, V22.S4, V22.S4; \
	VADDP V18.S4, V16.S4, V16.S4; \
	VADDP V22.S4, V20.S4, V20.S4

// Codes in the order of blocks of 32.
#define DOTS32 \
	CLEAR8; \
	MOVD R9, R12; \
	PAIR(0, 1, 16, 16); \
	PAIR(2, 3, 17, 17); \
	PAIR(4, 5, 18, 18); \
	PAIR(6, 7, 19, 19); \
	PAIR(8, 9, 20, 20); \
	PAIR(10, 11, 21, 21); \
	PAIR(12, 13, 22, 22); \
	PAIR(14, 15, 23, 23); \
	REDUCE8

// The scales of eight blocks, R13 apart, in V25 and V24.
#define SCALES8 \
	MOVD R1, R12; \
	VLD1.P (R12)(R13), V24.H[0]; \
	VLD1.P (R12)(R13), V24.H[1]; \
	VLD1.P (R12)(R13), V24.H[2]; \
	VLD1.P (R12)(R13), V24.H[3]; \
	VLD1.P (R12)(R13), V24.H[4]; \
	VLD1.P (R12)(R13), V24.H[5]; \
	VLD1.P (R12)(R13), V24.H[6]; \
	VLD1.P (R12)(R13), V24.H[7]; \
	FCVTL(24, 25); \
	FCVTL2(24, 24)

// The eight sums, scaled, onto the lanes; then the next input.
#define ONTO8 \
	SCVTF(16, 16); \
	SCVTF(20, 20); \
	VLD1 (R10), [V26.S4, V27.S4]; \
	FMUL(26, 25, 26); \
	FMUL(27, 24, 27); \
	FMUL(26, 16, 16); \
	FMUL(27, 20, 20); \
	VLD1 (R11), [V28.S4, V29.S4]; \
	FADD(16, 28, 28); \
	FADD(20, 29, 29); \
	VST1.P [V28.S4, V29.S4], 32(R11); \
	ADD R5, R9, R9; \
	ADD R7, R10, R10

// func(lanes *groupLanes, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
TEXT Q8_GROUPS(SB), NOSPLIT, $0-80
	OPERANDS
	MOVD $34, R13
group:
	ADD $2, R1, R12
	VLD1.P (R12)(R13), [V0.B16, V1.B16]
	VLD1.P (R12)(R13), [V2.B16, V3.B16]
	VLD1.P (R12)(R13), [V4.B16, V5.B16]
	VLD1.P (R12)(R13), [V6.B16, V7.B16]
	VLD1.P (R12)(R13), [V8.B16, V9.B16]
	VLD1.P (R12)(R13), [V10.B16, V11.B16]
	VLD1.P (R12)(R13), [V12.B16, V13.B16]
	VLD1.P (R12)(R13), [V14.B16, V15.B16]
	SCALES8
	INPUTS
input:
	DOTS32
	ONTO8
	SUBS $1, R8
	BNE input
	ADD $272, R1
	ADD $256, R4
	ADD $32, R6
	SUBS $1, R2
	BNE group
	RET

// Four blocks of Q4_0 in H0…H3: their high nibbles stay there.
#define NIBBLES4(L0, L1, L2, L3, H0, H1, H2, H3) \
	VLD1.P (R12)(R13), [H0]; \
	VLD1.P (R12)(R13), [H1]; \
	VLD1.P (R12)(R13), [H2]; \
	VLD1.P (R12)(R13), [H3]; \
	VAND V31.B16, H0, L0; \
	VAND V31.B16, H1, L1; \
	VAND V31.B16, H2, L2; \
	VAND V31.B16, H3, L3; \
	VUSHR $4, H0, H0; \
	VUSHR $4, H1, H1; \
	VUSHR $4, H2, H2; \
	VUSHR $4, H3, H3; \
	VSUB V29.B16, L0, L0; \
	VSUB V29.B16, L1, L1; \
	VSUB V29.B16, L2, L2; \
	VSUB V29.B16, L3, L3; \
	VSUB V29.B16, H0, H0; \
	VSUB V29.B16, H1, H1; \
	VSUB V29.B16, H2, H2; \
	VSUB V29.B16, H3, H3

// func(lanes *groupLanes, w *byte, groups, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
TEXT Q4_GROUPS(SB), NOSPLIT, $0-80
	OPERANDS
	MOVD $18, R13
group:
	VMOVI $8, V29.B16
	ADD $2, R1, R12
	NIBBLES4(V0.B16, V1.B16, V2.B16, V3.B16, V4.B16, V5.B16, V6.B16, V7.B16)
	NIBBLES4(V8.B16, V9.B16, V10.B16, V11.B16, V12.B16, V13.B16, V14.B16, V15.B16)
	SCALES8
	INPUTS
input:
	// The input is split: four first halves, then four second ones.
	CLEAR8
	MOVD R9, R12
	PAIR(0, 1, 16, 17)
	PAIR(2, 3, 18, 19)
	PAIR(4, 5, 16, 17)
	PAIR(6, 7, 18, 19)
	PAIR(8, 9, 20, 21)
	PAIR(10, 11, 22, 23)
	PAIR(12, 13, 20, 21)
	PAIR(14, 15, 22, 23)
	REDUCE8
	ONTO8
	SUBS $1, R8
	BNE input
	ADD $144, R1
	ADD $256, R4
	ADD $32, R6
	SUBS $1, R2
	BNE group
	RET

// The scales of eight groups in V24 and V25 and their least values in V26, as
// sixBits reads them; d and dmin in V27.
#define HEADER \
	MOVWU 4(R1), R12; \
	MOVWU 8(R1), R13; \
	MOVWU 12(R1), R17; \
	AND $0x0f0f0f0f, R17, R19; \
	LSR $4, R17, R17; \
	AND $0x0f0f0f0f, R17, R17; \
	LSR $2, R12, R20; \
	AND $0x30303030, R20, R20; \
	ORR R20, R19, R19; \
	LSR $2, R13, R20; \
	AND $0x30303030, R20, R20; \
	ORR R20, R17, R17; \
	AND $0x3f3f3f3f, R12, R12; \
	AND $0x3f3f3f3f, R13, R13; \
	ORR R19<<32, R12, R12; \
	ORR R17<<32, R13, R13; \
	VMOV R12, V24.D[0]; \
	VMOV R13, V26.D[0]; \
	VUSHLL $0, V24.B8, V24.H8; \
	VUSHLL $0, V26.B8, V26.H8; \
	VUSHLL2 $0, V24.H8, V25.S4; \
	VUSHLL $0, V24.H4, V24.S4; \
	VLD1 (R1), V27.S[0]; \
	FCVTL(27, 27)

// The term of a superblock with least values onto the result; then the next
// input. Two sums of 16 make one of a group.
#define ONTOLEAST \
	MUL4(24, 16, 16); \
	MLA4(25, 20, 16); \
	VADDV V16.S4, V16; \
	VLD1 (R16), [V28.H8, V29.H8]; \
	VADDP V29.H8, V28.H8, V28.H8; \
	SMULL(28, 26, 29); \
	SMLAL2(28, 26, 29); \
	VADDV V29.S4, V29; \
	VMOV V29.S[0], V16.S[1]; \
	SCVTF(16, 16); \
	VLD1R (R10), [V18.S4]; \
	FMUL(18, 27, 18); \
	FMUL(18, 16, 16); \
	VDUP V16.S[1], V17.S4; \
	FSUBS F17, F16, F16; \
	FMOVS (R11), F18; \
	FADDS F16, F18, F18; \
	FMOVS F18, (R11); \
	ADD $4, R11; \
	ADD R5, R9, R9; \
	ADD R7, R10, R10; \
	ADD R15, R16, R16

// 32 bytes of nibbles: the low ones are a group, the high ones the next.
#define NIBBLES2(L0, L1, H0, H1) \
	VLD1.P 32(R12), [H0, H1]; \
	VAND V31.B16, H0, L0; \
	VAND V31.B16, H1, L1; \
	VUSHR $4, H0, H0; \
	VUSHR $4, H1, H1

#define NEXTSUPERBLOCK(bytes) \
	ADD $bytes, R1; \
	ADD $256, R4; \
	ADD $4, R6; \
	ADD $32, R14; \
	SUBS $1, R2

// func(results *float32, w *byte, superblocks, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
TEXT Q4K_BLOCKS(SB), NOSPLIT, $0-80
	OPERANDS
block:
	ADD $16, R1, R12
	NIBBLES2(V0.B16, V1.B16, V2.B16, V3.B16)
	NIBBLES2(V4.B16, V5.B16, V6.B16, V7.B16)
	NIBBLES2(V8.B16, V9.B16, V10.B16, V11.B16)
	NIBBLES2(V12.B16, V13.B16, V14.B16, V15.B16)
	HEADER
	INPUTS
input:
	DOTS32
	ONTOLEAST
	SUBS $1, R8
	BNE input
	NEXTSUPERBLOCK(144)
	BNE block
	RET

// The lowest bits of V28 and V29, as many as V26 has, become those from the
// fifth on of two registers, and are gone.
#define HIGH(shift, A, B) \
	VAND V26.B16, V28.B16, V16.B16; \
	VAND V26.B16, V29.B16, V17.B16; \
	VSHL $4, V16.B16, V16.B16; \
	VSHL $4, V17.B16, V17.B16; \
	VORR V16.B16, A, A; \
	VORR V17.B16, B, B; \
	VUSHR $shift, V28.B16, V28.B16; \
	VUSHR $shift, V29.B16, V29.B16

// func(results *float32, w *byte, superblocks, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
TEXT Q5K_BLOCKS(SB), NOSPLIT, $0-80
	OPERANDS
block:
	VMOVI $1, V26.B16
	ADD $16, R1, R12
	VLD1.P 32(R12), [V28.B16, V29.B16]
	NIBBLES2(V0.B16, V1.B16, V2.B16, V3.B16)
	NIBBLES2(V4.B16, V5.B16, V6.B16, V7.B16)
	NIBBLES2(V8.B16, V9.B16, V10.B16, V11.B16)
	NIBBLES2(V12.B16, V13.B16, V14.B16, V15.B16)
	HIGH(1, V0.B16, V1.B16)
	HIGH(1, V2.B16, V3.B16)
	HIGH(1, V4.B16, V5.B16)
	HIGH(1, V6.B16, V7.B16)
	HIGH(1, V8.B16, V9.B16)
	HIGH(1, V10.B16, V11.B16)
	HIGH(1, V12.B16, V13.B16)
	HIGH(1, V14.B16, V15.B16)
	HEADER
	INPUTS
input:
	DOTS32
	ONTOLEAST
	SUBS $1, R8
	BNE input
	NEXTSUPERBLOCK(176)
	BNE block
	RET

// Half a superblock of Q6_K: 64 bytes of nibbles at R12, 32 of higher bits at
// R13. The weights are 32 too large.
#define HALF6(A0, A1, A2, A3, B0, B1, B2, B3) \
	VLD1.P 64(R12), [B0, B1, B2, B3]; \
	VLD1.P 32(R13), [V28.B16, V29.B16]; \
	VAND V31.B16, B0, A0; \
	VAND V31.B16, B1, A1; \
	VAND V31.B16, B2, A2; \
	VAND V31.B16, B3, A3; \
	VUSHR $4, B0, B0; \
	VUSHR $4, B1, B1; \
	VUSHR $4, B2, B2; \
	VUSHR $4, B3, B3; \
	HIGH(2, A0, A1); \
	HIGH(2, A2, A3); \
	HIGH(2, B0, B1); \
	HIGH(2, B2, B3); \
	VSUB V27.B16, A0, A0; \
	VSUB V27.B16, A1, A1; \
	VSUB V27.B16, A2, A2; \
	VSUB V27.B16, A3, A3; \
	VSUB V27.B16, B0, B0; \
	VSUB V27.B16, B1, B1; \
	VSUB V27.B16, B2, B2; \
	VSUB V27.B16, B3, B3

// func(results *float32, w *byte, superblocks, inputs int, codes *int8, codeStride int, scales *float32, scaleStride int, sums *int16, sumStride int)
//
// V24…V27 are the scales of the sixteen groups, R13 is d.
TEXT Q6K_BLOCKS(SB), NOSPLIT, $0-80
	OPERANDS
block:
	VMOVI $15, V31.B16
	VMOVI $3, V26.B16
	VMOVI $32, V27.B16
	MOVD R1, R12
	ADD $128, R1, R13
	HALF6(V0.B16, V1.B16, V2.B16, V3.B16, V4.B16, V5.B16, V6.B16, V7.B16)
	HALF6(V8.B16, V9.B16, V10.B16, V11.B16, V12.B16, V13.B16, V14.B16, V15.B16)
	VLD1 (R13), [V16.B16]
	SXTL8(16, 17)
	SXTL8U(16, 18)
	SXTL16(17, 24)
	SXTL16U(17, 25)
	SXTL16(18, 26)
	SXTL16U(18, 27)
	MOVHU 208(R1), R12
	FMOVS R12, F16
	FCVTHS F16, F16
	FMOVS F16, R13
	INPUTS
input:
	CLEAR8
	MOVD R9, R12
	PAIR(0, 1, 16, 17)
	PAIR(2, 3, 18, 19)
	PAIR(4, 5, 20, 21)
	PAIR(6, 7, 22, 23)
	REDUCE8
	MUL4(24, 16, 16)
	MLA4(25, 20, 16)
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	VEOR V31.B16, V31.B16, V31.B16
	PAIR(8, 9, 17, 18)
	PAIR(10, 11, 19, 20)
	PAIR(12, 13, 21, 22)
	PAIR(14, 15, 23, 31)
	VADDP V18.S4, V17.S4, V17.S4
	VADDP V20.S4, V19.S4, V19.S4
	VADDP V22.S4, V21.S4, V21.S4
	VADDP V31.S4, V23.S4, V23.S4
	VADDP V19.S4, V17.S4, V17.S4
	VADDP V23.S4, V21.S4, V21.S4
	MLA4(26, 17, 16)
	MLA4(27, 21, 16)
	VADDV V16.S4, V16
	SCVTF(16, 16)
	FMOVS R13, F17
	FMOVS (R10), F18
	FMULS F17, F18, F18
	FMULS F18, F16, F16
	FMOVS (R11), F18
	FADDS F16, F18, F18
	FMOVS F18, (R11)
	ADD $4, R11
	ADD R5, R9, R9
	ADD R7, R10, R10
	SUBS $1, R8
	BNE input
	NEXTSUPERBLOCK(210)
	BNE block
	RET
