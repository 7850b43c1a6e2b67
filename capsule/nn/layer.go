package nn

import (
	"bytes"
	"encoding/binary"

	"phios/abi"
	"phios/capsule"
)

// The limits.
const (
	GraphsMax       = 64
	ContextsMax     = 64
	NameBytesMax    = 256
	OptionsBytesMax = 64 << 10
	PromptBytesMax  = 1 << 20
	OutputBytesMax  = 4 << 20
)

// The encodings that are a language model's: the one that finds out, and GGML,
// which share a number. The magic is how bytes of such a model begin.
const (
	encodingAny = 5
	magic       = "GGUF"
	typeU8      = 2
	builderSize = 8
	tensorSize  = 20
)

// Layer is one program's WASI-NN. One goroutine at a time uses it.
type Layer struct {
	door     capsule.Door
	graphs   []graph
	contexts []*context
}

// graph is a model that was loaded; one that was unloaded has no handle.
type graph struct {
	model   abi.Handle
	options []byte
}

// context is where inputs and outputs of a graph lie.
type context struct {
	graph   int
	prompt  []byte
	options []byte

	running bool
	single  bool   // it is read piece by piece
	number  uint64 // of the stream, in its place in word 3
	text    []byte // all that was said
	piece   []byte // what compute_single brought
	read    uint32 // tokens
	written uint32
}

// New returns the layer of a program.
func New(door capsule.Door) *Layer { return &Layer{door: door} }

// Use makes the layer call through another door of the same task.
func (l *Layer) Use(door capsule.Door) { l.door = door }

// load takes (builders, count, encoding, target, graph out). Where it runs is
// the system's to decide; see AISelectDevice.
func (l *Layer) load(c call) Errno {
	if c.u32(2) != encodingAny {
		return ErrnoInvalidEncoding
	}
	if c.u32(1) != 1 {
		return ErrnoInvalidArgument
	}
	record, errno := c.bytes(c.u32(0), builderSize, builderSize)
	if errno != ErrnoOK {
		return errno
	}
	at, n := binary.LittleEndian.Uint32(record), binary.LittleEndian.Uint32(record[4:])
	if n > NameBytesMax {
		head, errno := c.bytes(at, uint32(len(magic)), len(magic))
		if errno == ErrnoOK && string(head) == magic {
			return ErrnoUnsupported
		}
		return ErrnoTooLarge
	}
	name, errno := c.bytes(at, n, NameBytesMax)
	switch {
	case errno != ErrnoOK:
		return errno
	case bytes.HasPrefix(name, []byte(magic)):
		return ErrnoUnsupported
	}
	return l.begin(c, name, nil, c.u32(4))
}

// loadByName takes (name, length, graph out).
func (l *Layer) loadByName(c call) Errno {
	name, errno := c.bytes(c.u32(0), c.u32(1), NameBytesMax)
	if errno != ErrnoOK {
		return errno
	}
	return l.begin(c, name, nil, c.u32(2))
}

// loadWithConfig takes (name, length, options, length, graph out).
func (l *Layer) loadWithConfig(c call) Errno {
	name, errno := c.bytes(c.u32(0), c.u32(1), NameBytesMax)
	if errno != ErrnoOK {
		return errno
	}
	options, errno := c.bytes(c.u32(2), c.u32(3), OptionsBytesMax)
	if errno != ErrnoOK {
		return errno
	}
	if _, ok := parse(options); !ok {
		return ErrnoInvalidArgument
	}
	return l.begin(c, name, options, c.u32(4))
}

// begin makes a graph of the capability that was granted under a name.
func (l *Layer) begin(c call, name, options []byte, out uint32) Errno {
	if len(l.graphs) >= GraphsMax {
		return ErrnoBusy
	}
	model, status := l.door.Named(string(name))
	if !status.OK() {
		return errnoOf(status)
	}
	if errno := c.put32(out, uint32(len(l.graphs))); errno != ErrnoOK { //nolint:gosec // G115: at most GraphsMax
		return errno
	}
	l.graphs = append(l.graphs, graph{model, options})
	return ErrnoOK
}

