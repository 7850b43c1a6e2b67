package gate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"phios/abi"
	"phios/kernel/capability"
	"phios/kernel/region"
)

// Snapshot sums up everything that a call could have changed: tasks, tables,
// capabilities with their terms, and the state of every object that somebody
// holds. Two equal snapshots mean that nothing that anyone can see has
// happened in between. What only the kernel sees, such as ids used up, is not
// in it.
func (k *Kernel) Snapshot() string {
	var b strings.Builder
	fmt.Fprintf(&b, "endowment %+v\n", k.root.Account())
	u := k.arena.Usage()
	fmt.Fprintf(&b, "arena %d regions, %d bytes; objects %d; nodes free %d; timers armed %d\n",
		u.Regions, u.Used, k.Objects(), field(k.tree, "nodesFree").Uint(), field(k.timers, "heap").Len())
	domains := k.sortedDomains()
	for _, d := range domains {
		used, _ := d.space.Slots()
		fmt.Fprintf(&b, "task %d %v label %x/%x slots %d windows %d dirty %d faults %x\n", d.ID(), d.State(),
			d.Label().Sources, d.Label().Readers, used, len(d.windows), d.dirty, uint64(d.faults))
	}
	seen := map[uint64]bool{}
	for _, h := range k.held() {
		r, terms, status := k.tree.Inspect(k.domains[h.Task].space, h.Handle)
		if status != abi.StatusOK {
			continue
		}
		payer := uint64(0)
		if terms.Payer != nil {
			payer = terms.Payer.ID()
		}
		terms.Payer = nil
		fmt.Fprintf(&b, "cap %d:%x object %d %v pass %v badge %d payer %d %+v\n", h.Task, uint64(h.Handle), h.Object, h.Rights, h.Pass, h.Badge, payer, terms)
		if !seen[h.Object] {
			seen[h.Object] = true
			fmt.Fprintf(&b, "  %v %s\n", h.Type, k.describe(r.Object.Self()))
		}
	}
	return b.String()
}

// Objects returns how many objects there are.
func (k *Kernel) Objects() int {
	return field(k.tree, "objects").Len() - 1 - field(k.tree, "freeObjects").Len()
}

// NodesUsed returns how many capabilities there are, dead ones included that
// were not cleared away.
func (k *Kernel) NodesUsed() int {
	return field(k.tree, "nodes").Len() - 1 - int(field(k.tree, "nodesFree").Uint())
}

// Tasks returns how many tasks are not yet buried.
func (k *Kernel) Tasks() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.domains)
}

func (k *Kernel) sortedDomains() []*Domain {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*Domain
	for _, d := range k.domains {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Domain) int { return int(a.ID()) - int(b.ID()) })
	return list
}

func (k *Kernel) held() []capability.Held {
	var list []capability.Held
	k.Visit(func(h capability.Held) { list = append(list, h) })
	return list
}

// describe says what the state of an object is.
func (k *Kernel) describe(self any) string {
	switch o := self.(type) {
	case *Domain:
		return fmt.Sprintf("%v", o.State())
	case *account:
		return fmt.Sprintf("%+v", o.Account())
	case *memory:
		bytes := make([]byte, min(o.Bytes(), 64))
		_ = o.Read(region.Window{Bytes: o.Bytes()}, 0, bytes)
		return fmt.Sprintf("label %x/%x mappings %d pins %d %x", o.label.get().Sources, o.label.get().Readers, o.Mappings(), o.Pins(), bytes)
	case *endpoint:
		tail, head := field(o.mailbox, "tail").FieldByName("v").Uint(), field(o.mailbox, "head").Uint()
		return fmt.Sprintf("messages %d pending %d handler %v", tail<<1>>1-head, len(o.pending), o.server.Load() != nil)
	case *signal:
		return fmt.Sprintf("bits %x", o.Pending())
	case *line:
		return fmt.Sprintf("masked %v bound %v", k.lines.Masked(o.number), o.target != nil)
	case *reply:
		return fmt.Sprintf("spent %v", o.spent.Load())
	default:
		return ""
	}
}

// field reads a private field of another package's struct.
func field(of any, name string) reflect.Value { return reflect.ValueOf(of).Elem().FieldByName(name) }

// Amounts adds up what every open budget has, holds and has spent. It is the
// endowment, at every moment.
func (k *Kernel) Amounts() (sum abi.Amounts) {
	tree := field(k.root, "tree").Elem()
	var walk func(b reflect.Value)
	walk = func(b reflect.Value) {
		for _, name := range []string{"available", "held", "spent"} {
			for i := range sum {
				sum[i] += b.FieldByName(name).Index(i).Uint()
			}
		}
		for c := b.FieldByName("child"); !c.IsNil(); c = c.Elem().FieldByName("next") {
			walk(c.Elem())
		}
	}
	walk(reflect.ValueOf(k.root).Elem())
	for b := tree.FieldByName("orphaned"); !b.IsNil(); b = b.Elem().FieldByName("nextOrphaned") {
		walk(b.Elem())
	}
	return sum
}
