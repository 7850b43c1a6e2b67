package capability

import (
	"phios/abi"
	"phios/internal/mutant"
)

// reclaimSlice is how many nodes an operation that needs one clears away when
// there is none: a slice short enough to hold the lock for.
const reclaimSlice = 128

// Revoke kills everything derived from the capability that h names, which
// needs REVOKE; the capability itself stays. The effect is complete when Revoke
// returns, whatever the size of the subtree. Operations of other threads that
// are between Enter and Leave on the same object are waited for.
func (t *Tree) Revoke(s *Space, h abi.Handle) abi.Status {
	r, status := t.findQuiet(s, h)
	defer t.mu.Unlock()
	if status != abi.StatusOK {
		return status
	}
	if !r.Rights().Has(abi.RightRevoke) && !mutant.On(mutant.RevokeUnchecked) {
		return abi.StatusRights
	}
	if t.revoke(r.Node()) {
		t.drain(r.Object)
	}
	return abi.StatusOK
}

// Delete empties the slot that h names. What was derived from the capability
// is revoked, as by [Tree.Revoke].
func (t *Tree) Delete(s *Space, h abi.Handle) abi.Status {
	r, status := t.findQuiet(s, h)
	defer t.mu.Unlock()
	if status != abi.StatusOK {
		return status
	}
	if t.kill(r.Node(), slotFree) {
		t.drain(r.Object)
	}
	return abi.StatusOK
}

// findQuiet takes the lock and finds what h names, waiting until no other
// revocation drains the same object. The lock is held afterwards in any case.
func (t *Tree) findQuiet(s *Space, h abi.Handle) (Ref, abi.Status) {
	for {
		t.lock()
		r, status := s.find(h)
		if status != abi.StatusOK || !r.Object.draining {
			return r, status
		}
		t.mu.Unlock()
		t.relax.Relax()
	}
}

// revoke kills the descendants of n, and reports whether there were any.
func (t *Tree) revoke(n Node) bool {
	d := &t.nodes[n]
	if d.first == 0 {
		return false
	}
	if !mutant.On(mutant.RevokeKeepsEpoch) {
		d.epoch++
	}
	t.bury(n)
	if !mutant.On(mutant.RevokeKeepsCaches) {
		o := t.objects[d.object]
		t.renew(o, o.epoch.Load()&1)
	}
	return true
}

// renew gives the object a new epoch with the given lowest bit.
func (t *Tree) renew(o *Object, bit uint64) {
	t.epochs += 2
	o.epoch.Store(t.epochs | bit)
}

// drain waits until nobody is inside under an epoch that was before: it turns
// the lowest bit, so that whoever enters from now on is counted elsewhere. The
// lock is let go meanwhile, for those inside may be held up by others who want
// it; the mark keeps the next turn of the bit away until this one is over.
func (t *Tree) drain(o *Object) {
	if mutant.On(mutant.FenceSkipped) {
		return
	}
	old := o.epoch.Load() & 1
	if !mutant.On(mutant.RevokeKeepsCaches) {
		t.renew(o, old^1)
	}
	if o.inside[old].Load() == 0 {
		return
	}
	o.draining = true
	t.mu.Unlock()
	for o.inside[old].Load() != 0 {
		t.relax.Relax()
	}
	t.lock()
	o.draining = false
}

// kill ends a node and everything below it, and empties its slot. It reports
// whether there was anything below.
func (t *Tree) kill(n Node, tombstone uint64) (revoked bool) {
	d := &t.nodes[n]
	if d.space != noSpace {
		t.spaces[d.space].clear(d.slot, tombstone)
		d.space = noSpace
	}
	if !mutant.On(mutant.DeleteKeepsChildren) {
		revoked = t.revoke(n)
	}
	if t.buried(n) {
		d.state = nodeBuried
		return revoked
	}
	t.unlink(n)
	t.free(n)
	return revoked
}

// end is kill for a capability that goes with its holder: whoever hears of
// events ends what was begun with those below it.
func (t *Tree) end(n Node, tombstone uint64) {
	o := t.objects[t.nodes[n].object]
	if t.kill(n, tombstone) {
		o.cut = true
		t.event(o)
	}
}

