// Row kernels of Q8_0 and Q4_0 for AVX-512 with VNNI: one input row, weights
// streamed once, in the order in which they lie. Interleaving rows would share
// the loads of the input, and was rejected: the processor's prefetcher follows
// one stream best, and memory is what bounds this.
//
// Eight blocks make a group. Their eight integer sums end in the eight lanes
// of one register, are scaled there and added to the row's lanes in Y0: the
// order of sums of quant.go. The blocks left over at the end of a row make one
// more group together with the first of the next row, whose scales K2 masks
// and for which the input is padded with zeros. The last row has no next one,
// nor has a short row enough of it: there the blocks left over are copied to
// the stack, behind them zeros. So nothing is read beyond the rows. Copying
// always cost a fifth of a row of 18 blocks, for what was just stored cannot be
// loaded at once in other pieces.
//
// Shared registers:
//
//	DI out      SI weights, runs on over the rows    R12 rows left
//	R8 codes    R9 scales    R10 sums of the input, run over the row
//	R11 groups in a row      R13 blocks left over    CX groups left
//	K1 all lanes             K2 lanes of what is left over    BX its bytes
//	Y0 lanes of the row      Z29 order of the sums   Z31 0x80 or 0x0f bytes

#include "textflag.h"

// Lanes from which VPERMD takes the sums of blocks 0 to 7.
DATA q8Order<>+0(SB)/4, $0
DATA q8Order<>+4(SB)/4, $8
DATA q8Order<>+8(SB)/4, $1
DATA q8Order<>+12(SB)/4, $9
DATA q8Order<>+16(SB)/4, $2
DATA q8Order<>+20(SB)/4, $10
DATA q8Order<>+24(SB)/4, $3
DATA q8Order<>+28(SB)/4, $11
GLOBL q8Order<>(SB), RODATA|NOPTR, $32

DATA q4Order<>+0(SB)/4, $0
DATA q4Order<>+4(SB)/4, $4
DATA q4Order<>+8(SB)/4, $8
DATA q4Order<>+12(SB)/4, $12
DATA q4Order<>+16(SB)/4, $1
DATA q4Order<>+20(SB)/4, $5
DATA q4Order<>+24(SB)/4, $9
DATA q4Order<>+28(SB)/4, $13
GLOBL q4Order<>(SB), RODATA|NOPTR, $32

// The eight scales of a group whose blocks are SIZE apart, widened, times
// those of the input, in Y9.
#define SCALES(W, SIZE, K) \
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
	VMULPS.Z (R9), Y9, K, Y9

// Two blocks of Q8_0, unsigned, in Z; their products with the input in D, four
// dwords each in lanes 0, 1 and 2, 3.
#define PAIR8(W, O, X, Y, Z, D) \
	VMOVDQU (O+2)(W), Y; \
	VINSERTI64X4 $1, (O+36)(W), Z, Z; \
	VPXORD Z31, Z, Z; \
	VPXORD D, D, D; \
	VPDPBUSD X(R8), Z, D

// A group of Q8_0 at W. The weights are 128 too large, which the sums of the
// input undo. Transposing while adding takes the dwords of a block from four
// to two (Z12, Z13), to one in each half (Z12), and the halves together.
#define GROUP8(W, K) \
	PAIR8(W, 0, 0, Y1, Z1, Z12); \
	PAIR8(W, 68, 64, Y2, Z2, Z13); \
	PAIR8(W, 136, 128, Y3, Z3, Z14); \
	PAIR8(W, 204, 192, Y4, Z4, Z15); \
	SCALES(W, 34, K); \
	VPUNPCKLDQ Z13, Z12, Z5; \
	VPUNPCKHDQ Z13, Z12, Z6; \
	VPUNPCKLDQ Z15, Z14, Z7; \
	VPUNPCKHDQ Z15, Z14, Z8; \
	VPADDD Z6, Z5, Z12; \
	VPADDD Z8, Z7, Z13; \
	VPUNPCKLQDQ Z13, Z12, Z5; \
	VPUNPCKHQDQ Z13, Z12, Z6; \
	VPADDD Z6, Z5, Z5; \
	VSHUFI64X2 $0xb1, Z5, Z5, Z6; \
	VPADDD Z6, Z5, Z5; \
	VPERMD Z5, Z29, Z5; \
	VPADDD (R10), Y5, Y5; \
	VCVTDQ2PS Y5, Y5; \
	VMULPS Y9, Y5, Y5; \
	VADDPS Y5, Y0, Y0

// Four blocks of Q4_0: low nibbles in ZL, high ones in ZH, each lane a block.
#define FOUR4(W, O, X, XL, ZL, ZH, D) \
	VMOVDQU (O+2)(W), XL; \
	VINSERTI32X4 $1, (O+20)(W), ZL, ZL; \
	VINSERTI32X4 $2, (O+38)(W), ZL, ZL; \
	VINSERTI32X4 $3, (O+56)(W), ZL, ZL; \
	VPSRLW $4, ZL, ZH; \
	VPANDD Z31, ZL, ZL; \
	VPANDD Z31, ZH, ZH; \
	VPXORD D, D, D; \
	VPDPBUSD X(R8), ZL, D; \
	VPDPBUSD (X+64)(R8), ZH, D

