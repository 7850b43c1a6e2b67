// Panels: 16 rows of Q4_K, Q5_K or Q6_K turned over, so that a lane is a row,
// and widened to bytes, for the tiles in kquant_tile_amd64.s. Making one costs
// as much as multiplying it by about six inputs; that is why it is made anew
// for each product and nothing is kept: a packed copy would double the memory
// of a model to save what a prompt of 128 tokens does not notice.
//
// A superblock of a panel is 5,760 bytes:
//
//	   0  64 steps of 16 rows of 4 values, unsigned
//	4096   8 times 16 rows of 2 least values (Q6_K: scales), one a sum of 16
//	4608  16 d
//	4672  16 dmin
//	4736  8 (Q6_K: 16) groups of 16 scales, as dwords
//
// Registers: DI panel; SI rows 0…7 and DX rows 8…15, R8, R9, R10, R11: the
// distances of 1, 3, 5 and 7 rows; CX superblocks left; BX parts left.
// Z0…Z11 turning over, Z16…Z23 upper bits, Z28…Z31 masks.

#include "textflag.h"

// TURN takes 16 bytes, o bytes from the pointers, of each of 16 rows and turns
// them over: Z4…Z7 have four bytes each of rows 0…15. Rows 4 apart are put in one
// register, so that transposing 4×4 within 128 bits leaves the rows in order.
#define TURN(o) \
	VMOVDQU o(SI), X0; \
	VMOVDQU o(SI)(R8*1), X1; \
	VMOVDQU o(SI)(R8*2), X2; \
	VMOVDQU o(SI)(R9*1), X3; \
	VINSERTI32X4 $1, o(SI)(R8*4), Z0, Z0; \
	VINSERTI32X4 $1, o(SI)(R10*1), Z1, Z1; \
	VINSERTI32X4 $1, o(SI)(R9*2), Z2, Z2; \
	VINSERTI32X4 $1, o(SI)(R11*1), Z3, Z3; \
	VINSERTI32X4 $2, o(DX), Z0, Z0; \
	VINSERTI32X4 $2, o(DX)(R8*1), Z1, Z1; \
	VINSERTI32X4 $2, o(DX)(R8*2), Z2, Z2; \
	VINSERTI32X4 $2, o(DX)(R9*1), Z3, Z3; \
	VINSERTI32X4 $3, o(DX)(R8*4), Z0, Z0; \
	VINSERTI32X4 $3, o(DX)(R10*1), Z1, Z1; \
	VINSERTI32X4 $3, o(DX)(R9*2), Z2, Z2; \
	VINSERTI32X4 $3, o(DX)(R11*1), Z3, Z3; \
	VPUNPCKLDQ Z1, Z0, Z8; \
	VPUNPCKLDQ Z3, Z2, Z9; \
	VPUNPCKHDQ Z1, Z0, Z10; \
	VPUNPCKHDQ Z3, Z2, Z11; \
	VPUNPCKLQDQ Z9, Z8, Z4; \
	VPUNPCKHQDQ Z9, Z8, Z5; \
	VPUNPCKLQDQ Z11, Z10, Z6; \
	VPUNPCKHQDQ Z11, Z10, Z7

// ROWS loads the arguments.
#define ROWS \
	MOVQ panel+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rowBytes+16(FP), R8; \
	MOVQ blocks+24(FP), CX; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R8)(R8*4), R10; \
	LEAQ (R9)(R8*4), R11; \
	LEAQ (SI)(R8*8), DX

#define DWORDS(b, z) \
	MOVL $b, AX; \
	VPBROADCASTD AX, z

// SCALE stores byte n of each dword of z as the scales of a group, at o.
#define SCALE(n, z, o) \
	VPSRLD $(8*n), z, Z0; \
	VPANDD Z28, Z0, Z0; \
	VMOVDQU64 Z0, o(DI)

// LEAST stores byte n of each dword of z twice, as words, at o.
#define LEAST(n, z, o) \
	VPSRLD $(8*n), z, Z0; \
	VPANDD Z28, Z0, Z0; \
	VPSLLD $16, Z0, Z1; \
	VPORD Z1, Z0, Z0; \
	VMOVDQU64 Z0, o(DI)

#define ALL4(op, z, o) \
	op(0, z, o); \
	op(1, z, (o+64)); \
	op(2, z, (o+128)); \
	op(3, z, (o+192))

