//go:build invariants || mutants

package ipc

import (
	"fmt"
	"testing"

	"phios/abi"
	"phios/platform"
	"phios/platform/platformtest"
)

// outcome is what the threads of a platformtest.Scenario left for the check.
type outcome struct {
	wait, first, second abi.Status
	seen                []uint64
}

func (o *outcome) wrong() error { return fmt.Errorf("outcome %+v", *o) }

// receive takes messages until the mailbox says no, or count are there.
func (o *outcome) receive(b *Mailbox, p *platform.Parker, count int, deadline int64) {
	for len(o.seen) < count {
		if o.wait = b.Wait(p, deadline); o.wait != abi.StatusOK {
			return
		}
		o.seen = append(o.seen, b.Head().Words[0])
		b.Drop()
	}
}

func TestSchedulesMailbox(t *testing.T) {
	for _, c := range []struct {
		name     string
		threads  int
		capacity int
		bodies   func(*Mailbox, *outcome, []*platform.Parker) []func()
		right    func(*Mailbox, *outcome) bool
	}{
		{
			name: "a receiver that waits gets both messages", threads: 2, capacity: 2,
			bodies: func(b *Mailbox, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.receive(b, p[0], 2, 0) },
					func() { o.first, o.second = b.Send(message(1, 1), Stamp{}), b.Send(message(2, 1), Stamp{}) },
				}
			},
			right: func(_ *Mailbox, o *outcome) bool {
				return o.first.OK() && o.second.OK() && len(o.seen) == 2 && o.seen[0] == 1 && o.seen[1] == 2
			},
		},
		{
			name: "two senders wake one receiver", threads: 3, capacity: 2,
			bodies: func(b *Mailbox, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.receive(b, p[0], 2, 0) },
					func() { o.first = b.Send(message(1, 1), Stamp{}) },
					func() { o.second = b.Send(message(2, 1), Stamp{}) },
				}
			},
			right: func(_ *Mailbox, o *outcome) bool {
				return o.first.OK() && o.second.OK() && len(o.seen) == 2 && o.seen[0]+o.seen[1] == 3
			},
		},
		{
			name: "a message that misses the deadline stays", threads: 2, capacity: 1,
			bodies: func(b *Mailbox, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.receive(b, p[0], 1, 1) },
					func() { o.first = b.Send(message(1, 1), Stamp{}) },
				}
			},
			right: func(b *Mailbox, o *outcome) bool {
				return o.first.OK() && b.sleeper.Load() == nil &&
					(len(o.seen) == 1 || o.wait == abi.StatusTimeout && b.Head() != nil)
			},
		},
		{
			name: "the last place has one winner", threads: 2, capacity: 1,
			bodies: func(b *Mailbox, o *outcome, _ []*platform.Parker) []func() {
				return []func(){
					func() { o.first = b.Send(message(1, 1), Stamp{}) },
					func() { o.second = b.Send(message(2, 1), Stamp{}) },
				}
			},
			right: func(b *Mailbox, o *outcome) bool {
				return o.first.OK() && o.second == abi.StatusMailboxFull && b.Head().Words[0] == 1 ||
					o.second.OK() && o.first == abi.StatusMailboxFull && b.Head().Words[0] == 2
			},
		},
		{
			// The first sender may hold a position of long ago when it looks
			// for a place.
			name: "who is overtaken is not told that the mailbox is full", threads: 2, capacity: 2,
			bodies: func(b *Mailbox, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.first = b.Send(message(9, 1), Stamp{}) },
					func() {
						for i := range 3 {
							o.second = max(o.second, b.Send(message(1, 1), Stamp{}))
							o.receive(b, p[1], i+1, 0)
						}
					},
				}
			},
			right: func(_ *Mailbox, o *outcome) bool { return o.first.OK() && o.second.OK() && len(o.seen) == 3 },
		},
		{
			name: "close wakes, and loses nothing accepted", threads: 3, capacity: 1,
			bodies: func(b *Mailbox, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.receive(b, p[0], 9, 0) },
					func() { o.first = b.Send(message(1, 1), Stamp{}) },
					func() { b.Close() },
				}
			},
			right: func(_ *Mailbox, o *outcome) bool {
				return o.wait == abi.StatusPeerDead &&
					(o.first.OK() && len(o.seen) == 1 || o.first == abi.StatusPeerDead && len(o.seen) == 0)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := platformtest.Explore(t, c.threads, func(p []*platform.Parker) ([]func(), func() error) {
				b, o := mustNew(t, c.capacity), &outcome{}
				consume(t, b)
				return c.bodies(b, o, p), func() error {
					if !c.right(b, o) {
						return o.wrong()
					}
					return nil
				}
			})
			t.Logf("%d schedules", runs)
		})
	}
}

