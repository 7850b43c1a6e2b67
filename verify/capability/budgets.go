package capability

import (
	"fmt"

	"phios/abi"
)

// The operations of the budgets world.
const (
	bgCarve  uint8 = iota // a: handle, b: form
	bgSpend               // a: handle
	bgMint                // a: handle
	bgDelete              // a: handle
	bgRevoke              // a: handle
)

var budgetNames = [...]string{"carve from", "spend from", "mint from", "delete", "revoke"}

// budgetWorld is one task that divides its budget, and the reference's
// accounts beside the real ones. Every object takes memory of the budget that
// it was made on, so a child that owns too little can make nothing.
type budgetWorld struct {
	*gateWorld
	accounts []account
	of       map[uint64]int // account by object
}

// account is a budget as the reference sees it.
type account struct {
	parent    int
	closed    bool
	available abi.Amounts
	held      abi.Amounts
	spent     abi.Amounts
	paid      uint64 // memory that the object takes of its parent
}

func carves() []abi.Amounts {
	return []abi.Amounts{{2 * objectCost, 0, 0, 2}, {0, 0, 0, 1}, {0, 0, 0, budgetTokens + 1}}
}

// budgetTokens is what there is to be divided.
const budgetTokens = 3

func newBudgetWorld() world {
	w := &budgetWorld{gateWorld: newGateWorld(16, 1, budgetTokens, 5), of: map[uint64]int{}}
	held := abi.Amounts{5*64 + objectCost, 5}
	root := endowment()
	mine := account{parent: 0, available: abi.Amounts{rootMemory, 5 + childSlots, 0, budgetTokens}}
	for r := range root {
		root[r] -= mine.available[r]
		mine.available[r] -= held[r]
	}
	mine.held = held
	w.accounts = []account{{parent: -1, available: root}, mine}
	w.of[w.ref.caps[0].object] = 1
	return w
}

func (w *budgetWorld) steps(out []step) []step {
	for i, t := range w.issued {
		c := w.ref.find(t.task, t.handle)
		if c < 0 {
			continue
		}
		n := uint8(i)
		for form := range carves() {
			out = append(out, step{bgCarve, n, uint8(form), 0})
		}
		out = append(out, step{kind: bgSpend, a: n}, step{kind: bgMint, a: n})
		if i > 0 {
			out = append(out, step{kind: bgDelete, a: n})
		}
		out = append(out, step{kind: bgRevoke, a: n})
	}
	return out
}

func (w *budgetWorld) do(s step) (abi.Status, string) {
	t := w.issued[s.a]
	c := w.ref.find(t.task, t.handle)
	var status abi.Status
	var broken string
	switch s.kind {
	case bgCarve:
		status, broken = w.carve(c, t, carves()[s.b])
	case bgSpend:
		status, broken = w.spend(c, t)
	case bgMint:
		status, broken = w.mint(c, t)
	case bgDelete:
		status, broken = w.delete(t)
	case bgRevoke:
		status, broken = w.revoke(t)
	}
	if s.kind == bgDelete || s.kind == bgRevoke {
		w.tidy()
		w.release()
	}
	if broken == "" {
		broken = w.sound()
	}
	if broken == "" {
		broken = w.sum()
	}
	return status, broken
}

// dead reports whether an account or one above it is closed.
func (w *budgetWorld) dead(a int) bool {
	for ; a >= 0; a = w.accounts[a].parent {
		if w.accounts[a].closed {
			return true
		}
	}
	return false
}

func (w *budgetWorld) carve(c int, t ticket, amounts abi.Amounts) (abi.Status, string) {
	var v verdict
	a := w.of[w.ref.caps[c].object]
	from := &w.accounts[a]
	if w.dead(a) {
		v.must |= bit(abi.StatusRevoked)
	}
	v.unless(w.ref.caps[c].rights.Has(abi.RightManage|abi.RightInvoke), abi.StatusRights)
	v.unless(from.available[0] >= amounts[0]+objectCost && from.available[3] >= amounts[3], abi.StatusBudget)
	w.ref.room(&v, t.task, 1, abi.StatusTableFull)
	args := abi.Args{W: amounts}
	status := w.call(t.task, t.handle, abi.BudgetCarve, &args)
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	from.available[0] -= objectCost
	from.held[0] += objectCost
	for r := range amounts {
		from.available[r] -= amounts[r]
	}
	w.accounts = append(w.accounts, account{parent: a, available: amounts, paid: objectCost})
	h := abi.Handle(args.W[0])
	if broken := w.fresh(t.task, h); broken != "" {
		return status, broken
	}
	made := w.original(t.task, h)
	w.of[w.ref.caps[made].object] = len(w.accounts) - 1
	return status, ""
}

// fresh says whether a new original's handle was given out before.
func (w *budgetWorld) fresh(task int, h abi.Handle) string {
	broken := w.issue(task, h)
	if broken == "" {
		w.issued = w.issued[:len(w.issued)-1]
	}
	return broken
}

