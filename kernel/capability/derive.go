package capability

import (
	"phios/abi"
	"phios/internal/mutant"
)

// Derive makes a lesser capability from the one that h names in from, and puts
// it in to: the minter's own CSpace, which takes DERIVE, or another's, which
// takes GRANT. payer, which may be nil, is the budget that m.Payer named; it
// pays for what is done through the new capability.
//
// Everything is checked before anything changes:
//
//   - StatusBadHandle, StatusRevoked: of h itself
//   - StatusRights: DERIVE or GRANT is missing, or m asks for rights, time, or
//     a badge that the parent cannot give
//   - StatusSealed: the parent is sealed
//   - StatusExhausted, StatusCopies: uses or copies are over the parent's
//   - StatusRange, StatusBadArgument: the window is not within the parent's
//   - StatusDepth: the chain would be longer than DepthMax
//   - StatusTableFull or, in another's CSpace, StatusPeerFull
//   - StatusLimit: the tree is full; reclaim first
func (t *Tree) Derive(from *Space, h abi.Handle, m *abi.Mint, to *Space, payer *Ref) (abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	parent, child, status := t.derivable(from, h, m, to)
	if status != abi.StatusOK {
		return 0, status
	}
	if payer != nil {
		if !t.alive(payer.key) {
			return 0, abi.StatusRevoked // since it was looked up
		}
		child.payer, child.payerKey = payer.Object.index, payer.key
	}
	n, status := t.beget(parent, &child, nodeHeld)
	if status != abi.StatusOK {
		return 0, status
	}
	return to.install(n), abi.StatusOK
}

// parentFor finds what h names and checks that it may be derived from into to.
func (t *Tree) parentFor(from *Space, h abi.Handle, to *Space) (Node, abi.Status) {
	r, status := from.find(h)
	if status != abi.StatusOK {
		return 0, status
	}
	need := abi.RightDerive
	if to != from {
		need = abi.RightGrant
	}
	if !r.Rights().Has(need) && !mutant.On(mutant.DeriveUnchecked) {
		return 0, abi.StatusRights
	}
	if t.nodes[r.Node()].seal != 0 && to == from && !mutant.On(mutant.SealIgnored) {
		return 0, abi.StatusSealed
	}
	return r.Node(), abi.StatusOK
}

// room reports whether n more capabilities fit: StatusTableFull or StatusPeerFull.
func (s *Space) room(n int, asker *Space) abi.Status {
	switch {
	case !s.closed && len(s.free) >= n:
		return abi.StatusOK
	case s == asker:
		return abi.StatusTableFull
	case s.closed:
		return abi.StatusPeerDead
	default:
		return abi.StatusPeerFull
	}
}

// lesser computes what the child of p will be, changing nothing.
func (t *Tree) lesser(p Node, m *abi.Mint) (node, abi.Status) {
	up := &t.nodes[p]
	if !mutant.On(mutant.RightsAmplified) && !up.pass.Has(m.Rights) {
		return node{}, abi.StatusRights
	}
	if !mutant.On(mutant.PassAmplified) && !up.pass.Has(m.Pass) {
		return node{}, abi.StatusRights
	}
	d := node{object: up.object, rights: m.Rights, pass: m.Pass, badge: up.badge, seal: up.seal, payer: up.payer, payerKey: up.payerKey}
	if m.Badge != 0 {
		if up.badge != 0 && up.badge != m.Badge && !mutant.On(mutant.BadgeOverwritten) {
			return node{}, abi.StatusRights
		}
		d.badge = m.Badge
	}
	d.ceiling = up.ceiling.Meet(m.Ceiling)
	if mutant.On(mutant.CeilingWidened) {
		d.ceiling = up.ceiling.Join(m.Ceiling)
	}
	var status abi.Status
	if d.window, status = up.window.Narrow(Bounds{Base: m.Base, Length: m.Bytes}); status != abi.StatusOK {
		if !mutant.On(mutant.WindowWidened) {
			return node{}, status
		}
		d.window = Bounds{Base: m.Base, Length: m.Bytes}
	}
	if up.depth >= DepthMax {
		return node{}, abi.StatusDepth
	}
	return d, up.limited(&d, m)
}

