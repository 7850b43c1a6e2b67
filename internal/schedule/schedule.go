// Package schedule marks the places where lock-free code could be overtaken
// by another thread, so that tests can drive two threads through every
// interleaving of them.
//
// In ordinary builds [Point] is empty and costs nothing. With the tag
// "invariants" or "mutants" it calls what [Install] was given.
package schedule
