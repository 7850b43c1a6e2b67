package gate

import (
	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/region"
	"phios/platform"
)

// Tidy clears away behind revocations, deletions and deaths, in a slice of
// about limit steps, and reports whether it found anything to do. The node's
// idle loop calls it until it reports false; calls that make or unmake
// capabilities take small slices along.
func (k *Kernel) Tidy(limit int) bool {
	done, _ := k.tree.Reclaim(limit)
	settled := k.settle()
	reaped := false
	for range limit {
		t := k.family.Reap()
		if t == nil {
			break
		}
		reaped = true
		k.bury(t.ID())
	}
	closed, _ := k.root.Reclaim(max(limit, 1))
	return done > 0 || settled || reaped || closed > 0
}

// settle releases the objects whose last reference went.
func (k *Kernel) settle() bool {
	found := false
	for {
		o, what := k.tree.Event()
		if o == nil {
			return found
		}
		found = true
		if what&capability.Cut != 0 {
			k.fence(o)
		}
		if e, ok := o.Self().(*endpoint); ok && what&capability.Orphaned != 0 {
			e.shut(k)
		}
		if what&capability.Released != 0 {
			k.release(o)
		}
	}
}

// release frees what an object stands for.
func (k *Kernel) release(o *capability.Object) {
	switch self := o.Self().(type) {
	case *Domain:
		self.Kill()
		k.bury(self.ID())
	case *memory:
		self.Release()
		self.Destroy(k.refund)
		self.holds.release()
	case *endpoint:
		self.holds.release()
	case *signal:
		self.Close()
		self.holds.release()
	case *timer:
		self.end(k)
		self.target.detach(self)
		k.tree.Drop(self.target.object)
		self.holds.release()
	case *line:
		k.unbind(self)
	case *account:
		self.Close()
		self.holds.release()
	case *reply:
		self.release()
	}
}

func (k *Kernel) unbind(l *line) {
	_ = k.lines.Unbind(l.number) // it may never have been bound
	k.mu.Lock()
	target := l.target
	l.target = nil
	k.mu.Unlock()
	if target != nil {
		target.detach(l)
		k.tree.Drop(target.object)
	}
}

// bury releases what a dead task owned, once.
func (k *Kernel) bury(id uint64) {
	k.mu.Lock()
	d := k.domains[id]
	delete(k.domains, id)
	k.mu.Unlock()
	if d == nil {
		return
	}
	d.mu.Lock()
	d.buried = true
	d.mu.Unlock()
	k.closeWindows(d)
	d.mu.Lock()
	space, dirty := d.memory, d.dirty
	d.memory, d.dirty = platform.SpaceKernel, 0
	d.mu.Unlock()
	if space != platform.SpaceKernel {
		k.machine.FreeSpace(space)
	}
	d.payer.Give(abi.ResourceMemory, dirty*platform.PageBytes)
	k.tree.Close(d.space)
	d.payer.GiveAll(d.paid)
	k.tree.Drop(d.payer.object)
	d.cease()
}

// closeWindows takes every mapping of a task away.
func (k *Kernel) closeWindows(d *Domain) {
	d.mu.Lock()
	windows := append([]window(nil), d.windows...)
	space := d.memory
	d.mu.Unlock()
	for _, w := range windows {
		_, _ = w.memory.Unmap(space, w.address) // what was charged for it, bury gives back
		k.closeWindow(d, w.memory, w.address)
	}
}

// domainByID returns a living task, nil when there is none.
func (k *Kernel) domainByID(id uint64) *Domain {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.domains[id]
}

// Memory returns what is in the node's arena.
func (k *Kernel) Memory() region.Usage { return k.arena.Usage() }
