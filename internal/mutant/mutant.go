// Package mutant holds the seeded bugs by which the verifier is itself tested.
//
// Each is a mistake that someone could make in the kernel. In ordinary builds
// [On] is a constant false, so that the compiler removes every one of them; in
// builds with the tag "mutants" one at a time can be switched on.
package mutant

// ID names a seeded bug.
type ID uint8

// The seeded bugs.
const (
	None ID = iota
	LookupIgnoresGeneration
	WalkSkipped
	GenerationReused
	NodeEpochReused
	UnlinkForgetsNeighbour
	GraveLost
	DeriveUnchecked
	GrantUnchecked
	RevokeUnchecked
	RightsAmplified
	PassAmplified
	MintAmplifies
	SelfSendAmplifies
	BadgeOverwritten
	CeilingWidened
	WindowWidened
	ExpiryExtended
	ExpiryIgnored
	UsesCreated
	UseNotCharged
	CopiesIgnored
	SealIgnored
	RevokeKeepsEpoch
	RevokeKeepsCaches
	FenceSkipped
	ActUnfenced
	DeleteKeepsChildren
	ReclaimSkipsSiblings
	InstallPartial
	MoveKeepsSource
	CancelLosesMoved
	LabelNotJoined
	CeilingUnchecked
	EndorseUnchecked
	BudgetCarveFree
	BudgetRefundTwice
	ReplyKept
	ReplyUnfenced
	CallRightsSkipped
	KilledStillRuns
	JournalSkipsDenials
	idEnd
)

// Count is one more than the highest ID.
const Count = int(idEnd)

var names = [...]string{
	"none", "lookup-ignores-generation", "walk-skipped", "generation-reused",
	"node-epoch-reused", "unlink-forgets-neighbour", "grave-lost",
	"derive-unchecked", "grant-unchecked", "revoke-unchecked",
	"rights-amplified", "pass-amplified", "mint-amplifies", "self-send-amplifies", "badge-overwritten",
	"ceiling-widened", "window-widened", "expiry-extended", "expiry-ignored",
	"uses-created", "use-not-charged", "copies-ignored", "seal-ignored",
	"revoke-keeps-epoch", "revoke-keeps-caches", "fence-skipped", "act-unfenced",
	"delete-keeps-children", "reclaim-skips-siblings", "install-partial",
	"move-keeps-source", "cancel-loses-moved", "label-not-joined",
	"ceiling-unchecked", "endorse-unchecked", "budget-carve-free",
	"budget-refund-twice", "reply-kept", "reply-unfenced",
	"call-rights-skipped", "killed-still-runs", "journal-skips-denials",
}

const (
	_ = uint(len(names) - int(idEnd))
	_ = uint(int(idEnd) - len(names))
)

// String returns the bug's name.
func (id ID) String() string {
	if int(id) < len(names) {
		return names[id]
	}
	return "unknown"
}
