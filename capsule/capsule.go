// Package capsule says what a capsule is, whatever it is written in and
// wherever it runs: a program that owns nothing but the capabilities of its
// task, behind walls that can be named.
//
// Three tiers run them with one ABI. Inline programs are WebAssembly in the
// node's own process (capsule/wasm). Worker programs are WebAssembly in a
// jailed process of their trust domain (capsule/worker), native programs any
// executable in such a jail (capsule/native). All of them see a [Door] and
// nothing else, and all of them look like a [Program] to whoever runs them.
package capsule

import (
	"io"

	"phios/abi"
)

// The tiers, by the names that manifests use.
const (
	TierInline = "inline"
	TierWorker = "worker"
	TierNative = "native"
)

// Door is how a program reaches the kernel. One goroutine at a time uses it.
type Door interface {
	// Invoke does one operation, as gate.Port.Invoke says.
	Invoke(h abi.Handle, c abi.Call, a *abi.Args) abi.Status
	// Named returns the capability that was granted under a name; see
	// abi.SessionNamed.
	Named(name string) (abi.Handle, abi.Status)
	// Charge takes what the program has used from its budget: StatusBudget
	// when that does not cover it.
	Charge(r abi.Resource, amount uint64) abi.Status
	// Alive reports whether the task lives; a program of a dead one is
	// stopped.
	Alive() bool
}

// Spec is what a tier needs to start a program.
type Spec struct {
	// Name is what people call the capsule.
	Name string
	// Image is the module or, for native, what the manifest's command needs.
	Image []byte
	// Command is the program and its arguments, for native.
	Command []string
	// Folder is shown read-only to a native program as its working folder.
	Folder string
	// Door is the program's way to the kernel.
	Door Door
	// Argument is what the starter passed along.
	Argument uint64
	// Args and Env are what a WASI or native program finds. No variable of the
	// node's own environment is in it.
	Args, Env []string
	// MemoryBytesMax bounds the program's memory.
	MemoryBytesMax uint64
	// Output takes what the program writes for people; stream is 1 or 2. The
	// bytes are the caller's again afterwards. It may be called from any
	// goroutine.
	Output func(stream int, text []byte)
	// Domain names the trust domain: programs of one share a worker.
	Domain string
	// Require are the walls without which the program does not start.
	Require Walls
	// Frozen is what Program.Freeze wrote, to go on from; nil starts anew.
	Frozen io.Reader
}

// Program is a capsule's program in some tier.
type Program interface { //nolint:interfacebloat // the life of a program, in order; whoever has one needs all of it
	// Run runs the program from its beginning, on the caller's goroutine, and
	// returns when main does. A program that serves has then only begun: it
	// lives until Stop. Run is called once, first.
	Run() Exit
	// Serves reports whether the program has a handler for messages. It is
	// called after Run.
	Serves() bool
	// Serve passes one message to the program's handler, on the caller's
	// goroutine, and leaves the answer in m. While it runs the program uses
	// door. One goroutine at a time calls it. StatusPeerDead when the program
	// trapped or has ended: Ended tells more.
	Serve(door Door, m *abi.Message) abi.Status
	// Stop ends the program at its next call or loop. It does not wait, and
	// may be called from any goroutine and more than once.
	Stop()
	// Close gives everything back that the program had. It comes last, when
	// nothing runs in it.
	Close()
	// Ended returns how the program ended, and whether it has.
	Ended() (Exit, bool)
	// Usage says what the program takes now.
	Usage() Usage
	// Freeze writes the program's state, from which another one goes on. It
	// must not run meanwhile. StatusUnsupported where the tier cannot.
	Freeze(w io.Writer) error
	// Walls returns those that stand around the program.
	Walls() Walls
}

// Cause says why a program ended.
type Cause uint8

// The causes.
const (
	CauseReturned Cause = iota // main returned or it exited by itself; Code says how
	CauseTrap                  // it did what WebAssembly forbids
	CauseBudget                // its processor time or memory ran out
	CauseStopped               // its task was killed, or Stop was called
	CauseLost                  // its process died
)

var causeNames = [...]string{"returned", "trap", "budget", "stopped", "lost"}

// String returns the cause in one word.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}

// Exit is how a program ended.
type Exit struct {
	Cause Cause
	// Code is the exit code of a program that returned.
	Code uint32
	// Detail is for people: which trap, which signal.
	Detail string
}

// OK reports whether the program returned, with code 0.
func (e Exit) OK() bool { return e.Cause == CauseReturned && e.Code == 0 }

// Usage is what a program has taken.
type Usage struct {
	// MemoryBytes is the size of its memory.
	MemoryBytes uint64
	// CPUNanoseconds is how long it ran.
	CPUNanoseconds uint64
	// Calls counts what it asked of the kernel.
	Calls uint64
}
