package abi

import "strconv"

// Status is the result of a kernel call: zero is success, every other value
// a constant that says what was refused. It is an error, it is comparable,
// and it costs nothing to return.
type Status uint16

// The statuses. Their texts say the remedy where there is one.
const (
	StatusOK          Status = iota
	StatusBadHandle          // no such capability in this task: stale, forged or foreign
	StatusRevoked            // the capability was revoked
	StatusRights             // the capability lacks a right that the call needs
	StatusType               // the capability is to another type of object
	StatusBadCall            // no such call number
	StatusBadArgument        // an argument has a value that means nothing
	StatusRange              // an offset or length reaches past the end
	StatusOverlap            // the window overlaps one that is mapped
	StatusDepth              // a chain would grow over its limit
	StatusCycle              // the call would wait for its own caller
	StatusSelf               // a grant to oneself
	StatusTableFull          // no free slot in the caller's CSpace
	StatusPeerFull           // no free slot in the receiver's CSpace
	StatusMailboxFull        // the mailbox holds its limit of messages
	StatusEmpty              // nothing there, and the call may not wait
	StatusBudget             // the budget does not cover it
	StatusLimit              // a constant limit of the kernel is reached
	StatusNoMemory           // the machine has no memory for it
	StatusPinLimit           // the machine's limit on pinned memory forbids it
	StatusPeerDead           // the other side is gone
	StatusTimeout            // the deadline passed
	StatusKilled             // the calling task was killed
	StatusLabel              // a label exceeds a ceiling
	StatusExpired            // the capability's time is over
	StatusExhausted          // the capability's uses are spent
	StatusCopies             // the capability may not be copied again
	StatusSealed             // the capability is sealed
	StatusBusy               // someone else is in the only place
	StatusDenied             // a hook refused
	StatusState              // the object is not in a state that allows it
	StatusUnsupported        // this machine cannot do it
	StatusAuthority          // the change of label exceeds the capability's authority
	StatusJournal            // the journal cannot record it, so it was not done
	statusEnd
)

// StatusCount is the number of statuses; valid ones are below it.
const StatusCount = int(statusEnd)

// Error returns the text of the status. It makes Status an error.
func (s Status) Error() string {
	if int(s) < len(statusTexts) {
		return statusTexts[s]
	}
	return "unknown status " + strconv.Itoa(int(s))
}

// Name returns the status's short name, such as "rights", as tools print it.
func (s Status) Name() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "status-" + strconv.Itoa(int(s))
}

// OK reports whether the call succeeded.
func (s Status) OK() bool { return s == StatusOK }

// Err returns nil for StatusOK and the status itself otherwise, for callers
// that speak in errors.
func (s Status) Err() error {
	if s == StatusOK {
		return nil
	}
	return s
}

var statusNames = [...]string{
	"ok", "bad-handle", "revoked", "rights", "type", "bad-call", "bad-argument",
	"range", "overlap", "depth", "cycle", "self", "table-full", "peer-full",
	"mailbox-full", "empty", "budget", "limit", "no-memory", "pin-limit",
	"peer-dead", "timeout", "killed", "label", "expired", "exhausted", "copies",
	"sealed", "busy", "denied", "state", "unsupported", "authority", "journal",
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

// Every status has a text and a name.
const (
	_ = uint(len(statusTexts) - int(statusEnd))
	_ = uint(int(statusEnd) - len(statusTexts))
	_ = uint(len(statusNames) - int(statusEnd))
	_ = uint(int(statusEnd) - len(statusNames))
)
