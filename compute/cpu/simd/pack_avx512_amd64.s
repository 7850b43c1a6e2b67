// Making panels (see panel_avx512_amd64.s) of 16 rows, for AVX-512.
//
//	DI  where the block goes     R14 from one lane of the panel to the next
//	SI  block of row 0           R8  block of row 8
//	R9  bytes of a row           R10 R11 R12 three, five, seven times that
//	DX  where scales go, from DI BX first block of the group    AX block
//	CX  blocks left
//
// Rows are read side by side, each from its start to its end: sixteen streams,
// which costs speed of memory; but each byte is then used for many input rows.

#include "textflag.h"

// Row 0…7 from P at O.
#define AT1(O, P) O(P)(R9*1)
#define AT2(O, P) O(P)(R9*2)
#define AT3(O, P) O(P)(R10*1)
#define AT4(O, P) O(P)(R9*4)
#define AT5(O, P) O(P)(R11*1)
#define AT6(O, P) O(P)(R10*2)
#define AT7(O, P) O(P)(R12*1)

#define START \
	MOVQ panel+0(FP), BX; \
	MOVQ scales+8(FP), DX; \
	MOVQ pitch+16(FP), R14; \
	MOVQ w+24(FP), SI; \
	MOVQ rowBytes+32(FP), R9; \
	MOVQ blocks+40(FP), CX; \
	MOVQ BX, DI; \
	LEAQ (R9)(R9*2), R10; \
	LEAQ (R9)(R9*4), R11; \
	LEAQ (R10)(R9*4), R12; \
	LEAQ (SI)(R9*8), R8; \
	XORQ AX, AX

// On to the next block: the next lane, or the first one of the next group.
#define NEXT(SIZE, LOOP) \
	ADDQ $SIZE, SI; \
	ADDQ $SIZE, R8; \
	INCQ AX; \
	ADDQ R14, DI; \
	TESTQ $7, AX; \
	JNZ 3(PC); \
	ADDQ $1152, BX; \
	MOVQ BX, DI; \
	DECQ CX; \
	JNZ LOOP

// The scales of 16 rows, widened.
#define SCALES \
	VPXOR X0, X0, X0; \
	VPXOR X1, X1, X1; \
	VPINSRW $0, (SI), X0, X0; \
	VPINSRW $0, (R8), X1, X1; \
	VPINSRW $1, AT1(0, SI), X0, X0; \
	VPINSRW $1, AT1(0, R8), X1, X1; \
	VPINSRW $2, AT2(0, SI), X0, X0; \
	VPINSRW $2, AT2(0, R8), X1, X1; \
	VPINSRW $3, AT3(0, SI), X0, X0; \
	VPINSRW $3, AT3(0, R8), X1, X1; \
	VPINSRW $4, AT4(0, SI), X0, X0; \
	VPINSRW $4, AT4(0, R8), X1, X1; \
	VPINSRW $5, AT5(0, SI), X0, X0; \
	VPINSRW $5, AT5(0, R8), X1, X1; \
	VPINSRW $6, AT6(0, SI), X0, X0; \
	VPINSRW $6, AT6(0, R8), X1, X1; \
	VPINSRW $7, AT7(0, SI), X0, X0; \
	VPINSRW $7, AT7(0, R8), X1, X1; \
	VINSERTI128 $1, X1, Y0, Y0; \
	VCVTPH2PS Y0, Z0; \
	VMOVUPS Z0, (DI)(DX*1)

// Z0…Z3 transposed by dwords within each lane: dword q of each in Z(8+q).
#define TRANSPOSE(A, B, C, D, P, Q, R, S) \
	VPUNPCKLDQ B, A, Z16; \
	VPUNPCKHDQ B, A, Z17; \
	VPUNPCKLDQ D, C, Z18; \
	VPUNPCKHDQ D, C, Z19; \
	VPUNPCKLQDQ Z18, Z16, P; \
	VPUNPCKHQDQ Z18, Z16, Q; \
	VPUNPCKLQDQ Z19, Z17, R; \
	VPUNPCKHQDQ Z19, Z17, S

