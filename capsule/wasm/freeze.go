package wasm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"phios/abi"
	"phios/platform"
	"phios/platform/host/linear"
)

// A frozen program is, in little-endian numbers:
//
//	8 bytes  frozenMagic, which holds the version
//	32       the hash of the image
//	u8       the epoch
//	u32      n globals, then n times u64
//	u32      n grants, then n times: u64 the number, u16 a length, the name
//	u64      bytes of memory
//	runs     u32 first page, u32 pages, their bytes; ends with 0 pages
//	32       the SHA-256 of everything before
//
// Pages of zeros are left out. What a program holds beside that is found again
// (its message), made anew (its WASI layer: files that it had open are not open
// any more) or refuses the freezing (windows, tables that it changed).
const frozenMagic = "PHIFRZ\x00\x01"

// runPagesMax bounds the pages of a run, and so what is read at once.
const runPagesMax = 256

// errFrozen is a frozen program that cannot be read.
var errFrozen = errors.New("the frozen program is damaged or not one: freeze it again, or start the capsule anew")

// frozen is a frozen program without its memory.
type frozen struct {
	image   Hash
	epoch   uint8
	globals []uint64
	grants  []grant
	bytes   uint64 // of memory
}

// Freeze writes the program's state, from which Start goes on with
// Spec.Frozen. The program must not run meanwhile, and have no windows open.
// Handles that it found by name mean what is granted under that name then; all
// others will be bad.
func (i *Instance) Freeze(w io.Writer) error {
	if reason := i.rigid(); reason != "" {
		return fmt.Errorf("freeze %s: %s", i.spec.Name, reason)
	}
	memory := i.linear.Bytes()
	f := frozen{image: i.image.hash, epoch: i.epoch, globals: i.getGlobals(), grants: i.grants, bytes: uint64(len(memory))}
	sum := sha256.New()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	_, _ = out.Write(f.encode()) // out keeps its first error until it is flushed
	for at, end := linear.NextPages(memory, 0); at < end; {
		stop := min(end, at+runPagesMax*platform.PageBytes)
		_, _ = out.Write(runHead(at/platform.PageBytes, (stop-at)/platform.PageBytes))
		_, _ = out.Write(memory[at:stop])
		if at = stop; at == end {
			at, end = linear.NextPages(memory, end)
		}
	}
	_, _ = out.Write(runHead(0, 0))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("freeze %s: write: %w", i.spec.Name, err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("freeze %s: write: %w", i.spec.Name, err)
	}
	return nil
}

// rigid says why the program cannot be frozen; empty when it can.
func (i *Instance) rigid() string {
	_, ended := i.Ended()
	switch {
	case ended:
		return "it has ended: start it anew"
	case !i.begun || !i.image.Serves():
		return "it does not serve, so that it is never at rest: make it answer messages"
	case i.image.facts.Fixed != "":
		return i.image.facts.Fixed + ": build it without, or start it anew instead"
	case i.linear.Windows() != 0:
		return "it has windows of regions open: let it unmap them first"
	case i.wide || i.unnamed:
		return "it has been given more handles than can be told apart later: start it anew"
	case i.epoch == EpochsMax:
		return "it was frozen too many times: start it anew"
	}
	return ""
}

func runHead(first, pages int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(first)) //nolint:gosec // G115: pages of 4 GiB
	return binary.LittleEndian.AppendUint32(b, uint32(pages)) //nolint:gosec // G115: at most runPagesMax
}

// encode returns everything before the memory.
func (f *frozen) encode() []byte {
	le := binary.LittleEndian
	b := append([]byte(frozenMagic), f.image[:]...)
	b = append(b, f.epoch)
	b = le.AppendUint32(b, uint32(len(f.globals))) //nolint:gosec // G115: bounded by the rewriter
	for _, g := range f.globals {
		b = le.AppendUint64(b, g)
	}
	b = le.AppendUint32(b, uint32(len(f.grants))) //nolint:gosec // G115: at most NamesMax
	for _, g := range f.grants {
		b = le.AppendUint64(b, uint64(g.seen))
		b = le.AppendUint16(b, uint16(len(g.name))) //nolint:gosec // G115: at most nameBytesMax
		b = append(b, g.name...)
	}
	return le.AppendUint64(b, f.bytes)
}

