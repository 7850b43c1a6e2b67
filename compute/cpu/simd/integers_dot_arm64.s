// Products of integers for arm64, with the dot product of bytes of Armv8.2:
//
//	SDOT  Vd.4S, Vn.16B, Vm.16B

#define DOT(m, n, d) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d))

#define Q8_GROUPS ·q8GroupsDot
#define Q4_GROUPS ·q4GroupsDot
#define Q4K_BLOCKS ·q4kBlocksDot
#define Q5K_BLOCKS ·q5kBlocksDot
#define Q6K_BLOCKS ·q6kBlocksDot

#include "integers_arm64.h"
