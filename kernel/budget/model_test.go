package budget

import (
	"math/rand/v2"
	"testing"

	"phios/abi"
)

// model is a budget as one would write it without thought for time: closing
// does everything at once, down the whole subtree.
type model struct {
	real     *Budget
	parent   *model
	children []*model
	account  Account
	own      abi.Amounts
	depth    int
}

// world is a tree of real budgets and its model side by side.
type world struct {
	t         *testing.T
	random    *rand.Rand
	endowment abi.Amounts
	all       []*model // the dead included
	pending   bool     // Reclaim has work, so the model may be ahead
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), endowment: all(1000)}
	w.all = []*model{{real: NewRoot(w.endowment), account: Account{Available: w.endowment}}}
	return w
}

// close is the naive form of Close.
func (m *model) close() {
	if m.account.Dead {
		return
	}
	m.account.Dead = true
	for len(m.children) > 0 {
		m.children[0].close()
	}
	if m.parent == nil {
		return
	}
	siblings := m.parent.children
	for i, sibling := range siblings {
		if sibling == m {
			m.parent.children = append(siblings[:i:i], siblings[i+1:]...)
		}
	}
	m.parent.account.Children--
	for r := range m.account.Available {
		m.parent.account.Available[r] += m.account.Available[r]
		m.parent.account.Held[r] += m.account.Held[r]
		m.parent.account.Spent[r] += m.account.Spent[r]
	}
	m.account = Account{Dead: true}
}

// heir returns who has m's amounts.
func (m *model) heir() *model {
	for m.account.Dead && m.parent != nil {
		m = m.parent
	}
	return m
}

// status is what a charge of amounts to m should answer.
func (m *model) status(amounts abi.Amounts) abi.Status {
	if m.account.Dead {
		return abi.StatusRevoked
	}
	for r, n := range amounts {
		if m.account.Available[r] < n {
			return abi.StatusBudget
		}
	}
	return abi.StatusOK
}

// charge moves amounts out of what m has available.
func (m *model) charge(amounts abi.Amounts) {
	for r, n := range amounts {
		m.account.Available[r] -= n
		if abi.Resource(r).Held() {
			m.account.Held[r] += n
			m.own[r] += n
		} else {
			m.account.Spent[r] += n
		}
	}
}

// amounts returns a few random amounts, often zero and sometimes too many.
func (w *world) amounts() (amounts abi.Amounts) {
	for r := range amounts {
		switch w.random.IntN(8) {
		case 0:
			amounts[r] = w.random.Uint64N(1200)
		case 1, 2, 3:
			amounts[r] = w.random.Uint64N(40)
		}
	}
	return amounts
}

// agree fails the test unless the real status is the model's, or the model is
// ahead of Reclaim. It reports whether the model should follow.
func (w *world) agree(what string, got, want abi.Status) bool {
	w.t.Helper()
	if got == abi.StatusBudget && want == abi.StatusOK && w.pending {
		return false
	}
	if got != want {
		w.t.Fatalf("%s: %v, want %v", what, got, want)
	}
	return got == abi.StatusOK
}

// step does one random thing in both worlds.
func (w *world) step() {
	m := w.all[w.random.IntN(len(w.all))]
	amounts := w.amounts()
	switch w.random.IntN(10) {
	case 0, 1:
		w.carve(m, amounts)
	case 2:
		r := abi.Resource(w.random.IntN(abi.ResourceCount))
		w.charge(m, r, amounts[r])
	case 3:
		if w.agree("take all", m.real.TakeAll(amounts), m.status(amounts)) {
			m.charge(amounts)
		}
	case 4, 5:
		w.give(m)
	case 6:
		w.resize(m, amounts)
	case 7:
		w.spendUpTo(m)
	case 8:
		if m.parent != nil || w.random.IntN(50) == 0 {
			m.real.Close()
			m.close()
			w.pending = true
		}
	case 9:
		if _, more := m.real.Reclaim(1 + w.random.IntN(4)); !more {
			w.pending = false
		}
	}
}

