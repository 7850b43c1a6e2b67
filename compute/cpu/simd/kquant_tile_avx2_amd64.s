// Tiles of Q4_K, Q5_K and Q6_K for AVX2: 8 rows, one half of a panel, by 6
// inputs. As in kquant_tile_amd64.s a lane is a row, but a product is added up
// in 16 bits for as long as it fits: 8 steps of Q4_K (15·128·2·8 = 30,720), 4 of
// Q5_K, 2 of Q6_K. Then VPMADDWD scales it.
//
//	SI  the half of the panel     AX  sums so far, 8 float32 an input
//	BX  values of the first input R8, R9, R10: how far it is to the
//	DX  its sums of 16                input 1, 3, 5 on; the others are
//	DI  its scales                    multiples by 2 and 4
//	CX  superblocks left          R14 groups left, R15 their scales
//	Y0…Y5   dots in 16 bits       Y6…Y11 scaled dots in 32
//	Y12 weights, later d·dx  Y13, Y14 spare  Y15 scales

#include "textflag.h"

// ON6 applies op to each input's operand, dots and scaled dots.
#define ON6(op, o, b) \
	op(o(b), Y0, Y6); \
	op(o(b)(R8*1), Y1, Y7); \
	op(o(b)(R8*2), Y2, Y8); \
	op(o(b)(R9*1), Y3, Y9); \
	op(o(b)(R8*4), Y4, Y10); \
	op(o(b)(R10*1), Y5, Y11)

// FIRST begins a sum of 16 bits with four products, MORE adds four.
#define FIRST(x, d, s) \
	VPBROADCASTD x, Y13; \
	VPMADDUBSW Y13, Y12, d
#define MORE(x, d, s) \
	VPBROADCASTD x, Y13; \
	VPMADDUBSW Y13, Y12, Y13; \
	VPADDW Y13, d, d
// SCALE ends it.
#define SCALE(x, d, s) \
	VPMADDWD Y15, d, d; \
	VPADDD d, s, s
#define FRESH(x, d, s) \
	VPXOR s, s, s
#define CLEAR(x, d, s) \
	VPXOR d, d, d
// SUMS multiplies two sums of 16 by what the panel has for them.
#define SUMS(x, d, s) \
	VPBROADCASTD x, Y13; \
	VPMADDWD Y13, Y12, Y13; \
	VPADDD Y13, d, d
// TERML and TERM0 are the float part, with least values and without, as
// kquant.go defines it; AX moves on.
#define TERML(x, d, s) \
	VCVTDQ2PS s, s; \
	VCVTDQ2PS d, d; \
	VBROADCASTSS x, Y13; \
	VMULPS 4608(SI), Y13, Y12; \
	VMULPS 4672(SI), Y13, Y13; \
	VMULPS Y12, s, s; \
	VMULPS Y13, d, d; \
	VSUBPS d, s, s; \
	VADDPS (AX), s, s; \
	VMOVUPS s, (AX); \
	ADDQ $32, AX
#define TERM0(x, d, s) \
	VPSLLD $5, d, d; \
	VPSUBD d, s, s; \
	VCVTDQ2PS s, s; \
	VBROADCASTSS x, Y13; \
	VMULPS 4608(SI), Y13, Y12; \
	VMULPS Y12, s, s; \
	VADDPS (AX), s, s; \
	VMOVUPS s, (AX); \
	ADDQ $32, AX

#define STEP(on, op, k) \
	VMOVDQU (64*(k))(SI), Y12; \
	on(op, (4*(k)), BX)
#define LEAST(on, k) \
	VMOVDQU (4096+64*k)(SI), Y12; \
	on(SUMS, (4*k), DX)
// STEPS2 and STEPS4 begin and add.
#define STEPS2(on, k) \
	STEP(on, FIRST, k); \
	STEP(on, MORE, k+1)
