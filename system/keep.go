package system

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"phios/abi"
	"phios/kernel/journal"
	"phios/platform"
)

// How the node's own goroutines work.
const (
	tidySteps    = 128           // of reclamation in a slice
	timersAtOnce = 64            // fired before the clock is read again
	pollNS       = 1_000_000     // how late a timer that is armed for soon may be seen
	sweepNS      = 1_000_000_000 // how long what died without a record may lie
	stopNS       = 5_000_000_000 // how long Stop waits for programs
)

// Where a record says what it is about; see package journal.
const (
	recordAtKind = 2
	recordAtType = 3
)

// watch is how the keepers learn that there is work, from what the journal is
// told: the kernel calls nobody.
type watch struct {
	idle, time platform.Parker
	timers     atomic.Bool // a timer was made
}

func (w *watch) init(m platform.Machine) { w.idle, w.time = m.NewParker(), m.NewParker() }

// watchedLog is the journal's log, with an eye on what passes.
type watchedLog struct {
	platform.Log

	watch *watch
}

// Append keeps the record, and wakes who has to do with it.
func (l *watchedLog) Append(record []byte) abi.Status {
	status := l.Log.Append(record)
	if len(record) <= recordAtType {
		return status
	}
	switch journal.Kind(record[recordAtKind]) { //nolint:exhaustive // the others leave nothing behind
	case journal.KindRevoke, journal.KindDelete, journal.KindKill, journal.KindExit, journal.KindFault, journal.KindMove:
		l.watch.idle.Unpark()
	case journal.KindCreate:
		if abi.ObjectType(record[recordAtType]) == abi.ObjectTimer && !l.watch.timers.Swap(true) {
			l.watch.time.Unpark()
		}
	}
	return status
}

// keepTidy clears away behind revocations and deaths.
func (n *Node) keepTidy() {
	for !n.ending.Load() {
		for n.kernel.Tidy(tidySteps) { // the work is in the condition
		}
		n.watch.idle.Park(n.machine.Now() + sweepNS)
	}
}

// keepTime fires timers. Arming one tells nobody, so once there is a timer the
// keeper looks every millisecond; before that it sleeps.
func (n *Node) keepTime() {
	for !n.ending.Load() {
		if !n.watch.timers.Load() {
			n.watch.time.Park(0)
			continue
		}
		wake := n.machine.Now() + pollNS
		if next := n.kernel.Tick(timersAtOnce); next != 0 {
			wake = min(wake, next)
		}
		n.watch.time.Park(wake)
	}
}

// Stop ends the root tasks and with them all others, waits for their programs,
// writes the journal to its end and gives the machine back. It is called once.
//
// A program that neither calls the kernel nor asks whether it lives cannot be
// ended: after a while Stop returns an error that names it, and leaves the
// machine as it is.
func (n *Node) Stop() error {
	n.mu.Lock()
	n.stopping = true
	n.mu.Unlock()
	if n.Booted != nil {
		for _, t := range slices.Backward(n.tasks) {
			_ = t.Port.Invoke(0, abi.TaskExit, &abi.Args{}) // it may be dead already
		}
	}
	late := n.await(n.machine.Now() + stopNS)
	n.ending.Store(true)
	n.watch.idle.Unpark()
	n.watch.time.Unpark()
	n.keepers.Wait()
	for n.kernel.Tidy(tidySteps) { // the work is in the condition
	}
	_ = n.kernel.Journal().Append(journal.Record{Kind: journal.KindNote, Text: "the node stops"}) // a full disk stops too
	err := n.store.close()
	if len(late) > 0 {
		return errors.Join(fmt.Errorf("still running: %s: a program must call the kernel, or ask Alive", strings.Join(late, ", ")), err)
	}
	n.machine.Close()
	return err
}

// await waits until all programs have ended, and returns those that have not
// by the deadline.
func (n *Node) await(deadline int64) []string {
	parker := n.machine.NewParker()
	for {
		n.watch.idle.Unpark()
		n.mu.Lock()
		left := slices.Sorted(maps.Values(n.running))
		n.mu.Unlock()
		now := n.machine.Now()
		if len(left) == 0 || now >= deadline {
			return left
		}
		parker.Park(now + pollNS)
	}
}
