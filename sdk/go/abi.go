// Code generated from package abi by go test ./sdk -rewrite. DO NOT EDIT.

package phi

// The statuses.
const (
	StatusOK          Status = 0x0  // ok
	StatusBadHandle   Status = 0x1  // no such capability in this task: the handle is stale, forged or another task's
	StatusRevoked     Status = 0x2  // the capability was revoked: ask its giver for a new one
	StatusRights      Status = 0x3  // the capability lacks a right that this call needs: ask its giver for a wider one
	StatusType        Status = 0x4  // the capability is to another type of object
	StatusBadCall     Status = 0x5  // no such call: see the list of calls in docs/abi.md
	StatusBadArgument Status = 0x6  // an argument has a value that means nothing here
	StatusRange       Status = 0x7  // offset and length reach past the end
	StatusOverlap     Status = 0x8  // the window overlaps one that is mapped: unmap that one first
	StatusDepth       Status = 0x9  // the chain is at its limit: derive from a capability nearer to the origin
	StatusCycle       Status = 0xa  // the call would wait for its own caller
	StatusSelf        Status = 0xb  // a task cannot grant to itself: derive instead
	StatusTableFull   Status = 0xc  // the capability table is full: delete a capability first
	StatusPeerFull    Status = 0xd  // the receiver's capability table is full: it must delete a capability first
	StatusMailboxFull Status = 0xe  // the mailbox is full: let the receiver catch up, then send again
	StatusEmpty       Status = 0xf  // nothing is there yet
	StatusBudget      Status = 0x10 // the budget does not cover this: ask the parent for more
	StatusLimit       Status = 0x11 // a limit of the kernel is reached
	StatusNoMemory    Status = 0x12 // the machine is out of memory
	StatusPinLimit    Status = 0x13 // the limit on pinned memory forbids this: raise RLIMIT_MEMLOCK or pin less
	StatusPeerDead    Status = 0x14 // the other side is gone
	StatusTimeout     Status = 0x15 // the deadline has passed
	StatusKilled      Status = 0x16 // this task was killed
	StatusLabel       Status = 0x17 // the data's label exceeds what this sink accepts: endorse or declassify it first
	StatusExpired     Status = 0x18 // the capability has expired: ask its giver for a new one
	StatusExhausted   Status = 0x19 // the capability's uses are spent: ask its giver for a new one
	StatusCopies      Status = 0x1a // the capability may not be copied again: move it instead
	StatusSealed      Status = 0x1b // the capability is sealed: unseal it first
	StatusBusy        Status = 0x1c // someone else is using this: try again
	StatusDenied      Status = 0x1d // a hook refused the call
	StatusState       Status = 0x1e // the object's state does not allow this now
	StatusUnsupported Status = 0x1f // this machine cannot do this
	StatusAuthority   Status = 0x20 // this change of label exceeds the capability's authority
	StatusJournal     Status = 0x21 // the journal cannot record this, so it was not done: check the journal's disk
)

// The rights.
const (
	RightRead       Rights = 0x1
	RightWrite      Rights = 0x2
	RightMap        Rights = 0x4
	RightExecute    Rights = 0x8
	RightPin        Rights = 0x10
	RightDMA        Rights = 0x20
	RightSend       Rights = 0x40
	RightReceive    Rights = 0x80
	RightGrant      Rights = 0x100
	RightDerive     Rights = 0x200
	RightRevoke     Rights = 0x400
	RightInvoke     Rights = 0x800
	RightManage     Rights = 0x1000
	RightInspect    Rights = 0x2000
	RightEndorse    Rights = 0x4000
	RightDeclassify Rights = 0x8000
	RightLoad       Rights = 0x10000
	RightRun        Rights = 0x20000
	RightQuantize   Rights = 0x40000
	RightDelete     Rights = 0x80000
)

// The resources that budgets count.
const (
	ResourceMemory  Resource = 0x0 // bytes, held
	ResourceSlots   Resource = 0x1 // slots, held
	ResourceCPU     Resource = 0x2 // nanoseconds
	ResourceTokens  Resource = 0x3 // model tokens
	ResourceNetwork Resource = 0x4 // bytes
	ResourceEnergy  Resource = 0x5 // microjoules
)

