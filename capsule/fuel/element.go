package fuel

// elementEntries reads the element segments and moves the functions in them.
func (m *module) elementEntries(r *reader) {
	n := r.count("element segments", SegmentsMax)
	total := 0
	for i := 0; i < n && r.err == nil; i++ {
		entries := m.element(r)
		total += entries
		if total > ElementsMax {
			r.fail(ErrLimit, "%d entries in element segments, at most %d", total, ElementsMax)
		}
		m.elements = append(m.elements, size(entries))
	}
	m.elementSection.count = n
}

// element reads one segment and returns how many entries it has. The form is
// three bits: passive or declared; with a table's index, or declared; with
// expressions instead of function indices.
func (m *module) element(r *reader) int {
	const (
		inactive    = 1
		explicit    = 2
		expressions = 4
	)
	form := r.u32()
	if form > 7 {
		r.fail(ErrMalformed, "element segment of form %d", form)
		return 0
	}
	b := appendU(m.elementSection.b, form)
	if form&inactive == 0 {
		if form&explicit != 0 {
			b = appendU(b, r.index("table", m.tables))
		} else if m.tables == 0 {
			r.fail(ErrMalformed, "active element segment without a table")
		}
		b = append(m.constant(r, b), opEnd)
	}
	if form&(inactive|explicit) != 0 {
		kind := r.byte()
		if form&expressions == 0 && kind != 0 {
			r.fail(ErrMalformed, "element kind %d", kind)
		}
		if form&expressions != 0 && kind != typeFuncref && kind != typeExternref {
			r.fail(ErrUnsupported, "elements of type %#x; build without typed references", kind)
		}
		b = append(b, kind)
	}
	if form != 0 {
		m.facts.Uses |= FeatureBulkMemory
	}
	n := r.count("elements", ElementsMax)
	b = appendU(b, size(n))
	for i := 0; i < n && r.err == nil; i++ {
		if form&expressions != 0 {
			b = append(m.constant(r, b), opEnd)
			continue
		}
		b = appendU(b, m.moved(r.index("function", m.functions())))
	}
	m.elementSection.b = b
	return n
}
