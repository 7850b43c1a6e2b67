package capability

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/mutant"
)

// Bundle is the capabilities on their way in one message. Whoever carries the
// message carries the bundle, and ends it exactly once: with [Tree.Install],
// [Tree.Cancel] or both halves of neither.
type Bundle struct {
	Nodes [abi.MessageHandleMax]uint32
	Count uint8
}

// Pack takes the capabilities of a message out of the sender's CSpace: copies
// are derived, moved ones leave their slots waiting. It is all or nothing. A
// copy carries the rights that the sender may pass on (and, should it come back
// to the sender, of those only what the sender may use), and no copies of its
// own when the sender's are limited.
//
// Every capability needs GRANT. StatusBadArgument for one named twice of which
// one is to be moved, StatusExhausted for copying one whose uses are limited:
// mint a share, or move it. Otherwise the statuses of [Tree.Derive].
func (t *Tree) Pack(from *Space, m *abi.Message) (Bundle, abi.Status) {
	b := Bundle{}
	if m.HandleCount == 0 {
		return b, abi.StatusOK
	}
	if movesTwice(m) {
		return b, abi.StatusBadArgument
	}
	t.lock()
	defer t.mu.Unlock()
	for i := range int(m.HandleCount) {
		n, status := t.packOne(from, m.Handles[i], m.Moves&(1<<i) != 0)
		if status != abi.StatusOK {
			t.unpack(&b)
			return Bundle{}, status
		}
		b.Nodes[i] = uint32(n)
		b.Count++
	}
	return b, abi.StatusOK
}

// movesTwice reports whether a handle that is to be moved is named again.
func movesTwice(m *abi.Message) bool {
	for i, h := range m.Handles[:m.HandleCount] {
		for j := range i {
			if m.Handles[j] == h && m.Moves&(1<<i|1<<j) != 0 {
				return true
			}
		}
	}
	return false
}

// packOne takes out one capability.
func (t *Tree) packOne(from *Space, h abi.Handle, move bool) (Node, abi.Status) { //nolint:revive // flag-parameter: the message's own bit
	r, status := from.find(h)
	if status != abi.StatusOK {
		return 0, status
	}
	if !r.Rights().Has(abi.RightGrant) && !mutant.On(mutant.GrantUnchecked) {
		return 0, abi.StatusRights
	}
	n := r.Node()
	d := &t.nodes[n]
	if move {
		d.state = nodeMoving
		e := &from.entries[d.slot]
		e.tag.Store(e.tag.Load()&^slotMask | slotTransit)
		return n, abi.StatusOK
	}
	child, status := t.lesser(n, plainCopy(d))
	if status != abi.StatusOK {
		return 0, status
	}
	return t.beget(n, &child, nodeCopying)
}

// plainCopy is how a message copies a capability.
func plainCopy(d *node) *abi.Mint {
	m := abi.Whole(d.pass)
	if d.copies != abi.Unlimited {
		m.Copies = 0
	}
	return &m
}

// Moves returns the bits of those in a bundle that were moved, not copied.
func (t *Tree) Moves(b *Bundle) (moves uint8) {
	if b.Count == 0 {
		return 0
	}
	t.lock()
	defer t.mu.Unlock()
	for i := range b.Count {
		if t.nodes[b.Nodes[i]].state == nodeMoving {
			moves |= 1 << i
		}
	}
	return moves
}

// Install puts the capabilities of a bundle into the receiver's CSpace and
// ends the bundle. It is all or nothing: when they do not fit, StatusPeerFull,
// and the bundle is as it was. One that was revoked on the way arrives as
// handle zero.
func (t *Tree) Install(b *Bundle, to *Space, handles *[abi.MessageHandleMax]abi.Handle) abi.Status {
	if b.Count == 0 {
		return abi.StatusOK
	}
	t.lock()
	defer t.mu.Unlock()
	if status := to.room(int(b.Count), nil); status != abi.StatusOK && !mutant.On(mutant.InstallPartial) {
		return status
	}
	for i := range int(b.Count) {
		handles[i] = 0
		if len(to.free) > 0 {
			handles[i] = t.installOne(Node(b.Nodes[i]), to)
		}
	}
	b.Count = 0
	return abi.StatusOK
}

func (t *Tree) installOne(n Node, to *Space) abi.Handle {
	d := &t.nodes[n]
	if !t.whole(n) {
		t.discard(n)
		return 0
	}
	if d.state == nodeMoving {
		if mutant.On(mutant.MoveKeepsSource) {
			e := &t.spaces[d.space].entries[d.slot]
			e.tag.Store(e.tag.Load()&^slotMask | slotLive)
		} else {
			t.spaces[d.space].clear(d.slot, slotFree)
		}
	}
	invariant.Always(d.state == nodeCopying || d.state == nodeMoving, "capability: installed what was not in transit")
	if d.state == nodeCopying && t.nodes[d.parent].space == to.index && !mutant.On(mutant.SelfSendAmplifies) {
		// Back at its sender, a copy is no way to use what may only be passed on.
		d.rights &= t.nodes[d.parent].rights
	}
	d.state = nodeHeld
	d.birth++
	return to.install(n)
}

// Cancel ends a bundle whose message was not delivered: copies are dropped and
// are not counted as such, and what was moved is back in its slot under its old
// handle.
func (t *Tree) Cancel(b *Bundle) {
	if b.Count == 0 {
		return
	}
	t.lock()
	defer t.mu.Unlock()
	t.unpack(b)
}

func (t *Tree) unpack(b *Bundle) {
	for i := range int(b.Count) {
		n := Node(b.Nodes[i])
		d := &t.nodes[n]
		if d.state == nodeCopying {
			t.refund(n)
		}
		if d.state != nodeMoving || !t.whole(n) || t.spaces[d.space].closed || mutant.On(mutant.CancelLosesMoved) {
			t.discard(n)
			continue
		}
		d.state = nodeHeld
		s := t.spaces[d.space]
		e := &s.entries[d.slot]
		s.fill(e, n)
		e.tag.Store(e.tag.Load()&^slotMask | slotLive)
	}
	b.Count = 0
}

// discard ends a capability in transit that has nowhere to go.
func (t *Tree) discard(n Node) {
	d := &t.nodes[n]
	if d.state != nodeLost {
		t.end(n, slotRevoked)
		return
	}
	if d.space != noSpace {
		t.spaces[d.space].clear(d.slot, slotRevoked)
	}
	t.free(n)
}

// Move takes the capability that h names out of from and puts it into to, as
// it is. It needs GRANT.
//
// StatusSelf within one CSpace, StatusPeerFull, StatusPeerDead.
func (t *Tree) Move(from *Space, h abi.Handle, to *Space) (abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	if from == to {
		return 0, abi.StatusSelf
	}
	r, status := from.find(h)
	if status != abi.StatusOK {
		return 0, status
	}
	if !r.Rights().Has(abi.RightGrant) && !mutant.On(mutant.GrantUnchecked) {
		return 0, abi.StatusRights
	}
	if status := to.room(1, from); status != abi.StatusOK {
		return 0, status
	}
	d := &t.nodes[r.Node()]
	if !mutant.On(mutant.MoveKeepsSource) {
		from.clear(d.slot, slotFree)
	}
	d.birth++
	return to.install(r.Node()), abi.StatusOK
}
