// Package budget counts what tasks may use: nested budgets of memory, slots,
// CPU time, tokens, network bytes and energy.
//
// A budget is a node of a tree. What it gives to a child leaves its own
// account, so nothing is ever counted twice and nobody can promise what they
// do not have. Each amount in the tree is in exactly one of three places:
// available, held (memory and slots that something occupies and will give
// back) or spent (for good).
//
// A budget is also the memory container of a capsule: what is charged to it
// is inside, and when it is closed everything in it goes to the container
// around it, which lives on with what is still occupied.
//
// Why one mutex a tree, and not one a budget or atomics: carving, growing and
// closing move amounts between two accounts, and an account that is read must
// be exact at every moment; a lock for each budget would be taken up to the
// root all the same, because a budget is dead as soon as any above it is. The
// lock is held for the time of a few additions, and for no call out.
//
// Closing is by mark: it takes effect at once on a subtree of any size, since
// whoever uses a budget looks at the marks above it, at most depthMax. Behind
// it, Reclaim closes the budgets below, a bounded number at a time. Rejected:
// closing the subtree in one go (a pause as long as the subtree is large), and
// a number of uses kept in each budget (no limit on how long the dead stay).
//
// Lock order: tree.mu is a leaf; nothing is called while it is held.
//
// Invariants: available + held + spent, summed over all budgets of a tree,
// equals the endowment of its root for each resource at every moment. What a
// closed budget held is in the account of the nearest budget above it that is
// not closed itself. A closed budget never opens again.
//
// Ledger: S10, S38.
//
// Seed name: Memory containers.
package budget

import (
	"sync"

	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/mutant"
)

// The limits of a tree.
const (
	depthMax    = 32      // budgets on a path, root included
	childrenMax = 1 << 16 // open children of one budget
	nodesMax    = 1 << 20 // open budgets of a tree
)

// Budget is one node of a tree. It is safe for concurrent use. There is no
// useful zero value: budgets come from NewRoot and Carve.
type Budget struct {
	tree   *tree   // immutable
	parent *Budget // immutable; nil for the root
	depth  int     // immutable; budgets above this one

	// The rest is guarded by tree.mu.

	available abi.Amounts
	held      abi.Amounts // by this budget and, inherited, by closed ones below
	spent     abi.Amounts
	own       abi.Amounts // held by charges to this very budget, closed or not

	closed         bool
	children       int     // open ones
	child          *Budget // the first of the open children
	previous, next *Budget // among the open children of parent
	nextOrphaned   *Budget // in tree.orphaned
}

// tree is what the budgets below one root share.
type tree struct {
	mu       sync.Mutex
	nodes    int     // open budgets
	orphaned *Budget // stack of closed budgets that may have open children
}

// NewRoot returns the root of a new tree, which owns the endowment.
func NewRoot(endowment abi.Amounts) *Budget {
	return &Budget{tree: &tree{nodes: 1}, available: endowment}
}

// Carve makes a child that owns amounts, taken from what b has available: all
// of them or none. An amount may be zero. It returns StatusRevoked when b is
// dead, StatusDepth when b is as deep as a budget may be, StatusLimit when b
// or the tree has its limit of budgets, StatusBudget when b does not cover the
// amounts. The child lives until it or a budget above is closed.
func (b *Budget) Carve(amounts abi.Amounts) (*Budget, abi.Status) {
	t := b.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case b.deadLocked():
		return nil, abi.StatusRevoked
	case b.depth+1 >= depthMax:
		return nil, abi.StatusDepth
	case b.children >= childrenMax || t.nodes >= nodesMax:
		return nil, abi.StatusLimit
	case !covers(&b.available, &amounts):
		return nil, abi.StatusBudget
	}
	if !mutant.On(mutant.BudgetCarveFree) {
		subtract(&b.available, &amounts)
	}
	c := &Budget{tree: t, parent: b, depth: b.depth + 1, available: amounts}
	b.linkLocked(c)
	return c, abi.StatusOK
}

