package fuel

import "unicode/utf8"

// names appends the name section: the names of the guest's functions, so that
// the trace of a trap can be read. All else in that section is dropped, and
// all of it when it is malformed, for it has no meaning for the program.
func (w *writer) names(out []byte) []byte {
	const functionNames = 1
	r := &reader{b: w.m.names}
	for r.err == nil && !r.done() {
		id := r.byte()
		body := r.bytes(r.u32())
		if id != functionNames || r.err != nil {
			continue
		}
		names := w.functionNames(&reader{b: body})
		if names.count == 0 {
			return out
		}
		sub := section(nil, functionNames, names)
		out = appendU(append(out, sectionCustom), size(len(sub)+5))
		return append(appendName(out, "name"), sub...)
	}
	return out
}

// functionNames moves the functions that are named.
func (w *writer) functionNames(r *reader) vector {
	v := vector{b: make([]byte, 0, len(r.b)+len(r.b)/8)}
	n := r.count("names", FunctionsMax+ImportsMax)
	last := int64(-1)
	for i := 0; i < n && r.err == nil; i++ {
		f := r.index("function", w.m.functions())
		name := r.bytes(r.u32())
		if int64(f) <= last || !utf8.Valid(name) {
			return vector{}
		}
		last = int64(f)
		v.b = append(appendU(appendU(v.b, w.m.moved(f)), size(len(name))), name...)
	}
	if r.err != nil || !r.done() {
		return vector{}
	}
	v.count = n
	return v
}
