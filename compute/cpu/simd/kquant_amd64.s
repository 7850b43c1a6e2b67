// Row kernels of Q4_K, Q5_K and Q6_K for AVX-512 with VNNI: one input row,
// weights streamed once, in the order in which they lie.
//
// All three share their registers:
//
//	DI  out, one float32 a row          CX  superblocks left in the row
//	SI  weights, runs on over the rows  R8  values of the input, int8
//	R9  scales of the input, float32    R10 its sums of 16, int16
//	R11 superblocks in a row            R12 rows left
//	X0  the row's dot product so far    Z1…Z25 what superblocks need
//	Z13…Z15, Z26…Z31 (Q6_K: Z24…Z31) constants
//
// Everything within a superblock is integer and exact; float32 enters once
// a superblock, through the same six operations in every kernel of the package
// (see kquant.go), which is why all of them give the same bits.

#include "textflag.h"

// Byte masks and shifts (for two headers at once) that make the 8 scales and 8 mins of 6 bits out of the
// words [w0 w2 w1 w2] and [w0 w0 w1 w1] of a Q4_K or Q5_K header.
DATA nibbleShift<>+0(SB)/4, $0
DATA nibbleShift<>+4(SB)/4, $0
DATA nibbleShift<>+8(SB)/4, $0
DATA nibbleShift<>+12(SB)/4, $4
DATA nibbleShift<>+16(SB)/4, $0
DATA nibbleShift<>+20(SB)/4, $0
DATA nibbleShift<>+24(SB)/4, $0
DATA nibbleShift<>+28(SB)/4, $4
GLOBL nibbleShift<>(SB), RODATA|NOPTR, $32

