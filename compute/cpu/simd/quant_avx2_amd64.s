// Row kernels of Q8_0 and Q4_0 for AVX2: one input row, weights streamed once.
// Groups, lanes and what is left over are as in quant_avx512_amd64.s.
//
// Without VNNI, VPMADDUBSW multiplies unsigned bytes by signed ones and adds
// pairs into 16 bits, where they must not saturate. Weights that are 128 too
// large could (2·255·127); so the sign of a weight of Q8_0 goes to the input,
// and its magnitude, at most 128, gives at most 2·128·127 = 32512. Weights of
// Q4_0 stay 8 too large, at most 2·15·127, and the sums of the input put it
// right.
//
//	DI out      SI weights, runs on over the rows    R12 rows left
//	R8 codes    R9 scales    R10 sums of the input, run over the row
//	R11 groups in a row      R13 blocks left over    CX groups left
//	Y0 lanes of the row      Y15 sixteen ones        Y14 0x0f bytes
//	Y1…Y8 what a block needs, then its sums

#include "textflag.h"

#define SCALES(W, SIZE) \
	VPXOR X9, X9, X9; \
	VPXOR X10, X10, X10; \
	VPINSRW $0, (W), X9, X9; \
	VPINSRW $0, (4*SIZE)(W), X10, X10; \
	VPINSRW $1, (1*SIZE)(W), X9, X9; \
	VPINSRW $1, (5*SIZE)(W), X10, X10; \
	VPINSRW $2, (2*SIZE)(W), X9, X9; \
	VPINSRW $2, (6*SIZE)(W), X10, X10; \
	VPINSRW $3, (3*SIZE)(W), X9, X9; \
	VPINSRW $3, (7*SIZE)(W), X10, X10; \
	VPUNPCKLQDQ X10, X9, X9; \
	VCVTPH2PS X9, Y9; \
	VMULPS (R9), Y9, Y9

// The eight dwords of a block of Q8_0 in D.
#define BLOCK8(W, O, X, D) \
	VMOVDQU (O+2)(W), D; \
	VMOVDQU X(R8), Y10; \
	VPSIGNB D, Y10, Y10; \
	VPABSB D, D; \
	VPMADDUBSW Y10, D, D; \
	VPMADDWD Y15, D, D

// The eight dwords of a block of Q4_0 in D; L and H are where the halves of
// its input are.
#define BLOCK4(W, O, L, H, X, D) \
	VMOVDQU (O+2)(W), X; \
	VPSRLW $4, X, X10; \
	VINSERTI128 $1, X10, D, D; \
	VPAND Y14, D, D; \
	VMOVDQU L(R8), X10; \
	VINSERTI128 $1, H(R8), Y10, Y10; \
	VPMADDUBSW Y10, D, D; \
	VPMADDWD Y15, D, D

// Eight times eight dwords, Y1…Y8, to eight sums in Y1.
#define REDUCE \
	VPHADDD Y2, Y1, Y1; \
	VPHADDD Y4, Y3, Y3; \
	VPHADDD Y6, Y5, Y5; \
	VPHADDD Y8, Y7, Y7; \
	VPHADDD Y3, Y1, Y1; \
	VPHADDD Y7, Y5, Y5; \
	VPERM2I128 $0x20, Y5, Y1, Y2; \
	VPERM2I128 $0x31, Y5, Y1, Y3; \
	VPADDD Y3, Y2, Y1

#define ONTO \
	VCVTDQ2PS Y1, Y1; \
	VMULPS Y9, Y1, Y1; \
	VADDPS Y1, Y0, Y0

#define GROUP8(W) \
	BLOCK8(W, 0, 0, Y1); \
	BLOCK8(W, 34, 32, Y2); \
	BLOCK8(W, 68, 64, Y3); \
	BLOCK8(W, 102, 96, Y4); \
	BLOCK8(W, 136, 128, Y5); \
	BLOCK8(W, 170, 160, Y6); \
	BLOCK8(W, 204, 192, Y7); \
	BLOCK8(W, 238, 224, Y8); \
	REDUCE; \
	SCALES(W, 34); \
	ONTO

#define GROUP4(W) \
	BLOCK4(W, 0, 0, 64, X1, Y1); \
	BLOCK4(W, 18, 16, 80, X2, Y2); \
	BLOCK4(W, 36, 32, 96, X3, Y3); \
	BLOCK4(W, 54, 48, 112, X4, Y4); \
	BLOCK4(W, 72, 128, 192, X5, Y5); \
	BLOCK4(W, 90, 144, 208, X6, Y6); \
	BLOCK4(W, 108, 160, 224, X7, Y7); \
	BLOCK4(W, 126, 176, 240, X8, Y8); \
	REDUCE; \
	VMOVDQU (R10), Y2; \
	VPSRAD $4, Y2, Y2; \
	VPADDD Y2, Y1, Y1; \
	SCALES(W, 18); \
	ONTO