// HEADER turns the header of a Q4_K or Q5_K superblock over: d and dmin, 8
// scales and 8 least values of 6 bits in three dwords, as kquant.go's sixBits
// reads them. Z28 is 0xff, Z29 0x0f, Z30 0x30, Z31 0x3f in each dword or byte.
#define HEADER \
	TURN(0); \
	VPMOVDW Z4, Y8; \
	VCVTPH2PS Y8, Z8; \
	VMOVUPS Z8, 4608(DI); \
	VPSRLD $16, Z4, Z4; \
	VPMOVDW Z4, Y8; \
	VCVTPH2PS Y8, Z8; \
	VMOVUPS Z8, 4672(DI); \
	VPANDD Z31, Z5, Z8; \
	VPANDD Z31, Z6, Z9; \
	VPSRLD $2, Z5, Z10; \
	VPSRLD $2, Z6, Z11; \
	VPANDD Z30, Z10, Z10; \
	VPANDD Z30, Z11, Z11; \
	VPTERNLOGD $0xf8, Z29, Z7, Z10; \
	VPSRLD $4, Z7, Z7; \
	VPTERNLOGD $0xf8, Z29, Z7, Z11; \
	ALL4(SCALE, Z8, 4736); \
	ALL4(SCALE, Z10, 4992); \
	ALL4(LEAST, Z9, 4096); \
	ALL4(LEAST, Z11, 4352)

// NIBBLES stores the lower nibbles of z at o and the upper ones 512 bytes on.
#define NIBBLES(z, o) \
	VPANDD Z29, z, Z0; \
	VPSRLD $4, z, z; \
	VPANDD Z29, z, z; \
	VMOVDQU64 Z0, o(DI); \
	VMOVDQU64 z, (o+512)(DI)

// func panelQ4KVNNI(panel, w *byte, rowBytes, blocks int)
TEXT ·panelQ4KVNNI(SB), NOSPLIT, $0-32
	ROWS
	DWORDS(0xff, Z28)
	DWORDS(0x0f0f0f0f, Z29)
	DWORDS(0x30303030, Z30)
	DWORDS(0x3f3f3f3f, Z31)
block:
	HEADER
	MOVQ $4, BX
part:
	TURN(16)
	NIBBLES(Z4, 0)
	NIBBLES(Z5, 64)
	NIBBLES(Z6, 128)
	NIBBLES(Z7, 192)
	TURN(32)
	NIBBLES(Z4, 256)
	NIBBLES(Z5, 320)
	NIBBLES(Z6, 384)
	NIBBLES(Z7, 448)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $1024, DI
	DECQ BX
	JNZ part
	ADDQ $16, SI
	ADDQ $16, DX
	ADDQ $1664, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// FIVE is NIBBLES with the fifth bits: the lowest two of h, which moves on.
#define FIVE(z, h, o) \
	VPSLLD $4, h, Z0; \
	VPSLLD $3, h, Z1; \
	VPANDD Z30, Z0, Z0; \
	VPANDD Z30, Z1, Z1; \
	VPSRLD $2, h, h; \
	VPTERNLOGD $0xf8, Z29, z, Z0; \
	VPSRLD $4, z, z; \
	VPTERNLOGD $0xf8, Z29, z, Z1; \
	VMOVDQU64 Z0, o(DI); \
	VMOVDQU64 Z1, (o+512)(DI)

// func panelQ5KVNNI(panel, w *byte, rowBytes, blocks int)
TEXT ·panelQ5KVNNI(SB), NOSPLIT, $0-32
	ROWS
	DWORDS(0xff, Z28)
	DWORDS(0x0f0f0f0f, Z29)
	DWORDS(0x3f3f3f3f, Z31)
block:
	DWORDS(0x30303030, Z30)
	HEADER
	DWORDS(0x10101010, Z30)
	TURN(16)
	VMOVDQA64 Z4, Z16
	VMOVDQA64 Z5, Z17
	VMOVDQA64 Z6, Z18
	VMOVDQA64 Z7, Z19
	TURN(32)
	VMOVDQA64 Z4, Z20
	VMOVDQA64 Z5, Z21
	VMOVDQA64 Z6, Z22
	VMOVDQA64 Z7, Z23
	MOVQ $4, BX
part:
	TURN(48)
	FIVE(Z4, Z16, 0)
	FIVE(Z5, Z17, 64)
	FIVE(Z6, Z18, 128)
	FIVE(Z7, Z19, 192)
	TURN(64)
	FIVE(Z4, Z20, 256)
	FIVE(Z5, Z21, 320)
	FIVE(Z6, Z22, 384)
	FIVE(Z7, Z23, 448)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $1024, DI
	DECQ BX
	JNZ part
	ADDQ $48, SI
	ADDQ $48, DX
	ADDQ $1664, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// SIGNED stores two signed bytes of each dword of z, n and n+1, as the scales
