package capability

import (
	"slices"

	"phios/abi"
	kernel "phios/kernel/capability"
)

// do does one step on the tree and on the reference.
func (w *treeWorld) do(s step) (abi.Status, string) {
	var status abi.Status
	var broken string
	switch s.kind {
	case opReclaim:
		if _, more := w.tree.Reclaim(int(s.a)); !more {
			w.ref.pending = false
		}
	case opTick:
		w.ref.now++
	case opInstall:
		status, broken = w.install(int(s.a), int(s.c))
	case opCancel:
		w.cancel(&w.messages[s.a])
	case opClose:
		w.close(int(s.a))
	case opMint, opGrant, opMove, opSeal, opUnseal:
		status, broken = w.make(s)
	case opPackCopy, opPackMove:
		status, broken = w.pack(s)
	default:
		status, broken = w.simple(s)
	}
	if broken == "" {
		broken = w.tree.Check()
		if broken != "" {
			broken = "tree well-formed: " + broken
		}
	}
	return status, broken
}

// simple does what makes nothing.
func (w *treeWorld) simple(s step) (abi.Status, string) {
	t := w.issued[s.a]
	c := w.ref.find(t.task, t.handle)
	space := w.spaces[t.task]
	var v verdict
	if c < 0 {
		v.must |= gone
	}
	var status abi.Status
	switch s.kind {
	case opDelete:
		if status = w.tree.Delete(space, t.handle); status == abi.StatusOK && c >= 0 {
			w.ref.end(c)
		}
	case opRevoke:
		if c >= 0 {
			v.unless(w.ref.caps[c].rights.Has(abi.RightRevoke), abi.StatusRights)
		}
		if status = w.tree.Revoke(space, t.handle); status == abi.StatusOK && c >= 0 {
			w.ref.revoke(c)
		}
	case opLookup:
		_, status = space.Lookup(t.handle, 0)
	case opUse:
		status = w.use(&v, c, t)
	}
	return status, v.judge(status)
}

// use exercises a capability, which costs one use of it.
func (w *treeWorld) use(v *verdict, c int, t ticket) abi.Status {
	_, status := w.tree.Use(w.spaces[t.task], t.handle, w.ref.now)
	if c < 0 {
		return status
	}
	d := &w.ref.caps[c]
	v.unless(d.seal == 0, abi.StatusSealed)
	v.unless(d.expires == 0 || w.ref.now < d.expires, abi.StatusExpired)
	v.unless(d.uses > 0, abi.StatusExhausted)
	if status == abi.StatusOK && d.uses != abi.Unlimited {
		d.uses--
	}
	return status
}

// make does what puts a capability into somebody's hands.
func (w *treeWorld) make(s step) (abi.Status, string) {
	t := w.issued[s.a]
	c := w.ref.find(t.task, t.handle)
	from, to := w.spaces[t.task], t.task
	var v verdict
	var child refCap
	var h abi.Handle
	var status abi.Status
	switch s.kind {
	case opMint:
		child = w.ref.derive(&v, c, &w.alphabet.mints[s.b], abi.RightDerive)
		w.ref.room(&v, to, 1, abi.StatusTableFull)
		h, status = w.tree.Derive(from, t.handle, &w.alphabet.mints[s.b], from, nil)
	case opGrant:
		to = int(s.c)
		child = w.ref.derive(&v, c, &w.alphabet.grants[s.b], abi.RightGrant)
		w.ref.room(&v, to, 1, abi.StatusPeerFull)
		h, status = w.tree.Derive(from, t.handle, &w.alphabet.grants[s.b], w.spaces[to], nil)
	case opMove:
		to = int(s.c)
		return w.move(c, t, to)
	case opSeal, opUnseal:
		child = w.reseal(&v, c, s.kind)
		w.ref.room(&v, to, 1, abi.StatusTableFull)
		change := w.tree.Seal
		if s.kind == opUnseal {
			change = w.tree.Unseal
		}
		h, status = change(from, t.handle, w.sealer)
	}
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	w.ref.born(child, to, h)
	return status, w.issue(to, h)
}

