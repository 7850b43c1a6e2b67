// Many input rows for AVX-512 with VNNI: weights are turned into panels, and a
// panel is multiplied with tiles of input rows.
//
// A panel is 32 rows of weights, unpacked to bytes that are 128 too large. Each
// block of each row is 32 bytes = 8 dwords; a panel has, for one block of all
// rows,
//
//	dword 0 of rows 0…15, dword 1, … dword 7      512 bytes
//	the same of rows 16…31                        512 bytes
//	32 scales, float32                            128 bytes
//
// so that a register holds one dword of 16 rows, VPDPBUSD with a broadcast
// dword of an input row does 64 products of 16 dot products, no sum ever goes
// across lanes, and the scales of a block cost three instructions per 16 dot
// products. Making a panel costs about as much as five input rows do; keeping
// panels instead of making them would take as much memory as the weights again.
//
// Blocks lie by lane of the order of sums (block%8), then by group (block/8),
// because a tile has registers for one lane at a time: blocks 0, 8, 16, … are
// added up, then 1, 9, 17, … The lanes are added in memory, first to last.

#include "textflag.h"

// func tile512(out *float32, outStride int, panel *byte, pitch, blocks int, x *int8, codeStride, high int, scales *float32, sums *int32, scaleStride int, ahead *byte, lines int)
//
// Six input rows times a panel. 12 integer sums, 12 float sums and what feeds
// them are all 32 registers: with more input rows they would not fit, with
// fewer each load of weights would serve less.
//
//	Z0…Z11  float sums: input row t in Z(2t) (weights 0…15), Z(2t+1) (16…31)
//	Z12…Z23 integer sums, the same way
//	Z24 Z25 weights or their scales    Z26 of an input row   Z27 Z28 products
//	SI panel         R8 R9 codes of input rows 0 and 3    R10 their stride
//	R11 R12 scales of input rows 0 and 3   DX BX sums      R13 their stride
//	CX blocks left   AX lane     DI out    R15 from the first halves to the second
//
// Meanwhile the weights of the next panel are fetched from ahead into the
// caches, so many lines a block. Memory would otherwise rest while a tile
// is multiplied, and the sixteen streams that make a panel are slow from memory:
// with 16 input rows and weights in no cache this is worth a factor of 1.8.
// PREFETCHT1 was measured and is slower.
//
//	R14 the next line    DI lines left of the block
TEXT ·tile512(SB), NOSPLIT, $0-104
	MOVQ ahead+88(FP), R14
	XORQ AX, AX
	MOVQ codeStride+48(FP), R10
	MOVQ high+56(FP), R15
	MOVQ scaleStride+80(FP), R13
	SHLQ $2, R13
lane:
	// CX = blocks of this lane = (blocks−lane+7)/8.
	MOVQ blocks+32(FP), CX
	SUBQ AX, CX
	ADDQ $7, CX
	SHRQ $3, CX
	JZ done
	MOVQ pitch+24(FP), SI
	IMULQ AX, SI
	ADDQ panel+16(FP), SI
	// Codes of block lane: 32·lane, or 128·(lane/4)+16·(lane%4) when split.
	MOVQ AX, R8
	SHLQ $5, R8
	CMPQ R15, $16
	JEQ natural
	MOVQ AX, R8
	ANDQ $3, R8
	SHLQ $4, R8
	MOVQ AX, R9
	SHRQ $2, R9
	SHLQ $7, R9
	ADDQ R9, R8
natural:
	ADDQ x+40(FP), R8
	LEAQ (R8)(R10*2), R9
	ADDQ R10, R9
	MOVQ scales+64(FP), R11
	LEAQ (R11)(AX*4), R11
	LEAQ (R11)(R13*2), R12
	ADDQ R13, R12
	MOVQ sums+72(FP), DX
	LEAQ (DX)(AX*4), DX
	LEAQ (DX)(R13*2), BX
	ADDQ R13, BX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11

