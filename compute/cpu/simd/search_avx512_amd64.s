// The operations of search for AVX-512: bits counted by VPOPCNTDQ, bytes
// multiplied by VNNI. A scan is as fast as memory; what is here need only keep
// up with it.

#include "textflag.h"

DATA eight<>+0(SB)/8, $0
DATA eight<>+8(SB)/8, $1
DATA eight<>+16(SB)/8, $2
DATA eight<>+24(SB)/8, $3
DATA eight<>+32(SB)/8, $4
DATA eight<>+40(SB)/8, $5
DATA eight<>+48(SB)/8, $6
DATA eight<>+56(SB)/8, $7
GLOBL eight<>(SB), RODATA|NOPTR, $64

// The bits in which 64 bytes, or what K1 leaves of them, differ from Z16.
#define DIFFER(ROW, T, S) \
	VMOVDQU64.Z (ROW), K1, T; \
	VPXORQ Z16, T, T; \
	VPOPCNTQ T, T; \
	VPADDQ T, S, S

// Two sums of each row A and B, next to one another in each 128 bits.
#define PAIR(A, B, T, O) \
	VPUNPCKHQDQ B, A, T; \
	VPUNPCKLQDQ B, A, O; \
	VPADDQ T, O, O

// The 128 bits of even place onto those of odd place: A below, B above.
#define FOLD(A, B, T, O) \
	VSHUFI64X2 $0xDD, B, A, T; \
	VSHUFI64X2 $0x88, B, A, O; \
	VPADDQ T, O, O

// func near512(out *uint64, codes, query *byte, size int, live *byte, n int, first uint32, limit int) (found int)
//
// n is a multiple of 8. Eight rows at a time, whose sums Z0…Z7 end in one
// register; eight rows of which none is live are not read.
//
//	SI the first of eight rows   R9 their live bits   DI the output
TEXT ·near512(SB), NOSPLIT, $0-72
	MOVQ out+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ query+16(FP), DX
	MOVQ size+24(FP), R8
	MOVQ live+32(FP), R9
	MOVQ n+40(FP), R10
	MOVL first+48(FP), AX
	VPBROADCASTQ AX, Z17
	VPADDQ eight<>(SB), Z17, Z17
	MOVQ limit+56(FP), AX
	VPBROADCASTQ AX, Z18
	MOVQ $8, AX
	VPBROADCASTQ AX, Z19
	SHRQ $3, R10
	// The mask of the last 64 bytes: size%64/8 words, or all.
	MOVQ R8, CX
	DECQ CX
	ANDQ $63, CX
	SHRQ $3, CX
	INCQ CX
	MOVL $1, R13
	SHLL CX, R13
	DECL R13
eightRows:
	MOVBLZX (R9), R12
	LEAQ (SI)(R8*8), R11 // the rows after these
	TESTL R12, R12
	JZ next
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	MOVL $0xFF, AX
	KMOVW AX, K1
	XORQ CX, CX
part:
	LEAQ 64(CX), AX
	CMPQ AX, R8
	JLT wholePart
	KMOVW R13, K1