// thaw makes the instance what was frozen. The instance is of no use when it
// fails.
func (i *Instance) thaw(r io.Reader) error {
	if i.image.facts.Fixed != "" {
		return fmt.Errorf("%s: start it anew instead", i.image.facts.Fixed)
	}
	d := newDecoder(r)
	f, err := d.head(i.image.hash, len(i.image.facts.Globals))
	if err != nil {
		return err
	}
	if f.bytes > MemoryBytesMax || !i.grow(f.bytes) {
		return fmt.Errorf("its memory of %d bytes is more than it may have now: raise the memory of its budget", f.bytes)
	}
	if err := d.memory(i.linear.Bytes()); err != nil {
		return err
	}
	i.setGlobals(f.globals)
	i.epoch, i.grants = f.epoch+1, f.grants
	for n := range i.grants {
		if h, status := i.door.Named(i.grants[n].name); status == abi.StatusOK {
			i.grants[n].now = h
		}
	}
	i.begun, i.thawed = true, true
	return nil
}

// decoder reads a frozen program, whose bytes nobody has checked.
type decoder struct {
	r   io.Reader
	sum hash.Hash
	err error
}

func newDecoder(r io.Reader) *decoder {
	d := &decoder{sum: sha256.New()}
	d.r = io.TeeReader(bufio.NewReader(r), d.sum)
	return d
}

// read fills b, or remembers that it could not.
func (d *decoder) read(b []byte) []byte {
	if d.err == nil {
		if _, err := io.ReadFull(d.r, b); err != nil {
			d.err = fmt.Errorf("%w (%w)", errFrozen, err)
		}
	}
	if d.err != nil {
		clear(b)
	}
	return b
}

func (d *decoder) u16() uint16 { return binary.LittleEndian.Uint16(d.read(make([]byte, 2))) }
func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.read(make([]byte, 4))) }
func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.read(make([]byte, 8))) }

// head reads everything before the memory, of a program of the image that has
// so many globals.
func (d *decoder) head(image Hash, globals int) (frozen, error) {
	var f frozen
	if magic := d.read(make([]byte, len(frozenMagic))); d.err == nil && string(magic) != frozenMagic {
		return frozen{}, fmt.Errorf("%w (not written by this version)", errFrozen)
	}
	d.read(f.image[:])
	if d.err == nil && f.image != image {
		return frozen{}, fmt.Errorf("it was frozen from the image %v, and this is %v: thaw it with its own image", f.image, image)
	}
	f.epoch = d.read(make([]byte, 1))[0]
	if n := d.u32(); d.err == nil && (uint64(n) != uint64(globals) || f.epoch == EpochsMax) { //nolint:gosec // G115: not negative
		return frozen{}, errFrozen
	}
	f.globals = make([]uint64, globals)
	for n := range f.globals {
		f.globals[n] = d.u64()
	}
	grants := d.u32()
	if grants > NamesMax {
		return frozen{}, errFrozen
	}
	for range grants {
		g := grant{seen: abi.Handle(d.u64())}
		size := d.u16()
		if size > nameBytesMax || g.seen>>epochShift > abi.Handle(f.epoch) {
			return frozen{}, errFrozen
		}
		g.name = string(d.read(make([]byte, size)))
		f.grants = append(f.grants, g)
	}
	f.bytes = d.u64()
	if d.err == nil && f.bytes%pageBytes != 0 {
		return frozen{}, errFrozen
	}
	return f, d.err
}

// memory reads the pages into a memory of zeros, and checks the sum.
func (d *decoder) memory(memory []byte) error {
	next := uint64(0)
	for {
		first, pages := uint64(d.u32()), uint64(d.u32())
		if d.err != nil {
			return d.err
		}
		if pages == 0 {
			break
		}
		start, end := first*platform.PageBytes, (first+pages)*platform.PageBytes
		if start < next || pages > runPagesMax || end > uint64(len(memory)) {
			return errFrozen
		}
		d.read(memory[start:end])
		next = end
	}
	want := slices.Clone(d.sum.Sum(nil))
	if have := d.read(make([]byte, sha256.Size)); d.err == nil && !bytes.Equal(have, want) {
		return errFrozen
	}
	return d.err
}