DATA nibbleMask<>+0(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+4(SB)/4, $0x0f0f0f0f
DATA nibbleMask<>+8(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+12(SB)/4, $0x0f0f0f0f
DATA nibbleMask<>+16(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+20(SB)/4, $0x0f0f0f0f
DATA nibbleMask<>+24(SB)/4, $0x3f3f3f3f
DATA nibbleMask<>+28(SB)/4, $0x0f0f0f0f
GLOBL nibbleMask<>(SB), RODATA|NOPTR, $32

DATA topMask<>+0(SB)/4, $0
DATA topMask<>+4(SB)/4, $0x30303030
DATA topMask<>+8(SB)/4, $0
DATA topMask<>+12(SB)/4, $0x30303030
DATA topMask<>+16(SB)/4, $0
DATA topMask<>+20(SB)/4, $0x30303030
DATA topMask<>+24(SB)/4, $0
DATA topMask<>+28(SB)/4, $0x30303030
GLOBL topMask<>(SB), RODATA|NOPTR, $32

// Each min twice, because a group of 32 has two sums of 16.
DATA minTwice<>+0(SB)/8, $0x0b0b0a0a09090808
DATA minTwice<>+8(SB)/8, $0x0f0f0e0e0d0d0c0c
DATA minTwice<>+16(SB)/8, $0x0b0b0a0a09090808
DATA minTwice<>+24(SB)/8, $0x0f0f0e0e0d0d0c0c
GLOBL minTwice<>(SB), RODATA|NOPTR, $32

// VPSHUFB masks: lanes 0…7 the scale of group 2c as a dword, 8…15 that of 2c+1.
#define PAIR(o, lo, hi) \
DATA pairMask<>+(o+0)(SB)/8, $lo; \
DATA pairMask<>+(o+8)(SB)/8, $lo; \
DATA pairMask<>+(o+16)(SB)/8, $lo; \
DATA pairMask<>+(o+24)(SB)/8, $lo; \
DATA pairMask<>+(o+32)(SB)/8, $hi; \
DATA pairMask<>+(o+40)(SB)/8, $hi; \
DATA pairMask<>+(o+48)(SB)/8, $hi; \
DATA pairMask<>+(o+56)(SB)/8, $hi
PAIR(0, 0x8080800080808000, 0x8080800180808001)
PAIR(64, 0x8080800280808002, 0x8080800380808003)
PAIR(128, 0x8080800480808004, 0x8080800580808005)
PAIR(192, 0x8080800680808006, 0x8080800780808007)
GLOBL pairMask<>(SB), RODATA|NOPTR, $256

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

// GROUPS unpacks the 6-bit scales and mins of the headers in y1, one in each
// half, to bytes in y2: scales 0…7, mins 0…7. y3 is spare.
#define GROUPS(y1, y2, y3) \
	VPSHUFD $0xed, y1, y2; \
	VPSHUFD $0xa5, y1, y3; \
	VPSRLVD nibbleShift<>(SB), y2, y2; \
	VPSRLD $2, y3, y3; \
	VPAND nibbleMask<>(SB), y2, y2; \
	VPAND topMask<>(SB), y3, y3; \
	VPOR y3, y2, y2

// DOT4 multiplies 64 values, whose nibbles are w on from SI and whose inputs x
// on from R8. The 32 bytes are taken into both halves of a register and the upper
// half is shifted, so that the values come in the order of the input. A lane's
// sum of four fits in 16 bits, so VPDPWSSD by a scale whose upper word is zero
// scales and adds. Four of these make a superblock.
#define DOT4(w, x, mask, scales, q, d, s, sum) \
	VBROADCASTI64X4 (w)(SI), q; \
	VPSRLVW Z31, q, q; \
	VPANDD Z30, q, q; \
	VPXORD d, d, d; \
	VPDPBUSD (x)(R8), q, d; \
	VPSHUFB mask, scales, s; \
	VPDPWSSD s, d, sum

#define BLOCK4(w, x, scales, sum) \
	DOT4(w+16, x+0, Z26, scales, Z18, Z19, Z5, sum); \
	DOT4(w+48, x+64, Z27, scales, Z20, Z21, Z6, sum); \
	DOT4(w+80, x+128, Z28, scales, Z22, Z23, Z7, sum); \
	DOT4(w+112, x+192, Z29, scales, Z24, Z25, Z8, sum)

// DOT5 is DOT4 with the fifth bit: bits 0 and 1 of Z9's halves, which then moves
// on to its next two.
#define DOT5(w, x, mask, scales, q, d, s, sum) \
	VBROADCASTI64X4 (w)(SI), q; \
	VPTESTMB Z15, Z9, K1; \
	VPSRLVW Z31, q, q; \
	VPSRLW $2, Z9, Z9; \
	VPANDD Z30, q, q; \
	VPADDB Z14, q, K1, q; \
	VPXORD d, d, d; \
	VPDPBUSD (x)(R8), q, d; \
	VPSHUFB mask, scales, s; \
	VPDPWSSD s, d, sum

#define BLOCK5(w, x, scales, sum) \
	VBROADCASTI64X4 (w+16)(SI), Z9; \
	DOT5(w+48, x+0, Z26, scales, Z18, Z19, Z5, sum); \
	DOT5(w+80, x+64, Z27, scales, Z20, Z21, Z6, sum); \
	DOT5(w+112, x+128, Z28, scales, Z22, Z23, Z7, sum); \
	DOT5(w+144, x+192, Z29, scales, Z24, Z25, Z8, sum)

// PAIRS does two superblocks of n bytes: the headers are unpacked together, and
// the sums, 16 lanes of dots in Z10 and Z11 and 8 of mins in the halves of Z3, are
// folded together, each into 128 bits of Z4, and scaled together (Z13 takes
// float i to lanes 4i…4i+3). The first superblock's term is added first.
#define PAIRS(n, BLOCK) \
	VMOVDQU (SI), X1; \
	VINSERTI128 $1, n(SI), Y1, Y1; \
	GROUPS(Y1, Y2, Y3); \
	VSHUFI32X4 $0x00, Z2, Z2, Z16; \
	VSHUFI32X4 $0x55, Z2, Z2, Z17; \
	VPSHUFB minTwice<>(SB), Y2, Y3; \
	VPMOVZXBW Y3, Z3; \
	VPMADDWD (R10), Z3, Z3; \
	VPXORD Z10, Z10, Z10; \
	VPXORD Z11, Z11, Z11; \
	BLOCK(0, 0, Z16, Z10); \
	BLOCK(n, 256, Z17, Z11); \
	VSHUFI64X2 $0x44, Z11, Z10, Z4; \
	VSHUFI64X2 $0xee, Z11, Z10, Z5; \
	VPADDD Z5, Z4, Z4; \
	VSHUFI64X2 $0x88, Z3, Z4, Z5; \
	VSHUFI64X2 $0xdd, Z3, Z4, Z4; \
	VPADDD Z5, Z4, Z4; \
	VPSHUFD $0x4e, Z4, Z5; \
	VPADDD Z5, Z4, Z4; \
	VPSHUFD $0xb1, Z4, Z5; \
	VPADDD Z5, Z4, Z4; \
	VCVTDQ2PS Z4, Z4; \
	VMOVD (SI), X1; \
	VPINSRD $1, n(SI), X1, X1; \
	VPSHUFLW $0xd8, X1, X1; \
	VCVTPH2PS X1, X1; \
	VMOVDDUP (R9), X5; \
	VMULPS X5, X1, X1; \
	VPERMPS Z1, Z13, Z1; \
	VMULPS Z1, Z4, Z4; \
	VEXTRACTF64X4 $1, Z4, Y5; \
	VSUBPS Y5, Y4, Y4; \
	VADDSS X4, X0, X0; \
	VEXTRACTF128 $1, Y4, X4; \
	VADDSS X4, X0, X0; \
	ADDQ $(2*n), SI; \
	ADDQ $512, R8; \
	ADDQ $8, R9; \
	ADDQ $64, R10

// SINGLE does the last superblock of an odd number of them.
#define SINGLE(n, BLOCK) \
	VMOVDQU (SI), X1; \
	GROUPS(X1, X2, X3); \
	VSHUFI32X4 $0x00, Z2, Z2, Z16; \
	VPSHUFB minTwice<>(SB), X2, X3; \
	VPMOVZXBW X3, Y3; \
	VPMADDWD (R10), Y3, Y3; \
	VPXORD Z10, Z10, Z10; \
	BLOCK(0, 0, Z16, Z10); \
	VEXTRACTI64X4 $1, Z10, Y5; \
	VPADDD Y5, Y10, Y4; \
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
	VADDSS X4, X0, X0; \
	ADDQ $n, SI

#define CONSTANTS \
	BYTES(0x0f0f0f0f, Z30); \
	VMOVDQU64 upperBy4<>(SB), Z31; \
	VMOVDQU64 quadIndex<>+0(SB), Z13; \
	VMOVDQU64 pairMask<>+0(SB), Z26; \
	VMOVDQU64 pairMask<>+64(SB), Z27; \
	VMOVDQU64 pairMask<>+128(SB), Z28; \
	VMOVDQU64 pairMask<>+192(SB), Z29

// func q4kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q4kRowsVNNI(SB), NOSPLIT, $0-56
	ARGUMENTS
	CONSTANTS
row:
	INPUT
	SHRQ $1, CX
	JZ last
pair:
	PAIRS(144, BLOCK4)
	DECQ CX
	JNZ pair
last:
	TESTQ $1, R11
	JZ done
	SINGLE(144, BLOCK4)
done:
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// func q5kRowsVNNI(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q5kRowsVNNI(SB), NOSPLIT, $0-56
	ARGUMENTS
	CONSTANTS
	BYTES(0x10101010, Z14)
	VMOVDQU64 bits12<>(SB), Z15
row:
	INPUT
	SHRQ $1, CX
	JZ last
pair:
	PAIRS(176, BLOCK5)
	DECQ CX
	JNZ pair
last:
	TESTQ $1, R11
	JZ done
	SINGLE(176, BLOCK5)
done:
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// NEXT moves the input on by a superblock and the weights by n bytes.
#define NEXT(n) \
	ADDQ $n, SI; \
	ADDQ $256, R8; \
	ADDQ $4, R9; \
	ADDQ $32, R10; \
	DECQ CX

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
