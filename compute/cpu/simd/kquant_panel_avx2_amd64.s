// Panels, as kquant_panel_amd64.s describes them, made with AVX2: one call
// turns 8 rows over and fills one half of each line of 64 bytes.
//
// Registers: DI the half of the panel, SI rows, R8, R9, R10, R11: the distances
// of 1, 3, 5 and 7 rows; CX superblocks left, BX parts left. Y0…Y7 turning over,
// Y8…Y15 upper bits, or headers before they are taken.

#include "textflag.h"

#define WIDE(name, v) \
DATA name<>+0(SB)/8, $v; \
DATA name<>+8(SB)/8, $v; \
DATA name<>+16(SB)/8, $v; \
DATA name<>+24(SB)/8, $v; \
GLOBL name<>(SB), RODATA|NOPTR, $32
WIDE(lowByte, 0x000000ff000000ff)
WIDE(lowWord, 0x0000ffff0000ffff)
WIDE(mask0f, 0x0f0f0f0f0f0f0f0f)
WIDE(mask10, 0x1010101010101010)
WIDE(mask30, 0x3030303030303030)
WIDE(mask3f, 0x3f3f3f3f3f3f3f3f)

// TURN takes 16 bytes, o bytes on, of each of 8 rows: Y0…Y3 have four bytes each
// of rows 0…7.
#define TURN(o) \
	VMOVDQU o(SI), X0; \
	VMOVDQU o(SI)(R8*1), X1; \
	VMOVDQU o(SI)(R8*2), X2; \
	VMOVDQU o(SI)(R9*1), X3; \
	VINSERTI128 $1, o(SI)(R8*4), Y0, Y0; \
	VINSERTI128 $1, o(SI)(R10*1), Y1, Y1; \
	VINSERTI128 $1, o(SI)(R9*2), Y2, Y2; \
	VINSERTI128 $1, o(SI)(R11*1), Y3, Y3; \
	VPUNPCKLDQ Y1, Y0, Y4; \
	VPUNPCKLDQ Y3, Y2, Y5; \
	VPUNPCKHDQ Y1, Y0, Y6; \
	VPUNPCKHDQ Y3, Y2, Y7; \
	VPUNPCKLQDQ Y5, Y4, Y0; \
	VPUNPCKHQDQ Y5, Y4, Y1; \
	VPUNPCKLQDQ Y7, Y6, Y2; \
	VPUNPCKHQDQ Y7, Y6, Y3

#define ROWS \
	MOVQ panel+0(FP), DI; \
	MOVQ w+8(FP), SI; \
	MOVQ rowBytes+16(FP), R8; \
	MOVQ blocks+24(FP), CX; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R8)(R8*4), R10; \
	LEAQ (R9)(R8*4), R11

// SCALE stores byte n of each dword of y as the scales of a group, at o.
#define SCALE(n, y, o) \
	VPSRLD $(8*n), y, Y4; \
	VPAND lowByte<>(SB), Y4, Y4; \
	VMOVDQU Y4, o(DI)

// LEAST stores byte n of each dword of y twice, as words, at o.
#define LEAST(n, y, o) \
	VPSRLD $(8*n), y, Y4; \
	VPAND lowByte<>(SB), Y4, Y4; \
	VPSLLD $16, Y4, Y5; \
	VPOR Y5, Y4, Y4; \
	VMOVDQU Y4, o(DI)

#define ALL4(op, y, o) \
	op(0, y, o); \
	op(1, y, (o+64)); \
	op(2, y, (o+128)); \
	op(3, y, (o+192))

// HALFFLOAT stores the lower words of y, halves, as float32 at o.
#define HALFFLOAT(y, o) \
	VPAND lowWord<>(SB), y, Y4; \
	VPXOR Y5, Y5, Y5; \
	VPACKUSDW Y5, Y4, Y4; \
	VPERMQ $0x08, Y4, Y4; \
	VCVTPH2PS X4, Y4; \
	VMOVUPS Y4, o(DI)

