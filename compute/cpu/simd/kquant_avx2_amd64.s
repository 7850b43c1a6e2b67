// Rows and tiles of Q4_K, Q5_K and Q6_K for AVX2. Without VNNI a product of
// bytes is VPMADDUBSW, two products added in 16 bits, which cannot overflow
// here (63·128·2 = 16,128), and then VPMADDWD by the scale.
//
// The rows use DI, SI, R8, R9, R10, CX, R11, R12 and X0 as kquant_amd64.s does;
// Y10 collects a superblock's scaled dots.

#include "textflag.h"

#define FOUR(name, o, a, b, c, d) \
DATA name<>+(o+0)(SB)/4, $a; \
DATA name<>+(o+4)(SB)/4, $b; \
DATA name<>+(o+8)(SB)/4, $c; \
DATA name<>+(o+12)(SB)/4, $d

FOUR(groupShift, 0, 0, 0, 0, 4)
GLOBL groupShift<>(SB), RODATA|NOPTR, $16
FOUR(groupMask, 0, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f)
GLOBL groupMask<>(SB), RODATA|NOPTR, $16
FOUR(groupTop, 0, 0, 0x30303030, 0, 0x30303030)
GLOBL groupTop<>(SB), RODATA|NOPTR, $16
// Each min twice, because a group of 32 has two sums of 16.
FOUR(leastTwice, 0, 0x09090808, 0x0b0b0a0a, 0x0d0d0c0c, 0x0f0f0e0e)
GLOBL leastTwice<>(SB), RODATA|NOPTR, $16

// VPSHUFB masks that put word g of 8 everywhere in both halves.
#define EVERY(o, w) \
	FOUR(every, o, w, w, w, w); \
	FOUR(every, (o+16), w, w, w, w)
EVERY(0, 0x01000100)
EVERY(32, 0x03020302)
EVERY(64, 0x05040504)
EVERY(96, 0x07060706)
EVERY(128, 0x09080908)
EVERY(160, 0x0b0a0b0a)
EVERY(192, 0x0d0c0d0c)
EVERY(224, 0x0f0e0f0e)
GLOBL every<>(SB), RODATA|NOPTR, $256

// The same for Q6_K: word 2n in the lower half and 2n+1 in the upper.
#define SIDES(o, v, w) \
	FOUR(sides, o, v, v, v, v); \
	FOUR(sides, (o+16), w, w, w, w)
SIDES(0, 0x01000100, 0x03020302)
SIDES(32, 0x05040504, 0x07060706)
SIDES(64, 0x09080908, 0x0b0a0b0a)
SIDES(96, 0x0d0c0d0c, 0x0f0e0f0e)
GLOBL sides<>(SB), RODATA|NOPTR, $128

#define ARGUMENTS \
	MOVQ out+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rows+16(FP), R12; \
	MOVQ blocks+24(FP), R11

#define INPUT \
	MOVQ values+32(FP), R8; \
	MOVQ scales+40(FP), R9; \
	MOVQ sums+48(FP), R10; \
	MOVQ R11, CX; \
	VXORPS X0, X0, X0

#define BYTES(b, x, y) \
	MOVL $b, AX; \
	VMOVD AX, x; \
	VPBROADCASTD x, y

// GROUPS unpacks the header in X1: the scales as words to both halves of Y9, the
// mins times the sums of the input to Y3.
#define GROUPS \
	VPSHUFD $0xed, X1, X2; \
	VPSHUFD $0xa5, X1, X3; \
	VPSRLVD groupShift<>(SB), X2, X2; \
	VPSRLD $2, X3, X3; \
	VPAND groupMask<>(SB), X2, X2; \
	VPAND groupTop<>(SB), X3, X3; \
	VPOR X3, X2, X2; \
	VPMOVZXBW X2, X9; \
	VINSERTI128 $1, X9, Y9, Y9; \
	VPSHUFB leastTwice<>(SB), X2, X3; \
	VPMOVZXBW X3, Y3; \
	VPMADDWD (R10), Y3, Y3

// DOT multiplies the 32 values in q by those at x from R8, by scale mask of Y9.
#define DOT(q, x, mask, s) \
	VPMADDUBSW (x)(R8), q, q; \
	VPSHUFB mask, Y9, s; \
	VPMADDWD s, q, q; \
	VPADDD q, Y10, Y10

// TERM ends a superblock: X0 += d·dots − dmin·sums.
#define TERM \
	VPHADDD Y3, Y10, Y4; \
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

#define NEXT(n) \
	ADDQ $n, SI; \
	ADDQ $256, R8; \
	ADDQ $4, R9; \
	ADDQ $32, R10; \
	DECQ CX

