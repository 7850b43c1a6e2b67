package simulate

import "phios/abi"

// model is what the kernel should do.
type model struct {
	caps    []*capa
	tables  [][]*capa // by task: every capability that it ever had a handle of
	handles [][]abi.Handle
}

// capa is one capability, from its making to for ever.
type capa struct {
	up           *capa
	thing        *thing
	rights, pass abi.Rights
	badge        uint64
	uses, copies uint32
	task         int  // who has it, -1 on its way
	dead         bool // itself; it is gone too when one above is
	kept         bool // the tests never delete or move it
}

// thing is an object: an endpoint with a queue, a region with bytes, a budget
// with amounts, or a task that can be given to.
type thing struct {
	typ      abi.ObjectType
	capacity int
	queue    []letter
	bytes    []byte
	parent   *thing // of a budget
	memory   uint64
	tokens   uint64
	task     int
}

// letter is a message in a queue.
type letter struct {
	badge, word uint64
	gift        *capa
	back        abi.Handle
	from        int
}

// outcome is what the model allows: one of some statuses.
type outcome uint64

func only(list ...abi.Status) (o outcome) {
	for _, s := range list {
		o |= 1 << s
	}
	return o
}

func (o outcome) allows(s abi.Status) bool { return o&(1<<s) != 0 }

const (
	fine  outcome = 1 << abi.StatusOK
	gone  outcome = 1<<abi.StatusBadHandle | 1<<abi.StatusRevoked
	short outcome = 1 << abi.StatusRights
)

// live reports whether nothing on the way up was taken away.
func (c *capa) live() bool {
	for ; c != nil; c = c.up {
		if c.dead {
			return false
		}
	}
	return true
}

// reach checks what every call checks: the capability is task's and live, has
// the rights, is to the right type, and has a use left when it is used.
func (m *model) reach(task int, c *capa, need abi.Rights, typ abi.ObjectType) outcome {
	switch {
	case c == nil || c.task != task || !c.live():
		return gone
	case !c.rights.Has(need):
		return short
	case typ != abi.ObjectNone && c.thing.typ != typ:
		return only(abi.StatusType)
	case need.Has(abi.RightInvoke) && c.uses == 0:
		return only(abi.StatusExhausted)
	}
	return fine
}

// used counts a use of a call that succeeded.
func (c *capa) used() {
	if c.uses != abi.Unlimited {
		c.uses--
	}
}

// add puts a capability into a task's table under the handle that it got.
func (m *model) add(task int, c *capa, h abi.Handle) {
	c.task = task
	m.caps = append(m.caps, c)
	m.tables[task] = append(m.tables[task], c)
	m.handles[task] = append(m.handles[task], h)
}

// mintable says whether c can give what mint asks for.
func (c *capa) mintable(mint *abi.Mint) outcome {
	switch {
	case !c.pass.Has(mint.Rights | mint.Pass), mint.Badge != 0 && c.badge != 0 && c.badge != mint.Badge:
		return short
	case c.uses != abi.Unlimited && mint.Uses > c.uses:
		return only(abi.StatusExhausted)
	case c.copies != abi.Unlimited && mint.Copies >= c.copies:
		return only(abi.StatusCopies)
	case c.depth() >= 32:
		return only(abi.StatusDepth)
	}
	return fine
}

func (c *capa) depth() (n int) {
	for ; c.up != nil; c = c.up {
		n++
	}
	return n
}

// child makes the lesser capability, and takes its share from c.
func (c *capa) child(mint *abi.Mint) *capa {
	d := &capa{up: c, thing: c.thing, rights: mint.Rights, pass: mint.Pass, badge: c.badge, uses: mint.Uses, copies: mint.Copies, task: -1}
	if mint.Badge != 0 {
		d.badge = mint.Badge
	}
	if c.uses != abi.Unlimited {
		c.uses -= mint.Uses
	}
	if c.copies != abi.Unlimited {
		c.copies -= mint.Copies + 1
	}
	return d
}

// plain is how a message copies.
func (c *capa) plain() *abi.Mint {
	mint := abi.Whole(c.pass)
	if c.copies != abi.Unlimited {
		mint.Copies = 0
	}
	return &mint
}

// arrives is what a copy becomes in the table of a task: back at its sender it
// allows only what the sender could do.
func (c *capa) arrives(task int) {
	if c.up != nil && c.up.task == task {
		c.rights &= c.up.rights
	}
}

// packable says whether c can go along with a message of its holder.
func (m *model) packable(task int, c *capa, moved bool) outcome { //nolint:revive // flag-parameter: the message's own bit
	if o := m.reach(task, c, abi.RightGrant, abi.ObjectNone); o != fine || moved {
		return o
	}
	return c.mintable(c.plain())
}

// revoke kills everything below c.
func (m *model) revoke(c *capa) {
	for _, d := range m.caps {
		if d.up == c {
			d.dead = true
		}
	}
	// What travels is not in anybody's table, and so not among caps.
	for _, t := range m.things() {
		for _, l := range t.queue {
			if l.gift != nil && l.gift.up == c {
				l.gift.dead = true
			}
		}
	}
}

func (m *model) things() (list []*thing) {
	seen := map[*thing]bool{}
	for _, c := range m.caps {
		if !seen[c.thing] {
			seen[c.thing] = true
			list = append(list, c.thing)
		}
	}
	return list
}

// send says whether a message can be left, and leaves it.
func (m *model) send(task int, e *capa, word uint64, gift *capa, back abi.Handle, moved bool) (outcome, func()) { //nolint:revive // argument-limit: a message
	if o := m.reach(task, e, abi.RightInvoke|abi.RightSend, abi.ObjectEndpoint); o != fine {
		return o, nil
	}
	if back != 0 {
		if o := m.packable(task, gift, moved); o != fine {
			return o, nil
		}
	}
	if len(e.thing.queue) >= e.thing.capacity {
		return only(abi.StatusMailboxFull), nil
	}
	return fine, func() {
		e.used()
		l := letter{badge: e.badge, word: word, from: task}
		switch {
		case back == 0:
		case moved:
			l.gift, l.back, gift.task = gift, back, -1
		default:
			l.gift = gift.child(gift.plain())
		}
		e.thing.queue = append(e.thing.queue, l)
	}
}

// carve says whether a budget covers another.
func (m *model) carve(task int, b *capa, memory, tokens uint64) outcome {
	if o := m.reach(task, b, abi.RightInvoke|abi.RightManage, abi.ObjectBudget); o != fine {
		return o
	}
	if b.thing.memory < memory+objectBytes || b.thing.tokens < tokens {
		return only(abi.StatusBudget)
	}
	return fine
}

// objectBytes is what every object takes besides its contents; the figure is
// in the gate's doc of what things cost.
const objectBytes = 512
