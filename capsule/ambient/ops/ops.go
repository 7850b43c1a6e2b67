// Package ops is the contract between programs and the three services that
// stand for a machine's surroundings: a clock, chance, and folders. Both sides
// import it, and docs cite it.
//
// A request is the message of an EndpointCall, and its answer comes back in
// the same message:
//
//	           request              answer
//	word 0     A                    A
//	word 1     B                    B
//	word 2     the operation        the problem, zero for none
//	word 3     C                    zero
//	data       a path, bytes        bytes
//	handles    none                 what was opened
//
// What a capability does not allow is refused by the call's status:
// StatusRights when it lacks READ or WRITE, StatusDenied for a path that leads
// out of the folder, StatusState for a file that the server has closed. What
// the disk has to say is a [Problem] in an answer that did arrive, because a
// file that is not there is no matter of authority.
//
// The operation stands in word 2, where the host functions of phi:ai put
// theirs, so that one rule holds for all services.
package ops

import (
	"bytes"

	"phios/abi"
)

// The words of a request and of an answer.
const (
	WordA         = 0
	WordB         = 1
	WordOperation = 2
	WordProblem   = 2
	WordC         = 3
)

// Operation is what a request asks for.
type Operation uint64

// The operations.
const (
	// ClockNow: answer A monotonic nanoseconds, on the scale of all deadlines,
	// B nanoseconds since 1970.
	ClockNow Operation = iota + 1
	// ClockResolution: answer A that of the monotonic clock, B of the other,
	// both in nanoseconds.
	ClockResolution
	// ClockSleep: A deadline, monotonic. It returns then or after SleepNSMax,
	// so that a program which is stopped leaves soon; answer A the time now.
	ClockSleep

	// RandomBytes: A how many, at most abi.MessageBytesMax; answer data.
	RandomBytes

	// Open: A a set of OpenFlags, data a path. Answer: one handle, A the kind,
	// B the size. A folder that is opened is a folder like the one granted,
	// and nothing above it is reached through it.
	Open
	// Close: of what was opened; its capability is void afterwards.
	Close
	// Read: A offset, B how many bytes; answer data, none at the end.
	Read
	// Write: A offset, data; answer A how many were written, B the offset
	// after them. A file opened with OpenAppend writes at its end.
	Write
	// Stat: data a path, or none for what the capability is to; A 1 follows a
	// link at the end. Answer data: StatBytes.
	Stat
	// Resize: A the size that the file is to have.
	Resize
	// SetTimes: data a path; A and B nanoseconds since 1970 of the last access
	// and change, TimeKeep to leave one.
	SetTimes
	// Sync: all that was written is on the disk when it returns.
	Sync
	// List: of a folder; A the place to go on from, zero at first. Answer
	// data: entries; A the place after them; none at the end.
	List
	// MakeFolder, RemoveFolder, RemoveFile: data a path.
	MakeFolder
	RemoveFolder
	RemoveFile
	// Rename: A the length of the first path in data, the rest is the second.
	Rename
	// ReadLink: data a path; answer data.
	ReadLink

	operationEnd
)

var operationNames = [...]string{
	"none", "now", "resolution", "sleep", "bytes", "open", "close", "read", "write", "stat", "resize",
	"set times", "sync", "list", "make folder", "remove folder", "remove file", "rename", "read link",
}

const (
	_ = uint(len(operationNames) - int(operationEnd))
	_ = uint(int(operationEnd) - len(operationNames))
)

// String returns the operation's name, as denials show it.
func (o Operation) String() string {
	if o < operationEnd {
		return operationNames[o]
	}
	return "unknown"
}

// OpenFlags say how to open.
type OpenFlags uint64

// The flags.
const (
	OpenRead      OpenFlags = 1 << iota
	OpenWrite               // needs WRITE, as the four below do
	OpenCreate              // make it when it is not there
	OpenExclusive           // with OpenCreate: it must not be there
	OpenTruncate            // empty it
	OpenAppend              // write at the end
	OpenFolder              // it must be a folder
	OpenNoFollow            // it must not be a link
	openFlagsEnd
)

// Changes are the flags that need WRITE.
const Changes = OpenWrite | OpenCreate | OpenTruncate | OpenAppend