func (w *budgetWorld) spend(c int, t ticket) (abi.Status, string) {
	var v verdict
	a := w.of[w.ref.caps[c].object]
	if w.dead(a) {
		v.must |= bit(abi.StatusRevoked)
	}
	v.unless(w.ref.caps[c].rights.Has(abi.RightWrite|abi.RightInvoke), abi.StatusRights)
	v.unless(w.accounts[a].available[abi.ResourceTokens] >= 1, abi.StatusBudget)
	status := w.call(t.task, t.handle, abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), 1}})
	if status == abi.StatusOK && v.must == 0 {
		w.accounts[a].available[abi.ResourceTokens]--
		w.accounts[a].spent[abi.ResourceTokens]++
	}
	return status, v.judge(status)
}

// mint makes a capability that may look and spend, but not carve.
func (w *budgetWorld) mint(c int, t ticket) (abi.Status, string) {
	m := abi.Whole(abi.RightInvoke | abi.RightWrite | abi.RightInspect)
	var v verdict
	child := w.ref.derive(&v, c, &m, abi.RightDerive)
	w.ref.room(&v, t.task, 1, abi.StatusTableFull)
	args := abi.Args{Mint: &m}
	status := w.call(t.task, t.handle, abi.CapMint, &args)
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	w.ref.born(child, t.task, abi.Handle(args.W[0]))
	return status, w.issue(t.task, abi.Handle(args.W[0]))
}

// release closes the budgets that no capability names any more: what they
// have goes to the nearest open one above, and what is below them closes too.
func (w *budgetWorld) release() {
	for object, a := range w.of {
		named := a == 1
		for c := range w.ref.caps {
			named = named || w.ref.caps[c].object == object && w.ref.live(c)
		}
		if named {
			continue
		}
		if !w.accounts[a].closed {
			w.close(a)
		}
		if paid := w.accounts[a].paid; paid > 0 {
			w.give(w.accounts[a].parent, paid)
			w.accounts[a].paid = 0
		}
	}
	for again := true; again; {
		again = false
		for a := range w.accounts {
			if !w.accounts[a].closed && w.dead(a) {
				w.close(a)
				again = true
			}
		}
	}
}

// heir is the nearest open account from a up.
func (w *budgetWorld) heir(a int) *account {
	for w.accounts[a].closed {
		a = w.accounts[a].parent
	}
	return &w.accounts[a]
}

func (w *budgetWorld) close(a int) {
	w.accounts[a].closed = true
	to, from := w.heir(a), &w.accounts[a]
	for r := range from.available {
		to.available[r] += from.available[r]
		to.held[r] += from.held[r]
		to.spent[r] += from.spent[r]
	}
	from.available, from.held, from.spent = abi.Amounts{}, abi.Amounts{}, abi.Amounts{}
}

// give ends a holding of memory that was charged to a.
func (w *budgetWorld) give(a int, bytes uint64) {
	to := w.heir(a)
	to.held[0] -= bytes
	to.available[0] += bytes
}

// sum compares the endowment's account, and through every live capability
// that may look, that of its budget.
func (w *budgetWorld) sum() string {
	all := w.kernel.Endowment()
	if root := &w.accounts[0]; all.Available != root.available || all.Held != root.held || all.Spent != root.spent {
		return "conservation: the endowment's account is wrong"
	}
	for c := range w.ref.caps {
		d := &w.ref.caps[c]
		if !w.ref.live(c) {
			continue
		}
		a := &w.accounts[w.of[d.object]]
		for which, want := range [...]abi.Amounts{a.available, a.held, a.spent} {
			args := abi.Args{W: [6]uint64{uint64(which)}}
			if status := w.call(d.task, d.handle, abi.BudgetInspect, &args); status == abi.StatusOK && args.W != [6]uint64(want) {
				return fmt.Sprintf("conservation: a budget's account is %v, not %v", args.W, want)
			}
		}
	}
	return ""
}

func (w *budgetWorld) shape(b []byte) []byte {
	b = w.kernel.Shape(b, w.tasks...)
	caches := string(b[len(b)-8:])
	b = b[:len(b)-8]
	for _, t := range w.issued {
		c := w.ref.find(t.task, t.handle)
		if c < 0 {
			continue
		}
		a := w.of[w.ref.caps[c].object]
		up, depth := w.accounts[a].parent, byte(0)
		for ; up >= 0; up = w.accounts[up].parent {
			depth++
		}
		b = append(b, byte(t.handle.Index()), depth, byte(w.accounts[a].available[3]), byte(w.accounts[a].spent[3]),
			byte(w.accounts[a].available[0]/objectCost), byte(w.holder(w.accounts[a].parent)))
		if w.dead(a) {
			b = append(b, 1)
		}
	}
	for i := range w.accounts[:2] {
		b = append(b, byte(w.accounts[i].spent[3]), byte(w.accounts[i].available[3]), byte(w.accounts[i].held[0]/objectCost))
	}
	return append(b, caches...)
}

// holder names an account by the lowest slot from which it is held.
func (w *budgetWorld) holder(a int) uint32 {
	lowest := uint32(0)
	for c := range w.ref.caps {
		d := &w.ref.caps[c]
		if !w.ref.live(c) || w.of[d.object] != a {
			continue
		}
		if i := d.handle.Index() + 1; lowest == 0 || i < lowest {
			lowest = i
		}
	}
	return lowest
}

func (w *budgetWorld) say(s step) string {
	text := fmt.Sprintf("%s #%d", budgetNames[s.kind], s.a)
	if s.kind == bgCarve {
		text += fmt.Sprintf(", form %d", s.b)
	}
	return text
}
