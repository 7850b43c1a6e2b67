package abi

// Rights is the set of what a capability allows.
type Rights uint32

// The rights. Those from READ to DECLASSIFY are checked by the kernel, see
// [Describe], but for EXECUTE and DMA; these and the rest are the business of
// the services whose objects they are for.
//
// INVOKE is the right to use the capability at all, so that a coordinator can
// hold what it may pass on but not use: a capability carries the rights that
// its holder may exercise and, apart from them, the rights that it may pass on
// (see [Mint]).
const (
	RightRead Rights = 1 << iota
	RightWrite
	RightMap
	RightExecute
	RightPin
	RightDMA
	RightSend
	RightReceive
	RightGrant  // may pass a copy to another task
	RightDerive // may mint a lesser capability for itself
	RightRevoke // may revoke what was derived from it
	RightInvoke // may use it
	RightManage
	RightInspect
	RightEndorse
	RightDeclassify
	RightLoad
	RightRun
	RightQuantize
	RightDelete
	rightsEnd
)

// RightsAll is every right there is.
const RightsAll = rightsEnd - 1

var rightNames = [...]string{
	"READ", "WRITE", "MAP", "EXECUTE", "PIN", "DMA", "SEND", "RECEIVE", "GRANT",
	"DERIVE", "REVOKE", "INVOKE", "MANAGE", "INSPECT", "ENDORSE", "DECLASSIFY",
	"LOAD", "RUN", "QUANTIZE", "DELETE",
}

const (
	_ = uint(1<<len(rightNames) - int(rightsEnd))
	_ = uint(int(rightsEnd) - 1<<len(rightNames))
)

// Has reports whether r contains every right of need.
func (r Rights) Has(need Rights) bool { return r&need == need }

// String lists the rights by name, joined by a bar; "-" for none.
func (r Rights) String() string {
	text := ""
	for i, name := range rightNames {
		if r&(1<<i) == 0 {
			continue
		}
		if text != "" {
			text += "|"
		}
		text += name
	}
	switch {
	case r&^RightsAll != 0:
		return text + "|?"
	case text == "":
		return "-"
	default:
		return text
	}
}

// ParseRight returns the right of the given name, in capitals, and whether
// there is one.
func ParseRight(name string) (Rights, bool) {
	for i, n := range rightNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}