// limited computes the child's share of what the parent has a limited amount
// of: time, uses, copies.
func (d *node) limited(child *node, m *abi.Mint) abi.Status {
	child.expires = d.expires
	if m.Expires != 0 {
		if d.expires != 0 && m.Expires > d.expires && !mutant.On(mutant.ExpiryExtended) {
			return abi.StatusRights
		}
		child.expires = m.Expires
	}
	child.uses, child.copies = m.Uses, m.Copies
	if d.uses != abi.Unlimited && m.Uses > d.uses && !mutant.On(mutant.UsesCreated) {
		return abi.StatusExhausted
	}
	if d.copies != abi.Unlimited && m.Copies >= d.copies && !mutant.On(mutant.CopiesIgnored) {
		return abi.StatusCopies
	}
	return abi.StatusOK
}

// beget takes a node, makes it the child of p that d describes, and takes the
// child's share from p. It fails only with StatusLimit, and then nothing has
// changed.
func (t *Tree) beget(p Node, d *node, state nodeState) (Node, abi.Status) {
	n, ok := t.take()
	if !ok {
		return 0, abi.StatusLimit
	}
	epoch, birth := t.nodes[n].epoch, t.nodes[n].birth
	t.nodes[n] = *d
	t.nodes[n].epoch, t.nodes[n].birth, t.nodes[n].state = epoch, birth, state
	t.link(n, p)
	t.count(&t.nodes[n])
	up := &t.nodes[p]
	if up.uses != abi.Unlimited && !mutant.On(mutant.UsesCreated) {
		up.uses -= d.uses
	}
	if up.copies != abi.Unlimited && !mutant.On(mutant.CopiesIgnored) {
		up.copies -= d.copies + 1
	}
	return n, abi.StatusOK
}

// Undo takes back what [Tree.Derive], Seal or Unseal has just made, for a call
// that failed afterwards: unlike by [Tree.Delete], the share that was taken
// from the parent is the parent's again.
func (t *Tree) Undo(s *Space, h abi.Handle) {
	r, status := t.findQuiet(s, h)
	defer t.mu.Unlock()
	if status != abi.StatusOK {
		return
	}
	t.refund(r.Node())
	if t.kill(r.Node(), slotFree) {
		t.drain(r.Object)
	}
}

// Spend is Undo for the capability of an object that lives by it, made with
// [Tree.Issue]. It reports whether the object went with it, and then no event
// tells of that; otherwise one will, when its last reference goes.
func (t *Tree) Spend(s *Space, h abi.Handle) bool {
	r, status := t.findQuiet(s, h)
	defer t.mu.Unlock()
	if status != abi.StatusOK {
		return false
	}
	o := r.Object
	t.refund(r.Node())
	if t.kill(r.Node(), slotFree) {
		t.drain(o)
	}
	if o.refs != 0 || o.cut || t.events != o {
		return false
	}
	t.events, o.next, o.queued = o.next, nil, false
	t.forget(o)
	return true
}

// refund gives the share of a node that is about to go back to its parent.
func (t *Tree) refund(n Node) {
	d := &t.nodes[n]
	if d.parent == 0 || t.buried(n) {
		return
	}
	up := &t.nodes[d.parent]
	if up.uses != abi.Unlimited {
		up.uses += d.uses
	}
	if up.copies != abi.Unlimited {
		up.copies += d.copies + 1
	}
}

// Derivable reports what [Tree.Derive] would say now, and changes nothing.
func (t *Tree) Derivable(from *Space, h abi.Handle, m *abi.Mint, to *Space) abi.Status {
	t.lock()
	defer t.mu.Unlock()
	_, _, status := t.derivable(from, h, m, to)
	return status
}

// derivable finds the parent and computes the child of a derivation.
func (t *Tree) derivable(from *Space, h abi.Handle, m *abi.Mint, to *Space) (Node, node, abi.Status) {
	parent, status := t.parentFor(from, h, to)
	if status != abi.StatusOK {
		return 0, node{}, status
	}
	if to == from && !t.nodes[parent].rights.Has(m.Rights) && !mutant.On(mutant.MintAmplifies) {
		return 0, node{}, abi.StatusRights // what one may only pass on, one cannot mint for oneself
	}
	child, status := t.lesser(parent, m)
	if status != abi.StatusOK {
		return 0, node{}, status
	}
	return parent, child, to.room(1, from)
}

