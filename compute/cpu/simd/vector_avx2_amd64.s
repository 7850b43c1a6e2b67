// Vector operations for AVX2 and F16C, over whole registers; what is left over
// is done by the plain twins. Multiplications and additions are apart, as they
// are there, so that the bits are the same.
//
// AVX-512 would not help: in a step of a model these take a few percent of the
// time, and Scores and Mix wait for memory.

#include "textflag.h"

// func addAVX2(x, y *float32, n int), n a multiple of 8
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), DI
	MOVQ y+8(FP), SI
	MOVQ n+16(FP), CX
loop:
	VMOVUPS (DI), Y0
	VADDPS (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func scaleAVX2(x *float32, n int, by float32), n a multiple of 8
TEXT ·scaleAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	VBROADCASTSS by+16(FP), Y1
loop:
	VMULPS (DI), Y1, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func scaleMulAVX2(out, x, weight *float32, n int, by float32), n a multiple of 8
TEXT ·scaleMulAVX2(SB), NOSPLIT, $0-36
	MOVQ out+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ weight+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS by+32(FP), Y1
loop:
	VMULPS (SI), Y1, Y0
	VMULPS (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func squaresAVX2(sums *lanes, x *float32, n int), n a multiple of 16
TEXT ·squaresAVX2(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
loop:
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3
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

// func sumAVX2(sums *lanes, x *float32, n int), n a multiple of 16
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
loop:
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y1, Y1
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ loop
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VZEROUPPER
	RET

// func mostAVX2(x *float32, n int) float32, n a multiple of 8
TEXT ·mostAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VMOVUPS (SI), Y0
loop:
	VMAXPS (SI), Y0, Y0
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ loop
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x0e, X0, X1
	VMAXPS X1, X0, X0
	VMOVSHDUP X0, X1
	VMAXSS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func toHalfAVX2(dst *uint16, src *float32, n int), n a multiple of 8
TEXT ·toHalfAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
loop:
	VMOVUPS (SI), Y0
	VCVTPS2PH $0, Y0, X0
	VMOVDQU X0, (DI)
	ADDQ $32, SI
	ADDQ $16, DI
	SUBQ $8, CX
	JNZ loop
	VZEROUPPER
	RET

// func scoresAVX2(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)
//
// n is a multiple of 16: the sixteen lanes are Y0 and Y1.
TEXT ·scoresAVX2(SB), NOSPLIT, $0-52
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
	VCVTPH2PS (DX)(AX*2), Y2
	VCVTPH2PS 16(DX)(AX*2), Y3
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
	LEAQ (DX)(R10*2), DX
	DECQ CX
	JNZ token
	VZEROUPPER
	RET

// func mixAVX2(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
//
// n is a multiple of 16. Sixty-four elements of out at a time stay in Y0…Y7
// over all tokens, then what is left by sixteen.
TEXT ·mixAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ n+8(FP), R9
	MOVQ tokens+24(FP), R11
	MOVQ values+32(FP), R8
	MOVQ stride+40(FP), R10
	SHLQ $1, R10

#define ONTO(O, A) \
	VCVTPH2PS O(DX), Y9; \
	VMULPS Y8, Y9, Y9; \
	VADDPS Y9, A, A

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
	ONTO(0, Y0)
	ONTO(16, Y1)
	ONTO(32, Y2)
	ONTO(48, Y3)
	ONTO(64, Y4)
	ONTO(80, Y5)
	ONTO(96, Y6)
	ONTO(112, Y7)
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
	ADDQ $128, R8
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
	ONTO(0, Y0)
	ONTO(16, Y1)
	ADDQ $4, SI
	ADDQ R10, DX
	DECQ CX
	JNZ narrowToken
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ $64, DI
	ADDQ $32, R8
	SUBQ $16, R9
	JMP narrow
done:
	VZEROUPPER
	RET
