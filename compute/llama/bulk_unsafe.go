package llama

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"phios/compute/llama/wire"
)

// memfd calls memfd_create.
func memfd(name string) (uintptr, error) {
	b, err := syscall.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	// Safety: b is a string with its end, alive during the call.
	fd, _, errno := syscall.Syscall(memfdNumber(), uintptr(unsafe.Pointer(b)), memfdClose|memfdSealable, 0)
	if errno != 0 {
		return 0, errno
	}
	return fd, nil
}

// setCancel raises the flag that ends a step, or lowers it. The flag is a byte;
// it is written as a word, for that can be done atomically: the other three are
// zero always.
func (b *bulk) setCancel(v uint32) {
	// Safety: mapped memory starts at a page, so its first four bytes are an
	// aligned word, and stay mapped until the helper is gone.
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.mapped[wire.CancelByte])), v)
}

// floats is a part of the memory as numbers: what the helper wrote there, so
// any bits, which may change while they are read. Copy, then use.
func (b *bulk) floats(at, n int) []float32 {
	d := b.data()[4*at : 4*(at+n)]
	if n == 0 {
		return nil
	}
	// Safety: at is in words of four bytes from a page's start, the slice above
	// has checked the bounds, and any bits are a number.
	return unsafe.Slice((*float32)(unsafe.Pointer(&d[0])), n)
}

// tokens is a part of the memory as tokens.
func (b *bulk) tokens(at, n int) []int32 {
	d := b.data()[4*at : 4*(at+n)]
	if n == 0 {
		return nil
	}
	// Safety: as for floats.
	return unsafe.Slice((*int32)(unsafe.Pointer(&d[0])), n)
}
