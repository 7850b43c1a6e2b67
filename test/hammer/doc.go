// Package hammer runs a kernel on the real machine, with real threads, which
// all at once call, send, mint, revoke, move, map and kill whatever they can
// reach. Its test is worth most under the race detector. Nothing is compared
// with a model here (test/simulate does that); what is checked is that nothing
// breaks, nobody hangs, and in the end everything is given back.
package hammer