// A group of Q4_0 at W. The weights are 8 too large, and the sums of the input
// are made for 128.
#define GROUP4(W, K) \
	FOUR4(W, 0, 0, X1, Z1, Z2, Z12); \
	FOUR4(W, 72, 128, X3, Z3, Z4, Z13); \
	SCALES(W, 18, K); \
	VPUNPCKLDQ Z13, Z12, Z5; \
	VPUNPCKHDQ Z13, Z12, Z6; \
	VPADDD Z6, Z5, Z5; \
	VPSHUFD $0x4e, Z5, Z6; \
	VPADDD Z6, Z5, Z5; \
	VPERMD Z5, Z29, Z5; \
	VMOVDQU (R10), Y6; \
	VPSRAD $4, Y6, Y6; \
	VPADDD Y6, Y5, Y5; \
	VCVTDQ2PS Y5, Y5; \
	VMULPS Y9, Y5, Y5; \
	VADDPS Y5, Y0, Y0

// The lanes of Y0, first to last, to the next place of out.
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

// K1, K2 and BX for blocks of SIZE bytes.
#define LASTLANES(SIZE) \
	MOVL $0xff, AX; \
	KMOVW AX, K1; \
	MOVQ R13, CX; \
	MOVL $1, AX; \
	SHLL CX, AX; \
	DECL AX; \
	KMOVW AX, K2; \
	IMUL3Q $SIZE, R13, BX

#define CLEAR64(O) \
	VMOVDQU64 Z1, tail-(288-O)(SP)

// func q8Rows512(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
TEXT ·q8Rows512(SB), NOSPLIT, $320-56
	MOVQ out+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ rows+16(FP), R12
	MOVQ blocks+24(FP), R11
	MOVQ R11, R13
	ANDQ $7, R13
	SHRQ $3, R11
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z31
	VMOVDQU64 q8Order<>(SB), Y29
	VPXORD Z1, Z1, Z1
	CLEAR64(0)
	CLEAR64(64)
	CLEAR64(128)
	CLEAR64(192)
	CLEAR64(224)
	LASTLANES(34)
q8row:
	MOVQ x+32(FP), R8
	MOVQ scales+40(FP), R9
	MOVQ sums+48(FP), R10
	VXORPS Y0, Y0, Y0
	MOVQ R11, CX
	TESTQ CX, CX
	JZ q8rest
q8group:
	PREFETCHT0 1024(SI)
	PREFETCHT0 1088(SI)
	PREFETCHT0 1152(SI)
	PREFETCHT0 1216(SI)
	GROUP8(SI, K1)
	ADDQ $272, SI
	ADDQ $256, R8
	ADDQ $32, R9
	ADDQ $32, R10
	DECQ CX
	JNZ q8group
q8rest:
	TESTQ R13, R13
	JZ q8end
	TESTQ R11, R11
	JZ q8alone
	CMPQ R12, $1
	JEQ q8alone
	GROUP8(SI, K2)
	ADDQ BX, SI
	JMP q8end
q8alone:
	MOVQ R13, CX
	LEAQ tail-288(SP), DX
q8copy:
	VMOVDQU (SI), Y1
	MOVWLZX 32(SI), AX
	VMOVDQU Y1, (DX)
	MOVW AX, 32(DX)
	ADDQ $34, SI
	ADDQ $34, DX
	DECQ CX
	JNZ q8copy
	LEAQ tail-288(SP), DX
	GROUP8(DX, K1)
q8end:
	FINISH
	DECQ R12
	JNZ q8row
	VZEROUPPER
	RET

// func q4Rows512(out *float32, w *byte, rows, blocks int, x *int8, scales *float32, sums *int32)
TEXT ·q4Rows512(SB), NOSPLIT, $320-56
	MOVQ out+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ rows+16(FP), R12
	MOVQ blocks+24(FP), R11
	MOVQ R11, R13
	ANDQ $7, R13
	SHRQ $3, R11
	MOVL $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z31
	VMOVDQU64 q4Order<>(SB), Y29
	VPXORD Z1, Z1, Z1
	CLEAR64(0)
	CLEAR64(64)
	CLEAR64(128)
	LASTLANES(18)
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
	GROUP4(SI, K1)
	ADDQ $144, SI
	ADDQ $256, R8
	ADDQ $32, R9
	ADDQ $32, R10
	DECQ CX
	JNZ q4group
q4rest:
	TESTQ R13, R13
	JZ q4end
	TESTQ R11, R11
	JZ q4alone
	CMPQ R12, $1
	JEQ q4alone
	GROUP4(SI, K2)
	ADDQ BX, SI
	JMP q4end
q4alone:
	MOVQ R13, CX
	LEAQ tail-288(SP), DX
q4copy:
	VMOVDQU (SI), X1
	MOVWLZX 16(SI), AX
	VMOVDQU X1, (DX)
	MOVW AX, 16(DX)
	ADDQ $18, SI
	ADDQ $18, DX
	DECQ CX
	JNZ q4copy
	LEAQ tail-288(SP), DX
	GROUP4(DX, K1)
q4end:
	FINISH
	DECQ R12
	JNZ q4row
	VZEROUPPER
	RET
