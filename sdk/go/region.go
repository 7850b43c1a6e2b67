package phi

// Region is memory that several programs can share.
type Region struct{ Capability }

// Access is how a window shows a region.
type Access uint64

// The ways of access. A private window sees what others write to pages that
// the program has not written itself; what it writes, nobody else sees.
const (
	Shared  Access = RegionShared
	Private Access = RegionPrivate
)

// Read copies len(b) bytes, at most PayloadBytesMax, out of the region.
func (r Region) Read(offset uint64, b []byte) error {
	p, n := span(b)
	return memRead(r.Capability, offset, p, n).err()
}

// Write copies b, at most PayloadBytesMax bytes, into the region.
func (r Region) Write(offset uint64, b []byte) error {
	p, n := span(b)
	return memWrite(r.Capability, offset, p, n).err()
}

// Pin keeps the region in physical memory until Unpin.
func (r Region) Pin() error { return memPin(r.Capability).err() }

// Unpin ends one Pin.
func (r Region) Unpin() error { return memUnpin(r.Capability).err() }

// Settle charges the private pages made since the last time, and returns how
// many they are.
func (r Region) Settle() (uint64, error) {
	var pages uint64
	s := memSettle(r.Capability, &pages)
	return pages, s.err()
}

// RegionState is how a region is.
type RegionState struct {
	Bytes, Address, Node     uint64
	Mappings, Pins, PageSize uint64
	Label                    Label
}

// State says how the region is.
func (r Region) State() (RegionState, error) {
	var w [ArgWords]uint64
	var l Label
	s := memInspect(r.Capability, &w, &l)
	return RegionState{Bytes: w[0], Address: w[1], Node: w[2], Mappings: w[3], Pins: w[4], PageSize: w[5], Label: l}, s.err()
}

// The granularity of windows, in bytes. Regions of LargePageBytes and more may
// lie in large pages, which show only at an address that is a multiple.
const (
	PageBytes      = 4 << 10
	LargePageBytes = 2 << 20
)

// windowsMax is the number of windows that a program has open at once.
const windowsMax = 1 << 12

// Window is a part of a region that shows in the program's own memory. Once
// the capability is revoked, it reads as zeros.
type Window struct {
	// Bytes is the memory itself. It must not be used after Unmap.
	Bytes []byte

	place []byte // what was offered; its owner again after Unmap
}

// Map shows bytes of the region from offset on, both multiples of PageBytes.
// It offers memory of the Go heap, which it allocates: map once, keep the
// window, and hand over by message. StatusLimit when too many windows are
// open, StatusRange for no bytes or more than there is memory.
func (r Region) Map(offset, bytes uint64, access Access) (*Window, error) {
	if bytes == 0 || bytes >= 1<<32-LargePageBytes || bytes%PageBytes != 0 {
		return nil, StatusRange
	}
	align := uint64(PageBytes)
	if bytes >= LargePageBytes {
		align = LargePageBytes
	}
	place := make([]byte, bytes+align)
	skip := (align - uint64(addressOf(place))%align) % align
	w := &Window{Bytes: place[skip : skip+bytes : skip+bytes], place: place}
	if !keep(w) {
		return nil, StatusLimit
	}
	var at uint64
	if s := memMap(r.Capability, offset, bytes, uint64(access), addressOf(w.Bytes), &at); s != StatusOK {
		release(w)
		return nil, s
	}
	return w, nil
}

// Unmap takes the window away. Its memory is the program's own again.
func (w *Window) Unmap() error {
	if w.Bytes == nil {
		return StatusState
	}
	if s := memUnmap(addressOf(w.Bytes)); s != StatusOK {
		return s
	}
	release(w)
	w.Bytes, w.place = nil, nil
	return nil
}
