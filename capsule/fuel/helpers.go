package fuel

import "strconv"

// helperKind names the functions that are appended to a module.
type helperKind uint8

const (
	helperFill  helperKind = iota // memory.fill in chunks.
	helperCopy                    // memory.copy in chunks.
	helperItems                   // Charges a bulk operation on a table.
	helperPages                   // Charges memory.grow.
	helperInit                    // memory.init of one segment in chunks.
	helperData                    // Copies the active segments.
)

type helper struct {
	kind      helperKind
	segment   uint32
	signature uint32
}

// GlobalExport returns the name under which a mutable global is exported.
func GlobalExport(index uint32) string {
	return GlobalPrefix + strconv.FormatUint(uint64(index), 10)
}

// helper returns the function of a helper, which it adds when it is not there.
// There is one helperInit for each data segment, and one of each other kind.
func (w *writer) helper(kind helperKind, seg uint32) uint32 {
	f, ok := w.inits[seg]
	if kind != helperInit {
		f, ok = w.kinds[kind], w.kinds[kind] != 0
	}
	switch {
	case ok:
		return f
	case kind == helperInit:
		f = w.addHelper(kind, seg, w.typeBytes())
		w.inits[seg] = f
		return f
	case kind == helperItems || kind == helperPages:
		f = w.addHelper(kind, 0, w.typeItems())
	default:
		f = w.addHelper(kind, 0, w.typeBytes())
	}
	w.kinds[kind] = f
	return f
}

func (w *writer) addHelper(kind helperKind, seg, signature uint32) uint32 {
	w.helpers = append(w.helpers, helper{kind, seg, signature})
	return w.helperAt(len(w.helpers) - 1)
}

// dataInits asks for the helpers of the active segments that need one.
func (w *writer) dataInits() {
	for i, s := range w.m.data {
		if s.active && len(s.bytes) > ChunkBytes {
			w.helper(helperInit, size(i))
		}
	}
}

// helperBodies appends the code of all helpers.
func (w *writer) helperBodies() {
	for _, h := range w.helpers {
		a := assembler{w: w}
		switch h.kind {
		case helperItems:
			a.items()
		case helperPages:
			a.pages()
		case helperData:
			a.segments()
		case helperFill, helperCopy, helperInit:
			a.chunks(h)
		}
		a.op(opEnd)
		w.code = append(appendU(w.code, size(len(a.b))), a.b...)
	}
}

// assembler writes the body of one helper.
type assembler struct {
	w *writer
	b []byte
}

func (a *assembler) op(ops ...byte) { a.b = append(a.b, ops...) }

// with writes an instruction with an index.
func (a *assembler) with(op byte, index uint32) { a.b = appendU(append(a.b, op), index) }

func (a *assembler) i32(v int32) { a.b = appendS(append(a.b, opI32Const), int64(v)) }
func (a *assembler) i64(v int64) { a.b = appendS(append(a.b, opI64Const), v) }

// wide pushes a local i32 as an unsigned 64-bit number.
func (a *assembler) wide(local uint32) {
	a.with(opLocalGet, local)
	a.op(opI64ExtendI32U)
}

// toll is the least that a bulk operation costs, in units.
const toll = 8

// take charges as many units as the i32 local says, shifted right, and the
// toll.
func (a *assembler) take(units uint32, shift int32) {
	a.with(opGlobalGet, a.w.fuel())
	a.with(opLocalGet, units)
	a.i32(shift)
	a.op(opI32ShrU)
	a.i32(toll)
	a.op(opI32Add, opI64ExtendI32U, opI64Sub)
	a.b = a.w.check(a.b)
}

// items is (n) -> (n): it charges n elements of a table, or as many as a table
// can have, for more trap or fail at once.
func (a *assembler) items() {
	const n, units = 0, 1
	a.op(1, 1, typeI32)
	a.minimum(n, TableElementsMax)
	a.with(opLocalSet, units)
	a.take(units, 0)
	a.with(opLocalGet, n)
}

// pages is (n) -> (n): it charges a memory.grow by n pages, unless that will
// fail, which is cheap and which allocators try.
func (a *assembler) pages() {
	const n, units = 0, 1
	a.op(1, 1, typeI32)
	a.wide(n)
	a.op(opMemorySize, 0, opI64ExtendI32U, opI64Add)
	a.i64(int64(a.w.m.facts.MaxPages))
	a.op(opI64LeU, opIf, blockEmpty)
	a.with(opLocalGet, n)
	a.i32(pageUnitsShift)
	a.op(opI32Shl)
	a.with(opLocalSet, units)
	a.op(opEnd)
	a.take(units, 0)
	a.with(opLocalGet, n)
}

// minimum pushes the lesser of a local and a constant, unsigned.
func (a *assembler) minimum(local uint32, most int32) {
	a.i32(most)
	a.with(opLocalGet, local)
	a.with(opLocalGet, local)
	a.i32(most)
	a.op(opI32GtU, opSelect)
}

// The parameters and locals of the helpers that go in chunks. Source is the
// value for fill.
const (
	chunkTarget = iota
	chunkSource
	chunkLength
	chunkPiece
)

