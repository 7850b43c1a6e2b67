// Tiles of Q4_K, Q5_K and Q6_K for AVX-512 with VNNI: 16 rows of a panel (see
// kquant_panel_amd64.s) by 12, 8 or 4 rows of input. A lane is a row of
// weights, so nothing is ever added across lanes: a step takes four values of
// each row at once from the panel and four of an input, broadcast.
//
//	SI  panel                     AX  sums so far, 16 float32 an input
//	BX  values of the first input R8, R9, R10, R11, R12, R13: how far it is to
//	DX  its sums of 16                the input 1, 3, 5, 7, 9, 11 on; the
//	DI  its scales                    others are multiples by 2, 4 and 8
//	CX  superblocks left          R14 groups left
//	Z0…Z11   a group's dots, then the least values' sums, of each input
//	Z12…Z23  a superblock's scaled dots of each input
//	Z24 weights  Z25 scales of a group  Z26 d  Z27 dmin  Z28, Z29 spare
//
// Twelve inputs keep both multipliers busy over their latency of 4 to 5
// cycles and leave room for the constants. The float sums, used once in about
// eighty operations, stay in memory.
//
// A row of input has as many values as it has, an eighth of that in bytes of
// sums and a 64th in bytes of scales, so the distances are shifted, not kept
// three times.

#include "textflag.h"

// ON4 applies an operation with the operands of each input, o bytes from b.
#define ON4(op, o, b, w) \
	op o(b), w, Z0; \
	op o(b)(R8*1), w, Z1; \
	op o(b)(R8*2), w, Z2; \
	op o(b)(R9*1), w, Z3

// ON8 is the same for 8 inputs.
#define ON8(op, o, b, w) \
	ON4(op, o, b, w); \
	op o(b)(R8*4), w, Z4; \
	op o(b)(R10*1), w, Z5; \
	op o(b)(R9*2), w, Z6; \
	op o(b)(R11*1), w, Z7

// ON12 is the same for 12 inputs.
#define ON12(op, o, b, w) \
	ON8(op, o, b, w); \
	op o(b)(R8*8), w, Z8; \
	op o(b)(R12*1), w, Z9; \
	op o(b)(R10*2), w, Z10; \
	op o(b)(R13*1), w, Z11

// CLEAR… clears the dots, FRESH… the scaled dots.
#define CLEAR4 \
	VPXORD Z0, Z0, Z0; \
	VPXORD Z1, Z1, Z1; \
	VPXORD Z2, Z2, Z2; \
	VPXORD Z3, Z3, Z3

#define CLEAR8 \
	CLEAR4; \
	VPXORD Z4, Z4, Z4; \
	VPXORD Z5, Z5, Z5; \
	VPXORD Z6, Z6, Z6; \
	VPXORD Z7, Z7, Z7

#define CLEAR12 \
	CLEAR8; \
	VPXORD Z8, Z8, Z8; \
	VPXORD Z9, Z9, Z9; \
	VPXORD Z10, Z10, Z10; \
	VPXORD Z11, Z11, Z11

#define FRESH4 \
	VPXORD Z12, Z12, Z12; \
	VPXORD Z13, Z13, Z13; \
	VPXORD Z14, Z14, Z14; \
	VPXORD Z15, Z15, Z15

#define FRESH8 \
	FRESH4; \
	VPXORD Z16, Z16, Z16; \
	VPXORD Z17, Z17, Z17; \
	VPXORD Z18, Z18, Z18; \
	VPXORD Z19, Z19, Z19

#define FRESH12 \
	FRESH8; \
	VPXORD Z20, Z20, Z20; \
	VPXORD Z21, Z21, Z21; \
	VPXORD Z22, Z22, Z22; \
	VPXORD Z23, Z23, Z23

// SCALE… adds the dots of a group times its scales to the scaled dots.
#define SCALE4 \
	VPMULLD Z25, Z0, Z0; \
	VPADDD Z0, Z12, Z12; \
	VPMULLD Z25, Z1, Z1; \
	VPADDD Z1, Z13, Z13; \
	VPMULLD Z25, Z2, Z2; \
	VPADDD Z2, Z14, Z14; \
	VPMULLD Z25, Z3, Z3; \
	VPADDD Z3, Z15, Z15

