package capability

import (
	"phios/abi"
	"phios/internal/mutant"
)

// reclaimSlice is how many nodes an operation that needs one clears away when
// there is none: a slice short enough to hold the lock for.
const reclaimSlice = 128

// Revoke kills everything derived from the capability that h names; the
// capability itself stays. The effect is complete when Revoke returns, whatever
// the size of the subtree. need are the rights to ask for, REVOKE.
//
// Another thread's operation on the same object that is between Enter and
// Leave is waited for.
func (t *Tree) Revoke(s *Space, h abi.Handle) abi.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return status
	}
	if !r.Rights().Has(abi.RightRevoke) && !mutant.On(mutant.RevokeUnchecked) {
		return abi.StatusRights
	}
	t.revoke(r.Node())
	return abi.StatusOK
}

// revoke kills the descendants of n.
func (t *Tree) revoke(n Node) {
	d := &t.nodes[n]
	if d.first == 0 {
		return
	}
	if !mutant.On(mutant.RevokeKeepsEpoch) {
		d.epoch++
	}
	t.bury(n)
	if !mutant.On(mutant.RevokeKeepsCaches) {
		t.fence(t.objects[d.object])
	}
}

// fence gives the object a new epoch and waits until nobody is inside under
// the old one.
func (t *Tree) fence(o *Object) {
	old := o.epoch.Load()
	t.epochs += 2
	o.epoch.Store(t.epochs&^1 | (old&1 ^ 1))
	if mutant.On(mutant.FenceSkipped) {
		return
	}
	for o.inside[old&1].Load() != 0 {
		t.relax.Relax()
	}
}

// Delete empties the slot that h names. What was derived from the capability
// is revoked.
func (t *Tree) Delete(s *Space, h abi.Handle) abi.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, status := s.find(h)
	if status != abi.StatusOK {
		return status
	}
	t.kill(r.Node(), slotFree)
	return abi.StatusOK
}

// kill ends a node and everything below it, and empties its slot.
func (t *Tree) kill(n Node, tombstone uint64) {
	d := &t.nodes[n]
	if d.space != noSpace {
		t.spaces[d.space].clear(d.slot, tombstone)
		d.space = noSpace
	}
	if !mutant.On(mutant.DeleteKeepsChildren) {
		t.revoke(n)
	}
	if t.buried(n) {
		d.state = nodeBuried
		return
	}
	t.unlink(n)
	t.free(n)
}

// Close ends a CSpace: no handle of it means anything any more. Its
// capabilities are cleared away by [Tree.Reclaim].
func (t *Tree) Close(s *Space) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	t.closing = append(t.closing, s)
}

// Reclaim clears away at most limit nodes or slots of what was revoked or
// closed, holding the lock meanwhile, and reports how many and whether more
// is left.
func (t *Tree) Reclaim(limit int) (done int, more bool) {
	t.mu.Lock()
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
		d.state = nodeLost
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
		if e.tag.Load()&slotMask != slotLive {
			continue
		}
		if n := Node(e.aux.Load() & 0xffffffff); !t.buried(n) {
			t.kill(n, slotFree)
		}
	}
	return done
}
