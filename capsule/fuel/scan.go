package fuel

// frame is a block that the scan is inside of.
type frame struct {
	op byte // opBlock, opLoop, opIf, opElse; opEnd for the function itself.
	// cost is what the current arm may execute at most without entering a
	// loop; other is the cost of the arm before the else.
	cost, other uint32
	head        int32 // The edit that charges a loop.
	// wraps counts the blocks up to this one, and it, that the rewritten form
	// has besides; see writer.loop.
	wraps uint32
}

// edit is one difference between a body and its rewritten form: the bytes
// from at to end give way to what op says.
//
//	opNone        a charge of arg units; of none, nothing
//	opLoop        a loop that charges arg units each turn
//	opEnd         the end of such a loop
//	opBulk        a bulk operation, done by function arg when it is long
//	opIndex       arg alone, an index
//	any other     this instruction with the index arg
type edit struct {
	at, end int32
	op      byte
	arg     uint32
}

// What no instruction of one index is.
const (
	opNone  = 0x00
	opIndex = 0x01
)

// scanner reads function bodies and finds what to change in them. It is used
// for one after the other and keeps its memory.
type scanner struct {
	m      *module
	r      reader
	locals uint32
	frames []frame
	edits  []edit
	// straight holds until the first branch, call or block; first is the
	// loop's charge when that block is a loop, or -1.
	straight bool
	first    int32
	// leaf holds until the first indirect call, bulks since the first opBulk.
	leaf, bulks bool
	// constant is the i32 that was pushed just before byte constantEnd.
	constant    uint32
	constantEnd int
	// leaves has what functions cost that leave it to their callers to pay,
	// and 0 for the others.
	leaves []uint8
	helper func(helperKind, uint32) uint32
}

// sparePrefix is how much code before a function's loop is not worth a charge
// of its own, in units.
const sparePrefix = 64

const (
	// leafCost is the most that a function costs which does not charge, and
	// what an indirect call pays for it: it may reach one.
	leafCost = 32
	// leafBytesMax is how long functions are that are looked at for that.
	leafBytesMax = 128
	// shortBytes is how long a bulk operation on memory may be that its
	// weight pays for, constantBytes one that a constant makes plain.
	shortBytes    = 256
	shortWeight   = toll + shortBytes>>bytesPerUnitShift
	constantBytes = 4096
)

// function scans the instructions of one function, from r.p to the end of
// r.b, and leaves its edits in s.edits, in order of place.
func (s *scanner) function() error {
	r := &s.r
	s.frames = append(s.frames[:0], frame{op: opEnd})
	s.edits = append(s.edits[:0], edit{at: int32(r.p), end: int32(r.p)}) //nolint:gosec // At most ModuleBytesMax.
	s.straight, s.first = true, -1
	s.leaf, s.bulks, s.constantEnd = true, false, -1
	for len(s.frames) > 0 && r.err == nil {
		at := r.p
		op := r.byte()
		o := opcodeTable[op]
		s.frames[len(s.frames)-1].cost += uint32(o.weight)
		s.instruction(op, o.class, at)
	}
	if r.err == nil && !r.done() {
		r.fail(ErrMalformed, "code after the end of the function")
	}
	return r.err
}

// instruction reads what follows an instruction's byte.
func (s *scanner) instruction(op byte, c class, at int) {
	switch r := &s.r; c { //nolint:exhaustive // rare has the others.
	case classPlain:
		if op >= 0xc0 && op <= 0xc4 {
			s.m.facts.Uses |= FeatureSignExtension
		}
	case classLocal:
		if i := r.u32(); i >= s.locals {
			r.fail(ErrMalformed, "local %d of %d", i, s.locals)
		}
	case classGlobal:
		r.index("global", s.m.globals)
	case classMemory:
		s.memory()
	case classI32:
		s.constant = uint32(r.signed(32)) //nolint:gosec // Its bits are meant.
		s.constantEnd = r.p
	case classI64:
		r.signed(64)
	case classF32:
		r.bytes(4)
	case classF64:
		r.bytes(8)
	case classBlock, classElse, classEnd, classLabel, classTable, classReturn, classCall, classIndirect:
		s.control(op, c, at)
	default:
		s.rare(op, c, at)
	}
}

// control reads what changes the flow of control.
func (s *scanner) control(op byte, c class, at int) {
	r := &s.r
	top := &s.frames[len(s.frames)-1]
	switch c { //nolint:exhaustive // instruction has the others.
	case classBlock:
		s.block(op, at)
		return // It decides itself whether the code was straight so far.
	case classElse:
		if top.op != opIf {
			r.fail(ErrMalformed, "else without if")
		}
		top.op, top.other, top.cost = opElse, top.cost, 0
	case classEnd:
		s.end()
	case classLabel:
		if label, moved := s.label(); label != moved {
			s.replace(at, op, moved)
		}
	case classTable:
		n := r.count("labels", FunctionBytesMax)
		for i := 0; i <= n && r.err == nil; i++ {
			at = r.p
			if label, moved := s.label(); label != moved {
				s.replace(at, opIndex, moved)
			}
		}
	case classCall:
		s.call(op, at)
	case classIndirect:
		if op == opReturnCallIndirect {
			s.m.facts.Uses |= FeatureTailCall
		}
		r.index("type", len(s.m.params))
		r.index("table", s.m.tables)
		top.cost += leafCost
		s.leaf = false
	}
	s.straight = false
}