// The types of object.
const (
	ObjectNone         ObjectType = 0x0
	ObjectTask         ObjectType = 0x1
	ObjectRegion       ObjectType = 0x2
	ObjectEndpoint     ObjectType = 0x3
	ObjectNotification ObjectType = 0x4
	ObjectTimer        ObjectType = 0x5
	ObjectInterrupt    ObjectType = 0x6
	ObjectBudget       ObjectType = 0x7
	ObjectReply        ObjectType = 0x8
	ObjectModel        ObjectType = 0x9
	ObjectFile         ObjectType = 0xa
	ObjectSocket       ObjectType = 0xb
	ObjectDevice       ObjectType = 0xc
	ObjectUnit         ObjectType = 0xd
)

// The other numbers of the contract.
const (
	MessageWords     = 0x4        // words of a message
	MessageBytesMax  = 0x200      // most bytes of data in a message
	MessageHandleMax = 0x8        // most capabilities in a message
	ArgWords         = 0x6        // words of a call or its result
	PayloadBytesMax  = 0x10000    // most bytes of one read or write of a region
	RegionShared     = 0x1        // map: read and write the region itself
	RegionPrivate    = 0x2        // map: read it; written pages become private copies
	GrantCopy        = 0x0        // task grant: the giver keeps its capability
	GrantMove        = 0x1        // task grant: the giver's capability itself goes
	FaultExit        = 0x1        // a task ended by itself
	FaultProgram     = 0x10       // codes from here on are a program's own
	FaultResume      = 0x0        // answer to a fault: go on
	FaultKill        = 0x1        // answer to a fault: stop the task
	Unlimited        = 0xffffffff // in a mint: no limit of its own
)

// What word 3 of a request to a model says above the tokens, and why a text ended, in word 2 of the answer.
const (
	AIJSON            = 0x100000000  // the request and the answer are JSON
	AIStream          = 0x200000000  // answer with the number of a stream
	AINext            = 0x400000000  // the next piece of the stream of that number
	AIStop            = 0x800000000  // end the stream, or forget the batch, of that number
	AIBatch           = 0x1000000000 // keep the request for the batch of that number
	AINumberShift     = 0x30         // where the number begins
	AIReasonStop      = 0x1          // the model's own end, or a stop string
	AIReasonLength    = 0x2          // as many tokens as were allowed, or as fit
	AIReasonTools     = 0x3          // the model asks for tools to be called
	AIReasonBudget    = 0x4          // the budget is spent
	AIReasonDeadline  = 0x5          // the deadline passed
	AIReasonCancelled = 0x6          // the caller is no more
)

var statusNames = [...]string{
	"ok",
	"bad-handle",
	"revoked",
	"rights",
	"type",
	"bad-call",
	"bad-argument",
	"range",
	"overlap",
	"depth",
	"cycle",
	"self",
	"table-full",
	"peer-full",
	"mailbox-full",
	"empty",
	"budget",
	"limit",
	"no-memory",
	"pin-limit",
	"peer-dead",
	"timeout",
	"killed",
	"label",
	"expired",
	"exhausted",
	"copies",
	"sealed",
	"busy",
	"denied",
	"state",
	"unsupported",
	"authority",
	"journal",
}

var statusTexts = [...]string{
	"ok",
	"no such capability in this task: the handle is stale, forged or another task's",
	"the capability was revoked: ask its giver for a new one",
	"the capability lacks a right that this call needs: ask its giver for a wider one",
	"the capability is to another type of object",
	"no such call: see the list of calls in docs/abi.md",
	"an argument has a value that means nothing here",
	"offset and length reach past the end",
	"the window overlaps one that is mapped: unmap that one first",
	"the chain is at its limit: derive from a capability nearer to the origin",
	"the call would wait for its own caller",
	"a task cannot grant to itself: derive instead",
	"the capability table is full: delete a capability first",
	"the receiver's capability table is full: it must delete a capability first",
	"the mailbox is full: let the receiver catch up, then send again",
	"nothing is there yet",
	"the budget does not cover this: ask the parent for more",
	"a limit of the kernel is reached",
	"the machine is out of memory",
	"the limit on pinned memory forbids this: raise RLIMIT_MEMLOCK or pin less",
	"the other side is gone",
	"the deadline has passed",
	"this task was killed",
	"the data's label exceeds what this sink accepts: endorse or declassify it first",
	"the capability has expired: ask its giver for a new one",
	"the capability's uses are spent: ask its giver for a new one",
	"the capability may not be copied again: move it instead",
	"the capability is sealed: unseal it first",
	"someone else is using this: try again",
	"a hook refused the call",
	"the object's state does not allow this now",
	"this machine cannot do this",
	"this change of label exceeds the capability's authority",
	"the journal cannot record this, so it was not done: check the journal's disk",
}
