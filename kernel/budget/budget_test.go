package budget

import (
	"math"
	"testing"

	"phios/abi"
)

// all returns n of every resource.
func all(n uint64) (amounts abi.Amounts) {
	for r := range amounts {
		amounts[r] = n
	}
	return amounts
}

// carve carves n of every resource or fails the test.
func carve(tb testing.TB, b *Budget, n uint64) *Budget {
	tb.Helper()
	child, status := b.Carve(all(n))
	if status != abi.StatusOK {
		tb.Fatalf("carve %d: %v", n, status)
	}
	return child
}

// expect compares the account of b for every resource: held counts for held
// resources and spent for the others.
func expect(t *testing.T, name string, b *Budget, available, used uint64) {
	t.Helper()
	account := b.Account()
	for r := range abi.Resource(abi.ResourceCount) {
		got := [3]uint64{account.Available[r], account.Held[r], account.Spent[r]}
		want := [3]uint64{available, 0, used}
		if r.Held() {
			want = [3]uint64{available, used, 0}
		}
		if got != want {
			t.Errorf("%s: %s available, held, spent = %v, want %v", name, r, got, want)
		}
	}
}

func TestStatuses(t *testing.T) {
	root := NewRoot(all(100))
	poor := carve(t, root, 0)
	closed := carve(t, root, 10)
	below := carve(t, closed, 5)
	closed.Close()
	stranger := NewRoot(all(1))
	most := all(math.MaxUint64)
	one := all(1)
	for _, c := range []struct {
		name string
		got  abi.Status
		want abi.Status
	}{
		{"take all but what is below closed", root.Take(abi.ResourceMemory, 95), abi.StatusOK},
		{"take one more", root.Take(abi.ResourceMemory, 1), abi.StatusBudget},
		{"take nothing", root.Take(abi.ResourceMemory, 0), abi.StatusOK},
		{"spend too much", root.Spend(abi.ResourceCPU, 101), abi.StatusBudget},
		{"spend the most there is", root.Spend(abi.ResourceCPU, math.MaxUint64), abi.StatusBudget},
		{"spend", root.Spend(abi.ResourceCPU, 95), abi.StatusOK},
		{"spend nothing", root.Spend(abi.ResourceCPU, 0), abi.StatusOK},
		{"charge several, one not covered", root.TakeAll(one), abi.StatusBudget},
		{"zero budget takes", poor.Take(abi.ResourceSlots, 1), abi.StatusBudget},
		{"zero budget takes nothing", poor.Take(abi.ResourceSlots, 0), abi.StatusOK},
		{"zero budget spends", poor.Spend(abi.ResourceTokens, 1), abi.StatusBudget},
		{"zero budget spends nothing", poor.Spend(abi.ResourceTokens, 0), abi.StatusOK},
		{"closed takes", closed.Take(abi.ResourceMemory, 0), abi.StatusRevoked},
		{"closed spends", closed.Spend(abi.ResourceCPU, 0), abi.StatusRevoked},
		{"below closed takes", below.Take(abi.ResourceMemory, 1), abi.StatusRevoked},
		{"below closed spends", below.Spend(abi.ResourceCPU, 1), abi.StatusRevoked},
		{"below closed charges several", below.TakeAll(one), abi.StatusRevoked},
		{"grow a closed child", root.Grow(closed, abi.Amounts{}), abi.StatusRevoked},
		{"shrink below closed", closed.Shrink(below, one), abi.StatusRevoked},
		{"grow a grandchild", root.Grow(below, one), abi.StatusBadArgument},
		{"grow oneself", root.Grow(root, one), abi.StatusBadArgument},
		{"grow a stranger", root.Grow(stranger, one), abi.StatusBadArgument},
		{"grow nobody", root.Grow(nil, one), abi.StatusBadArgument},
		{"grow too much", root.Grow(poor, most), abi.StatusBudget},
		{"shrink too much", root.Shrink(poor, most), abi.StatusBudget},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if _, status := poor.Carve(one); status != abi.StatusBudget {
		t.Errorf("carve out of nothing: %v", status)
	}
	if _, status := poor.Carve(abi.Amounts{}); status != abi.StatusOK {
		t.Errorf("carve nothing out of nothing: %v", status)
	}
	if _, status := below.Carve(abi.Amounts{}); status != abi.StatusRevoked {
		t.Errorf("carve below closed: %v", status)
	}
	if spent := below.SpendUpTo(abi.ResourceCPU, 1); spent != 0 {
		t.Errorf("below closed paid %d", spent)
	}
}

// TestClose follows one closing through: at once, behind, and what comes back
// afterwards.
func TestClose(t *testing.T) {
	root := NewRoot(all(100))
	parent := carve(t, root, 50)
	child := carve(t, parent, 20)
	if status := child.TakeAll(all(5)); status != abi.StatusOK {
		t.Fatal(status)
	}
	if status := parent.TakeAll(all(7)); status != abi.StatusOK {
		t.Fatal(status)
	}
	expect(t, "root before", root, 50, 0)

	parent.Close()
	parent.Close()
	if !parent.Dead() || !child.Dead() || root.Dead() {
		t.Error("closing kills the budget and those below, not those above")
	}
	expect(t, "root at once", root, 50+23, 7)
	expect(t, "closed", parent, 0, 0)
	expect(t, "below closed", child, 15, 5)

	// What the living held comes back to the one above, before and after the
	// budget below is settled.
	parent.Give(abi.ResourceMemory, 7)
	child.Give(abi.ResourceSlots, 5)
	if done, more := root.Reclaim(1); done != 1 || more != true {
		t.Errorf("reclaim: %d, %v", done, more)
	}
	if done, more := child.Reclaim(8); done != 0 || more {
		t.Errorf("reclaim again: %d, %v", done, more)
	}
	expect(t, "child settled", child, 0, 0)
	child.Give(abi.ResourceMemory, 5)
	parent.Give(abi.ResourceSlots, 7)
	account := root.Account()
	for r := range abi.Resource(abi.ResourceCount) {
		want := [3]uint64{100 - 12, 0, 12}
		if r.Held() {
			want = [3]uint64{100, 0, 0}
		}
		if got := [3]uint64{account.Available[r], account.Held[r], account.Spent[r]}; got != want {
			t.Errorf("%s in the end: %v, want %v", r, got, want)
		}
	}
}

// TestCloseRoot closes everything: the amounts stay with the root.
func TestCloseRoot(t *testing.T) {
	root := NewRoot(all(100))
	child := carve(t, root, 30)
	carve(t, child, 10)
	root.Close()
	for range 3 {
		root.Reclaim(2)
	}
	expect(t, "closed root", root, 100, 0)
	if status := root.Take(abi.ResourceMemory, 1); status != abi.StatusRevoked {
		t.Errorf("closed root takes: %v", status)
	}
}

// TestReclaimSlices checks that no slice does more than it may and that every
// budget below a closed one is closed in the end.
func TestReclaimSlices(t *testing.T) {
	root := NewRoot(all(1 << 20))
	top := carve(t, root, 1<<19)
	count := 0
	for range 10 {
		b := carve(t, top, 1<<10)
		for range 10 {
			carve(t, b, 1)
			count++
		}
		count++
	}
	top.Close()
	total := 0
	for more := true; more; {
		var done int
		done, more = root.Reclaim(7)
		if done > 7 {
			t.Fatalf("a slice of 7 closed %d", done)
		}
		total += done
	}
	if total != count {
		t.Errorf("closed %d, want %d", total, count)
	}
	if nodes := root.tree.nodes; nodes != 1 {
		t.Errorf("%d open budgets left, want 1", nodes)
	}
	expect(t, "root", root, 1<<20, 0)
}

func TestLimits(t *testing.T) {
	root := NewRoot(all(100))
	b := root
	for range depthMax - 1 {
		b = carve(t, b, 1)
	}
	if _, status := b.Carve(abi.Amounts{}); status != abi.StatusDepth {
		t.Errorf("too deep: %v", status)
	}
	wide := NewRoot(abi.Amounts{})
	var last *Budget
	for range childrenMax {
		last = carve(t, wide, 0)
	}
	if _, status := wide.Carve(abi.Amounts{}); status != abi.StatusLimit {
		t.Errorf("too wide: %v", status)
	}
	last.Close()
	carve(t, wide, 0)
	wide.tree.nodes = nodesMax
	if _, status := last.parent.child.Carve(abi.Amounts{}); status != abi.StatusLimit {
		t.Errorf("too many: %v", status)
	}
}

// TestFailureLeavesNoTrace checks that a refused call changes no account.
func TestFailureLeavesNoTrace(t *testing.T) {
	root := NewRoot(all(10))
	child := carve(t, root, 4)
	before := [2]Account{root.Account(), child.Account()}
	partly := all(1)
	partly[abi.ResourceEnergy] = 11
	if _, status := root.Carve(partly); status != abi.StatusBudget {
		t.Errorf("carve: %v", status)
	}
	for _, status := range []abi.Status{
		root.TakeAll(partly), root.Grow(child, partly), root.Shrink(child, partly),
		root.Take(abi.ResourceMemory, 11), root.Spend(abi.ResourceCPU, 11),
	} {
		if status != abi.StatusBudget {
			t.Errorf("status: %v", status)
		}
	}
	if after := [2]Account{root.Account(), child.Account()}; after != before {
		t.Errorf("accounts %+v, want %+v", after, before)
	}
}

func TestSpendUpTo(t *testing.T) {
	root := NewRoot(all(10))
	if spent := root.SpendUpTo(abi.ResourceCPU, 4); spent != 4 {
		t.Errorf("covered: %d", spent)
	}
	if spent := root.SpendUpTo(abi.ResourceCPU, math.MaxUint64); spent != 6 {
		t.Errorf("overdrawn: %d", spent)
	}
	if spent := root.SpendUpTo(abi.ResourceCPU, 1); spent != 0 {
		t.Errorf("empty: %d", spent)
	}
}

// TestBroken checks that broken invariants stop the program.
func TestBroken(t *testing.T) {
	for name, breaks := range map[string]func(){
		"give what nobody took": func() { NewRoot(all(9)).Give(abi.ResourceMemory, 1) },
		"give what another took": func() {
			root := NewRoot(all(9))
			child := carve(t, root, 4)
			_ = child.Take(abi.ResourceMemory, 2)
			child.Close()
			root.Give(abi.ResourceMemory, 1)
		},
		"give twice after closing": func() {
			root := NewRoot(all(9))
			child := carve(t, root, 4)
			_ = child.Take(abi.ResourceMemory, 2)
			_ = root.Take(abi.ResourceMemory, 2)
			child.Close()
			child.Give(abi.ResourceMemory, 2)
			child.Give(abi.ResourceMemory, 1)
		},
		"give what is spent": func() {
			root := NewRoot(all(9))
			_ = root.Spend(abi.ResourceCPU, 4)
			root.GiveAll(all(1))
		},
		"overflow": func() {
			most := all(math.MaxUint64)
			one := all(1)
			add(&most, &one)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing stopped it", name)
				}
			}()
			breaks()
		}()
	}
}

