package capability

import "phios/abi"

// Bounds is a window of addresses or offsets: from Base, Length bytes. A
// length of zero stands for no bounds at all. It is the arithmetic of bounded
// pointers: it only narrows, and it cannot overflow.
//
// The model is CHERI (Woodruff et al., "The CHERI capability model", ISCA
// 2014): base, length, permissions, and a seal. The tag that makes a pointer
// unforgeable there is here that it lives in the kernel's table and a program
// holds a handle.
type Bounds struct {
	Base   uint64
	Length uint64
}

// Valid reports whether the bounds do not wrap around.
func (b Bounds) Valid() bool { return b.Base+b.Length >= b.Base }

// Contains reports whether length bytes from offset on, counted from zero as
// Base is, lie within b. No bytes lie within any bounds whose ends they touch.
func (b Bounds) Contains(offset, length uint64) bool {
	if b.Length == 0 {
		return offset+length >= offset
	}
	return offset >= b.Base && length <= b.Length && offset-b.Base <= b.Length-length
}

// Narrow returns the bounds inner, which must lie within b; inner without a
// length stands for b itself.
func (b Bounds) Narrow(inner Bounds) (Bounds, abi.Status) {
	switch {
	case inner.Length == 0 && inner.Base == 0:
		return b, abi.StatusOK
	case inner.Length == 0:
		return Bounds{}, abi.StatusBadArgument
	case !inner.Valid() || !b.Contains(inner.Base, inner.Length):
		return Bounds{}, abi.StatusRange
	default:
		return inner, abi.StatusOK
	}
}

// Pointer is a bounded pointer: a window of one object, what may be done
// there, and a seal. It is a value that the kernel computes with; a program
// holds the handle of a capability that carries one.
type Pointer struct {
	Bounds
	// Rights are the permissions.
	Rights abi.Rights
	// Seal is the sealer's number, zero when the pointer is open.
	Seal uint64
}

// Narrow returns the pointer with smaller bounds and fewer rights.
//
// StatusSealed for a sealed pointer, StatusRange or StatusRights for asking
// for more than there is.
func (p Pointer) Narrow(inner Bounds, rights abi.Rights) (Pointer, abi.Status) {
	if p.Seal != 0 {
		return Pointer{}, abi.StatusSealed
	}
	if !p.Rights.Has(rights) {
		return Pointer{}, abi.StatusRights
	}
	bounds, status := p.Bounds.Narrow(inner)
	if status != abi.StatusOK {
		return Pointer{}, status
	}
	return Pointer{Bounds: bounds, Rights: rights}, abi.StatusOK
}

// Sealed returns the pointer closed by a sealer, whose number is not zero.
func (p Pointer) Sealed(sealer uint64) (Pointer, abi.Status) {
	if p.Seal != 0 {
		return Pointer{}, abi.StatusSealed
	}
	if sealer == 0 {
		return Pointer{}, abi.StatusBadArgument
	}
	p.Seal = sealer
	return p, abi.StatusOK
}

// Unsealed returns the pointer opened by the sealer that closed it.
func (p Pointer) Unsealed(sealer uint64) (Pointer, abi.Status) {
	if p.Seal == 0 || p.Seal != sealer {
		return Pointer{}, abi.StatusSealed
	}
	p.Seal = 0
	return p, abi.StatusOK
}

// Address returns the address of length bytes at offset from the pointer's
// base, for which all of need must be permitted.
func (p Pointer) Address(offset, length uint64, need abi.Rights) (uint64, abi.Status) {
	switch {
	case p.Seal != 0:
		return 0, abi.StatusSealed
	case !p.Rights.Has(need):
		return 0, abi.StatusRights
	case offset+length < offset || offset+length > p.Length:
		return 0, abi.StatusRange
	default:
		return p.Base + offset, abi.StatusOK
	}
}
