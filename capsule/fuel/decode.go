package fuel

import "fmt"

// The value types of the binary format.
const (
	typeI32       = 0x7f
	typeI64       = 0x7e
	typeF32       = 0x7d
	typeF64       = 0x7c
	typeV128      = 0x7b
	typeFuncref   = 0x70
	typeExternref = 0x6f
	typeFunction  = 0x60
)

// The sections, by number.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sectionTag
)

// vector is the body of a section without its count: so many entries.
type vector struct {
	count int
	b     []byte
}

// segment is a data segment. An active one has the expression of its offset,
// without the end.
type segment struct {
	active bool
	offset []byte
	bytes  []byte
}

// module is a decoded module: what the code is checked against, and the
// sections as they go into the rewritten one, with function indices moved.
type module struct {
	facts Result

	params   []int    // By type: how many parameters.
	nullary  []bool   // By type: whether it takes and gives nothing.
	imported int      // Functions imported.
	types    []uint32 // By function defined: its type.
	tables   int
	globals  int
	elements []uint32 // By element segment: its length.
	data     []segment
	// dataCount is what the section of that name says, or -1.
	dataCount int
	start     uint32

	typeSection, importSection, tableSection, memorySection vector
	globalSection, exportSection, elementSection            vector
	code                                                    reader
	codeCount                                               int
	names                                                   []byte
}

// functions returns how many functions the guest can name.
func (m *module) functions() int { return m.imported + len(m.types) }

// moved returns where a function of the guest is in the rewritten module: the
// import of Spent comes after the guest's imports and before the rest.
func (m *module) moved(f uint32) uint32 {
	if int64(f) >= int64(m.imported) {
		return f + 1
	}
	return f
}

// decode takes a module apart, but for its code.
func decode(src []byte) (*module, error) {
	m := &module{dataCount: -1}
	r := &reader{b: src}
	if len(src) < 4 || string(src[:4]) != "\x00asm" {
		r.fail(ErrMalformed, "no WebAssembly magic")
		return nil, r.err
	}
	r.p = 4
	switch version := r.bytes(4); {
	case r.err != nil:
		return nil, r.err
	case string(version) == "\x0d\x00\x01\x00":
		r.fail(ErrUnsupported, "a component; build a core module (wasm32-wasip1)")
	case string(version) != "\x01\x00\x00\x00":
		r.fail(ErrMalformed, "unknown version")
	}
	last := 0
	for r.err == nil && !r.done() {
		id := r.byte()
		n := r.u32()
		start := r.p
		body := r.bytes(n)
		if r.err != nil {
			break
		}
		s := &reader{b: src[:start+len(body)], p: start}
		if place := order(id); place != 0 {
			if place <= last {
				s.fail(ErrMalformed, "section %d twice or out of order", id)
			}
			last = place
		}
		m.section(id, s)
		if s.err == nil && !s.done() {
			s.fail(ErrMalformed, "bytes left at the end of section %d", id)
		}
		r.err = s.err
	}
	if r.err == nil {
		m.consistent(r)
	}
	return m, r.err
}

// order returns a section's place among the others; 0 is anywhere.
func order(id byte) int {
	switch id {
	case sectionDataCount:
		return 2*sectionElement + 1
	case sectionTag:
		return 2*sectionMemory + 1
	default:
		return 2 * int(id)
	}
}

func (m *module) section(id byte, r *reader) {
	switch id {
	case sectionCustom:
		m.custom(r)
	case sectionType:
		m.typeEntries(r)
	case sectionImport:
		m.importEntries(r)
	case sectionFunction:
		m.types = make([]uint32, r.count("functions", FunctionsMax))
		for i := range m.types {
			m.types[i] = r.index("type", len(m.params))
		}
		m.facts.Functions = len(m.types)
	case sectionTable:
		m.tableEntries(r)
	case sectionMemory:
		m.memoryEntries(r)
	case sectionGlobal:
		m.globalEntries(r)
	default:
		m.laterSection(id, r)
	}
}

// laterSection reads the sections that name functions.
func (m *module) laterSection(id byte, r *reader) {
	switch id {
	case sectionExport:
		m.exportEntries(r)
	case sectionStart:
		m.startEntry(r)
	case sectionElement:
		m.elementEntries(r)
	case sectionDataCount:
		m.dataCount = int(r.u32())
	case sectionCode:
		m.codeCount = r.count("function bodies", FunctionsMax)
		m.code = *r
		r.p = len(r.b)
	case sectionData:
		m.dataEntries(r)
	case sectionTag:
		r.fail(ErrUnsupported, "exceptions; build without them (-fno-exceptions)")
	default:
		r.fail(ErrMalformed, "unknown section %d", id)
	}
}

// typeOf returns the type of a function.
func (m *module) typeOf(f int) uint32 {
	if f < m.imported {
		return m.facts.Imports[f].Type
	}
	return m.types[f-m.imported]
}

