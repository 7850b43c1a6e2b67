package gate

import (
	"slices"
	"sync/atomic"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/journal"
)

// floating is a label that rises.
type floating struct{ sources, readers atomic.Uint64 }

func (f *floating) get() abi.Label {
	return abi.Label{Sources: f.sources.Load(), Readers: f.readers.Load()}
}

func (f *floating) set(l abi.Label) {
	f.sources.Store(l.Sources)
	f.readers.Store(l.Readers)
}

func (f *floating) lower(sources, readers uint64) {
	f.sources.And(^sources)
	f.readers.Or(readers)
}

// rise joins the port's label with that of what it takes in.
func (p *Port) rise(l abi.Label) abi.Status {
	if l.FlowsTo(p.Label()) {
		return abi.StatusOK
	}
	if p.floats() {
		if !mutant.On(mutant.LabelNotJoined) {
			p.label = p.label.Join(l)
		}
		return abi.StatusOK
	}
	return p.kernel.raise(p.domain, l)
}

// raise joins a task's label with l, and that of everything it shares memory
// with. StatusLabel, and no change, when that would carry l through a shared
// window over the window's ceiling: unmap it first.
func (k *Kernel) raise(d *Domain, l abi.Label) abi.Status {
	if l.FlowsTo(d.Label()) {
		return abi.StatusOK
	}
	k.labels.Lock()
	defer k.labels.Unlock()
	return k.spread(d, nil, l)
}

// raiseMemory joins a region's label with l, and those of all who see it.
func (k *Kernel) raiseMemory(m *memory, l abi.Label) abi.Status {
	if l.FlowsTo(m.label.get()) {
		return abi.StatusOK
	}
	k.labels.Lock()
	defer k.labels.Unlock()
	return k.spread(nil, m, l)
}

// spread raises a task or a region and, through windows, whatever the bytes
// can reach from there: a task's into the regions that it can write, a
// region's into the tasks that see it. It looks at all of them first, so that
// a refusal changes nothing.
//
// Preconditions:
//   - k.labels is held
func (k *Kernel) spread(d *Domain, m *memory, l abi.Label) abi.Status {
	r := reach{label: l}
	if d != nil {
		r.addTask(d)
	}
	if m != nil {
		r.addMemory(m)
	}
	for i, j := 0, 0; i < len(r.tasks) || j < len(r.memories); {
		if i < len(r.tasks) {
			if !r.throughTask(r.tasks[i]) {
				return abi.StatusLabel
			}
			i++
			continue
		}
		for _, seer := range r.memories[j].mapped {
			r.addTask(seer)
		}
		j++
	}
	for _, t := range r.tasks {
		before := t.Label()
		if t.Raise(l) {
			k.note(journal.Record{Kind: journal.KindLabelRaise, Task: t.ID(), Before: before, After: t.Label()})
		}
	}
	for _, m := range r.memories {
		m.label.sources.Or(l.Sources)
		m.label.readers.And(l.Readers)
	}
	return abi.StatusOK
}

// reach is what a label spreads to. The lists are short: what shares memory,
// and is not that high already.
type reach struct {
	label    abi.Label
	tasks    []*Domain
	memories []*memory
}

func (r *reach) addTask(d *Domain) {
	if r.label.FlowsTo(d.Label()) {
		return
	}
	if !slices.Contains(r.tasks, d) {
		r.tasks = append(r.tasks, d)
	}
}

func (r *reach) addMemory(m *memory) {
	if r.label.FlowsTo(m.label.get()) {
		return
	}
	if !slices.Contains(r.memories, m) {
		r.memories = append(r.memories, m)
	}
}

// throughTask adds the regions that a task can write, and reports whether the
// label may go there.
func (r *reach) throughTask(d *Domain) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.windows {
		if !w.shared {
			continue
		}
		if !r.label.FlowsTo(w.ceiling) {
			return false
		}
		r.addMemory(w.memory)
	}
	return true
}

// labelLower is LabelEndorse and LabelDeclassify. How far the holder may go is
// in the ceiling of the capability: it can vouch for the sources that the
// ceiling admits, and admit the readers that the ceiling does not demand.
//
// StatusAuthority beyond that; StatusState while the task or the region shares
// memory with what is above the new label.
func (p *Port) labelLower(r *capability.Ref, c abi.Call, a *abi.Args, terms *capability.Terms) abi.Status {
	limit := ceiling(terms)
	sources, readers, kind := a.W[0], uint64(0), journal.KindEndorse
	if c == abi.LabelDeclassify {
		sources, readers, kind = 0, a.W[0], journal.KindDeclassify
	}
	if (sources&^limit.Sources != 0 || readers&limit.Readers != 0) && !mutant.On(mutant.EndorseUnchecked) {
		return abi.StatusAuthority
	}
	if status := p.kernel.ready(); status != abi.StatusOK {
		return status
	}
	p.kernel.labels.Lock()
	defer p.kernel.labels.Unlock()
	record := journal.Record{Kind: kind, Actor: p.domain.ID(), Object: r.Object.ID(), Type: r.Object.Type()}
	switch self := r.Object.Self().(type) {
	case *Domain:
		record.Task, record.Before = self.ID(), self.Label()
		record.After = lowered(record.Before, sources, readers)
		if self.seesAbove(record.After) {
			return abi.StatusState
		}
		if status := p.kernel.must(record); status != abi.StatusOK {
			return status
		}
		self.Lower(sources, readers)
	case *memory:
		record.Before = self.label.get()
		record.After = lowered(record.Before, sources, readers)
		if self.writtenAbove(record.After) {
			return abi.StatusState
		}
		if status := p.kernel.must(record); status != abi.StatusOK {
			return status
		}
		self.label.lower(sources, readers)
	case *signal:
		record.Before = self.label.get()
		record.After = lowered(record.Before, sources, readers)
		if status := p.kernel.must(record); status != abi.StatusOK {
			return status
		}
		self.label.lower(sources, readers)
	default:
		return abi.StatusType
	}
	return abi.StatusOK
}

// seesAbove reports whether the task sees, through a window, a region above the
// label l: vouching for the task now would be undone by its next look, and
// nobody would notice. Unmap it, or lower the region first.
//
// Preconditions:
//   - Kernel.labels is held
func (d *Domain) seesAbove(l abi.Label) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.windows {
		if !w.memory.label.get().FlowsTo(l) {
			return true
		}
	}
	return false
}

// writtenAbove reports whether a task above the label l can write the region
// through a window.
//
// Preconditions:
//   - Kernel.labels is held
func (m *memory) writtenAbove(l abi.Label) bool {
	for _, d := range m.mapped {
		if !d.Label().FlowsTo(l) && d.shares(m) {
			return true
		}
	}
	return false
}

// shares reports whether the task has a shared window of the region.
func (d *Domain) shares(m *memory) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.windows {
		if w.memory == m && w.shared {
			return true
		}
	}
	return false
}

func lowered(l abi.Label, sources, readers uint64) abi.Label {
	return abi.Label{Sources: l.Sources &^ sources, Readers: l.Readers | readers}
}

// labelInspect says a label.
func labelInspect(r *capability.Ref, a *abi.Args) abi.Status {
	switch self := r.Object.Self().(type) {
	case *Domain:
		a.Label = self.Label()
	case *memory:
		a.Label = self.label.get()
	case *signal:
		a.Label = self.label.get()
	case *endpoint:
		a.Label = self.ceiling
	default:
		return abi.StatusType
	}
	return abi.StatusOK
}