wholePart:
	VMOVDQU64.Z (DX)(CX*1), K1, Z16
	LEAQ (SI)(CX*1), BX
	DIFFER(BX, Z8, Z0)
	ADDQ R8, BX
	DIFFER(BX, Z9, Z1)
	ADDQ R8, BX
	DIFFER(BX, Z10, Z2)
	ADDQ R8, BX
	DIFFER(BX, Z11, Z3)
	ADDQ R8, BX
	DIFFER(BX, Z12, Z4)
	ADDQ R8, BX
	DIFFER(BX, Z13, Z5)
	ADDQ R8, BX
	DIFFER(BX, Z14, Z6)
	ADDQ R8, BX
	DIFFER(BX, Z15, Z7)
	MOVQ AX, CX
	CMPQ CX, R8
	JLT part
	PAIR(Z0, Z1, Z8, Z9)
	PAIR(Z2, Z3, Z8, Z10)
	PAIR(Z4, Z5, Z8, Z11)
	PAIR(Z6, Z7, Z8, Z12)
	FOLD(Z9, Z10, Z8, Z0)
	FOLD(Z11, Z12, Z8, Z1)
	FOLD(Z0, Z1, Z8, Z2)
	KMOVW R12, K2
	VPCMPUQ $2, Z18, Z2, K2, K3
	KMOVW K3, AX
	TESTL AX, AX
	JZ next
	VPSLLQ $32, Z2, Z2
	VPORQ Z17, Z2, Z2
	VPCOMPRESSQ.Z Z2, K3, Z2
	VMOVDQU64 Z2, (DI)
	POPCNTL AX, AX
	LEAQ (DI)(AX*8), DI
next:
	MOVQ R11, SI
	INCQ R9
	VPADDQ Z19, Z17, Z17
	DECQ R10
	JNZ eightRows
	SUBQ out+0(FP), DI
	SHRQ $3, DI
	MOVQ DI, found+64(FP)
	VZEROUPPER
	RET

// The sixteen lanes of Z0, whose halves are Y0 and X0, onto the first.
#define LANES(ADD) \
	VEXTRACTI64X4 $1, Z0, Y1; \
	ADD Y1, Y0, Y0; \
	VEXTRACTI128 $1, Y0, X1; \
	ADD X1, X0, X0; \
	VPSHUFD $0x4E, X0, X1; \
	ADD X1, X0, X0; \
	VPSHUFD $0xB1, X0, X1; \
	ADD X1, X0, X0

// func dots512(out *int32, codes *byte, query *int8, size int, bias int32, rows *uint32, n int)
//
// One row at a time, with two sums: the processor looks far enough ahead to
// fetch the rows that follow meanwhile.
TEXT ·dots512(SB), NOSPLIT, $0-56
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
	VPXORQ Z0, Z0, Z0
	VPXORQ Z2, Z2, Z2
	XORQ AX, AX
	TESTQ $64, R8
	JZ twice
	VMOVDQU64 (BX), Z4
	VPDPBUSD (DX), Z4, Z0
	MOVQ $64, AX
	CMPQ AX, R8
	JGE sum
twice:
	VMOVDQU64 (BX)(AX*1), Z4
	VMOVDQU64 64(BX)(AX*1), Z5
	VPDPBUSD (DX)(AX*1), Z4, Z0
	VPDPBUSD 64(DX)(AX*1), Z5, Z2
	ADDQ $128, AX
	CMPQ AX, R8
	JLT twice
sum:
	VPADDD Z2, Z0, Z0
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

#define TIMES(O, T, S) \
	VMOVUPS O(BX), T; \
	VMULPS O(AX), T, T; \
	VADDPS T, S, S

// func products512(out *float32, data *byte, query *float32, size int, rows *uint32, n int)
//
// Lane i of the plain twin is lane i%16 of Z[i/16].
TEXT ·products512(SB), NOSPLIT, $0-48
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
	VXORPS Z0, Z0, Z0
	VXORPS Z1, Z1, Z1
	VXORPS Z2, Z2, Z2
	VXORPS Z3, Z3, Z3
elements:
	TIMES(0, Z4, Z0)
	TIMES(64, Z5, Z1)
	TIMES(128, Z6, Z2)
	TIMES(192, Z7, Z3)
	ADDQ $256, AX
	ADDQ $256, BX
	CMPQ BX, R11
	JLT elements
	VADDPS Z2, Z0, Z0
	VADDPS Z3, Z1, Z1
	VADDPS Z1, Z0, Z0
	LANES(VADDPS)
	VMOVSS X0, (DI)
	ADDQ $4, DI
	ADDQ $4, R10
	DECQ CX
	JNZ product
	VZEROUPPER
	RET
