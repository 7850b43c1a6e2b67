package fuel

import "fmt"

// writer puts the rewritten module together.
type writer struct {
	m       *module
	scan    scanner
	helpers []helper
	// Where the helpers are: the one of a kind, and the one of each data
	// segment. The map is only looked up in, so its order decides nothing.
	kinds [helperData]uint32
	inits map[uint32]uint32
	code  []byte
	body  []byte // One function, before its length is known.
}

func newWriter(m *module) *writer {
	w := &writer{m: m, inits: make(map[uint32]uint32)}
	w.scan = scanner{m: m, helper: w.helper}
	return w
}

// The types and indices that come after the guest's own.
func (w *writer) typeSpent() uint32 { return size(len(w.m.params)) }
func (w *writer) typeItems() uint32 { return w.typeSpent() + 1 }
func (w *writer) typeBytes() uint32 { return w.typeSpent() + 2 }
func (w *writer) typeShort() uint32 { return w.typeSpent() + 3 }
func (w *writer) spent() uint32     { return size(w.m.imported) }
func (w *writer) fuel() uint32      { return size(w.m.globals) }

// helperAt returns the index of the function of a helper.
func (w *writer) helperAt(i int) uint32 { return size(w.m.functions() + 1 + i) }

// module returns the whole rewritten module.
func (w *writer) module() ([]byte, error) {
	if err := w.functions(); err != nil {
		return nil, err
	}
	m := w.m
	data := uint32(0)
	if m.facts.HasData {
		data = w.addHelper(helperData, 0, w.typeSpent())
		w.dataInits()
	}
	w.helperBodies()
	out := make([]byte, 0, len(w.code)+len(m.code.b)/8+1024)
	out = append(out, "\x00asm\x01\x00\x00\x00"...)
	out = section(out, sectionType, w.types())
	out = section(out, sectionImport, w.imports())
	out = section(out, sectionFunction, w.functionTypes())
	out = section(out, sectionTable, m.tableSection)
	out = section(out, sectionMemory, m.memorySection)
	out = section(out, sectionGlobal, w.globals())
	out = section(out, sectionExport, w.exports(data))
	out = section(out, sectionElement, m.elementSection)
	if len(m.data) > 0 {
		n := appendU(nil, size(len(m.data)))
		out = append(appendU(append(out, sectionDataCount), size(len(n))), n...)
	}
	out = section(out, sectionCode, vector{len(m.types) + len(w.helpers), w.code})
	out = w.data(out)
	out = w.names(out)
	if len(out) > RewrittenBytesMax {
		return nil, fmt.Errorf("%d bytes when rewritten, at most %d: %w", len(out), RewrittenBytesMax, ErrLimit)
	}
	return out, nil
}

// section appends a section, unless it is empty.
func section(out []byte, id byte, v vector) []byte {
	if v.count == 0 {
		return out
	}
	n := appendU(nil, size(v.count))
	out = appendU(append(out, id), size(len(n)+len(v.b)))
	return append(append(out, n...), v.b...)
}

func (w *writer) types() vector {
	v := w.m.typeSection
	b := append([]byte(nil), v.b...)
	b = append(b, typeFunction, 0, 0)
	b = append(b, typeFunction, 1, typeI32, 1, typeI32)
	b = append(b, typeFunction, 3, typeI32, typeI32, typeI32, 0)
	b = append(b, typeFunction, 2, typeI32, typeI32, 0)
	return vector{v.count + 4, b}
}

func (w *writer) imports() vector {
	v := w.m.importSection
	b := append([]byte(nil), v.b...)
	b = appendName(appendName(b, Module), Spent)
	b = appendU(append(b, byte(KindFunction)), w.typeSpent())
	return vector{v.count + 1, b}
}

func (w *writer) functionTypes() vector {
	b := make([]byte, 0, 2*(len(w.m.types)+len(w.helpers)))
	for _, t := range w.m.types {
		b = appendU(b, t)
	}
	for _, h := range w.helpers {
		b = appendU(b, h.signature)
	}
	return vector{len(w.m.types) + len(w.helpers), b}
}