func (w *treeWorld) move(c int, t ticket, to int) (abi.Status, string) {
	var v verdict
	if c < 0 {
		v.must |= gone
	} else {
		v.unless(w.ref.caps[c].rights.Has(abi.RightGrant), abi.StatusRights)
	}
	w.ref.room(&v, to, 1, abi.StatusPeerFull)
	h, status := w.tree.Move(w.spaces[t.task], t.handle, w.spaces[to])
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	w.ref.place(c, to, h)
	return status, w.issue(to, h)
}

// reseal judges sealing and unsealing: a child that has all that its parent
// has, and all the parent's uses.
func (w *treeWorld) reseal(v *verdict, c int, kind uint8) refCap {
	if c < 0 {
		v.must |= gone
		return refCap{}
	}
	p := &w.ref.caps[c]
	m := abi.Mint{Rights: p.rights & p.pass, Pass: p.pass, Ceiling: abi.LabelTop(), Uses: p.uses, Copies: p.copies}
	if p.copies != abi.Unlimited {
		m.Copies = max(p.copies, 1) - 1
	}
	if kind == opUnseal {
		v.unless(p.seal == w.sealer.ID(), abi.StatusSealed)
		child := w.ref.derive(v, c, &m, 0)
		child.seal = 0
		return child
	}
	child := w.ref.derive(v, c, &m, abi.RightDerive)
	child.seal = w.sealer.ID()
	return child
}

// issue notes a handle that was given out.
func (w *treeWorld) issue(task int, h abi.Handle) string {
	t := ticket{task, h}
	if slices.Contains(w.issued, t) {
		return "no resurrection: a handle was given out twice"
	}
	w.issued = append(w.issued, t)
	return ""
}

// pack puts capabilities into a message.
func (w *treeWorld) pack(s step) (abi.Status, string) {
	t := w.issued[s.a]
	m := abi.Message{HandleCount: 1}
	m.Handles[0] = t.handle
	if s.kind == opPackMove {
		m.Moves = 1
	}
	if s.b > 0 {
		m.HandleCount, m.Handles[1] = 2, abi.MakeHandle(0, abi.GenerationMax)
		if s.b != forged {
			m.Handles[1], m.Moves = w.issued[s.b-1].handle, m.Moves|2
		}
	}
	var v verdict
	p := parcel{from: t.task}
	var made []refCap
	for i := range int(m.HandleCount) {
		c := w.ref.find(t.task, m.Handles[i])
		moved := m.Moves&(1<<i) != 0
		if !moved {
			share := abi.Whole(0)
			if c >= 0 {
				share = abi.Whole(w.ref.caps[c].pass)
				if w.ref.caps[c].copies != abi.Unlimited {
					share.Copies = 0
				}
			}
			made = append(made, w.ref.derive(&v, c, &share, abi.RightGrant))
		} else if c < 0 {
			v.must |= gone
		} else {
			v.unless(w.ref.caps[c].rights.Has(abi.RightGrant), abi.StatusRights)
		}
		p.caps, p.moved = append(p.caps, c), append(p.moved, moved)
	}
	var status abi.Status
	p.bundle, status = w.tree.Pack(w.spaces[t.task], &m)
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	for i, moved := range p.moved {
		if moved {
			w.ref.caps[p.caps[i]].moving = true
			continue
		}
		p.caps[i], made = w.ref.born(made[0], 0, 0), made[1:]
	}
	w.messages = append(w.messages, p)
	return status, ""
}

// install delivers a message.
func (w *treeWorld) install(i, to int) (abi.Status, string) {
	p := &w.messages[i]
	var v verdict
	alive := 0
	for _, c := range p.caps {
		if w.ref.live(c) {
			alive++
		}
	}
	w.ref.room(&v, to, alive, abi.StatusPeerFull)
	if sure, _ := w.ref.free(to); sure < len(p.caps) {
		v.may |= bit(abi.StatusPeerFull)
	}
	var handles [abi.MessageHandleMax]abi.Handle
	status := w.tree.Install(&p.bundle, w.spaces[to], &handles)
	if broken := v.judge(status); broken != "" || status != abi.StatusOK {
		return status, broken
	}
	p.over = true
	for k, c := range p.caps {
		live := w.ref.live(c)
		if (handles[k] != 0) != live {
			return status, "transfer atomicity: a message brought a dead capability, or not a live one"
		}
		if !live {
			w.ref.caps[c].deleted, w.ref.caps[c].moving = true, false
			continue
		}
		w.ref.place(c, to, handles[k])
		if broken := w.issue(to, handles[k]); broken != "" {
			return status, broken
		}
	}
	return status, ""
}

