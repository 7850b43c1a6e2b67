// Rows of floats and vector operations for arm64, bit for bit as their plain
// twins.

#include "textflag.h"

// Instructions that Go's assembler does not know, by number of register; the
// last four narrow with saturation, take the larger of signed bytes, and add up
// sixteen bytes to a half.
#define FMUL(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))
#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
#define FMAX(m, n, d) WORD $(0x4e20f400 | (m)<<16 | (n)<<5 | (d))
#define FMAXV(n, d) WORD $(0x6e30f800 | (n)<<5 | (d))
#define FABS4(n, d) WORD $(0x4ea0f800 | (n)<<5 | (d))
#define FADDP2(n, d) WORD $(0x7e30d800 | (n)<<5 | (d))
#define FCVTL(n, d) WORD $(0x0e217800 | (n)<<5 | (d))
#define FCVTL2(n, d) WORD $(0x4e217800 | (n)<<5 | (d))
#define FCVTNS(n, d) WORD $(0x4e21a800 | (n)<<5 | (d))
#define SQXTN4(n, d) WORD $(0x0e614800 | (n)<<5 | (d))
#define SQXTN4U(n, d) WORD $(0x4e614800 | (n)<<5 | (d))
#define SQXTN8(n, d) WORD $(0x0e214800 | (n)<<5 | (d))
#define SQXTN8U(n, d) WORD $(0x4e214800 | (n)<<5 | (d))
#define SMAX16(m, n, d) WORD $(0x4e206400 | (m)<<16 | (n)<<5 | (d))
#define SADDLV(n, d) WORD $(0x4e303800 | (n)<<5 | (d))

// Four lanes of V0 to their sum in F0: halves onto halves.
#define SUM4 \
	VEXT $8, V0.B16, V0.B16, V1.B16; \
	FADD(1, 0, 0); \
	FADDP2(0, 0)

#define ROW \
	MOVD w+0(FP), R1; \
	MOVD x+8(FP), R2; \
	MOVD n+16(FP), R3; \
	VEOR V0.B16, V0.B16, V0.B16; \
	VEOR V1.B16, V1.B16, V1.B16; \
	VEOR V2.B16, V2.B16, V2.B16; \
	VEOR V3.B16, V3.B16, V3.B16; \
	VEOR V4.B16, V4.B16, V4.B16; \
	VEOR V5.B16, V5.B16, V5.B16; \
	VEOR V6.B16, V6.B16, V6.B16; \
	VEOR V7.B16, V7.B16, V7.B16; \
	VEOR V28.B16, V28.B16, V28.B16

// 32 weights in V20…V27 onto the lanes V0…V7.
#define FUSE32 \
	VLD1.P 64(R2), [V8.S4, V9.S4, V10.S4, V11.S4]; \
	VLD1.P 64(R2), [V12.S4, V13.S4, V14.S4, V15.S4]; \
	VFMLA V8.S4, V20.S4, V0.S4; \
	VFMLA V9.S4, V21.S4, V1.S4; \
	VFMLA V10.S4, V22.S4, V2.S4; \
	VFMLA V11.S4, V23.S4, V3.S4; \
	VFMLA V12.S4, V24.S4, V4.S4; \
	VFMLA V13.S4, V25.S4, V5.S4; \
	VFMLA V14.S4, V26.S4, V6.S4; \
	VFMLA V15.S4, V27.S4, V7.S4; \
	SUBS $32, R3

#define RESULT \
	FADD(4, 0, 0); \
	FADD(5, 1, 1); \
	FADD(6, 2, 2); \
	FADD(7, 3, 3); \
	FADD(2, 0, 0); \
	FADD(3, 1, 1); \
	FADD(1, 0, 0); \
	SUM4; \
	FMOVS F0, ret+24(FP); \
	RET

// func f32RowNEON(w *byte, x *float32, n int) float32, n a multiple of 32
TEXT ·f32RowNEON(SB), NOSPLIT, $0-28
	ROW
