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
