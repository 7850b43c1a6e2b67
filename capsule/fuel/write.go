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
	return vector{v.count + 3, b}
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
	for i, t := range w.m.types {
		n := r.u32()
		if n > FunctionBytesMax {
			r.fail(ErrLimit, "function of %d bytes, at most %d", n, FunctionBytesMax)
		}
		start := r.p
		body := r.bytes(n)
		if r.err != nil {
			return at(i, r.err)
		}
		w.scan.r = reader{b: r.b[:start+len(body)], p: start}
		if err := w.function(w.m.params[t]); err != nil {
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

// function rewrites the one that the scanner stands at.
func (w *writer) function(params int) error {
	r := &w.scan.r
	groups := r.count("groups of locals", LocalsMax)
	start, total := r.p, uint64(params)
	for i := 0; i < groups && r.err == nil; i++ {
		total += uint64(r.u32())
		w.m.valueType(r)
		if total > LocalsMax {
			r.fail(ErrLimit, "%d locals and parameters, at most %d", total, LocalsMax)
		}
	}
	if r.err != nil {
		return r.err
	}
	w.scan.locals = uint32(total) //nolint:gosec // At most LocalsMax.
	// One more local holds the fuel between charging it and looking at it.
	b := appendU(w.body[:0], size(groups+1))
	b = append(b, r.b[start:r.p]...)
	b = append(b, 1, typeI64)
	from := r.p
	if err := w.scan.function(); err != nil {
		return err
	}
	for _, e := range w.scan.edits {
		b = append(b, r.b[from:e.at]...)
		from = int(e.end)
		switch {
		case e.op != 0:
			b = appendU(append(b, e.op), e.arg)
		case e.arg != 0:
			b = w.charge(b, e.arg)
		}
	}
	w.body = append(b, r.b[from:]...)
	w.code = append(appendU(w.code, size(len(w.body))), w.body...)
	return nil
}

// charge appends the code that takes so much fuel and asks for more when there
// is none left.
func (w *writer) charge(b []byte, cost uint32) []byte {
	b = appendU(append(b, opGlobalGet), w.fuel())
	b = appendS(append(b, opI64Const), int64(cost))
	b = append(b, opI64Sub)
	return w.check(b, w.scan.locals)
}

// check appends what stores the fuel left, on the stack, and looks at it. The
// local saves loading it again.
func (w *writer) check(b []byte, local uint32) []byte {
	b = appendU(append(b, opLocalTee), local)
	b = appendU(append(b, opGlobalSet), w.fuel())
	b = appendU(append(b, opLocalGet), local)
	b = append(b, opI64Const, 0, opI64LtS, opIf, blockEmpty, opCall)
	return append(appendU(b, w.spent()), opEnd)
}