// cancel takes a message back.
func (w *treeWorld) cancel(p *parcel) {
	w.tree.Cancel(&p.bundle)
	p.over = true
	for k, c := range p.caps {
		d := &w.ref.caps[c]
		live := w.ref.live(c)
		if p.moved[k] && live && !w.ref.closed[p.from] {
			d.moving = false
			continue
		}
		d.moving = false
		if live && !p.moved[k] {
			if up := &w.ref.caps[d.parent]; up.copies != abi.Unlimited {
				up.copies += d.copies + 1 // it was never made
			}
		}
		w.ref.end(c)
	}
}

// close ends a task's CSpace and clears it away. What the task was giving away
// ends with it: it was the task's until it arrived.
func (w *treeWorld) close(task int) {
	w.tree.Close(w.spaces[task])
	for done := 1; done > 0; {
		done, w.ref.pending = w.tree.Reclaim(1)
	}
	for c := range w.ref.caps {
		if d := &w.ref.caps[c]; d.task == task && w.ref.live(c) {
			w.ref.end(c)
		}
	}
	w.ref.closed[task] = true
}

// check tries every handle ever issued from every task.
func (w *treeWorld) check() string {
	for task, space := range w.spaces {
		for _, t := range w.issued {
			if broken := w.try(space, task, t.handle); broken != "" {
				return broken
			}
		}
		if _, status := space.Lookup(abi.MakeHandle(0, abi.GenerationMax), 0); status == abi.StatusOK {
			return "no resurrection: a forged handle was accepted"
		}
	}
	return ""
}

// try looks one handle up, twice, for the first may fill a cache.
func (w *treeWorld) try(space *kernel.Space, task int, h abi.Handle) string {
	c := w.ref.find(task, h)
	for range 2 {
		r, status := space.Lookup(h, 0)
		if w.ref.closed[task] {
			return "" // whoever has no task asks nothing
		}
		if (status == abi.StatusOK) != (c >= 0) {
			if c < 0 {
				return "no resurrection: a dead handle was accepted"
			}
			return "answers: a live handle was refused (" + status.Name() + ")"
		}
		if c < 0 {
			continue
		}
		if broken := w.compare(&w.ref.caps[c], &r, space, h); broken != "" {
			return broken
		}
	}
	return ""
}

// compare looks at everything that a capability carries.
func (w *treeWorld) compare(d *refCap, r *kernel.Ref, space *kernel.Space, h abi.Handle) string {
	_, terms, status := w.tree.Inspect(space, h)
	_, over := space.Lookup(h, abi.RightsAll&^d.rights)
	limited := d.expires != 0 || d.uses != abi.Unlimited || d.seal != 0 || d.bytes != 0 || d.ceiling != abi.LabelTop()
	switch {
	case status != abi.StatusOK:
		return "answers: a live handle was refused (" + status.Name() + ")"
	case r.Object != w.object:
		return "answers: a handle names another object"
	case r.Rights() != d.rights || r.Pass() != d.pass, over == abi.StatusOK:
		return "monotone rights: a capability has other rights than it was given"
	case r.Badge != d.badge:
		return "badge immutable: a capability has another badge than it was given"
	case r.Marked() != limited:
		return "answers: the gate is not told to look at a capability's terms"
	case !w.tree.Alive(r.Key()):
		return "answers: the key of a live capability is dead"
	}
	return sameTerms(d, &terms)
}

// sameTerms compares what a capability carries beyond rights and a badge.
func sameTerms(d *refCap, terms *kernel.Terms) string {
	switch {
	case terms.Uses != d.uses:
		return "conservation: uses were created or lost"
	case terms.Copies != d.copies:
		return "conservation: copies were created or lost"
	case terms.Ceiling != d.ceiling:
		return "label monotonicity: a ceiling is not what was given"
	case terms.Expires != d.expires, terms.Window != kernel.Bounds{Base: d.base, Length: d.bytes}, terms.Seal != d.seal:
		return "answers: a capability carries other terms than it was given"
	}
	return ""
}