#define HEADER \
	TURN(0); \
	HALFFLOAT(Y0, 4608); \
	VPSRLD $16, Y0, Y0; \
	HALFFLOAT(Y0, 4672); \
	VPAND mask3f<>(SB), Y1, Y8; \
	VPAND mask3f<>(SB), Y2, Y9; \
	VPSRLD $2, Y1, Y10; \
	VPSRLD $2, Y2, Y11; \
	VPAND mask30<>(SB), Y10, Y10; \
	VPAND mask30<>(SB), Y11, Y11; \
	VPAND mask0f<>(SB), Y3, Y4; \
	VPOR Y4, Y10, Y10; \
	VPSRLD $4, Y3, Y3; \
	VPAND mask0f<>(SB), Y3, Y3; \
	VPOR Y3, Y11, Y11; \
	ALL4(SCALE, Y8, 4736); \
	ALL4(SCALE, Y10, 4992); \
	ALL4(LEAST, Y9, 4096); \
	ALL4(LEAST, Y11, 4352)

// NIBBLES stores the lower nibbles of y at o and the upper ones 512 bytes on.
#define NIBBLES(y, o) \
	VPAND mask0f<>(SB), y, Y4; \
	VPSRLD $4, y, y; \
	VPAND mask0f<>(SB), y, y; \
	VMOVDQU Y4, o(DI); \
	VMOVDQU y, (o+512)(DI)

// FIVE is NIBBLES with the fifth bits: the lowest two of h, which moves on.
#define FIVE(y, h, o) \
	VPSLLD $4, h, Y4; \
	VPSLLD $3, h, Y5; \
	VPAND mask10<>(SB), Y4, Y4; \
	VPAND mask10<>(SB), Y5, Y5; \
	VPSRLD $2, h, h; \
	VPAND mask0f<>(SB), y, Y6; \
	VPSRLD $4, y, y; \
	VPAND mask0f<>(SB), y, y; \
	VPOR Y6, Y4, Y4; \
	VPOR y, Y5, Y5; \
	VMOVDQU Y4, o(DI); \
	VMOVDQU Y5, (o+512)(DI)

// SIX is NIBBLES with two more bits of h, shifted to bit 4, for values 64 on.
#define SIX(y, h, o, n, m) \
	VPSLLD $n, h, Y4; \
	VPSRLD $m, h, Y5; \
	VPAND mask30<>(SB), Y4, Y4; \
	VPAND mask30<>(SB), Y5, Y5; \
	VPAND mask0f<>(SB), y, Y6; \
	VPSRLD $4, y, y; \
	VPAND mask0f<>(SB), y, y; \
	VPOR Y6, Y4, Y4; \
	VPOR y, Y5, Y5; \
	VMOVDQU Y4, o(DI); \
	VMOVDQU Y5, (o+1024)(DI)

#define SIX4(a, b, c, d, o, n, m) \
	SIX(Y0, a, o, n, m); \
	SIX(Y1, b, (o+64), n, m); \
	SIX(Y2, c, (o+128), n, m); \
	SIX(Y3, d, (o+192), n, m)

// UPPER turns 32 bytes of upper bits over, to Y8…Y15.
#define UPPER(o) \
	TURN(o); \
	VMOVDQA Y0, Y8; \
	VMOVDQA Y1, Y9; \
	VMOVDQA Y2, Y10; \
	VMOVDQA Y3, Y11; \
	TURN((o+16)); \
	VMOVDQA Y0, Y12; \
	VMOVDQA Y1, Y13; \
	VMOVDQA Y2, Y14; \
	VMOVDQA Y3, Y15

// LOWER6 turns 64 bytes of nibbles of Q6_K over.
#define LOWER6(o) \
	TURN(o); \
	SIX4(Y8, Y9, Y10, Y11, 0, 4, 0); \
	TURN((o+16)); \
	SIX4(Y12, Y13, Y14, Y15, 256, 4, 0); \
	TURN((o+32)); \
	SIX4(Y8, Y9, Y10, Y11, 512, 2, 2); \
	TURN((o+48)); \
	SIX4(Y12, Y13, Y14, Y15, 768, 2, 2)

