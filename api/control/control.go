// Package control is the contract of a node's control socket: what the person
// at the command line asks of the node, and what it answers.
//
// It is HTTP/1.1 over a Unix socket, one POST a request under [Prefix], with
// JSON both ways. Answers that go on, such as logs, are one JSON value a line;
// an image and a frozen capsule travel as raw bytes, see [InstallRequest] and
// [Client.Freeze]. A request with a field that is not in its type is refused,
// so that a misspelt limit is never a missing one.
//
// The socket itself stands for a capability to the node's control endpoint:
// what can be asked through it is what that capability allows, and revoking it
// closes the door. Reading needs INSPECT, everything else MANAGE.
package control

import (
	"strings"
	"time"

	"phios/abi"
)

// Where a node listens.
const (
	// SocketName is the socket's file in the data folder of a node. The socket
	// is its owner's alone, and so is the folder.
	SocketName = "control.sock"
	// Prefix comes before each operation in a request's path.
	Prefix = "/v1/"
)

// The operations: what comes behind [Prefix].
const (
	OpInfo    = "info"
	OpInstall = "install"
	OpImages  = "images"
	OpRun     = "run"
	OpList    = "list"
	OpInspect = "inspect"
	OpCaps    = "caps"
	OpGrant   = "grant"
	OpRevoke  = "revoke"
	OpKill    = "kill"
	OpLogs    = "logs"
	OpReload  = "reload"
	OpFreeze  = "freeze"
	OpThaw    = "thaw"
	OpDenials = "denials"
	OpPropose = "propose"
	OpCall    = "call"
	OpTop     = "top"
	OpDoor    = "door"
	OpStop    = "stop"
)

// The limits of what goes through the socket.
const (
	RequestBytesMax  = 1 << 20   // the JSON of one request
	ManifestBytesMax = 256 << 10 // one manifest
	FilesMax         = 256       // files of one capsule
	FilesBytesMax    = 256 << 20 // all files of one capsule
	FrozenBytesMax   = 8 << 30   // one frozen capsule
	LineBytesMax     = 64 << 10  // one line of a program's output
	GrantsMax        = 64        // grants of one request
	CallBytesMax     = abi.MessageBytesMax
)

