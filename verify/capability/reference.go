package capability

import (
	"strings"

	"phios/abi"
)

// The reference says what a capability system must do, as plainly as possible
// and from the documents alone: numbers are never used again, a parent is a
// number in an array, and whether something is live is asked by going up. It
// knows no slots' generations, no epochs and no reclamation.
type reference struct {
	limits  limits
	caps    []refCap
	closed  []bool // by task
	pending bool   // something dead may not be cleared away yet
	now     int64
}

// limits are the sizes of a world.
type limits struct {
	tasks       int
	slots       int    // of each task
	nodes       int    // capabilities alive or on their way
	generations uint64 // of a slot
}

// refCap is one capability, for ever.
type refCap struct {
	parent  int // -1 for an original
	task    int // -1 on its way, made for the message
	handle  abi.Handle
	moving  bool // on its way; comes back to task and handle unless it arrives
	dead    bool
	deleted bool // dead, and its slot known to be empty
	issued  []ticket
	rights  abi.Rights
	pass    abi.Rights
	badge   uint64
	ceiling abi.Label
	expires int64
	uses    uint32
	copies  uint32
	base    uint64
	bytes   uint64
	seal    uint64
	object  uint64
}

// ticket is a handle that was given out once.
type ticket struct {
	task   int
	handle abi.Handle
}

// verdict is what the reference allows: without must, StatusOK; with it, one
// of those. Statuses in may are allowed at any rate.
type verdict struct{ must, may uint64 }

func bit(s abi.Status) uint64 { return 1 << s }

// gone are the two ways to say that a handle means nothing.
const gone = uint64(1)<<abi.StatusBadHandle | uint64(1)<<abi.StatusRevoked

func (v *verdict) unless(held bool, s abi.Status) { //nolint:revive // flag-parameter: a condition
	if !held {
		v.must |= bit(s)
	}
}

// judge compares a real status: "" when it is allowed.
func (v *verdict) judge(s abi.Status) string {
	if s == abi.StatusOK {
		if v.must == 0 {
			return ""
		}
		if v.must&gone != 0 {
			return "no effect after revoke: a dead handle was accepted"
		}
		return "answers: a call succeeded that must be refused (" + names(v.must) + ")"
	}
	if bit(s)&(v.must|v.may) != 0 {
		return ""
	}
	if v.must == 0 {
		return "answers: a call was refused (" + s.Name() + ") that must succeed"
	}
	return "answers: refused with " + s.Name() + ", not " + names(v.must)
}

func names(set uint64) string {
	var text strings.Builder
	for s := range abi.Status(abi.StatusCount) {
		if set&bit(s) != 0 {
			text.WriteString(" " + s.Name())
		}
	}
	return text.String()[min(1, len(text.String())):]
}

// live reports whether c and everything above it is.
func (r *reference) live(c int) bool {
	for ; c >= 0; c = r.caps[c].parent {
		if r.caps[c].dead {
			return false
		}
	}
	return true
}

// find returns what the handle names in the task's hands, -1 for nothing.
func (r *reference) find(task int, h abi.Handle) int {
	for c := range r.caps {
		d := &r.caps[c]
		if d.task == task && d.handle == h && !d.moving && r.live(c) && !r.closed[task] {
			return c
		}
	}
	return -1
}

// below reports whether c comes from top, and is not top itself.
func (r *reference) below(c, top int) bool {
	for c = r.caps[c].parent; c >= 0; c = r.caps[c].parent {
		if c == top {
			return true
		}
	}
	return false
}

// free returns how many slots of a task are surely free, and how many can be.
func (r *reference) free(task int) (sure, possible int) {
	if r.closed[task] {
		return 0, 0
	}
	taken, used, last := 0, map[uint32]bool{}, map[uint32]uint64{}
	dead := 0
	for c := range r.caps {
		d := &r.caps[c]
		for _, t := range d.issued {
			if t.task == task {
				last[t.handle.Index()] = max(last[t.handle.Index()], t.handle.Generation())
			}
		}
		if d.task != task || d.deleted {
			continue
		}
		if r.live(c) {
			used[d.handle.Index()] = true
		} else if r.pending || d.moving {
			dead++
		}
	}
	for i := range uint32(r.limits.slots) {
		if used[i] || last[i] >= r.limits.generations {
			taken++
		}
	}
	possible = r.limits.slots - taken
	return max(0, possible-dead), possible
}