// The limits.
const (
	SleepNSMax    = 20_000_000 // nanoseconds of one ClockSleep
	PathBytesMax  = abi.MessageBytesMax
	FileBytesMax  = 1 << 40 // bytes of a file
	EntriesMax    = 1 << 14 // entries of a folder that can be listed
	TimeKeep      = 1 << 63 // SetTimes: leave this one
	NameBytesMax  = 255     // of an entry
	entryHead     = 3       // kind, length of the name
	EntryBytesMax = entryHead + NameBytesMax
)

// Request is a request, decoded.
type Request struct {
	Operation Operation
	A, B, C   uint64
	// Data are the bytes or the path. After Parse they alias the message.
	Data []byte
}

// takesPath are the operations whose data is one path.
func (o Operation) takesPath() bool {
	// The others take bytes or nothing.
	//exhaustive:ignore
	switch o {
	case Open, SetTimes, MakeFolder, RemoveFolder, RemoveFile, ReadLink:
		return true
	default:
		return false
	}
}

// Put writes the request into a message and leaves nothing else in it.
// StatusRange when there is more data than a message holds.
func (r *Request) Put(m *abi.Message) abi.Status {
	*m = abi.Message{Words: [abi.MessageWords]uint64{r.A, r.B, uint64(r.Operation), r.C}}
	if !m.SetPayload(r.Data) {
		return abi.StatusRange
	}
	return abi.StatusOK
}

// Parse reads a request out of a message, which the caller owns: a program
// cannot change it meanwhile.
//
// StatusBadCall when there is no such operation, StatusRange when a number or
// a length is over its limit, StatusBadArgument when anything else means
// nothing: unknown flags, an empty path or one with a zero byte, handles.
func Parse(m *abi.Message, r *Request) abi.Status {
	if status := m.Check(); !status.OK() {
		return status
	}
	*r = Request{Operation: Operation(m.Words[WordOperation]), A: m.Words[WordA], B: m.Words[WordB], C: m.Words[WordC], Data: m.Payload()}
	switch {
	case r.Operation == 0 || r.Operation >= operationEnd:
		return abi.StatusBadCall
	case m.HandleCount != 0:
		return abi.StatusBadArgument
	case r.Operation.takesPath() || r.Operation == Stat && len(r.Data) > 0:
		if !validPath(r.Data) {
			return abi.StatusBadArgument
		}
	}
	return r.checkNumbers()
}

// checkNumbers checks what A and B say.
func (r *Request) checkNumbers() abi.Status { //nolint:revive // cyclomatic: one case an operation
	const timeMax = 1<<63 - 1
	// The others take no numbers.
	//exhaustive:ignore
	switch r.Operation {
	case ClockSleep:
		return within(r.A, timeMax)
	case RandomBytes:
		return within(r.A, abi.MessageBytesMax)
	case Open:
		f := OpenFlags(r.A)
		if f >= openFlagsEnd || f&OpenExclusive != 0 && f&OpenCreate == 0 || f&OpenFolder != 0 && f&Changes != 0 {
			return abi.StatusBadArgument
		}
	case Read:
		if r.B > abi.MessageBytesMax {
			return abi.StatusRange
		}
		return within(r.A, FileBytesMax)
	case Write:
		return within(r.A, FileBytesMax-uint64(len(r.Data)))
	case Resize:
		return within(r.A, FileBytesMax)
	case SetTimes:
		if r.A != TimeKeep && r.A > timeMax || r.B != TimeKeep && r.B > timeMax {
			return abi.StatusRange
		}
	case List:
		return within(r.A, EntriesMax)
	case Rename:
		if r.A > uint64(len(r.Data)) || !validPath(r.Data[:r.A]) || !validPath(r.Data[r.A:]) {
			return abi.StatusBadArgument
		}
	}
	return abi.StatusOK
}

func within(n, limit uint64) abi.Status {
	if n > limit {
		return abi.StatusRange
	}
	return abi.StatusOK
}

func validPath(p []byte) bool { return len(p) > 0 && bytes.IndexByte(p, 0) < 0 }

// Succeed makes a message the answer of a request that was done. Data is
// copied, and cut at the limit of a message.
func Succeed(m *abi.Message, a, b uint64, data []byte) {
	m.Words = [abi.MessageWords]uint64{a, b}
	m.HandleCount, m.Moves = 0, 0
	_ = m.SetPayload(data) // servers answer with what fits
}

// Fail makes a message the answer of a request that could not be done.
func Fail(m *abi.Message, p Problem) {
	Succeed(m, 0, 0, nil)
	m.Words[WordProblem] = uint64(p)
}
