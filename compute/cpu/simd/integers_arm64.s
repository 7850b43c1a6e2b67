// Products of integers for arm64, without the dot product of bytes: pairs of
// products are added in 16 bits, where no weights and codes overflow (one of
// them is at least −127), and pairs of those onto 32.

//	SMULL   Vd.8H, Vn.8B, Vm.8B
//	SMLAL2  Vd.8H, Vn.16B, Vm.16B
//	SADALP  Vd.4S, Vn.8H
#define DOT(m, n, d) \
	WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | 30); \
	WORD $(0x4e208000 | (m)<<16 | (n)<<5 | 30); \
	WORD $(0x4e606800 | 30<<5 | (d))

#define Q8_GROUPS ·q8GroupsNEON
#define Q4_GROUPS ·q4GroupsNEON
#define Q4K_BLOCKS ·q4kBlocksNEON
#define Q5K_BLOCKS ·q5kBlocksNEON
#define Q6K_BLOCKS ·q6kBlocksNEON

#include "integers_arm64.h"
