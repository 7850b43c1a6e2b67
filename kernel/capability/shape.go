package capability

import "encoding/binary"

// Shape appends to b everything that decides what the tree will answer from
// now on, and nothing else: two trees of the same shape behave alike. Nodes
// are named in the order in which they are met, epochs are reduced to whether
// they match, and a cache to whether it is fresh; the caches are the last
// eight bytes, for a call that is refused may freshen one. So a search through the
// states of a small tree, which asks for the shape of each, meets every kind
// of state once. The CSpaces come in the given order.
//
// It is for verification: it takes the time of the whole tree, under its lock.
func (t *Tree) Shape(b []byte, order ...*Space) []byte {
	t.lock()
	defer t.mu.Unlock()
	s := shape{tree: t, b: b, names: make([]uint16, len(t.nodes))}
	for _, space := range order {
		s.space(space)
	}
	for n := t.graveyard; n != 0; n = t.nodes[n].grave {
		for c := n; c != 0; c = t.nodes[c].next {
			s.put(uint64(s.name(c)))
		}
		s.put(0)
	}
	for i := 0; i < len(s.met); i++ { //nolint:intrange // node appends to what was met
		s.node(s.met[i])
	}
	s.put(uint64(t.nodesFree))
	return binary.LittleEndian.AppendUint64(s.b, s.fresh)
}

// shape is what Shape has met.
type shape struct {
	tree  *Tree
	b     []byte
	names []uint16 // by node, from 1 on; zero when it was not met
	met   []Node
	fresh uint64 // a bit for each slot in use, in the order met
	slots uint
}

func (s *shape) put(values ...uint64) {
	for _, v := range values {
		s.b = binary.AppendUvarint(s.b, v)
	}
}

func (s *shape) name(n Node) uint16 {
	if n == 0 {
		return 0
	}
	if s.names[n] == 0 {
		s.met = append(s.met, n)
		s.names[n] = uint16(len(s.met)) //nolint:gosec // G115: for small trees
	}
	return s.names[n]
}

// space puts down the slots: their generations, what is in them and whether
// the cache is fresh, and the order in which free ones will be taken.
func (s *shape) space(space *Space) {
	closed := uint64(0)
	if space.closed {
		closed = 1 + uint64(space.cursor)
	}
	s.put(closed)
	for i := range space.entries {
		e := &space.entries[i]
		tag := e.tag.Load()
		s.put(tag)
		if state := tag & slotMask; state == slotLive || state == slotTransit {
			n := Node(e.aux.Load() & 0xffffffff)
			s.put(uint64(s.name(n)))
			if o := s.tree.objects[s.tree.nodes[n].object]; o != nil && e.seen.Load() == o.epoch.Load() {
				s.fresh |= 1 << (s.slots % 64)
			}
			s.slots++
		}
	}
	s.put(uint64(len(space.free)))
	for _, i := range space.free {
		s.put(uint64(i))
	}
}

// node puts down one node and its children.
func (s *shape) node(n Node) {
	d := &s.tree.nodes[n]
	parent := uint64(0)
	if d.parent != 0 && s.tree.nodes[d.parent].epoch == d.parentEpoch {
		parent = uint64(s.name(d.parent))
	} else if d.parent != 0 {
		parent = 1 << 20 // orphaned
	}
	s.put(parent, uint64(d.state), uint64(d.object), uint64(d.rights), uint64(d.pass), d.badge)
	s.put(d.ceiling.Sources, d.ceiling.Readers, uint64(d.expires), uint64(d.uses), uint64(d.copies)) //nolint:gosec // G115: a time is a time
	s.put(d.window.Base, d.window.Length, d.seal, uint64(d.payer))
	for c := d.first; c != 0; c = s.tree.nodes[c].next {
		s.put(uint64(s.name(c)))
	}
	s.put(0)
}
