package schedule

import "time"

// account is what requests of one name share: virtual time, in nanoseconds of
// the model that it has had, from where the others stood when it came.
type account struct {
	name string
	had  uint64
	// requests that wait or run
	active int
}

// queue orders what waits. Its scan is linear, because the order of accounts
// changes with each step, and at most RequestsQueuedMax wait.
type queue struct {
	accounts map[string]*account
	waiting  []*Task
	numbers  uint64
	picks    uint64
	floor    uint64 // the virtual time of whoever was served last
}

// add puts a new task in, or one that gave its pages back.
func (q *queue) add(t *Task) {
	if t.account == nil {
		q.numbers++
		t.number = q.numbers
		name := t.r.Account.Name()
		a := q.accounts[name]
		if a == nil {
			a = &account{name: name}
			q.accounts[name] = a
		}
		if a.active == 0 {
			a.had = max(a.had, q.floor)
		}
		a.active++
		t.account = a
	}
	q.waiting = append(q.waiting, t)
}

// leave forgets a task's share in its account. An account that nobody uses, and
// that is not ahead of the others, would begin at the floor again: it is
// forgotten. One that is ahead is remembered, so that ending a request and
// asking again gains nothing, as long as there are not too many of them.
func (q *queue) leave(t *Task) {
	a := t.account
	if a == nil {
		return
	}
	t.account = nil
	a.active--
	if a.active > 0 {
		return
	}
	if a.had <= q.floor || len(q.accounts) > accountsMax {
		delete(q.accounts, a.name)
	}
}

// spend adds to an account's virtual time.
func (q *queue) spend(t *Task, d time.Duration) {
	if t.account != nil {
		t.account.had += uint64(max(d, 1))
	}
}

// advance raises the floor to where the least served account stands and forgets
// accounts that nobody uses and that are no longer ahead.
func (q *queue) advance() {
	least, some := ^uint64(0), false
	for _, a := range q.accounts {
		if a.active > 0 {
			least, some = min(least, a.had), true
		}
	}
	if some {
		q.floor = max(q.floor, least)
	}
	for name, a := range q.accounts {
		if a.active == 0 && (a.had <= q.floor || !some) {
			delete(q.accounts, name)
		}
	}
}

// before is the order of who waits.
func before(t, u *Task) bool {
	switch {
	case t.r.Priority != u.r.Priority:
		return t.r.Priority > u.r.Priority
	case t.account.had != u.account.had:
		return t.account.had < u.account.had
	default:
		return t.number < u.number
	}
}

// next is whose turn it is: an index of waiting, and whether by age alone.
func (q *queue) next() (index int, aged bool) {
	best, oldest := 0, 0
	for i, t := range q.waiting {
		if before(t, q.waiting[best]) {
			best = i
		}
		if t.number < q.waiting[oldest].number {
			oldest = i
		}
	}
	if q.picks%agedShare == agedShare-1 {
		return oldest, oldest != best
	}
	return best, false
}

// pick takes a task out because its turn has come.
func (q *queue) pick(i int) *Task {
	q.picks++
	return q.drop(i)
}

// drop takes a task out.
func (q *queue) drop(i int) *Task {
	t := q.waiting[i]
	last := len(q.waiting) - 1
	q.waiting[i] = q.waiting[last]
	q.waiting[last] = nil
	q.waiting = q.waiting[:last]
	return t
}