// call reads a direct call, and pays for a callee that does not.
func (s *scanner) call(op byte, at int) {
	if op == opReturnCall {
		s.m.facts.Uses |= FeatureTailCall
	}
	f := s.r.index("function", s.m.functions())
	s.replace(at, op, s.m.moved(f))
	if i := int(f) - s.m.imported; i >= 0 && i < len(s.leaves) {
		s.frames[len(s.frames)-1].cost += uint32(s.leaves[i])
	}
}

// label reads a label and returns it and what it is in the rewritten form,
// where loops that it leads out of are two.
func (s *scanner) label() (label, moved uint32) {
	label = s.r.index("label", len(s.frames))
	top := len(s.frames) - 1
	return label, label + s.frames[top].wraps - s.frames[top-int(label)].wraps
}

// block opens a block, loop or if.
func (s *scanner) block(op byte, at int) {
	r := &s.r
	params := 0
	if r.p < len(r.b) && r.b[r.p] == blockEmpty {
		r.p++
	} else if r.p < len(r.b) && r.b[r.p] >= 0x40 && r.b[r.p] < 0x80 {
		s.m.valueType(r)
	} else if t := r.signed(33); t < 0 || t >= int64(len(s.m.params)) {
		r.fail(ErrMalformed, "block of type %d of %d", t, len(s.m.params))
	} else {
		s.m.facts.Uses |= FeatureMultiValue
		params = s.m.params[t]
	}
	if len(s.frames) >= NestingMax {
		r.fail(ErrLimit, "blocks nested %d deep; at most that", NestingMax)
	}
	f := frame{op: op, wraps: s.frames[len(s.frames)-1].wraps}
	if op == opLoop {
		f.head = int32(len(s.edits)) //nolint:gosec // At most FunctionBytesMax.
		if s.straight && len(s.frames) == 1 {
			s.first = f.head
		}
		if params == 0 {
			f.wraps += loopWraps
			s.replace(at, opLoop, 0)
		} else {
			s.replace(r.p, opNone, 0)
		}
	}
	s.straight = false
	s.frames = append(s.frames, f)
}

// end closes a block. What it costs is its parent's; a loop has paid itself.
func (s *scanner) end() {
	f := s.frames[len(s.frames)-1]
	s.frames = s.frames[:len(s.frames)-1]
	switch cost := max(f.cost, f.other, 1); f.op {
	case opLoop:
		s.edits[f.head].arg = cost
		if s.edits[f.head].op == opLoop {
			s.replace(s.r.p, opEnd, 0)
		}
	case opEnd:
		// A function that always comes to a loop at once pays there, if that
		// makes the loop's turns not much dearer: compilers that put a whole
		// resumable function in a loop need one charge, not two.
		if s.first >= 0 && cost <= max(sparePrefix, s.edits[s.first].arg) {
			s.edits[s.first].arg += cost
			return
		}
		s.edits[0].arg = cost
	default:
		s.frames[len(s.frames)-1].cost += max(f.cost, f.other)
	}
}

// replace puts an instruction that names a function in the place of what was
// read since at.
func (s *scanner) replace(at int, op byte, function uint32) {
	s.edits = append(s.edits, edit{int32(at), int32(s.r.p), op, function}) //nolint:gosec // At most ModuleBytesMax.
}

// insert puts a call before what was read since at.
func (s *scanner) insert(at int, function uint32) {
	s.edits = append(s.edits, edit{int32(at), int32(at), opCall, function}) //nolint:gosec // At most ModuleBytesMax.
}

// memory reads an alignment and an offset.
func (s *scanner) memory() {
	r := &s.r
	switch align := r.u32(); {
	case align&0x40 != 0:
		r.fail(ErrUnsupported, "several memories; build with one")
	case align > 4:
		r.fail(ErrMalformed, "alignment 2^%d", align)
	}
	r.u32()
	s.needMemory()
}

func (s *scanner) needMemory() {
	if !s.m.facts.HasMemory {
		s.r.fail(ErrMalformed, "memory instruction without a memory")
	}
}

// zero reads the index of the only memory.
func (s *scanner) zero() {
	if s.r.byte() != 0 {
		s.r.fail(ErrUnsupported, "several memories; build with one")
	}
	s.needMemory()
}

