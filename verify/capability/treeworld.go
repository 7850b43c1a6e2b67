package capability

import (
	"fmt"
	"slices"

	"phios/abi"
	kernel "phios/kernel/capability"
)

// The operations on a derivation tree.
const (
	opMint     uint8 = iota // a: handle, b: variant
	opGrant                 // a: handle, b: variant, c: receiver
	opMove                  // a: handle, c: receiver
	opDelete                // a: handle
	opRevoke                // a: handle
	opReclaim               // a: slice
	opLookup                // a: handle
	opUse                   // a: handle
	opTick                  //
	opSeal                  // a: handle
	opUnseal                // a: handle
	opPackCopy              // a: handle, b: a second handle, moved too, plus one
	opPackMove              // a: handle, b: as above
	opInstall               // a: message, c: receiver
	opCancel                // a: message
	opClose                 // a: task
	opCount
)

var opNames = [opCount]string{
	"mint", "grant", "move", "delete", "revoke", "reclaim", "look up", "use", "let time pass",
	"seal", "unseal", "pack a copy of", "pack", "install", "cancel", "close",
}

// forged stands for a second handle that nobody was ever given.
const forged = 255

// alphabet is which operations a facet has.
type alphabet struct {
	kinds    [opCount]bool
	mints    []abi.Mint
	grants   []abi.Mint
	original kernel.Origin
	stale    bool // operations are tried on dead handles too
	messages int  // on their way at a time
}

// treeWorld is a real derivation tree beside its reference.
type treeWorld struct {
	alphabet *alphabet
	tree     *kernel.Tree
	spaces   []*kernel.Space
	object   *kernel.Object
	sealer   *kernel.Object
	ref      reference
	issued   []ticket
	messages []parcel
	other    []byte          // room for one more shape
	order    []*kernel.Space // room for shapeOf
}

// parcel is a message on its way.
type parcel struct {
	from   int
	bundle kernel.Bundle
	caps   []int
	moved  []bool
	over   bool
}

// relax is the machine of a world without threads: nobody ever waits.
type relax struct{}

func (relax) Relax() { panic("waits for nobody: an operation was never left") }

func newTreeWorld(a *alphabet, l limits) *treeWorld {
	w := &treeWorld{alphabet: a, ref: reference{limits: l, closed: make([]bool, l.tasks), now: 1}}
	w.tree = kernel.New(relax{}, kernel.Limits{
		Nodes: uint32(l.nodes), Objects: 2, Spaces: uint32(l.tasks), Generations: l.generations,
	})
	for task := range l.tasks {
		s, _ := w.tree.NewSpace(uint64(task)+1, uint32(l.slots))
		w.spaces = append(w.spaces, s)
	}
	w.object, _ = w.tree.NewObject(abi.ObjectNotification, nil)
	w.sealer, _ = w.tree.NewObject(abi.ObjectNotification, nil)
	h, _ := w.tree.Original(w.spaces[0], w.object, a.original)
	copies := abi.Unlimited
	if a.original.MoveOnly {
		copies = 0
	}
	w.ref.caps = append(w.ref.caps, refCap{
		parent: -1, rights: a.original.Rights, pass: a.original.Rights, badge: a.original.Badge,
		ceiling: a.original.Ceiling, uses: abi.Unlimited, copies: copies,
	})
	w.ref.place(0, 0, h)
	w.issued = append(w.issued, ticket{0, h})
	return w
}

func (w *treeWorld) steps(out []step) []step {
	has := &w.alphabet.kinds
	for i, t := range w.issued {
		c := w.ref.find(t.task, t.handle)
		if c < 0 && !w.alphabet.stale {
			continue
		}
		out = w.stepsOn(out, uint8(i), t, c >= 0)
	}
	for i := range w.messages {
		if w.messages[i].over {
			continue
		}
		for to := range w.spaces {
			out = add(out, has, step{opInstall, uint8(i), 0, uint8(to)})
		}
		out = add(out, has, step{kind: opCancel, a: uint8(i)})
	}
	for task := range w.spaces {
		if !w.ref.closed[task] {
			out = add(out, has, step{kind: opClose, a: uint8(task)})
		}
	}
	if w.ref.now < 3 {
		out = add(out, has, step{kind: opTick})
	}
	if w.ref.pending {
		out = add(out, has, step{kind: opReclaim, a: 1})
	}
	return out
}

func add(out []step, has *[opCount]bool, s step) []step {
	if !has[s.kind] {
		return out
	}
	return append(out, s)
}

