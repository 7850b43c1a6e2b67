// Rows and tiles of F32, F16 and BF16 for AVX-512. A product has 32 lanes, as
// float.go defines: two registers, which are two chains of fused multiply-adds
// as well, enough to stream one row and to keep a tile busy.
//
//	SI  weights            AX  how far rows lie apart, BX three times that
//	DX  input              R8  how far inputs lie apart
//	DI  out                R9  stride of out in bytes
//	CX  columns left       R10 row bytes, R12 rows left
//	K1, K2  which of the last 32 columns there are
//	Z0…Z23  products, two registers each, row by row and input by input
//	Z24…Z31 weights and inputs

#include "textflag.h"

// The ways to widen 16 weights at p (o bytes on) to z; the last with a mask,
// which leaves out what lies beyond the row, unread, and puts zeros there.
#define WIDEN32(p, z) \
	VMOVUPS p, z
#define WIDEN32M(p, k, y, z) \
	VMOVUPS.Z p, k, z
#define WIDEN16(p, z) \
	VCVTPH2PS p, z
#define WIDEN16M(p, k, y, z) \
	VMOVDQU16.Z p, k, y; \
	VCVTPH2PS y, z
#define WIDENB16(p, z) \
	VPMOVZXWD p, z; \
	VPSLLD $16, z, z
#define WIDENB16M(p, k, y, z) \
	VMOVDQU16.Z p, k, y; \
	VPMOVZXWD y, z; \
	VPSLLD $16, z, z

// MASKS makes K1 and K2 of the columns in CX modulo 32; AX is used.
#define MASKS \
	MOVQ $-1, AX; \
	ANDQ $31, CX; \
	SHLQ CX, AX; \
	NOTQ AX; \
	KMOVW AX, K1; \
	SHRQ $16, AX; \
	KMOVW AX, K2

// FOLD adds up the 32 lanes of za and zb, whose lower parts are ya and xa, and
// stores the sum at to.
#define FOLD(za, ya, xa, zb, to) \
	VADDPS zb, za, za; \
	VEXTRACTF64X4 $1, za, Y24; \
	VADDPS Y24, ya, ya; \
	VEXTRACTF32X4 $1, ya, X24; \
	VADDPS X24, xa, xa; \
	VPSHUFD $0x4e, xa, X24; \
	VADDPS X24, xa, xa; \
	VPSHUFD $0xb1, xa, X24; \
	VADDPS X24, xa, xa; \
	VMOVSS xa, to

// ROWS is a whole kernel of one row at a time. n is the bytes of a weight.
#define ROWS(n, WIDEN, WIDENM) \
	MOVQ out+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rows+16(FP), R12; \
	MOVQ columns+24(FP), CX; \
	MASKS; \
row: \
	MOVQ x+32(FP), DX; \
	MOVQ columns+24(FP), CX; \
	VXORPS X0, X0, X0; \
	VXORPS X1, X1, X1; \
	SUBQ $32, CX; \
	JLT tail; \
columns: \
	WIDEN(0(SI), Z24); \
	WIDEN((16*n)(SI), Z25); \
	VFMADD231PS (DX), Z24, Z0; \
	VFMADD231PS 64(DX), Z25, Z1; \
	ADDQ $(32*n), SI; \
	ADDQ $128, DX; \
	SUBQ $32, CX; \
	JGE columns; \
tail: \
	ADDQ $32, CX; \
	JZ done; \
	WIDENM(0(SI), K1, Y24, Z24); \
	WIDENM((16*n)(SI), K2, Y25, Z25); \
	VMOVUPS.Z (DX), K1, Z26; \
	VMOVUPS.Z 64(DX), K2, Z27; \
	VFMADD231PS Z26, Z24, Z0; \
	VFMADD231PS Z27, Z25, Z1; \
	IMULQ $n, CX; \
	ADDQ CX, SI; \
done: \
	FOLD(Z0, Y0, X0, Z1, (DI)); \
	ADDQ $4, DI; \
	DECQ R12; \
	JNZ row; \
	VZEROUPPER; \
	RET

// INPUT3 multiplies the weights in wa and wb by three inputs in Z26…Z31.
#define INPUT3(wa, wb, a, b, c, d, e, f) \
	VFMADD231PS Z26, wa, a; \
	VFMADD231PS Z27, wb, b; \
	VFMADD231PS Z28, wa, c; \
	VFMADD231PS Z29, wb, d; \
	VFMADD231PS Z30, wa, e; \
	VFMADD231PS Z31, wb, f

#define CLEAR(a, b, c, d, e, f) \
	VPXORD a, a, a; \
	VPXORD b, b, b; \
	VPXORD c, c, c; \
	VPXORD d, d, d; \
	VPXORD e, e, e; \
	VPXORD f, f, f

// TILE is a whole kernel of 4 rows by 3 inputs.
#define TILE(n, WIDEN, WIDENM) \
	MOVQ columns+32(FP), CX; \
	MASKS; \
	MOVQ out+0(FP), DI; \
	MOVQ stride+8(FP), R9; \
	SHLQ $2, R9; \
	MOVQ w+16(FP), SI; \
	MOVQ rowBytes+24(FP), AX; \
	LEAQ (AX)(AX*2), BX; \
	MOVQ columns+32(FP), CX; \
	MOVQ x+40(FP), DX; \
	MOVQ CX, R8; \
	SHLQ $2, R8; \
	CLEAR(Z0, Z1, Z2, Z3, Z4, Z5); \
	CLEAR(Z6, Z7, Z8, Z9, Z10, Z11); \
	CLEAR(Z12, Z13, Z14, Z15, Z16, Z17); \
	CLEAR(Z18, Z19, Z20, Z21, Z22, Z23); \
	SUBQ $32, CX; \
	JLT tail; \
