// The operations of sentence encoders for AVX2, over multiples of sixteen, bit
// for bit as their plain twins. See vector_avx2_amd64.s for those on halves.

#include "textflag.h"

// func reluAVX2(x *float32, n int)
TEXT ·reluAVX2(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	VXORPS Y0, Y0, Y0
loop:
	// Of two operands, one no number or both zeros, VMAXPS takes the zero here.
	VMOVUPS (DI), Y1
	VMOVUPS 32(DI), Y2
	VMAXPS Y0, Y1, Y1
	VMAXPS Y0, Y2, Y2
	VMOVUPS Y1, (DI)
	VMOVUPS Y2, 32(DI)
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET

// func variancesAVX2(sums *lanes, x *float32, n int, mean float32)
TEXT ·variancesAVX2(SB), NOSPLIT, $0-28
	MOVQ sums+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS mean+24(FP), Y4
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
loop:
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3
	VSUBPS Y4, Y2, Y2
	VSUBPS Y4, Y3, Y3
	VMULPS Y2, Y2, Y2
	VMULPS Y3, Y3, Y3
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ loop
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VZEROUPPER
	RET

// func affineAVX2(out, x, weight, bias *float32, n int, mean, scale float32)
TEXT ·affineAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ weight+16(FP), DX
	MOVQ bias+24(FP), R8
	MOVQ n+32(FP), CX
	VBROADCASTSS mean+40(FP), Y4
	VBROADCASTSS scale+44(FP), Y5
loop:
	VMOVUPS (SI), Y0
	VSUBPS Y4, Y0, Y0
	VMULPS Y5, Y0, Y0
	VMULPS (DX), Y0, Y0
	VADDPS (R8), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, R8
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func scoresFloatAVX2(out *float32, tokens int, q *float32, n int, keys *float32, stride int, scale float32)
//
// The sixteen lanes are Y0 and Y1.
TEXT ·scoresFloatAVX2(SB), NOSPLIT, $0-52
	MOVQ out+0(FP), DI
	MOVQ tokens+8(FP), CX
	MOVQ q+16(FP), SI
	MOVQ n+24(FP), R9
	MOVQ keys+32(FP), DX
	MOVQ stride+40(FP), R10
	VMOVSS scale+48(FP), X5
token:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ AX, AX
element:
	VMOVUPS (DX)(AX*4), Y2
	VMOVUPS 32(DX)(AX*4), Y3
	VMULPS (SI)(AX*4), Y2, Y2
	VMULPS 32(SI)(AX*4), Y3, Y3
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	ADDQ $16, AX
	CMPQ AX, R9
	JLT element
	VADDPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS X1, X0, X0
	VPERMILPS $0x0e, X0, X1
	VADDPS X1, X0, X0
	VMOVSHDUP X0, X1
	VADDSS X1, X0, X0
	VMULSS X5, X0, X0
	VMOVSS X0, (DI)
	ADDQ $4, DI
	LEAQ (DX)(R10*4), DX
	DECQ CX
	JNZ token
	VZEROUPPER
	RET

// func mixFloatAVX2(out *float32, n int, weights *float32, tokens int, values *float32, stride int)
//
// Sixty-four elements of out at a time stay in Y0…Y7 over all tokens, then what
// is left by sixteen.
TEXT ·mixFloatAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ n+8(FP), R9
	MOVQ tokens+24(FP), R11
	MOVQ values+32(FP), R8
	MOVQ stride+40(FP), R10
	SHLQ $2, R10

#define ONTO(O, T, A) \
	VMULPS O(DX), Y8, T; \
	VADDPS T, A, A

wide:
	CMPQ R9, $64
	JLT narrow
	MOVQ weights+16(FP), SI
	MOVQ R8, DX
	MOVQ R11, CX
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	VMOVUPS 128(DI), Y4
	VMOVUPS 160(DI), Y5
	VMOVUPS 192(DI), Y6
	VMOVUPS 224(DI), Y7
wideToken:
	VBROADCASTSS (SI), Y8
	ONTO(0, Y9, Y0)
	ONTO(32, Y10, Y1)
	ONTO(64, Y11, Y2)
	ONTO(96, Y12, Y3)
	ONTO(128, Y13, Y4)
	ONTO(160, Y14, Y5)
	ONTO(192, Y15, Y6)
	ONTO(224, Y9, Y7)
	ADDQ $4, SI
	ADDQ R10, DX
	DECQ CX
	JNZ wideToken
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	VMOVUPS Y4, 128(DI)
	VMOVUPS Y5, 160(DI)
	VMOVUPS Y6, 192(DI)
	VMOVUPS Y7, 224(DI)
	ADDQ $256, DI
	ADDQ $256, R8
	SUBQ $64, R9
	JMP wide
narrow:
	TESTQ R9, R9
	JZ done
	MOVQ weights+16(FP), SI
	MOVQ R8, DX
	MOVQ R11, CX
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
narrowToken:
	VBROADCASTSS (SI), Y8
	ONTO(0, Y9, Y0)
	ONTO(32, Y10, Y1)
	ADDQ $4, SI
	ADDQ R10, DX
	DECQ CX
	JNZ narrowToken
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ $64, DI
	ADDQ $64, R8
	SUBQ $16, R9
	JMP narrow
done:
	VZEROUPPER
	RET
