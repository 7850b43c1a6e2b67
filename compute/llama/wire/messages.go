package wire

// DeviceKind is the kind of a device, as llama.cpp sorts them.
type DeviceKind uint8

// The kinds of devices.
const (
	DeviceCPU DeviceKind = iota
	DeviceGPU
	DeviceIntegrated
	DeviceAccelerator
)

// Device is one that the libraries can use.
type Device struct {
	Kind        DeviceKind
	Name        string
	Description string
	// MemoryBytes is all of its memory; zero is not known.
	MemoryBytes uint64
}

// Greeting is what a helper says of itself.
type Greeting struct {
	Version uint32
	// Library is the file name of the library, which has its version.
	Library string
	Devices []Device
}

// Append encodes it.
func (g *Greeting) Append(b []byte) []byte {
	b = append32(b, g.Version)
	b = appendText(b, g.Library)
	devices := g.Devices[:min(len(g.Devices), DevicesMax)]
	b = append32(b, uint32(len(devices)))
	for i := range devices {
		d := &devices[i]
		b = append(b, byte(d.Kind))
		b = appendText(b, d.Name)
		b = appendText(b, d.Description)
		b = append64(b, d.MemoryBytes)
	}
	return b
}

// Decode reads it, or says that it is malformed.
func (g *Greeting) Decode(b []byte) error {
	d := decoder{b: b}
	*g = Greeting{Version: d.u32(), Library: d.text()}
	n := d.count(DevicesMax)
	for range n {
		g.Devices = append(g.Devices, Device{
			Kind: DeviceKind(d.u8()), Name: d.text(), Description: d.text(), MemoryBytes: d.u64(),
		})
	}
	return d.done()
}

// Loading says how the model of [ModelDescriptor] is loaded.
type Loading struct {
	// ContextTokens bounds a sequence; zero is what the model was made for.
	ContextTokens uint32
	// CacheTokens is how many tokens the cache holds; zero is four times the
	// context, or as many as the memory holds.
	CacheTokens uint32
	Threads     uint32
	// LayersOnDevice is how many layers go to a GPU; negative is all.
	LayersOnDevice int32
	// Locked keeps the weights in physical memory.
	Locked bool
}

// Append encodes it.
func (l *Loading) Append(b []byte) []byte {
	b = append32(b, l.ContextTokens)
	b = append32(b, l.CacheTokens)
	b = append32(b, l.Threads)
	b = append32(b, uint32(l.LayersOnDevice))
	return appendBool(b, l.Locked)
}

// Decode reads it, or says that it is malformed.
func (l *Loading) Decode(b []byte) error {
	d := decoder{b: b}
	*l = Loading{ContextTokens: d.u32(), CacheTokens: d.u32(), Threads: d.u32(), LayersOnDevice: int32(d.u32()), Locked: d.bool()}
	return d.done()
}

// Loaded says what was loaded.
type Loaded struct {
	Architecture string
	Parameters   uint64
	// FileType is llama.cpp's number for the mixture of formats.
	FileType uint32
	// Vocabulary, ContextTokens and Width are the model's; CacheTokens is how
	// many cells the cache has, and CellBytes the size of one.
	Vocabulary, ContextTokens, Width, CacheTokens, CellBytes uint32
	// Divisible says that a sequence can be cut and shared by ranges: the
	// state is a cache of tokens, not one that is overwritten.
	Divisible bool
}

// Append encodes it.
func (l *Loaded) Append(b []byte) []byte {
	b = appendText(b, l.Architecture)
	b = append64(b, l.Parameters)
	for _, v := range []uint32{l.FileType, l.Vocabulary, l.ContextTokens, l.Width, l.CacheTokens, l.CellBytes} {
		b = append32(b, v)
	}
	return appendBool(b, l.Divisible)
}

// Decode reads it, or says that it is malformed.
func (l *Loaded) Decode(b []byte) error {
	d := decoder{b: b}
	*l = Loaded{
		Architecture: d.text(), Parameters: d.u64(), FileType: d.u32(), Vocabulary: d.u32(),
		ContextTokens: d.u32(), Width: d.u32(), CacheTokens: d.u32(), CellBytes: d.u32(), Divisible: d.bool(),
	}
	return d.done()
}

// Work is what a step does for one sequence.
type Work struct {
	Sequence uint32
	// Position is that of the first token: the length of the sequence so far.
	Position uint32
	// Tokens are appended, and Rows of logits wanted, of the last tokens.
	Tokens, Rows uint32
}

// Works is a step.
type Works []Work

// Append encodes it.
func (w *Works) Append(b []byte) []byte {
	b = append32(b, uint32(len(*w)))
	for _, v := range *w {
		b = append32(b, v.Sequence)
		b = append32(b, v.Position)
		b = append32(b, v.Tokens)
		b = append32(b, v.Rows)
	}
	return b
}

// Decode reads it, or says that it is malformed.
func (w *Works) Decode(b []byte) error {
	d := decoder{b: b}
	*w = (*w)[:0]
	for range d.count(WorksMax) {
		*w = append(*w, Work{Sequence: d.sequence(), Position: d.u32(), Tokens: d.u32(), Rows: d.u32()})
	}
	return d.done()
}

// Range is a part of a sequence: its tokens from Low to High.
type Range struct {
	// From is the other sequence of a Copy.
	From, Sequence, Low, High uint32
	// Bytes is how many bytes of the bulk an Import takes.
	Bytes uint32
}

// Append encodes it.
func (r *Range) Append(b []byte) []byte {
	for _, v := range []uint32{r.From, r.Sequence, r.Low, r.High, r.Bytes} {
		b = append32(b, v)
	}
	return b
}

// Decode reads it, or says that it is malformed.
func (r *Range) Decode(b []byte) error {
	d := decoder{b: b}
	*r = Range{From: d.sequence(), Sequence: d.sequence(), Low: d.u32(), High: d.u32(), Bytes: d.u32()}
	if r.High < r.Low || r.High > 1<<30 || r.Bytes > BulkBytes-BulkStart {
		d.bad = true
	}
	return d.done()
}

// Text is a text, or tokens, in the bulk.
type Text struct {
	// Count is the number of bytes, or tokens.
	Count uint32
	// Special recognises, or writes, special tokens.
	Special bool
}

// Append encodes it.
func (t *Text) Append(b []byte) []byte { return appendBool(append32(b, t.Count), t.Special) }

// Decode reads it, or says that it is malformed.
func (t *Text) Decode(b []byte) error {
	d := decoder{b: b}
	*t = Text{Count: d.u32(), Special: d.bool()}
	if t.Count > BulkBytes-BulkStart {
		d.bad = true
	}
	return d.done()
}

// Size answers with a number of bytes, or of tokens.
type Size uint32

// Append encodes it.
func (s *Size) Append(b []byte) []byte { return append32(b, uint32(*s)) }

// Decode reads it, or says that it is malformed.
func (s *Size) Decode(b []byte) error {
	d := decoder{b: b}
	if *s = Size(d.u32()); *s > BulkBytes-BulkStart {
		d.bad = true
	}
	return d.done()
}

// Failure says how a request failed.
type Failure struct {
	Code Code
	Text string
}

// Append encodes it.
func (f *Failure) Append(b []byte) []byte { return appendText(append(b, byte(f.Code)), f.Text) }

// Decode reads it, or says that it is malformed.
func (f *Failure) Decode(b []byte) error {
	d := decoder{b: b}
	*f = Failure{Code: Code(d.u8()), Text: d.text()}
	return d.done()
}
