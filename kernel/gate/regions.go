package gate

import (
	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/journal"
	"phios/kernel/region"
	"phios/platform"
)

// memory is a region as an object. Its label is guarded by Kernel.labels for
// changing and read as the atomics that it is.
type memory struct {
	*region.Region

	object *capability.Object
	holds  holding
	label  floating
	// given is set of what was there before the kernel: nobody writes to it.
	given bool
	// mapped are the tasks that have a window on it, each as often as it has
	// windows. Guarded by Kernel.labels.
	mapped []*Domain
}

func memoryOf(r *capability.Ref) *memory { return r.Object.Self().(*memory) } // the gate checked the type

// regionCreate makes zeroed memory on a budget.
func (p *Port) regionCreate(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	if a.W[0] == 0 || a.W[1] != 0 || a.W[0] > 1<<62 {
		return abi.StatusBadArgument
	}
	k, bytes := p.kernel, (a.W[0]+platform.PageBytes-1)&^(platform.PageBytes-1)
	address := uint64(0)
	status := p.create(r, a, terms, func() (*capability.Object, abi.Status) {
		holds, status := hold(accountOf(r), bytes+objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		made, status := k.arena.Create(bytes)
		if status != abi.StatusOK {
			holds.release()
			return nil, status
		}
		m := &memory{Region: made, holds: holds}
		m.label.set(p.Label())
		if m.object, status = k.tree.NewObject(abi.ObjectRegion, m); status != abi.StatusOK {
			made.Release()
			made.Destroy(nil)
			holds.release()
			return nil, status
		}
		address = made.Address()
		return m.object, abi.StatusOK
	})
	if status == abi.StatusOK {
		a.W[1] = address
	}
	return status
}

// AdoptBacking is the launcher's: it makes a region of what the machine has as
// a backing, of a multiple of the page size, such as a file that was imported.
// Nobody gets the right to write to it, not even whoever makes it. The budget
// pays for the object; the bytes are not memory that was taken.
//
// The statuses are those of RegionCreate. Then the backing is the caller's to
// discard, if it is there still.
func (p *Port) AdoptBacking(budget abi.Handle, b platform.Backing, bytes uint64) (abi.Handle, abi.Status) {
	r, status := p.domain.space.Lookup(budget, p.kernel.needs[abi.RegionCreate].rights)
	if status != abi.StatusOK {
		return 0, status
	}
	if r.Object.Type() != abi.ObjectBudget {
		return 0, abi.StatusType
	}
	k := p.kernel
	var a abi.Args
	status = p.create(&r, &a, nil, func() (*capability.Object, abi.Status) {
		holds, status := hold(accountOf(&r), objectBytes)
		if status != abi.StatusOK {
			return nil, status
		}
		made, status := k.arena.Adopt(b, bytes)
		if status != abi.StatusOK {
			holds.release()
			return nil, status
		}
		m := &memory{Region: made, holds: holds, given: true}
		m.label.set(p.Label())
		if m.object, status = k.tree.NewObject(abi.ObjectRegion, m); status != abi.StatusOK {
			made.Release()
			made.Destroy(nil)
			holds.release()
			return nil, status
		}
		return m.object, abi.StatusOK
	})
	return abi.Handle(a.W[0]), status
}

// regionMap shows a window of a region in the caller's address space.
func (p *Port) regionMap(r *capability.Ref, a *abi.Args, terms *capability.Terms) abi.Status {
	m, d := memoryOf(r), p.domain
	offset, bytes := a.W[0], a.W[1]
	var access platform.Access
	switch a.W[2] {
	case abi.RegionShared:
		if !r.Rights().Has(abi.RightWrite) {
			return abi.StatusRights
		}
		access = platform.AccessShared
	case abi.RegionPrivate:
		access = platform.AccessPrivate
	default:
		return abi.StatusBadArgument
	}
	if terms != nil && !terms.Window.Contains(offset, bytes) {
		return abi.StatusRange
	}
	if p.floats() {
		return abi.StatusState // a handler has no address space of its own call
	}
	space, status := d.addressSpace(a.W[3])
	if status != abi.StatusOK {
		return status
	}
	w := window{memory: m, ceiling: ceiling(terms), shared: access == platform.AccessShared}
	if status := p.kernel.openWindow(d, w); status != abi.StatusOK {
		return status
	}
	address, status := m.Map(region.Mapping{
		Space: space, Offset: offset, Bytes: bytes, At: a.W[3], Access: access,
		Key: uint64(r.Key()), Owner: d.ID(),
		Dead: func(key uint64) bool { return !p.kernel.tree.Alive(capability.Key(key)) },
	})
	if status != abi.StatusOK {
		p.kernel.closeWindow(d, m, 0)
		return status
	}
	if !d.placed(m, address) {
		_, _ = m.Unmap(space, address) // the burial may have taken it already
		return abi.StatusKilled
	}
	if status := p.kernel.meet(d, w); status != abi.StatusOK {
		_, _ = m.Unmap(space, address) // it was just made
		p.kernel.closeWindow(d, m, address)
		return status
	}
	a.W[0] = address
	return abi.StatusOK
}

// addressSpace returns the task's, made with its first mapping. A task whose
// memory does not reach the arena, as that of a WebAssembly program, says at
// which of its addresses it wants to see the region; no other may.
func (d *Domain) addressSpace(at uint64) (platform.Space, abi.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.buried {
		return 0, abi.StatusKilled
	}
	if (at != 0) != d.offers {
		return 0, abi.StatusBadArgument
	}
	if d.memory != platform.SpaceKernel {
		return d.memory, abi.StatusOK
	}
	s, status := d.kernel.machine.NewSpace()
	if status == abi.StatusOK {
		d.memory = s
	}
	return s, status
}

// openWindow registers a mapping before it is made, because from then on
// labels flow both ways; the address is not known yet. The labels of the two
// meet when the mapping is there: one that cannot be made leaves no trace.
//
// StatusLimit, StatusKilled.
func (k *Kernel) openWindow(d *Domain, w window) abi.Status {
	k.labels.Lock()
	defer k.labels.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.buried:
		return abi.StatusKilled
	case len(d.windows) >= mappingsMax:
		return abi.StatusLimit
	case !k.tree.Hold(w.memory.object):
		return abi.StatusRevoked
	}
	d.windows = append(d.windows, w)
	w.memory.mapped = append(w.memory.mapped, d)
	return abi.StatusOK
}

