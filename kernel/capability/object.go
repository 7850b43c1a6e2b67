package capability

import (
	"sync/atomic"

	"phios/abi"
)

// Object is the header that every kernel object has. It is made by
// [Tree.NewObject]; its memory is ordinary memory, but what it stands for is
// released exactly when the last reference goes.
type Object struct {
	// epoch changes at every revocation of a capability to the object. Its
	// values are unique in the tree, and its lowest bit alternates.
	epoch atomic.Uint64
	// inside counts the operations between Enter and Leave, by the lowest bit
	// of the epoch that they entered under.
	inside [2]atomic.Int32

	// self is the object proper, set once before anyone can reach it.
	self any
	id   uint64
	typ  abi.ObjectType

	// The rest is guarded by Tree.mu.

	index     uint32  // in Tree.objects
	refs      int32   // nodes and holds
	receivers int32   // nodes that carry RECEIVE
	draining  bool    // a revocation waits for those inside
	cut       bool    // capabilities to it were revoked by a death: see Event
	queued    bool    // in the tree's list of events
	next      *Object // in the tree's list of events
}

// Self returns the object proper, as given to [Tree.NewObject].
func (o *Object) Self() any { return o.self }

// ID returns the object's number, unique for the life of the tree.
func (o *Object) ID() uint64 { return o.id }

// Type returns the object's type.
func (o *Object) Type() abi.ObjectType { return o.typ }

// Ref is what a handle was found to name, and the epoch at which that was so.
// It is a value: it stays readable, but says nothing of later.
type Ref struct {
	// Object is the object named.
	Object *Object
	// Badge is the capability's badge.
	Badge uint64
	seen  uint64
	both  uint64 // rights to use, and above them rights to pass on
	aux   uint64 // node, and above it the entry's marks
	key   Key
}

// Key names one capability in one place, for ever: its node and, above that,
// how often the node had been filled before. Moving a capability gives it a
// new key. Zero is none.
type Key uint64

// Rights returns what the holder may exercise.
func (r *Ref) Rights() abi.Rights { return abi.Rights(r.both & 0xffffffff) }

// Pass returns what the holder may pass on.
func (r *Ref) Pass() abi.Rights { return abi.Rights(r.both >> 32) }

// Key returns the capability's key, for [Tree.Alive].
func (r *Ref) Key() Key { return r.key }

// Node returns the number of the capability in the derivation tree.
func (r *Ref) Node() Node { return Node(r.aux & 0xffffffff) }

// Marked reports whether the capability carries anything beyond rights and a
// badge, for which [Tree.Use] must be asked.
func (r *Ref) Marked() bool { return r.aux>>32 != 0 }

// Enter begins a short operation on the object, or reports false when
// something was revoked since the lookup: then look up again. Between Enter
// and Leave a thread must not wait for anybody who may be revoking on the same
// object: it takes locks for moments only, and neither parks nor revokes.
func (r *Ref) Enter() bool {
	o := r.Object
	o.inside[r.seen&1].Add(1)
	if o.epoch.Load() == r.seen {
		return true
	}
	o.inside[r.seen&1].Add(-1)
	return false
}

// Leave ends what Enter began.
func (r *Ref) Leave() { r.Object.inside[r.seen&1].Add(-1) }

// Current reports whether nothing was revoked on the object since the lookup.
// When it is false the capability may still be live: look up again.
func (r *Ref) Current() bool { return r.Object.epoch.Load() == r.seen }

// Tag returns the epoch of the lookup in short, for operations whose one
// atomic instruction can compare it; see [Tree.Retag].
func (r *Ref) Tag() uint32 { return uint32(r.seen >> 1) } //nolint:gosec // G115: cut on purpose

// Retag calls set with the tag of the object's present epoch, while nothing
// can be revoked. set must do no more than store it.
func (t *Tree) Retag(o *Object, set func(tag uint32)) {
	t.lock()
	defer t.mu.Unlock()
	set(uint32(o.epoch.Load() >> 1)) //nolint:gosec // G115: cut on purpose
}
