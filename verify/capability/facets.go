package capability

import (
	"phios/abi"
	kernel "phios/kernel/capability"
)

// The rights that the worlds of a derivation tree tell apart.
const (
	wide   = abi.RightRead | abi.RightGrant | abi.RightDerive | abi.RightRevoke
	narrow = abi.RightRead
)

// derivation is the alphabet of who holds what and who revokes it. Its last
// form can never be made from a parent with the other badge.
func derivation() *alphabet {
	return &alphabet{
		kinds:    kinds(opMint, opGrant, opMove, opDelete, opRevoke, opReclaim, opLookup),
		mints:    []abi.Mint{abi.Whole(wide), with(wide, func(m *abi.Mint) { m.Badge = 1 }), abi.Whole(narrow), with(narrow, func(m *abi.Mint) { m.Badge = 2 })},
		grants:   []abi.Mint{abi.Whole(wide)},
		original: kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()},
		stale:    true,
	}
}

// shares is the alphabet of what there is a limited amount of: time, uses,
// copies. A share of all uses and one of one are tried on every parent, so
// that each is asked for more than it has.
func shares() *alphabet {
	return &alphabet{
		kinds: kinds(opMint, opMove, opDelete, opReclaim, opUse, opTick),
		mints: []abi.Mint{
			with(wide, func(m *abi.Mint) { m.Uses = 2 }),
			with(wide, func(m *abi.Mint) { m.Uses, m.Expires = 1, 2 }),
			with(wide, func(m *abi.Mint) { m.Copies = 1 }),
			with(wide, func(m *abi.Mint) { m.Copies, m.Expires, m.Uses = 0, 3, 1 }),
		},
		original: kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()},
	}
}

// bounds is the alphabet of seals, windows, ceilings, and of rights to use
// apart from rights to pass on.
func bounds() *alphabet {
	return &alphabet{
		kinds: kinds(opMint, opGrant, opDelete, opReclaim, opUse, opSeal, opUnseal),
		mints: []abi.Mint{
			with(wide, func(m *abi.Mint) { m.Base, m.Bytes = 8, 8 }),
			with(wide, func(m *abi.Mint) { m.Base, m.Bytes = 4, 8 }),
			with(wide, func(m *abi.Mint) { m.Ceiling = abi.Label{Sources: 1, Readers: 2} }),
			with(wide, func(m *abi.Mint) { m.Ceiling = abi.Label{Sources: 2} }),
			with(wide, func(m *abi.Mint) { m.Pass = abi.RightRead | abi.RightDerive }),
			with(abi.RightRead|abi.RightDerive, func(m *abi.Mint) { m.Pass = wide }),
		},
		grants:   []abi.Mint{abi.Whole(wide)},
		original: kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()},
	}
}

// transit is the alphabet of capabilities that travel in messages, some of
// which do not arrive and some of which come back to their sender. With two
// messages at a time there is also a form that may be passed on further than
// it can be used.
func transit(messages int) *alphabet {
	forms := []abi.Mint{abi.Whole(wide), with(wide, func(m *abi.Mint) { m.Copies = 1 })}
	if messages > 1 {
		forms = append(forms, with(abi.RightGrant, func(m *abi.Mint) { m.Pass = wide }))
	}
	return &alphabet{
		kinds:    kinds(opMint, opDelete, opRevoke, opReclaim, opPackCopy, opPackMove, opInstall, opCancel, opClose),
		mints:    forms,
		original: kernel.Origin{Rights: wide, Ceiling: abi.LabelTop()},
		messages: messages,
	}
}

// with returns a mint that is less than whole.
func with(rights abi.Rights, less func(*abi.Mint)) abi.Mint {
	m := abi.Whole(rights)
	less(&m)
	return m
}

func kinds(list ...uint8) (set [opCount]bool) {
	for _, k := range list {
		set[k] = true
	}
	return set
}