loop:
	VLD1.P 64(R1), [V20.S4, V21.S4, V22.S4, V23.S4]
	VLD1.P 64(R1), [V24.S4, V25.S4, V26.S4, V27.S4]
	FUSE32
	BNE loop
	RESULT

// func f16RowNEON(w *byte, x *float32, n int) float32, n a multiple of 32
TEXT ·f16RowNEON(SB), NOSPLIT, $0-28
	ROW
loop:
	VLD1.P 64(R1), [V16.H8, V17.H8, V18.H8, V19.H8]
	FCVTL(16, 20)
	FCVTL2(16, 21)
	FCVTL(17, 22)
	FCVTL2(17, 23)
	FCVTL(18, 24)
	FCVTL2(18, 25)
	FCVTL(19, 26)
	FCVTL2(19, 27)
	FUSE32
	BNE loop
	RESULT

// func bf16RowNEON(w *byte, x *float32, n int) float32, n a multiple of 32
//
// A half becomes the upper half of a word by having zeros woven in.
TEXT ·bf16RowNEON(SB), NOSPLIT, $0-28
	ROW
loop:
	VLD1.P 64(R1), [V16.H8, V17.H8, V18.H8, V19.H8]
	VZIP1 V16.H8, V28.H8, V20.H8
	VZIP2 V16.H8, V28.H8, V21.H8
	VZIP1 V17.H8, V28.H8, V22.H8
	VZIP2 V17.H8, V28.H8, V23.H8
	VZIP1 V18.H8, V28.H8, V24.H8
	VZIP2 V18.H8, V28.H8, V25.H8
	VZIP1 V19.H8, V28.H8, V26.H8
	VZIP2 V19.H8, V28.H8, V27.H8
	FUSE32
	BNE loop
	RESULT