// CHUNK4 is 32 bytes of nibbles: group 2c below and 2c+1 above.
#define CHUNK4(c) \
	VMOVDQU (16+32*c)(SI), Y5; \
	VPSRLW $4, Y5, Y6; \
	VPAND Y15, Y5, Y5; \
	VPAND Y15, Y6, Y6; \
	DOT(Y5, 64*c, every<>+(64*c)(SB), Y7); \
	DOT(Y6, 64*c+32, every<>+(64*c+32)(SB), Y8)

// CHUNK5 adds the fifth bits, the lowest two of Y11, which moves on.
#define CHUNK5(c) \
	VMOVDQU (48+32*c)(SI), Y5; \
	VPSRLW $4, Y5, Y6; \
	VPAND Y15, Y5, Y5; \
	VPAND Y15, Y6, Y6; \
	VPSLLW $4, Y11, Y7; \
	VPSLLW $3, Y11, Y8; \
	VPAND Y14, Y7, Y7; \
	VPAND Y14, Y8, Y8; \
	VPOR Y7, Y5, Y5; \
	VPOR Y8, Y6, Y6; \
	VPSRLW $2, Y11, Y11; \
	DOT(Y5, 64*c, every<>+(64*c)(SB), Y7); \
	DOT(Y6, 64*c+32, every<>+(64*c+32)(SB), Y8)

// SIX multiplies 32 values of 6 bits: lower nibbles in q, upper bits in h.
#define SIX(q, h, x, side, scales, s) \
	VPAND Y15, q, q; \
	VPAND Y14, h, h; \
	VPOR h, q, q; \
	VPMADDUBSW (x)(R8), q, q; \
	VPSHUFB sides<>+side(SB), scales, s; \
	VPMADDWD s, q, q; \
	VPADDD q, Y10, Y10

// HALF6 is half a superblock, scaled by the words of scales.
#define HALF6(n, scales) \
	VMOVDQU (64*n)(SI), Y5; \
	VMOVDQU (64*n+32)(SI), Y6; \
	VMOVDQU (128+32*n)(SI), Y11; \
	VPSRLW $4, Y5, Y7; \
	VPSRLW $4, Y6, Y8; \
	VPSLLW $4, Y11, Y12; \
	SIX(Y5, Y12, 128*n, 0, scales, Y13); \
	VPSLLW $2, Y11, Y12; \
	SIX(Y6, Y12, 128*n+32, 32, scales, Y13); \
	VPSRLW $2, Y11, Y12; \
	SIX(Y7, Y11, 128*n+64, 64, scales, Y13); \
	SIX(Y8, Y12, 128*n+96, 96, scales, Y13)

// func q4kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q4kRowsAVX2(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, X15, Y15)
row:
	INPUT
block:
	VMOVDQU (SI), X1
	VPXOR Y10, Y10, Y10
	GROUPS
	CHUNK4(0)
	CHUNK4(1)
	CHUNK4(2)
	CHUNK4(3)
	TERM
	NEXT(144)
	JNZ block
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// func q5kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q5kRowsAVX2(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, X15, Y15)
	BYTES(0x10101010, X14, Y14)
row:
	INPUT
block:
	VMOVDQU (SI), X1
	VMOVDQU 16(SI), Y11
	VPXOR Y10, Y10, Y10
	GROUPS
	CHUNK5(0)
	CHUNK5(1)
	CHUNK5(2)
	CHUNK5(3)
	TERM
	NEXT(176)
	JNZ block
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R12
	JNZ row
	VZEROUPPER
	RET

// func q6kRowsAVX2(out *float32, w *byte, rows, blocks int, values *int8, scales *float32, sums *int16)
TEXT ·q6kRowsAVX2(SB), NOSPLIT, $0-56
	ARGUMENTS
	BYTES(0x0f0f0f0f, X15, Y15)
	BYTES(0x30303030, X14, Y14)
row:
	INPUT
block:
	VPMOVSXBW 192(SI), Y3
	VPXOR Y10, Y10, Y10
	VPERMQ $0x44, Y3, Y9
	HALF6(0, Y9)
	VPERMQ $0xee, Y3, Y9
	HALF6(1, Y9)
	// The values are stored with 32 added.
	VPMADDWD (R10), Y3, Y3
	VPSLLD $5, Y3, Y3
	VPSUBD Y3, Y10, Y4
	VEXTRACTI128 $1, Y4, X3
	VPADDD X3, X4, X4
	VPHADDD X4, X4, X4
	VPHADDD X4, X4, X4
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