#define FINISH \
	VEXTRACTF128 $1, Y0, X1; \
	VMOVSHDUP X0, X2; \
	VPERMILPS $2, X0, X3; \
	VPERMILPS $3, X0, X4; \
	VMOVSHDUP X1, X5; \
	VPERMILPS $2, X1, X6; \
	VPERMILPS $3, X1, X7; \
	VADDSS X2, X0, X0; \
	VADDSS X3, X0, X0; \
	VADDSS X4, X0, X0; \
	VADDSS X1, X0, X0; \
	VADDSS X5, X0, X0; \
	VADDSS X6, X0, X0; \
	VADDSS X7, X0, X0; \
	VMOVSS X0, (DI); \
	ADDQ $4, DI

#define START \
	MOVQ out+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rows+16(FP), R12; \
	MOVQ blocks+24(FP), R11; \
	MOVQ R11, R13; \
	ANDQ $7, R13; \
	SHRQ $3, R11; \
	VPCMPEQW Y15, Y15, Y15; \
	VPSRLW $15, Y15, Y15; \
	VPCMPEQB Y1, Y1, Y1; \
	VPSRLW $12, Y1, Y14; \
	VPSLLW $8, Y14, Y1; \
	VPOR Y1, Y14, Y14; \
	VPXOR Y1, Y1, Y1; \
	VMOVDQU Y1, tail-288(SP); \
	VMOVDQU Y1, tail-256(SP); \
	VMOVDQU Y1, tail-224(SP); \
	VMOVDQU Y1, tail-192(SP); \
	VMOVDQU Y1, tail-160(SP); \
	VMOVDQU Y1, tail-128(SP); \
	VMOVDQU Y1, tail-96(SP); \
	VMOVDQU Y1, tail-64(SP); \
	VMOVDQU Y1, tail-32(SP)

// func q8RowsAVX2(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
TEXT ·q8RowsAVX2(SB), NOSPLIT, $320-56
	START
q8row:
	MOVQ x+32(FP), R8
	MOVQ scales+40(FP), R9
	VXORPS Y0, Y0, Y0
	MOVQ R11, CX
	TESTQ CX, CX
	JZ q8rest
q8group:
	PREFETCHT0 1024(SI)
	PREFETCHT0 1088(SI)
	PREFETCHT0 1152(SI)
	PREFETCHT0 1216(SI)
	GROUP8(SI)
	ADDQ $272, SI
	ADDQ $256, R8
	ADDQ $32, R9
	DECQ CX
	JNZ q8group
q8rest:
	TESTQ R13, R13
	JZ q8end
	MOVQ R13, CX
	LEAQ tail-288(SP), DX
	MOVQ DX, BX
q8copy:
	VMOVDQU (SI), Y1
	MOVWLZX 32(SI), AX
	VMOVDQU Y1, (DX)
	MOVW AX, 32(DX)
	ADDQ $34, SI
	ADDQ $34, DX
	DECQ CX
	JNZ q8copy
	GROUP8(BX)
q8end:
	FINISH
	DECQ R12
	JNZ q8row
	VZEROUPPER
	RET

// func q4RowsAVX2(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
TEXT ·q4RowsAVX2(SB), NOSPLIT, $320-56
	START
q4row:
	MOVQ x+32(FP), R8
	MOVQ scales+40(FP), R9
	MOVQ sums+48(FP), R10
	VXORPS Y0, Y0, Y0
	MOVQ R11, CX
	TESTQ CX, CX
	JZ q4rest
q4group:
	PREFETCHT0 1024(SI)
	PREFETCHT0 1088(SI)
	PREFETCHT0 1152(SI)
	GROUP4(SI)
	ADDQ $144, SI
	ADDQ $256, R8
	ADDQ $32, R9
	ADDQ $32, R10
	DECQ CX
	JNZ q4group
q4rest:
	TESTQ R13, R13
	JZ q4end
	MOVQ R13, CX
	LEAQ tail-288(SP), DX
	MOVQ DX, BX
q4copy:
	VMOVDQU (SI), X1
	MOVWLZX 16(SI), AX
	VMOVDQU X1, (DX)
	MOVW AX, 16(DX)
	ADDQ $18, SI
	ADDQ $18, DX
	DECQ CX
	JNZ q4copy
	GROUP4(BX)
q4end:
	FINISH
	DECQ R12
	JNZ q4row
	VZEROUPPER
	RET