// Use charges one use of the capability that h names, and says what it carries
// beyond rights. The gate calls it for entries that are [Ref.Marked].
//
// StatusExpired at or after the time of expiry, StatusExhausted without a use
// left, StatusSealed for a sealed capability; then nothing was charged.
func (t *Tree) Use(s *Space, h abi.Handle, now int64) (Terms, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return Terms{}, status
	}
	d := &t.nodes[r.Node()]
	switch {
	case d.seal != 0 && !mutant.On(mutant.SealIgnored):
		return Terms{}, abi.StatusSealed
	case d.expires != 0 && now >= d.expires && !mutant.On(mutant.ExpiryIgnored):
		return Terms{}, abi.StatusExpired
	case d.uses == 0:
		return Terms{}, abi.StatusExhausted
	case d.payer != 0 && !t.alive(d.payerKey):
		return Terms{}, abi.StatusRevoked // whoever was to pay for it may not any more
	}
	if d.uses != abi.Unlimited && !mutant.On(mutant.UseNotCharged) {
		d.uses--
	}
	return t.terms(d), abi.StatusOK
}

// Unuse gives back the use that [Tree.Use] charged, for a call that then
// failed: a failed call changes nothing.
func (t *Tree) Unuse(s *Space, h abi.Handle) {
	t.lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return
	}
	if d := &t.nodes[r.Node()]; d.uses != abi.Unlimited {
		d.uses++
	}
}

// Terms are what a capability carries beyond rights and badge.
type Terms struct {
	Ceiling abi.Label
	Window  Bounds
	Expires int64
	Uses    uint32
	Copies  uint32
	Depth   uint8
	Seal    uint64
	Payer   *Object // nil when the caller pays
}

func (t *Tree) terms(d *node) Terms {
	terms := Terms{
		Ceiling: d.ceiling, Window: d.window, Expires: d.expires, Uses: d.uses,
		Copies: d.copies, Depth: d.depth, Seal: d.seal,
	}
	if d.payer != 0 {
		terms.Payer = t.objects[d.payer]
	}
	return terms
}

// Inspect says what h names and what it carries, charging nothing.
func (t *Tree) Inspect(s *Space, h abi.Handle) (Ref, Terms, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return Ref{}, Terms{}, status
	}
	return r, t.terms(&t.nodes[r.Node()]), abi.StatusOK
}

// Seal derives from h a capability that is sealed with the object sealer, and
// Unseal derives from a sealed one its open form. A sealed capability can be
// passed on but not used and not derived from.
//
// The statuses are those of [Tree.Derive]; unsealing with another sealer is
// StatusSealed, and so is unsealing what is open.
func (t *Tree) Seal(s *Space, h abi.Handle, sealer *Object) (abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	p, status := t.parentFor(s, h, s)
	if status != abi.StatusOK {
		return 0, status
	}
	return t.reseal(s, p, sealer.id)
}

// Unseal is described at [Tree.Seal].
func (t *Tree) Unseal(s *Space, h abi.Handle, sealer *Object) (abi.Handle, abi.Status) {
	t.lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return 0, status
	}
	if d := &t.nodes[r.Node()]; d.seal == 0 || d.seal != sealer.id {
		return 0, abi.StatusSealed
	}
	return t.reseal(s, r.Node(), 0)
}

func (t *Tree) reseal(s *Space, p Node, seal uint64) (abi.Handle, abi.Status) {
	up := &t.nodes[p]
	share := abi.Mint{Rights: up.rights & up.pass, Pass: up.pass, Ceiling: abi.LabelTop(), Uses: up.uses, Copies: up.copies}
	if up.copies != abi.Unlimited && up.copies > 0 {
		share.Copies = up.copies - 1
	}
	child, status := t.lesser(p, &share)
	if status != abi.StatusOK {
		return 0, status
	}
	if status := s.room(1, s); status != abi.StatusOK {
		return 0, status
	}
	child.seal = seal
	n, status := t.beget(p, &child, nodeHeld)
	if status != abi.StatusOK {
		return 0, status
	}
	return s.install(n), abi.StatusOK
}
