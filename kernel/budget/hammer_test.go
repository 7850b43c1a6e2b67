package budget

import (
	"math/rand/v2"
	"sync"
	"testing"

	"phios/abi"
)

// TestHammerBudget lets many threads use, carve, close and reclaim one tree,
// and checks in the end that not one unit was lost or made.
func TestHammerBudget(t *testing.T) {
	const threads, rounds = 8, 2000
	endowment := all(1 << 30)
	root := NewRoot(endowment)
	shared := carve(t, root, 1<<29)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range uint64(threads) {
		group.Go(func() {
			<-start
			hammer(rand.New(rand.NewPCG(i, 2)), root, shared, rounds)
		})
	}
	group.Go(func() {
		<-start
		for range rounds {
			root.Reclaim(4)
			root.Account()
		}
	})
	close(start)
	group.Wait()
	shared.Close()
	for more := true; more; {
		_, more = root.Reclaim(16)
	}
	account := root.Account()
	for r := range endowment {
		if sum := account.Available[r] + account.Held[r] + account.Spent[r]; sum != endowment[r] {
			t.Errorf("%s: %d in all, want %d", abi.Resource(r), sum, endowment[r])
		}
	}
	if account.Held != (abi.Amounts{}) {
		t.Errorf("still held: %v", account.Held)
	}
	if account.Children != 0 || root.tree.nodes != 1 {
		t.Errorf("left: %d children, %d open budgets", account.Children, root.tree.nodes)
	}
}

// hammer gives back everything that it takes.
func hammer(random *rand.Rand, root, shared *Budget, rounds int) {
	parent := shared
	for range rounds {
		b, status := parent.Carve(all(random.Uint64N(64)))
		if status != abi.StatusOK {
			parent = shared
			if random.IntN(2) == 0 {
				parent = root
			}
			continue
		}
		taken := random.Uint64N(8)
		got := b.Take(abi.ResourceMemory, taken)
		_ = b.Spend(abi.ResourceCPU, random.Uint64N(8))
		b.SpendUpTo(abi.ResourceTokens, random.Uint64N(100))
		_ = parent.Grow(b, all(1))
		switch random.IntN(4) {
		case 0:
			parent.Close()
			parent = shared
		case 1:
			parent = b
		default:
			b.Close()
		}
		if parent == shared && shared.Dead() {
			parent = root
		}
		if got == abi.StatusOK {
			b.Give(abi.ResourceMemory, taken)
		}
	}
}