// func mostNEON(x *float32, n int) float32, n a multiple of 16
//
// The largest magnitude; no number when one of them is none.
TEXT ·mostNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R1
	MOVD n+8(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
loop:
	VLD1.P 64(R1), [V1.S4, V2.S4, V3.S4, V4.S4]
	FABS4(1, 1)
	FABS4(2, 2)
	FABS4(3, 3)
	FABS4(4, 4)
	FMAX(2, 1, 1)
	FMAX(4, 3, 3)
	FMAX(3, 1, 1)
	FMAX(1, 0, 0)
	SUBS $16, R2
	BNE loop
	FMAXV(0, 0)
	FMOVS F0, ret+16(FP)
	RET

// func codesNEON(codes *int8, x *float32, inverse float32) int32
//
// Sixteen codes, as roundCode makes them, and their sum.
TEXT ·codesNEON(SB), NOSPLIT, $0-28
	MOVD codes+0(FP), R0
	MOVD x+8(FP), R1
	FMOVS inverse+16(FP), F0
	VDUP V0.S[0], V0.S4
	VMOVI $129, V5.B16 // -127
	VLD1 (R1), [V1.S4, V2.S4, V3.S4, V4.S4]
	FMUL(0, 1, 1)
	FMUL(0, 2, 2)
	FMUL(0, 3, 3)
	FMUL(0, 4, 4)
	FCVTNS(1, 1)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	FCVTNS(4, 4)
	SQXTN4(1, 1)
	SQXTN4U(2, 1)
	SQXTN4(3, 3)
	SQXTN4U(4, 3)
	SQXTN8(1, 1)
	SQXTN8U(3, 1)
	SMAX16(5, 1, 1)
	VST1 [V1.B16], (R0)
	SADDLV(1, 1)
	VMOV V1.H[0], R2
	MOVH R2, R2
	MOVW R2, ret+24(FP)
	RET

// func squaresNEON(sums *lanes, x *float32, n int), n a multiple of 16
TEXT ·squaresNEON(SB), NOSPLIT, $0-24
	MOVD sums+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
loop:
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMUL(4, 4, 4)
	FMUL(5, 5, 5)
	FMUL(6, 6, 6)
	FMUL(7, 7, 7)
	FADD(4, 0, 0)
	FADD(5, 1, 1)
	FADD(6, 2, 2)
	FADD(7, 3, 3)
	SUBS $16, R2
	BNE loop
	VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func scaleMulNEON(out, x, weight *float32, n int, by float32), n a multiple of 16
TEXT ·scaleMulNEON(SB), NOSPLIT, $0-36
	MOVD out+0(FP), R0
	MOVD x+8(FP), R1
	MOVD weight+16(FP), R2
	MOVD n+24(FP), R3
	FMOVS by+32(FP), F0
	VDUP V0.S[0], V0.S4
loop:
	VLD1.P 64(R1), [V1.S4, V2.S4, V3.S4, V4.S4]
	VLD1.P 64(R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	FMUL(0, 1, 1)
	FMUL(0, 2, 2)
	FMUL(0, 3, 3)
	FMUL(0, 4, 4)
	FMUL(16, 1, 1)
	FMUL(17, 2, 2)
	FMUL(18, 3, 3)
	FMUL(19, 4, 4)
	VST1.P [V1.S4, V2.S4, V3.S4, V4.S4], 64(R0)
	SUBS $16, R3
	BNE loop
	RET

// func addNEON(x, y *float32, n int), n a multiple of 16
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD y+8(FP), R1
	MOVD n+16(FP), R2
loop:
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FADD(4, 0, 0)
	FADD(5, 1, 1)
	FADD(6, 2, 2)
	FADD(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS $16, R2
	BNE loop
	RET

// func scoresNEON(out *float32, tokens int, q *float32, n int, keys *uint16, stride int, scale float32)
//
// n is a multiple of 16: the sixteen lanes are V0…V3.
TEXT ·scoresNEON(SB), NOSPLIT, $0-52
	MOVD out+0(FP), R0
	MOVD tokens+8(FP), R1
	MOVD keys+32(FP), R4
	MOVD stride+40(FP), R5
	LSL $1, R5, R5
	FMOVS scale+48(FP), F31
token:
	MOVD q+16(FP), R2
	MOVD n+24(FP), R3
	MOVD R4, R6
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
element:
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 32(R6), [V16.H8, V17.H8]
	FCVTL(16, 18)
	FCVTL2(16, 19)
	FCVTL(17, 20)
	FCVTL2(17, 21)
	FMUL(18, 4, 4)
	FMUL(19, 5, 5)
	FMUL(20, 6, 6)
	FMUL(21, 7, 7)
	FADD(4, 0, 0)
	FADD(5, 1, 1)
	FADD(6, 2, 2)
	FADD(7, 3, 3)
	SUBS $16, R3
	BNE element
	FADD(2, 0, 0)
	FADD(3, 1, 1)
	FADD(1, 0, 0)
	SUM4
	FMULS F31, F0, F0
	FMOVS.P F0, 4(R0)
	ADD R5, R4, R4
	SUBS $1, R1
	BNE token
	RET

// func mixNEON(out *float32, n int, weights *float32, tokens int, values *uint16, stride int)
//
// n is a multiple of 16: so many elements stay in V0…V3 over all tokens.
TEXT ·mixNEON(SB), NOSPLIT, $0-48
	MOVD out+0(FP), R0
	MOVD n+8(FP), R1
	MOVD values+32(FP), R4
	MOVD stride+40(FP), R5
	LSL $1, R5, R5
element:
	MOVD weights+16(FP), R2
	MOVD tokens+24(FP), R3
	MOVD R4, R6
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
token:
	VLD1R.P 4(R2), [V4.S4]
	VLD1 (R6), [V16.H8, V17.H8]
	FCVTL(16, 18)
	FCVTL2(16, 19)
	FCVTL(17, 20)
	FCVTL2(17, 21)
	FMUL(4, 18, 18)
	FMUL(4, 19, 19)
	FMUL(4, 20, 20)
	FMUL(4, 21, 21)
	FADD(18, 0, 0)
	FADD(19, 1, 1)
	FADD(20, 2, 2)
	FADD(21, 3, 3)
	ADD R5, R6, R6
	SUBS $1, R3
	BNE token
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	ADD $32, R4, R4
	SUBS $16, R1
	BNE element
	RET
