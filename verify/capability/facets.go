package capability

import (
	"phios/abi"
	kernel "phios/kernel/capability"
)

// The rights that the derivation worlds tell apart.
const (
	wide   = abi.RightRead | abi.RightGrant | abi.RightDerive | abi.RightRevoke
	narrow = abi.RightRead
)

// derivation is the alphabet of who holds what and who revokes it.
func derivation() *alphabet {
	marked := abi.Whole(wide)
	marked.Badge = 1
	other := abi.Whole(narrow)
	other.Badge = 2
	return &alphabet{
		kinds:    kinds(opMint, opGrant, opMove, opDelete, opRevoke, opReclaim, opLookup),
		mints:    []abi.Mint{abi.Whole(wide), marked, abi.Whole(narrow), other},
		grants:   []abi.Mint{abi.Whole(wide)},
		original: kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()}, stale: true,
	}
}

func kinds(list ...uint8) (set [opCount]bool) {
	for _, k := range list {
		set[k] = true
	}
	return set
}