// room judges whether n more fit, and whether the tree has a node for each of
// nodes.
func (r *reference) room(v *verdict, task, n int, full abi.Status) {
	sure, possible := r.free(task)
	if r.closed[task] {
		v.must |= bit(abi.StatusPeerDead) | bit(full)
		return
	}
	v.unless(possible >= n, full)
	if sure < n {
		v.may |= bit(full)
	}
}

func (r *reference) nodes(v *verdict, n int) {
	alive, lost := 0, false
	for c := range r.caps {
		d := &r.caps[c]
		if r.live(c) {
			alive++
		} else if d.moving || d.task < 0 {
			lost = true
		}
	}
	v.unless(alive+n <= r.limits.nodes, abi.StatusLimit)
	if lost {
		v.may |= bit(abi.StatusLimit)
	}
}

// derive judges a derivation from c by the holder, and returns the child.
// GRANT is wanted for another's CSpace, DERIVE for one's own.
func (r *reference) derive(v *verdict, c int, m *abi.Mint, need abi.Rights) refCap {
	if c < 0 {
		v.must |= gone
		return refCap{}
	}
	p := &r.caps[c]
	v.unless(p.rights.Has(need), abi.StatusRights)
	v.unless(p.pass.Has(m.Rights|m.Pass), abi.StatusRights)
	v.unless(need != abi.RightDerive || p.rights.Has(m.Rights), abi.StatusRights)
	v.unless(p.seal == 0 || need != abi.RightDerive, abi.StatusSealed)
	v.unless(p.badge == 0 || m.Badge == 0 || m.Badge == p.badge, abi.StatusRights)
	v.unless(p.expires == 0 || m.Expires <= p.expires, abi.StatusRights)
	v.unless(p.uses == abi.Unlimited || m.Uses <= p.uses, abi.StatusExhausted)
	v.unless(p.copies == abi.Unlimited || m.Copies < p.copies, abi.StatusCopies)
	v.unless(m.Bytes == 0 || p.bytes == 0 || m.Base >= p.base && m.Base+m.Bytes <= p.base+p.bytes, abi.StatusRange)
	child := *p
	child.parent, child.issued, child.handle = c, nil, 0
	child.rights, child.pass, child.uses, child.copies = m.Rights, m.Pass, m.Uses, m.Copies
	child.ceiling = abi.Label{Sources: p.ceiling.Sources & m.Ceiling.Sources, Readers: p.ceiling.Readers | m.Ceiling.Readers}
	if m.Badge != 0 {
		child.badge = m.Badge
	}
	if m.Expires != 0 {
		child.expires = m.Expires
	}
	if m.Bytes != 0 {
		child.base, child.bytes = m.Base, m.Bytes
	}
	r.nodes(v, 1)
	return child
}

// born adds a child that derive made, and takes its share.
func (r *reference) born(child refCap, task int, h abi.Handle) int {
	if p := &r.caps[child.parent]; p.uses != abi.Unlimited {
		p.uses -= child.uses
	}
	if p := &r.caps[child.parent]; p.copies != abi.Unlimited {
		p.copies -= child.copies + 1
	}
	r.caps = append(r.caps, child)
	c := len(r.caps) - 1
	if h != 0 {
		r.place(c, task, h)
	} else {
		r.caps[c].task = -1
	}
	return c
}

// place puts a capability into a task's hands.
func (r *reference) place(c, task int, h abi.Handle) {
	d := &r.caps[c]
	if d.task < 0 && !d.moving && r.caps[d.parent].task == task {
		d.rights &= r.caps[d.parent].rights // a copy that came back to its sender
	}
	d.task, d.handle, d.moving = task, h, false
	d.issued = append(d.issued, ticket{task, h})
}

// revoke ends everything below c.
func (r *reference) revoke(c int) {
	for x := range r.caps {
		if r.below(x, c) {
			r.caps[x].dead = true
		}
	}
	r.pending = true
}

// end ends c and everything below it.
func (r *reference) end(c int) {
	r.revoke(c)
	r.caps[c].dead, r.caps[c].deleted = true, true
}
