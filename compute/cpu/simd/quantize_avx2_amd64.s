// Quantising activations to blocks of 32 for AVX2 and F16C; plainQuantize32
// says what it does.

#include "textflag.h"

DATA quantizeOrder<>+0(SB)/4, $0
DATA quantizeOrder<>+4(SB)/4, $4
DATA quantizeOrder<>+8(SB)/4, $1
DATA quantizeOrder<>+12(SB)/4, $5
DATA quantizeOrder<>+16(SB)/4, $2
DATA quantizeOrder<>+20(SB)/4, $6
DATA quantizeOrder<>+24(SB)/4, $3
DATA quantizeOrder<>+28(SB)/4, $7
GLOBL quantizeOrder<>(SB), RODATA|NOPTR, $32

// func quantize32AVX2(codes *int8, scales *float32, sums *int32, x *float32, blocks, high int)
//
// high is how far the second half of a block goes from the first: 16, or 64
// when the input is split.
//
//	DI codes   R8 scales   R9 sums   SI values   CX blocks left   AX block
//	Y12 sign bits off   X13 127   X14 largest half   Y15 order after packing
TEXT ·quantize32AVX2(SB), NOSPLIT, $0-48
	MOVQ codes+0(FP), DI
	MOVQ scales+8(FP), R8
	MOVQ sums+16(FP), R9
	MOVQ x+24(FP), SI
	MOVQ blocks+32(FP), CX
	MOVQ high+40(FP), R10
	XORQ AX, AX
	VPCMPEQD Y12, Y12, Y12
	VPSRLD $1, Y12, Y12
	MOVL $0x42fe0000, DX // 127
	VMOVD DX, X13
	MOVL $0x477fe000, DX // 65504
	VMOVD DX, X14
	VMOVDQU quantizeOrder<>(SB), Y15
block:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VANDPS Y12, Y0, Y4
	VANDPS Y12, Y1, Y5
	VANDPS Y12, Y2, Y6
	VANDPS Y12, Y3, Y7
	VMAXPS Y5, Y4, Y4
	VMAXPS Y7, Y6, Y6
	VMAXPS Y6, Y4, Y4
	VEXTRACTF128 $1, Y4, X5
	VMAXPS X5, X4, X4
	VPERMILPS $0x0e, X4, X5
	VMAXPS X5, X4, X4
	VMOVSHDUP X4, X5
	VMAXSS X5, X4, X4
	// The scale X5; its inverse Y6, but zero where the scale is.
	VDIVSS X13, X4, X5
	VMINSS X14, X5, X5
	VCVTPS2PH $0, X5, X5
	VCVTPH2PS X5, X5
	VMOVSS X5, (R8)
	VDIVSS X4, X13, X6
	VXORPS X7, X7, X7
	VCMPSS $14, X7, X5, X7
	VANDPS X7, X6, X6
	VBROADCASTSS X6, Y6
	VMULPS Y6, Y0, Y0
	VMULPS Y6, Y1, Y1
	VMULPS Y6, Y2, Y2
	VMULPS Y6, Y3, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPADDD Y1, Y0, Y4
	VPADDD Y3, Y2, Y5
	VPADDD Y5, Y4, Y4
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSWB Y2, Y0, Y0
	VPERMD Y0, Y15, Y0
	VMOVDQU X0, (DI)
	VEXTRACTI128 $1, Y0, (DI)(R10*1)
	VEXTRACTI128 $1, Y4, X5
	VPADDD X5, X4, X4
	VPSHUFD $0x0e, X4, X5
	VPADDD X5, X4, X4
	VPSHUFD $0x01, X4, X5
	VPADDD X5, X4, X4
	VPSLLD $7, X4, X4
	VPXOR X5, X5, X5
	VPSUBD X4, X5, X4
	VMOVD X4, (R9)
	// The next block is 32 on; or, when split, 16 on, and 128 after four.
	INCQ AX
	ADDQ $32, DI
	CMPQ R10, $16
	JEQ next
	SUBQ $16, DI
	TESTQ $3, AX
	JNZ next
	ADDQ $64, DI
next:
	ADDQ $128, SI
	ADDQ $4, R8
	ADDQ $4, R9
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// Eight values from O on, times Y6, from −127 to 127 and zero for no number, as
// integers.
#define INTEGERS(O, D) \
	VMULPS O(SI), Y6, D; \
	VCMPPS $7, D, D, Y9; \
	VMAXPS Y13, D, D; \
	VMINPS Y14, D, D; \
	VANDPS Y9, D, D; \
	VCVTPS2DQ D, D

