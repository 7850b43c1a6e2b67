// Rows and tiles of F32, F16 and BF16 for AVX2, for rows of whole 32 columns.
// The 32 lanes of a product are four registers.
//
//	SI weights  DX input  R8 how far inputs lie apart  DI out
//	R9 stride of out in bytes  CX columns left  R12 rows left
//	Y0…Y11 products, four registers an input  Y12…Y15 weights

#include "textflag.h"

// The ways to widen 8 weights at p to y.
#define WIDEN32(p, y) \
	VMOVUPS p, y
#define WIDEN16(p, y) \
	VCVTPH2PS p, y
#define WIDENB16(p, y) \
	VPMOVZXWD p, y; \
	VPSLLD $16, y, y

#define CLEAR(a, b, c, d) \
	VXORPS a, a, a; \
	VXORPS b, b, b; \
	VXORPS c, c, c; \
	VXORPS d, d, d

// FOLD adds up the 32 lanes of a, b, c, d, as float.go defines, and stores the
// sum at to; xa is the lower half of a.
#define FOLD(a, xa, b, c, d, to) \
	VADDPS c, a, a; \
	VADDPS d, b, b; \
	VADDPS b, a, a; \
	VEXTRACTF128 $1, a, X15; \
	VADDPS X15, xa, xa; \
	VPSHUFD $0x4e, xa, X15; \
	VADDPS X15, xa, xa; \
	VPSHUFD $0xb1, xa, X15; \
	VADDPS X15, xa, xa; \
	VMOVSS xa, to

#define WEIGHTS(n, WIDEN) \
	WIDEN(0(SI), Y12); \
	WIDEN((8*n)(SI), Y13); \
	WIDEN((16*n)(SI), Y14); \
	WIDEN((24*n)(SI), Y15)

#define ROWS(n, WIDEN) \
	MOVQ out+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rows+16(FP), R12; \
row: \
	MOVQ columns+24(FP), CX; \
	MOVQ x+32(FP), DX; \
	CLEAR(Y0, Y1, Y2, Y3); \
columns: \
	WEIGHTS(n, WIDEN); \
	VFMADD231PS (DX), Y12, Y0; \
	VFMADD231PS 32(DX), Y13, Y1; \
	VFMADD231PS 64(DX), Y14, Y2; \
	VFMADD231PS 96(DX), Y15, Y3; \
	ADDQ $(32*n), SI; \
	ADDQ $128, DX; \
	SUBQ $32, CX; \
	JNZ columns; \
	FOLD(Y0, X0, Y1, Y2, Y3, (DI)); \
	ADDQ $4, DI; \
	DECQ R12; \
	JNZ row; \
	VZEROUPPER; \
	RET

// TILE is a whole kernel of one row by three inputs.
#define TILE(n, WIDEN) \
	MOVQ out+0(FP), DI; \
	MOVQ stride+8(FP), R9; \
	SHLQ $2, R9; \
	MOVQ w+16(FP), SI; \
	MOVQ columns+32(FP), CX; \
	MOVQ x+40(FP), DX; \
	MOVQ CX, R8; \
	SHLQ $2, R8; \
	CLEAR(Y0, Y1, Y2, Y3); \
	CLEAR(Y4, Y5, Y6, Y7); \
	CLEAR(Y8, Y9, Y10, Y11); \
columns: \
	WEIGHTS(n, WIDEN); \
	VFMADD231PS (DX), Y12, Y0; \
	VFMADD231PS 32(DX), Y13, Y1; \
	VFMADD231PS 64(DX), Y14, Y2; \
	VFMADD231PS 96(DX), Y15, Y3; \
	VFMADD231PS (DX)(R8*1), Y12, Y4; \
	VFMADD231PS 32(DX)(R8*1), Y13, Y5; \
	VFMADD231PS 64(DX)(R8*1), Y14, Y6; \
	VFMADD231PS 96(DX)(R8*1), Y15, Y7; \
	VFMADD231PS (DX)(R8*2), Y12, Y8; \
	VFMADD231PS 32(DX)(R8*2), Y13, Y9; \
	VFMADD231PS 64(DX)(R8*2), Y14, Y10; \
	VFMADD231PS 96(DX)(R8*2), Y15, Y11; \
	ADDQ $(32*n), SI; \
	ADDQ $128, DX; \
	SUBQ $32, CX; \
	JNZ columns; \
	FOLD(Y0, X0, Y1, Y2, Y3, (DI)); \
	FOLD(Y4, X4, Y5, Y6, Y7, (DI)(R9*1)); \
	FOLD(Y8, X8, Y9, Y10, Y11, (DI)(R9*2)); \
	VZEROUPPER; \
	RET

// func f32RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·f32RowsAVX2(SB), NOSPLIT, $0-40
	ROWS(4, WIDEN32)

// func f32TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·f32TileAVX2(SB), NOSPLIT, $0-48
	TILE(4, WIDEN32)

// func f16RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·f16RowsAVX2(SB), NOSPLIT, $0-40
	ROWS(2, WIDEN16)

// func f16TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·f16TileAVX2(SB), NOSPLIT, $0-48
	TILE(2, WIDEN16)

// func bf16RowsAVX2(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·bf16RowsAVX2(SB), NOSPLIT, $0-40
	ROWS(2, WIDENB16)

// func bf16TileAVX2(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·bf16TileAVX2(SB), NOSPLIT, $0-48
	TILE(2, WIDENB16)
