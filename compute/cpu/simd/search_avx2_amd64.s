// The operations of search for AVX2. Bits are counted by looking nibbles up,
// as in Muła, Kurz, Lemire, "Faster population counts using AVX2 instructions"
// (2018); POPCNT is as fast for one row, and slower for wide ones.

#include "textflag.h"

DATA nibbles<>+0(SB)/8, $0x0302020102010100
DATA nibbles<>+8(SB)/8, $0x0403030203020201
DATA nibbles<>+16(SB)/8, $0x0302020102010100
DATA nibbles<>+24(SB)/8, $0x0403030203020201
GLOBL nibbles<>(SB), RODATA|NOPTR, $32

// func near256(out *uint64, codes, query *byte, size int, live *byte, n int, first uint32, limit int) (found int)
//
// size is a multiple of 32. One row at a time.
//
//	SI the row   R11 its number   R9 and R12 its place in live
TEXT ·near256(SB), NOSPLIT, $0-72
	MOVQ out+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ query+16(FP), DX
	MOVQ size+24(FP), R8
	MOVQ live+32(FP), R9
	MOVQ n+40(FP), R10
	MOVL first+48(FP), R11
	MOVQ limit+56(FP), R13
	XORQ R12, R12
	VMOVDQU nibbles<>(SB), Y8
	MOVL $0x0F0F0F0F, AX
	VMOVD AX, X9
	VPBROADCASTD X9, Y9
	VPXOR Y7, Y7, Y7
row:
	MOVBLZX (R9), AX
	BTL R12, AX
	JCC next
	VPXOR Y0, Y0, Y0
	XORQ CX, CX
part:
	VMOVDQU (SI)(CX*1), Y1
	VPXOR (DX)(CX*1), Y1, Y1
	VPAND Y9, Y1, Y2
	VPSRLW $4, Y1, Y1
	VPAND Y9, Y1, Y1
	VPSHUFB Y2, Y8, Y2
	VPSHUFB Y1, Y8, Y1
	VPADDB Y2, Y1, Y1
	VPSADBW Y7, Y1, Y1
	VPADDQ Y1, Y0, Y0
	ADDQ $32, CX
	CMPQ CX, R8
	JLT part
	VEXTRACTI128 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSHUFD $0x4E, X0, X1
	VPADDQ X1, X0, X0
	VMOVQ X0, AX
	CMPQ AX, R13
	JGT next
	SHLQ $32, AX
	ORQ R11, AX
	MOVQ AX, (DI)
	ADDQ $8, DI
next:
	ADDQ R8, SI
	INCL R11
	INCQ R12
	MOVQ R12, AX
	SHRQ $3, AX
	ADDQ AX, R9
	ANDQ $7, R12
	DECQ R10
	JNZ row
	SUBQ out+0(FP), DI
	SHRQ $3, DI
	MOVQ DI, found+64(FP)
	VZEROUPPER
	RET

// The eight lanes of Y0, whose lower half is X0, onto the first.
#define LANES(ADD) \
	VEXTRACTI128 $1, Y0, X1; \
	ADD X1, X0, X0; \
	VPSHUFD $0x4E, X0, X1; \
	ADD X1, X0, X0; \
	VPSHUFD $0xB1, X0, X1; \
	ADD X1, X0, X0

// func dots256(out *int32, codes *byte, query *int8, size int, bias int32, rows *uint32, n int)
//
// Bytes are widened first: VPMADDUBSW would saturate.
TEXT ·dots256(SB), NOSPLIT, $0-56
	MOVQ out+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ query+16(FP), DX
	MOVQ size+24(FP), R8
	MOVL bias+32(FP), R9
	MOVQ rows+40(FP), R10
	MOVQ n+48(FP), CX
dot:
	MOVL (R10), BX
	IMULQ R8, BX
	ADDQ SI, BX
	VPXOR Y0, Y0, Y0
	VPXOR Y6, Y6, Y6
	XORQ AX, AX
two:
	VPMOVZXBW (BX)(AX*1), Y2
	VPMOVSXBW (DX)(AX*1), Y3
	VPMOVZXBW 16(BX)(AX*1), Y4
	VPMOVSXBW 16(DX)(AX*1), Y5
	VPMADDWD Y3, Y2, Y2
	VPMADDWD Y5, Y4, Y4
	VPADDD Y2, Y0, Y0
	VPADDD Y4, Y6, Y6
	ADDQ $32, AX
	CMPQ AX, R8
	JLT two
	VPADDD Y6, Y0, Y0
	LANES(VPADDD)
	VMOVD X0, AX
	ADDL R9, AX
	MOVL AX, (DI)
	ADDQ $4, DI
	ADDQ $4, R10
	DECQ CX
	JNZ dot
	VZEROUPPER
	RET

#define TIMES(O, S) \
	VMOVUPS O(BX), Y8; \
	VMULPS O(AX), Y8, Y8; \
	VADDPS Y8, S, S

// func products256(out *float32, data *byte, query *float32, size int, rows *uint32, n int)
//
// Lane i of the plain twin is lane i%8 of Y[i/8].
TEXT ·products256(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ query+16(FP), DX
	MOVQ size+24(FP), R8
	SHLQ $2, R8
	MOVQ rows+32(FP), R10
	MOVQ n+40(FP), CX
product:
	MOVL (R10), BX
	IMULQ R8, BX
	ADDQ SI, BX
	MOVQ DX, AX
	LEAQ (BX)(R8*1), R11
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
elements:
	TIMES(0, Y0)
	TIMES(32, Y1)
	TIMES(64, Y2)
	TIMES(96, Y3)
	TIMES(128, Y4)
	TIMES(160, Y5)
	TIMES(192, Y6)
	TIMES(224, Y7)
	ADDQ $256, AX
	ADDQ $256, BX
	CMPQ BX, R11
	JLT elements
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	VADDPS Y6, Y2, Y2
	VADDPS Y7, Y3, Y3
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	VADDPS Y1, Y0, Y0
	LANES(VADDPS)
	VMOVSS X0, (DI)
	ADDQ $4, DI
	ADDQ $4, R10
	DECQ CX
	JNZ product
	VZEROUPPER
	RET
