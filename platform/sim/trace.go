package sim

import "strconv"

// FNV-1a of 64 bits, which sums a trace.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// trace is the schedule as text, one line a step: the time, the program's
// number and name, and what it did.
type trace struct {
	text []byte
	line []byte
	sum  uint64
}

func (t *trace) reset() { t.text, t.sum = t.text[:0], fnvOffset }

// add writes a line; past TraceBytesMax it goes into the sum alone.
func (t *trace) add(now int64, p *program, event string) {
	line := strconv.AppendInt(t.line[:0], now, 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, int64(p.number), 10)
	line = append(line, ' ')
	line = append(line, p.name...)
	line = append(line, ": "...)
	line = append(line, event...)
	line = append(line, '\n')
	t.line = line
	for _, b := range line {
		t.sum = (t.sum ^ uint64(b)) * fnvPrime
	}
	if len(t.text)+len(line) <= TraceBytesMax {
		t.text = append(t.text, line...)
	}
}

// Trace returns the schedule so far as text, of which the last line is a sum
// of all of it, also of what is not kept. Equal configurations and programs
// have equal traces.
func (m *Machine) Trace() []byte {
	text := append([]byte(nil), m.trace.text...)
	text = append(text, "sum "...)
	text = strconv.AppendUint(text, m.trace.sum, 16)
	return append(text, '\n')
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