#define STEPS4(on, k) \
	STEPS2(on, k); \
	STEP(on, MORE, k+2); \
	STEP(on, MORE, k+3)
#define STEPS8(on, k) \
	STEPS4(on, k); \
	STEP(on, MORE, k+4); \
	STEP(on, MORE, k+5); \
	STEP(on, MORE, k+6); \
	STEP(on, MORE, k+7)

// SCALES takes a group's scales, each twice as words.
#define SCALES \
	VMOVDQU (R15), Y15; \
	VPSLLD $16, Y15, Y13; \
	VPBLENDW $0xaa, Y13, Y15, Y15; \
	ADDQ $64, R15
#define GROUP4(on) \
	SCALES; \
	STEPS8(on, 0); \
	on(SCALE, 0, BX); \
	ADDQ $512, SI; \
	ADDQ $32, BX
#define GROUP5(on) \
	SCALES; \
	STEPS4(on, 0); \
	on(SCALE, 0, BX); \
	STEPS4(on, 4); \
	on(SCALE, 0, BX); \
	ADDQ $512, SI; \
	ADDQ $32, BX
#define GROUP6(on) \
	SCALES; \
	STEPS2(on, 0); \
	on(SCALE, 0, BX); \
	STEPS2(on, 2); \
	on(SCALE, 0, BX); \
	ADDQ $256, SI; \
	ADDQ $16, BX

#define FAR(n) \
	SHLQ $n, R8; \
	SHLQ $n, R9; \
	SHLQ $n, R10
#define NEAR(n) \
	SHRQ $n, R8; \
	SHRQ $n, R9; \
	SHRQ $n, R10

// TILE is a whole kernel.
#define TILE(inputs, on, term, GROUP, groups) \
	MOVQ acc+16(FP), AX; \
	MOVQ panel+24(FP), SI; \
	MOVQ blocks+32(FP), CX; \
	MOVQ codes+40(FP), BX; \
	MOVQ codeStride+48(FP), R8; \
	MOVQ scales+56(FP), DI; \
	MOVQ sums+64(FP), DX; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R8)(R8*4), R10; \
	VXORPS Y13, Y13, Y13; \
	MOVQ $inputs, R14; \
zero: \
	VMOVUPS Y13, (AX); \
	ADDQ $32, AX; \
	DECQ R14; \
	JNZ zero; \
block: \
	on(FRESH, 0, BX); \
	LEAQ 4736(SI), R15; \
	MOVQ $groups, R14; \
group: \
	GROUP(on); \
	DECQ R14; \
	JNZ group; \
	SUBQ $4096, SI; \
	on(CLEAR, 0, BX); \
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
	MOVQ acc+16(FP), AX; \
	on(term, 0, DI); \
	FAR(6); \
	ADDQ $5760, SI; \
	ADDQ $32, DX; \
	ADDQ $4, DI; \
	DECQ CX; \
	JNZ block; \
	MOVQ out+0(FP), DI; \
	MOVQ stride+8(FP), DX; \
	MOVQ acc+16(FP), AX; \
	MOVQ $inputs, R14; \
store: \
	VMOVUPS (AX), Y13; \
	VMOVUPS Y13, (DI); \
	ADDQ $32, AX; \
	LEAQ (DI)(DX*4), DI; \
	DECQ R14; \
	JNZ store; \
	VZEROUPPER; \
	RET

// func q4kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·q4kTile6AVX2(SB), NOSPLIT, $0-72
	TILE(6, ON6, TERML, GROUP4, 8)

// func q5kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·q5kTile6AVX2(SB), NOSPLIT, $0-72
	TILE(6, ON6, TERML, GROUP5, 8)

// func q6kTile6AVX2(out *float32, stride int, acc, panel *byte, blocks int, codes *int8, codeStride int, scales *float32, sums *int16)
TEXT ·q6kTile6AVX2(SB), NOSPLIT, $0-72
	TILE(6, ON6, TERM0, GROUP6, 16)

