package capability

import "phios/abi"

// Check looks at the whole tree and returns the first structural invariant
// that does not hold, by its number in the package doc and a few words; the
// empty string when all do. It takes time in proportion to the tree, holds the
// lock meanwhile and changes nothing.
func (t *Tree) Check() string {
	t.lock()
	defer t.mu.Unlock()
	a := audit{tree: t, refs: make([]int32, len(t.objects)), receivers: make([]int32, len(t.objects)), listed: make([]bool, len(t.nodes))}
	for _, look := range [...]func() string{a.lists, a.graves, a.nodes, a.objects, a.entries} {
		if broken := look(); broken != "" {
			return broken
		}
	}
	return ""
}

// audit is what Check counts up.
type audit struct {
	tree      *Tree
	refs      []int32 // by object: nodes that name or pay with it
	receivers []int32
	listed    []bool // by node: it is in a list of siblings
}

// lists walks the children of every node: C4 for those that are not buried.
func (a *audit) lists() string {
	t := a.tree
	for n := range t.nodes {
		if n == 0 || t.nodes[n].state == nodeFree {
			continue
		}
		if broken := a.siblings(t.nodes[n].first, func(c *node) bool {
			return c.parent == Node(n) && c.parentEpoch == t.nodes[n].epoch //nolint:gosec // G115: at most Limits.Nodes
		}); broken != "" {
			return broken
		}
	}
	return ""
}

// graves walks the graveyard: C4 for the buried.
func (a *audit) graves() string {
	t := a.tree
	for head := t.graveyard; head != 0; head = t.nodes[head].grave {
		if a.listed[head] {
			return "C4: a list is buried twice, or buried and its parent's"
		}
		if broken := a.siblings(head, func(*node) bool { return true }); broken != "" {
			return broken
		}
	}
	return ""
}

// siblings walks one list.
func (a *audit) siblings(head Node, belongs func(*node) bool) string {
	t, before := a.tree, Node(0)
	for n := head; n != 0; before, n = n, t.nodes[n].next {
		d := &t.nodes[n]
		switch {
		case d.state == nodeFree:
			return "C4: a free node is in a list of children"
		case a.listed[n]:
			return "C4: a node is in a list twice"
		case d.prev != before:
			return "C4: a node does not know its elder sibling"
		case !belongs(d):
			return "C4: a node is in the list of what is not its parent"
		}
		a.listed[n] = true
	}
	return ""
}

// nodes looks at each node and at its parent: C1, C4, C7, C8.
func (a *audit) nodes() string {
	t, free := a.tree, uint32(0)
	for i := range t.nodes[1:] {
		n := Node(i + 1)
		d := &t.nodes[n]
		if d.state == nodeFree {
			free++
			continue
		}
		lost := d.state == nodeLost // whoever carries it has it in no list
		if d.parent != 0 && !a.listed[n] && !lost {
			return "C4: a node is in no list: it can never be reclaimed"
		}
		if t.objects[d.object] == nil {
			return "C5: a node names an object that is gone"
		}
		a.refs[d.object]++
		if (d.rights | d.pass).Has(abi.RightReceive) {
			a.receivers[d.object]++
		}
		if d.payer != 0 {
			a.refs[d.payer]++
		}
		if d.parent != 0 && t.nodes[d.parent].epoch == d.parentEpoch {
			if broken := lesser(&t.nodes[d.parent], d); broken != "" {
				return broken
			}
		}
	}
	if free != t.nodesFree {
		return "C4: the count of free nodes is wrong"
	}
	return ""
}

// lesser says why d cannot be a child of up, the empty string when it can.
func lesser(up, d *node) string {
	switch {
	case up.state == nodeFree:
		return "C4: a node is linked to a free one"
	case !up.pass.Has(d.rights | d.pass):
		return "C1: a node has rights that its parent could not pass on"
	case up.object != d.object:
		return "C4: a node names another object than its parent"
	case d.depth != up.depth+1 || d.depth > DepthMax:
		return "C4: a depth is wrong"
	}
	return narrower(up, d)
}

// narrower is lesser for what only narrows, C8, and for what is shared out,
// C7.
func narrower(up, d *node) string {
	within := up.window.Length == 0 || d.window.Length != 0 && up.window.Contains(d.window.Base, d.window.Length)
	switch {
	case up.badge != 0 && d.badge != up.badge:
		return "C8: a badge was changed"
	case !d.ceiling.FlowsTo(up.ceiling):
		return "C8: a ceiling was widened"
	case !within:
		return "C8: a window was widened"
	case up.expires != 0 && (d.expires == 0 || d.expires > up.expires):
		return "C8: a life was made longer"
	case up.uses != abi.Unlimited && d.uses == abi.Unlimited, up.copies != abi.Unlimited && d.copies == abi.Unlimited:
		return "C7: the unlimited came from the limited"
	}
	return ""
}

// objects compares the counts: C5. Holds come on top of the nodes.
func (a *audit) objects() string {
	for i, o := range a.tree.objects {
		if o == nil {
			continue
		}
		if o.refs < a.refs[i] || o.receivers != a.receivers[i] {
			return "C5: an object's count of references is wrong"
		}
	}
	return ""
}

// entries looks at each slot and at its node: C6.
func (a *audit) entries() string {
	t := a.tree
	placed := make([]bool, len(t.nodes))
	for _, s := range t.spaces {
		if s == nil {
			continue
		}
		if broken := t.slots(s, placed); broken != "" {
			return broken
		}
	}
	for n := range t.nodes {
		if t.nodes[n].state == nodeHeld && !placed[n] {
			return "C6: a held capability is in no slot"
		}
	}
	return ""
}

// slots looks at the slots of one CSpace, and notes which nodes they name.
func (t *Tree) slots(s *Space, placed []bool) string {
	used := uint32(0)
	for i := range s.entries {
		tag := s.entries[i].tag.Load() & slotMask
		if tag != slotLive && tag != slotTransit {
			continue
		}
		used++
		n := Node(s.entries[i].aux.Load() & 0xffffffff)
		d := &t.nodes[n]
		if placed[n] || d.state == nodeFree || d.space != s.index || d.slot != uint32(i) {
			return "C6: a slot and its node do not name each other"
		}
		placed[n] = true
		if (d.state == nodeHeld) != (tag == slotLive) {
			return "C6: a slot and its node disagree whether it travels"
		}
	}
	if used != s.live || int(s.live+s.retired)+len(s.free) != len(s.entries) {
		return "C6: the counts of a CSpace's slots are wrong"
	}
	return ""
}
