package phi

import "structs"

// Capability names a place in the program's own table of capabilities. Zero is
// none. The number means nothing to another program.
type Capability uint64

// Rights is a set of what a capability allows.
type Rights uint32

// Resource is a kind of thing that budgets count.
type Resource uint64

// ObjectType is the type of the object that a capability is to.
type ObjectType uint64

// Mint says how a derived capability is less than the one it comes from. Start
// from Whole.
type Mint struct {
	_ structs.HostLayout
	// Rights are what the new holder may exercise, Pass what it may pass on.
	Rights, Pass Rights
	// Badge marks what comes through the capability; zero keeps the parent's.
	Badge uint64
	// Ceiling is met with the parent's: data above it does not pass.
	Ceiling Label
	// Expires is an absolute time in nanoseconds, zero for the parent's.
	Expires int64
	// Uses and Copies bound how often it is used and copied; see Unlimited.
	Uses, Copies uint32
	// Base and Bytes narrow a region; Bytes zero keeps the parent's window.
	Base, Bytes uint64
	// Payer, when not zero, is a budget that pays in place of the caller's.
	Payer Capability
}

// Whole returns the Mint that asks for the given rights, to use and to pass
// on, and changes nothing else.
func Whole(rights Rights) Mint {
	return Mint{Rights: rights, Pass: rights, Ceiling: LabelAny(), Uses: Unlimited, Copies: Unlimited}
}

// Named finds the capability that was granted under a name of the manifest.
// StatusDenied when it was asked for and not granted, StatusBadHandle when the
// manifest does not ask for it.
func Named(name string) (Capability, error) {
	var r uint64
	b := []byte(name)
	p, n := span(b)
	s := capNamed(p, n, &r)
	return Capability(r), s.err()
}

// span splits bytes for the node.
func span(b []byte) (*byte, uint32) {
	if len(b) == 0 {
		return nil, 0
	}
	return &b[0], uint32(len(b))
}

// The typed views of a capability. They check nothing: the kernel does, with
// StatusType, when one is used.

// Endpoint says that c is to an endpoint or a service.
func (c Capability) Endpoint() Endpoint { return Endpoint{c} }

// Region says that c is to a region.
func (c Capability) Region() Region { return Region{c} }

// Notification says that c is to a notification.
func (c Capability) Notification() Notification { return Notification{c} }

// Timer says that c is to a timer.
func (c Capability) Timer() Timer { return Timer{c} }

// Interrupt says that c is to an interrupt.
func (c Capability) Interrupt() Interrupt { return Interrupt{c} }

// Budget says that c is to a budget.
func (c Capability) Budget() Budget { return Budget{c} }

// Task says that c is to a task.
func (c Capability) Task() Task { return Task{c} }

// Model says that c is to a model or a compute unit.
func (c Capability) Model() Model { return Model{c} }

// Mint derives a lesser capability to the same object.
func (c Capability) Mint(m *Mint) (Capability, error) {
	var r uint64
	s := capMint(c, m, &r)
	return Capability(r), s.err()
}

// Delete gives the capability up, and revokes all that was derived from it.
func (c Capability) Delete() error { return capDelete(c).err() }

// Revoke takes back all that was derived from the capability.
func (c Capability) Revoke() error { return capRevoke(c).err() }

// Inspection is what a capability says of itself.
type Inspection struct {
	Type         ObjectType
	Rights, Pass Rights
	Badge        uint64
	Object       uint64 // the number of the object
	Base, Bytes  uint64 // the window of a region
	Ceiling      Label
}

// Inspect says what the capability is.
func (c Capability) Inspect() (Inspection, error) {
	var w [ArgWords]uint64
	var l Label
	s := capInspect(c, &w, &l)
	return Inspection{
		Type: ObjectType(w[0]), Rights: Rights(w[1]), Pass: Rights(w[1] >> 32),
		Badge: w[2], Object: w[3], Base: w[4], Bytes: w[5], Ceiling: l,
	}, s.err()
}

// Seal derives a capability that can be passed on but not used.
func (c Capability) Seal(sealer Capability) (Capability, error) {
	var r uint64
	s := capSeal(c, uint64(sealer), &r)
	return Capability(r), s.err()
}

// Unseal derives the usable capability from one that was sealed with sealer.
func (c Capability) Unseal(sealer Capability) (Capability, error) {
	var r uint64
	s := capUnseal(c, uint64(sealer), &r)
	return Capability(r), s.err()
}

// Label returns the label of what a task, region or notification holds, or the
// ceiling of an endpoint.
func (c Capability) Label() (Label, error) {
	var l Label
	s := sysLabelInspect(c, &l)
	return l, s.err()
}

// Endorse vouches for what the object holds: it removes sources.
func (c Capability) Endorse(sources uint64) error { return sysLabelEndorse(c, sources).err() }

// Declassify lets more readers see what the object holds.
func (c Capability) Declassify(readers uint64) error { return sysLabelDeclassify(c, readers).err() }