// Error is a request that was refused, or failed.
type Error struct {
	// Code is the name of an [abi.Status], such as "rights" or "budget", or one
	// of the codes below.
	Code string `json:"code"`
	// Message says what was not done, and why.
	Message string `json:"message"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// The codes that are no status.
const (
	CodeRequest   = "request"   // the request itself is not in order
	CodeUnknown   = "unknown"   // no such capsule, image or operation
	CodeExists    = "exists"    // there is one of that name already
	CodeManifest  = "manifest"  // the manifest is not in order
	CodeImage     = "image"     // the image is not one that can run
	CodeFailed    = "failed"    // the program failed, or its probe did
	CodeNoNode    = "no-node"   // nobody listens at the socket
	CodeMachine   = "machine"   // a file, the disk or a process of the machine failed
	CodeCancelled = "cancelled" // the asker went away
)

// Error returns the message, and behind it the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + ": " + e.Remedy
}

// Status returns the status that the code names, and whether it names one.
func (e *Error) Status() (abi.Status, bool) {
	for s := abi.StatusOK + 1; int(s) < abi.StatusCount; s++ {
		if s.Name() == e.Code {
			return s, true
		}
	}
	return abi.StatusOK, false
}

// Unwrap returns the status that the code names, so that errors.Is finds it;
// nil when it names none.
func (e *Error) Unwrap() error {
	if s, ok := e.Status(); ok {
		return s
	}
	return nil
}

// Named is a request about one capsule.
type Named struct {
	Capsule string `json:"capsule"`
}

// Empty is a request or an answer without contents.
type Empty struct{}

// Info says which node this is.
type Info struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	// Started is when the node came up.
	Started time.Time `json:"started"`
	DataDir string    `json:"dataDir"`
	// Tiers are those that this node can run.
	Tiers    []string `json:"tiers"`
	Capsules int      `json:"capsules"`
	// Rights are what the asker may do through this socket.
	Rights Rights `json:"rights"`
	// Budget is what the supervisor has not given to any capsule.
	Budget abi.Amounts `json:"budget"`
	// Resumed lists the capsules that run again after a restart of the node,
	// and Recovery says what was found wrong then; usually nothing.
	Resumed  []string `json:"resumed,omitempty"`
	Recovery string   `json:"recovery,omitempty"`
}

// Rights are rights by their names, in capitals.
type Rights []string

// RightsOf returns the names of r.
func RightsOf(r abi.Rights) Rights {
	if r == 0 {
		return Rights{}
	}
	return strings.Split(r.String(), "|")
}

// Set returns the rights that are named. Its error names the first that there
// is not.
func (r Rights) Set() (abi.Rights, error) {
	var all abi.Rights
	for _, name := range r {
		right, ok := abi.ParseRight(strings.ToUpper(name))
		if !ok {
			return 0, &Error{Code: CodeRequest, Message: "there is no right " + name, Remedy: "name rights such as INVOKE, SEND, READ"}
		}
		all |= right
	}
	return all, nil
}

// String returns the names joined by bars, "-" for none.
func (r Rights) String() string {
	if len(r) == 0 {
		return "-"
	}
	return strings.Join(r, "|")
}

// File is one file of a capsule: its image, or what lies beside it.
type File struct {
	// Name is the path relative to the manifest, with slashes.
	Name string `json:"name"`
	Size int64  `json:"size"`
	// Executable is kept; nothing else of the mode is.
	Executable bool `json:"executable,omitempty"`
}

// InstallRequest installs a capsule. In the request's body it is the first
// line; the bytes of the Files follow one behind the other, without gaps.
type InstallRequest struct {
	// Manifest is the manifest's text, and ManifestName what errors call it.
	Manifest     string `json:"manifest"`
	ManifestName string `json:"manifestName"`
	// Files are what the manifest's image or command needs. The image of a
	// wasm capsule is the file that the manifest names.
	Files []File `json:"files,omitempty"`
}

// InstallProgress is one line of the answer to an InstallRequest. The last one
// has Image or Error.
type InstallProgress struct {
	// Stage is what is being done: receive, check, compile, keep.
	Stage string `json:"stage"`
	// Done of Total bytes; Total is zero when nobody knows.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Image *Image `json:"image,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Image is a capsule that is installed.
type Image struct {
	Name    string `json:"name"`
	Purpose string `json:"purpose,omitempty"`
	Tier    string `json:"tier"`
	// Hash is the SHA-256 of the manifest and files, in hexadecimal.
	Hash string `json:"hash"`
	// Size is that of the files in bytes.
	Size      int64     `json:"size"`
	Signer    string    `json:"signer,omitempty"`
	Installed time.Time `json:"installed"`
	// Requests are what it asks for. Nothing of it is granted by that.
	Requests []Request `json:"requests,omitempty"`
}

// Request is a capability that a manifest asks for.
type Request struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Of     string `json:"of,omitempty"`
	Rights Rights `json:"rights,omitempty"`
	Reason string `json:"reason"`
}

// How long a grant lasts.
const (
	DurationOnce    = "once"    // until the capsule's next run ends
	DurationHour    = "hour"    // for an hour from now
	DurationForever = "forever" // until it is revoked, over restarts too
)

// Grant gives a capsule a capability.
type Grant struct {
	Capsule string `json:"capsule"`
	// Name is what the program calls it: that of the manifest's request.
	Name string `json:"name"`
	// Spec says what is granted: "clock", "random", "folder:PATH",
	// "endpoint:CAPSULE", "region:NAME", "region:NAME:BYTES". Empty is what the
	// manifest asks for under that name, but a folder's path is always the
	// granter's choice.
	Spec string `json:"spec,omitempty"`
	// Rights are those granted; empty grants those that the manifest asks for,
	// or else the kind's usual ones.
	Rights Rights `json:"rights,omitempty"`
	// Duration is one of the durations; empty is DurationForever.
	Duration string `json:"duration,omitempty"`
}

// RunRequest starts a capsule that is installed.
type RunRequest struct {
	// Capsule is the name of an installed image.
	Capsule string `json:"capsule"`
	// As is what to call the instance; empty is the image's own name.
	As string `json:"as,omitempty"`
	// Grants are what it is given; their Capsule is left empty. Requests that
	// are not in here are not granted.
	Grants []Grant `json:"grants,omitempty"`
	// Argument is passed to the program.
	Argument uint64 `json:"argument,omitempty"`
	// Arguments take the place of the manifest's.
	Arguments []string `json:"arguments,omitempty"`
	// Wait lets the answer wait until the program has ended and is not
	// restarted, or serves.
	Wait bool `json:"wait,omitempty"`
}