func (w *writer) globals() vector {
	v := w.m.globalSection
	return vector{v.count + 1, append(v.b, typeI64, 1, opI64Const, 0, opEnd)}
}

func (w *writer) exports(data uint32) vector {
	v := w.m.exportSection
	add := func(name string, kind Kind, index uint32) {
		v.b = appendU(append(appendName(v.b, name), byte(kind)), index)
		v.count++
	}
	add(Global, KindGlobal, w.fuel())
	if w.m.facts.HasData {
		add(Data, KindFunction, data)
	}
	if w.m.facts.HasStart {
		add(Start, KindFunction, w.m.moved(w.m.start))
	}
	for _, g := range w.m.facts.Mutable {
		add(GlobalExport(g.Index), KindGlobal, g.Index)
	}
	return v
}

// data appends the data section: the guest's segments, all passive.
func (w *writer) data(out []byte) []byte {
	n := 0
	for _, s := range w.m.data {
		n += len(s.bytes) + 6
	}
	b := make([]byte, 0, n)
	for _, s := range w.m.data {
		b = appendU(append(b, 1), size(len(s.bytes)))
		b = append(b, s.bytes...)
	}
	return section(out, sectionData, vector{len(w.m.data), b})
}

// functions rewrites all function bodies into w.code.
func (w *writer) functions() error {
	r := w.m.code
	w.code = make([]byte, 0, (len(r.b)-r.p)/2*3)
	w.findLeaves()
	for i := range w.m.types {
		if w.scan.r = r.body(); r.err != nil {
			return at(i, r.err)
		}
		if err := w.function(i); err != nil {
			return at(i, err)
		}
		if len(w.code) > RewrittenBytesMax {
			return at(i, fmt.Errorf("over %d bytes when rewritten: %w", RewrittenBytesMax, ErrLimit))
		}
	}
	if !r.done() {
		r.fail(ErrMalformed, "bytes left at the end of the code")
	}
	return r.err
}

// findLeaves looks at the shortest functions. Those that call nobody, have no
// loop and cost little do not charge: whoever calls them does.
func (w *writer) findLeaves() {
	r := w.m.code
	leaves := make([]uint8, len(w.m.types))
	for i := range w.m.types {
		w.scan.r = r.body()
		if r.err != nil {
			break // The rewriting itself will find out.
		}
		if len(w.scan.r.b)-w.scan.r.p > leafBytesMax {
			continue
		}
		if _, _, err := w.locals(i); err != nil || w.scan.function() != nil {
			continue
		}
		if cost := w.scan.edits[0].arg; w.scan.leaf && len(w.scan.edits) == 1 && cost <= leafCost {
			leaves[i] = uint8(cost)
		}
	}
	w.scan.leaves = leaves
}

// body reads the length of a function body and returns a reader of it.
func (r *reader) body() reader {
	n := r.u32()
	if n > FunctionBytesMax {
		r.fail(ErrLimit, "function of %d bytes, at most %d", n, FunctionBytesMax)
	}
	start := r.p
	b := r.bytes(n)
	return reader{b: r.b[:start+len(b)], p: start}
}

// locals reads the locals of the function that the scanner stands at and
// returns how many groups of them there are, and the groups.
func (w *writer) locals(function int) (count int, groups []byte, err error) {
	r := &w.scan.r
	count = r.count("groups of locals", LocalsMax)
	start := r.p
	total := uint64(w.m.params[w.m.types[function]]) //nolint:gosec // Not negative.
	for i := 0; i < count && r.err == nil; i++ {
		total += uint64(r.u32())
		w.m.valueType(r)
		if total > LocalsMax {
			r.fail(ErrLimit, "%d locals and parameters, at most %d", total, LocalsMax)
		}
	}
	w.scan.locals = uint32(min(total, LocalsMax))
	return count, r.b[start:r.p], r.err
}