// lose marks a dead capability in transit. Whoever carries it frees it; until
// then it must not count as one that can receive, for it may be waiting in the
// mailbox of its own endpoint, which would then never be ended.
func (t *Tree) lose(n Node) {
	d := &t.nodes[n]
	t.dropReceiver(d)
	d.rights, d.pass, d.state = 0, 0, nodeLost
}

// strand ends a capability that is being moved and whose sender is gone: until
// it is received it is the sender's.
func (t *Tree) strand(n Node) {
	d := &t.nodes[n]
	t.spaces[d.space].clear(d.slot, slotFree)
	d.space = noSpace
	if o := t.objects[d.object]; t.revoke(n) {
		o.cut = true
		t.event(o)
	}
	if t.buried(n) {
		return
	}
	t.unlink(n)
	d.epoch++
	t.lose(n)
}

// Close ends a CSpace: no handle of it means anything any more. Its
// capabilities, and those that are on their way from it, are cleared away by
// [Tree.Reclaim].
func (t *Tree) Close(s *Space) {
	t.lock()
	defer t.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	t.closing = append(t.closing, s)
}

// Reclaim clears away at most limit nodes or slots of what was revoked or
// closed, and reports how many and whether more is left. It holds the lock for
// at most gulp of them at a time and lets whoever waits go first: a mutex that
// is taken again at once would let them starve for a millisecond.
func (t *Tree) Reclaim(limit int) (done int, more bool) {
	for done < limit {
		var n int
		n, more = t.gulp(min(limit-done, gulpMax))
		done += n
		if n == 0 {
			break
		}
		for range turnsMax {
			if t.wanted.Load() == 0 {
				break
			}
			t.relax.Relax()
		}
	}
	return done, more
}

const (
	// gulpMax is how many nodes are cleared before others may have the lock.
	gulpMax = 32
	// turnsMax bounds how long reclamation lets others go first.
	turnsMax = 1 << 12
)

// gulp is Reclaim in one go.
func (t *Tree) gulp(limit int) (done int, more bool) {
	t.lock()
	defer t.mu.Unlock()
	done = t.reclaim(limit)
	done += t.clearClosed(limit - done)
	return done, t.graveyard != 0 || len(t.closing) > 0
}

// reclaim clears at most limit nodes out of the graveyard.
func (t *Tree) reclaim(limit int) int {
	for done := range limit {
		if t.graveyard == 0 {
			return done
		}
		n := t.graveyard
		d := &t.nodes[n]
		next, rest := d.next, d.grave
		if mutant.On(mutant.ReclaimSkipsSiblings) {
			next = 0
		}
		t.graveyard = rest
		if next != 0 {
			t.nodes[next].prev, t.nodes[next].grave = 0, rest
			t.graveyard = next
		}
		d.next, d.grave = 0, 0
		t.exhume(n)
	}
	return limit
}

// exhume ends one node that was taken out of the graveyard. One that travels
// in a message is left to whoever carries the message.
func (t *Tree) exhume(n Node) {
	d := &t.nodes[n]
	t.bury(n)
	d.epoch++
	if d.state == nodeCopying || d.state == nodeMoving {
		t.lose(n)
		return
	}
	if d.space != noSpace {
		t.spaces[d.space].clear(d.slot, slotRevoked)
	}
	t.free(n)
}

// clearClosed clears at most limit slots of closed CSpaces. Capabilities that
// are dead already are in the graveyard and go from there; a CSpace is gone
// when the last slot is empty.
func (t *Tree) clearClosed(limit int) int {
	done, kept := 0, t.closing[:0]
	for _, s := range t.closing {
		done += t.clearSlots(s, limit-done)
		if int(s.cursor) < len(s.entries) || s.live > 0 {
			kept = append(kept, s)
			continue
		}
		t.spaces[s.index] = nil
		t.freeSpaces = append(t.freeSpaces, s.index)
	}
	clear(t.closing[len(kept):])
	t.closing = kept
	return done
}

func (t *Tree) clearSlots(s *Space, limit int) (done int) {
	for ; int(s.cursor) < len(s.entries) && done < limit; done++ {
		e := &s.entries[s.cursor]
		s.cursor++
		n := Node(e.aux.Load() & 0xffffffff)
		switch tag := e.tag.Load() & slotMask; {
		case tag == slotTransit:
			t.strand(n)
		case tag == slotLive && !t.buried(n):
			t.end(n, slotFree)
		}
	}
	return done
}