// The states of a capsule.
const (
	StateStarting = "starting" // its program has not come to its end or to serving
	StateServing  = "serving"  // it answers messages
	StateWaiting  = "waiting"  // it ended, and is restarted after its delay
	StateDone     = "done"     // it ended by itself and is not restarted
	StateFailed   = "failed"   // it ended too often, or may not be restarted
	StateKilled   = "killed"   // somebody killed it
	StateFrozen   = "frozen"   // its state was written, and it waits to be thawed
)

// Capsule is a capsule in a list.
type Capsule struct {
	Name   string `json:"name"`
	Colour string `json:"colour,omitempty"`
	Image  string `json:"image"`
	Tier   string `json:"tier"`
	State  string `json:"state"`
	// Task is the kernel's number of its task, PID that of its process where it
	// has one of its own.
	Task     uint64 `json:"task"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts"`
	// Since is when the instance that runs now was started.
	Since time.Time `json:"since"`
	// Exit says how its last instance ended; nil when none has.
	Exit  *Exit `json:"exit,omitempty"`
	Usage Usage `json:"usage"`
	// Denials is how many refusals are on record.
	Denials int `json:"denials"`
}

// Exit is how a program ended.
type Exit struct {
	// Cause is one word: returned, trap, budget, stopped, lost.
	Cause  string `json:"cause"`
	Code   uint32 `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Usage is what a capsule takes now.
type Usage struct {
	MemoryBytes    uint64 `json:"memoryBytes"`
	CPUNanoseconds uint64 `json:"cpuNanoseconds"`
	Calls          uint64 `json:"calls"`
	// Served is how many messages it has answered.
	Served uint64 `json:"served"`
}

// Inspection is everything about one capsule.
type Inspection struct {
	Capsule

	Purpose string `json:"purpose,omitempty"`
	Hash    string `json:"hash"`
	Signer  string `json:"signer,omitempty"`
	// Walls stand around it; Missing are those that the machine does not have.
	Walls   []string `json:"walls"`
	Missing []string `json:"missing,omitempty"`
	Handles []Handle `json:"handles"`
	Grants  []Grant  `json:"grants"`
	// Available, Held and Spent are its budget's, by abi.Resource.
	Available abi.Amounts `json:"available"`
	Held      abi.Amounts `json:"held"`
	Spent     abi.Amounts `json:"spent"`
	// Slots are those of its capability table.
	SlotsUsed uint64    `json:"slotsUsed"`
	Slots     uint64    `json:"slots"`
	Label     abi.Label `json:"label"`
	// Requests are what its manifest asks for.
	Requests []Request `json:"requests,omitempty"`
}

// Handle is one capability in a capsule's table.
type Handle struct {
	Handle abi.Handle `json:"handle"`
	// Name is that under which it was granted, empty for what the capsule made
	// or was sent.
	Name   string    `json:"name,omitempty"`
	Type   string    `json:"type"`
	Object uint64    `json:"object"`
	Rights Rights    `json:"rights"`
	Pass   Rights    `json:"pass"`
	Badge  uint64    `json:"badge,omitempty"`
	Label  abi.Label `json:"label"`
}

// Held is one capability of the tree of all: who has what, from whom.
type Held struct {
	Task uint64 `json:"task"`
	// Owner is what the task is called.
	Owner  string     `json:"owner"`
	Handle abi.Handle `json:"handle"`
	Object uint64     `json:"object"`
	// Of is what the object is called, empty when nobody named it.
	Of     string `json:"of,omitempty"`
	Type   string `json:"type"`
	Rights Rights `json:"rights"`
	Pass   Rights `json:"pass"`
	Badge  uint64 `json:"badge,omitempty"`
	// From is what the task is called from whose capability this one was
	// derived, empty for an original one.
	From string `json:"from,omitempty"`
}

// RevokeRequest takes what was granted under a name back.
type RevokeRequest struct {
	Capsule string `json:"capsule"`
	Name    string `json:"name"`
}

// LogsRequest asks for what a capsule's program wrote.
type LogsRequest struct {
	Capsule string `json:"capsule"`
	// Tail is how many of the lines that are kept come first; zero is all.
	Tail int `json:"tail,omitempty"`
	// Follow goes on with new lines until the asker leaves.
	Follow bool `json:"follow,omitempty"`
}

// LogLine is one line that a program wrote, or that the manager wrote about
// it.
type LogLine struct {
	Time time.Time `json:"time"`
	// Stream is 1 for what programs call standard output, 2 for standard error,
	// 0 for the manager's own remarks.
	Stream int `json:"stream"`
	// Text is the line without its end. It is a program's: whoever shows it on
	// a terminal escapes what is not printable.
	Text string `json:"text"`
	// Lost is how many lines were dropped before this one, because the asker or
	// the ring was too slow.
	Lost uint64 `json:"lost,omitempty"`
}

// ReloadRequest puts the image that is installed now in the place of the one
// that runs.
type ReloadRequest struct {
	Capsule string `json:"capsule"`
	// Image names another installed image; empty is the capsule's own.
	Image string `json:"image,omitempty"`
}

// Reloaded says what a reload did.
type Reloaded struct {
	// From and To are hashes. To is From after a roll-back.
	From string `json:"from"`
	To   string `json:"to"`
	// Swapped is how long calls had no server, in nanoseconds.
	Swapped time.Duration `json:"swappedNanoseconds"`
	// RolledBack says why the old program serves again; empty when the new one
	// does.
	RolledBack string `json:"rolledBack,omitempty"`
}

// ThawRequest is the first line of the body of a thaw; the frozen bytes follow.
type ThawRequest struct {
	// As is what to call the capsule; empty is what it was called.
	As string `json:"as,omitempty"`
	// Grants gives it again what the file says that it held. A capsule that is
	// frozen on this node keeps its grants without. Anybody can write a file
	// that says anything.
	Grants bool `json:"grants,omitempty"`
}

// Denial is a call that was refused.
type Denial struct {
	Time time.Time `json:"time"`
	// Name is that of the capability, empty when the program used a handle that
	// nobody granted it under a name.
	Name string `json:"name,omitempty"`
	// Call is what it tried, "Named" for looking a capability up.
	Call string `json:"call"`
	// Status is the name of the status that it got.
	Status string `json:"status"`
	// Need are the rights that the call takes.
	Need Rights `json:"need,omitempty"`
	// Detail says more where there is more, such as a file's name.
	Detail string `json:"detail,omitempty"`
	// Count is how often the same was refused.
	Count uint64 `json:"count"`
}

// Proposal is the smallest set of grants that would have let through what was
// refused.
type Proposal struct {
	Grants []Grant `json:"grants"`
	// Unmet are refusals that no grant can help, and why.
	Unmet []string `json:"unmet,omitempty"`
}

// CallRequest sends a capsule a message and waits for the answer.
type CallRequest struct {
	Capsule string                   `json:"capsule"`
	Text    string                   `json:"text"`
	Words   [abi.MessageWords]uint64 `json:"words"`
	// Within is how long to wait; zero is ten seconds.
	Within time.Duration `json:"withinNanoseconds,omitempty"`
	// Send leaves the message in the mailbox and does not wait for an answer.
	Send bool `json:"send,omitempty"`
}

// Answer is a capsule's answer.
type Answer struct {
	Text  string                   `json:"text"`
	Words [abi.MessageWords]uint64 `json:"words"`
	// Label is that of the answer's bytes.
	Label abi.Label `json:"label"`
}

// TopRequest asks for the usage of all capsules, again and again.
type TopRequest struct {
	// Every is how often, at least a tenth of a second; zero answers once.
	Every time.Duration `json:"everyNanoseconds,omitempty"`
}

// Top is one look at all capsules.
type Top struct {
	Time     time.Time `json:"time"`
	Capsules []Capsule `json:"capsules"`
	// Free is what the supervisor has not given out.
	Free abi.Amounts `json:"free"`
}

// DoorRequest makes another socket, with lesser rights, or closes one.
type DoorRequest struct {
	// Name is the socket's file name in the data folder.
	Name string `json:"name"`
	// Rights are INSPECT, MANAGE or both.
	Rights Rights `json:"rights"`
	// Close revokes the door's capability and removes the socket.
	Close bool `json:"close,omitempty"`
}

// Door is a socket of the node.
type Door struct {
	Socket string `json:"socket"`
	Rights Rights `json:"rights"`
}
