package wasi

import (
	"encoding/binary"
	"strings"
)

// list is the arguments or the variables, each ended by a zero byte.
type list struct {
	starts []uint32
	text   []byte
}

func newList(items []string) list {
	var l list
	for _, item := range items {
		if len(l.text)+len(item)+1+4*(len(l.starts)+1) > ListBytesMax || strings.IndexByte(item, 0) >= 0 {
			continue
		}
		l.starts = append(l.starts, uint32(len(l.text))) //nolint:gosec // G115: at most ListBytesMax
		l.text = append(append(l.text, item...), 0)
	}
	return l
}

// sizes tells how many items there are and how many bytes they take.
func (l *list) sizes(c *call) Errno {
	return c.put32s(c.u32(0), uint32(len(l.starts)), c.u32(1), uint32(len(l.text))) //nolint:gosec // G115: at most ListBytesMax
}

// get writes the items, and where each of them is.
func (l *list) get(c *call) Errno {
	at := c.u32(1)
	text, ok := c.memory.Slice(at, uint32(len(l.text))) //nolint:gosec // G115: at most ListBytesMax
	if !ok {
		return errnoFault
	}
	pointers, ok := c.memory.Slice(c.u32(0), uint32(4*len(l.starts))) //nolint:gosec // G115: at most ListBytesMax
	if !ok {
		return errnoFault
	}
	copy(text, l.text)
	for i, start := range l.starts {
		binary.LittleEndian.PutUint32(pointers[4*i:], at+start)
	}
	return errnoOK
}

func argsGet(l *Layer, c *call) Errno      { return l.args.get(c) }
func argsSizes(l *Layer, c *call) Errno    { return l.args.sizes(c) }
func environGet(l *Layer, c *call) Errno   { return l.env.get(c) }
func environSizes(l *Layer, c *call) Errno { return l.env.sizes(c) }

// output collects lines for people.
type output struct {
	stream int
	write  func(stream int, text []byte)
	line   []byte
}

// add takes bytes and passes whole lines on. A line over OutputBytesMax is
// passed on in pieces.
func (o *output) add(b []byte) {
	if o.write == nil {
		return
	}
	for len(b) > 0 {
		n := min(len(b), OutputBytesMax-len(o.line))
		o.line = append(o.line, b[:n]...)
		b = b[n:]
		end := lastNewline(o.line)
		if len(o.line) == OutputBytesMax && end == 0 {
			end = len(o.line)
		}
		if end > 0 {
			o.write(o.stream, o.line[:end])
			o.line = o.line[:copy(o.line, o.line[end:])]
		}
	}
}

// lastNewline returns the offset after the last newline, zero for none.
func lastNewline(b []byte) int {
	for i := len(b); i > 0; i-- {
		if b[i-1] == '\n' {
			return i
		}
	}
	return 0
}

func (o *output) flush() {
	if o.write != nil && len(o.line) > 0 {
		o.write(o.stream, o.line)
		o.line = o.line[:0]
	}
}