// startEntry reads which function starts the module. The engine will only see
// it exported, so its type is checked here.
func (m *module) startEntry(r *reader) {
	m.start = r.index("function", m.functions())
	if r.err != nil {
		return
	}
	t := m.typeOf(int(m.start))
	if !m.nullary[t] {
		r.fail(ErrMalformed, "the start function takes or gives values")
	}
	m.facts.HasStart = true
}

// consistent checks what sections say of each other.
func (m *module) consistent(r *reader) {
	switch {
	case m.codeCount != len(m.types):
		r.fail(ErrMalformed, "%d functions with %d bodies", len(m.types), m.codeCount)
	case m.dataCount >= 0 && m.dataCount != len(m.data):
		r.fail(ErrMalformed, "%d data segments, %d announced", len(m.data), m.dataCount)
	}
}

// custom drops what is of no use to the engine; only names are kept, for the
// traces of traps.
func (m *module) custom(r *reader) {
	if name := r.name(); name == "name" && m.names == nil {
		m.names = r.b[r.p:]
	}
	r.p = len(r.b)
}

func (m *module) typeEntries(r *reader) {
	n := r.count("types", TypesMax)
	start := r.p
	for i := 0; i < n && r.err == nil; i++ {
		if form := r.byte(); form != typeFunction {
			r.fail(ErrUnsupported, "type form %#x (garbage collection); build without it", form)
		}
		params, results := m.valueTypes(r), m.valueTypes(r)
		if results > 1 {
			m.facts.Uses |= FeatureMultiValue
		}
		m.params = append(m.params, params)
		m.nullary = append(m.nullary, params+results == 0)
	}
	m.typeSection = vector{n, r.b[start:r.p]}
}

// valueTypes reads a vector of value types and returns its length.
func (m *module) valueTypes(r *reader) int {
	n := r.count("parameters or results", ParamsMax)
	for range n {
		m.valueType(r)
	}
	return n
}

// valueType reads one value type.
func (m *module) valueType(r *reader) byte {
	t := r.byte()
	switch t {
	case typeI32, typeI64, typeF32, typeF64:
	case typeV128:
		m.facts.Uses |= FeatureSIMD
	case typeFuncref, typeExternref:
		m.facts.Uses |= FeatureReferenceTypes
	default:
		r.fail(ErrUnsupported, "value type %#x; build without garbage collection, typed references and exceptions", t)
	}
	return t
}

func (m *module) importEntries(r *reader) {
	n := r.count("imports", ImportsMax)
	start := r.p
	for i := 0; i < n && r.err == nil; i++ {
		from, name := r.name(), r.name()
		switch kind := r.byte(); {
		case kind == byte(KindFunction):
		case kind <= byte(KindGlobal):
			what := [...]string{"function", "table", "memory", "global"}[kind]
			r.fail(ErrUnsupported, "%s %s.%s is imported; a capsule defines its own (link without --import-%s)", what, from, name, what)
		default:
			r.fail(ErrUnsupported, "import %s.%s of kind %d; build without exceptions", from, name, kind)
		}
		if from == Module {
			r.fail(ErrUnsupported, "import from %s; that name is the rewriter's, and a module is rewritten once", Module)
		}
		m.facts.Imports = append(m.facts.Imports, Import{from, name, r.index("type", len(m.params))})
	}
	m.imported = len(m.facts.Imports)
	m.importSection = vector{n, r.b[start:r.p]}
}

// limits reads a minimum and a maximum; what names them in errors.
func (r *reader) limits(what string, most uint32) (low, high uint32) {
	flags := r.byte()
	switch {
	case flags <= 1:
	case flags&4 != 0:
		r.fail(ErrUnsupported, "64-bit %s; build for wasm32", what)
	case flags&2 != 0 && flags < 4:
		r.fail(ErrUnsupported, "shared %s; build without threads (no -pthread, no --shared-memory)", what)
	default:
		r.fail(ErrUnsupported, "%s with limits of form %#x; build for wasm32 with pages of 64 KiB", what, flags)
	}
	low, high = r.u32(), most
	if low > most {
		r.fail(ErrLimit, "%s of at least %d, at most %d", what, low, most)
	}
	if flags == 1 {
		high = r.u32()
		if high < low {
			r.fail(ErrMalformed, "%s of at least %d and at most %d", what, low, high)
		}
	}
	return low, high
}

func (m *module) tableEntries(r *reader) {
	n := r.count("tables", TablesMax)
	for i := 0; i < n && r.err == nil; i++ {
		kind := r.byte()
		switch kind {
		case typeFuncref:
		case typeExternref:
			m.facts.Uses |= FeatureReferenceTypes
		default:
			r.fail(ErrUnsupported, "table of %#x; build without typed references", kind)
		}
		low, high := r.limits("table", TableElementsMax)
		high = min(high, TableElementsMax)
		b := append(m.tableSection.b, kind, 1)
		m.tableSection.b = appendU(appendU(b, low), high)
	}
	if n > 1 {
		m.facts.Uses |= FeatureReferenceTypes
	}
	m.tables, m.tableSection.count = n, n
}

