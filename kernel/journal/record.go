package journal

import "phios/abi"

// Kind says what happened.
type Kind uint8

// The kinds of records. Which fields each sets is up to who writes it; the
// usual meaning is in the comment.
const (
	kindNone       Kind = iota
	KindHeader          // a journal begins or goes on after a restart; see [Header]
	KindBoot            // Task was made by the boot manifest
	KindCreate          // Task made Object of Type
	KindGrant           // Task gave Peer's task a capability to Object
	KindDerive          // Task minted a capability; Peer is the new one
	KindMove            // Task moved a capability and no longer has it
	KindDelete          // Task deleted a capability
	KindRevoke          // Task revoked what was derived from a capability
	KindDeny            // Task was refused Call with Status
	KindSpawn           // Task started Peer
	KindExit            // Task ended by itself
	KindKill            // Actor ended Task
	KindFault           // Task faulted
	KindLabelRaise      // Task's label rose from Before to After
	KindEndorse         // Actor removed sources: Before to After
	KindDeclassify      // Actor added readers: Before to After
	KindBudget          // a budget was carved, refilled or ran out
	KindHook            // a hook was loaded or removed
	KindCall            // record mode: Task entered Call with Words
	KindReply           // record mode: the call returned Status and Words
	KindNote            // a remark, in Text
	kindEnd
)

// KindCount is the number of kinds; valid ones are above zero and below it.
const KindCount = int(kindEnd)

var kindNames = [...]string{
	"none", "header", "boot", "create", "grant", "derive", "move", "delete",
	"revoke", "deny", "spawn", "exit", "kill", "fault", "label-raise",
	"endorse", "declassify", "budget", "hook", "call", "reply", "note",
}

const (
	_ = uint(len(kindNames) - int(kindEnd))
	_ = uint(int(kindEnd) - len(kindNames))
)

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// ParseKind returns the kind of the given name and whether there is one.
func ParseKind(name string) (Kind, bool) {
	for k := KindHeader; k < kindEnd; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return kindNone, false
}

func (k Kind) valid() bool { return k > kindNone && k < kindEnd }

// WordsMax is the number of words of a record.
const WordsMax = abi.MessageWords

// TextBytesMax is the greatest length of a record's text.
const TextBytesMax = 64

// Record is one thing that happened. Fields that do not apply are zero.
//
// Numbers in a record are the kernel's own numbers of tasks, objects and
// capabilities, never handles (which mean nothing outside their task) and
// never addresses.
type Record struct {
	// Sequence is the record's place in the journal, from 0. Append sets it.
	Sequence uint64
	// Time is when it was recorded, in nanoseconds of the machine's clock.
	// Append sets it.
	Time int64
	// Kind says what happened.
	Kind Kind
	// Type is the type of Object.
	Type abi.ObjectType
	// Call is the number of the call.
	Call uint16
	// Status is how it ended.
	Status abi.Status
	// Rights and Pass are those of the capability that was made or used, or
	// those that were asked for and refused. They are kept as they were, also
	// bits that name no right.
	Rights, Pass abi.Rights
	// Task is whom it happened to, and Actor who did it where that is
	// someone else.
	Task, Actor uint64
	// Object is the number of the object.
	Object uint64
	// Badge is that of the capability.
	Badge uint64
	// Peer is the other task, or the number of the derived capability.
	Peer uint64
	// Before and After are the label, or ceiling, that changed.
	Before, After abi.Label
	// Words are the words of a message, or amounts.
	Words [WordsMax]uint64
	// Digest is the SHA-256 of the payload, in record mode.
	Digest [HashBytes]byte
	// Text is at most TextBytesMax bytes. It may come from a program: any
	// bytes can stand in it, and whoever shows it quotes it.
	Text string
}

// FormatVersion is the version of the format that this package writes, and
// the only one that it reads.
const FormatVersion = 1

// magic is the first word of a header: "phi jrnl" in the order of the bytes.
const magic = 'p' | 'h'<<8 | 'i'<<16 | ' '<<24 | 'j'<<32 | 'r'<<40 | 'n'<<48 | 'l'<<56

// Header is what a record of KindHeader says.
type Header struct {
	// Version is that of the format of the records up to the next header.
	Version uint64
	// Seed is what the run's random choices follow from.
	Seed uint64
	// Node is the number of the machine in its cluster.
	Node uint64
}

// Header returns what a header record says, and false for other records.
func (r *Record) Header() (Header, bool) {
	if r.Kind != KindHeader || r.Words[0] != magic {
		return Header{}, false
	}
	return Header{Version: r.Words[1], Seed: r.Words[2], Node: r.Words[3]}, true
}

func (h Header) record() Record {
	return Record{Kind: KindHeader, Words: [WordsMax]uint64{magic, h.Version, h.Seed, h.Node}}
}
