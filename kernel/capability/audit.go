package capability

import "phios/abi"

// Held is one capability as somebody who audits the tree sees it. It carries
// no kernel pointer, and nothing can be done with it.
type Held struct {
	// Task is the owner of the CSpace, and Handle what the capability is there.
	Task   uint64
	Handle abi.Handle
	// Object and Type say what is held.
	Object uint64
	Type   abi.ObjectType
	// Rights may be exercised, and Pass may be passed on.
	Rights, Pass abi.Rights
	Badge        uint64
	// Parent is the owner of the CSpace that the capability was derived from a
	// capability of, zero for an original one.
	Parent uint64
}

// Visit shows f every capability that is live: in a slot, of a CSpace that is
// open, with its chain whole. Those on their way in a message are in nobody's
// hands and are not shown. The order is that of the CSpaces' numbers, and in
// each that of the slots.
//
// The tree's lock is held all the while: f must not call into the tree, and
// the time is that of the whole tree. It is for audits, not for operation.
func (t *Tree) Visit(f func(Held)) {
	t.lock()
	defer t.mu.Unlock()
	for _, s := range t.spaces {
		if s == nil || s.closed {
			continue
		}
		for i := range s.entries {
			if h, live := t.held(s, uint32(i)); live {
				f(h)
			}
		}
	}
}

// held describes what is in slot i of s, if that is live.
func (t *Tree) held(s *Space, i uint32) (Held, bool) {
	e := &s.entries[i]
	tag := e.tag.Load()
	n := Node(e.aux.Load() & 0xffffffff)
	if tag&slotMask != slotLive || !t.whole(n) {
		return Held{}, false
	}
	d := &t.nodes[n]
	o := t.objects[d.object]
	h := Held{
		Task: s.owner, Handle: abi.MakeHandle(i, tag>>slotBits), Object: o.id, Type: o.typ,
		Rights: d.rights, Pass: d.pass, Badge: d.badge,
	}
	if d.parent != 0 {
		// A live capability's parent is in a slot, or left one behind while it
		// travels: what was copied for a message has no children before it
		// arrives.
		h.Parent = t.spaces[t.nodes[d.parent].space].owner
	}
	return h, true
}