// function rewrites the one that the scanner stands at.
func (w *writer) function(i int) error {
	r := &w.scan.r
	count, groups, err := w.locals(i)
	if err != nil {
		return err
	}
	from := r.p
	if err := w.scan.function(); err != nil {
		return err
	}
	b := w.body[:0]
	if w.scan.bulks {
		b = append(appendU(b, size(count+1)), groups...)
		b = append(b, 1, typeI32) // The length of a bulk operation.
	} else {
		b = append(appendU(b, size(count)), groups...)
	}
	for _, e := range w.scan.edits {
		b = append(b, r.b[from:e.at]...)
		from = int(e.end)
		b = w.edit(b, e)
	}
	w.body = append(b, r.b[from:]...)
	w.code = append(appendU(w.code, size(len(w.body))), w.body...)
	return nil
}

// edit appends what comes in the place of some of the guest's code.
func (w *writer) edit(b []byte, e edit) []byte {
	switch e.op {
	case opLoop:
		return w.loop(b, e)
	case opBulk:
		return w.short(b, e)
	case opEnd:
		return w.loopEnd(b)
	case opIndex:
		return appendU(b, e.arg)
	case opNone:
		if e.arg == 0 {
			return b
		}
		return w.charge(b, e.arg)
	default:
		return appendU(append(b, e.op), e.arg)
	}
}

// loopWraps is how many blocks stand around a loop that is charged by loop.
const loopWraps = 3

// loop appends the head of a loop that charges on each turn. It looks for fuel
// before it takes any. When there is none, it leaves for code beside it that
// asks for some and enters it again: as the loop takes no parameters, all its
// state is in locals. A call inside the loop, even if never made, would cost
// it its registers.
//
//	block out
//	  loop
//	    block low
//	      loop
//	        <no fuel?> br_if low
//	        <charge>
//	        ...
//	      end
//	      br out
//	    end
//	    call spent
//	    br 0
//	  end
//	end
func (w *writer) loop(b []byte, e edit) []byte {
	head := w.scan.r.b[e.at:e.end]
	b = append(append(b, opBlock), head[1:]...)
	b = append(b, opLoop, blockEmpty, opBlock, blockEmpty)
	b = w.low(append(b, head...))
	b = append(b, opBrIf, 1)
	b = appendU(append(b, opGlobalGet), w.fuel())
	b = appendS(append(b, opI64Const), int64(e.arg))
	return appendU(append(b, opI64Sub, opGlobalSet), w.fuel())
}

// loopEnd appends what follows the end of a loop.
func (w *writer) loopEnd(b []byte) []byte {
	b = append(b, opBr, 2, opEnd, opCall)
	b = appendU(b, w.spent())
	return append(b, opBr, 0, opEnd, opUnreachable, opEnd)
}

// low appends what pushes whether the fuel is spent.
func (w *writer) low(b []byte) []byte {
	b = appendU(append(b, opGlobalGet), w.fuel())
	return append(b, opI64Const, 0, opI64LtS)
}

// short appends a bulk operation on memory that goes on as it was when it is
// short, which its weight has paid for, and else is left to the helper.
func (w *writer) short(b []byte, e edit) []byte {
	length := w.scan.locals
	b = appendU(append(b, opLocalTee), length)
	b = appendS(append(b, opI32Const), shortBytes)
	b = append(b, opI32LeU, opIf)
	b = appendS(b, int64(w.typeShort()))
	b = appendU(append(b, opLocalGet), length)
	b = append(b, w.scan.r.b[e.at:e.end]...)
	b = appendU(append(b, opElse, opLocalGet), length)
	b = appendU(append(b, opCall), e.arg)
	return append(b, opEnd)
}

// charge appends the code that takes so much fuel and asks for more when there
// is none left.
func (w *writer) charge(b []byte, cost uint32) []byte {
	b = appendU(append(b, opGlobalGet), w.fuel())
	b = appendS(append(b, opI64Const), int64(cost))
	return w.check(append(b, opI64Sub))
}

// check appends what stores the fuel left, on the stack, and looks at it. A
// local in between was tried: the engine forwards the store just as well.
func (w *writer) check(b []byte) []byte {
	b = appendU(append(b, opGlobalSet), w.fuel())
	b = append(w.low(b), opIf, blockEmpty, opCall)
	return append(appendU(b, w.spent()), opEnd)
}