// stepsOn appends what can be done with one handle. A dead one is tried where
// it would hurt.
func (w *treeWorld) stepsOn(out []step, i uint8, t ticket, live bool) []step { //nolint:revive // flag-parameter: a state
	has := &w.alphabet.kinds
	out = add(out, has, step{kind: opDelete, a: i})
	for v := range w.alphabet.mints {
		out = add(out, has, step{kind: opMint, a: i, b: uint8(v)})
		if !live {
			break
		}
	}
	if !live {
		return out
	}
	for to := range w.spaces {
		if to == t.task {
			continue
		}
		for v := range w.alphabet.grants {
			out = add(out, has, step{opGrant, i, uint8(v), uint8(to)})
		}
		out = add(out, has, step{opMove, i, 0, uint8(to)})
	}
	for _, kind := range [...]uint8{opRevoke, opLookup, opUse, opSeal, opUnseal} {
		out = add(out, has, step{kind: kind, a: i})
	}
	if w.underWay() >= w.alphabet.messages {
		return out
	}
	out = add(out, has, step{kind: opPackCopy, a: i})
	out = add(out, has, step{kind: opPackMove, a: i})
	out = add(out, has, step{kind: opPackCopy, a: i, b: forged})
	out = add(out, has, step{kind: opPackMove, a: i, b: forged})
	for j, other := range w.issued {
		if other.task == t.task && other != t && w.ref.find(other.task, other.handle) >= 0 {
			out = add(out, has, step{kind: opPackCopy, a: i, b: uint8(j + 1)})
		}
	}
	return out
}

// slack: a derivation that needs a node clears away what is dead.
func (w *treeWorld) slack() bool { return w.ref.pending }

func (w *treeWorld) underWay() int {
	n := 0
	for i := range w.messages {
		if !w.messages[i].over {
			n++
		}
	}
	return n
}

// shape is that of the tree, the messages and the time, with the tasks in the
// order that makes it least: which of them is called the first says nothing.
func (w *treeWorld) shape(b []byte) []byte {
	start := len(b)
	for i, order := range orders(len(w.spaces)) {
		if i == 0 {
			b = w.shapeOf(b, order)
			continue
		}
		w.other = w.shapeOf(w.other[:0], order)
		if string(w.other) < string(b[start:]) {
			b = append(b[:start], w.other...)
		}
	}
	return b
}

// orders returns every order of n tasks.
func orders(n int) [][]uint8 {
	switch n {
	case 2:
		return [][]uint8{{0, 1}, {1, 0}}
	case 3:
		return [][]uint8{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	default:
		return [][]uint8{{0}}
	}
}

func (w *treeWorld) shapeOf(b []byte, order []uint8) []byte {
	w.order = w.order[:0]
	for _, task := range order {
		w.order = append(w.order, w.spaces[task])
	}
	b = append(b, byte(w.ref.now), byte(w.underWay()))
	for i := range w.messages {
		m := &w.messages[i]
		if m.over {
			continue
		}
		for _, c := range m.caps {
			d := &w.ref.caps[c]
			state := byte(0)
			if w.ref.live(c) {
				state = 1
			}
			at := byte(255)
			if d.moving {
				at = byte(d.handle.Index()) | 64*byte(slices.Index(order, uint8(d.task)))
			}
			b = append(b, state, at)
		}
		b = append(b, 254)
	}
	return w.tree.Shape(b, w.order...)
}

func (w *treeWorld) say(s step) string {
	handle := func(i uint8) string { return fmt.Sprintf("#%d", i) }
	text := opNames[s.kind]
	switch s.kind {
	case opReclaim, opTick:
	case opInstall:
		text += fmt.Sprintf(" message %d at task %d", s.a, s.c)
	case opCancel:
		text += fmt.Sprintf(" message %d", s.a)
	case opClose:
		text += fmt.Sprintf(" task %d", s.a)
	case opMint:
		text += fmt.Sprintf(" %s, form %d", handle(s.a), s.b)
	case opGrant:
		text += fmt.Sprintf(" %s, form %d, to task %d", handle(s.a), s.b, s.c)
	case opMove:
		text += fmt.Sprintf(" %s to task %d", handle(s.a), s.c)
	case opPackCopy, opPackMove:
		text += " " + handle(s.a)
		switch {
		case s.b == forged:
			text += " and a forged handle"
		case s.b > 0:
			text += ", moving " + handle(s.b-1)
		}
	default:
		text += " " + handle(s.a)
	}
	return text
}