#define SCALE8 \
	SCALE4; \
	VPMULLD Z25, Z4, Z4; \
	VPADDD Z4, Z16, Z16; \
	VPMULLD Z25, Z5, Z5; \
	VPADDD Z5, Z17, Z17; \
	VPMULLD Z25, Z6, Z6; \
	VPADDD Z6, Z18, Z18; \
	VPMULLD Z25, Z7, Z7; \
	VPADDD Z7, Z19, Z19

#define SCALE12 \
	SCALE8; \
	VPMULLD Z25, Z8, Z8; \
	VPADDD Z8, Z20, Z20; \
	VPMULLD Z25, Z9, Z9; \
	VPADDD Z9, Z21, Z21; \
	VPMULLD Z25, Z10, Z10; \
	VPADDD Z10, Z22, Z22; \
	VPMULLD Z25, Z11, Z11; \
	VPADDD Z11, Z23, Z23

// TERM… is the float part of a superblock of one input, as kquant.go defines it;
// s is where the input's scale is, TERML with least values and TERM0 without.
#define TERML(s, i, dots, sums) \
	VCVTDQ2PS dots, dots; \
	VCVTDQ2PS sums, sums; \
	VMULPS.BCST s, Z26, Z28; \
	VMULPS.BCST s, Z27, Z29; \
	VMULPS Z28, dots, dots; \
	VMULPS Z29, sums, sums; \
	VSUBPS sums, dots, dots; \
	VADDPS (64*i)(AX), dots, dots; \
	VMOVUPS dots, (64*i)(AX)

#define TERM0(s, i, dots, sums) \
	VPSLLD $5, sums, sums; \
	VPSUBD sums, dots, dots; \
	VCVTDQ2PS dots, dots; \
	VMULPS.BCST s, Z26, Z28; \
	VMULPS Z28, dots, dots; \
	VADDPS (64*i)(AX), dots, dots; \
	VMOVUPS dots, (64*i)(AX)

#define TERMS4(term) \
	term((DI), 0, Z12, Z0); \
	term((DI)(R8*1), 1, Z13, Z1); \
	term((DI)(R8*2), 2, Z14, Z2); \
	term((DI)(R9*1), 3, Z15, Z3)

#define TERMS8(term) \
	TERMS4(term); \
	term((DI)(R8*4), 4, Z16, Z4); \
	term((DI)(R10*1), 5, Z17, Z5); \
	term((DI)(R9*2), 6, Z18, Z6); \
	term((DI)(R11*1), 7, Z19, Z7)

#define TERMS12(term) \
	TERMS8(term); \
	term((DI)(R8*8), 8, Z20, Z8); \
	term((DI)(R12*1), 9, Z21, Z9); \
	term((DI)(R10*2), 10, Z22, Z10); \
	term((DI)(R13*1), 11, Z23, Z11)

// STEP takes four values of each row, STEPS4 sixteen.
#define STEP(on, k) \
	VMOVDQU64 (64*(k))(SI), Z24; \
	on(VPDPBUSD.BCST, (4*(k)), BX, Z24)

#define STEPS4(on, k) \
	STEP(on, k+0); \
	STEP(on, k+1); \
	STEP(on, k+2); \
	STEP(on, k+3)

// LEAST multiplies two sums of 16 by what the panel has for them.
#define LEAST(on, k) \
	VMOVDQU64 (4096+64*k)(SI), Z24; \
	on(VPDPWSSD.BCST, (4*k), DX, Z24)

// FAR multiplies the distances of inputs by 2ⁿ, NEAR divides them.
#define FAR(n) \
	SHLQ $n, R8; \
	SHLQ $n, R9; \
	SHLQ $n, R10; \
	SHLQ $n, R11; \
	SHLQ $n, R12; \
	SHLQ $n, R13

#define NEAR(n) \
	SHRQ $n, R8; \
	SHRQ $n, R9; \
	SHRQ $n, R10; \
	SHRQ $n, R11; \
	SHRQ $n, R12; \
	SHRQ $n, R13

