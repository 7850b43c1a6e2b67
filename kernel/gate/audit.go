package gate

import "phios/kernel/capability"

// Visit shows f every live capability of every living task, in the order of
// [capability.Tree.Visit], under the tree's lock: f must call nothing of the
// kernel. It is how an audit learns who can reach what; a program cannot call
// it, since only whoever made the kernel holds it.
func (k *Kernel) Visit(f func(capability.Held)) {
	k.mu.Lock()
	alive := make(map[uint64]bool, len(k.domains))
	for id, d := range k.domains {
		alive[id] = d.Alive()
	}
	k.mu.Unlock()
	k.tree.Visit(func(h capability.Held) {
		if alive[h.Task] {
			f(h)
		}
	})
}

// Shape appends what [capability.Tree.Shape] does, with the CSpaces of the
// tasks that the ports belong to. Like Audit it is for verification alone.
func (k *Kernel) Shape(b []byte, order ...*Port) []byte {
	spaces := make([]*capability.Space, len(order))
	for i, p := range order {
		spaces[i] = p.domain.space
	}
	return k.tree.Shape(b, spaces...)
}

// Audit looks at the derivation tree as [capability.Tree.Check] does.
func (k *Kernel) Audit() string { return k.tree.Check() }
