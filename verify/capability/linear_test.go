package capability_test

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"phios/abi"
	"phios/internal/prng"
	"phios/internal/schedule"
	kernel "phios/kernel/capability"
)

// relaxer lets other threads run.
type relaxer struct{}

func (relaxer) Relax() { runtime.Gosched() }

// The operations of a history. Each handle has a name, its place in a table.
type act struct {
	kind byte // 'd'erive, 'r'evoke, 'x' for delete, 'l'ookup
	on   int
	as   int // the name of what is derived
}

// forest is the model's state: for each name, its parent's plus two, one for
// the original, zero for what is not there or dead.
type forest [namesMax]uint8

const (
	namesMax    = 80
	threads     = 3
	actsAThread = 30
)

// below clears what comes from n.
func (f *forest) below(n int) {
	for again := true; again; {
		again = false
		for i, up := range f {
			if up >= 2 && (int(up)-2 == n || f[up-2] == 0) {
				f[i] = 0
				again = true
			}
		}
	}
}

func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return forest{0: 1} },
		Step: func(state, input, output any) (bool, any) {
			f, a, ok := state.(forest), input.(act), output.(bool) //nolint:forcetypeassert // they are ours
			if (f[a.on] != 0) != ok {
				return false, f
			}
			if !ok {
				return true, f
			}
			switch a.kind {
			case 'd':
				f[a.as] = uint8(a.on + 2)
			case 'r':
				f.below(a.on)
			case 'x':
				f.below(a.on)
				f[a.on] = 0
			}
			return true, f
		},
		Equal: func(a, b any) bool { return a == b },
	}
}

// record lets threads loose on one tree and returns what they saw.
func record(seed uint64) []porcupine.Operation {
	tree := kernel.New(relaxer{}, kernel.Limits{Nodes: 512, Objects: 1, Spaces: 1, Generations: 1 << 20})
	space, _ := tree.NewSpace(1, 256)
	object, _ := tree.NewObject(abi.ObjectNotification, nil)
	var handles [namesMax]atomic.Uint64
	root, _ := tree.Original(space, object, kernel.Origin{Rights: abi.RightsAll, Ceiling: abi.LabelTop()})
	handles[0].Store(uint64(root))
	var names atomic.Int32
	names.Store(1)
	var mu sync.Mutex
	var history []porcupine.Operation
	begun := time.Now()
	var wait sync.WaitGroup
	var ready atomic.Int32 // counts the threads that are about to act
	for thread := range threads {
		wait.Go(func() {
			source := prng.New(seed*threads + uint64(thread))
			whole := abi.Whole(abi.RightsAll)
			// They meet once, and spin: else one is through before the next begins.
			ready.Add(1)
			for spins := 0; ready.Load() < threads; spins++ {
				if spins > 1000 {
					runtime.Gosched()
				}
			}
			for range actsAThread {
				a := act{kind: "ddddrxllll"[source.Below(10)], on: int(source.Below(uint64(min(names.Load(), namesMax))))}
				h := abi.Handle(handles[a.on].Load())
				if h == 0 || a.kind == 'x' && a.on == 0 {
					continue
				}
				if a.kind == 'd' {
					if a.as = int(names.Add(1)) - 1; a.as >= namesMax {
						return
					}
				}
				// Others come between here and below, and in builds that have
				// marks at those too: on few processors threads hardly meet by
				// themselves.
				call := time.Since(begun).Nanoseconds()
				runtime.Gosched()
				var status abi.Status
				switch a.kind {
				case 'd':
					var made abi.Handle
					if made, status = tree.Derive(space, h, &whole, space, nil); status == abi.StatusOK {
						handles[a.as].Store(uint64(made))
					}
				case 'r':
					status = tree.Revoke(space, h)
				case 'x':
					status = tree.Delete(space, h)
				default:
					_, status = space.Lookup(h, 0)
				}
				runtime.Gosched()
				end := time.Since(begun).Nanoseconds()
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: thread, Input: a, Call: call, Output: status == abi.StatusOK, Return: end})
				mu.Unlock()
				if source.Below(4) == 0 {
					tree.Reclaim(2)
				}
			}
		})
	}
	wait.Wait()
	return history
}

// TestLinearizable checks that what threads see of a tree which they derive
// from, revoke in and look into at the same time could have been seen one
// after the other.
func TestLinearizable(t *testing.T) {
	histories := 2000
	if testing.Short() {
		histories = 200
	}
	if seed, history := unexplained(t, histories); history != nil {
		t.Fatalf("seed %d: no order explains %v", seed, history)
	}
}

// unexplained returns the first history that no order explains, nil for none.
func unexplained(t *testing.T, histories int) (seed int, history []porcupine.Operation) {
	t.Helper()
	schedule.Install(runtime.Gosched)
	defer schedule.Install(nil)
	acts, overlaps := 0, 0
	for seed := range histories {
		history := record(uint64(seed))
		acts += len(history)
		overlaps += overlapping(history)
		switch porcupine.CheckOperationsTimeout(model(), history, 5*time.Second) {
		case porcupine.Illegal:
			slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			return seed, history
		case porcupine.Unknown:
			t.Logf("seed %d: undecided", seed)
		case porcupine.Ok:
		}
	}
	t.Logf("%d histories, %d acts, %d pairs at the same time", histories, acts, overlaps)
	if acts < 10*histories || overlaps < 10*histories {
		t.Error("the threads hardly met")
	}
	return 0, nil
}

// overlapping counts the pairs of acts of which neither ended before the other
// began.
func overlapping(history []porcupine.Operation) (pairs int) {
	for i, a := range history {
		for _, b := range history[:i] {
			if a.Call < b.Return && b.Call < a.Return {
				pairs++
			}
		}
	}
	return pairs
}