// The codes of 32 values from I·128 bytes on, and in S four sums in each half,
// of which each half's are those of sixteen codes.
#define CODES(I, S) \
	INTEGERS(I*128, Y7); \
	INTEGERS(I*128+32, Y8); \
	VPACKSSDW Y8, Y7, Y7; \
	INTEGERS(I*128+64, Y10); \
	INTEGERS(I*128+96, Y11); \
	VPACKSSDW Y11, Y10, Y10; \
	VPACKSSWB Y10, Y7, Y7; \
	VPERMD Y7, Y15, Y7; \
	VMOVDQU Y7, (I*32)(DI); \
	VPMADDUBSW Y7, Y4, S; \
	VPMADDWD Y5, S, S

// func quantize256AVX2(codes *int8, scales *float32, sums *int16, x *float32, blocks int)
//
//	DI codes   R8 scales   R9 sums   SI values   CX blocks left
//	Y4 bytes of 1   Y5 words of 1   Y6 the inverse scale   Y12 sign bits off
//	Y13 −127   Y14 127   Y15 order after packing
TEXT ·quantize256AVX2(SB), NOSPLIT, $0-40
	MOVQ codes+0(FP), DI
	MOVQ scales+8(FP), R8
	MOVQ sums+16(FP), R9
	MOVQ x+24(FP), SI
	MOVQ blocks+32(FP), CX
	VPCMPEQD Y12, Y12, Y12
	VPABSB Y12, Y4
	VPABSW Y12, Y5
	VPSRLD $1, Y12, Y12
	MOVL $0xc2fe0000, DX // -127
	VMOVD DX, X13
	VPBROADCASTD X13, Y13
	MOVL $0x42fe0000, DX // 127
	VMOVD DX, X14
	VPBROADCASTD X14, Y14
	VMOVDQU quantizeOrder<>(SB), Y15
block256:
	// The largest magnitude, Y0; VMAXPS keeps its first operand here when the
	// other is no number.
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ AX, AX
most256:
	VANDPS (SI)(AX*4), Y12, Y2
	VANDPS 32(SI)(AX*4), Y12, Y3
	VMAXPS Y0, Y2, Y0
	VMAXPS Y1, Y3, Y1
	ADDQ $16, AX
	CMPQ AX, $256
	JLT most256
	VMAXPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x0e, X0, X1
	VMAXPS X1, X0, X0
	VMOVSHDUP X0, X1
	VMAXSS X1, X0, X0
	VXORPS X6, X6, X6
	VXORPS X1, X1, X1
	VUCOMISS X1, X0
	JEQ scaled256
	// The first value of that magnitude, for its sign.
	VBROADCASTSS X0, Y0
	XORQ AX, AX
first256:
	VANDPS (SI)(AX*4), Y12, Y2
	VCMPPS $0, Y0, Y2, Y2
	ADDQ $8, AX
	VMOVMSKPS Y2, DX
	TESTL DX, DX
	JZ first256
	TZCNTL DX, DX
	ADDQ DX, AX
	VDIVSS -32(SI)(AX*4), X13, X6
	MOVL $0x3f800000, DX // 1
	VMOVD DX, X1
	VDIVSS X6, X1, X1
scaled256:
	VMOVSS X1, (R8)
	VBROADCASTSS X6, Y6
	CODES(0, Y0)
	CODES(1, Y1)
	CODES(2, Y2)
	CODES(3, Y3)
	VPHADDD Y1, Y0, Y0
	VPHADDD Y3, Y2, Y2
	VPHADDD Y2, Y0, Y0
	CODES(4, Y1)
	CODES(5, Y2)
	VPHADDD Y2, Y1, Y1
	CODES(6, Y2)
	CODES(7, Y3)
	VPHADDD Y3, Y2, Y2
	VPHADDD Y2, Y1, Y1
	// The even sums are in the lower half, the odd ones in the upper.
	VPACKSSDW Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPUNPCKLWD X1, X0, X2
	VPUNPCKHWD X1, X0, X3
	VMOVDQU X2, (R9)
	VMOVDQU X3, 16(R9)
	ADDQ $256, DI
	ADDQ $4, R8
	ADDQ $32, R9
	ADDQ $1024, SI
	DECQ CX
	JNZ block256
	VZEROUPPER
	RET