columns: \
	VMOVUPS (DX), Z26; \
	VMOVUPS 64(DX), Z27; \
	VMOVUPS (DX)(R8*1), Z28; \
	VMOVUPS 64(DX)(R8*1), Z29; \
	VMOVUPS (DX)(R8*2), Z30; \
	VMOVUPS 64(DX)(R8*2), Z31; \
	WIDEN(0(SI), Z24); \
	WIDEN((16*n)(SI), Z25); \
	INPUT3(Z24, Z25, Z0, Z1, Z2, Z3, Z4, Z5); \
	WIDEN(0(SI)(AX*1), Z24); \
	WIDEN((16*n)(SI)(AX*1), Z25); \
	INPUT3(Z24, Z25, Z6, Z7, Z8, Z9, Z10, Z11); \
	WIDEN(0(SI)(AX*2), Z24); \
	WIDEN((16*n)(SI)(AX*2), Z25); \
	INPUT3(Z24, Z25, Z12, Z13, Z14, Z15, Z16, Z17); \
	WIDEN(0(SI)(BX*1), Z24); \
	WIDEN((16*n)(SI)(BX*1), Z25); \
	INPUT3(Z24, Z25, Z18, Z19, Z20, Z21, Z22, Z23); \
	ADDQ $(32*n), SI; \
	ADDQ $128, DX; \
	SUBQ $32, CX; \
	JGE columns; \
tail: \
	ADDQ $32, CX; \
	JZ done; \
	VMOVUPS.Z (DX), K1, Z26; \
	VMOVUPS.Z 64(DX), K2, Z27; \
	VMOVUPS.Z (DX)(R8*1), K1, Z28; \
	VMOVUPS.Z 64(DX)(R8*1), K2, Z29; \
	VMOVUPS.Z (DX)(R8*2), K1, Z30; \
	VMOVUPS.Z 64(DX)(R8*2), K2, Z31; \
	WIDENM(0(SI), K1, Y24, Z24); \
	WIDENM((16*n)(SI), K2, Y25, Z25); \
	INPUT3(Z24, Z25, Z0, Z1, Z2, Z3, Z4, Z5); \
	WIDENM(0(SI)(AX*1), K1, Y24, Z24); \
	WIDENM((16*n)(SI)(AX*1), K2, Y25, Z25); \
	INPUT3(Z24, Z25, Z6, Z7, Z8, Z9, Z10, Z11); \
	WIDENM(0(SI)(AX*2), K1, Y24, Z24); \
	WIDENM((16*n)(SI)(AX*2), K2, Y25, Z25); \
	INPUT3(Z24, Z25, Z12, Z13, Z14, Z15, Z16, Z17); \
	WIDENM(0(SI)(BX*1), K1, Y24, Z24); \
	WIDENM((16*n)(SI)(BX*1), K2, Y25, Z25); \
	INPUT3(Z24, Z25, Z18, Z19, Z20, Z21, Z22, Z23); \
done: \
	FOLD(Z0, Y0, X0, Z1, 0(DI)); \
	FOLD(Z2, Y2, X2, Z3, 0(DI)(R9*1)); \
	FOLD(Z4, Y4, X4, Z5, 0(DI)(R9*2)); \
	FOLD(Z6, Y6, X6, Z7, 4(DI)); \
	FOLD(Z8, Y8, X8, Z9, 4(DI)(R9*1)); \
	FOLD(Z10, Y10, X10, Z11, 4(DI)(R9*2)); \
	FOLD(Z12, Y12, X12, Z13, 8(DI)); \
	FOLD(Z14, Y14, X14, Z15, 8(DI)(R9*1)); \
	FOLD(Z16, Y16, X16, Z17, 8(DI)(R9*2)); \
	FOLD(Z18, Y18, X18, Z19, 12(DI)); \
	FOLD(Z20, Y20, X20, Z21, 12(DI)(R9*1)); \
	FOLD(Z22, Y22, X22, Z23, 12(DI)(R9*2)); \
	VZEROUPPER; \
	RET

// func f32RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·f32RowsAVX512(SB), NOSPLIT, $0-40
	ROWS(4, WIDEN32, WIDEN32M)

// func f16RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·f16RowsAVX512(SB), NOSPLIT, $0-40
	ROWS(2, WIDEN16, WIDEN16M)

// func bf16RowsAVX512(out *float32, w *byte, rows, columns int, x *float32)
TEXT ·bf16RowsAVX512(SB), NOSPLIT, $0-40
	ROWS(2, WIDENB16, WIDENB16M)

// func f32TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·f32TileAVX512(SB), NOSPLIT, $0-48
	TILE(4, WIDEN32, WIDEN32M)

// func f16TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·f16TileAVX512(SB), NOSPLIT, $0-48
	TILE(2, WIDEN16, WIDEN16M)

// func bf16TileAVX512(out *float32, stride int, w *byte, rowBytes, columns int, x *float32)
TEXT ·bf16TileAVX512(SB), NOSPLIT, $0-48
	TILE(2, WIDENB16, WIDENB16M)
