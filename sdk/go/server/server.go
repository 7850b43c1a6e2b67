// Package server lets a program answer messages. It is apart from package phi
// because whoever imports it exports a handler, which a command must not have.
//
// Such a program is built with -buildmode=c-shared, has an empty main, and
// says in an init function who answers:
//
//	func init() { server.Handle(greet) }
//
//	func main() {}
package server

import (
	"errors"

	phi "phios/sdk/go"
)

// program is who answers. It is set once, while the program starts.
var program struct { //nolint:gochecknoglobals // the node calls functions, not values
	handle func(*phi.Message) error
	start  func(argument uint64) error
}

// Handle names who answers messages, one at a time. The handler finds the
// request in m and leaves the answer there; it clears m first unless it sends
// parts of it back. An error fails the call: with the status that it is or
// wraps, or else with StatusBadArgument.
func Handle(handle func(m *phi.Message) error) { program.handle = handle }

// Start names what is called once before the first message, with the argument
// that the program was started with. An error ends the program.
func Start(start func(argument uint64) error) { program.start = start }

// answer lets the program answer m. What an error leaves in it, the node does
// not pass on.
func answer(m *phi.Message) phi.Status {
	if program.handle == nil {
		return phi.StatusUnsupported
	}
	return statusOf(program.handle(m))
}

// begin starts the program.
func begin(argument uint64) phi.Status {
	if program.start == nil {
		return phi.StatusOK
	}
	return statusOf(program.start(argument))
}

// statusOf turns an error into what the node understands.
func statusOf(err error) phi.Status {
	var status phi.Status
	switch {
	case err == nil:
		return phi.StatusOK
	case errors.As(err, &status):
		return status
	default:
		return phi.StatusBadArgument
	}
}
