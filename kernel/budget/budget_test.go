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
func carve(t testing.TB, b *Budget, n uint64) *Budget {
	t.Helper()
	child, status := b.Carve(all(n))
	if status != abi.StatusOK {
		t.Fatalf("carve %d: %v", n, status)
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