// chunks is (target, source, length): one memory operation in pieces of
// ChunkBytes, each paid for before it is done. As the instruction does, it
// traps before it writes anything: what lies out of range is left to the
// instruction as a whole.
func (a *assembler) chunks(h helper) {
	a.op(1, 1, typeI32)
	a.with(opLocalGet, chunkLength)
	a.i32(ChunkBytes)
	a.op(opI32LeU, opIf, blockEmpty)
	a.take(chunkLength, bytesPerUnitShift)
	a.whole(h)
	a.op(opReturn, opEnd)

	a.outside(chunkTarget, -1)
	switch h.kind { //nolint:exhaustive // The others have no source.
	case helperCopy:
		a.outside(chunkSource, -1)
		a.op(opI32Or)
	case helperInit:
		a.outside(chunkSource, int64(len(a.w.m.data[h.segment].bytes)))
		a.op(opI32Or)
	}
	a.op(opIf, blockEmpty)
	a.whole(h)
	a.op(opUnreachable, opEnd)

	if h.kind != helperCopy {
		a.forward(h)
		return
	}
	// A copy upwards begins at its end, so that no piece overwrites what a
	// later one has to read.
	a.with(opLocalGet, chunkTarget)
	a.with(opLocalGet, chunkSource)
	a.op(opI32GtU, opIf, blockEmpty)
	a.backward(h)
	a.op(opElse)
	a.forward(h)
	a.op(opEnd)
}

// outside pushes whether start+length exceeds a bound in bytes; -1 is the
// size of the memory.
func (a *assembler) outside(start uint32, bound int64) {
	a.wide(start)
	a.wide(chunkLength)
	a.op(opI64Add)
	if bound >= 0 {
		a.i64(bound)
	} else {
		a.op(opMemorySize, 0, opI64ExtendI32U)
		a.i64(16)
		a.op(opI64Shl)
	}
	a.op(opI64GtU)
}

// whole does the operation in one.
func (a *assembler) whole(h helper) {
	a.with(opLocalGet, chunkTarget)
	a.with(opLocalGet, chunkSource)
	a.with(opLocalGet, chunkLength)
	a.bulk(h)
}

func (a *assembler) bulk(h helper) {
	a.op(opBulk)
	switch h.kind { //nolint:exhaustive // The others are no memory operations.
	case helperFill:
		a.op(bulkMemoryFill, 0)
	case helperCopy:
		a.op(bulkMemoryCopy, 0, 0)
	default:
		a.with(bulkMemoryInit, h.segment)
		a.op(0)
	}
}

// piece opens a loop and pays for the next piece.
func (a *assembler) piece() {
	a.op(opLoop, blockEmpty)
	a.minimum(chunkLength, ChunkBytes)
	a.with(opLocalSet, chunkPiece)
	a.take(chunkPiece, bytesPerUnitShift)
}

// advance adds the piece to a local.
func (a *assembler) advance(local uint32, op byte) {
	a.with(opLocalGet, local)
	a.with(opLocalGet, chunkPiece)
	a.op(op)
	a.with(opLocalSet, local)
}

// again goes round while bytes are left.
func (a *assembler) again() {
	a.with(opLocalGet, chunkLength)
	a.op(opBrIf, 0, opEnd)
}

func (a *assembler) forward(h helper) {
	a.piece()
	a.with(opLocalGet, chunkTarget)
	a.with(opLocalGet, chunkSource)
	a.with(opLocalGet, chunkPiece)
	a.bulk(h)
	a.advance(chunkTarget, opI32Add)
	if h.kind != helperFill {
		a.advance(chunkSource, opI32Add)
	}
	a.advance(chunkLength, opI32Sub)
	a.again()
}

func (a *assembler) backward(h helper) {
	a.piece()
	a.advance(chunkLength, opI32Sub)
	for _, start := range []uint32{chunkTarget, chunkSource} {
		a.with(opLocalGet, start)
		a.with(opLocalGet, chunkLength)
		a.op(opI32Add)
	}
	a.with(opLocalGet, chunkPiece)
	a.bulk(h)
	a.again()
}

// segments is (): it copies the active data segments, in order, and drops
// each. It pays for every ChunkBytes together, for most segments are short.
func (a *assembler) segments() {
	a.op(0)
	owed := int64(ChunkBytes) // The first charge is at entry.
	for i, s := range a.w.m.data {
		if !s.active {
			continue
		}
		owed += min(int64(len(s.bytes)), ChunkBytes) + toll<<bytesPerUnitShift
		if owed >= ChunkBytes {
			a.with(opGlobalGet, a.w.fuel())
			a.i64(owed >> bytesPerUnitShift)
			a.op(opI64Sub)
			a.b = a.w.check(a.b)
			owed = 0
		}
		a.op(s.offset...)
		a.i32(0)
		a.i32(int32(len(s.bytes))) //nolint:gosec // At most ModuleBytesMax.
		if f, ok := a.w.inits[size(i)]; ok && len(s.bytes) > ChunkBytes {
			a.with(opCall, f)
		} else {
			a.bulk(helper{kind: helperInit, segment: size(i)})
		}
		a.op(opBulk)
		a.with(bulkDataDrop, size(i))
	}
}