func (w *world) carve(m *model, amounts abi.Amounts) {
	want := m.status(amounts)
	if want != abi.StatusRevoked && m.depth+1 >= depthMax {
		want = abi.StatusDepth
	}
	child, got := m.real.Carve(amounts)
	if !w.agree("carve", got, want) {
		return
	}
	c := &model{real: child, parent: m, depth: m.depth + 1, account: Account{Available: amounts}}
	m.account.Children++
	for r, n := range amounts {
		m.account.Available[r] -= n
	}
	m.children = append(m.children, c)
	w.all = append(w.all, c)
}

func (w *world) charge(m *model, r abi.Resource, n uint64) {
	var amounts abi.Amounts
	amounts[r] = n
	call := m.real.Spend
	if r.Held() {
		call = m.real.Take
	}
	if w.agree("charge", call(r, n), m.status(amounts)) {
		m.charge(amounts)
	}
}

func (w *world) spendUpTo(m *model) {
	r := abi.ResourceCPU + abi.Resource(w.random.IntN(4))
	n := w.random.Uint64N(100)
	got := m.real.SpendUpTo(r, n)
	want := min(n, m.account.Available[r])
	if m.account.Dead {
		want = 0
	}
	if got > want || got < want && !w.pending {
		w.t.Fatalf("spend up to %d: %d, want %d", n, got, want)
	}
	var amounts abi.Amounts
	amounts[r] = got
	m.charge(amounts)
}

func (w *world) give(m *model) {
	var amounts abi.Amounts
	heir := m.heir()
	for r := range abi.Resource(abi.ResourceCount) {
		if !r.Held() {
			continue
		}
		n := w.random.Uint64N(m.own[r] + 1)
		amounts[r] = n
		m.own[r] -= n
		heir.account.Held[r] -= n
		heir.account.Available[r] += n
	}
	if w.random.IntN(2) == 0 {
		m.real.GiveAll(amounts)
		return
	}
	m.real.Give(abi.ResourceMemory, amounts[abi.ResourceMemory])
	m.real.Give(abi.ResourceSlots, amounts[abi.ResourceSlots])
}

func (w *world) resize(m *model, amounts abi.Amounts) {
	if m.parent == nil {
		return
	}
	grow := w.random.IntN(2) == 0
	payer, payee, call := m, m.parent, m.parent.real.Shrink
	if grow {
		payer, payee, call = m.parent, m, m.parent.real.Grow
	}
	want := payer.status(amounts)
	if m.account.Dead {
		want = abi.StatusRevoked
	}
	if !w.agree("resize", call(m.real, amounts), want) {
		return
	}
	for r, n := range amounts {
		payer.account.Available[r] -= n
		payee.account.Available[r] += n
	}
}

// check compares every account with the model's, and the sum of all with the
// endowment. What Reclaim has not come to yet counts where it will go.
func (w *world) check() {
	w.t.Helper()
	var total abi.Amounts
	sums := map[*model]*Account{}
	for _, m := range w.all {
		account := m.real.Account()
		if account.Dead != m.account.Dead || account.Dead != m.real.Dead() {
			w.t.Fatalf("dead: %v, want %v", account.Dead, m.account.Dead)
		}
		if !account.Dead && account.Children != m.account.Children {
			w.t.Fatalf("children: %d, want %d", account.Children, m.account.Children)
		}
		heir := m.heir()
		if sums[heir] == nil {
			sums[heir] = &Account{}
		}
		add(&sums[heir].Available, &account.Available)
		add(&sums[heir].Held, &account.Held)
		add(&sums[heir].Spent, &account.Spent)
		for _, part := range []abi.Amounts{account.Available, account.Held, account.Spent} {
			add(&total, &part)
		}
	}
	if total != w.endowment {
		w.t.Fatalf("all accounts sum to %v, want %v", total, w.endowment)
	}
	for m, account := range sums {
		if account.Available != m.account.Available || account.Held != m.account.Held ||
			account.Spent != m.account.Spent {
			w.t.Fatalf("account %+v, want %+v", *account, m.account)
		}
	}
}

// TestModel compares random operations with the naive model after each step.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		w := newWorld(t, seed)
		for range 400 {
			w.step()
			w.check()
		}
		for w.pending {
			_, w.pending = w.all[0].real.Reclaim(3)
			w.check()
		}
	}
}