// graph and context return what a number names.
func (l *Layer) graph(number uint32) (int, bool) {
	if uint64(number) >= uint64(len(l.graphs)) || l.graphs[number].model == 0 {
		return 0, false
	}
	return int(number), true
}

func (l *Layer) context(c call) *context {
	if n := c.u32(0); uint64(n) < uint64(len(l.contexts)) {
		return l.contexts[n]
	}
	return nil
}

// open takes (graph, context out).
func (l *Layer) open(c call) Errno {
	g, ok := l.graph(c.u32(0))
	if !ok {
		return ErrnoInvalidArgument
	}
	number := len(l.contexts)
	for i, x := range l.contexts { // of graphs that were unloaded
		if x == nil {
			number = i
			break
		}
	}
	if number >= ContextsMax {
		return ErrnoBusy
	}
	if errno := c.put32(c.u32(1), uint32(number)); errno != ErrnoOK {
		return errno
	}
	if number == len(l.contexts) {
		l.contexts = append(l.contexts, nil)
	}
	l.contexts[number] = &context{graph: g}
	return ErrnoOK
}

// setInput takes (context, index, tensor). Of a tensor only the bytes count: its
// dimensions say their number again, and programs get them wrong.
func (l *Layer) setInput(c call) Errno {
	x := l.context(c)
	if x == nil {
		return ErrnoInvalidArgument
	}
	record, errno := c.bytes(c.u32(2), tensorSize, tensorSize)
	if errno != ErrnoOK {
		return errno
	}
	if record[8] != typeU8 {
		return ErrnoInvalidArgument
	}
	at, n := binary.LittleEndian.Uint32(record[12:]), binary.LittleEndian.Uint32(record[16:])
	switch c.u32(1) {
	case 0:
		prompt, errno := c.bytes(at, n, PromptBytesMax)
		if errno == ErrnoOK {
			x.prompt = prompt
		}
		return errno
	case 1:
		options, errno := c.bytes(at, n, OptionsBytesMax)
		if errno != ErrnoOK {
			return errno
		}
		if _, ok := parse(options); !ok {
			return ErrnoInvalidArgument
		}
		x.options = options
		return ErrnoOK
	default:
		return ErrnoInvalidArgument
	}
}

// getOutput takes (context, index, buffer, room, written out). What does not fit
// is not cut: the number that is needed is written, with too_large.
func (l *Layer) getOutput(c call) Errno {
	x := l.context(c)
	if x == nil {
		return ErrnoInvalidArgument
	}
	switch c.u32(1) {
	case 0:
		return c.give(x.text)
	case 1:
		return c.give(x.metadata())
	default:
		return ErrnoInvalidArgument
	}
}

func (l *Layer) getOutputSingle(c call) Errno {
	x := l.context(c)
	if x == nil || c.u32(1) > 1 {
		return ErrnoInvalidArgument
	}
	if c.u32(1) == 1 {
		return c.give(x.metadata())
	}
	return c.give(x.piece)
}

// give writes an output.
func (c call) give(b []byte) Errno {
	if errno := c.put32(c.u32(4), uint32(len(b))); errno != ErrnoOK { //nolint:gosec // G115: at most OutputBytesMax
		return errno
	}
	if uint64(len(b)) > uint64(c.u32(3)) {
		return ErrnoTooLarge
	}
	to, ok := c.memory.Slice(c.u32(2), uint32(len(b))) //nolint:gosec // G115: as above
	if !ok {
		return ErrnoInvalidArgument
	}
	copy(to, b)
	return ErrnoOK
}

// unload takes (graph). Its contexts end with it.
func (l *Layer) unload(c call) Errno {
	g, ok := l.graph(c.u32(0))
	if !ok {
		return ErrnoInvalidArgument
	}
	for i, x := range l.contexts {
		if x != nil && x.graph == g {
			l.stop(x)
			l.contexts[i] = nil
		}
	}
	l.graphs[g] = graph{}
	return ErrnoOK
}
