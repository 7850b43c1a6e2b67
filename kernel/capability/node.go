package capability

import (
	"phios/abi"
	"phios/internal/invariant"
	"phios/internal/mutant"
)

// Node is the number of a capability in the derivation tree. Zero is none.
// Numbers are used again; only together with an epoch do they name one
// capability for ever.
type Node uint32

// DepthMax is the longest chain of derivations. It bounds the one walk that a
// revocation costs each surviving capability.
const DepthMax = 32

// noSpace is the place of a node that is in no CSpace.
const noSpace = 0

// node is one capability in the tree. Everything is guarded by Tree.mu.
type node struct {
	epoch       uint64 // recorded by children; grows at each revocation and at death
	parentEpoch uint64
	parent      Node
	first       Node // youngest child
	next, prev  Node // among the parent's children
	grave       Node // next list of the graveyard, when this is a list's head
	object      uint32
	space       uint32 // index in Tree.spaces, or noSpace in transit
	slot        uint32
	birth       uint32 // how often the node was filled or its place changed
	depth       uint8
	state       nodeState

	rights, pass abi.Rights
	badge        uint64
	ceiling      abi.Label
	expires      int64
	uses         uint32
	copies       uint32
	window       Bounds
	seal         uint64 // object id of the sealer, zero when open
	payer        uint32 // object index of the budget that pays, or zero
	payerKey     Key    // the capability by which it was named to pay
}

type nodeState uint8

const (
	nodeFree    nodeState = iota
	nodeHeld              // in a slot
	nodeCopying           // in transit, made for the message
	nodeMoving            // in transit, its slot waits for what becomes of it
	nodeLost              // in transit and dead; whoever carries it frees it
	nodeBuried            // placeless and in the graveyard, which frees it
)

// marks says what the entry must send the gate to the tree for.
func (d *node) marks() uint32 {
	m := uint32(0)
	if d.expires != 0 || d.uses != abi.Unlimited {
		m |= markLimited
	}
	if d.ceiling != abi.LabelTop() {
		m |= markCeiling
	}
	if d.window.Length != 0 {
		m |= markWindow
	}
	if d.seal != 0 {
		m |= markSealed
	}
	if d.payer != 0 {
		m |= markPayer
	}
	return m
}

// whole reports whether every link of the chain from n up is intact.
//
// Preconditions:
//   - t.mu is held
func (t *Tree) whole(n Node) bool {
	for range DepthMax + 1 {
		d := &t.nodes[n]
		if d.state == nodeFree || d.state >= nodeLost {
			return false
		}
		if d.parent == 0 {
			return d.parentEpoch == 0
		}
		if t.nodes[d.parent].epoch != d.parentEpoch {
			return false
		}
		n = d.parent
	}
	invariant.Always(false, "capability: a chain is longer than DepthMax")
	return false
}

// link makes n the youngest child of p.
func (t *Tree) link(n, p Node) {
	d, up := &t.nodes[n], &t.nodes[p]
	d.parent, d.parentEpoch, d.depth = p, up.epoch, up.depth+1
	d.next, d.prev = up.first, 0
	if up.first != 0 {
		t.nodes[up.first].prev = n
	}
	up.first = n
}

// buried reports whether n is in the graveyard: its parent has moved on, and
// so no longer lists it.
func (t *Tree) buried(n Node) bool {
	d := &t.nodes[n]
	return d.parent != 0 && t.nodes[d.parent].epoch != d.parentEpoch
}

// unlink takes n out of its parent's list.
//
// Preconditions:
//   - n is not buried
func (t *Tree) unlink(n Node) {
	d := &t.nodes[n]
	switch {
	case d.prev != 0:
		t.nodes[d.prev].next = d.next
	case d.parent != 0:
		invariant.Check(t.nodes[d.parent].first == n, "capability: a first child is not its parent's")
		t.nodes[d.parent].first = d.next
	}
	if d.next != 0 && !mutant.On(mutant.UnlinkForgetsNeighbour) {
		t.nodes[d.next].prev = d.prev
	}
	d.next, d.prev = 0, 0
}

// bury hands the children of n to the graveyard. It takes constant time: a
// list of siblings is buried by its head.
func (t *Tree) bury(n Node) {
	head := t.nodes[n].first
	if head == 0 {
		return
	}
	t.nodes[n].first = 0
	if mutant.On(mutant.GraveLost) {
		return
	}
	t.nodes[head].grave = t.graveyard
	t.graveyard = head
}

// take returns a free node to be filled, or false at the limit, which the
// graveyard does not count towards.
func (t *Tree) take() (Node, bool) {
	if t.freeNodes == 0 {
		t.reclaim(reclaimSlice)
	}
	n := t.freeNodes
	if n == 0 {
		return 0, false
	}
	t.freeNodes = t.nodes[n].next
	t.nodesFree--
	t.nodes[n] = node{epoch: t.nodes[n].epoch, birth: t.nodes[n].birth + 1}
	return n, true
}

// free gives a node back. Its epoch goes on growing, so that nothing that
// remembers it can take the next one for it.
func (t *Tree) free(n Node) {
	d := &t.nodes[n]
	epoch := d.epoch
	if !mutant.On(mutant.NodeEpochReused) {
		epoch++
	}
	t.dropNode(d)
	*d = node{epoch: epoch, birth: d.birth, next: t.freeNodes}
	t.freeNodes = n
	t.nodesFree++
}

// dropNode takes away the references that a node is.
func (t *Tree) dropNode(d *node) {
	t.dropReceiver(d)
	t.drop(t.objects[d.object])
	if d.payer != 0 {
		t.drop(t.objects[d.payer])
	}
}

// dropReceiver takes away what a node is of those that can receive.
func (t *Tree) dropReceiver(d *node) {
	if !(d.rights | d.pass).Has(abi.RightReceive) {
		return
	}
	o := t.objects[d.object]
	o.receivers--
	if o.receivers == 0 {
		t.event(o)
	}
}

// Alive reports whether the capability of that key still is where it was, and
// neither revoked nor deleted.
func (t *Tree) Alive(key Key) bool {
	t.lock()
	defer t.mu.Unlock()
	return t.alive(key)
}

func (t *Tree) alive(key Key) bool {
	n := Node(key & 0xffffffff)
	if n == 0 || int(n) >= len(t.nodes) {
		return false
	}
	return t.nodes[n].birth == uint32(key>>32) && t.whole(n)
}
