// Package simulate runs random programs of several tasks on the simulated
// machine, with faults, and compares each call with a naive model of what a
// capability system has to do. One seed replays a run to the byte:
//
//	go test ./test/simulate -seed 42
//
// A run that fails is made shorter, operation by operation, until nothing can
// be left out, and printed with its seed.
//
// The model is in model.go. It knows nothing of slots, epochs, slices or
// wake-ups: a capability is live when nothing above it was revoked, a queue is
// a list, a budget is a number.
package simulate
