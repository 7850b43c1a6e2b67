//go:build invariants || mutants

package notify

import (
	"fmt"
	"testing"

	"phios/abi"
	"phios/platform"
	"phios/platform/platformtest"
)

// outcome is what the threads of a platformtest.Scenario left for the check.
type outcome struct {
	bits, more     uint64
	status, second abi.Status
}

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		name    string
		threads int
		bodies  func(*Notification, *outcome, []*platform.Parker) []func()
		right   func(*Notification, *outcome) bool
	}{
		{
			name: "a waiter gets the signal", threads: 2,
			bodies: func(n *Notification, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.bits, o.status = n.Wait(p[0], 1, 0) },
					func() { n.Signal(1) },
				}
			},
			right: func(n *Notification, o *outcome) bool {
				return o.status.OK() && o.bits == 1 && n.Pending() == 0
			},
		},
		{
			name: "a signal under another mask wakes nobody and stays", threads: 2,
			bodies: func(n *Notification, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.bits, o.status = n.Wait(p[0], 1, 1) },
					func() { n.Signal(2) },
				}
			},
			right: func(n *Notification, o *outcome) bool {
				return o.status == abi.StatusTimeout && n.Pending() == 2
			},
		},
		{
			name: "two signals, two waits of the same thread, two masks", threads: 3,
			bodies: func(n *Notification, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() {
						o.bits, o.status = n.Wait(p[0], 1, 0)
						o.more, o.second = n.Wait(p[0], 2, 0)
					},
					func() { n.Signal(2) },
					func() { n.Signal(1) },
				}
			},
			right: func(_ *Notification, o *outcome) bool {
				return o.status.OK() && o.second.OK() && o.bits == 1 && o.more == 2
			},
		},
		{
			name: "waiters one after the other, the first with a deadline", threads: 3,
			bodies: func(n *Notification, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() { o.bits, o.status = n.Wait(p[0], 1, 1) },
					func() { o.more, o.second = n.Wait(p[1], 2, 1) },
					func() { n.Signal(3) },
				}
			},
			right: func(n *Notification, o *outcome) bool {
				return o.bits|o.more|n.Pending() == 3 && o.bits&o.more == 0 && n.waiting.Load() == 0 &&
					n.sleeper.Load() == nil
			},
		},
		{
			name: "a signal is seen before the close that follows it", threads: 2,
			bodies: func(n *Notification, o *outcome, p []*platform.Parker) []func() {
				return []func(){
					func() {
						o.bits, o.status = n.Wait(p[0], 1, 0)
						o.more, o.second = n.Wait(p[0], 1, 0)
					},
					func() {
						n.Signal(1)
						n.Close()
					},
				}
			},
			right: func(_ *Notification, o *outcome) bool {
				return o.status.OK() && o.bits == 1 && o.second == abi.StatusPeerDead && o.more == 0
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := platformtest.Explore(t, c.threads, func(p []*platform.Parker) ([]func(), func() error) {
				n, o := &Notification{}, &outcome{}
				return c.bodies(n, o, p), func() error {
					if !c.right(n, o) {
						return fmt.Errorf("outcome %+v, pending %d", *o, n.Pending())
					}
					return nil
				}
			})
			t.Logf("%d schedules", runs)
		})
	}
}