// Grow moves amounts from what b has available to its child, all or nothing.
// It returns StatusBadArgument when child is not a child of b, StatusRevoked
// when either is dead, StatusBudget when b does not cover the amounts.
func (b *Budget) Grow(child *Budget, amounts abi.Amounts) abi.Status {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if status := b.checkChildLocked(child); status != abi.StatusOK {
		return status
	}
	return move(&child.available, &b.available, &amounts)
}

// Shrink moves amounts from what the child has available back to b, all or
// nothing, with the statuses of Grow: StatusBudget when the child does not
// cover them.
func (b *Budget) Shrink(child *Budget, amounts abi.Amounts) abi.Status {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if status := b.checkChildLocked(child); status != abi.StatusOK {
		return status
	}
	return move(&b.available, &child.available, &amounts)
}

// Close ends b and everything below it. At once, what b has available, holds
// and has spent goes to the account of the nearest budget above that is not
// closed, and whatever is asked of b or of a budget below it is refused with
// StatusRevoked. The accounts of the budgets below follow in calls of Reclaim.
// Amounts held may be given back at any later time. Closing again does
// nothing. A root keeps its account when it is closed.
func (b *Budget) Close() {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if !b.closed {
		b.closeLocked()
	}
}

// Dead reports whether b or any budget above it is closed. It never becomes
// false again.
func (b *Budget) Dead() bool {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	return b.deadLocked()
}

// Reclaim closes budgets of b's tree that are below closed ones, in at most
// stepsMax steps of constant time. It returns how many it closed, and whether
// there may be more to do.
//
// Preconditions:
//   - stepsMax is above zero.
func (b *Budget) Reclaim(stepsMax int) (done int, more bool) {
	invariant.Check(stepsMax > 0, "budget: reclaim goes forward")
	t := b.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	for range stepsMax {
		parent := t.orphaned
		if parent == nil {
			break
		}
		if parent.child == nil {
			t.orphaned, parent.nextOrphaned = parent.nextOrphaned, nil
			continue
		}
		// A child that has children itself goes on top of the stack, so the
		// work is done depth first.
		parent.child.closeLocked()
		done++
	}
	return done, t.orphaned != nil
}

// closeLocked marks b, settles its account and leaves its open children to
// Reclaim.
//
// Preconditions:
//   - b is not closed.
func (b *Budget) closeLocked() {
	invariant.Always(!b.closed, "budget: closed once")
	b.closed = true
	if b.parent != nil {
		heir := b.parent.accountLocked()
		settle(&heir.available, &b.available)
		settle(&heir.held, &b.held)
		settle(&heir.spent, &b.spent)
		b.parent.unlinkLocked(b)
	}
	if b.child != nil {
		b.nextOrphaned, b.tree.orphaned = b.tree.orphaned, b
	}
}

// deadLocked looks for a closed budget from b up to the root.
func (b *Budget) deadLocked() bool {
	for n := b; n != nil; n = n.parent {
		if n.closed {
			return true
		}
	}
	return false
}

// accountLocked returns the budget in whose account b's amounts are: b, or
// when b is closed the nearest above it that is not. A closed root still
// stands for itself.
func (b *Budget) accountLocked() *Budget {
	n := b
	for n.closed && n.parent != nil {
		n = n.parent
	}
	return n
}

// checkChildLocked returns StatusOK when amounts may move between b and child.
func (b *Budget) checkChildLocked(child *Budget) abi.Status {
	switch {
	case child == nil || child.parent != b:
		return abi.StatusBadArgument
	case child.deadLocked():
		return abi.StatusRevoked
	}
	return abi.StatusOK
}

// linkLocked puts c first among b's open children.
func (b *Budget) linkLocked(c *Budget) {
	c.next = b.child
	if c.next != nil {
		c.next.previous = c
	}
	b.child = c
	b.children++
	b.tree.nodes++
}

// unlinkLocked takes c out of b's open children.
func (b *Budget) unlinkLocked(c *Budget) {
	invariant.Always(b.children > 0 && b.tree.nodes > 1, "budget: a child is counted")
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		b.child = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	c.previous, c.next = nil, nil
	b.children--
	b.tree.nodes--
}