// Dword Q of the codes, O bytes into them, of all input rows.
#define DWORD(Q, O) \
	VMOVDQU64 (Q*64)(SI), Z24; \
	VMOVDQU64 (512+Q*64)(SI), Z25; \
	VPBROADCASTD O(R8), Z26; \
	VPDPBUSD Z26, Z24, Z12; \
	VPDPBUSD Z26, Z25, Z13; \
	VPBROADCASTD O(R8)(R10*1), Z27; \
	VPDPBUSD Z27, Z24, Z14; \
	VPDPBUSD Z27, Z25, Z15; \
	VPBROADCASTD O(R8)(R10*2), Z28; \
	VPDPBUSD Z28, Z24, Z16; \
	VPDPBUSD Z28, Z25, Z17; \
	VPBROADCASTD O(R9), Z29; \
	VPDPBUSD Z29, Z24, Z18; \
	VPDPBUSD Z29, Z25, Z19; \
	VPBROADCASTD O(R9)(R10*1), Z30; \
	VPDPBUSD Z30, Z24, Z20; \
	VPDPBUSD Z30, Z25, Z21; \
	VPBROADCASTD O(R9)(R10*2), Z31; \
	VPDPBUSD Z31, Z24, Z22; \
	VPDPBUSD Z31, Z25, Z23

// The integer sums of one input row, scaled, onto its float sums.
#define SCALE(X, I0, I1, F0, F1) \
	VBROADCASTSS X, Z26; \
	VCVTDQ2PS I0, I0; \
	VCVTDQ2PS I1, I1; \
	VMULPS Z26, Z24, Z27; \
	VMULPS Z26, Z25, Z28; \
	VMULPS Z27, I0, I0; \
	VMULPS Z28, I1, I1; \
	VADDPS I0, F0, F0; \
	VADDPS I1, F1, F1

block:
	MOVQ lines+96(FP), DI
	TESTQ DI, DI
	JZ fetched
fetch:
	PREFETCHT0 (R14)
	ADDQ $64, R14
	DECQ DI
	JNZ fetch
fetched:
	VPBROADCASTD (DX), Z12
	VPBROADCASTD (DX), Z13
	VPBROADCASTD (DX)(R13*1), Z14
	VPBROADCASTD (DX)(R13*1), Z15
	VPBROADCASTD (DX)(R13*2), Z16
	VPBROADCASTD (DX)(R13*2), Z17
	VPBROADCASTD (BX), Z18
	VPBROADCASTD (BX), Z19
	VPBROADCASTD (BX)(R13*1), Z20
	VPBROADCASTD (BX)(R13*1), Z21
	VPBROADCASTD (BX)(R13*2), Z22
	VPBROADCASTD (BX)(R13*2), Z23
	DWORD(0, 0)
	DWORD(1, 4)
	DWORD(2, 8)
	DWORD(3, 12)
	ADDQ R15, R8
	ADDQ R15, R9
	DWORD(4, 0)
	DWORD(5, 4)
	DWORD(6, 8)
	DWORD(7, 12)
	SUBQ R15, R8
	SUBQ R15, R9
	VMOVUPS 1024(SI), Z24
	VMOVUPS 1088(SI), Z25
	SCALE((R11), Z12, Z13, Z0, Z1)
	SCALE((R11)(R13*1), Z14, Z15, Z2, Z3)
	SCALE((R11)(R13*2), Z16, Z17, Z4, Z5)
	SCALE((R12), Z18, Z19, Z6, Z7)
	SCALE((R12)(R13*1), Z20, Z21, Z8, Z9)
	SCALE((R12)(R13*2), Z22, Z23, Z10, Z11)
	ADDQ $1152, SI
	ADDQ $256, R8
	ADDQ $256, R9
	ADDQ $32, R11
	ADDQ $32, R12
	ADDQ $32, DX
	ADDQ $32, BX
	DECQ CX
	JNZ block

	// This lane onto those before it.
	MOVQ out+0(FP), DI
	MOVQ outStride+8(FP), CX
	SHLQ $2, CX
	TESTQ AX, AX
	JZ store
#define ONTO(F0, F1) \
	VADDPS (DI), F0, F0; \
	VADDPS 64(DI), F1, F1; \
	VMOVUPS F0, (DI); \
	VMOVUPS F1, 64(DI); \
	ADDQ CX, DI
	ONTO(Z0, Z1)
	ONTO(Z2, Z3)
	ONTO(Z4, Z5)
	ONTO(Z6, Z7)
	ONTO(Z8, Z9)
	ONTO(Z10, Z11)
	JMP next
store:
#define STORE(F0, F1) \
	VMOVUPS F0, (DI); \
	VMOVUPS F1, 64(DI); \
	ADDQ CX, DI
	STORE(Z0, Z1)
	STORE(Z2, Z3)
	STORE(Z4, Z5)
	STORE(Z6, Z7)
	STORE(Z8, Z9)
	STORE(Z10, Z11)
next:
	INCQ AX
	CMPQ AX, $8
	JLT lane
done:
	VZEROUPPER
	RET