func TestSchedulesCall(t *testing.T) {
	reply := func(c *Call, k Ticket) abi.Status { return c.Reply(k, message(7, 1), Stamp{}) }
	abandon := func(c *Call, k Ticket) {
		if c.Claim(k) {
			c.Abandon()
		}
	}
	for _, c := range []struct {
		name     string
		deadline int64
		rivals   []func(*Call, Ticket, *outcome)
		right    func(*Call, *outcome) bool
	}{
		{
			name:   "a caller that waits gets the reply",
			rivals: []func(*Call, Ticket, *outcome){func(c *Call, k Ticket, o *outcome) { o.first = reply(c, k) }},
			right:  func(c *Call, o *outcome) bool { return o.first.OK() && o.wait.OK() && c.answer.Words[0] == 7 },
		},
		{
			name: "reply or timeout", deadline: 1,
			rivals: []func(*Call, Ticket, *outcome){func(c *Call, k Ticket, o *outcome) { o.first = reply(c, k) }},
			right: func(_ *Call, o *outcome) bool {
				return o.first.OK() && o.wait.OK() || o.first == abi.StatusState && o.wait == abi.StatusTimeout
			},
		},
		{
			name: "reply or fence",
			rivals: []func(*Call, Ticket, *outcome){
				func(c *Call, k Ticket, o *outcome) { o.first = reply(c, k) },
				func(c *Call, k Ticket, o *outcome) { o.second = c.Fence(k) },
			},
			right: func(_ *Call, o *outcome) bool {
				return o.wait.OK() && o.first.OK() && !o.second.OK() ||
					o.wait == abi.StatusRevoked && o.first == abi.StatusState && o.second.OK()
			},
		},
		{
			name: "an abandoned claim leaves the deadline standing", deadline: 1,
			rivals: []func(*Call, Ticket, *outcome){func(c *Call, k Ticket, _ *outcome) { abandon(c, k) }},
			right:  func(_ *Call, o *outcome) bool { return o.wait == abi.StatusTimeout },
		},
		{
			name: "a fence outlives an abandoned claim",
			rivals: []func(*Call, Ticket, *outcome){
				func(c *Call, k Ticket, _ *outcome) { abandon(c, k) },
				func(c *Call, k Ticket, o *outcome) { o.second = c.Fence(k) },
			},
			right: func(_ *Call, o *outcome) bool {
				return o.wait == abi.StatusRevoked && (o.second.OK() || o.second == abi.StatusBusy)
			},
		},
		{
			name: "two that die with the call",
			rivals: []func(*Call, Ticket, *outcome){
				func(c *Call, k Ticket, o *outcome) { o.first = c.PeerDied(k) },
				func(c *Call, k Ticket, o *outcome) { o.second = c.Cancel(k) },
			},
			right: func(_ *Call, o *outcome) bool {
				return o.wait == abi.StatusPeerDead && o.first.OK() && o.second == abi.StatusState ||
					o.wait == abi.StatusKilled && o.second.OK() && o.first == abi.StatusState
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := platformtest.Explore(t, 1+len(c.rivals), func(p []*platform.Parker) ([]func(), func() error) {
				call, o := &Call{}, &outcome{}
				call.Init(*p[0])
				ticket := call.Begin()
				bodies := []func(){func() { o.wait = call.Wait(c.deadline) }}
				for _, rival := range c.rivals {
					bodies = append(bodies, func() { rival(call, ticket, o) })
				}
				return bodies, func() error {
					if !c.right(call, o) {
						return o.wrong()
					}
					return nil
				}
			})
			t.Logf("%d schedules", runs)
		})
	}
}

// TestSchedulesTickets has an answer to an earlier call come at any moment of
// a later one.
func TestSchedulesTickets(t *testing.T) {
	runs := platformtest.Explore(t, 2, func(p []*platform.Parker) ([]func(), func() error) {
		call, o := &Call{}, &outcome{}
		call.Init(*p[0])
		ticket := call.Begin()
		bodies := []func(){
			func() {
				o.wait = call.Wait(1)
				call.Begin()
				o.second = call.Wait(1)
			},
			func() { o.first = call.Reply(ticket, message(7, 1), Stamp{}) },
		}
		return bodies, func() error {
			if o.second != abi.StatusTimeout || o.first.OK() != o.wait.OK() {
				return o.wrong()
			}
			return nil
		}
	})
	t.Logf("%d schedules", runs)
}
