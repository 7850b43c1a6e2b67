package abi

// Label says where bytes come from and who may see them. Labels form a
// lattice: joining only adds sources and only removes readers.
//
// The model is that of Denning, "A Lattice Model of Secure Information Flow"
// (CACM 19(5), 1976), with both halves as sets.
type Label struct {
	// Sources is the set of sources that could have written the bytes, one
	// bit each; the empty set is the most trusted.
	Sources uint64
	// Readers is the set of audiences that may read the bytes, one bit each;
	// the full set is public.
	Readers uint64
}

// LabelBottom returns the label of what nobody untrusted wrote and everybody
// may read. It flows anywhere.
func LabelBottom() Label { return Label{Sources: 0, Readers: ^uint64(0)} }

// LabelTop returns the label that every other flows to: anyone could have
// written it and nobody may read it. As a ceiling it accepts everything.
func LabelTop() Label { return Label{Sources: ^uint64(0), Readers: 0} }

// Join returns the least label that both flow to.
func (l Label) Join(m Label) Label {
	return Label{Sources: l.Sources | m.Sources, Readers: l.Readers & m.Readers}
}

// Meet returns the greatest label that flows to both: the ceiling of a path
// through two sinks.
func (l Label) Meet(m Label) Label {
	return Label{Sources: l.Sources & m.Sources, Readers: l.Readers | m.Readers}
}

// FlowsTo reports whether bytes labelled l may go where the ceiling is m.
func (l Label) FlowsTo(m Label) bool {
	return l.Sources&^m.Sources|m.Readers&^l.Readers == 0
}