func (m *module) memoryEntries(r *reader) {
	n := r.count("memories", MemoryPagesMax)
	if n > 1 {
		r.fail(ErrUnsupported, "%d memories; build with one", n)
	}
	if n == 0 || r.err != nil {
		return
	}
	start := r.p
	low, high := r.limits("memory", MemoryPagesMax)
	if high > MemoryPagesMax {
		r.fail(ErrMalformed, "memory of at most %d pages, over %d", high, MemoryPagesMax)
	}
	m.facts.HasMemory, m.facts.MinPages, m.facts.MaxPages = true, low, high
	m.memorySection = vector{1, r.b[start:r.p]}
}

func (m *module) globalEntries(r *reader) {
	n := r.count("globals", GlobalsMax)
	for i := 0; i < n && r.err == nil; i++ {
		t, mutable := m.valueType(r), r.byte()
		if mutable > 1 {
			r.fail(ErrMalformed, "mutability %d", mutable)
		}
		if mutable == 1 {
			m.facts.Mutable = append(m.facts.Mutable, GlobalFact{uint32(i), t})
		}
		b := append(m.globalSection.b, t, mutable)
		m.globalSection.b = append(m.constant(r, b), opEnd)
	}
	m.globals, m.globalSection.count = n, n
}

// constant reads a constant expression and appends it, without its end.
func (m *module) constant(r *reader, b []byte) []byte {
	start := r.p
	switch op := r.byte(); op {
	case opI32Const:
		r.signed(32)
	case opI64Const:
		r.signed(64)
	case opF32Const:
		r.bytes(4)
	case opF64Const:
		r.bytes(8)
	case opVector:
		if r.byte() != vectorConst {
			r.fail(ErrMalformed, "vector instruction in a constant")
		}
		r.bytes(16)
	case opRefNull:
		m.heapType(r)
	case opRefFunc:
		f := r.index("function", m.functions())
		b = appendU(append(b, op), m.moved(f))
		start = r.p
	case opGlobalGet:
		r.fail(ErrUnsupported, "constant taken from a global; a capsule imports none (link statically, not as a shared library)")
	default:
		r.fail(ErrMalformed, "instruction %#x in a constant", op)
	}
	b = append(b, r.b[start:r.p]...)
	if end := r.byte(); r.err == nil && end != opEnd {
		r.fail(ErrUnsupported, "constant of several instructions; build without extended-const")
	}
	return b
}

// heapType reads what ref.null is a null of.
func (m *module) heapType(r *reader) {
	if t := r.byte(); t != typeFuncref && t != typeExternref {
		r.fail(ErrUnsupported, "reference type %#x; build without typed references", t)
	}
	m.facts.Uses |= FeatureReferenceTypes
}

func (m *module) exportEntries(r *reader) {
	n := r.count("exports", ExportsMax)
	for i := 0; i < n && r.err == nil; i++ {
		name, kind := r.name(), r.byte()
		if len(name) >= len(reserved) && name[:len(reserved)] == reserved {
			r.fail(ErrUnsupported, "export %q: names that begin with %q are the system's; give it another", name, reserved)
		}
		var index uint32
		switch Kind(kind) {
		case KindFunction:
			index = m.moved(r.index("function", m.functions()))
		case KindTable:
			index = r.index("table", m.tables)
		case KindMemory:
			index = r.index("memory", m.memorySection.count)
		case KindGlobal:
			index = r.index("global", m.globals)
		default:
			r.fail(ErrUnsupported, "export %q of kind %d; build without exceptions", name, kind)
		}
		m.facts.Exports = append(m.facts.Exports, Export{name, Kind(kind)})
		m.exportSection.b = appendU(append(appendName(m.exportSection.b, name), kind), index)
	}
	m.exportSection.count = n
}

func (m *module) dataEntries(r *reader) {
	n := r.count("data segments", SegmentsMax)
	m.data = make([]segment, 0, n)
	for i := 0; i < n && r.err == nil; i++ {
		s := segment{}
		switch form := r.u32(); form {
		case 0, 2:
			if form == 2 {
				r.index("memory", m.memorySection.count)
			}
			if !m.facts.HasMemory {
				r.fail(ErrMalformed, "active data segment without a memory")
			}
			s.active = true
			s.offset = m.constant(r, nil)
			m.facts.HasData = true
		case 1:
			m.facts.Uses |= FeatureBulkMemory
		default:
			r.fail(ErrMalformed, "data segment of form %d", form)
		}
		s.bytes = r.bytes(r.u32())
		m.data = append(m.data, s)
	}
}

// at wraps an error with the function it was found in.
func at(function int, err error) error {
	return fmt.Errorf("function %d: %w", function, err)
}
