// Row kernels of Q4_K, Q5_K and Q6_K for AVX-512 with VNNI: one input row,
// weights streamed once, in the order in which they lie.
//
// All three share their registers:
//
//	DI  out, one float32 a row          CX  superblocks left in the row
//	SI  weights, runs on over the rows  R8  values of the input, int8
//	R9  scales of the input, float32    R10 its sums of 16, int16
//	R11 superblocks in a row            R12 rows left
//	X0  the row's dot product so far    Z16… what a superblock needs
//	Z24…Z31 constants
//
// Everything within a superblock is integer and exact; float32 enters once
// a superblock, through the same six operations in every kernel of the package
// (see kquant.go), which is why all of them give the same bits.

#include "textflag.h"

// Byte masks and shifts that make the 8 scales and 8 mins of 6 bits out of the
// words [w0 w2 w1 w2] and [w0 w0 w1 w1] of a Q4_K or Q5_K header.
DATA nibbleShift<>+0(SB)/4, $0
DATA nibbleShift<>+4(SB)/4, $0
DATA nibbleShift<>+8(SB)/4, $0
DATA nibbleShift<>+12(SB)/4, $4
GLOBL nibbleShift<>(SB), RODATA|NOPTR, $16

DATA nibbleMask<>+0(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+4(SB)/4, $0x0f0f0f0f
DATA nibbleMask<>+8(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+12(SB)/4, $0x0f0f0f0f
GLOBL nibbleMask<>(SB), RODATA|NOPTR, $16

DATA topMask<>+0(SB)/4, $0
DATA topMask<>+4(SB)/4, $0x30303030
DATA topMask<>+8(SB)/4, $0
DATA topMask<>+12(SB)/4, $0x30303030
GLOBL topMask<>(SB), RODATA|NOPTR, $16

// Each min twice, because a group of 32 has two sums of 16.
DATA minTwice<>+0(SB)/8, $0x0b0b0a0a09090808
DATA minTwice<>+8(SB)/8, $0x0f0f0e0e0d0d0c0c
GLOBL minTwice<>(SB), RODATA|NOPTR, $16

// VPERMD indices: lanes 0…7 group 2c, lanes 8…15 group 2c+1.
#define PAIR(o, lo, hi) \
DATA pairIndex<>+(o+0)(SB)/8, $lo; \
DATA pairIndex<>+(o+8)(SB)/8, $lo; \
DATA pairIndex<>+(o+16)(SB)/8, $lo; \
DATA pairIndex<>+(o+24)(SB)/8, $lo; \
DATA pairIndex<>+(o+32)(SB)/8, $hi; \
DATA pairIndex<>+(o+40)(SB)/8, $hi; \
DATA pairIndex<>+(o+48)(SB)/8, $hi; \
DATA pairIndex<>+(o+56)(SB)/8, $hi
PAIR(0, 0x0000000000000000, 0x0000000100000001)
PAIR(64, 0x0000000200000002, 0x0000000300000003)
PAIR(128, 0x0000000400000004, 0x0000000500000005)
PAIR(192, 0x0000000600000006, 0x0000000700000007)
GLOBL pairIndex<>(SB), RODATA|NOPTR, $256

// VPERMD indices of Q6_K: four lanes a group of 16.
#define QUAD(o, a, b, c, d) \
DATA quadIndex<>+(o+0)(SB)/8, $a; \
DATA quadIndex<>+(o+8)(SB)/8, $a; \
DATA quadIndex<>+(o+16)(SB)/8, $b; \
DATA quadIndex<>+(o+24)(SB)/8, $b; \
DATA quadIndex<>+(o+32)(SB)/8, $c; \
DATA quadIndex<>+(o+40)(SB)/8, $c; \
DATA quadIndex<>+(o+48)(SB)/8, $d; \
DATA quadIndex<>+(o+56)(SB)/8, $d
QUAD(0, 0x0000000000000000, 0x0000000100000001, 0x0000000200000002, 0x0000000300000003)
QUAD(64, 0x0000000400000004, 0x0000000500000005, 0x0000000600000006, 0x0000000700000007)
QUAD(128, 0x0000000800000008, 0x0000000900000009, 0x0000000a0000000a, 0x0000000b0000000b)
QUAD(192, 0x0000000c0000000c, 0x0000000d0000000d, 0x0000000e0000000e, 0x0000000f0000000f)
GLOBL quadIndex<>(SB), RODATA|NOPTR, $256

// Shifts by words of 16 bits: none in the lower half, n in the upper.
#define HALVES(name, lo, hi) \
DATA name<>+0(SB)/8, $lo; \
DATA name<>+8(SB)/8, $lo; \
DATA name<>+16(SB)/8, $lo; \
DATA name<>+24(SB)/8, $lo; \
DATA name<>+32(SB)/8, $hi; \
DATA name<>+40(SB)/8, $hi; \
DATA name<>+48(SB)/8, $hi; \
DATA name<>+56(SB)/8, $hi; \
GLOBL name<>(SB), RODATA|NOPTR, $64
HALVES(upperBy4, 0, 0x0004000400040004)
HALVES(upperBy2, 0, 0x0002000200020002)
HALVES(leftBy42, 0x0004000400040004, 0x0002000200020002)
HALVES(bits12, 0x0101010101010101, 0x0202020202020202)

// ARGUMENTS loads what all row kernels take.
#define ARGUMENTS \
	MOVQ out+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rows+16(FP), R12; \
	MOVQ blocks+24(FP), R11

// INPUT starts a row: the input from its first block.
#define INPUT \
	MOVQ values+32(FP), R8; \
	MOVQ scales+40(FP), R9; \
	MOVQ sums+48(FP), R10; \
	MOVQ R11, CX; \
	VXORPS X0, X0, X0

// BYTES fills z with a byte.
#define BYTES(b, z) \
	MOVL $b, AX; \
	VPBROADCASTD AX, z

// GROUPS unpacks the 6-bit scales and mins of the header in X1 to bytes in X2
// (scales 0…7, mins 0…7), the scales and mins as dwords to Z16 and the mins, each
// twice, times the input's sums to Y3 (eight partial sums).
#define GROUPS \
	VPSHUFD $0xed, X1, X2; \
	VPSHUFD $0xa5, X1, X3; \
	VPSRLVD nibbleShift<>(SB), X2, X2; \
	VPSRLD $2, X3, X3; \
	VPAND nibbleMask<>(SB), X2, X2; \
	VPAND topMask<>(SB), X3, X3; \
	VPOR X3, X2, X2; \
	VPMOVZXBD X2, Z16; \
	VPSHUFB minTwice<>(SB), X2, X3; \
	VPMOVZXBW X3, Y3; \
	VPMADDWD (R10), Y3, Y3

// FOLD ends a superblock of Q4_K or Q5_K: Z17 holds the scaled dots in 16 lanes,
// Y3 the scaled sums in 8; X0 += d·dots − dmin·sums.
#define FOLD \
	VEXTRACTI64X4 $1, Z17, Y18; \
	VPADDD Y18, Y17, Y4; \
	VPHADDD Y3, Y4, Y4; \
	VEXTRACTI128 $1, Y4, X3; \
	VPADDD X3, X4, X4; \
	VPHADDD X4, X4, X4; \
	VCVTDQ2PS X4, X4; \
	VCVTPH2PS X1, X1; \
	VBROADCASTSS (R9), X3; \
	VMULPS X3, X1, X1; \
	VMULPS X1, X4, X4; \
	VHSUBPS X4, X4, X4; \
	VADDSS X4, X0, X0

// NEXT moves the input on by a superblock and the weights by n bytes.
#define NEXT(n) \
	ADDQ $n, SI; \
	ADDQ $256, R8; \
	ADDQ $4, R9; \
	ADDQ $32, R10; \
	DECQ CX

// DOT4 multiplies 64 values, at bytes c·32 of q and 64c of the input. The 32
// bytes are taken into both halves of a register and the upper half is shifted,
// so that the values come in the order of the input. A lane's sum of four fits
// in 16 bits, so VPDPWSSD by a scale whose upper word is zero scales and adds.
#define DOT4(c, index, q, d, s) \
	VBROADCASTI64X4 (16+32*c)(SI), q; \
	VPSRLVW Z31, q, q; \
	VPANDD Z30, q, q; \
	VPXORD d, d, d; \
	VPDPBUSD (64*c)(R8), q, d; \
	VPERMD Z16, index, s; \
	VPDPWSSD s, d, Z17

// func q4kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q4kRowsVNNI(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z30)
	VMOVDQU64 upperBy4<>(SB), Z31
	VMOVDQU64 pairIndex<>+0(SB), Z26
	VMOVDQU64 pairIndex<>+64(SB), Z27
	VMOVDQU64 pairIndex<>+128(SB), Z28
	VMOVDQU64 pairIndex<>+192(SB), Z29
row:
	INPUT
block:
	VMOVDQU (SI), X1
	VPXORD Z17, Z17, Z17
	GROUPS
	DOT4(0, Z26, Z18, Z19, Z5)
	DOT4(1, Z27, Z20, Z21, Z6)
	DOT4(2, Z28, Z22, Z23, Z7)
	DOT4(3, Z29, Z24, Z25, Z8)
	FOLD
	NEXT(144)
	JNZ block
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// DOT5 is DOT4 with the fifth bit: bits 0 and 1 of Z9's halves, which then moves
// on to its next two.
#define DOT5(c, index, q, d, s) \
	VBROADCASTI64X4 (48+32*c)(SI), q; \
	VPTESTMB Z15, Z9, K1; \
	VPSRLVW Z31, q, q; \
	VPSRLW $2, Z9, Z9; \
	VPANDD Z30, q, q; \
	VPADDB Z14, q, K1, q; \
	VPXORD d, d, d; \
	VPDPBUSD (64*c)(R8), q, d; \
	VPERMD Z16, index, s; \
	VPDPWSSD s, d, Z17

// func q5kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q5kRowsVNNI(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z30)
	BYTES(0x10101010, Z14)
	VMOVDQU64 bits12<>(SB), Z15
	VMOVDQU64 upperBy4<>(SB), Z31
	VMOVDQU64 pairIndex<>+0(SB), Z26
	VMOVDQU64 pairIndex<>+64(SB), Z27
	VMOVDQU64 pairIndex<>+128(SB), Z28
	VMOVDQU64 pairIndex<>+192(SB), Z29
row:
	INPUT
block:
	VMOVDQU (SI), X1
	VBROADCASTI64X4 16(SI), Z9
	VPXORD Z17, Z17, Z17
	GROUPS
	DOT5(0, Z26, Z18, Z19, Z5)
	DOT5(1, Z27, Z20, Z21, Z6)
	DOT5(2, Z28, Z22, Z23, Z7)
	DOT5(3, Z29, Z24, Z25, Z8)
	FOLD
	NEXT(176)
	JNZ block
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// HALF6 multiplies 128 values: the lower nibbles of 64 bytes are the first 64
// values, the upper the next; each of 32 bytes of the upper bits holds two bits
// for four values, of which q and t take the first two and p the others.
#define HALF6(n, first, second, h, q, p, t, d, e, s) \
	VMOVDQU64 (64*n)(SI), q; \
	VBROADCASTI64X4 (128+32*n)(SI), h; \
	VPSRLW $4, q, p; \
	VPANDD Z30, q, q; \
	VPANDD Z30, p, p; \
	VPSLLVW Z28, h, t; \
	VPSRLVW Z29, h, h; \
	VPTERNLOGD $0xf8, Z31, t, q; \
	VPTERNLOGD $0xf8, Z31, h, p; \
	VPXORD d, d, d; \
	VPXORD e, e, e; \
	VPDPBUSD (128*n)(R8), q, d; \
	VPDPBUSD (128*n+64)(R8), p, e; \
	VPERMD Z16, first, s; \
	VPDPWSSD s, d, Z17; \
	VPERMD Z16, second, t; \
	VPDPWSSD t, e, Z17

// func q6kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q6kRowsVNNI(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, Z30)
	BYTES(0x30303030, Z31)
	VMOVDQU64 leftBy42<>(SB), Z28
	VMOVDQU64 upperBy2<>(SB), Z29
	VMOVDQU64 quadIndex<>+0(SB), Z24
	VMOVDQU64 quadIndex<>+64(SB), Z25
	VMOVDQU64 quadIndex<>+128(SB), Z26
	VMOVDQU64 quadIndex<>+192(SB), Z27
row:
	INPUT
block:
	// The scales as words; zero-extended to dwords, so that the upper words,
	// which meet the sign of the dots, are zero.
	VPMOVSXBW 192(SI), Y3
	VPMOVZXWD Y3, Z16
	VPMADDWD (R10), Y3, Y3
	VPXORD Z17, Z17, Z17
	HALF6(0, Z24, Z25, Z5, Z18, Z19, Z20, Z6, Z7, Z8)
	HALF6(1, Z26, Z27, Z9, Z21, Z22, Z23, Z10, Z11, Z12)
	// The values are stored with 32 added.
	VPSLLD $5, Y3, Y3
	VEXTRACTI64X4 $1, Z17, Y18
	VPADDD Y18, Y17, Y4
	VPSUBD Y3, Y4, Y4
	VEXTRACTI128 $1, Y4, X3
	VPADDD X3, X4, X4
	VPSHUFD $0x4e, X4, X3
	VPADDD X3, X4, X4
	VPSHUFD $0xb1, X4, X3
	VPADDD X3, X4, X4
	VCVTDQ2PS X4, X4
	VPXOR X1, X1, X1
	VPINSRW $0, 208(SI), X1, X1
	VCVTPH2PS X1, X1
	VMULSS (R9), X1, X1
	VMULSS X1, X4, X4
	VADDSS X4, X0, X0
	NEXT(210)
	JNZ block
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET
