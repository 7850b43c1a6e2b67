// Package remote carries the kernel's door into another process: the node's
// side, a [Session], answers what the program's side, a [Door], asks.
//
// Both speak abi.Frame, in lockstep, over a [Link]: [Rings] in shared memory
// for workers, [Stream] for everything else. One of the two may speak at a
// time:
//
//   - A program that runs asks, with a kernel's or a session's call, and waits
//     for the frame with the same call, which is the answer.
//   - SessionReady and SessionExit are not answered. After SessionReady the
//     program is idle and waits for SessionServe, which carries a message.
//   - While it handles the message the program asks as before. Its answer is
//     the frame SessionServe with a status and, when that is OK, the message.
//
// A session's call has its arguments where a kernel's has them: SessionNamed
// the name in Bytes and the handle in the first word of the answer,
// SessionArgument the answer in its first word, SessionOutput the stream in
// the first word and the text in Bytes, SessionExit the code in the first
// word, the cause in the second and words for people in Bytes. sessionCharge
// takes a resource and an amount, for programs that meter themselves.
//
// The program is hostile. A frame is copied out of what it can reach before
// it is looked at; a call that does not exist is answered, and a frame that
// means nothing ends the program, because what comes after it has no known
// beginning. A program that never answers costs the goroutine that waits for
// it, until [Session.End].
//
// Rejected: several frames on their way at once. The tasks behind the door are
// one thread each, and the lockstep is what makes every queue here one long.
//
// Lock order: Door.mu, then Rings.mu. The rest is the caller's: one goroutine
// at a time uses a link's Send and Receive.
//
// Ledger: S22-ABI, S44.
package remote

import "phios/abi"

// sessionCharge asks the node to take what the program has used from its
// budget: a resource and an amount. It is the worker's own, so it is not in
// abi; it lies behind the session's calls.
const sessionCharge abi.Call = 0x4080

// Limits of what a program says about itself.
const (
	// NameBytesMax is the length of the longest name that is looked up.
	NameBytesMax = 256
	// DetailBytesMax is how much of the words for people is kept.
	DetailBytesMax = 1024
)

// Link carries whole frames, one at a time each way. One goroutine at a time
// uses Send and Receive.
type Link interface {
	// Send passes f on and waits while there is no room. StatusBadArgument is
	// a frame that has no encoding, StatusPeerDead that the other side is gone.
	Send(f *abi.Frame) abi.Status
	// Receive waits for a frame and copies it into f. Bytes lie in a buffer
	// that f had or that is made, and are f's. StatusPeerDead says that the
	// other side is gone; any other failure that it sent what is no frame, and
	// then nothing more can be received.
	Receive(f *abi.Frame) abi.Status
	// Sever lets both sides find the other one gone, now and always. It may be
	// called from any goroutine, and more than once.
	Sever()
}

// room returns a slice of n bytes, over buffer when that has the capacity.
func room(buffer []byte, n int) []byte {
	if cap(buffer) < n {
		return make([]byte, n)
	}
	return buffer[:n]
}
