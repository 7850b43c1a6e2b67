package hostile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"phios/abi"
)

// attack is one kind of harm, and what must come of it.
type attack struct {
	name, order string
	limit       time.Duration
	// code is what the caller is told; empty for an attacker that lives to
	// say how it went, which check looks at.
	code  []string
	check func(t *testing.T, n [4]uint64)
}

var attacks = []attack{
	{name: "spins", order: "s", limit: 5 * time.Second, code: []string{"peer-dead", "failed", "budget"}},
	{name: "recurses", order: "d", limit: 5 * time.Second, code: []string{"peer-dead", "failed", "budget"}},
	{name: "traps", order: "t", limit: soon, code: []string{"peer-dead", "failed"}},
	{name: "answers nonsense", order: "x", limit: soon, code: []string{"range", "bad-argument", "peer-dead", "failed"}},
	{name: "answers with capabilities that it has not", order: "g", limit: soon, code: []string{"bad-handle", "rights", "peer-dead", "failed", "copies"}},
	{name: "takes all memory", order: "e", limit: 5 * time.Second, check: func(t *testing.T, n [4]uint64) {
		t.Helper()
		if n[0] == 0 || n[0] > 8<<20>>16 {
			t.Errorf("it got %d pages of 64 KiB with a budget of 8 MiB", n[0])
		}
	}},
	{name: "takes all regions", order: "r", limit: 5 * time.Second, check: func(t *testing.T, n [4]uint64) {
		t.Helper()
		if n[0] > 8 || abi.Status(n[1]) != abi.StatusBudget && abi.Status(n[1]) != abi.StatusTableFull {
			t.Errorf("it made %d regions of 1 MiB with a budget of 8 MiB, then was told %v", n[0], abi.Status(n[1]))
		}
	}},
	{name: "poses as the node's own programs", order: "i", limit: soon, check: func(t *testing.T, n [4]uint64) {
		t.Helper()
		if n[0] == 0 {
			t.Error("it started nothing: this was no attempt")
		}
	}},
	{name: "forges handles", order: "h", limit: 5 * time.Second, check: func(t *testing.T, n [4]uint64) {
		t.Helper()
		// Its own budget, its endpoint, and what it was started with.
		if n[0] > 4 {
			t.Errorf("%d of the handles that it made up are its own", n[0])
		}
	}},
}

// TestAttacks lets a capsule attack, in both tiers of WebAssembly.
func TestAttacks(t *testing.T) {
	module := compile(t, harmSource(t))
	for _, tier := range []string{"inline", "worker"} {
		w := newWorld(t)
		for _, a := range attacks {
			t.Run(tier+" "+a.name, func(t *testing.T) {
				w.t = t
				before := w.available()
				w.run("attacker", tier, module)
				stop := make(chan struct{})
				others := w.others(stop)
				answer, code := w.ask("attacker", a.order, a.limit)
				close(stop)
				if err := <-others; err != nil {
					t.Error(err)
				}
				if a.check != nil {
					if code != "" {
						t.Fatalf("refused: %s", code)
					}
					a.check(t, w.numbers(answer))
				} else if !slices.Contains(a.code, code) {
					t.Errorf("answer %q, code %q, want one of %q", answer, code, a.code)
				}
				w.gone("attacker", before)
			})
		}
	}
}

// TestGarbage hands garbage to every function that a program can import.
func TestGarbage(t *testing.T) {
	module := compile(t, GarbageSource())
	for _, tier := range []string{"inline", "worker"} {
		t.Run(tier, func(t *testing.T) {
			w := newWorld(t)
			before := w.available()
			stop := make(chan struct{})
			others := w.others(stop)
			var refused, succeeded uint64
			for seed := range uint64(40) {
				if seed%8 == 0 {
					if seed > 0 {
						w.gone("garbage", before)
					}
					w.run("garbage", tier, module)
				}
				answer, code := w.ask("garbage", fmt.Sprintf("seed%04d", seed), 10*time.Second)
				var no, yes uint64
				if _, err := fmt.Sscanf(answer, "%x %x", &no, &yes); code != "" || err != nil {
					t.Logf("seed %d: %s %v", seed, code, err)
				}
				refused, succeeded = refused+no, succeeded+yes
			}
			close(stop)
			if err := <-others; err != nil {
				t.Error(err)
			}
			t.Logf("%d calls were refused, %d succeeded", refused, succeeded)
			if refused < 5000 {
				t.Errorf("only %d calls were refused: the garbage does not get through", refused)
			}
			w.gone("garbage", before)
		})
	}
}