// of two groups at o, and both as words at p.
#define SIGNED(n, z, o, p) \
	VPSLLD $(24-8*n), z, Z0; \
	VPSLLD $(16-8*n), z, Z1; \
	VPSRAD $24, Z0, Z0; \
	VPSRAD $24, Z1, Z1; \
	VMOVDQU64 Z0, o(DI); \
	VMOVDQU64 Z1, (o+64)(DI); \
	VPSLLD $16, Z1, Z1; \
	VPTERNLOGD $0xf8, Z28, Z0, Z1; \
	VMOVDQU64 Z1, p(DI)

// SIX is NIBBLES with two more bits: of h, which left and right shift
// to bit 4 for the lower and the upper nibbles.
#define SIX(z, h, o, left, n, right, m) \
	left $n, h, Z0; \
	right $m, h, Z1; \
	VPANDD Z30, Z0, Z0; \
	VPANDD Z30, Z1, Z1; \
	VPTERNLOGD $0xf8, Z29, z, Z0; \
	VPSRLD $4, z, z; \
	VPTERNLOGD $0xf8, Z29, z, Z1; \
	VMOVDQU64 Z0, o(DI); \
	VMOVDQU64 Z1, (o+1024)(DI)

// LOW6 and LOW6B store values 0…31 and 64…95 of a half, HIGH6 and HIGH6B values
// 32…63 and 96…127.
#define LOW6 \
	SIX(Z4, Z16, 0, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z5, Z17, 64, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z6, Z18, 128, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z7, Z19, 192, VPSLLD, 4, VPSRLD, 0)

#define LOW6B \
	SIX(Z4, Z20, 256, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z5, Z21, 320, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z6, Z22, 384, VPSLLD, 4, VPSRLD, 0); \
	SIX(Z7, Z23, 448, VPSLLD, 4, VPSRLD, 0)

#define HIGH6 \
	SIX(Z4, Z16, 512, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z5, Z17, 576, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z6, Z18, 640, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z7, Z19, 704, VPSLLD, 2, VPSRLD, 2)

#define HIGH6B \
	SIX(Z4, Z20, 768, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z5, Z21, 832, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z6, Z22, 896, VPSLLD, 2, VPSRLD, 2); \
	SIX(Z7, Z23, 960, VPSLLD, 2, VPSRLD, 2)

// HALVES loads d, 2 bytes a row, of 8 rows from p on.
#define HALVES(p, x) \
	VPINSRW $0, (p), x, x; \
	VPINSRW $1, (p)(R8*1), x, x; \
	VPINSRW $2, (p)(R8*2), x, x; \
	VPINSRW $3, (p)(R9*1), x, x; \
	VPINSRW $4, (p)(R8*4), x, x; \
	VPINSRW $5, (p)(R10*1), x, x; \
	VPINSRW $6, (p)(R9*2), x, x; \
	VPINSRW $7, (p)(R11*1), x, x

// func panelQ6KVNNI(panel, w *byte, rowBytes, blocks int)
TEXT ·panelQ6KVNNI(SB), NOSPLIT, $0-32
	ROWS
	DWORDS(0xffff, Z28)
	DWORDS(0x0f0f0f0f, Z29)
	DWORDS(0x30303030, Z30)
block:
	TURN(192)
	SIGNED(0, Z4, 4736, 4096)
	SIGNED(2, Z4, 4864, 4160)
	SIGNED(0, Z5, 4992, 4224)
	SIGNED(2, Z5, 5120, 4288)
	SIGNED(0, Z6, 5248, 4352)
	SIGNED(2, Z6, 5376, 4416)
	SIGNED(0, Z7, 5504, 4480)
	SIGNED(2, Z7, 5632, 4544)
	ADDQ $208, SI
	ADDQ $208, DX
	HALVES(SI, X0)
	HALVES(DX, X1)
	VINSERTI128 $1, X1, Y0, Y0
	VCVTPH2PS Y0, Z0
	VMOVUPS Z0, 4608(DI)
	SUBQ $208, SI
	SUBQ $208, DX
	MOVQ $2, BX
part:
	TURN(128)
	VMOVDQA64 Z4, Z16
	VMOVDQA64 Z5, Z17
	VMOVDQA64 Z6, Z18
	VMOVDQA64 Z7, Z19
	TURN(144)
	VMOVDQA64 Z4, Z20
	VMOVDQA64 Z5, Z21
	VMOVDQA64 Z6, Z22
	VMOVDQA64 Z7, Z23
	// SI is 32 on the second time, where the lower bits are 64 on.
	CMPQ BX, $1
	JEQ second
	TURN(0)
	LOW6
	TURN(16)
	LOW6B
	TURN(32)
	HIGH6
	TURN(48)
	HIGH6B
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $2048, DI
	DECQ BX
	JMP part
second:
	TURN(32)
	LOW6
	TURN(48)
	LOW6B
	TURN(64)
	HIGH6
	TURN(80)
	HIGH6B
	ADDQ $178, SI
	ADDQ $178, DX
	ADDQ $3712, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET
