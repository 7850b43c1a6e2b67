package hostile

import (
	"slices"
	"testing"
	"time"

	"phios/abi"
	"phios/api/control"
)

// The grants with which harm is tried.
var (
	peer     = control.Grant{Name: "peer", Spec: "endpoint:witness"}
	readOnly = control.Grant{Name: "region", Spec: "region:page:4096", Rights: control.Rights{"INVOKE", "MAP", "READ"}}
	readable = control.Grant{Name: "region", Spec: "region:page:4096", Rights: control.Rights{"INVOKE", "MAP", "READ", "WRITE"}}
)

// tiers are those of WebAssembly.
var tiers = []string{"inline", "worker"}

// TestFlood fills a mailbox as fast as it can. Its owner goes on answering.
func TestFlood(t *testing.T) {
	module := compile(t, harmSource(t))
	for _, tier := range tiers {
		t.Run(tier, func(t *testing.T) {
			w := newWorld(t)
			before := w.available()
			w.run("attacker", tier, module, peer)
			stop := make(chan struct{})
			others := w.others(stop)
			answer, code := w.ask("attacker", "f", 20*time.Second)
			close(stop)
			if err := <-others; err != nil {
				t.Error(err)
			}
			if code == "" {
				n := w.numbers(answer)
				t.Logf("it sent %d messages, then was told %v", n[0], abi.Status(n[1]))
				if n[0] == 0 {
					t.Error("nothing was sent: this was no flood")
				}
			} else if !slices.Contains([]string{"peer-dead", "failed", "budget"}, code) {
				t.Errorf("refused: %s", code)
			}
			w.gone("attacker", before)
		})
	}
}

// TestWriteToReadOnly writes to a region that it may only read: it gets a copy
// of its own, and nobody else sees it.
func TestWriteToReadOnly(t *testing.T) {
	module := compile(t, harmSource(t))
	for _, tier := range tiers {
		t.Run(tier, func(t *testing.T) {
			w := newWorld(t)
			w.run("attacker", tier, module, readOnly)
			w.run("reader", tier, module, readOnly)
			for _, name := range []string{"attacker", "reader"} {
				answer, code := w.ask(name, "w", soon)
				if code != "" {
					t.Fatal(code)
				}
				n := w.numbers(answer)
				if abi.Status(n[0]) != abi.StatusRights || n[1] != 0 {
					t.Errorf("%s: mapping it for writing %v, for reading %v", name, abi.Status(n[0]), abi.Status(n[1]))
				}
				if n[2] != 0 || n[3] != 0x66 {
					t.Errorf("%s: found %#x and read back %#x of what it wrote", name, n[2], n[3])
				}
			}
		})
	}
}

// TestRaceValidation lets one capsule change the bytes of a message while
// another sends it: what is checked is what is used.
func TestRaceValidation(t *testing.T) {
	module := compile(t, harmSource(t))
	for _, tier := range tiers {
		t.Run(tier, func(t *testing.T) {
			w := newWorld(t)
			empty := w.available()
			w.run("sender", tier, module, peer, readable)
			w.run("changer", tier, module, readable)
			changed := make(chan string, 1)
			go func() { _, code := w.ask("changer", "c", 20*time.Second); changed <- code }()
			answer, code := w.ask("sender", "v", 20*time.Second)
			t.Logf("the changer: %q", <-changed)
			if code == "" {
				n := w.numbers(answer)
				t.Logf("%d were sent, %d refused", n[0], n[1])
				if n[2] != 0 || n[3] != 0 {
					t.Errorf("%d statuses that are none; mapping said %d", n[2], n[3])
				}
			} else if !slices.Contains([]string{"peer-dead", "failed", "budget"}, code) {
				t.Errorf("the sender: %s", code)
			}
			if _, code := w.ask("witness", "l", soon); code != "" {
				t.Errorf("the witness: %s", code)
			}
			if err := w.Kill(t.Context(), "changer"); err != nil {
				t.Error(err)
			}
			empty[abi.ResourceMemory] -= 4096 + 512 // the region outlives those who share it
			w.gone("sender", empty)
		})
	}
}