#define GROUP32(on, clear, scale) \
	clear; \
	STEPS4(on, 0); \
	STEPS4(on, 4); \
	VMOVDQU64 (R15), Z25; \
	scale; \
	ADDQ $512, SI; \
	ADDQ $32, BX; \
	ADDQ $64, R15

#define GROUP16(on, clear, scale) \
	clear; \
	STEPS4(on, 0); \
	VMOVDQU64 (R15), Z25; \
	scale; \
	ADDQ $256, SI; \
	ADDQ $16, BX; \
	ADDQ $64, R15

// TILE is a whole kernel: of inputs inputs, with groups groups a superblock.
#define TILE(inputs, on, clear, fresh, scale, terms, term, group, groups) \
	MOVQ acc+16(FP), AX; \
	MOVQ panel+24(FP), SI; \
	MOVQ blocks+32(FP), CX; \
	MOVQ codes+40(FP), BX; \
	MOVQ codeStride+48(FP), R8; \
	MOVQ scales+56(FP), DI; \
	MOVQ sums+64(FP), DX; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R8)(R8*4), R10; \
	LEAQ (R9)(R8*4), R11; \
	LEAQ (R8)(R8*8), R12; \
	LEAQ (R9)(R8*8), R13; \
	VPXORD Z28, Z28, Z28; \
	MOVQ $inputs, R14; \
zero: \
	VMOVUPS Z28, (AX); \
	ADDQ $64, AX; \
	DECQ R14; \
	JNZ zero; \
	MOVQ acc+16(FP), AX; \
block: \
	fresh; \
	LEAQ 4736(SI), R15; \
	MOVQ $groups, R14; \
groups_: \
	group(on, clear, scale); \
	DECQ R14; \
	JNZ groups_; \
	SUBQ $4096, SI; \
	clear; \
	NEAR(3); \
	LEAST(on, 0); \
	LEAST(on, 1); \
	LEAST(on, 2); \
	LEAST(on, 3); \
	LEAST(on, 4); \
	LEAST(on, 5); \
	LEAST(on, 6); \
	LEAST(on, 7); \
	NEAR(3); \
	VMOVUPS 4608(SI), Z26; \
	VMOVUPS 4672(SI), Z27; \
	terms(term); \
	FAR(6); \
	ADDQ $5760, SI; \
	ADDQ $32, DX; \
	ADDQ $4, DI; \
	DECQ CX; \
	JNZ block; \
	MOVQ out+0(FP), DI; \
	MOVQ stride+8(FP), DX; \
	MOVQ $inputs, R14; \
store: \
	VMOVUPS (AX), Z28; \
	VMOVUPS Z28, (DI); \
	ADDQ $64, AX; \
	LEAQ (DI)(DX*4), DI; \
	DECQ R14; \
	JNZ store; \
	VZEROUPPER; \
	RET

// func leastTile12VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·leastTile12VNNI(SB), NOSPLIT, $0-72
	TILE(12, ON12, CLEAR12, FRESH12, SCALE12, TERMS12, TERML, GROUP32, 8)

// func leastTile8VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·leastTile8VNNI(SB), NOSPLIT, $0-72
	TILE(8, ON8, CLEAR8, FRESH8, SCALE8, TERMS8, TERML, GROUP32, 8)

// func leastTile4VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·leastTile4VNNI(SB), NOSPLIT, $0-72
	TILE(4, ON4, CLEAR4, FRESH4, SCALE4, TERMS4, TERML, GROUP32, 8)

// func signedTile12VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·signedTile12VNNI(SB), NOSPLIT, $0-72
	TILE(12, ON12, CLEAR12, FRESH12, SCALE12, TERMS12, TERM0, GROUP16, 16)

// func signedTile8VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·signedTile8VNNI(SB), NOSPLIT, $0-72
	TILE(8, ON8, CLEAR8, FRESH8, SCALE8, TERMS8, TERM0, GROUP16, 16)

// func signedTile4VNNI(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·signedTile4VNNI(SB), NOSPLIT, $0-72
	TILE(4, ON4, CLEAR4, FRESH4, SCALE4, TERMS4, TERM0, GROUP16, 16)