// Dwords Q and Q+4 of all rows, from those of rows 0…7 and 8…15.
#define JOIN(Q, U, V) \
	VSHUFI64X2 $0x88, V, U, Z16; \
	VSHUFI64X2 $0xdd, V, U, Z17; \
	VPXORD Z31, Z16, Z16; \
	VPXORD Z31, Z17, Z17; \
	VMOVDQU64 Z16, (Q*64)(DI); \
	VMOVDQU64 Z17, (Q*64+256)(DI)

// func packQ8x16(panel *byte, scales, pitch int, w *byte, rowBytes, blocks int)
//
// Registers hold rows r and r+4, so that the shuffles of JOIN leave rows in
// their order.
TEXT ·packQ8x16(SB), NOSPLIT, $0-48
	START
	MOVL $0x80808080, R13
	VPBROADCASTD R13, Z31
q8block:
	VMOVDQU 2(SI), Y0
	VMOVDQU AT1(2, SI), Y1
	VMOVDQU AT2(2, SI), Y2
	VMOVDQU AT3(2, SI), Y3
	VINSERTI64X4 $1, AT4(2, SI), Z0, Z0
	VINSERTI64X4 $1, AT5(2, SI), Z1, Z1
	VINSERTI64X4 $1, AT6(2, SI), Z2, Z2
	VINSERTI64X4 $1, AT7(2, SI), Z3, Z3
	VMOVDQU 2(R8), Y4
	VMOVDQU AT1(2, R8), Y5
	VMOVDQU AT2(2, R8), Y6
	VMOVDQU AT3(2, R8), Y7
	VINSERTI64X4 $1, AT4(2, R8), Z4, Z4
	VINSERTI64X4 $1, AT5(2, R8), Z5, Z5
	VINSERTI64X4 $1, AT6(2, R8), Z6, Z6
	VINSERTI64X4 $1, AT7(2, R8), Z7, Z7
	TRANSPOSE(Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11)
	TRANSPOSE(Z4, Z5, Z6, Z7, Z12, Z13, Z14, Z15)
	JOIN(0, Z8, Z12)
	JOIN(1, Z9, Z13)
	JOIN(2, Z10, Z14)
	JOIN(3, Z11, Z15)
	SCALES
	NEXT(34, q8block)
	VZEROUPPER
	RET

// Rows R, R+4, R+8 and R+12 of Q4_0 in the lanes of Z.
#define ROWS4(X, Z, A, B, C, D) \
	VMOVDQU A, X; \
	VINSERTI32X4 $1, B, Z, Z; \
	VINSERTI32X4 $2, C, Z, Z; \
	VINSERTI32X4 $3, D, Z, Z

// Low and high nibbles are dwords Q and Q+4; 8 too large, 128 is wanted.
#define NIBBLES(Q, Z) \
	VPSRLW $4, Z, Z17; \
	VPANDD Z31, Z, Z16; \
	VPANDD Z31, Z17, Z17; \
	VPADDB Z30, Z16, Z16; \
	VPADDB Z30, Z17, Z17; \
	VMOVDQU64 Z16, (Q*64)(DI); \
	VMOVDQU64 Z17, (Q*64+256)(DI)

// func packQ4x16(panel *byte, scales, pitch int, w *byte, rowBytes, blocks int)
TEXT ·packQ4x16(SB), NOSPLIT, $0-48
	START
	MOVL $0x0f0f0f0f, R13
	VPBROADCASTD R13, Z31
	MOVL $0x78787878, R13
	VPBROADCASTD R13, Z30
q4block:
	ROWS4(X0, Z0, 2(SI), AT4(2, SI), 2(R8), AT4(2, R8))
	ROWS4(X1, Z1, AT1(2, SI), AT5(2, SI), AT1(2, R8), AT5(2, R8))
	ROWS4(X2, Z2, AT2(2, SI), AT6(2, SI), AT2(2, R8), AT6(2, R8))
	ROWS4(X3, Z3, AT3(2, SI), AT7(2, SI), AT3(2, R8), AT7(2, R8))
	TRANSPOSE(Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11)
	NIBBLES(0, Z8)
	NIBBLES(1, Z9)
	NIBBLES(2, Z10)
	NIBBLES(3, Z11)
	SCALES
	NEXT(18, q4block)
	VZEROUPPER
	RET
