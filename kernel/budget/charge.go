package budget

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/mutant"
)

// Account is what a budget owns at one moment. Available, Held and Spent of
// all budgets of a tree add up to the endowment of the root.
type Account struct {
	// Available can still be taken, spent or carved.
	Available abi.Amounts
	// Held is occupied, by charges to the budget itself and by those that
	// outlived closed budgets below it.
	Held abi.Amounts
	// Spent is gone for good, here and in closed budgets below.
	Spent abi.Amounts
	// Children is the number of open budgets carved from this one.
	Children int
	// Dead is set when the budget or one above it is closed.
	Dead bool
}

// Account returns the budget's account. That of a budget that is itself
// closed is empty: everything went to the one above.
func (b *Budget) Account() Account {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	account := Account{Children: b.children, Dead: b.deadLocked()}
	account.Available, account.Held, account.Spent = b.available, b.held, b.spent
	return account
}

// Take holds n of r until Give. It returns StatusRevoked when b is dead and
// StatusBudget when b does not cover n; nothing has changed then. Zero is
// always covered.
//
// Preconditions:
//   - r is a held resource.
func (b *Budget) Take(r abi.Resource, n uint64) abi.Status {
	invariant.Check(r.Held(), "budget: only held resources are taken")
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if status := b.checkLocked(r, n); status != abi.StatusOK {
		return status
	}
	b.chargeLocked(r, n)
	return abi.StatusOK
}

// Give ends the holding of n of r that was charged to b. It works on dead
// budgets too: the amount then becomes available where b's account went. To
// give more than b was charged is a broken invariant.
//
// Preconditions:
//   - r is a held resource.
func (b *Budget) Give(r abi.Resource, n uint64) {
	invariant.Check(r.Held(), "budget: only held resources are given back")
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	b.giveLocked(r, n)
}

// Spend uses up n of r for good, with the statuses of Take.
//
// Preconditions:
//   - r is a spent resource.
func (b *Budget) Spend(r abi.Resource, n uint64) abi.Status {
	invariant.Check(!r.Held(), "budget: held resources are not spent")
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if status := b.checkLocked(r, n); status != abi.StatusOK {
		return status
	}
	b.chargeLocked(r, n)
	return abi.StatusOK
}

// SpendUpTo uses up as much of n as b has of r, and returns how much that was.
// It is for what was metered after it happened, such as CPU time: the caller
// stops whoever overdrew. A dead budget pays nothing.
//
// Preconditions:
//   - r is a spent resource.
func (b *Budget) SpendUpTo(r abi.Resource, n uint64) (spent uint64) {
	invariant.Check(!r.Held(), "budget: held resources are not spent")
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if b.deadLocked() {
		return 0
	}
	spent = min(n, b.available[r])
	b.chargeLocked(r, spent)
	return spent
}

// TakeAll charges several resources together, all or nothing: held ones are
// held until GiveAll, the others are spent. The statuses are those of Take.
func (b *Budget) TakeAll(amounts abi.Amounts) abi.Status {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	switch {
	case b.deadLocked():
		return abi.StatusRevoked
	case !covers(&b.available, &amounts):
		return abi.StatusBudget
	}
	for r := range abi.Resource(abi.ResourceCount) {
		b.chargeLocked(r, amounts[r])
	}
	return abi.StatusOK
}

// GiveAll is Give for several resources.
//
// Preconditions:
//   - amounts of spent resources are zero.
func (b *Budget) GiveAll(amounts abi.Amounts) {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	for r := range abi.Resource(abi.ResourceCount) {
		b.giveLocked(r, amounts[r])
	}
}

// checkLocked returns StatusOK when b may be charged n of r.
func (b *Budget) checkLocked(r abi.Resource, n uint64) abi.Status {
	switch {
	case b.deadLocked():
		return abi.StatusRevoked
	case b.available[r] < n:
		return abi.StatusBudget
	}
	return abi.StatusOK
}

// chargeLocked moves n of r out of what is available.
//
// Preconditions:
//   - b has n of r available.
func (b *Budget) chargeLocked(r abi.Resource, n uint64) {
	invariant.Always(b.available[r] >= n, "budget: a charge is covered")
	b.available[r] -= n
	if !r.Held() {
		b.spent[r] += n
		return
	}
	b.held[r] += n
	b.own[r] += n
}

// giveLocked is the opposite of chargeLocked for a held resource.
//
// Preconditions:
//   - n of r is held by charges to b.
func (b *Budget) giveLocked(r abi.Resource, n uint64) {
	account := b.accountLocked()
	invariant.Always(b.own[r] >= n, "budget: no more is given than was taken")
	invariant.Always(account.held[r] >= n, "budget: an account holds what was charged to it")
	b.own[r] -= n
	account.held[r] -= n
	account.available[r] += n
	if mutant.On(mutant.BudgetRefundTwice) {
		account.available[r] += n
	}
}

// covers reports whether have contains every amount of need.
func covers(have, need *abi.Amounts) bool {
	for r := range have {
		if have[r] < need[r] {
			return false
		}
	}
	return true
}

// subtract takes amounts from a.
//
// Preconditions:
//   - a covers amounts.
func subtract(a, amounts *abi.Amounts) {
	for r := range a {
		invariant.Always(a[r] >= amounts[r], "budget: an account is never below zero")
		a[r] -= amounts[r]
	}
}

// add puts amounts into a. All amounts of a tree come from one endowment, so
// that no sum can overflow; it is asserted all the same.
func add(a, amounts *abi.Amounts) {
	for r := range a {
		sum := a[r] + amounts[r]
		invariant.Always(sum >= a[r], "budget: a sum is within the endowment")
		a[r] = sum
	}
}

// move takes amounts from one account to another, StatusBudget when it is not
// covered.
func move(to, from, amounts *abi.Amounts) abi.Status {
	if !covers(from, amounts) {
		return abi.StatusBudget
	}
	subtract(from, amounts)
	add(to, amounts)
	return abi.StatusOK
}

// settle takes all that is in one account to another.
func settle(to, from *abi.Amounts) {
	add(to, from)
	*from = abi.Amounts{}
}