// meet joins the labels of a task and of the region that it has just mapped:
// the region's into the task's and, when the window is shared, the other way.
// It is done before the task can touch the window, as the call is its own.
//
// StatusLabel, and no change, when the labels cannot meet.
func (k *Kernel) meet(d *Domain, w window) abi.Status {
	k.labels.Lock()
	defer k.labels.Unlock()
	if !w.shared {
		return k.spread(d, nil, w.memory.label.get())
	}
	joined := d.Label().Join(w.memory.label.get())
	if !joined.FlowsTo(w.ceiling) {
		return abi.StatusLabel
	}
	return k.spread(d, w.memory, joined)
}

// placed fills in the address of the window that was opened last, and reports
// whether it is there: a task that was buried meanwhile has none.
func (d *Domain) placed(m *memory, address uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.windows {
		if d.windows[i].memory == m && d.windows[i].address == 0 {
			d.windows[i].address = address
			return true
		}
	}
	return false
}

// closeWindow forgets a window, if there is one.
func (k *Kernel) closeWindow(d *Domain, m *memory, address uint64) {
	k.labels.Lock()
	defer k.labels.Unlock()
	d.mu.Lock()
	found := false
	for i, w := range d.windows {
		if w.memory == m && w.address == address {
			last := len(d.windows) - 1
			d.windows[i], d.windows[last] = d.windows[last], window{}
			d.windows = d.windows[:last]
			found = true
			break
		}
	}
	d.mu.Unlock()
	if !found {
		return
	}
	for i, other := range m.mapped {
		if other == d {
			last := len(m.mapped) - 1
			m.mapped[i], m.mapped[last] = m.mapped[last], nil
			m.mapped = m.mapped[:last]
			break
		}
	}
	k.tree.Drop(m.object)
}

// regionUnmap takes a window away. It needs no capability, for the window is
// the caller's own, and may be all that is left of one that was revoked.
func (p *Port) regionUnmap(a *abi.Args) abi.Status {
	if p.floats() {
		return abi.StatusState // as for mapping
	}
	m, space := p.domain.windowAt(a.W[0])
	if m == nil {
		return abi.StatusBadArgument
	}
	pages, status := m.Unmap(space, a.W[0])
	if status != abi.StatusOK {
		return status
	}
	p.kernel.refund(p.domain.ID(), pages)
	p.kernel.closeWindow(p.domain, m, a.W[0])
	p.kernel.Tidy(tidySlice)
	return abi.StatusOK
}