// rare reads the instructions that are seldom met.
func (s *scanner) rare(op byte, c class, at int) {
	r := &s.r
	switch c { //nolint:exhaustive // instruction has the others.
	case classSelect:
		n := r.count("types of select", 1)
		for range n {
			s.m.valueType(r)
		}
		s.m.facts.Uses |= FeatureReferenceTypes
	case classTableIndex:
		r.index("table", s.m.tables)
		s.m.facts.Uses |= FeatureReferenceTypes
		if op == opTableSet {
			s.m.facts.TablesMutated = true
		}
	case classPages:
		s.zero()
		if op == opMemoryGrow {
			s.insert(at, s.helper(helperPages, 0))
		}
	case classRefNull:
		s.m.heapType(r)
	case classRefFunc:
		s.m.facts.Uses |= FeatureReferenceTypes
		s.replace(at, op, s.m.moved(r.index("function", s.m.functions())))
	case classBulk:
		s.bulk(at)
	case classVector:
		s.vector()
	case classAtomic:
		s.atomic()
	default:
		r.p = at
		r.fail(ErrUnsupported, "instruction %#x; build without exceptions, garbage collection and typed references", op)
	}
}

// bulk reads an instruction behind the prefix of bulk operations.
func (s *scanner) bulk(at int) {
	r, m := &s.r, s.m
	sub := r.byte()
	if sub < bulkMemoryInit {
		m.facts.Uses |= FeatureSaturatingFloat
		return
	}
	m.facts.Uses |= FeatureBulkMemory
	switch sub {
	case bulkMemoryInit:
		i := r.index("data segment", m.dataCount)
		s.zero()
		if r.err == nil {
			m.facts.DataDropped = true
			s.move(at, helperInit, i)
		}
	case bulkDataDrop:
		r.index("data segment", m.dataCount)
		m.facts.DataDropped = true
	case bulkMemoryCopy:
		s.zero()
		s.zero()
		s.move(at, helperCopy, 0)
	case bulkMemoryFill:
		s.zero()
		s.move(at, helperFill, 0)
	default:
		s.tables(sub, at)
	}
}

// move charges a bulk operation on memory. The commonest length is a constant,
// and pays as plain instructions do.
func (s *scanner) move(at int, kind helperKind, seg uint32) {
	top := &s.frames[len(s.frames)-1]
	if s.constantEnd == at && s.constant <= constantBytes {
		top.cost += toll + s.constant>>bytesPerUnitShift
		return
	}
	top.cost += shortWeight
	s.bulks = true
	s.replace(at, opBulk, s.helper(kind, seg))
}

// tables reads a bulk operation on tables.
func (s *scanner) tables(sub byte, at int) {
	r, m := &s.r, s.m
	switch sub {
	case bulkTableInit:
		r.index("element segment", len(m.elements))
		r.index("table", m.tables)
	case bulkElemDrop:
		r.index("element segment", len(m.elements))
		m.facts.TablesMutated = true
		return
	case bulkTableCopy:
		r.index("table", m.tables)
		r.index("table", m.tables)
	case bulkTableGrow, bulkTableFill:
		r.index("table", m.tables)
		m.facts.Uses |= FeatureReferenceTypes
	case bulkTableSize:
		r.index("table", m.tables)
		m.facts.Uses |= FeatureReferenceTypes
		return
	default:
		r.fail(ErrUnsupported, "instruction 0xfc %#x; build for WebAssembly 2.0", sub)
		return
	}
	m.facts.TablesMutated = true
	s.insert(at, s.helper(helperItems, 0))
}

// vector reads a vector instruction. Its number takes one byte below 0x80 and
// two up to 0xff; longer forms of the same numbers are refused, for decoders
// do not agree on them.
func (s *scanner) vector() {
	s.m.facts.Uses |= FeatureSIMD
	r := &s.r
	sub := r.byte()
	if sub >= 0x80 && r.byte() != 1 {
		r.fail(ErrUnsupported, "relaxed vector instruction; build without -mrelaxed-simd")
		return
	}
	switch {
	case vectorHolesTable[sub/64]>>(sub%64)&1 != 0:
		r.fail(ErrMalformed, "instruction 0xfd %#x", sub)
	case sub < vectorConst, sub == 0x5c, sub == 0x5d: // Loads, stores.
		s.memory()
	case sub == vectorConst, sub == vectorShuffle:
		r.bytes(16)
	case sub >= 0x15 && sub <= 0x22: // A lane.
		r.byte()
	case sub >= 0x54 && sub <= 0x5b: // A lane of memory.
		s.memory()
		r.byte()
	}
}

// atomic reads an atomic instruction. Waiting traps, as memory is not shared.
func (s *scanner) atomic() {
	s.m.facts.Uses |= FeatureAtomics
	r := &s.r
	switch sub := r.byte(); {
	case sub == 3: // fence
		if r.byte() != 0 {
			r.fail(ErrMalformed, "fence of an unknown kind")
		}
	case sub <= 2, sub >= 0x10 && sub <= 0x4e:
		s.memory()
	default:
		r.fail(ErrMalformed, "instruction 0xfe %#x", sub)
	}
}