func TestAllocs(t *testing.T) {
	b := carve(t, carve(t, NewRoot(all(1<<60)), 1<<50), 1<<50)
	held := abi.Amounts{abi.ResourceMemory: 1, abi.ResourceSlots: 1}
	if n := testing.AllocsPerRun(100, func() {
		_ = b.Take(abi.ResourceMemory, 1)
		b.Give(abi.ResourceMemory, 1)
		_ = b.Spend(abi.ResourceCPU, 1)
		b.SpendUpTo(abi.ResourceTokens, 1)
		_ = b.TakeAll(held)
		b.GiveAll(held)
		b.Account()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkSpend(b *testing.B) {
	budget := NewRoot(all(math.MaxUint64))
	for range 4 {
		budget = carve(b, budget, math.MaxUint64)
	}
	for b.Loop() {
		_ = budget.Spend(abi.ResourceCPU, 1)
	}
}

func BenchmarkTakeGive(b *testing.B) {
	budget := carve(b, NewRoot(all(1<<40)), 1<<30)
	for b.Loop() {
		_ = budget.Take(abi.ResourceMemory, 4096)
		budget.Give(abi.ResourceMemory, 4096)
	}
}

// BenchmarkCloseReclaim is the life of a budget with a thousand below it; the
// closing itself is one step whatever is below.
func BenchmarkCloseReclaim(b *testing.B) {
	root := NewRoot(all(1 << 40))
	for b.Loop() {
		top := carve(b, root, 1<<20)
		for range 1000 {
			carve(b, top, 1)
		}
		top.Close()
		for more := true; more; {
			_, more = root.Reclaim(100)
		}
	}
}
