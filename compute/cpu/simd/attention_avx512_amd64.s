// Scores and Mix for AVX-512, bit for bit as their plain twins: the sixteen
// lanes of a sum are one register. In a long prompt attention takes as long as
// a good part of the matrices, and half of Scores for AVX2 was adding up lanes.

#include "textflag.h"

// Sixteen elements of one key onto its lanes.
#define ELEMENTS(K, T, S) \
	VCVTPH2PS (K)(AX*2), T; \
	VMULPS Z8, T, T; \
	VADDPS T, S, S

// The upper half of the lanes onto the lower.
#define HALVE(Z, Y, T) \
	VEXTRACTF64X4 $1, Z, T; \
	VADDPS T, Y, Y

// func scores512(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)
//
// tokens is a multiple of 4, n of 16. Four tokens a, b, c, d at a time, which
// share the query and the last steps of adding up.
//
//	DX R8 R11 R12 the four keys    Z0…Z3 their lanes    Z8 the query
TEXT ·scores512(SB), NOSPLIT, $0-52
	MOVQ out+0(FP), DI
	MOVQ tokens+8(FP), CX
	MOVQ q+16(FP), SI
	MOVQ n+24(FP), R9
	MOVQ keys+32(FP), DX
	MOVQ stride+40(FP), R10
	SHLQ $1, R10
	VBROADCASTSS scale+48(FP), Y9
four:
	LEAQ (DX)(R10*1), R8
	LEAQ (DX)(R10*2), R11
	LEAQ (R8)(R10*2), R12
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	XORQ AX, AX
element:
	VMOVUPS (SI)(AX*4), Z8
	ELEMENTS(DX, Z4, Z0)
	ELEMENTS(R8, Z5, Z1)
	ELEMENTS(R11, Z6, Z2)
	ELEMENTS(R12, Z7, Z3)
	ADDQ $16, AX
	CMPQ AX, R9
	JLT element
	HALVE(Z0, Y0, Y4)
	HALVE(Z1, Y1, Y5)
	HALVE(Z2, Y2, Y6)
	HALVE(Z3, Y3, Y7)
	// Four lanes each: a and b in Y0, c and d in Y2.
	VPERM2F128 $0x20, Y1, Y0, Y4
	VPERM2F128 $0x31, Y1, Y0, Y5
	VPERM2F128 $0x20, Y3, Y2, Y6
	VPERM2F128 $0x31, Y3, Y2, Y7
	VADDPS Y5, Y4, Y0
	VADDPS Y7, Y6, Y2
	// Two: a a c c b b d d.
	VUNPCKLPD Y2, Y0, Y4
	VUNPCKHPD Y2, Y0, Y5
	VADDPS Y5, Y4, Y0
	// One: a . c . b . d .
	VMOVSHDUP Y0, Y1
	VADDPS Y1, Y0, Y0
	VMULPS Y9, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VUNPCKLPS X1, X0, X2
	VUNPCKHPS X1, X0, X3
	VUNPCKLPD X3, X2, X2
	VMOVUPS X2, (DI)
	ADDQ $16, DI
	LEAQ (DX)(R10*4), DX
	SUBQ $4, CX
	JNZ four
	VZEROUPPER
	RET

#define ONTO(O, T, A) \
	VCVTPH2PS O(DX), T; \
	VMULPS Z4, T, T; \
	VADDPS T, A, A

// func mix512(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
//
// n is a multiple of 64: so many elements stay in Z0…Z3 over all tokens.
TEXT ·mix512(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ n+8(FP), R9
	MOVQ values+32(FP), R8
	MOVQ stride+40(FP), R10
	SHLQ $1, R10
wide:
	MOVQ weights+16(FP), SI
	MOVQ tokens+24(FP), CX
	MOVQ R8, DX
	VMOVUPS (DI), Z0
	VMOVUPS 64(DI), Z1
	VMOVUPS 128(DI), Z2
	VMOVUPS 192(DI), Z3
token:
	VBROADCASTSS (SI), Z4
	ONTO(0, Z5, Z0)
	ONTO(32, Z6, Z1)
	ONTO(64, Z7, Z2)
	ONTO(96, Z8, Z3)
	ADDQ $4, SI
	ADDQ R10, DX
	DECQ CX
	JNZ token
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 64(DI)
	VMOVUPS Z2, 128(DI)
	VMOVUPS Z3, 192(DI)
	ADDQ $256, DI
	ADDQ $128, R8
	SUBQ $64, R9
	JNZ wide
	VZEROUPPER
	RET