// SIGNED stores two signed bytes of each dword of y, n and n+1, as the scales
// of two groups at o, and both as words at p.
#define SIGNED(n, y, o, p) \
	VPSLLD $(24-8*n), y, Y4; \
	VPSLLD $(16-8*n), y, Y5; \
	VPSRAD $24, Y4, Y4; \
	VPSRAD $24, Y5, Y5; \
	VMOVDQU Y4, o(DI); \
	VMOVDQU Y5, (o+64)(DI); \
	VPSLLD $16, Y5, Y5; \
	VPBLENDW $0x55, Y4, Y5, Y5; \
	VMOVDQU Y5, p(DI)

// HALVES loads d, 2 bytes a row, 208 bytes on.
#define HALVES \
	VPINSRW $0, 208(SI), X0, X0; \
	VPINSRW $1, 208(SI)(R8*1), X0, X0; \
	VPINSRW $2, 208(SI)(R8*2), X0, X0; \
	VPINSRW $3, 208(SI)(R9*1), X0, X0; \
	VPINSRW $4, 208(SI)(R8*4), X0, X0; \
	VPINSRW $5, 208(SI)(R10*1), X0, X0; \
	VPINSRW $6, 208(SI)(R9*2), X0, X0; \
	VPINSRW $7, 208(SI)(R11*1), X0, X0; \
	VCVTPH2PS X0, Y0; \
	VMOVUPS Y0, 4608(DI)

// func halfPanelQ4KAVX2(panel, w *byte, rowBytes, blocks int)
TEXT ·halfPanelQ4KAVX2(SB), NOSPLIT, $0-32
	ROWS
block:
	HEADER
	MOVQ $4, BX
part:
	TURN(16)
	NIBBLES(Y0, 0)
	NIBBLES(Y1, 64)
	NIBBLES(Y2, 128)
	NIBBLES(Y3, 192)
	TURN(32)
	NIBBLES(Y0, 256)
	NIBBLES(Y1, 320)
	NIBBLES(Y2, 384)
	NIBBLES(Y3, 448)
	ADDQ $32, SI
	ADDQ $1024, DI
	DECQ BX
	JNZ part
	ADDQ $16, SI
	ADDQ $1664, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// func halfPanelQ5KAVX2(panel, w *byte, rowBytes, blocks int)
TEXT ·halfPanelQ5KAVX2(SB), NOSPLIT, $0-32
	ROWS
block:
	HEADER
	UPPER(16)
	MOVQ $4, BX
part:
	TURN(48)
	FIVE(Y0, Y8, 0)
	FIVE(Y1, Y9, 64)
	FIVE(Y2, Y10, 128)
	FIVE(Y3, Y11, 192)
	TURN(64)
	FIVE(Y0, Y12, 256)
	FIVE(Y1, Y13, 320)
	FIVE(Y2, Y14, 384)
	FIVE(Y3, Y15, 448)
	ADDQ $32, SI
	ADDQ $1024, DI
	DECQ BX
	JNZ part
	ADDQ $48, SI
	ADDQ $1664, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET

// func halfPanelQ6KAVX2(panel, w *byte, rowBytes, blocks int)
TEXT ·halfPanelQ6KAVX2(SB), NOSPLIT, $0-32
	ROWS
block:
	HALVES
	TURN(192)
	SIGNED(0, Y0, 4736, 4096)
	SIGNED(2, Y0, 4864, 4160)
	SIGNED(0, Y1, 4992, 4224)
	SIGNED(2, Y1, 5120, 4288)
	SIGNED(0, Y2, 5248, 4352)
	SIGNED(2, Y2, 5376, 4416)
	SIGNED(0, Y3, 5504, 4480)
	SIGNED(2, Y3, 5632, 4544)
	UPPER(128)
	LOWER6(0)
	ADDQ $2048, DI
	UPPER(160)
	LOWER6(64)
	ADDQ $210, SI
	ADDQ $3712, DI
	DECQ CX
	JNZ block
	VZEROUPPER
	RET