// windowAt returns the region that the task sees at an address where a window
// begins, nil when none does, and the task's address space.
func (d *Domain) windowAt(address uint64) (*memory, platform.Space) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.windows {
		if w.address == address && address != 0 {
			return w.memory, d.memory
		}
	}
	return nil, d.memory
}

// regionCopy is RegionRead and RegionWrite. Offsets count from the region's
// start, also through a capability with a window, so that address and offset
// always differ by the region's address.
func (p *Port) regionCopy(r *capability.Ref, h abi.Handle, c abi.Call, a *abi.Args, terms *capability.Terms) abi.Status {
	m := memoryOf(r)
	whole := capability.Bounds{Length: m.Bytes()}
	if terms != nil && terms.Window.Length != 0 {
		whole = terms.Window
	}
	if !whole.Contains(a.W[0], uint64(len(a.Bytes))) {
		return abi.StatusRange
	}
	if c == abi.RegionRead {
		if status := p.rise(m.label.get()); status != abi.StatusOK {
			return status
		}
	} else {
		label := p.Label()
		if !label.FlowsTo(ceiling(terms)) && !mutant.On(mutant.CeilingUnchecked) {
			return abi.StatusLabel
		}
		if status := p.kernel.raiseMemory(m, label); status != abi.StatusOK {
			return status
		}
	}
	for range lookupsMax {
		status := copyBytes(m, r, c, a)
		if status != abi.StatusRevoked {
			return status
		}
		// Something was revoked on the region; whether this was, the lookup says.
		if *r, status = p.domain.space.Lookup(h, r.Rights()); status != abi.StatusOK {
			return status
		}
	}
	return abi.StatusBusy
}

// lookupsMax bounds how often an operation looks its handle up again because
// others are revoking on the same object.
const lookupsMax = 1 << 10

func copyBytes(m *memory, r *capability.Ref, c abi.Call, a *abi.Args) abi.Status {
	w := region.Window{Bytes: m.Bytes(), Live: r.Current}
	if c == abi.RegionRead {
		return m.Read(w, a.W[0], a.Bytes)
	}
	return m.Write(w, a.W[0], a.Bytes)
}

// regionSettle charges the pages that writers have made their own.
func (p *Port) regionSettle(r *capability.Ref, a *abi.Args) abi.Status {
	total := uint64(0)
	var over []*Domain
	memoryOf(r).Settle(func(owner, pages uint64) {
		total += pages
		d := p.kernel.domainByID(owner)
		if d == nil {
			return
		}
		if d.payer.Take(abi.ResourceMemory, pages*platform.PageBytes) != abi.StatusOK {
			over = append(over, d)
			return
		}
		d.mu.Lock()
		d.dirty += pages
		d.mu.Unlock()
	})
	for _, d := range over {
		p.kernel.overdrawn(d)
	}
	a.W[0] = total
	return abi.StatusOK
}

// overdrawn ends a task that wrote pages for which its budget cannot pay.
func (k *Kernel) overdrawn(d *Domain) {
	if d.Kill() {
		k.note(journal.Record{Kind: journal.KindKill, Task: d.ID(), Object: d.object.ID(), Type: abi.ObjectTask, Status: abi.StatusBudget})
		k.Tidy(tidySlice)
	}
}

// refund gives back what settling charged.
func (k *Kernel) refund(owner, pages uint64) {
	d := k.domainByID(owner)
	if d == nil || pages == 0 {
		return
	}
	d.mu.Lock()
	pages = min(pages, d.dirty)
	d.dirty -= pages
	d.mu.Unlock()
	d.payer.Give(abi.ResourceMemory, pages*platform.PageBytes)
}

// regionInspect says how a region is.
func (p *Port) regionInspect(r *capability.Ref, a *abi.Args) abi.Status {
	m := memoryOf(r)
	g := m.Global()
	a.W = [abi.ArgWords]uint64{m.Bytes(), g.Address, g.Node, uint64(m.Mappings()), m.Pins(), m.PageBytes()} //nolint:gosec // G115: a count is not negative
	a.Label = m.label.get()
	return abi.StatusOK
}
